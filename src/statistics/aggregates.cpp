// The aggregates: their transitions, one for each type of values, which differ in nothing else,
// their combine and their final functions.  NULLs are counted, and no values; a state that is NULL
// is the empty set, of which price_stats() and price_summary() say that it is empty, and median()
// NULL.
//
// A transition only appends.  No final function changes what the state says, so that aggregates of
// the same values share it, and run over window frames.  Nothing is kept outside of the state, and
// there are no polymorphic types: distributed engines take states apart and put them together
// elsewhere.
#include "server/postgres.hpp"
#include "statistics/statistics.hpp"
#include "statistics/summary.hpp"

#include <cfloat>
#include <cmath>
#include <limits>

namespace listing_stats {

namespace {

// What AggCheckCallContext() says, here where it is inlined: each row asks.
bool
is_aggregate_call(FunctionCallInfo fcinfo)
{
	return fcinfo->context != nullptr &&
	       (IsA(fcinfo->context, AggState) || IsA(fcinfo->context, WindowAggState));
}

// The state, where it has room for a value without further ado.
pg_attribute_always_inline Distribution *
find_room(FunctionCallInfo fcinfo)
{
	if (unlikely(PG_ARGISNULL(0)))
		return nullptr;
	Pointer state = PG_GETARG_POINTER(0);
	if (VARATT_IS_EXTERNAL_EXPANDED_RW(state))
	{
		const ExpandedDistribution *expanded = expanded_distribution(PG_GETARG_DATUM(0));
		Distribution *distribution = expanded->block.distribution;
		return distribution->used < expanded->capacity ? distribution : nullptr;
	}
	if (!VARATT_IS_4B_U(state) || !is_aggregate_call(fcinfo))
		return nullptr;
	auto *distribution = reinterpret_cast<Distribution *>(state);
	if (distribution->form != Form::growing || distribution->wide != 0)
		return nullptr;
	const Block block = {distribution, VARSIZE(state)};
	return block.room() >= sizeof(int64) ? distribution : nullptr;
}

// What a transition takes: values of a type.  try_value() reads those that are simple to read at a
// scale, which is at most max_scale.
struct NumericInput
{
	static constexpr Oid type = NUMERICOID;

	static pg_attribute_always_inline bool try_value(Datum datum, int scale, int64 &value)
	{
		const auto *numeric = reinterpret_cast<struct varlena *>(DatumGetPointer(datum));
		if (unlikely(VARATT_IS_EXTENDED(numeric) && !VARATT_IS_SHORT(numeric)))
			return false;
		return scaled_value_quick(VARDATA_ANY(numeric), VARSIZE_ANY_EXHDR(numeric), scale, value);
	}
};

struct BigintInput
{
	static constexpr Oid type = INT8OID;

	static bool try_value(Datum datum, int scale, int64 &value)
	{
		value = DatumGetInt64(datum);
		return scale == 0 && value != INT64_MIN;
	}
};

struct IntegerInput
{
	static constexpr Oid type = INT4OID;

	static bool try_value(Datum datum, int scale, int64 &value)
	{
		value = DatumGetInt32(datum);
		return scale == 0;
	}
};

static_assert(std::numeric_limits<double>::is_iec559 && FLT_EVAL_METHOD == 0,
              "what follows is true of IEEE 754's doubles, each operation rounded by itself");

// A double counts as its shortest decimal, which is what it is shown as.  One of at most 15 digits
// is the only one that short which is read as that double.
struct DoubleInput
{
	static constexpr Oid type = FLOAT8OID;

	static bool try_value(Datum datum, int scale, int64 &value)
	{
		const double number = DatumGetFloat8(datum);
		const auto power = static_cast<double>(powers_of_ten[scale]);
		const double scaled = std::rint(number * power);
		if (!(std::fabs(scaled) < 1e15) || scaled / power != number)
			return false;
		value = static_cast<int64>(scaled);
		return true;
	}
};

// So does a real.  It is not added as the double of that decimal: of a decimal halfway between two
// doubles the server shows more digits.
struct RealInput
{
	static constexpr Oid type = FLOAT4OID;

