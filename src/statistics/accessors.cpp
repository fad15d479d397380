// What a price_distribution is asked: one function for each question.  All are strict: NULL is the
// answer to NULL, and where there is none, of no values in particular.  The NULLs in a set are
// counted, and no values.
//
// Answers are in the unit of the prices, variances in its square, and parts of a set are from 0 to
// 1.  Each is what the server's aggregate of that name says; percentiles are exact.
#include "server/postgres.hpp"
#include "statistics/statistics.hpp"
#include "statistics/summary.hpp"

namespace listing_stats {

namespace {

Datum
answer(FunctionCallInfo fcinfo, Numeric number)
{
	if (number == nullptr)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(number);
}

Datum
answer_sum(FunctionCallInfo fcinfo, Sum sum)
{
	return answer(fcinfo, sums_of(rank(PG_GETARG_DATUM(0)), {sum})[sum]);
}

Numeric
percentile_of(Order &order, Numeric part)
{
	const Percentile place = place_of(part, std::max<int64>(order.count(), 1));
	return order.count() == 0 ? nullptr : order.between(place.rank, place.fraction);
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_value_count)
{
	PG_RETURN_INT64(value_count_of(PG_GETARG_DATUM(0)));
}

LISTING_STATS_FUNCTION(listing_stats_null_count)
{
	PG_RETURN_INT64(counts_of(PG_GETARG_DATUM(0)).nulls);
}

LISTING_STATS_FUNCTION(listing_stats_lowest)
{
	Order order(rank(PG_GETARG_DATUM(0)));
	return answer(fcinfo, order.count() == 0 ? nullptr : order.at(0));
}

LISTING_STATS_FUNCTION(listing_stats_highest)
{
	Order order(rank(PG_GETARG_DATUM(0)));
	return answer(fcinfo, order.count() == 0 ? nullptr : order.at(order.count() - 1));
}

LISTING_STATS_FUNCTION(listing_stats_total)
{
	return answer_sum(fcinfo, Sum::total);
}

LISTING_STATS_FUNCTION(listing_stats_mean)
{
	return answer_sum(fcinfo, Sum::mean);
}

LISTING_STATS_FUNCTION(listing_stats_variance)
{
	return answer_sum(fcinfo, Sum::sample_variance);
}

LISTING_STATS_FUNCTION(listing_stats_variance_pop)
{
	return answer_sum(fcinfo, Sum::population_variance);
}

LISTING_STATS_FUNCTION(listing_stats_stddev)
{
	return answer_sum(fcinfo, Sum::sample_deviation);
}

LISTING_STATS_FUNCTION(listing_stats_stddev_pop)
{
	return answer_sum(fcinfo, Sum::population_deviation);
}

LISTING_STATS_FUNCTION(listing_stats_median)
{
	Order order(rank(PG_GETARG_DATUM(0)));
	const Quartile place = quartile_of(order.count(), 2);
	return answer(fcinfo, order.count() == 0 ? nullptr : order.between(place.rank, place.quarters));
}

LISTING_STATS_FUNCTION(listing_stats_percentile)
{
	Order order(rank(PG_GETARG_DATUM(0)));
	return answer(fcinfo, percentile_of(order, PG_GETARG_NUMERIC(1)));
}

LISTING_STATS_FUNCTION(listing_stats_percentiles)
{
	ArrayType *parts = PG_GETARG_ARRAYTYPE_P(1);
	Datum *values = nullptr;
	bool *nulls = nullptr;
	int count = 0;
	deconstruct_array(parts, NUMERICOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
	Order order(rank(PG_GETARG_DATUM(0)));
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "listing_stats percentile",
	                                              ALLOCSET_DEFAULT_SIZES);
	Size size = 0;
	for (int i = 0; i < count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContext before = MemoryContextSwitchTo(scratch);
		Numeric number = nulls[i] ? nullptr : percentile_of(order, DatumGetNumeric(values[i]));
		MemoryContextSwitchTo(before);
		nulls[i] = number == nullptr;
		if (number == nullptr)
			continue;
		values[i] = NumericGetDatum(DatumGetNumericCopy(NumericGetDatum(number)));
		MemoryContextReset(scratch);
		size += VARSIZE(DatumGetPointer(values[i]));
		if (size > MaxAllocSize)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			                errmsg("percentiles are too long for one array")));
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, ARR_NDIM(parts), ARR_DIMS(parts),
	                                         ARR_LBOUND(parts), NUMERICOID, -1, false,
	                                         TYPALIGN_INT));
}

// The value with the most occurrences, the lowest of several.
LISTING_STATS_FUNCTION(listing_stats_most_frequent)
{
	const Ranking ranking = rank(PG_GETARG_DATUM(0));
	const Counts &counts = ranking.counts;
	int64 most = counts.negative_infinities;
	int64 rank_of_most = 0;
	int64 rank = counts.negative_infinities;
	const auto consider = [&](int64 count) {
		if (count > most)
			most = count, rank_of_most = rank;
		rank += count;
	};
	in_parts(ranking.run_count, server.check_interrupts, [&](std::size_t begin, std::size_t end) {
		for (std::size_t i = begin; i < end; ++i)
			consider(ranking.count_of(i));
	});
	consider(counts.positive_infinities);
	consider(counts.not_a_numbers);
	return answer(fcinfo, most == 0 ? nullptr : Order(ranking).at(rank_of_most));
}

LISTING_STATS_FUNCTION(listing_stats_percent_rank)
{
	const Ranking ranking = rank(PG_GETARG_DATUM(0));
	Numeric number = PG_GETARG_NUMERIC(1);
	if (ranking.count() == 0)
		PG_RETURN_NULL();
	const Decimal decimal = parse_numeric(numeric_bytes(NumericGetDatum(number)));
	int64 below = 0;
	if (decimal.kind != NumberKind::negative_infinity)
		below += ranking.counts.negative_infinities;
	if (decimal.kind == NumberKind::not_a_number)
		below += ranking.counts.positive_infinities;
	in_parts(runs_below(ranking, number), server.check_interrupts,
	         [&](std::size_t begin, std::size_t end) {
				 for (std::size_t i = begin; i < end; ++i)
					 below += ranking.count_of(i);
			 });
	PG_RETURN_FLOAT8(static_cast<float8>(below) / static_cast<float8>(ranking.count()));
}

LISTING_STATS_FUNCTION(listing_stats_summarize)
{
	return summary_row(fcinfo, summarize(PG_GETARG_DATUM(0)));
}

LISTING_STATS_FUNCTION(listing_stats_distribution_to_jsonb)
{
	return summary_jsonb(summarize(PG_GETARG_DATUM(0)));
}

LISTING_STATS_FUNCTION(listing_stats_distribution_to_json)
{
	return summary_json(summarize(PG_GETARG_DATUM(0)));
}

LISTING_STATS_FUNCTION(listing_stats_merge)
{
	DistributionState state(NullableDatum{0, true}, CurrentMemoryContext);
	state.merge(PG_GETARG_DATUM(0));
	state.merge(PG_GETARG_DATUM(1));
	return store(rank(state.block()));
}

}  // namespace listing_stats
