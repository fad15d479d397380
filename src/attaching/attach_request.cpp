// What attach() was asked for, see attach_request.hpp.
#include "attaching/attach_request.hpp"

#include "server/roles.hpp"
#include "tables/distributed.hpp"

#include <initializer_list>

namespace listing_stats {

namespace {

// What a column is called when attach() is not told.
const char *const usual_name[column_count] = {
	nullptr, "last_price", nullptr,   nullptr, nullptr, nullptr,
	nullptr, nullptr,      "created", nullptr, "value",
};

// The arguments of attach(), in the order of its SQL definition.
enum Argument
{
	argument_listing,
	argument_price,
	argument_last_price,
	argument_last_price_at,
	argument_previous_price,
	argument_lowest_price,
	argument_highest_price,
	argument_price_count,
	argument_key,
	argument_at,
	argument_value,
	argument_tie,
	argument_null_value,
	argument_guard,
	argument_replication,
	argument_backfill
};

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
			request.column[i] == nullptr && i == last_price ? usual_name[i] : request.column[i];
		if (name != nullptr && strcmp(name, no_column) != 0 &&
		    get_attnum(listing, name) == InvalidAttrNumber)
			return true;
	}
	return false;
}

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

constexpr const char *one_column_hint =
	"Keys have one column. Add one to both tables that stands for all of them, such as GENERATED "
	"ALWAYS AS (a::text || '/' || b::text) STORED, unique for listings, and a foreign key between "
	"the two.";

// The key of price: the one named, or that of the only foreign key to listing.
AttrNumber
find_price_key(const Request &request)
{
	StringInfoData names;
	ListCell *cell = nullptr;
	AttrNumber found = InvalidAttrNumber;
	int count = 0;
	bool composite = false;

	if (request.column[price_key] != nullptr)
		return find_column(request.price, request.column[price_key], argument_name[price_key]);
	initStringInfo(&names);
	foreach (cell, RelationGetFKeyList(request.price))
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		if (foreign_key->confrelid != RelationGetRelid(request.listing))
			continue;
		if (foreign_key->nkeys != 1)
		{
			composite = true;
			continue;
		}
		if (foreign_key->conkey[0] == found)
			continue;
		found = foreign_key->conkey[0];
		appendStringInfo(&names, "%s\"%s\"", count > 0 ? ", " : "",
		                 column_name(request.price, found));
		++count;
	}
	if (count == 0 && composite)
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("the foreign key from table \"%s\" to table \"%s\" has several columns",
		                RelationGetRelationName(request.price),
		                RelationGetRelationName(request.listing)),
		         errhint("%s", one_column_hint)));
	if (count == 0)
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT),
		         errmsg("table \"%s\" has no foreign key to table \"%s\"",
		                RelationGetRelationName(request.price),
		                RelationGetRelationName(request.listing)),
		         errhint("%s", refers_to_any_of(request.listing, RelationGetRelid(request.price))
		                           ? "The table of listings comes first, that of prices second."
		                           : "Name the column that refers to the listing: attach(..., key "
		                             "=> '...').")));
	if (count > 1)
		ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_COLUMN),
		                errmsg("table \"%s\" has %d foreign keys to table \"%s\"",
		                       RelationGetRelationName(request.price), count,
		                       RelationGetRelationName(request.listing)),
		                errdetail("They are on columns %s.", names.data),
		                errhint("Name the column to use: attach(..., key => '...').")));
	return found;
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

// The key of listing if no foreign key says what it is.
AttrNumber
find_primary_key(const Request &request)
{
	const char *listing = RelationGetRelationName(request.listing);
	const int found = primary_key_column(request.listing, InvalidAttrNumber, InvalidAttrNumber);

	if (found < 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("the primary key of table \"%s\" has several columns", listing),
		                errhint("%s", one_column_hint)));
	if (found == 0)
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT),
		         errmsg("table \"%s\" has no primary key", listing),
		         errhint("Give it one, or have a foreign key of \"%s\" refer to a unique column.",
		                 RelationGetRelationName(request.price))));
	return static_cast<AttrNumber>(found);
}

