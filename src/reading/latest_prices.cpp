// latest_prices(), latest_price() and latest_rows(): the newest price of the listings asked for, or
// of all.
//
// A listing without a price has no row, and latest_price() of it is NULL.  Rows are read as the
// caller, with the snapshot of the statement that calls.  A reader can find out halfway that it
// cannot go on: then what it has given is dropped, and the next way begins anew.  So nothing of the
// result may be handed on before read_latest() has returned.
#include "reading/price_reader.hpp"
#include "server/numeric.hpp"

namespace listing_stats {

namespace {

// Takes rows as the table has them and keeps them as the functions give them: in a store, or one
// value.
struct Result
{
	Tuplestorestate *store;
	TupleDesc description;
	MemoryContext value_context;
	Datum value;
	bool has_value;
	Oid at_type;
	Oid value_type;
	MemoryContext row_context;
	Datum *row;  // a whole one
	bool *row_null;
};

// The time is NULL for a number: nothing says which one it means.
void
take_row(void *state, const Datum *value, const bool *null)
{
	const Result *result = static_cast<const Result *>(state);
	const bool no_time = null[1] || !is_time_type(result->at_type);
	Datum row[] = {value[0], 0, 0};
	bool row_null[] = {null[0], no_time, null[2]};
	MemoryContext old = MemoryContextSwitchTo(result->row_context);

	if (!no_time)
		row[1] = TimestampTzGetDatum(instant_of(result->at_type, value[1]));
	if (!null[2])
		row[2] = NumericGetDatum(numeric_of(result->value_type, value[2]));
	MemoryContextSwitchTo(old);
	tuplestore_putvalues(result->store, result->description, row, row_null);
	MemoryContextReset(result->row_context);
}

void
drop_rows(void *result)
{
	tuplestore_clear(static_cast<const Result *>(result)->store);
}

void
take_value(void *state, const Datum *value, const bool *null)
{
	Result *result = static_cast<Result *>(state);

	result->has_value = !null[2];
	if (null[2])
		return;
	MemoryContext old = MemoryContextSwitchTo(result->value_context);
	const Datum numeric = NumericGetDatum(numeric_of(result->value_type, value[2]));
	result->value = datumCopy(numeric, false, -1);
	MemoryContextSwitchTo(old);
}

void
drop_value(void *result)
{
	static_cast<Result *>(result)->has_value = false;
}

// The instant in the type of the column, by the session's time zone where it has none.
NullableDatum
as_of_argument(FunctionCallInfo fcinfo, const PriceTable &table)
{
	if (PG_ARGISNULL(2))
		return {0, true};
	const Datum as_of = PG_GETARG_DATUM(2);
	switch (table.at.base)
	{
	case TIMESTAMPTZOID:
		return {as_of, false};
	case TIMESTAMPOID:
		return {DirectFunctionCall1(timestamptz_timestamp, as_of), false};
	case DATEOID:
		return {DirectFunctionCall1(timestamptz_date, as_of), false};
	default:
		ereport(ERROR,
		        (errcode(ERRCODE_DATATYPE_MISMATCH),
		         errmsg("as_of is a time, but column \"%s\" of table \"%s\" has type %s",
		                NameStr(table.at.name), NameStr(table.name), format_type_be(table.at.type)),
		         errhint("Give no as_of, or order the prices by a timestamp or a date. See \"Times "
		                 "that are numbers or text\" in docs/fitting-your-tables.md.")));
		pg_unreachable();
	}
}

// "type" is that of the keys.
LatestRequest
request_argument(FunctionCallInfo fcinfo, const PriceTable &table, KeyKind kind, Oid type)
{
	LatestRequest request = {};

	request.has_keys = !PG_ARGISNULL(1);
	request.keys = request.has_keys ? given_keys(table, kind, type, PG_GETARG_DATUM(1)) : 0;
	request.as_of = as_of_argument(fcinfo, table);
	return request;
}

// The functions' arguments are (price, the key or keys, as_of, and the names of key, at and value).

Datum
latest_prices(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
	ReturnSetInfo *set = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	const Oid key_type = TupleDescAttr(set->setDesc, 0)->atttypid;
	const PriceTable *table = table_argument(fcinfo, 3);
	const KeyKind kind = kind_of_keys(*table, key_type);
	Result result = {};

	result.store = set->setResult;
	result.description = set->setDesc;
	result.at_type = table->at.base;
	result.value_type = table->value.base;
	result.row_context = AllocSetContextCreate(CurrentMemoryContext, "listing_stats latest price",
	                                           ALLOCSET_SMALL_SIZES);
	read_latest(*table, kind, request_argument(fcinfo, *table, kind, key_type),
	            {take_row, &result, drop_rows});
	PG_RETURN_NULL();
}

// The places of columns that have been dropped are left out.
void
take_whole_row(void *state, const Datum *value, const bool *null)
{
	const Result *result = static_cast<const Result *>(state);
	int next = 0;

	for (int i = 0; i < result->description->natts; ++i)
	{
		const bool dropped = TupleDescAttr(result->description, i)->attisdropped;
		result->row_null[i] = dropped || null[next];
		if (!dropped)
			result->row[i] = value[next++];
	}
	tuplestore_putvalues(result->store, result->description, result->row, result->row_null);
}

// The table whose rows are of the type of the first argument, whatever that is.
Oid
table_of_row(FunctionCallInfo fcinfo)
{
	const Oid type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	const Oid relation = get_typ_typrelid(type);

	if (!OidIsValid(relation) || get_rel_relkind(relation) == RELKIND_COMPOSITE_TYPE)
		ereport(
			ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
		     errmsg("price has type %s, which is not that of a table's rows", format_type_be(type)),
		     errhint("Name the table as a type: latest_rows(NULL::schema_name.table_name).")));
	return relation;
}

Datum
latest_rows(FunctionCallInfo fcinfo)
{
	const Oid key_type = get_base_element_type(get_fn_expr_argtype(fcinfo->flinfo, 1));
	const PriceTable *table = table_of_rows(fcinfo, table_of_row(fcinfo), 3);
	const KeyKind kind = PG_ARGISNULL(1) ? own_kind(*table) : kind_of_keys(*table, key_type);
	const LatestRequest request = request_argument(fcinfo, *table, kind, key_type);

	// With the columns that the table has now that it is locked.
	InitMaterializedSRF(fcinfo, 0);
	ReturnSetInfo *set = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	const auto columns = static_cast<Size>(set->setDesc->natts);
	Result result = {};
	result.store = set->setResult;
	result.description = set->setDesc;
	result.row = static_cast<Datum *>(palloc0(columns * sizeof(Datum)));
	result.row_null = static_cast<bool *>(palloc0(columns * sizeof(bool)));
	read_latest(*table, kind, request, {take_whole_row, &result, drop_rows, true});
	PG_RETURN_NULL();
}

Datum
latest_price(FunctionCallInfo fcinfo)
{
	const PriceTable *table = table_argument(fcinfo, 3);
	const NullableDatum as_of = as_of_argument(fcinfo, *table);
	KeyKind kind = {};
	const NullableDatum key = key_argument(fcinfo, *table, &kind);
	Result result = {};

	if (key.isnull)
		PG_RETURN_NULL();
	result.value_type = table->value.base;
	result.value_context = CurrentMemoryContext;
	read_key(*table, kind, as_of.isnull ? Reading::latest_ever : Reading::latest, key.value, as_of,
	         {take_value, &result, drop_value});
	if (!result.has_value)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result.value);
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_latest_prices)
{
	return latest_prices(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_latest_rows)
{
	return latest_rows(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_latest_price)
{
	return latest_price(fcinfo);
}
