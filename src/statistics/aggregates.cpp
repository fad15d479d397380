// The aggregates: their transitions, one for each type of values, which differ in nothing else,
// their combine and their final functions.
//
// A transition only appends.  No final function changes what the state says, so that aggregates of
// the same values share it, and run over window frames.  Nothing is kept outside of the state, and
// there are no polymorphic types: distributed engines take states apart and put them together
// elsewhere.
//
// The state of percentile() has to carry which one is asked for.  It does not count NULLs, and has
// the part in place of their number, in units of 10^-18 and above what any number of NULLs can be:
// so a state of percentile() is told from one of the other aggregates.
#include "server/postgres.hpp"
#include "statistics/statistics.hpp"
#include "statistics/summary.hpp"

#include <cmath>

namespace listing_stats {

namespace {

MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context = nullptr;
	if (AggCheckCallContext(fcinfo, &context) == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("function called outside of an aggregate")));
	return context;
}

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
	if (distribution->form != Form::Growing || distribution->wide != 0)
		return nullptr;
	const Block block = {distribution, VARSIZE(state)};
	return block.room() >= sizeof(int64) ? distribution : nullptr;
}

// What a transition does with values of a type: try() appends what is simple to append, add() any.
struct NumericInput
{
	static pg_attribute_always_inline bool try_value(Datum datum, int scale, int64 &value)
	{
		const auto *numeric = reinterpret_cast<struct varlena *>(DatumGetPointer(datum));
		if (unlikely(VARATT_IS_EXTENDED(numeric) && !VARATT_IS_SHORT(numeric)))
			return false;
		return scaled_value_quick(VARDATA_ANY(numeric), VARSIZE_ANY_EXHDR(numeric), scale, value);
	}
	static void add(State &state, Datum datum)
	{
		state.add(parse_numeric(numeric_bytes(datum)), 1);
	}
};

struct BigintInput
{
	static bool try_value(Datum datum, int scale, int64 &value)
	{
		value = DatumGetInt64(datum);
		return scale == 0 && value != INT64_MIN;
	}
	static void add(State &state, Datum datum)
	{
		const int64 value = DatumGetInt64(datum);
		if (value != INT64_MIN)
			state.add(value, 0, 1);
		else
			state.add(parse_numeric(numeric_bytes(NumericGetDatum(make_numeric(value, 0)))), 1);
	}
};

struct IntegerInput
{
	static bool try_value(Datum datum, int scale, int64 &value)
	{
		value = DatumGetInt32(datum);
		return scale == 0;
	}
	static void add(State &state, Datum datum) { state.add(DatumGetInt32(datum), 0, 1); }
};

// A double counts as its shortest decimal, which is what it is shown as.  One of at most 15 digits
// is the only one that short which is read as that double.
struct DoubleInput
{
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
	static void add(State &state, Datum datum)
	{
		NumericInput::add(state, NumericGetDatum(shortest_decimal(DatumGetFloat8(datum))));
	}
};

// So does a real.  It is not added as the double of that decimal: of a decimal halfway between two
// doubles the server shows more digits.
struct RealInput
{
	static bool try_value(Datum datum, int scale, int64 &value)
	{
		char text[FLOAT_SHORTEST_DECIMAL_LEN];
		float_to_shortest_decimal_buf(DatumGetFloat4(datum), text);
		return DoubleInput::try_value(Float8GetDatum(strtod(text, nullptr)), scale, value);
	}
	static void add(State &state, Datum datum)
	{
		NumericInput::add(state, NumericGetDatum(shortest_decimal(DatumGetFloat4(datum))));
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
append(FunctionCallInfo fcinfo, bool count_nulls)
{
	State state(fcinfo->args[0], aggregate_context(fcinfo));
	if (!PG_ARGISNULL(1))
		Input::add(state, PG_GETARG_DATUM(1));
	else if (count_nulls)
		state.add_nulls(1);
	return state.datum();
}

template <class Input>
Datum
accumulate(FunctionCallInfo fcinfo)
{
	return likely(try_append<Input>(fcinfo)) ? PG_GETARG_DATUM(0) : append<Input>(fcinfo, true);
}

// Which percentile is asked for, in a state's number of NULLs: the part of all values in these
// units, above a number of NULLs that no aggregate counts to.
constexpr int part_scale = max_scale;
constexpr int64 first_part = INT64_C(1) << 61;
constexpr int64 last_part = first_part + INT64_C(1000000000000000000);
constexpr int64 no_answer = last_part + 1;

bool
is_part(int64 nulls)
{
	return nulls >= first_part && nulls <= no_answer;
}

[[noreturn]] void
report_other_state()
{
	ereport(
		ERROR,
		(errcode(ERRCODE_DATATYPE_MISMATCH),
	     errmsg("percentile() and other aggregates cannot go on with the state of each other")));
	pg_unreachable();
}

int64
encode_part(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(2))
		return no_answer;
	const NumericBytes bytes = numeric_bytes(PG_GETARG_DATUM(2));
	const Decimal part = parse_numeric(bytes);
	int64 value = 0;
	if (part.kind == NumberKind::Finite && scaled_value(part, part_scale, value) && value >= 0 &&
	    value <= last_part - first_part)
		return first_part + value;
	Numeric number = DatumGetNumeric(PG_GETARG_DATUM(2));
	(void) place_of(number, 1);
	ereport(ERROR,
	        (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
	         errmsg("percentile %s has more than %d decimals",
	                DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number))),
	                part_scale),
	         errhint("percentile(price_stats(...), ...) takes any number of them.")));
	pg_unreachable();
}

