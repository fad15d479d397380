// What attach() was asked for, see attach_request.hpp.
#include "attaching/attach_request.hpp"

#include "server/roles.hpp"
#include "tables/condition.hpp"
#include "tables/distributed.hpp"

#include <initializer_list>
#include <utility>

namespace listing_stats {

namespace {

// What a column is called when attach() is not told.
constexpr const char *usual_last_price = "last_price";
constexpr const char *usual_at = "created";
constexpr const char *usual_value = "value";

const char *
table_kind(Relation relation)
{
	switch (relation->rd_rel->relkind)
	{
	case RELKIND_VIEW:
		return "a view";
	case RELKIND_MATVIEW:
		return "a materialized view";
	case RELKIND_FOREIGN_TABLE:
		return "a foreign table";
	default:
		return "not a table";
	}
}

void
check_table(Relation relation)
{
	const char *name = RelationGetRelationName(relation);
	const char relkind = relation->rd_rel->relkind;

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
		                errmsg("cannot attach \"%s\": it is %s", name, table_kind(relation)),
		                errhint("Attach the tables that hold the rows.")));
	if (IsCatalogRelation(relation))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("cannot attach \"%s\": it is a system catalog", name)));
	if (RELATION_IS_OTHER_TEMP(relation))
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("cannot attach \"%s\": it is a temporary table of another session", name)));
	if (is_distributed(RelationGetRelid(relation)))
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		     errmsg("cannot attach \"%s\": it is a table of Citus, whose rows are in shards", name),
		     errhint("undistribute_table() makes it an ordinary table, which can be attached.")));
}

// Whether statements on the table lock the other one with writing in mind.
bool
is_attached(Oid price)
{
	Relation relation = try_relation_open(price, AccessShareLock);
	if (relation == nullptr)
		return false;
	const bool found = our_triggers(relation) != NIL;

	relation_close(relation, AccessShareLock);
	return found;
}

// Locks both tables in the order that fewest of the statements under way can deadlock with.  An
// INSERT into price locks price and then, for its foreign key, listing weakly: that does not
// conflict, and whoever writes listings and then their prices goes listing first too.  But a column
// that has to be added needs a lock on listing that conflicts with everything, and what is attached
// already writes listing after price: then price goes first.
//
// The strong lock is taken at once, since a lock made stronger later is a deadlock in waiting.
void
lock_tables(Oid listing, Oid price, bool add_column, bool attached)
{
	const LOCKMODE mode = add_column ? AccessExclusiveLock : ShareRowExclusiveLock;
	const bool price_first = add_column || attached;

	if (price_first)
		LockRelationOid(price, ShareRowExclusiveLock);
	LockRelationOid(listing, mode);
	if (!price_first)
		LockRelationOid(price, ShareRowExclusiveLock);
}

// Whether attach() will have to add a column, as far as can be seen before locking.
bool
adds_column(const Request &request, Oid listing)
{
	for (int i = first_target; i < end_of_targets; ++i)
	{
		const char *name =
			request.column[i] == nullptr && i == last_price ? usual_last_price : request.column[i];
		if (name != nullptr && strcmp(name, no_column) != 0 &&
		    get_attnum(listing, name) == InvalidAttrNumber)
			return true;
	}
	return false;
}

}  // namespace

void
open_tables(Oid listing, Oid price, Request *request)
{
	check_ownership(listing);
	check_ownership(price);

	if (listing == price)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("cannot attach table \"%s\" to itself", get_rel_name(listing)),
		                errhint("Listings and prices are two tables.")));
	lock_tables(listing, price, adds_column(*request, listing), is_attached(price));
	check_ownership(listing);
	check_ownership(price);
	request->listing = relation_open(listing, NoLock);
	check_table(request->listing);
	request->price = relation_open(price, NoLock);
	check_table(request->price);
	if (request->listing->rd_rel->relowner != request->price->rd_rel->relowner)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("table \"%s\" is owned by \"%s\" and table \"%s\" by \"%s\"",
		            RelationGetRelationName(request->listing),
		            GetUserNameFromId(request->listing->rd_rel->relowner, false),
		            RelationGetRelationName(request->price),
		            GetUserNameFromId(request->price->rd_rel->relowner, false)),
		     errhint(
				 "Tables attached to each other need one owner: see ALTER TABLE ... OWNER TO.")));
	if ((request->listing->rd_rel->relpersistence == RELPERSISTENCE_TEMP) !=
	    (request->price->rd_rel->relpersistence == RELPERSISTENCE_TEMP))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		         errmsg("cannot attach a temporary table and a permanent one to each other")));
}

namespace {

const char *
column_name(Relation relation, AttrNumber attnum)
{
	return pstrdup(NameStr(TupleDescAttr(RelationGetDescr(relation), attnum - 1)->attname));
}

bool
refers_to_any_of(Relation relation, Oid other)
{
	ListCell *cell = nullptr;

	foreach (cell, RelationGetFKeyList(relation))
	{
		if (static_cast<ForeignKeyCacheInfo *>(lfirst(cell))->confrelid == other)
			return true;
	}
	return false;
}

// The columns of a list, as they are named.
const char *
quoted_list(const char *const *column, ColumnList list)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < count_list(column, list); ++i)
		appendStringInfo(&out, "%s\"%s\"", i > 0 ? ", " : "", column[list_place(list, i)]);
	return out.data;
}

