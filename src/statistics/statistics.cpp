// What a distribution says; the promise is in the header.
#include "statistics/statistics.hpp"

#include "server/postgres.hpp"

namespace listing_stats {

namespace {

// As the server has it: whatever holds a NaN or both infinities sums up to NaN.
Sums
special_sums(const Ranking &ranking, std::initializer_list<Sum> wanted)
{
	const Counts &counts = ranking.counts;
	NumberKind kind = NumberKind::negative_infinity;
	if (counts.not_a_numbers > 0 ||
	    (counts.positive_infinities > 0 && counts.negative_infinities > 0))
		kind = NumberKind::not_a_number;
	else if (counts.positive_infinities > 0)
		kind = NumberKind::positive_infinity;
	Sums sums = {};
	for (const Sum sum : wanted)
		if (is_defined(sum, ranking.count()))
			sums[sum] = make_special(
				sum == Sum::total || sum == Sum::mean ? kind : NumberKind::not_a_number);
	return sums;
}

Sums
wide_sums(const Ranking &ranking, std::initializer_list<Sum> wanted)
{
	ServerSums server_sums;
	for (std::size_t i = 0; i < ranking.run_count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		Numeric number = value_of(ranking, i);
		server_sums.accumulate(number, ranking.count_of(i));
		pfree(number);
	}
	Sums sums = {};
	for (const Sum sum : wanted)
		if (is_defined(sum, ranking.finite_count))
			sums[sum] = server_sums.finish(sum);
	server_sums.free();
	return sums;
}

}  // namespace

Order::Order(const Ranking &ranking) : ranking_(ranking) {}

Order::Order(const Ranking &ranking, const Block &block, const Extent &extent, const int64 *ranks,
             int rank_count)
	: ranking_(ranking)
{
	for (int i = 0; i < rank_count; ++i)
		if (is_finite(ranks[i]))
			selected_[selected_count_++] =
				static_cast<std::size_t>(ranks[i] - ranking_.counts.negative_infinities);
	if (selected_count_ == 0)
		return;
	std::sort(selected_, selected_ + selected_count_,
	          [](std::size_t a, std::size_t b) { return a < b; });
	const Distribution *distribution = block.distribution;
	select_ranks(distribution->values(), distribution->used, extent.min, extent.max, selected_,
	             static_cast<std::size_t>(selected_count_), answers_, server);
}

bool
Order::is_finite(int64 rank) const
{
	return rank >= ranking_.counts.negative_infinities &&
	       rank - ranking_.counts.negative_infinities < ranking_.finite_count;
}

std::size_t
Order::run_at(int64 finite_rank)
{
	if (finite_rank < before_)
		run_ = 0, before_ = 0;
	for (; before_ + ranking_.count_of(run_) <= finite_rank; ++run_)
	{
		if (run_ % values_between_checks == 0)
			CHECK_FOR_INTERRUPTS();
		before_ += ranking_.count_of(run_);
	}
	return run_;
}

int64
Order::scaled_at(int64 rank)
{
	const int64 finite_rank = rank - ranking_.counts.negative_infinities;
	for (int i = 0; i < selected_count_; ++i)
		if (selected_[i] == static_cast<std::size_t>(finite_rank))
			return answers_[i];
	return ranking_.runs[run_at(finite_rank)].value;
}

Numeric
Order::at(int64 rank)
{
	if (is_finite(rank))
		return ranking_.wide
		           ? value_of(ranking_, run_at(rank - ranking_.counts.negative_infinities))
		           : make_numeric(scaled_at(rank), ranking_.scale);
	if (rank < ranking_.counts.negative_infinities)
		return make_special(NumberKind::negative_infinity);
	if (rank < count() - ranking_.counts.not_a_numbers)
		return make_special(NumberKind::positive_infinity);
	return make_special(NumberKind::not_a_number);
}

Numeric
Order::between(int64 rank, int quarters)
{
	if (quarters == 0)
		return at(rank);
	if (ranking_.wide || !is_finite(rank) || !is_finite(rank + 1))
		return between(rank, make_numeric(Int128{25} * quarters, 2));
	const int64 low = scaled_at(rank);
	const ScaledNumber number =
		listing_stats::interpolate(low, scaled_at(rank + 1), quarters, ranking_.scale);
	return make_numeric(number.value, number.scale);
}

Numeric
Order::between(int64 rank, Numeric fraction)
{
	Numeric low = at(rank);
	return fraction == nullptr ? low : interpolate(low, at(rank + 1), fraction, ranking_.scale);
}

Percentile
place_of(Numeric part, int64 count)
{
	if (numeric_is_nan(part) || numeric_is_inf(part) || compare(part, make_numeric(0, 0)) < 0 ||
	    compare(part, make_numeric(1, 0)) > 0)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
		                errmsg("percentile %s is not between 0 and 1", text_of(part))));
	Numeric position = multiply(make_numeric(count - 1, 0), part);
	Numeric whole = DatumGetNumeric(DirectFunctionCall1(numeric_floor, NumericGetDatum(position)));
	Numeric fraction = subtract(position, whole);
	Percentile place = {};
	place.rank = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(whole)));
	place.fraction = compare(fraction, make_numeric(0, 0)) == 0 ? nullptr : fraction;
	return place;
}

Numeric
value_of(const Ranking &ranking, std::size_t run)
{
	return ranking.wide ? make_numeric(ranking.wide_runs[run].decimal, ranking.scale)
	                    : make_numeric(ranking.runs[run].value, ranking.scale);
}

std::size_t
runs_below(const Ranking &ranking, Numeric number)
{
	std::size_t first = 0;
	std::size_t last = ranking.run_count;
	while (first < last)
	{
		const std::size_t middle = first + (last - first) / 2;
		Numeric value = value_of(ranking, middle);
		if (compare(value, number) < 0)
			first = middle + 1;
		else
			last = middle;
		pfree(value);
	}
	return first;
}

Sums
sums_of(const Moments &moments, int64 count, int scale, std::initializer_list<Sum> wanted)
{
	Sums sums = {};
	for (const Sum sum : wanted)
		if (is_defined(sum, count))
			sums[sum] = sum_of(sum, moments, count, scale);
	return sums;
}

Sums
sums_of(const Ranking &ranking, std::initializer_list<Sum> wanted)
{
	if (ranking.count() == 0)
		return Sums{};
	if (ranking.count() > ranking.finite_count)
		return special_sums(ranking, wanted);
	if (ranking.wide)
		return wide_sums(ranking, wanted);
	return sums_of(moments_of(ranking.runs, ranking.run_count, server.check_interrupts),
	               ranking.finite_count, ranking.scale, wanted);
}

}  // namespace listing_stats