// "anew": the tables are not attached yet.
AttrNumber
find_listing_key(const Request &request, AttrNumber key, bool anew)
{
	const char *price = RelationGetRelationName(request.price);
	const char *listing = RelationGetRelationName(request.listing);
	ListCell *cell = nullptr;

	foreach (cell, RelationGetFKeyList(request.price))
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		if (foreign_key->nkeys == 1 && foreign_key->conkey[0] == key &&
		    foreign_key->confrelid == RelationGetRelid(request.listing))
			return foreign_key->confkey[0];
	}
	const AttrNumber found = find_primary_key(request);
	foreach (cell, anew ? RelationGetFKeyList(request.price) : NIL)
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		if (foreign_key->nkeys == 1 && foreign_key->conkey[0] == key &&
		    !is_key_by_way_of(request, found, foreign_key->confrelid, foreign_key->confkey[0]))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_FOREIGN_KEY),
			     errmsg("column \"%s\" of table \"%s\" refers to table \"%s\" and not to \"%s\"",
			            column_name(request.price, key), price,
			            get_rel_name(foreign_key->confrelid), listing),
			     errhint("Name the column that refers to the listing: attach(..., key => "
			             "'...').")));
	}
	return found;
}

AttrNumber
find_tie(const Request &request, AttrNumber key, AttrNumber at)
{
	if (request.column[price_tie] != nullptr)
		return find_column(request.price, request.column[price_tie], argument_name[price_tie]);
	const int found = primary_key_column(request.price, key, at);
	if (found <= 0)
		ereport(
			ERROR,
			(errcode(found < 0 ? ERRCODE_AMBIGUOUS_COLUMN : ERRCODE_UNDEFINED_COLUMN),
		     errmsg(found < 0 ? "the primary key of table \"%s\" has several columns that could "
		                        "break ties"
		                      : "table \"%s\" has no primary-key column that could break ties",
		            RelationGetRelationName(request.price)),
		     errhint("Name the column that orders prices of the same time: attach(..., tie => "
		             "'...'). Where there cannot be two, that is \"%s\".",
		             column_name(request.price, at))));
	return static_cast<AttrNumber>(found);
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
}

void
check_types(const Request &request, Attachment *attachment)
{
	const ResolvedColumn *column = attachment->column;

	check_column_type(request.price, column[price_at], true, false);
	check_column_type(request.price, column[price_value], false, false);
	if (!resolve_key_type(column[listing_key], column[price_key], attachment->context,
	                      &attachment->key))
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
		     errmsg("columns \"%s\" of table \"%s\" and \"%s\" of table \"%s\" have types %s and "
		            "%s",
		            NameStr(column[listing_key].name), RelationGetRelationName(request.listing),
		            NameStr(column[price_key].name), RelationGetRelationName(request.price),
		            format_type_be(column[listing_key].type),
		            format_type_be(column[price_key].type)),
		     errhint("Keys need one type, with a default btree operator class; arrays and rows "
		             "cannot be keys.")));
	if (!OidIsValid(
			lookup_type_cache(getBaseType(column[price_tie].type), TYPECACHE_LT_OPR)->lt_opr))
		ereport(ERROR,
		        (errcode(ERRCODE_DATATYPE_MISMATCH),
		         errmsg("column \"%s\" of table \"%s\" has type %s, which has no order",
		                NameStr(column[price_tie].name), RelationGetRelationName(request.price),
		                format_type_be(column[price_tie].type))));
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