// The key that a foreign key is on.
void
take_key(const Request &request, const ForeignKeyCacheInfo &foreign_key, const char **column)
{
	if (foreign_key.nkeys > most_key_columns)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("the foreign key from table \"%s\" to table \"%s\" has %d columns",
		                       RelationGetRelationName(request.price),
		                       RelationGetRelationName(request.listing), foreign_key.nkeys),
		                errhint("Keys have at most %d columns.", most_key_columns)));
	for (int i = 0; i < foreign_key.nkeys; ++i)
	{
		column[list_place(ColumnList::key, i)] = column_name(request.price, foreign_key.conkey[i]);
		column[list_place(ColumnList::listing_key, i)] =
			column_name(request.listing, foreign_key.confkey[i]);
	}
}

// The key of price, and what it refers to, by the only foreign key to listing.
void
find_key(Request *request)
{
	StringInfoData keys;
	ListCell *cell = nullptr;
	const char *found = nullptr;
	int count = 0;

	initStringInfo(&keys);
	foreach (cell, RelationGetFKeyList(request->price))
	{
		const ForeignKeyCacheInfo &foreign_key = *static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		const char *column[column_count] = {};
		if (foreign_key.confrelid != RelationGetRelid(request->listing))
			continue;
		take_key(*request, foreign_key, column);
		const char *key = quoted_list(column, ColumnList::key);
		if (found != nullptr && strcmp(found, key) == 0)
			continue;
		found = key;
		appendStringInfo(&keys, "%s%s", count > 0 ? "; " : "", key);
		++count;
		for (int i = 0; i < column_count; ++i)
			request->column[i] = column[i] != nullptr ? column[i] : request->column[i];
	}
	if (count == 0)
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT),
		         errmsg("table \"%s\" has no foreign key to table \"%s\"",
		                RelationGetRelationName(request->price),
		                RelationGetRelationName(request->listing)),
		         errhint("%s", refers_to_any_of(request->listing, RelationGetRelid(request->price))
		                           ? "The table of listings comes first, that of prices second."
		                           : "Name the column that refers to the listing: attach(..., key "
		                             "=> '...').")));
	if (count > 1)
		ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_COLUMN),
		                errmsg("table \"%s\" has %d foreign keys to table \"%s\"",
		                       RelationGetRelationName(request->price), count,
		                       RelationGetRelationName(request->listing)),
		                errdetail("They are on columns %s.", keys.data),
		                errhint("Name the column to use: attach(..., key => '...').")));
}

// Whether what refers to a column of another table can be the key of a listing nevertheless: both
// refer to that column, it refers to the listing in turn, or one table is a part of the other.
bool
is_key_by_way_of(const Request &request, AttrNumber key, Oid table, AttrNumber referenced)
{
	const Oid listing = RelationGetRelid(request.listing);

	if (refers_to(request.listing, key, table, referenced) ||
	    list_member_oid(find_all_inheritors(listing, NoLock, nullptr), table) ||
	    list_member_oid(find_all_inheritors(table, NoLock, nullptr), listing))
		return true;
	Relation other = relation_open(table, AccessShareLock);
	const bool found = refers_to(other, referenced, listing, key);
	relation_close(other, AccessShareLock);
	return found;
}

// The columns of the primary key; 0: there is none.  Deferrable ones too, which the relation cache
// does not have as the primary key before 17.
int
primary_key(Relation relation, AttrNumber *column)
{
	int count = 0;
	ListCell *cell = nullptr;

	foreach (cell, RelationGetIndexList(relation))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		for (int i = 0; index->rd_index->indisprimary && i < index->rd_index->indnkeyatts; ++i)
			column[count++] = index->rd_index->indkey.values[i];
		index_close(index, AccessShareLock);
	}
	return count;
}

// The foreign key from exactly the columns of the key to the listing; nullptr: there is none.
const ForeignKeyCacheInfo *
foreign_key_of(const Request &request)
{
	const int count = count_list(request.column, ColumnList::key);
	ListCell *cell = nullptr;

	foreach (cell, RelationGetFKeyList(request.price))
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		int matched = 0;
		if (foreign_key->confrelid != RelationGetRelid(request.listing) ||
		    foreign_key->nkeys != count)
			continue;
		for (int i = 0; i < count; ++i)
		{
			const AttrNumber key = get_attnum(RelationGetRelid(request.price),
			                                  request.column[list_place(ColumnList::key, i)]);
			for (int j = 0; j < count; ++j)
				matched += foreign_key->conkey[j] == key ? 1 : 0;
		}
		if (matched == count)
			return foreign_key;
	}
	return nullptr;
}