void
agree_on_part(Distribution *distribution, int64 part)
{
	const int64 asked = distribution->counts.nulls;
	if (asked != 0 && asked != part)
	{
		if (!is_part(asked))
			report_other_state();
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("percentile() is asked for different percentiles of one set"),
		                errhint("percentiles(price_stats(...), ...) gives several of one set.")));
	}
	distribution->counts.nulls = part;
}

template <class Input>
Datum
accumulate_percentile(FunctionCallInfo fcinfo)
{
	Block block = {};
	const int64 part = encode_part(fcinfo);
	const Datum datum =
		try_append<Input>(fcinfo) ? PG_GETARG_DATUM(0) : append<Input>(fcinfo, false);
	if (!is_growing(datum, block))
		report_corrupt_distribution();
	agree_on_part(block.distribution, part);
	return datum;
}

Datum
combine(FunctionCallInfo fcinfo)
{
	MemoryContext context = aggregate_context(fcinfo);
	if (PG_ARGISNULL(1))
		return PG_GETARG_DATUM(0);
	State state(fcinfo->args[0], context);
	state.merge(PG_GETARG_DATUM(1));
	return state.datum();
}

Summary
summarize_state(FunctionCallInfo fcinfo)
{
	(void) aggregate_context(fcinfo);
	const Summary summary = PG_ARGISNULL(0) ? Summary{} : summarize(PG_GETARG_DATUM(0));
	if (is_part(summary.nulls))
		report_other_state();
	return summary;
}

// The value at a part of the way up the order, interpolated as percentile_cont does; null: the
// median.
Numeric
value_at(Order order, const Percentile &place)
{
	return order.between(place.rank, place.fraction);
}

Percentile
place_in(int64 count, Numeric part)
{
	if (part != nullptr)
		return place_of(part, count);
	const Quartile median = quartile_of(count, 2);
	return Percentile{median.rank, median.quarters == 0 ? nullptr : make_numeric(5, 1)};
}

Datum
finish_at(FunctionCallInfo fcinfo, Numeric part)
{
	const Datum datum = PG_GETARG_DATUM(0);
	Block block = {};
	Ranking ranking = {};
	Extent extent = {};
	bool ranked = true;
	if (is_growing(datum, block))
		ranked = rank_if_short(block, ranking, extent);
	else
		ranking = rank(datum);
	Numeric value = nullptr;
	if (ranking.count() > 0)
	{
		const Percentile place = place_in(ranking.count(), part);
		const int64 ranks[] = {place.rank, place.rank + 1};
		value = value_at(ranked ? Order(ranking) : Order(ranking, block, extent, ranks, 2), place);
	}
	fcinfo->isnull = value == nullptr;
	return NumericGetDatum(value);
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

LISTING_STATS_FUNCTION(listing_stats_accumulate_percentile_numeric)
{
	return accumulate_percentile<NumericInput>(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_accumulate_percentile_bigint)
{
	return accumulate_percentile<BigintInput>(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_accumulate_percentile_integer)
{
	return accumulate_percentile<IntegerInput>(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_accumulate_percentile_double)
{
	return accumulate_percentile<DoubleInput>(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_accumulate_percentile_real)
{
	return accumulate_percentile<RealInput>(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_combine)
{
	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	return combine(fcinfo);
}

LISTING_STATS_FUNCTION(listing_stats_combine_percentile)
{
	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		return combine(fcinfo);
	(void) aggregate_context(fcinfo);
	const int64 part = counts_of(PG_GETARG_DATUM(1)).nulls;
	if (!is_part(part))
		report_other_state();
	Block block = {};
	if (!PG_ARGISNULL(0) && is_growing(PG_GETARG_DATUM(0), block))
	{
		agree_on_part(block.distribution, part);
		block.distribution->counts.nulls = 0;
	}
	const Datum datum = combine(fcinfo);
	if (!is_growing(datum, block))
		report_corrupt_distribution();
	block.distribution->counts.nulls = part;
	return datum;
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
	return finish_at(fcinfo, nullptr);
}

LISTING_STATS_FUNCTION(listing_stats_finish_percentile)
{
	(void) aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	const int64 part = counts_of(PG_GETARG_DATUM(0)).nulls;
	if (!is_part(part))
		report_other_state();
	if (part == no_answer)
		PG_RETURN_NULL();
	return finish_at(fcinfo, make_numeric(part - first_part, part_scale));
}

}  // namespace listing_stats
