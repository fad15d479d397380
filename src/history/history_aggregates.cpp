// The aggregates price_history() and price_history_merge(), and merging two histories.  A price
// that is NULL is a step without one, a tie that is NULL the least; rows without a time and
// histories that are NULL are left out; of nothing the answer is the empty history.  Integers and
// numerics are taken exactly, doubles and reals as their shortest decimals.
//
// The transition only appends; the final function sorts and packs.  What sorting leaves out of what
// was collected can never be in force, so the aggregates may run over window frames.
#include "history/history_state.hpp"
#include "server/postgres.hpp"

namespace listing_stats {

namespace {

// The rows collected so far, to be changed in place.
HistoryRows *
collected(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		return new_history_rows();
	auto *rows = reinterpret_cast<HistoryRows *>(PG_GETARG_POINTER(0));
	if (likely(VARATT_IS_4B_U(rows) && rows->form == rows_form))
		return rows;
	return history_rows_of(PG_GETARG_DATUM(0));
}

HistoryRows *
accumulate_numeric(HistoryRows *rows, int64 at, int64 tie, Datum value)
{
	const NumericBytes bytes = numeric_bytes(value);
	return likely(append_quickly(rows, at, tie, bytes)) ? rows : add_price(rows, at, tie, bytes);
}

HistoryRows *
accumulate_integer(HistoryRows *rows, int64 at, int64 tie, int64 value)
{
	int64 price = 0;
	if (likely(rows->scale <= max_scale &&
	           !__builtin_mul_overflow(value, powers_of_ten[rows->scale], &price) &&
	           price <= largest_scaled_price && price >= -largest_scaled_price))
	{
		append_row(rows, at, tie, price);
		return rows;
	}
	return add_price(rows, at, tie, numeric_bytes(NumericGetDatum(make_numeric(value, 0))));
}

// Arguments: rows, time, value and, in one form, a tie.
template <class Accumulate>
Datum
accumulate(FunctionCallInfo fcinfo, Accumulate accumulate_value)
{
	(void) aggregate_context(fcinfo);
	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	HistoryRows *rows = make_room(collected(fcinfo), sizeof(HistoryRow));
	const int64 at = PG_GETARG_TIMESTAMPTZ(1);
	const int64 tie = PG_NARGS() > 3 && !PG_ARGISNULL(3) ? checked_tie(PG_GETARG_INT64(3)) : no_tie;
	if (PG_ARGISNULL(2))
		append_row(rows, at, tie, no_price);
	else
		rows = accumulate_value(rows, at, tie, PG_GETARG_DATUM(2));
	PG_RETURN_POINTER(rows);
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_history_accumulate)
{
	return accumulate(fcinfo, accumulate_numeric);
}

LISTING_STATS_FUNCTION(listing_stats_history_accumulate_bigint)
{
	return accumulate(fcinfo, [](HistoryRows *rows, int64 at, int64 tie, Datum value) {
		return accumulate_integer(rows, at, tie, DatumGetInt64(value));
	});
}

LISTING_STATS_FUNCTION(listing_stats_history_accumulate_integer)
{
	return accumulate(fcinfo, [](HistoryRows *rows, int64 at, int64 tie, Datum value) {
		return accumulate_integer(rows, at, tie, DatumGetInt32(value));
	});
}

LISTING_STATS_FUNCTION(listing_stats_history_accumulate_double)
{
	return accumulate(fcinfo, [](HistoryRows *rows, int64 at, int64 tie, Datum value) {
		Numeric price = numeric_of(FLOAT8OID, value);
		return add_price(rows, at, tie, numeric_bytes(NumericGetDatum(price)));
	});
}

LISTING_STATS_FUNCTION(listing_stats_history_accumulate_real)
{
	return accumulate(fcinfo, [](HistoryRows *rows, int64 at, int64 tie, Datum value) {
		Numeric price = numeric_of(FLOAT4OID, value);
		return add_price(rows, at, tie, numeric_bytes(NumericGetDatum(price)));
	});
}

LISTING_STATS_FUNCTION(listing_stats_history_combine)
{
	(void) aggregate_context(fcinfo);
	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	PG_RETURN_POINTER(merge(collected(fcinfo), unpacked_history_of(PG_GETARG_DATUM(1))));
}

LISTING_STATS_FUNCTION(listing_stats_history_finish)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_POINTER(
		pack_history(PG_ARGISNULL(0) ? new_history_rows() : history_rows_of(PG_GETARG_DATUM(0))));
}

LISTING_STATS_FUNCTION(listing_stats_history_merge)
{
	const History one = unpacked_history_of(PG_GETARG_DATUM(0));
	const History other = unpacked_history_of(PG_GETARG_DATUM(1));
	ExpandedHistory *expanded = new_expanded_history();
	MemoryContext before = MemoryContextSwitchTo(expanded->header.eoh_context);
	expanded->rows = merge(merge(expanded->rows, one), other);
	MemoryContextSwitchTo(before);
	PG_RETURN_DATUM(return_history(expanded));
}

}  // namespace listing_stats