// The key of listing where no foreign key says what it is: the primary key.  Each column of the key
// is matched by a foreign key on it alone, otherwise by its name, and what is left over in order.
void
match_primary_key(Request *request)
{
	const char *listing = RelationGetRelationName(request->listing);
	const int count = count_list(request->column, ColumnList::key);
	AttrNumber primary[INDEX_MAX_KEYS];
	const int columns = primary_key(request->listing, primary);

	if (columns == 0)
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT),
		         errmsg("table \"%s\" has no primary key", listing),
		         errhint("Name the columns that the key refers to: attach(..., listing_key => "
		                 "'...').")));
	if (columns != count)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		     errmsg("the primary key of table \"%s\" has %d columns and the key of table \"%s\" "
		            "%d",
		            listing, columns, RelationGetRelationName(request->price), count),
		     errhint("Name the columns that belong together, in the same order: attach(..., key "
		             "=> 'a, b', listing_key => 'c, d').")));
	for (int pass = 0; pass < 3; ++pass)
	{
		for (int i = 0; i < count; ++i)
		{
			const char *key = request->column[list_place(ColumnList::key, i)];
			const char **matched = &request->column[list_place(ColumnList::listing_key, i)];
			const AttrNumber attnum = get_attnum(RelationGetRelid(request->price), key);
			for (int j = 0; *matched == nullptr && j < count; ++j)
			{
				if (primary[j] == 0)
					continue;
				const char *name = column_name(request->listing, primary[j]);
				if (pass == 0 ? !refers_to(request->price, attnum,
				                           RelationGetRelid(request->listing), primary[j])
				              : pass == 1 && strcmp(name, key) != 0)
					continue;
				*matched = name;
				primary[j] = 0;
			}
		}
	}
}

// A key of one column that refers to another table is none of the listing's.
void
check_reference(const Request &request)
{
	const AttrNumber key =
		find_column(request.price, request.column[price_key], argument_name(price_key));
	const AttrNumber listing_column =
		find_column(request.listing, request.column[listing_key], argument_name(listing_key));
	ListCell *cell = nullptr;

	foreach (cell, RelationGetFKeyList(request.price))
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		if (foreign_key->nkeys == 1 && foreign_key->conkey[0] == key &&
		    !is_key_by_way_of(request, listing_column, foreign_key->confrelid,
		                      foreign_key->confkey[0]))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_FOREIGN_KEY),
			     errmsg("column \"%s\" of table \"%s\" refers to table \"%s\" and not to \"%s\"",
			            request.column[price_key], RelationGetRelationName(request.price),
			            get_rel_name(foreign_key->confrelid),
			            RelationGetRelationName(request.listing)),
			     errhint("Name the column that refers to the listing: attach(..., key => "
			             "'...').")));
	}
}

void
find_listing_key(Request *request, bool anew)
{
	const int count = count_list(request->column, ColumnList::key);
	const ForeignKeyCacheInfo *foreign_key = foreign_key_of(*request);

	if (request->listing_key_is_named)
	{
		if (count_list(request->column, ColumnList::listing_key) != count)
			ereport(ERROR,
			        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			         errmsg("key has %d columns and listing_key %d", count,
			                count_list(request->column, ColumnList::listing_key)),
			         errhint("Name as many columns of listing as of price, in the same order.")));
	}
	else if (foreign_key != nullptr)
		take_key(*request, *foreign_key, request->column);
	else if (count_list(request->column, ColumnList::listing_key) != count)
		match_primary_key(request);
	if (foreign_key == nullptr && count == 1 && anew && !request->own_rows)
		check_reference(*request);
}

bool
is_in_foreign_key(Relation relation, AttrNumber column)
{
	ListCell *cell = nullptr;

	foreach (cell, RelationGetFKeyList(relation))
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		for (int i = 0; i < foreign_key->nkeys; ++i)
		{
			if (foreign_key->conkey[i] == column)
				return true;
		}
	}
	return false;
}

// Whether the columns of price found so far have this one.
bool
is_taken(const Request &request, const char *name)
{
	for (int i = first_of_price; i < end_of_price; ++i)
	{
		const bool carries = i >= first_source && i < further_price_key;
		if (!carries && request.column[i] != nullptr && strcmp(request.column[i], name) == 0)
			return true;
	}
	return false;
}

// A column that attach() was not told of: the one that is usually called so, or the only one of its
// kind that is nothing else.
const char *
find_only_column(const Request &request, Column which, const char *usual)
{
	StringInfoData names;
	const char *found = nullptr;
	int count = 0;
	AttrNumber primary[INDEX_MAX_KEYS];
	const int primary_columns = which == price_value ? primary_key(request.price, primary) : 0;

	if (get_attnum(RelationGetRelid(request.price), usual) > 0)
		return usual;
	initStringInfo(&names);
	for (int i = 0; i < RelationGetNumberOfAttributes(request.price); ++i)
	{
		const Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(request.price), i);
		if (attribute->attisdropped)
			continue;
		const Oid type = getBaseType(attribute->atttypid);
		const char *name = NameStr(attribute->attname);
		bool is_key = false;
		for (int j = 0; j < primary_columns; ++j)
			is_key = is_key || primary[j] == attribute->attnum;
		if (is_key || is_taken(request, name) ||
		    !(which == price_at ? is_time_type(type) : is_number(type)) ||
		    is_in_foreign_key(request.price, attribute->attnum))
			continue;
		found = pstrdup(name);
		appendStringInfo(&names, "%s\"%s\"", count++ > 0 ? ", " : "", name);
	}
	if (count == 1)
		return found;
	// The tie can be the time itself, where there cannot be two prices at one time.
	if (count == 0 && which == price_at && request.column[price_tie] != nullptr &&
	    is_time_type(getBaseType(
			get_atttype(RelationGetRelid(request.price),
	                    get_attnum(RelationGetRelid(request.price), request.column[price_tie])))))
		return request.column[price_tie];
	const char *table = RelationGetRelationName(request.price);
	const char *kind = which == price_at ? "time" : "number";
	const char *argument = argument_name(which);
	if (count == 0)
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_COLUMN),
		         errmsg("table \"%s\" has no column \"%s\", and no other that could be the %s",
		                table, usual, which == price_at ? "time of a price" : "price"),
		         errhint("Name it: attach(..., %s => '...').", argument)));
	ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_COLUMN),
	                errmsg("table \"%s\" has %d columns that could be the %s", table, count,
	                       which == price_at ? "time of a price" : "price"),
	                errdetail("They are of a %s type and nothing else: %s.", kind, names.data),
	                errhint("Name the one to use: attach(..., %s => '...').", argument)));
	pg_unreachable();
}

