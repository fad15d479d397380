// Reads arbitrary bytes as a numeric and compares with schoolbook arithmetic on decimal text, then
// writes arbitrary integers and reads them back.
#include "core/decimal.hpp"

#include <algorithm>
#include <string>

using namespace listing_stats;

namespace {

void
require(bool condition)
{
	if (!condition)
		__builtin_trap();
}

// The integer that digits * 10000^... times 10^scale is, as text without leading zeros; empty if it
// is none.
std::string
naive_scaled(const Decimal &decimal, int scale)
{
	std::string text;
	for (std::size_t i = 0; i < decimal.digit_count; ++i)
	{
		const std::string digit = std::to_string(load_uint16(decimal.digits + 2 * i));
		text += std::string(4 - digit.size(), '0') + digit;
	}
	const long point = 4L * (decimal.weight + 1) + scale;  // digits of text before the point
	if (point < 0)
		text.insert(0, static_cast<std::size_t>(-point), '0');
	const std::size_t whole = point < 0 ? 0 : static_cast<std::size_t>(point);
	if (text.size() < whole)
		text.append(whole - text.size(), '0');
	if (text.find_first_not_of('0', whole) != std::string::npos)
		return "";
	text.resize(whole);
	text.erase(0, std::min(text.find_first_not_of('0'), text.size()));
	return text.empty() ? "0" : text;
}

bool
naive_fits(const std::string &integer)
{
	const std::string limit = std::to_string(INT64_MAX);
	return !integer.empty() &&
	       (integer.size() < limit.size() || (integer.size() == limit.size() && integer <= limit));
}

void
check_reading(std::string bytes, int scale)
{
	Decimal decimal;
	if (!parse_decimal(bytes.data(), bytes.size(), decimal) || decimal.kind != NumberKind::finite)
		return;
	// What the server promises: digits below 10000, none of them zero at either end.
	for (std::size_t i = 0; i < decimal.digit_count; ++i)
	{
		const std::size_t offset = static_cast<std::size_t>(
			decimal.digits + 2 * i - reinterpret_cast<const unsigned char *>(bytes.data()));
		auto digit = static_cast<std::uint16_t>(load_uint16(decimal.digits + 2 * i) % 10000);
		if (digit == 0 && (i == 0 || i + 1 == decimal.digit_count))
			digit = 1;
		std::memcpy(&bytes[offset], &digit, sizeof digit);
	}
	std::int64_t value = 0;
	const bool fits = scaled_value(decimal, scale, value);
	const std::string expected = naive_scaled(decimal, scale);
	require(fits == naive_fits(expected));
	if (fits)
		require(expected == std::to_string(value < 0 ? -value : value) &&
		        (value < 0) == (decimal.negative && expected != "0"));
	std::int64_t quick = 0;
	if (scaled_value_quick(bytes.data(), bytes.size(), scale, quick))
		require(fits && quick == value);
}

void
check_writing(UInt128 magnitude, bool negative, int scale)
{
	unsigned char out[max_encoded_size];
	const std::size_t size = encode_decimal(magnitude, negative, scale, out);
	require(size <= max_encoded_size);
	Decimal decimal;
	require(parse_decimal(out, size, decimal) && decimal.kind == NumberKind::finite);
	require(decimal.scale == scale && decimal.negative == (negative && magnitude != 0));
	std::string expected;
	for (UInt128 rest = magnitude; rest != 0; rest /= 10)
		expected.insert(expected.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
	require(naive_scaled(decimal, scale) == (expected.empty() ? "0" : expected));
}

}  // namespace

extern "C" int
LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	if (size < 20 || size > 200)
		return 0;
	UInt128 magnitude;
	std::memcpy(&magnitude, data, sizeof magnitude);
	magnitude >>= data[16] % 128;
	check_writing(magnitude, (data[17] & 1) != 0,
	              (data[17] & 2) != 0 ? data[18] % 40 : data[18] * 64 + 63);
	check_reading(std::string(data + 19, data + size), data[18] % (max_scale + 1));
	return 0;
}
