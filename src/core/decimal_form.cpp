// Numerics in one form, see decimal_form.hpp.
#include "core/decimal_form.hpp"

#include <algorithm>

namespace listing_stats {

namespace {

int
digit_at(const Decimal &decimal, std::size_t index) noexcept
{
	return index < decimal.digit_count ? load_uint16(decimal.digits + 2 * index) : 0;
}

}  // namespace

int
least_scale(const Decimal &decimal) noexcept
{
	const int groups = static_cast<int>(decimal.digit_count) - 1 - decimal.weight;
	if (decimal.digit_count == 0 || groups <= 0)
		return 0;
	int scale = 4 * groups;
	for (int last = digit_at(decimal, decimal.digit_count - 1); last != 0 && last % 10 == 0;
	     last /= 10)
		--scale;
	return scale;
}

std::size_t
encode_least(const Decimal &decimal, unsigned char *out) noexcept
{
	if (decimal.kind != NumberKind::finite || decimal.digit_count > 0)
		return write_decimal(decimal, std::min(least_scale(decimal), max_display_scale), out);
	return encode_decimal(0, false, 0, out);
}

bool
is_well_formed(const Decimal &decimal) noexcept
{
	if (decimal.kind != NumberKind::finite || decimal.digit_count == 0)
		return true;
	for (std::size_t i = 0; i < decimal.digit_count; ++i)
		if (digit_at(decimal, i) >= 10000)
			return false;
	return digit_at(decimal, 0) != 0 && digit_at(decimal, decimal.digit_count - 1) != 0 &&
	       least_scale(decimal) <= decimal.scale;
}

double
approximate(const Decimal &decimal) noexcept
{
	switch (decimal.kind)
	{
	case NumberKind::not_a_number:
		return __builtin_nan("");
	case NumberKind::positive_infinity:
		return __builtin_inf();
	case NumberKind::negative_infinity:
		return -__builtin_inf();
	case NumberKind::finite:
		break;
	}
	double value = 0;
	for (std::size_t i = 0; i < 5; ++i)
		value = value * 10000 + digit_at(decimal, i);
	for (int weight = std::min(decimal.weight - 4, 100); weight > 0; --weight)
		value *= 10000;
	for (int weight = std::max(decimal.weight - 4, -100); weight < 0; ++weight)
		value /= 10000;
	return decimal.negative ? -value : value;
}

}  // namespace listing_stats