// Whether there cannot be two prices of a listing at one time, or without one.
bool
is_unique(const Request &request)
{
	const int count = count_list(request.column, ColumnList::key);
	const bool at_is_known =
		read_column(request.price,
	                find_column(request.price, request.column[price_at], argument_name(price_at)))
			.not_null;
	ListCell *cell = nullptr;
	bool unique = false;

	foreach (cell, RelationGetIndexList(request.price))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		const Form_pg_index form = index->rd_index;
		bool only_these = form->indisunique && form->indisvalid && form->indimmediate &&
		                  (at_is_known || form->indnullsnotdistinct) &&
		                  form->indnkeyatts <= count + 1 && has_rows_of(index, nullptr);
		for (int i = 0; only_these && i < form->indnkeyatts; ++i)
		{
			const AttrNumber attnum = form->indkey.values[i];
			bool found = false;
			for (int j = 0; j < count; ++j)
				found =
					found || get_attnum(RelationGetRelid(request.price),
				                        request.column[list_place(ColumnList::key, j)]) == attnum;
			found = found ||
			        get_attnum(RelationGetRelid(request.price), request.column[price_at]) == attnum;
			only_these = found && attnum > 0;
		}
		unique = unique || only_these;
		index_close(index, AccessShareLock);
	}
	return unique;
}

const char *
find_tie(const Request &request)
{
	AttrNumber primary[INDEX_MAX_KEYS];
	const int columns = primary_key(request.price, primary);
	const char *found = nullptr;
	int count = 0;

	if (is_unique(request))
		return request.column[price_at];
	for (int i = 0; i < columns; ++i)
	{
		const char *name = column_name(request.price, primary[i]);
		bool is_key = strcmp(name, request.column[price_at]) == 0;
		for (int j = 0; j < count_list(request.column, ColumnList::key); ++j)
			is_key = is_key || strcmp(name, request.column[list_place(ColumnList::key, j)]) == 0;
		if (is_key)
			continue;
		found = name;
		++count;
	}
	if (count != 1)
		ereport(
			ERROR,
			(errcode(count > 1 ? ERRCODE_AMBIGUOUS_COLUMN : ERRCODE_UNDEFINED_COLUMN),
		     errmsg(count > 1 ? "the primary key of table \"%s\" has several columns that could "
		                        "break ties"
		                      : "table \"%s\" has no primary-key column that could break ties",
		            RelationGetRelationName(request.price)),
		     errhint("Name the column that orders prices of the same time: attach(..., tie => "
		             "'...'). Where there cannot be two, that is \"%s\".",
		             request.column[price_at])));
	return found;
}

[[noreturn]] void
unknown_option(const char *name, const char *text, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	                errmsg("%s => '%s' is not known", name, text), errhint("%s", hint)));
	pg_unreachable();
}

char
parse_replication(const char *text)
{
	if (strcmp(text, "origin") == 0)
		return TRIGGER_FIRES_ON_ORIGIN;
	if (strcmp(text, "replica") == 0)
		return TRIGGER_FIRES_ON_REPLICA;
	if (strcmp(text, "always") == 0)
		return TRIGGER_FIRES_ALWAYS;
	unknown_option("replication", text,
	               "It is 'origin' (changes made here), 'replica' (changes that are replicated "
	               "here) or 'always'.");
}

void
read_options(const Request &request, Attachment *attachment)
{
	if (request.null_value != nullptr &&
	    !parse_null_value(request.null_value, &attachment->skip_null))
		unknown_option("null_value", request.null_value,
		               "It is 'keep' (a NULL price is the latest) or 'skip' (the last known price "
		               "counts).");
	if (request.guard != nullptr && !parse_guard(request.guard, &attachment->guard))
		unknown_option("guard", request.guard,
		               "It is 'keep' (what an application writes is put right), 'error' or 'off'.");
	if (request.empty != nullptr && !parse_empty(request.empty, &attachment->keep_empty))
		unknown_option("empty", request.empty,
		               "It is 'null' (a listing without prices has NULL) or 'keep' (it keeps what "
		               "the application wrote).");
}

