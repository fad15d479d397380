// A multiset of prices.  Finite values are 64-bit integers scaled by a common power of ten for as
// long as that is exact; otherwise the multiset is "wide" and holds decimals of any size.  NaN,
// infinities and NULLs are counted.  A multiset is wide if and only if it must be, in whatever
// order values came.
//
// It has three forms.  While it grows it is a block that values are appended to, in any order
// (Distribution).  Asked for more than sums, it is brought into ascending order (Ranking).  Stored
// and sent, it is that order as bytes (stored_form.hpp).
#pragma once

#include "core/decimal.hpp"

#include <algorithm>
#include <type_traits>

namespace listing_stats {

// Long work is done in parts: check_interrupts() is called before each, and need not return.
constexpr std::size_t values_between_checks = std::size_t{1} << 20U;  // a few milliseconds

// work(begin, end) for parts of [0, count).
template <class Work>
inline void
in_parts(std::size_t count, void (*check_interrupts)(), Work work) noexcept
{
	for (std::size_t begin = 0; begin < count; begin += values_between_checks)
	{
		check_interrupts();
		work(begin, std::min(count, begin + values_between_checks));
	}
}

// A value and how often it occurs.
struct Run
{
	std::int64_t value;
	std::int64_t count;
};

// How many values a multiset may have: two such counts add up to a 64-bit integer, and the sum of
// so many 64-bit values is a 128-bit one.
constexpr std::int64_t max_count = INT64_MAX / 2;

struct Counts
{
	std::int64_t nulls;
	std::int64_t not_a_numbers;
	std::int64_t positive_infinities;
	std::int64_t negative_infinities;
};

enum class Form : std::uint8_t
{
	stored = 1,   // the version of the stored form
	growing = 64  // never on disk
};

// The header of a block that grows.  Values lie behind it, runs before its end, room between; a
// wide block has entries instead (stored_form.hpp).
struct Distribution
{
	std::uint32_t block_header;  // belongs to whoever keeps the block
	Form form;
	std::uint8_t wide;    // 0 or 1
	std::uint16_t scale;  // the largest display scale of a finite value
	Counts counts;
	std::uint32_t used;       // how many values; where wide, how many bytes of entries
	std::uint32_t run_count;  // 0 where wide

	std::int64_t *values() noexcept { return reinterpret_cast<std::int64_t *>(this + 1); }
	const std::int64_t *values() const noexcept
	{
		return reinterpret_cast<const std::int64_t *>(this + 1);
	}
	unsigned char *entries() noexcept { return reinterpret_cast<unsigned char *>(this + 1); }
	const unsigned char *entries() const noexcept
	{
		return reinterpret_cast<const unsigned char *>(this + 1);
	}
	std::size_t front_size() const noexcept
	{
		return wide != 0 ? used : used * sizeof(std::int64_t);
	}
	std::size_t content_size() const noexcept { return front_size() + run_count * sizeof(Run); }
};

static_assert(sizeof(Distribution) == 48, "ten values fit a block of 128 bytes");
static_assert(std::is_trivially_copyable_v<Distribution>);
static_assert(std::is_trivially_destructible_v<Distribution>);

// A block and the bytes it has, header included: a multiple of eight.
struct Block
{
	Distribution *distribution;
	std::size_t size;

	Run *runs() const noexcept
	{
		return reinterpret_cast<Run *>(reinterpret_cast<char *>(distribution) + size) -
		       distribution->run_count;
	}
	std::size_t room() const noexcept
	{
		return size - sizeof(Distribution) - distribution->content_size();
	}
};

// Whether every finite value stays in 64 bits when the scale grows.  The block is not wide.
[[nodiscard]] bool fits_scale(const Block &block, int scale) noexcept;

// Brings the block to a scale that fits_scale() has approved.
void rescale(const Block &block, int scale) noexcept;

struct Extent
{
	std::int64_t min;
	std::int64_t max;
};

// Of at least one value.
[[nodiscard]] Extent extent_of(const std::int64_t *values, std::size_t count) noexcept;

struct Moments
{
	Int128 sum;
	// Of the differences from the minimum: the variance does not see the shift.  The sum of the
	// squares is squares_high * 2^64 + squares_low, and no number of values overflows it.
	UInt128 spread;
	UInt128 squares_low;
	UInt128 squares_high;
};

// Of at least one value, all in the extent; of runs that ascend.
[[nodiscard]] Moments moments_of(const std::int64_t *values, std::size_t count,
                                 const Extent &extent, void (*check_interrupts)()) noexcept;
[[nodiscard]] Moments moments_of(const Run *runs, std::size_t count,
                                 void (*check_interrupts)()) noexcept;

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

}  // namespace listing_stats