	static bool try_value(Datum datum, int scale, int64 &value)
	{
		char text[FLOAT_SHORTEST_DECIMAL_LEN];
		float_to_shortest_decimal_buf(DatumGetFloat4(datum), text);
		return DoubleInput::try_value(Float8GetDatum(strtod(text, nullptr)), scale, value);
	}
};

template <class Input>
pg_attribute_always_inline bool
try_append(FunctionCallInfo fcinfo)
{
	Distribution *distribution = find_room(fcinfo);
	int64 value = 0;
	if (unlikely(PG_ARGISNULL(1)) || unlikely(distribution == nullptr) ||
	    unlikely(!Input::try_value(PG_GETARG_DATUM(1), distribution->scale, value)))
		return false;
	distribution->values()[distribution->used++] = value;
	return true;
}

template <class Input>
Datum
append(FunctionCallInfo fcinfo)
{
	DistributionState state(fcinfo->args[0], aggregate_context(fcinfo));
	const Distribution *distribution = state.distribution();
	const Datum datum = PG_GETARG_DATUM(1);
	int64 value = 0;
	if (PG_ARGISNULL(1))
		state.add_nulls(1);
	else if (distribution->wide == 0 && Input::try_value(datum, distribution->scale, value))
		state.add(value, distribution->scale, 1);
	else
		state.add(parse_numeric(numeric_bytes(NumericGetDatum(numeric_of(Input::type, datum)))), 1);
	return state.datum();
}

template <class Input>
Datum
accumulate(FunctionCallInfo fcinfo)
{
	return likely(try_append<Input>(fcinfo)) ? PG_GETARG_DATUM(0) : append<Input>(fcinfo);
}

Summary
summarize_state(FunctionCallInfo fcinfo)
{
	(void) aggregate_context(fcinfo);
	return PG_ARGISNULL(0) ? Summary{} : summarize(PG_GETARG_DATUM(0));
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_accumulate_numeric)
{
	return accumulate<NumericInput>(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_accumulate_bigint)
{
	return accumulate<BigintInput>(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_accumulate_integer)
{
	return accumulate<IntegerInput>(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_accumulate_double)
{
	return accumulate<DoubleInput>(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_accumulate_real)
{
	return accumulate<RealInput>(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_combine)
{
	MemoryContext context = aggregate_context(fcinfo);
	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		return PG_GETARG_DATUM(0);
	}
	DistributionState state(fcinfo->args[0], context);
	state.merge(PG_GETARG_DATUM(1));
	return state.datum();
}

LISTING_STATS_FUNCTION(listing_stats_finish_stats)
{
	(void) aggregate_context(fcinfo);
	return store(PG_ARGISNULL(0) ? Ranking{} : rank(PG_GETARG_DATUM(0)));
}

LISTING_STATS_FUNCTION(listing_stats_finish_summary)
{
	return summary_row(fcinfo, summarize_state(fcinfo));
}

LISTING_STATS_FUNCTION(listing_stats_finish_stats_json)
{
	return summary_jsonb(summarize_state(fcinfo));
}

LISTING_STATS_FUNCTION(listing_stats_finish_median)
{
	(void) aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	Block block = {};
	Ranking ranking = {};
	Extent extent = {};
	const bool ranked = rank_if_short(PG_GETARG_DATUM(0), block, ranking, extent);
	if (ranking.count() == 0)
		PG_RETURN_NULL();
	const Quartile place = quartile_of(ranking.count(), 2);
	const int64 ranks[] = {place.rank, place.rank + 1};
	Order order = ranked ? Order(ranking) : Order(ranking, block, extent, ranks, 2);
	PG_RETURN_NUMERIC(order.between(place.rank, place.quarters));
}

}  // namespace listing_stats
