// The values of a multiset in ascending order, each once, with how often it occurs: what
// percentiles, histograms, comparison and the stored form are read from.  And a shorter way to few
// percentiles.
//
// Values are brought into order by counting where they lie as densely as prices do, which takes one
// pass; otherwise by their digits in base 2048, low ones first.
#pragma once

#include "core/distribution.hpp"

namespace listing_stats {

// What the long loops ask of their surroundings.  None of these returns without what it is for, and
// none need return at all: only trivially destructible things live in frames that call them.
struct Environment
{
	void *(*allocate)(std::size_t size);
	void (*release)(void *memory);
	void (*check_interrupts)();  // called every now and then: here the work can be interrupted
};

struct WideRun
{
	std::int64_t key;  // order_key()
	std::int64_t count;
	Decimal decimal;
};

struct Ranking
{
	bool wide;
	int scale;
	Counts counts;
	std::size_t run_count;
	const Run *runs;           // where not wide
	const WideRun *wide_runs;  // where wide
	std::int64_t finite_count;

	// How many values that are not NULL.
	std::int64_t count() const noexcept
	{
		return finite_count + counts.negative_infinities + counts.positive_infinities +
		       counts.not_a_numbers;
	}
	std::int64_t count_of(std::size_t run) const noexcept
	{
		return wide ? wide_runs[run].count : runs[run].count;
	}
};

// Brings the content of a block into order.  False: it counts more than max_count values.  The
// block stays as it is, and is only read; of a wide one the decimals' digits lie in new memory.
[[nodiscard]] bool rank_values(const Block &block, const Environment &environment,
                               Ranking &ranking) noexcept;

enum class ShortWay
{
	ranked,
	too_many,  // more than max_count values
	select     // the block has plain values only, in the extent given: select_ranks() is shorter
};

// rank_values() where order is the shorter way to a few ranks: values lie densely, or there is no
// other way.
[[nodiscard]] ShortWay rank_if_short(const Block &block, const Environment &environment,
                                     Ranking &ranking, Extent &extent) noexcept;

// Sets finite_count from the runs; false: there are more than max_count values.
[[nodiscard]] bool count_values(Ranking &ranking) noexcept;

// Whether values can be brought into order by counting them.
[[nodiscard]] bool lie_densely(std::int64_t min, std::int64_t max, std::size_t count) noexcept;

constexpr std::size_t max_selected_ranks = 16;

// Finds what the ranks asked for would hold if the values were sorted.  Ranks ascend and are below
// count, and there are at most max_selected_ranks; all values lie in [min, max].
void select_ranks(const std::int64_t *values, std::size_t count, std::int64_t min, std::int64_t max,
                  const std::size_t *ranks, std::size_t rank_count, std::int64_t *answers,
                  const Environment &environment) noexcept;

}  // namespace listing_stats
