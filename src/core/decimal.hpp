// The server's numeric as bytes: read into scaled 64-bit integers and written back from 128-bit
// ones, exactly or not at all.  The format is the one on disk, the same from PostgreSQL 14 on:
// a header with sign, display scale and weight, then digits in base 10000, most significant first,
// without zero digits at either end.  Nothing needs to be aligned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifndef __SIZEOF_INT128__
#error "listing_stats needs 128-bit integers: GCC or Clang for a 64-bit machine"
#endif

namespace listing_stats {

static_assert(sizeof(std::size_t) == 8, "sizes of up to four gigabytes are multiplied");

using Int128 = __int128;
using UInt128 = unsigned __int128;

// As the server orders them.
enum class NumberKind : std::int8_t
{
	negative_infinity = -1,
	finite,
	positive_infinity,
	not_a_number
};

struct Decimal
{
	NumberKind kind;
	bool negative;
	int scale;   // digits shown after the decimal point
	int weight;  // the power of 10000 that the first digit counts
	std::size_t digit_count;
	const unsigned char *digits;
};

constexpr int max_scale = 18;                 // of a scaled value: the next power of ten overflows
constexpr int max_display_scale = 16383;      // of a numeric
constexpr std::size_t max_encoded_size = 28;  // 39 decimal digits make at most 11 groups

// clang-format off
constexpr std::int64_t powers_of_ten[max_scale + 1] = {
	1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
	100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
	10000000000000000, 100000000000000000, 1000000000000000000};
// clang-format on

inline std::uint16_t
load_uint16(const unsigned char *bytes) noexcept
{
	std::uint16_t value = 0;
	std::memcpy(&value, bytes, sizeof value);
	return value;
}

// False: these are not the bytes of a numeric.
[[nodiscard]] bool parse_decimal(const void *data, std::size_t length, Decimal &decimal) noexcept;

// The value times 10^scale.  False: it is no integer, or its magnitude exceeds 2^63 - 1.
[[nodiscard]] bool scaled_value(const Decimal &decimal, int scale, std::int64_t &value) noexcept;

// Negative, zero or positive, as a is below, equal to or above b: as the server orders numerics,
// -Infinity first, NaN last and equal to itself.
[[nodiscard]] int compare_decimals(const Decimal &a, const Decimal &b) noexcept;

// Finite numbers order as their keys do, where the keys differ: sign, weight and three digits.
[[nodiscard]] std::int64_t order_key(const Decimal &decimal) noexcept;

// Writes magnitude / 10^scale with the given display scale and returns the number of bytes written,
// at most max_encoded_size.
std::size_t encode_decimal(UInt128 magnitude, bool negative, int scale, void *out) noexcept;

// Writes a number of any kind, a finite one with the given display scale, and returns the number of
// bytes written, at most 4 and two for each digit.
std::size_t write_decimal(const Decimal &decimal, int scale, void *out) noexcept;

inline UInt128
magnitude_of(Int128 value) noexcept
{
	return value < 0 ? -static_cast<UInt128>(value) : static_cast<UInt128>(value);
}

// A number divided by 10, 100 or 1000: by multiplication, since a division takes longer than all
// the rest of what reads a price.  Right below 2^54, which is more than four digits in base 10000.
constexpr std::uint64_t inverse_powers[] = {0, UINT64_MAX / 10 + 1, UINT64_MAX / 100 + 1,
                                            UINT64_MAX / 1000 + 1};

inline std::int64_t
divide_by_power(std::int64_t digits, int power) noexcept
{
	return static_cast<std::int64_t>(static_cast<UInt128>(digits) * inverse_powers[power] >> 64);
}

// What parse_decimal and scaled_value do, for the numbers that prices are: short header, up to five
// digits, scale no larger than asked for.  False only means: ask those two.
[[nodiscard]] inline bool
scaled_value_quick(const void *data, std::size_t length, int scale, std::int64_t &value) noexcept
{
	const auto *bytes = static_cast<const unsigned char *>(data);
	const unsigned header = load_uint16(bytes);
	const std::size_t digit_count = (length - 2) / 2;
	if ((header & 0xC000) != 0x8000 || digit_count > 5 ||
	    static_cast<int>((header >> 7) & 0x3F) > scale)
		return false;

	std::int64_t digits = digit_count > 0 ? load_uint16(bytes + 2) : 0;
	if (digit_count > 1)
		digits = digits * 10000 + load_uint16(bytes + 4);
	if (digit_count > 2)
	{
		digits = digits * 10000 + load_uint16(bytes + 6);
		if (digit_count > 3)
			digits = digits * 10000 + load_uint16(bytes + 8);
		if (digit_count > 4)
		{
			if (digits > (INT64_MAX - UINT16_MAX) / 10000)
				return false;
			digits = digits * 10000 + load_uint16(bytes + 10);
		}
	}

	const int weight = static_cast<int>(header & 0x3F) - static_cast<int>(header & 0x40);
	const int exponent = 4 * (weight + 1 - static_cast<int>(digit_count)) + scale;
	std::int64_t scaled = 0;
	if (exponent < 0)
	{
		if (exponent < -3)
			return false;
		scaled = divide_by_power(digits, -exponent);
		if (scaled * powers_of_ten[-exponent] != digits)
			return false;
	}
	else if (exponent > max_scale ||
	         __builtin_mul_overflow(digits, powers_of_ten[exponent], &scaled))
		return false;
	value = (header & 0x2000) != 0 ? -scaled : scaled;
	return true;
}

}  // namespace listing_stats
