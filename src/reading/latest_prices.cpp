// latest_prices() and latest_price(): the newest price of the listings asked for, or of all.
//
// The ways are tried in their order: leaves of an index, the heap, a query.  What one has given
// that could not go on is dropped before the next gives it again.
#include "reading/heap_reader.hpp"
#include "reading/key_reader.hpp"
#include "server/column.hpp"
#include "server/numeric.hpp"

namespace listing_stats {

namespace {

// How many prices of one key are read in the time in which a query goes to the next key.
constexpr double prices_worth_reading = 130;

// Takes rows as the table has them and keeps them as the functions give them: in a store, or one
// value.
struct Result
{
	Tuplestorestate *store;
	TupleDesc description;
	MemoryContext value_context;
	Datum value;
	bool has_value;
	KeyKind kind;
	Oid key_type;  // of the rows taken; text for a key asked for as text
	Oid at_type;
	Oid value_type;
	MemoryContext row_context;
};

Datum
result_key(const Result &result, Datum key)
{
	switch (result.key_type)
	{
	case INT2OID:
		return Int64GetDatum(DatumGetInt16(key));
	case INT4OID:
		return Int64GetDatum(DatumGetInt32(key));
	default:
		return key;
	}
}

void
put_row(const Result &result, Datum *value, bool *null)
{
	MemoryContext old = MemoryContextSwitchTo(result.row_context);

	value[0] = result_key(result, value[0]);
	if (!null[1])
	{
		TimestampTz at = 0;
		null[1] = !time_as_timestamptz(result.at_type, value[1], &at);
		value[1] = TimestampTzGetDatum(at);
	}
	if (!null[2])
		// A long numeric may be stored beside the table, which can be gone when the row is fetched.
		value[2] = price_as_numeric(result.value_type, value[2]);
	MemoryContextSwitchTo(old);
	tuplestore_putvalues(result.store, result.description, value, null);
	MemoryContextReset(result.row_context);
}

void
take_row(void *result, Datum *value, bool *null)
{
	put_row(*static_cast<const Result *>(result), value, null);
}

void
take_value(void *state, Datum *value, bool *null)
{
	Result *result = static_cast<Result *>(state);

	result->has_value = !null[2];
	if (null[2])
		return;
	MemoryContext old = MemoryContextSwitchTo(result->value_context);
	const Datum numeric = price_as_numeric(result->value_type, value[2]);
	result->value = datumCopy(numeric, false, -1);
	MemoryContextSwitchTo(old);
}

bool
read_directly(const PriceTable &table, const LatestRequest &request, Result *result)
{
	Relation relation = relation_open(table.relation, NoLock);

	result->key_type = key_kind_type(result->kind);
	bool done = result->kind != KeyKind::text && may_read_directly(table, relation);
	if (done && !read_latest_from_leaves(table, relation, request.has_keys, request.keys,
	                                     request.has_as_of, request.as_of, {take_row, result}))
	{
		done = !request.has_keys && !skipping_pays(table, prices_worth_reading) &&
		       read_latest_from_heap(table, relation, request.has_as_of, request.as_of,
		                             {take_row, result});
		if (!done)
			tuplestore_clear(result->store);
	}
	relation_close(relation, NoLock);
	return done;
}

const char *
name_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? nullptr : NameStr(*PG_GETARG_NAME(argument));
}

// The instant in the type of the column, by the session's time zone where it has none.
Datum
as_of_argument(const PriceTable &table, Oid type, Datum as_of)
{
	switch (type)
	{
	case TIMESTAMPTZOID:
		return as_of;
	case TIMESTAMPOID:
		return DirectFunctionCall1(timestamptz_timestamp, as_of);
	case DATEOID:
		return DirectFunctionCall1(timestamptz_date, as_of);
	default:
		ereport(ERROR,
		        (errcode(ERRCODE_DATATYPE_MISMATCH),
		         errmsg("as_of is a time, but column \"%s\" of table \"%s\" has type %s",
		                NameStr(table.at.name), NameStr(table.name), format_type_be(table.at.type)),
		         errhint("Give no as_of, or order the prices by a timestamp or a date.")));
		pg_unreachable();
	}
}

// The arguments are (price, the key or keys, as_of, and the names of key, at and value).
const PriceTable *
table_argument(FunctionCallInfo fcinfo, Result *result, LatestRequest *request)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("price must not be NULL")));
	const ColumnNames names = {name_argument(fcinfo, 3), name_argument(fcinfo, 4),
	                           name_argument(fcinfo, 5)};
	const PriceTable *table = find_price_table(PG_GETARG_OID(0), names);
	check_key_kind(*table, result->kind);
	result->at_type = getBaseType(table->at.type);
	result->value_type = getBaseType(table->value.type);
	request->has_as_of = !PG_ARGISNULL(2);
	if (request->has_as_of)
		request->as_of = as_of_argument(*table, result->at_type, PG_GETARG_DATUM(2));
	return table;
}

Datum
latest_prices(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
	ReturnSetInfo *set = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	const Oid type = TupleDescAttr(set->setDesc, 0)->atttypid;
	Result result = {};
	LatestRequest request = {};

	result.store = set->setResult;
	result.description = set->setDesc;
	result.kind = type == INT8OID   ? KeyKind::integer
	              : type == TEXTOID ? KeyKind::text
	                                : KeyKind::uuid;
	result.row_context = AllocSetContextCreate(CurrentMemoryContext, "listing_stats latest price",
	                                           ALLOCSET_SMALL_SIZES);
	request.has_keys = !PG_ARGISNULL(1);
	request.keys = request.has_keys ? PG_GETARG_DATUM(1) : 0;
	const PriceTable *table = table_argument(fcinfo, &result, &request);
	if (!read_directly(*table, request, &result))
	{
		result.key_type = result.kind == KeyKind::text ? TEXTOID : getBaseType(table->key.type);
		read_latest_by_query(*table, result.kind, request, {take_row, &result});
	}
	PG_RETURN_NULL();
}

Datum
latest_price(FunctionCallInfo fcinfo, KeyKind kind)
{
	const Datum key = PG_GETARG_DATUM(1);
	Result result = {};
	LatestRequest request = {};

	result.kind = kind;
	result.value_context = CurrentMemoryContext;
	const PriceTable *table = table_argument(fcinfo, &result, &request);
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	const NullableDatum as_of = {request.as_of, !request.has_as_of};
	const RowSink sink = {take_value, &result};
	if (kind == KeyKind::text || !read_latest_of_key(*table, key, as_of, sink))
	{
		result.has_value = false;
		read_one(*table, kind, as_of.isnull ? Reading::latest_ever : Reading::latest, key, as_of,
		         sink);
	}
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

LISTING_STATS_FUNCTION(listing_stats_latest_price_bigint)
{
	return latest_price(fcinfo, KeyKind::integer);
}

LISTING_STATS_FUNCTION(listing_stats_latest_price_text)
{
	return latest_price(fcinfo, KeyKind::text);
}

LISTING_STATS_FUNCTION(listing_stats_latest_price_uuid)
{
	return latest_price(fcinfo, KeyKind::uuid);
}