// Finds what the request leaves open; what is attached already is left as it is.
Attachment
complete_request(Request *request, const Trigger *existing)
{
	Attachment attachment = {};
	ResolvedColumn *column = attachment.column;
	const AttrNumber key = find_price_key(*request);
	Attachment now = {};
	bool resolved = false;

	if (existing != nullptr)
	{
		const Definition definition = parse_definition(request->price, existing);
		Problem problem = {};
		now.context = CurrentMemoryContext;
		resolved = resolve(request->price, existing, Side::price, &now, &problem);
		for (int i = 0; i < column_count; ++i)
		{
			if (resolved && is_target(i) && now.column[i].attnum != 0)
				request->kept[i] = pstrdup(NameStr(now.column[i].name));
			if (request->column[i] == nullptr && definition.column[i] != nullptr)
				request->column[i] =
					resolved ? pstrdup(NameStr(now.column[i].name)) : definition.column[i];
		}
		attachment.skip_null = definition.skip_null;
		attachment.guard = definition.guard;
	}
	read_options(*request, &attachment);
	for (int i = 0; i < column_count; ++i)
	{
		if (request->column[i] == nullptr && !(existing != nullptr && is_target(i)))
			request->column[i] = usual_name[i];
	}

	attachment.listing = RelationGetRelid(request->listing);
	attachment.price = RelationGetRelid(request->price);
	attachment.owner = request->listing->rd_rel->relowner;
	attachment.context = CurrentMemoryContext;
	column[price_key] = read_column(request->price, key);
	column[listing_key] =
		read_column(request->listing, find_listing_key(*request, key, existing == nullptr));
	column[price_at] =
		read_column(request->price, find_column(request->price, request->column[price_at],
	                                            argument_name[price_at]));
	column[price_value] =
		read_column(request->price, find_column(request->price, request->column[price_value],
	                                            argument_name[price_value]));
	column[price_tie] =
		read_column(request->price, find_tie(*request, key, column[price_at].attnum));
	check_types(*request, &attachment);
	if (existing == nullptr &&
	    !refers_to(request->price, key, attachment.listing, column[listing_key].attnum))
		ereport(
			NOTICE,
			(errmsg("column \"%s\" of table \"%s\" is matched with column \"%s\" of "
		            "table \"%s\"",
		            NameStr(column[price_key].name), RelationGetRelationName(request->price),
		            NameStr(column[listing_key].name), RelationGetRelationName(request->listing))));
	for (const int i : {price_at, price_tie, price_value})
		request->keeps_other =
			request->keeps_other || (resolved && column[i].attnum != now.column[i].attnum);
	if (resolved && attachment.skip_null != now.skip_null)
		request->keeps_other = true;
	return attachment;
}

Request
read_request(FunctionCallInfo fcinfo)
{
	Request request = {};
	const int argument[column_count] = {-1,
	                                    argument_last_price,
	                                    argument_last_price_at,
	                                    argument_previous_price,
	                                    argument_lowest_price,
	                                    argument_highest_price,
	                                    argument_price_count,
	                                    argument_key,
	                                    argument_at,
	                                    argument_tie,
	                                    argument_value};

	if (PG_ARGISNULL(argument_listing) || PG_ARGISNULL(argument_price))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("the tables to attach must not be NULL")));
	for (int i = 0; i < column_count; ++i)
	{
		if (argument[i] >= 0 && !PG_ARGISNULL(argument[i]))
			request.column[i] = pstrdup(NameStr(*PG_GETARG_NAME(argument[i])));
		if (request.column[i] != nullptr && request.column[i][0] == '\0')
			ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
			                errmsg("%s => '' is not the name of a column", argument_name[i]),
			                errhint("Leave it out, or name a column.")));
	}
	if (!PG_ARGISNULL(argument_null_value))
		request.null_value = text_to_cstring(PG_GETARG_TEXT_PP(argument_null_value));
	if (!PG_ARGISNULL(argument_guard))
		request.guard = text_to_cstring(PG_GETARG_TEXT_PP(argument_guard));
	if (!PG_ARGISNULL(argument_replication))
		request.replication =
			parse_replication(text_to_cstring(PG_GETARG_TEXT_PP(argument_replication)));
	request.backfill = PG_ARGISNULL(argument_backfill) || PG_GETARG_BOOL(argument_backfill);
	open_tables(PG_GETARG_OID(argument_listing), PG_GETARG_OID(argument_price), &request);
	return request;
}

}  // namespace listing_stats
