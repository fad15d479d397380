// Exact arithmetic over the scaled values of a distribution.
#include "core/distribution.hpp"

namespace listing_stats {

bool
fits_scale(const Distribution &distribution, int scale) noexcept
{
	if (scale == distribution.scale || distribution.finite_count == 0)
		return scale <= max_scale;
	if (scale > max_scale)
		return false;
	const std::int64_t limit = INT64_MAX / powers_of_ten[scale - distribution.scale];
	const std::int64_t *values = distribution.values();
	for (std::size_t i = 0; i < distribution.finite_count; ++i)
		if (values[i] > limit || values[i] < -limit)
			return false;
	return true;
}

void
copy_rescaled(const Distribution &source, int scale, std::int64_t *target) noexcept
{
	const std::int64_t *values = source.values();
	const std::int64_t factor = powers_of_ten[scale - source.scale];
	for (std::size_t i = 0; i < source.finite_count; ++i)
		target[i] = values[i] * factor;
}

Moments
moments_of(const std::int64_t *values, std::size_t count) noexcept
{
	Moments moments{values[0], values[0], 0, 0, 0, 0};
	for (std::size_t i = 0; i < count; ++i)
	{
		moments.min = std::min(moments.min, values[i]);
		moments.max = std::max(moments.max, values[i]);
		moments.sum += values[i];
	}
	moments.spread = static_cast<UInt128>(moments.sum - static_cast<Int128>(moments.min) *
	                                                        static_cast<Int128>(count));
	for (std::size_t i = 0; i < count; ++i)
	{
		const std::uint64_t difference =
			static_cast<std::uint64_t>(values[i]) - static_cast<std::uint64_t>(moments.min);
		const UInt128 square = static_cast<UInt128>(difference) * difference;
		moments.squares_low += static_cast<std::uint64_t>(square);
		moments.squares_high += static_cast<std::uint64_t>(square >> 64);
	}
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