void
check_key_types(const Request &request, Attachment *attachment)
{
	for (int i = 0; i < attachment->key_columns; ++i)
	{
		const ResolvedColumn &listing = attachment->column[list_place(ColumnList::listing_key, i)];
		const ResolvedColumn &price = attachment->column[list_place(ColumnList::key, i)];
		ComparedType type = {};
		if (resolve_key_type(listing, price, attachment->context, &type))
			continue;
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
		     errmsg("columns \"%s\" of table \"%s\" and \"%s\" of table \"%s\" have types %s and "
		            "%s",
		            NameStr(listing.name), RelationGetRelationName(request.listing),
		            NameStr(price.name), RelationGetRelationName(request.price),
		            format_type_be(listing.type), format_type_be(price.type)),
		     errhint("Keys need one type, with a default btree operator class; arrays and rows "
		             "cannot be keys.")));
	}
}

bool
computes_from_values(const Request &request)
{
	for (int i = previous_price; i <= price_total; ++i)
	{
		if (i != price_count && request.column[i] != nullptr &&
		    strcmp(request.column[i], no_column) != 0)
			return true;
	}
	return false;
}

void
check_types(const Request &request, Attachment *attachment)
{
	const ResolvedColumn *column = attachment->column;

	check_column_type(request.price, column[price_at], true);
	if (computes_from_values(request))
		check_column_type(request.price, column[price_value], false);
	check_key_types(request, attachment);
	if (!OidIsValid(
			lookup_type_cache(getBaseType(column[price_tie].type), TYPECACHE_LT_OPR)->lt_opr))
		ereport(ERROR,
		        (errcode(ERRCODE_DATATYPE_MISMATCH),
		         errmsg("column \"%s\" of table \"%s\" has type %s, which has no order",
		                NameStr(column[price_tie].name), RelationGetRelationName(request.price),
		                format_type_be(column[price_tie].type))));
}

// Sets the condition that was named, or that of what is attached already, and its columns.
void
complete_condition(const Request &request, const char *existing, Attachment *attachment)
{
	const char *text = request.condition != nullptr ? request.condition : existing;
	const char *problem = nullptr;
	ListCell *cell = nullptr;
	int count = 0;

	if (text == nullptr || strcmp(text, no_column) == 0)
		return;
	attachment->condition_tree = request.condition != nullptr
	                                 ? parse_new_condition(request.price, text)
	                                 : parse_condition(request.price, text, nullptr, &problem);
	if (attachment->condition_tree == nullptr)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("condition \"%s\" on table \"%s\" means nothing any more: %s", text,
		                       RelationGetRelationName(request.price), problem),
		                errhint("Name another: attach(..., condition => '...'), or 'none'.")));
	attachment->condition = condition_text(request.price, attachment->condition_tree);
	foreach (cell, condition_columns(attachment->condition_tree))
	{
		if (count == most_condition_columns)
			ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
			                errmsg("condition \"%s\" names more than %d columns", text,
			                       most_condition_columns)));
		attachment->column[list_place(ColumnList::condition, count++)] =
			read_column(request.price, static_cast<AttrNumber>(lfirst_int(cell)));
	}
}

// Puts the columns of the keys into the order that those of listing have in the table: every
// attachment of a listing locks its rows in one order then.
void
order_keys(Attachment *attachment)
{
	for (int i = 1; i < attachment->key_columns; ++i)
	{
		for (int j = i; j > 0; --j)
		{
			ResolvedColumn *column = attachment->column;
			const int listing = list_place(ColumnList::listing_key, j);
			const int before = list_place(ColumnList::listing_key, j - 1);
			if (column[before].attnum <= column[listing].attnum)
				break;
			std::swap(column[before], column[listing]);
			std::swap(column[list_place(ColumnList::key, j - 1)],
			          column[list_place(ColumnList::key, j)]);
		}
	}
}

// What is carried: what was, unless it is named 'none', and what is named, in the columns that it
// was kept in if it was.
void
merge_carried(Request *request, const char *const *kept)
{
	const char *merged[column_count] = {};
	int count = 0;

	for (int pass = request->carry_none ? 1 : 0; pass < 2; ++pass)
	{
		const char *const *from = pass == 0 ? kept : request->column;
		for (int i = 0; i < most_carried; ++i)
		{
			const int source = first_source + i;
			int place = 0;
			if (from[source] == nullptr)
				continue;
			while (place < count &&
			       strcmp(merged[first_carried + place], from[carried_by(source)]) != 0)
				++place;
			if (place == most_carried)
				ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
				                errmsg("more than %d columns to carry", most_carried)));
			merged[first_source + place] = from[source];
			merged[first_carried + place] = from[carried_by(source)];
			count = Max(count, place + 1);
		}
	}
	for (int i = 0; i < most_carried; ++i)
	{
		request->column[first_source + i] = merged[first_source + i];
		request->column[first_carried + i] = merged[first_carried + i];
	}
}

// The names of the columns that an attachment has now, or where it does not resolve those that its
// triggers have.
struct Existing
{
	const Trigger *trigger;
	const char *column[column_count];
	Definition definition;
	const char *condition;
};

