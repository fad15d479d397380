// Quotients and square roots; the promise is in the header.
#include "core/division.hpp"

#include <cmath>

namespace listing_stats {

namespace {

constexpr int significant_digits = 16;  // at least, of a quotient: NUMERIC_MIN_SIG_DIGITS
constexpr int max_power = 38;           // 10^38 fits 128 bits

UInt128
power_of_ten(int exponent) noexcept
{
	const UInt128 low = static_cast<UInt128>(powers_of_ten[exponent % max_scale]);
	constexpr auto step = static_cast<UInt128>(powers_of_ten[max_scale]);
	return exponent < max_scale ? low : exponent < 2 * max_scale ? low * step : low * step * step;
}

// The first digit in base 10000 of a number, and the power of 10000 that it counts.
struct Leading
{
	int weight;
	int digit;
};

Leading
leading_of(UInt128 magnitude, int scale) noexcept
{
	if (magnitude == 0)
		return Leading{0, 0};
	const auto high = static_cast<std::uint64_t>(magnitude >> 64);
	const int bits = 128 -
	                 __builtin_clzll(high != 0 ? high : static_cast<std::uint64_t>(magnitude)) -
	                 (high != 0 ? 0 : 64);
	// By the logarithm of two, rounded down: so many at least.
	int digits = 1 + ((bits - 1) * 1233 >> 12);
	while (digits <= max_power && magnitude >= power_of_ten(digits))
		++digits;
	const int before_point = digits - scale;
	const int weight = before_point > 0 ? (before_point - 1) / 4 : -(-before_point / 4) - 1;
	const int in_first = before_point - 4 * weight;
	return Leading{weight,
	               static_cast<int>(magnitude / power_of_ten(std::max(0, digits - in_first)) *
	                                power_of_ten(std::max(0, in_first - digits)))};
}

// The product, or false.
bool
multiply(UInt128 a, UInt128 b, UInt128 &product) noexcept
{
	return !__builtin_mul_overflow(a, b, &product) && product >> 126 == 0;
}

}  // namespace

bool
divide(Int128 dividend, int scale, UInt128 divisor, ScaledNumber &quotient) noexcept
{
	const UInt128 magnitude = magnitude_of(dividend);
	const Leading above = leading_of(magnitude, scale);
	const Leading below = leading_of(divisor, 0);
	int weight = above.weight - below.weight;
	if (above.digit <= below.digit)
		--weight;
	const int result_scale = std::max({significant_digits - 4 * weight, scale, 0});
	UInt128 scaled = 0;
	if (result_scale - scale > max_power ||
	    !multiply(magnitude, power_of_ten(result_scale - scale), scaled))
		return false;
	UInt128 result = scaled / divisor;
	if (scaled - result * divisor >= divisor - divisor / 2)
		++result;
	quotient.value = dividend < 0 ? -static_cast<Int128>(result) : static_cast<Int128>(result);
	quotient.scale = result_scale;
	return true;
}

bool
square_root(const ScaledNumber &number, ScaledNumber &root) noexcept
{
	UInt128 square = 0;
	if (number.scale > max_power ||
	    !multiply(static_cast<UInt128>(number.value), power_of_ten(number.scale), square))
		return false;
	UInt128 result = 0;
	if (square > 0)
	{
		// The estimate has 53 bits, a step of Newton's method all 64 except the last.
		result = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(square)));
		result = (result + square / result) / 2;
		while (result * result > square)
			--result;
		while ((result + 1) * (result + 1) <= square)
			++result;
		if (square - result * result > result)
			++result;
	}
	root = ScaledNumber{static_cast<Int128>(result), number.scale};
	return true;
}

}  // namespace listing_stats
