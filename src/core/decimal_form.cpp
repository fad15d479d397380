// Numerics in one form, see decimal_form.hpp.
#include "core/decimal_form.hpp"

#include <algorithm>

namespace listing_stats {

namespace {

int
sign_of(const Decimal &decimal) noexcept
{
	return decimal.digit_count == 0 ? 0 : decimal.negative ? -1 : 1;
}

int
digit_at(const Decimal &decimal, std::size_t index) noexcept
{
	return index < decimal.digit_count ? load_uint16(decimal.digits + 2 * index) : 0;
}

void
store_word(unsigned char *bytes, unsigned value) noexcept
{
	const auto word = static_cast<std::uint16_t>(value);
	std::memcpy(bytes, &word, sizeof word);
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
	return std::min(scale, max_display_scale);
}

std::size_t
encode_least(const Decimal &decimal, unsigned char *out) noexcept
{
	if (decimal.kind != NumberKind::Finite)
	{
		store_word(out, decimal.kind == NumberKind::NotANumber         ? 0xC000
		                : decimal.kind == NumberKind::PositiveInfinity ? 0xD000
		                                                               : 0xF000);
		return 2;
	}
	const auto scale = static_cast<unsigned>(least_scale(decimal));
	const bool negative = sign_of(decimal) < 0;
	const int weight = decimal.digit_count == 0 ? 0 : decimal.weight;
	std::size_t size = 2;
	if (scale <= 0x3F && weight >= -0x40 && weight <= 0x3F)
		store_word(out, 0x8000U | (negative ? 0x2000U : 0U) | scale << 7 |
		                    (static_cast<unsigned>(weight) & 0x7FU));
	else
	{
		store_word(out, (negative ? 0x4000U : 0U) | scale);
		store_word(out + 2, static_cast<unsigned>(weight) & 0xFFFFU);
		size = 4;
	}
	std::memcpy(out + size, decimal.digits, 2 * decimal.digit_count);
	return size + 2 * decimal.digit_count;
}

bool
is_well_formed(const Decimal &decimal) noexcept
{
	if (decimal.kind != NumberKind::Finite || decimal.digit_count == 0)
		return true;
	for (std::size_t i = 0; i < decimal.digit_count; ++i)
		if (digit_at(decimal, i) >= 10000)
			return false;
	const int groups = static_cast<int>(decimal.digit_count) - 1 - decimal.weight;
	return digit_at(decimal, 0) != 0 && digit_at(decimal, decimal.digit_count - 1) != 0 &&
	       4 * groups - 3 <= max_display_scale && least_scale(decimal) <= decimal.scale;
}

double
approximate(const Decimal &decimal) noexcept
{
	switch (decimal.kind)
	{
	case NumberKind::NotANumber:
		return __builtin_nan("");
	case NumberKind::PositiveInfinity:
		return __builtin_inf();
	case NumberKind::NegativeInfinity:
		return -__builtin_inf();
	case NumberKind::Finite:
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
