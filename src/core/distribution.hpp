// A multiset of prices in one flat block, which is at once the state of the aggregates and the
// stored value.  Finite values are 64-bit integers scaled by a common power of ten for as long as
// that is exact; otherwise the block is "wide" and holds the numerics themselves, which only the
// server can compute with.  NaN, infinities and NULLs are counted.  Every answer given here is
// exact or refused.  The block is wide if and only if it must be, in whatever order values came.
#pragma once

#include "core/decimal.hpp"

#include <algorithm>
#include <type_traits>

namespace listing_stats {

struct Distribution
{
	std::uint32_t block_header;  // belongs to whoever keeps the block
	std::uint8_t version;
	std::uint8_t wide;    // 0 or 1
	std::uint16_t scale;  // the largest display scale of a finite value
	std::int64_t nulls;
	std::int64_t not_a_numbers;
	std::int64_t positive_infinities;
	std::int64_t negative_infinities;
	std::uint32_t finite_count;
	std::uint32_t used;  // bytes behind this header

	std::int64_t *values() noexcept { return reinterpret_cast<std::int64_t *>(this + 1); }
	const std::int64_t *values() const noexcept
	{
		return reinterpret_cast<const std::int64_t *>(this + 1);
	}
	char *bytes() noexcept { return reinterpret_cast<char *>(this + 1); }
	const char *bytes() const noexcept { return reinterpret_cast<const char *>(this + 1); }

	// How many values that are not NULL.
	std::int64_t count() const noexcept
	{
		return finite_count + negative_infinities + positive_infinities + not_a_numbers;
	}
};

constexpr std::uint8_t distribution_version = 1;

static_assert(sizeof(Distribution) == 48, "the stored form");
static_assert(std::is_trivially_copyable_v<Distribution>);
static_assert(std::is_trivially_destructible_v<Distribution>);

// Whether every value stays in 64 bits when the scale grows.
[[nodiscard]] bool fits_scale(const Distribution &distribution, int scale) noexcept;

// Copies the scaled values of a distribution, brought to a scale that fits_scale() has approved.
// The target may be the values themselves.
void copy_rescaled(const Distribution &source, int scale, std::int64_t *target) noexcept;

struct Moments
{
	std::int64_t min;
	std::int64_t max;
	Int128 sum;
	// Of the differences from the minimum: the variance does not see the shift.  The sum of the
	// squares is squares_high * 2^64 + squares_low, and no number of values overflows it.
	UInt128 spread;
	UInt128 squares_low;
	UInt128 squares_high;
};

// Of at least one value.
[[nodiscard]] Moments moments_of(const std::int64_t *values, std::size_t count) noexcept;

// Where a percentile lies: between the values of two neighbouring ranks, so many quarters above
// the lower one.
struct Quartile
{
	std::int64_t rank;
	int quarters;
};

inline Quartile
quartile_of(std::int64_t count, int quartile) noexcept
{
	const Int128 position = static_cast<Int128>(count - 1) * quartile;
	return Quartile{static_cast<std::int64_t>(position / 4), static_cast<int>(position % 4)};
}

struct ScaledNumber
{
	Int128 value;
	int scale;
};

// low + (high - low) * quarters / 4, with no more decimals than it needs beyond the given scale.
[[nodiscard]] ScaledNumber interpolate(std::int64_t low, std::int64_t high, int quarters,
                                       int scale) noexcept;

// Permutes values so that each rank asked for holds what it would hold if all were sorted.  Ranks
// ascend and lie in [first, last).  It recurses as deep as the logarithm of their number.
// NOLINTBEGIN(misc-no-recursion)
template <class Value, class Less>
void
select_ranks(Value *values, std::size_t first, std::size_t last, const std::size_t *ranks,
             std::size_t rank_count, Less less) noexcept
{
	if (rank_count == 0)
		return;
	const std::size_t middle = rank_count / 2;
	const std::size_t rank = ranks[middle];
	std::nth_element(values + first, values + rank, values + last, less);

	std::size_t below = middle;
	while (below > 0 && ranks[below - 1] == rank)
		--below;
	std::size_t above = middle + 1;
	while (above < rank_count && ranks[above] == rank)
		++above;
	select_ranks(values, first, rank, ranks, below, less);
	select_ranks(values, rank + 1, last, ranks + above, rank_count - above, less);
}
// NOLINTEND(misc-no-recursion)

}  // namespace listing_stats
