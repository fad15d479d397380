// read_price_history(): one listing's prices as a price_history, read from the index where it
// serves.
//
// The rows come newest first, and of equal times the one in force comes first: the others are left
// out, and so are the ties, which nothing is left to decide.
#include "history/history_state.hpp"
#include "reading/key_reader.hpp"
#include "server/column.hpp"
#include "server/numeric.hpp"

namespace listing_stats {

namespace {

constexpr std::size_t usual_prices = 128;  // room for so many is made at once

struct Collector
{
	HistoryRows *rows;
	Oid at_type;
	Oid value_type;
	bool has_tie;
	bool skip_null;
	MemoryContext context;
	MemoryContext row_context;
};

void
collect(void *state, Datum *value, bool *null)
{
	auto *collector = static_cast<Collector *>(state);
	HistoryRows *rows = collector->rows;
	if (null[1] || (null[2] && collector->skip_null))
		return;
	TimestampTz at = 0;
	(void) time_as_timestamptz(collector->at_type, value[1], &at);
	if (collector->has_tie && rows->count > 0 && rows->rows()[rows->count - 1].at == at)
		return;

	MemoryContext caller = MemoryContextSwitchTo(collector->context);
	rows = make_room(rows, sizeof(Row));
	if (null[2])
		append_row(rows, at, no_tie, no_price);
	else if (collector->value_type == NUMERICOID)
		rows = append_numeric(rows, at, no_tie, numeric_bytes(value[2]));
	else
	{
		MemoryContextSwitchTo(collector->row_context);
		const NumericBytes bytes = numeric_bytes(price_as_numeric(collector->value_type, value[2]));
		MemoryContextSwitchTo(collector->context);
		rows = append_numeric(rows, at, no_tie, bytes);
		MemoryContextReset(collector->row_context);
	}
	MemoryContextSwitchTo(caller);
	if (rows != collector->rows)
		pfree(collector->rows);
	collector->rows = rows;
}

const char *
name_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? nullptr : NameStr(*PG_GETARG_NAME(argument));
}

// The arguments are (price, the key's value, and the names of key, at and value).
Datum
read_history(FunctionCallInfo fcinfo, KeyKind kind)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("price must not be NULL")));
	const ColumnNames names = {name_argument(fcinfo, 2), name_argument(fcinfo, 3),
	                           name_argument(fcinfo, 4)};
	const PriceTable *table = find_price_table(PG_GETARG_OID(0), names);
	check_key_kind(*table, kind);
	const Oid at_type = getBaseType(table->at.type);
	if (at_type != TIMESTAMPTZOID && at_type != TIMESTAMPOID && at_type != DATEOID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
		                errmsg("column \"%s\" of table \"%s\" has type %s", NameStr(table->at.name),
		                       NameStr(table->name), format_type_be(table->at.type)),
		                errhint("A price_history needs a timestamp with or without time zone, or a "
		                        "date: name another column with at => '...'.")));
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(pack_history(new_history_rows()));

	Collector collector = {};
	collector.rows = make_room(new_history_rows(), usual_prices * sizeof(Row));
	collector.at_type = at_type;
	collector.value_type = getBaseType(table->value.type);
	collector.has_tie = table->tie.attnum != 0;
	collector.skip_null = table->skip_null;
	collector.context = CurrentMemoryContext;
	// A numeric is read where it is.
	collector.row_context = collector.value_type == NUMERICOID
	                            ? nullptr
	                            : AllocSetContextCreate(CurrentMemoryContext, "listing_stats price",
	                                                    ALLOCSET_SMALL_SIZES);
	const RowSink sink = {collect, &collector};
	if (kind == KeyKind::text || !read_history_of_key(*table, PG_GETARG_DATUM(1), -1, sink))
	{
		collector.rows = make_room(new_history_rows(), usual_prices * sizeof(Row));
		read_one(*table, kind, Reading::all, PG_GETARG_DATUM(1), {0, true}, sink);
	}
	PG_RETURN_DATUM(pack_history(collector.rows));
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_read_price_history_bigint)
{
	return read_history(fcinfo, KeyKind::integer);
}

LISTING_STATS_FUNCTION(listing_stats_read_price_history_text)
{
	return read_history(fcinfo, KeyKind::text);
}

LISTING_STATS_FUNCTION(listing_stats_read_price_history_uuid)
{
	return read_history(fcinfo, KeyKind::uuid);
}