Existing
read_existing(const Request &request, const Trigger *trigger, Side side)
{
	Relation relation = side == Side::price ? request.price : request.listing;

	Existing existing = {};
	Attachment now = {};
	Problem problem = {};

	existing.trigger = trigger;
	existing.definition = parse_definition(relation, trigger);
	existing.condition = existing.definition.condition;
	now.context = CurrentMemoryContext;
	const bool resolved = resolve(relation, trigger, side, &now, &problem);
	for (int i = 0; i < column_count; ++i)
	{
		if (resolved && now.column[i].attnum != 0)
			existing.column[i] = pstrdup(NameStr(now.column[i].name));
		else if (!resolved)
			existing.column[i] = existing.definition.column[i];
	}
	if (resolved)
		existing.condition = now.condition;
	return existing;
}

// The attachments of the two tables, and those halves of which the other is gone.
List *
existing_attachments(const Request &request)
{
	const Oid listing = RelationGetRelid(request.listing);
	const Oid function = trigger_function(listing_changed);
	List *found = NIL;
	ListCell *cell = nullptr;

	for (const Side side : {Side::price, Side::listing})
	{
		Relation relation = side == Side::price ? request.price : request.listing;
		foreach (cell, our_triggers(relation))
		{
			const Trigger *trigger = static_cast<Trigger *>(lfirst(cell));
			const bool is_of_request =
				side == Side::price
					? is_attachment(relation, trigger) &&
						  (other_half(relation, trigger, side) == listing ||
			               is_orphan_of(relation, trigger, side, listing))
					: trigger->tgfoid == function &&
						  is_orphan_of(relation, trigger, side, RelationGetRelid(request.price));
			if (!is_of_request)
				continue;
			Existing *existing = static_cast<Existing *>(palloc(sizeof(Existing)));
			*existing = read_existing(request, trigger, side);
			found = lappend(found, existing);
		}
	}
	return found;
}

bool
is_named(const char *name)
{
	return name != nullptr && strcmp(name, no_column) != 0;
}

bool
keeps_named(const Request &request, const Existing &existing)
{
	for (int i = first_target; i < end_of_targets; ++i)
	{
		for (int j = first_target; is_named(request.column[i]) && j < end_of_targets; ++j)
		{
			if (existing.column[j] != nullptr && strcmp(existing.column[j], request.column[i]) == 0)
				return true;
		}
	}
	return false;
}

bool
differs(const char *named, const char *now)
{
	return named != nullptr && (now == nullptr || strcmp(named, now) != 0);
}

// Whether the request can be of the attachment, by key; and by time, value and condition, as far as
// it names them.
bool
has_key(const Request &request, const Existing &existing)
{
	for (int i = 0; request.key_is_named && i < most_key_columns; ++i)
	{
		bool found = request.column[list_place(ColumnList::key, i)] == nullptr;
		for (int j = 0; j < most_key_columns; ++j)
		{
			const char *key = existing.column[list_place(ColumnList::key, j)];
			found = found || (key != nullptr &&
			                  strcmp(key, request.column[list_place(ColumnList::key, i)]) == 0);
		}
		if (!found)
			return false;
	}
	return !request.key_is_named || count_list(request.column, ColumnList::key) ==
	                                    count_list(existing.column, ColumnList::key);
}

bool
is_of_same_prices(const Request &request, const Existing &existing)
{
	const char *condition =
		request.condition == nullptr ? nullptr
		: strcmp(request.condition, no_column) == 0
			? no_column
			: condition_text(request.price, parse_new_condition(request.price, request.condition));

	// A column that the attachment has lost can be any.
	for (const int i :
	     {static_cast<int>(price_at), static_cast<int>(price_value), static_cast<int>(price_tie)})
	{
		if (differs(request.column[i], existing.column[i]) &&
		    get_attnum(RelationGetRelid(request.price), existing.column[i]) != InvalidAttrNumber)
			return false;
	}
	return !differs(condition, existing.condition == nullptr ? no_column : existing.condition);
}

// Whether the attachment has none of the columns that are named, or has lost them, so that it can
// take them.
bool
can_take_named(const Request &request, const Existing &existing)
{
	for (int i = first_target; i < first_carried; ++i)
	{
		if (is_named(request.column[i]) && existing.column[i] != nullptr &&
		    get_attnum(RelationGetRelid(request.listing), existing.column[i]) != InvalidAttrNumber)
			return false;
	}
	return true;
}

}  // namespace

AttrNumber
find_column(Relation relation, const char *name, const char *argument)
{
	const AttrNumber attnum = get_attnum(RelationGetRelid(relation), name);

	if (attnum == InvalidAttrNumber)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
		                errmsg("column \"%s\" of table \"%s\" does not exist", name,
		                       RelationGetRelationName(relation)),
		                errhint("Name the right one: attach(..., %s => '...').", argument)));
	if (attnum < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
		                errmsg("column \"%s\" of table \"%s\" is a system column", name,
		                       RelationGetRelationName(relation))));
	return attnum;
}

