// Dates, times and numbers as text, in the form that ISO 8601 and JSON have and the server writes.
// Each function writes at "out", which has room, and returns where the next character goes.
#pragma once

#include "core/decimal.hpp"

#include <cstdint>
#include <cstring>

namespace listing_stats {

constexpr std::size_t max_instant_text = 40;
constexpr std::size_t max_integer_text = 20;

// clang-format off
constexpr char two_digits[201] =
	"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
	"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
// clang-format on

inline char *
write_two_digits(char *out, unsigned number) noexcept
{
	std::memcpy(out, two_digits + static_cast<std::size_t>(2 * number), 2);
	return out + 2;
}

inline char *
write_unsigned(char *out, std::uint64_t number) noexcept
{
	char digits[max_integer_text];
	char *first = digits + sizeof digits;

	for (; number >= 100; number /= 100)
	{
		first -= 2;
		write_two_digits(first, static_cast<unsigned>(number % 100));
	}
	if (number >= 10)
	{
		first -= 2;
		write_two_digits(first, static_cast<unsigned>(number));
	}
	else
		*--first = static_cast<char>('0' + number);
	const auto length = static_cast<std::size_t>(digits + sizeof digits - first);
	std::memcpy(out, first, length);
	return out + length;
}

// The days since 2000-01-01 of which write_date() can write the date: years of four digits.
constexpr std::int64_t first_written_day = -730000;
constexpr std::int64_t last_written_day = 2921900;

// Proleptic Gregorian, after Howard Hinnant's days-to-civil algorithm.
inline char *
write_date(char *out, std::int64_t day) noexcept
{
	const auto shifted = static_cast<std::uint32_t>(day + 730425);  // since 0000-03-01
	const std::uint32_t era = shifted / 146097;
	const std::uint32_t day_of_era = shifted % 146097;
	const std::uint32_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	const std::uint32_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const std::uint32_t month = (5 * day_of_year + 2) / 153;  // 0: March
	const std::uint32_t year = era * 400 + year_of_era + (month >= 10 ? 1 : 0);

	out = write_two_digits(out, year / 100);
	out = write_two_digits(out, year % 100);
	*out++ = '-';
	out = write_two_digits(out, month < 10 ? month + 3 : month - 9);
	*out++ = '-';
	return write_two_digits(out, day_of_year - (153 * month + 2) / 5 + 1);
}

// Of the microseconds since midnight; those of the second without zeros at the end.
inline char *
write_time(char *out, std::uint64_t microseconds) noexcept
{
	const auto seconds = static_cast<unsigned>(microseconds / 1000000);
	auto fraction = static_cast<unsigned>(microseconds % 1000000);

	out = write_two_digits(out, seconds / 3600);
	*out++ = ':';
	out = write_two_digits(out, seconds / 60 % 60);
	*out++ = ':';
	out = write_two_digits(out, seconds % 60);
	if (fraction == 0)
		return out;
	*out++ = '.';
	out = write_two_digits(out, fraction / 10000);
	out = write_two_digits(out, fraction / 100 % 100);
	out = write_two_digits(out, fraction % 100);
	while (out[-1] == '0')
		--out;
	return out;
}

// magnitude / 10^scale, with all decimals.
inline char *
write_scaled(char *out, std::int64_t value, int scale) noexcept
{
	std::uint64_t magnitude = static_cast<std::uint64_t>(value);

	if (value < 0)
	{
		*out++ = '-';
		magnitude = 0 - magnitude;
	}
	const auto unit = static_cast<std::uint64_t>(powers_of_ten[scale]);
	out = write_unsigned(out, magnitude / unit);
	if (scale == 0)
		return out;
	*out = '.';
	std::uint64_t fraction = magnitude % unit;
	for (int i = scale; i > 0; --i, fraction /= 10)
		out[i] = static_cast<char>('0' + fraction % 10);
	return out + scale + 1;
}

}  // namespace listing_stats
