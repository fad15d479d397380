// Reading and writing the bytes of a numeric with every check; the promise is in the header.
#include "core/decimal.hpp"

namespace listing_stats {

namespace {

constexpr unsigned short_form = 0x8000;
constexpr unsigned special_form = 0xC000;
constexpr unsigned nan_header = 0xC000;
constexpr unsigned infinity_header = 0xD000;
constexpr unsigned negative_infinity_header = 0xF000;

void
store_uint16(unsigned char *bytes, unsigned value) noexcept
{
	const auto word = static_cast<std::uint16_t>(value);
	std::memcpy(bytes, &word, sizeof word);
}

// The header of a finite number; returns its size.
std::size_t
write_header(bool negative, int scale, int weight, unsigned char *bytes) noexcept
{
	if (scale <= 0x3F && weight >= -0x40 && weight <= 0x3F)
	{
		store_uint16(bytes, short_form | (negative ? 0x2000U : 0U) |
		                        (static_cast<unsigned>(scale) << 7) |
		                        (static_cast<unsigned>(weight) & 0x7FU));
		return 2;
	}
	store_uint16(bytes, (negative ? 0x4000U : 0U) | static_cast<unsigned>(scale));
	store_uint16(bytes + 2, static_cast<unsigned>(weight) & 0xFFFFU);
	return 4;
}

// Splits magnitude / 10^scale into digits of base 10000, least significant first, none for leading
// zeros.  The last digit of the fraction may hold fewer than four decimals.
std::size_t
split_into_digits(UInt128 magnitude, int scale, std::uint16_t *digits) noexcept
{
	std::size_t count = 0;
	const int partial = scale % 4;
	const auto unit = static_cast<unsigned>(powers_of_ten[partial]);
	const auto in_first = static_cast<unsigned>(powers_of_ten[4 - partial]);
	auto rest = static_cast<std::uint64_t>(magnitude);
	// Few numbers need 128 bits, which take long to divide.
	if (rest != magnitude)
	{
		if (partial != 0)
		{
			digits[count++] =
				static_cast<std::uint16_t>(static_cast<unsigned>(magnitude % unit) * in_first);
			magnitude /= unit;
		}
		for (; (magnitude >> 64) != 0; magnitude /= 10000)
			digits[count++] = static_cast<std::uint16_t>(magnitude % 10000);
		rest = static_cast<std::uint64_t>(magnitude);
	}
	else if (partial != 0)
	{
		digits[count++] = static_cast<std::uint16_t>(static_cast<unsigned>(rest % unit) * in_first);
		rest /= unit;
	}
	for (; rest != 0; rest /= 10000)
		digits[count++] = static_cast<std::uint16_t>(rest % 10000);
	return count;
}

}  // namespace

bool
parse_decimal(const void *data, std::size_t length, Decimal &decimal) noexcept
{
	const auto *bytes = static_cast<const unsigned char *>(data);
	if (length < 2)
		return false;
	const unsigned header = load_uint16(bytes);
	decimal = Decimal{NumberKind::finite, false, 0, 0, 0, bytes};

	if ((header & special_form) == special_form)
	{
		switch (header & 0xF000)
		{
		case nan_header:
			decimal.kind = NumberKind::not_a_number;
			return true;
		case infinity_header:
			decimal.kind = NumberKind::positive_infinity;
			return true;
		case negative_infinity_header:
			decimal.kind = NumberKind::negative_infinity;
			return true;
		default:
			return false;
		}
	}

	std::size_t header_size = 2;
	if ((header & short_form) != 0)
	{
		decimal.negative = (header & 0x2000) != 0;
		decimal.scale = static_cast<int>((header >> 7) & 0x3F);
		decimal.weight = static_cast<int>(header & 0x3F) - static_cast<int>(header & 0x40);
	}
	else
	{
		header_size = 4;
		if (length < header_size)
			return false;
		decimal.negative = (header & 0x4000) != 0;
		decimal.scale = static_cast<int>(header & 0x3FFF);
		decimal.weight = static_cast<std::int16_t>(load_uint16(bytes + 2));
	}
	if ((length - header_size) % 2 != 0)
		return false;
	decimal.digit_count = (length - header_size) / 2;
	decimal.digits = bytes + header_size;
	return true;
}

bool
scaled_value(const Decimal &decimal, int scale, std::int64_t &value) noexcept
{
	value = 0;
	if (decimal.digit_count == 0)
		return true;
	// The 19 decimals of a value that fits touch at most six digits.
	if (decimal.digit_count > 6 || scale > max_scale)
		return false;

	UInt128 digits = 0;
	for (std::size_t i = 0; i < decimal.digit_count; ++i)
		digits = digits * 10000 + load_uint16(decimal.digits + 2 * i);

	const int exponent = 4 * (decimal.weight + 1 - static_cast<int>(decimal.digit_count)) + scale;
	if (exponent < -3 || exponent > max_scale)
		return false;
	if (exponent < 0)
	{
		const auto divisor = static_cast<unsigned>(powers_of_ten[-exponent]);
		if (digits % divisor != 0)
			return false;
		digits /= divisor;
	}
	else if (digits > INT64_MAX)
		return false;
	else
		digits *= static_cast<UInt128>(powers_of_ten[exponent]);
	if (digits > INT64_MAX)
		return false;
	value = static_cast<std::int64_t>(digits);
	if (decimal.negative)
		value = -value;
	return true;
}

int
compare_decimals(const Decimal &a, const Decimal &b) noexcept
{
	if (a.kind != NumberKind::finite || b.kind != NumberKind::finite)
		return static_cast<int>(a.kind) - static_cast<int>(b.kind);
	const int sign_a = a.digit_count == 0 ? 0 : a.negative ? -1 : 1;
	const int sign_b = b.digit_count == 0 ? 0 : b.negative ? -1 : 1;
	if (sign_a != sign_b)
		return sign_a < sign_b ? -1 : 1;
	if (sign_a == 0)
		return 0;
	if (a.weight != b.weight)
		return a.weight < b.weight ? -sign_a : sign_a;
	const std::size_t common = a.digit_count < b.digit_count ? a.digit_count : b.digit_count;
	for (std::size_t i = 0; i < common; ++i)
	{
		const unsigned digit_a = load_uint16(a.digits + 2 * i);
		const unsigned digit_b = load_uint16(b.digits + 2 * i);
		if (digit_a != digit_b)
			return digit_a < digit_b ? -sign_a : sign_a;
	}
	if (a.digit_count != b.digit_count)
		return a.digit_count < b.digit_count ? -sign_a : sign_a;
	return 0;
}

std::int64_t
order_key(const Decimal &decimal) noexcept
{
	if (decimal.digit_count == 0)
		return 0;
	std::int64_t digits = 0;
	for (std::size_t i = 0; i < 3; ++i)
		digits =
			digits * 10000 + (i < decimal.digit_count ? load_uint16(decimal.digits + 2 * i) : 0);
	const std::int64_t key = static_cast<std::int64_t>(decimal.weight - INT16_MIN) << 40 | digits;
	return decimal.negative ? -key : key;
}

std::size_t
encode_decimal(UInt128 magnitude, bool negative, int scale, void *out) noexcept
{
	std::uint16_t digits[(max_encoded_size - 4) / 2] = {};
	const std::size_t count = split_into_digits(magnitude, scale, digits);
	std::size_t trailing = 0;
	while (trailing < count && digits[trailing] == 0)
		++trailing;

	int weight = static_cast<int>(count) - 1 - (scale + 3) / 4;
	if (count == trailing)
	{
		weight = 0;
		negative = false;
	}

	auto *bytes = static_cast<unsigned char *>(out);
	std::size_t size = write_header(negative, scale, weight, bytes);
	for (std::size_t i = count; i > trailing; --i, size += 2)
		store_uint16(bytes + size, digits[i - 1]);
	return size;
}

std::size_t
write_decimal(const Decimal &decimal, int scale, void *out) noexcept
{
	auto *bytes = static_cast<unsigned char *>(out);
	if (decimal.kind != NumberKind::finite)
	{
		store_uint16(bytes, decimal.kind == NumberKind::not_a_number ? nan_header
		                    : decimal.kind == NumberKind::positive_infinity
		                        ? infinity_header
		                        : negative_infinity_header);
		return 2;
	}
	const std::size_t header = write_header(decimal.negative, scale, decimal.weight, bytes);
	if (decimal.digit_count > 0)
		std::memcpy(bytes + header, decimal.digits, 2 * decimal.digit_count);
	return header + 2 * decimal.digit_count;
}

}  // namespace listing_stats
