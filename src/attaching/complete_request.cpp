// Completing a request, see complete_request.hpp.
#include "attaching/complete_request.hpp"

#include "attaching/existing_attachment.hpp"
#include "attaching/find_columns.hpp"
#include "attaching/find_key.hpp"
#include "tables/condition.hpp"

#include <utility>

namespace listing_stats {

namespace {

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
	Problem problem = {};

	check_column_type(request.price, column[price_at], true);
	if (computes_from_values(request))
		check_column_type(request.price, column[price_value], false);
	if (!check_key_types(attachment, &problem))
		raise(problem);
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
	int count = 0;

	if (text == nullptr || strcmp(text, no_column) == 0)
		return;
	attachment->condition_tree =
		request.condition != nullptr
			? parse_new_condition(request.price, text)
			: parse_condition(request.price, request.price->rd_rel->relowner, text, nullptr,
	                          &problem);
	if (attachment->condition_tree == nullptr)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("condition \"%s\" on table \"%s\" means nothing any more: %s", text,
		                       RelationGetRelationName(request.price), problem),
		                errhint("Name another: attach(..., condition => '...'), or 'none'.")));
	attachment->condition = condition_text(request.price, attachment->condition_tree);
	for (const int column : each<int>(condition_columns(attachment->condition_tree)))
	{
		if (count == most_condition_columns)
			ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
			                errmsg("condition \"%s\" names more than %d columns", text,
			                       most_condition_columns),
			                errhint("Let a generated column say what they say together.")));
		attachment->column[list_place(ColumnList::condition, count++)] =
			read_column(request.price, static_cast<AttrNumber>(column));
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

}  // namespace

const char *
key_list(const Attachment &attachment)
{
	return format_list(definition_of(attachment).column, ColumnList::key);
}

Attachment
complete_request(Request *request, const Trigger *existing)
{
	Attachment attachment = {};
	ResolvedColumn *column = attachment.column;
	const char *condition = take_from_existing(request, existing, &attachment);

	read_options(*request, &attachment);
	attachment.own_rows = attachment.own_rows || request->own_rows;
	if (existing == nullptr)
		take_from_others(request);
	find_key(request, existing == nullptr);
	attachment.key_columns = count_list(request->column, ColumnList::key);
	find_columns(request);
	attachment.listing = RelationGetRelid(request->listing);
	attachment.price = RelationGetRelid(request->price);
	attachment.owner = request->listing->rd_rel->relowner;
	attachment.context = CurrentMemoryContext;
	for (int i = 0; i < column_count; ++i)
	{
		Relation relation = is_of_listing(i) ? request->listing : request->price;
		if (request->own_rows && is_of_listing(i) && !is_target(i) &&
		    request->column[i] != nullptr &&
		    get_attnum(RelationGetRelid(relation), request->column[i]) == InvalidAttrNumber)
			ereport(ERROR,
			        (errcode(ERRCODE_UNDEFINED_COLUMN),
			         errmsg("column \"%s\" of table \"%s\" does not exist", request->column[i],
			                RelationGetRelationName(relation)),
			         errhint("The table has the columns of the key, by the names that they have in "
			                 "table \"%s\".",
			                 RelationGetRelationName(request->price))));
		if (!is_target(i) && request->column[i] != nullptr)
			column[i] =
				read_column(relation, find_column(relation, request->column[i], argument_name(i)));
	}
	order_keys(&attachment);
	if (request->key_is_named &&
	    strcmp(format_list(request->column, ColumnList::key), key_list(attachment)) != 0)
		ereport(NOTICE,
		        (errmsg("the key is (%s), in the order that the columns of table \"%s\" have",
		                key_list(attachment), RelationGetRelationName(request->listing)),
		         errhint("Functions that read prices by it take its columns in this order.")));
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

}  // namespace listing_stats
