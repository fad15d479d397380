// Exact arithmetic over the scaled values of a distribution; the promise is in the header.
#include "core/distribution.hpp"

namespace listing_stats {

bool
fits_scale(const Block &block, int scale) noexcept
{
	const Distribution &distribution = *block.distribution;
	if (scale > max_scale)
		return false;
	if (scale == distribution.scale)
		return true;
	const std::int64_t limit = INT64_MAX / powers_of_ten[scale - distribution.scale];
	const std::int64_t *values = distribution.values();
	for (std::size_t i = 0; i < distribution.used; ++i)
		if (values[i] > limit || values[i] < -limit)
			return false;
	const Run *runs = block.runs();
	for (std::size_t i = 0; i < distribution.run_count; ++i)
		if (runs[i].value > limit || runs[i].value < -limit)
			return false;
	return true;
}

void
rescale(const Block &block, int scale) noexcept
{
	Distribution &distribution = *block.distribution;
	if (scale == distribution.scale)
		return;
	const std::int64_t factor = powers_of_ten[scale - distribution.scale];
	std::int64_t *values = distribution.values();
	for (std::size_t i = 0; i < distribution.used; ++i)
		values[i] *= factor;
	Run *runs = block.runs();
	for (std::size_t i = 0; i < distribution.run_count; ++i)
		runs[i].value *= factor;
	distribution.scale = static_cast<std::uint16_t>(scale);
}

Extent
extent_of(const std::int64_t *values, std::size_t count) noexcept
{
	Extent extent{values[0], values[0]};
	for (std::size_t i = 1; i < count; ++i)
	{
		extent.min = std::min(extent.min, values[i]);
		extent.max = std::max(extent.max, values[i]);
	}
	return extent;
}

Moments
moments_of(const std::int64_t *values, std::size_t count, const Extent &extent,
           void (*check_interrupts)()) noexcept
{
	// So many squares of such differences add up in 64 bits.
	constexpr std::uint64_t small_range = std::uint64_t{1} << 26;
	constexpr std::size_t together = 4096;

	Moments moments{0, 0, 0, 0};
	const auto min = static_cast<std::uint64_t>(extent.min);
	if (static_cast<std::uint64_t>(extent.max) - min < small_range)
		for (std::size_t begin = 0; begin < count; begin += together)
		{
			if (begin % values_between_checks == 0)
				check_interrupts();
			std::uint64_t spread = 0;
			std::uint64_t squares = 0;
			for (std::size_t i = begin; i < std::min(count, begin + together); ++i)
			{
				const std::uint64_t difference = static_cast<std::uint64_t>(values[i]) - min;
				spread += difference;
				squares += difference * difference;
			}
			moments.spread += spread;
			moments.squares_low += squares;
		}
	else
		in_parts(count, check_interrupts, [=, &moments](std::size_t begin, std::size_t end) {
			for (std::size_t i = begin; i < end; ++i)
			{
				const std::uint64_t difference = static_cast<std::uint64_t>(values[i]) - min;
				const UInt128 square = static_cast<UInt128>(difference) * difference;
				moments.spread += difference;
				moments.squares_low += static_cast<std::uint64_t>(square);
				moments.squares_high += static_cast<std::uint64_t>(square >> 64);
			}
		});
	moments.sum = static_cast<Int128>(moments.spread) +
	              static_cast<Int128>(extent.min) * static_cast<Int128>(count);
	return moments;
}

Moments
moments_of(const Run *runs, std::size_t count, void (*check_interrupts)()) noexcept
{
	Moments moments{0, 0, 0, 0};
	const auto min = static_cast<std::uint64_t>(runs[0].value);
	in_parts(count, check_interrupts, [=, &moments](std::size_t begin, std::size_t end) {
		for (std::size_t i = begin; i < end; ++i)
		{
			const std::uint64_t difference = static_cast<std::uint64_t>(runs[i].value) - min;
			const auto times = static_cast<std::uint64_t>(runs[i].count);
			const UInt128 square = static_cast<UInt128>(difference) * difference;
			moments.sum += static_cast<Int128>(runs[i].value) * runs[i].count;
			moments.spread += static_cast<UInt128>(difference) * times;
			moments.squares_low += static_cast<UInt128>(static_cast<std::uint64_t>(square)) * times;
			moments.squares_high +=
				static_cast<UInt128>(static_cast<std::uint64_t>(square >> 64)) * times;
		}
	});
	return moments;
}

ScaledNumber
interpolate(std::int64_t low, std::int64_t high, int quarters, int scale) noexcept
{
	const Int128 difference = static_cast<Int128>(high) - low;
	ScaledNumber result{static_cast<Int128>(low) * 100 + difference * 25 * quarters, scale + 2};
	while (result.scale > scale && result.value % 10 == 0)
	{
		result.value /= 10;
		--result.scale;
	}
	return result;
}

}  // namespace listing_stats
