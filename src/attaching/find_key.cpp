// Finding the key of prices and of listings, see find_key.hpp.
#include "attaching/find_key.hpp"

#include "attaching/find_columns.hpp"

namespace listing_stats {

namespace {

bool
refers_to_any_of(Relation relation, Oid other)
{
	for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(relation))
	{
		if (foreign_key->confrelid == other)
			return true;
	}
	return false;
}

// The columns of a list, as they are named.
const char *
quoted_list(const char *const *column, ColumnList list)
{
	return joined(count_list(column, list), ", ", [column, list](int i) {
		return psprintf("\"%s\"", column[list_place(list, i)]);
	});
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

}  // namespace

const char *
column_name(Relation relation, AttrNumber attnum)
{
	return pstrdup(NameStr(TupleDescAttr(RelationGetDescr(relation), attnum - 1)->attname));
}

const ForeignKeyCacheInfo *
foreign_key_of(const Request &request)
{
	const int count = count_list(request.column, ColumnList::key);
	AttrNumber key[most_key_columns];
	AttrNumber referenced[most_key_columns];

	for (int i = 0; i < count; ++i)
		key[i] = get_attnum(RelationGetRelid(request.price),
		                    request.column[list_place(ColumnList::key, i)]);
	for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(request.price))
	{
		if (foreign_key->confrelid == RelationGetRelid(request.listing) &&
		    is_on(*foreign_key, key, count, referenced))
			return foreign_key;
	}
	return nullptr;
}

namespace {

// The key of price, and what it refers to, by the only foreign key to listing.
void
take_only_foreign_key(Request *request)
{
	StringInfoData keys;
	const char *found = nullptr;
	int count = 0;

	initStringInfo(&keys);
	for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(request->price))
	{
		const char *column[column_count] = {};
		if (foreign_key->confrelid != RelationGetRelid(request->listing))
			continue;
		take_key(*request, *foreign_key, column);
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
		                             "=> '...'). See \"No foreign key\" in "
		                             "docs/fitting-your-tables.md.")));
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
		             "=> 'a, b', listing_key => 'c, d'). See \"Keys of several columns\" in "
		             "docs/fitting-your-tables.md.")));
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
	// A copy: lookups may have the relation cache free its own.
	List *keys = static_cast<List *>(copyObjectImpl(RelationGetFKeyList(request.price)));

	for (const ForeignKeyCacheInfo *foreign_key : each<ForeignKeyCacheInfo *>(keys))
	{
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

// Whether the listing has the rows that keep_latest() makes of these prices, whatever their key
// refers to.
bool
has_rows_of_price(const Request &request)
{
	for (const Trigger *trigger : each<Trigger *>(our_triggers(RelationGetRelid(request.listing))))
	{
		if (trigger->tgfoid == trigger_function(listing_changed) &&
		    parse_definition(request.listing, trigger).own_rows &&
		    other_half(request.listing, trigger, Side::listing) == RelationGetRelid(request.price))
			return true;
	}
	return false;
}

// What a foreign key from the key to listing refers to is the key of listing: others that are named
// contradict it.
void
check_listing_key(const Request &request)
{
	const int count = count_list(request.column, ColumnList::key);
	const char *referred[column_count] = {};
	AttrNumber key[most_key_columns];
	AttrNumber named[most_key_columns];
	AttrNumber referenced[most_key_columns];

	for (int i = 0; i < count; ++i)
	{
		key[i] = get_attnum(RelationGetRelid(request.price),
		                    request.column[list_place(ColumnList::key, i)]);
		named[i] = get_attnum(RelationGetRelid(request.listing),
		                      request.column[list_place(ColumnList::listing_key, i)]);
		if (named[i] == InvalidAttrNumber)
			return;
	}
	for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(request.price))
	{
		if (foreign_key->confrelid != RelationGetRelid(request.listing) ||
		    !is_on(*foreign_key, key, count, referenced))
			continue;
		if (std::equal(referenced, referenced + count, named))
			return;
		for (int i = 0; i < count; ++i)
			referred[list_place(ColumnList::listing_key, i)] =
				column_name(request.listing, referenced[i]);
	}
	if (referred[listing_key] != nullptr)
		ereport(ERROR, (errcode(ERRCODE_INVALID_FOREIGN_KEY),
		                errmsg("the key of table \"%s\" refers to %s of table \"%s\" and not to %s",
		                       RelationGetRelationName(request.price),
		                       quoted_list(referred, ColumnList::listing_key),
		                       RelationGetRelationName(request.listing),
		                       quoted_list(request.column, ColumnList::listing_key)),
		                errhint("Leave listing_key out.")));
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
			         errhint("Name as many columns of listing as of price, in the same order. See "
			                 "\"Keys of several columns\" in docs/fitting-your-tables.md.")));
		check_listing_key(*request);
	}
	else if (foreign_key != nullptr)
		take_key(*request, *foreign_key, request->column);
	else if (count_list(request->column, ColumnList::listing_key) != count)
		match_primary_key(request);
	if (foreign_key == nullptr && count == 1 && anew && !request->own_rows &&
	    !has_rows_of_price(*request))
		check_reference(*request);
}

}  // namespace

void
find_key(Request *request, bool anew)
{
	for (int i = 0; request->key_is_named && i < count_list(request->column, ColumnList::key); ++i)
		find_column(request->price, request->column[list_place(ColumnList::key, i)],
		            argument_name(price_key));
	if (request->column[price_key] == nullptr)
		take_only_foreign_key(request);
	else if (request->column[listing_key] == nullptr || request->key_is_named ||
	         request->listing_key_is_named)
		find_listing_key(request, anew);
}

}  // namespace listing_stats
