// What the planner is told of latest_prices() and latest_rows(): how many rows they give, and what
// they cost.
//
// As many rows as there are keys in the array.  If that is NULL, as many as the table has keys, if
// the session has read it before: to plan is not the time to look for its columns.  Where neither
// is known nothing is said, and the planner goes by what CREATE FUNCTION says.
#include "reading/reading_sql.hpp"

namespace listing_stats {

namespace {

// The cost of one key, in calls of an operator: less than half of what a query for it costs.
constexpr double operators_per_key = 100;

Node *
argument(const FuncExpr *call, int i)
{
	return static_cast<Node *>(list_nth(call->args, i));
}

// The value of an argument that is a constant other than NULL; 0: it is none.
Datum
constant(Node *node)
{
	return IsA(node, Const) && !castNode(Const, node)->constisnull
	           ? castNode(Const, node)->constvalue
	           : 0;
}

const char *
constant_name(Node *node)
{
	const Datum value = constant(node);

	return value == 0 ? nullptr : NameStr(*DatumGetName(value));
}

// Negative: nobody knows.
double
estimate_rows(PlannerInfo *root, Node *node)
{
	if (node == nullptr || !IsA(node, FuncExpr))
		return -1;
	const FuncExpr *call = castNode(FuncExpr, node);
	if (list_length(call->args) != 6)
		return -1;
	Node *keys = argument(call, 1);
	if (!IsA(keys, Const) || !castNode(Const, keys)->constisnull)
		return array_length(root, keys);
	// The type of latest_rows()'s argument names the table.
	const Oid row = get_typ_typrelid(exprType(argument(call, 0)));
	const Datum price = OidIsValid(row) ? ObjectIdGetDatum(row) : constant(argument(call, 0));
	if (price == 0)
		return -1;
	const Datum key = constant(argument(call, 3));
	const ColumnNames names = {key == 0 ? nullptr : TextDatumGetCString(key),
	                           constant_name(argument(call, 4)), constant_name(argument(call, 5)),
	                           OidIsValid(row)};
	return estimate_keys(DatumGetObjectId(price), names);
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_latest_prices_support)
{
	Node *request = reinterpret_cast<Node *>(PG_GETARG_POINTER(0));

	if (IsA(request, SupportRequestRows))
	{
		SupportRequestRows *asked = castNode(SupportRequestRows, request);
		const double rows = estimate_rows(asked->root, asked->node);
		if (rows < 0)
			PG_RETURN_POINTER(nullptr);
		asked->rows = Max(rows, 1.0);
		PG_RETURN_POINTER(request);
	}
	if (IsA(request, SupportRequestCost))
	{
		SupportRequestCost *asked = castNode(SupportRequestCost, request);
		const double rows = estimate_rows(asked->root, asked->node);
		if (rows < 0)
			PG_RETURN_POINTER(nullptr);
		asked->startup = 0;
		asked->per_tuple = Max(rows, 1.0) * operators_per_key * cpu_operator_cost;
		PG_RETURN_POINTER(request);
	}
	PG_RETURN_POINTER(nullptr);
}