const Trigger *
existing_attachment(Request *request)
{
	const Existing *found = nullptr;
	const Trigger *usual = nullptr;
	const char *columns[2] = {};
	int count = 0;
	ListCell *cell = nullptr;
	List *all = existing_attachments(*request);
	List *of_key = NIL;

	foreach (cell, all)
	{
		const Existing *existing = static_cast<Existing *>(lfirst(cell));
		const bool lost_key =
			request->key_is_named && list_length(all) == 1 &&
			get_attnum(RelationGetRelid(request->price), existing->column[price_key]) <= 0;
		if (keeps_named(*request, *existing))
			return existing->trigger;
		if (has_key(*request, *existing) || lost_key)
			of_key = lappend(of_key, lfirst(cell));
	}
	foreach (cell, of_key)
	{
		const Existing *existing = static_cast<Existing *>(lfirst(cell));
		if ((request->targets_are_named || list_length(of_key) > 1) &&
		    (!is_of_same_prices(*request, *existing) || !can_take_named(*request, *existing)))
			continue;
		for (int i = first_target; i < end_of_targets; ++i)
		{
			if (existing->column[i] != nullptr && columns[Min(count, 1)] == nullptr)
				columns[Min(count, 1)] = existing->column[i];
		}
		// The column that is kept if none is named: so a call that has been made can be made again.
		if (!request->targets_are_named && existing->column[last_price] != nullptr &&
		    strcmp(existing->column[last_price], usual_last_price) == 0)
			usual = existing->trigger;
		found = existing;
		++count;
	}
	// Halves of one that do not find each other are none.
	if (count > 1 && columns[0] != nullptr && columns[1] != nullptr &&
	    strcmp(columns[0], columns[1]) == 0)
		return nullptr;
	if (usual != nullptr)
		return usual;
	if (count > 1)
		ereport(ERROR,
		        (errcode(ERRCODE_AMBIGUOUS_COLUMN),
		         errmsg("tables \"%s\" and \"%s\" have %d attachments that this could be of",
		                RelationGetRelationName(request->listing),
		                RelationGetRelationName(request->price), count),
		         errhint("Name a column that the one to change keeps, such as \"%s\" or \"%s\".",
		                 columns[0], columns[1])));
	return found == nullptr ? nullptr : found->trigger;
}

namespace {

// Nothing that is kept stops being kept because another column is named for the same.
void
check_stays_kept(const Request &request, const Existing &now)
{
	for (int i = first_target; i < first_carried; ++i)
	{
		const char *kept = now.column[i];
		bool stays = kept == nullptr || !is_named(request.column[i]) ||
		             get_attnum(RelationGetRelid(request.listing), kept) == InvalidAttrNumber;
		for (int j = first_target; !stays && j < end_of_targets; ++j)
			stays = request.column[j] != nullptr && strcmp(request.column[j], kept) == 0;
		if (!stays)
			ereport(ERROR,
			        (errcode(ERRCODE_DUPLICATE_OBJECT),
			         errmsg("column \"%s\" of table \"%s\" would no longer be kept", kept,
			                RelationGetRelationName(request.listing)),
			         errhint("Stop keeping it first, with attach(..., %s => 'none'), or keep the "
			                 "same in two columns by naming \"%s\" in a call of its own.",
			                 argument_name(i), request.column[i])));
	}
}

// Another attachment of the two tables most often has the same key and time: those of the first one
// that are not named.
void
take_from_others(Request *request)
{
	List *others = existing_attachments(*request);

	if (others == NIL || request->listing_key_is_named)
		return;
	const Existing *other = static_cast<Existing *>(linitial(others));
	if (request->key_is_named && !has_key(*request, *other))
		return;
	for (int i = 0; i < most_key_columns; ++i)
	{
		for (const ColumnList list : {ColumnList::key, ColumnList::listing_key})
			request->column[list_place(list, i)] = other->column[list_place(list, i)];
	}
	for (const int i : {static_cast<int>(price_at), static_cast<int>(price_tie)})
	{
		if (request->column[i] == nullptr)
			request->column[i] = other->column[i];
	}
}

}  // namespace

// Finds what the request leaves open; what is attached already is left as it is.
Attachment
complete_request(Request *request, const Trigger *existing)
{
	Attachment attachment = {};
	ResolvedColumn *column = attachment.column;
	const char *condition = nullptr;
	Existing now = {};

	if (existing != nullptr)
	{
		const bool on_price = existing->tgfoid == trigger_function(price_changed);
		now = read_existing(*request, existing, on_price ? Side::price : Side::listing);
		attachment.skip_null = now.definition.skip_null;
		attachment.keep_empty = now.definition.keep_empty;
		attachment.own_rows = now.definition.own_rows;
		attachment.guard = now.definition.guard;
		condition = now.condition;
	}
	check_stays_kept(*request, now);
	merge_carried(request, now.column);
	for (int i = 0; i < first_source; ++i)
	{
		const bool is_of_key = i == price_key || i == listing_key;
		if (!is_of_key && !is_carried(i) && request->column[i] == nullptr)
			request->column[i] = now.column[i];
	}
	for (const ColumnList list : {ColumnList::key, ColumnList::listing_key})
	{
		const bool named = request->key_is_named ||
		                   (list == ColumnList::listing_key && request->listing_key_is_named);
		for (int i = 0; !named && i < most_key_columns; ++i)
			request->column[list_place(list, i)] = now.column[list_place(list, i)];
	}
	read_options(*request, &attachment);
	attachment.own_rows = attachment.own_rows || request->own_rows;
	if (existing == nullptr)
		take_from_others(request);
	if (request->column[price_key] == nullptr)
		find_key(request);
	else if (request->column[listing_key] == nullptr || request->key_is_named ||
	         request->listing_key_is_named)
		find_listing_key(request, existing == nullptr);
	attachment.key_columns = count_list(request->column, ColumnList::key);
	if (request->column[price_at] == nullptr)
		request->column[price_at] = find_only_column(*request, price_at, usual_at);
	find_column(request->price, request->column[price_at], argument_name(price_at));
	if (request->column[price_tie] == nullptr)
		request->column[price_tie] = find_tie(*request);
	if (request->column[price_value] == nullptr)
		request->column[price_value] = find_only_column(*request, price_value, usual_value);

	attachment.listing = RelationGetRelid(request->listing);
	attachment.price = RelationGetRelid(request->price);
	attachment.owner = request->listing->rd_rel->relowner;
	attachment.context = CurrentMemoryContext;
	for (int i = 0; i < column_count; ++i)
	{
		Relation relation = is_of_listing(i) ? request->listing : request->price;
		if (!is_target(i) && request->column[i] != nullptr)
			column[i] =
				read_column(relation, find_column(relation, request->column[i], argument_name(i)));
	}
	order_keys(&attachment);
	complete_condition(*request, condition, &attachment);
	check_types(*request, &attachment);
	if (existing == nullptr && !request->own_rows && foreign_key_of(*request) == nullptr)
		for (int i = 0; i < attachment.key_columns; ++i)
			ereport(NOTICE,
			        (errmsg("column \"%s\" of table \"%s\" is matched with column \"%s\" of "
			                "table \"%s\"",
			                NameStr(column[list_place(ColumnList::key, i)].name),
			                RelationGetRelationName(request->price),
			                NameStr(column[list_place(ColumnList::listing_key, i)].name),
			                RelationGetRelationName(request->listing))));
	return attachment;
}

