// Finding time, tie and value, see find_columns.hpp.
#include "attaching/find_columns.hpp"

#include "attaching/find_key.hpp"
#include "tables/condition.hpp"

namespace listing_stats {

namespace {

constexpr const char *usual_at = "created";
constexpr const char *usual_value = "value";

bool
is_in_foreign_key(Relation relation, AttrNumber column)
{
	for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(relation))
	{
		if (is_one_of(column, foreign_key->conkey, foreign_key->nkeys))
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
		if (is_one_of(attribute->attnum, primary, primary_columns) ||
		    has_name(request.column, first_of_price, first_source, name) ||
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
		         errhint("Name it: attach(..., %s => '...'). See \"%s\" in "
		                 "docs/fitting-your-tables.md.",
		                 argument,
		                 which == price_at ? "Times that are numbers or text"
		                                   : "A status instead of a price")));
	ereport(ERROR,
	        (errcode(ERRCODE_AMBIGUOUS_COLUMN),
	         errmsg("table \"%s\" has %d columns that could be the %s", table, count,
	                which == price_at ? "time of a price" : "price"),
	         errdetail("They are of a %s type and nothing else: %s.", kind, names.data),
	         which == price_at ? errhint("Name the one to use: attach(..., %s => '...').", argument)
	                           : errhint("Name the one to use: attach(..., %s => '...'). See "
	                                     "\"Carry further columns\" in "
	                                     "docs/fitting-your-tables.md.",
	                                     argument)));
	pg_unreachable();
}

// The columns of the key, and the time; returns how many they are.
int
key_and_time(const Request &request, AttrNumber *column)
{
	const Oid price = RelationGetRelid(request.price);
	const int count = count_list(request.column, ColumnList::key);

	for (int i = 0; i < count; ++i)
		column[i] = get_attnum(price, request.column[list_place(ColumnList::key, i)]);
	column[count] = get_attnum(price, request.column[price_at]);
	return count + 1;
}

// Whether there cannot be two prices of a listing at one time, or without one.  Tables that inherit
// have indexes of their own.
bool
is_unique(const Request &request, const AttrNumber *column, int count)
{
	const bool at_is_known =
		read_column(request.price,
	                find_column(request.price, request.column[price_at], argument_name(price_at)))
			.not_null;
	bool unique = false;

	if (request.price->rd_rel->relkind == RELKIND_RELATION &&
	    find_inheritance_children(RelationGetRelid(request.price), NoLock) != NIL)
		return false;
	for (const Oid oid : each<Oid>(RelationGetIndexList(request.price)))
	{
		Relation index = index_open(oid, AccessShareLock);
		const Form_pg_index form = index->rd_index;
		bool only_these = form->indisunique && form->indisvalid && form->indimmediate &&
		                  (at_is_known || form->indnullsnotdistinct) &&
		                  form->indnkeyatts <= count && has_rows_of(index, nullptr);
		for (int i = 0; only_these && i < form->indnkeyatts; ++i)
			only_these = is_one_of(form->indkey.values[i], column, count);
		unique = unique || only_these;
		index_close(index, AccessShareLock);
	}
	return unique;
}

const char *
find_tie(const Request &request)
{
	AttrNumber column[most_key_columns + 1];
	const int count = key_and_time(request, column);

	if (is_unique(request, column, count))
		return request.column[price_at];
	const int tie = primary_key_column(request.price, column, count);
	if (tie <= 0)
		ereport(ERROR,
		        (errcode(tie < 0 ? ERRCODE_AMBIGUOUS_COLUMN : ERRCODE_UNDEFINED_COLUMN),
		         errmsg(tie < 0 ? "the primary key of table \"%s\" has several columns that could "
		                          "break ties"
		                        : "table \"%s\" has no primary-key column that could break ties",
		                RelationGetRelationName(request.price)),
		         errhint("Name the column that orders prices of the same time: attach(..., tie => "
		                 "'...'). Where there cannot be two, that is \"%s\".",
		                 request.column[price_at])));
	return column_name(request.price, static_cast<AttrNumber>(tie));
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

void
find_columns(Request *request)
{
	if (request->column[price_at] == nullptr)
		request->column[price_at] = find_only_column(*request, price_at, usual_at);
	find_column(request->price, request->column[price_at], argument_name(price_at));
	if (request->column[price_tie] == nullptr)
		request->column[price_tie] = find_tie(*request);
	if (request->column[price_value] == nullptr)
		request->column[price_value] = find_only_column(*request, price_value, usual_value);
}

}  // namespace listing_stats
