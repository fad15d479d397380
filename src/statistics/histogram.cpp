// How the finite values of a distribution spread: as rows, and as a line of blocks.
//
// Buckets are equally wide, from the lowest finite value to the highest.  Their bounds are
// rounded to some decimals more than the values have, enough to tell them apart, and values are
// counted by the very bounds that are shown: low <= value < high, and value <= high in the last.
#include "server/block_characters.hpp"
#include "server/postgres.hpp"
#include "statistics/statistics.hpp"

namespace listing_stats {

namespace {

constexpr int max_buckets = 100000;

Numeric
call_two(PGFunction function, Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(function, NumericGetDatum(a), NumericGetDatum(b)));
}

Numeric
power_of_ten(int exponent)
{
	return DatumGetNumeric(DirectFunctionCall3(
		numeric_in, CStringGetDatum(psprintf("1e%d", exponent)), InvalidOid, Int32GetDatum(-1)));
}

// With more decimals than division gives: as a quotient of integers.  Of whole numbers, which could
// overflow by what they are multiplied with, only what is left over is.
Numeric
exact_bound(Numeric lowest, Numeric highest, int number, int buckets, int decimals)
{
	const int places = Min(decimals + 1, max_display_scale);
	Numeric divisor = make_numeric(buckets, 0);
	Numeric whole = make_numeric(0, 0);
	Numeric rest = make_numeric(0, 0);
	const auto add_share = [&](Numeric value, int times) {
		Numeric factor = make_numeric(times, 0);
		Numeric quotient = call_two(numeric_div_trunc, value, divisor);
		whole = add(whole, multiply(quotient, factor));
		rest = add(rest, multiply(subtract(value, multiply(quotient, divisor)), factor));
	};
	add_share(lowest, buckets - number);
	add_share(highest, number);
	rest = call_two(numeric_div_trunc, multiply(rest, power_of_ten(places)), divisor);
	return add(whole, multiply(rest, power_of_ten(-places)));
}

// (lowest * (buckets - number) + highest * number) / buckets.  It is divided first, so that nothing
// overflows, and with more decimals than the bound is rounded to.
Numeric
bound_of(Numeric lowest, Numeric highest, int number, int buckets, int scale)
{
	int decimals = scale + 2;
	for (int rest = buckets; rest >= 10; rest /= 10)
		++decimals;
	const int decimals_of_share = 2 * decimals - scale;
	const auto share = [=](Numeric value, int times) {
		return multiply(divide(show_scale(value, decimals_of_share), make_numeric(buckets, 0)),
		                make_numeric(times, 0));
	};
	Numeric bound = decimals_of_share <= NUMERIC_MAX_DISPLAY_SCALE
	                    ? add(share(lowest, buckets - number), share(highest, number))
	                    : exact_bound(lowest, highest, number, buckets, decimals);
	bound = DatumGetNumeric(
		DirectFunctionCall2(numeric_round, NumericGetDatum(bound), Int32GetDatum(decimals)));
	return show_scale(trim_scale(bound), scale);
}

// The argument that says how many buckets.
int
bucket_argument(FunctionCallInfo fcinfo)
{
	const int buckets = PG_GETARG_INT32(1);
	if (buckets < 1 || buckets > max_buckets)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("number of buckets must be between 1 and %d", max_buckets)));
	return buckets;
}

// Calls visit(low, high, how many values) for each bucket in ascending order: one if all values are
// equal, none without values.  Numbers can have a hundred thousand digits, so there is memory for
// one bucket at a time.
template <class Visit>
void
for_each_bucket(Datum distribution, int wanted, Visit visit)
{
	const Ranking ranking = rank(distribution);
	if (ranking.run_count == 0)
		return;
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "listing_stats bucket", ALLOCSET_DEFAULT_SIZES);
	const int count = ranking.run_count == 1 ? 1 : wanted;
	Numeric lowest = value_of(ranking, 0);
	Numeric highest = value_of(ranking, ranking.run_count - 1);
	Numeric low = lowest;
	std::size_t run = 0;
	for (int number = 1; number <= count; ++number)
	{
		CHECK_FOR_INTERRUPTS();
		Numeric high = highest;
		std::size_t run_after = ranking.run_count;
		if (number < count)
		{
			MemoryContext before = MemoryContextSwitchTo(scratch);
			Numeric bound = bound_of(lowest, highest, number, count, ranking.scale);
			run_after = runs_below(ranking, bound);
			MemoryContextSwitchTo(before);
			high = DatumGetNumericCopy(NumericGetDatum(bound));
			MemoryContextReset(scratch);
		}
		int64 values = 0;
		for (; run < run_after; ++run)
		{
			if (run % values_between_checks == 0)
				CHECK_FOR_INTERRUPTS();
			values += ranking.count_of(run);
		}
		visit(low, high, values);
		if (low != lowest)
			pfree(low);
		low = high;
	}
}

// Which block stands for a count, relative to the highest one: at least the lowest if it is not
// zero.
int
block_of(int64 count, int64 highest)
{
	if (count == 0)
		return 0;
	const Int128 scaled = static_cast<Int128>(count) * full_block;
	return std::max(1, static_cast<int>((scaled + highest / 2) / highest));
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_histogram)
{
	const int buckets = bucket_argument(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	for_each_bucket(PG_GETARG_DATUM(0), buckets, [&](Numeric low, Numeric high, int64 count) {
		Datum values[] = {NumericGetDatum(low), NumericGetDatum(high), Int64GetDatum(count)};
		bool nulls[3] = {};
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	});
	PG_RETURN_NULL();
}

LISTING_STATS_FUNCTION(listing_stats_sparkline)
{
	const char *const *blocks = block_characters();
	const int buckets = bucket_argument(fcinfo);
	auto *counts = static_cast<int64 *>(palloc(sizeof(int64) * static_cast<Size>(buckets)));
	int count = 0;
	int64 highest = 0;
	for_each_bucket(PG_GETARG_DATUM(0), buckets, [&](Numeric, Numeric, int64 values) {
		counts[count++] = values;
		highest = std::max(highest, values);
	});
	StringInfoData line;
	initStringInfo(&line);
	for (int i = 0; i < count; ++i)
		appendStringInfoString(&line, blocks[block_of(counts[i], highest)]);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(line.data, line.len));
}

}  // namespace listing_stats