namespace {

bool
is_null(const Arguments &arguments, Argument which)
{
	const int place = arguments.place[static_cast<int>(which)];

	return place < 0 || arguments.fcinfo->args[place].isnull;
}

Datum
value_of(const Arguments &arguments, Argument which)
{
	return arguments.fcinfo->args[arguments.place[static_cast<int>(which)]].value;
}

const char *
text_of(const Arguments &arguments, Argument which)
{
	return is_null(arguments, which) ? nullptr : TextDatumGetCString(value_of(arguments, which));
}

void
read_list(const Arguments &arguments, Argument which, ColumnList list, const char **column)
{
	const char *text = text_of(arguments, which);
	const char *problem = text == nullptr ? nullptr : parse_list(text, list, column);

	if (problem != nullptr)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
		                errmsg("%s => '%s' is not a list of columns",
		                       argument_name(list_place(list, 0)), text),
		                errdetail_internal("%s", problem),
		                list == ColumnList::carried
		                    ? errhint("It is a list such as 'currency, url AS last_url'.")
		                    : errhint("It is a list such as 'tenant_id, listing_id'.")));
}

}  // namespace

Request
read_request(const Arguments &arguments)
{
	struct NamedColumn
	{
		Column column;
		Argument argument;
	};
	constexpr NamedColumn named[] = {{last_price, Argument::last_price},
	                                 {last_price_at, Argument::last_price_at},
	                                 {previous_price, Argument::previous_price},
	                                 {lowest_price, Argument::lowest_price},
	                                 {highest_price, Argument::highest_price},
	                                 {price_count, Argument::price_count},
	                                 {price_total, Argument::price_total},
	                                 {first_price, Argument::first_price},
	                                 {price_at, Argument::at},
	                                 {price_tie, Argument::tie},
	                                 {price_value, Argument::value}};
	Request request = {};

	for (const NamedColumn &one : named)
	{
		if (is_null(arguments, one.argument))
			continue;
		const char *name = pstrdup(NameStr(*DatumGetName(value_of(arguments, one.argument))));
		if (name[0] == '\0')
			ereport(ERROR,
			        (errcode(ERRCODE_INVALID_NAME),
			         errmsg("%s => '' is not the name of a column", argument_name(one.column)),
			         errhint("Leave it out, or name a column.")));
		request.column[one.column] = name;
		request.targets_are_named =
			request.targets_are_named || (is_target(one.column) && is_named(name));
	}
	read_list(arguments, Argument::key, ColumnList::key, request.column);
	read_list(arguments, Argument::listing_key, ColumnList::listing_key, request.column);
	const char *carry = text_of(arguments, Argument::carry);
	request.carry_none = carry != nullptr && strcmp(carry, no_column) == 0;
	if (!request.carry_none)
		read_list(arguments, Argument::carry, ColumnList::carried, request.column);
	request.key_is_named = request.column[price_key] != nullptr;
	request.listing_key_is_named = request.column[listing_key] != nullptr;
	request.targets_are_named =
		request.targets_are_named || request.column[first_source] != nullptr;
	request.condition = text_of(arguments, Argument::condition);
	request.empty = text_of(arguments, Argument::empty);
	request.null_value = text_of(arguments, Argument::null_value);
	request.guard = text_of(arguments, Argument::guard);
	if (!is_null(arguments, Argument::replication))
		request.replication = parse_replication(text_of(arguments, Argument::replication));
	request.backfill = is_null(arguments, Argument::backfill) ||
	                   DatumGetBool(value_of(arguments, Argument::backfill));
	return request;
}

}  // namespace listing_stats
