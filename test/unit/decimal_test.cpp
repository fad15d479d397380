// Numerics as bytes: known ones, the limits of 64 bits, and what is no numeric at all.
#include "core/decimal.hpp"

#include "check.hpp"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <random>

using namespace listing_stats;

namespace {

struct Bytes
{
	unsigned char data[64];
	std::size_t size = 0;

	Bytes(std::initializer_list<unsigned> words)
	{
		for (const unsigned word : words)
		{
			const auto value = static_cast<std::uint16_t>(word);
			std::memcpy(data + size, &value, sizeof value);
			size += sizeof value;
		}
	}
};

// The value at a scale by either way, which must agree; INT64_MIN stands for "does not fit".
std::int64_t
value_of(const void *data, std::size_t size, int scale)
{
	Decimal decimal;
	std::int64_t value;
	std::int64_t quick;
	if (!parse_decimal(data, size, decimal) || decimal.kind != NumberKind::finite)
		return INT64_MIN;
	const bool fits = scaled_value(decimal, scale, value);
	if (scaled_value_quick(data, size, scale, quick))
		CHECK(fits && quick == value);
	return fits ? value : INT64_MIN;
}

std::int64_t
value_of(const Bytes &bytes, int scale)
{
	return value_of(bytes.data, bytes.size, scale);
}

void
test_known_bytes()
{
	CHECK(value_of({0x8100, 19, 9900}, 2) == 1999);   // 19.99
	CHECK(value_of({0xA100, 19, 9900}, 2) == -1999);  // -19.99
	CHECK(value_of({0x8100, 19, 9900}, 3) == 19990);
	CHECK(value_of({0x8100, 19, 9900}, 1) == INT64_MIN);
	CHECK(value_of({0x8000}, 0) == 0);
	CHECK(value_of({0x8002, 1}, 0) == 100000000);       // 100000000
	CHECK(value_of({0x82FF, 5}, 5) == 50);              // 0.00050
	CHECK(value_of({0x827F, 5}, 4) == 5);               // 0.0005
	CHECK(value_of({0x0002, 0, 19, 9900}, 2) == 1999);  // 19.99 with a long header
	CHECK(value_of({0x4002, 0, 19, 9900}, 2) == -1999);
	CHECK(value_of({0x8004, 922, 3372, 368, 5477, 5807}, 0) == INT64_MAX);
	CHECK(value_of({0xA004, 922, 3372, 368, 5477, 5807}, 0) == -INT64_MAX);
	CHECK(value_of({0x8004, 922, 3372, 368, 5477, 5808}, 0) == INT64_MIN);
	CHECK(value_of({0x8004, 922, 3372, 368, 5477, 5807}, 1) == INT64_MIN);
	CHECK(value_of({0x003F, 30000, 1}, 0) == INT64_MIN);
}

void
test_specials_and_junk()
{
	Decimal decimal;
	CHECK(parse_decimal(Bytes{0xC000}.data, 2, decimal) &&
	      decimal.kind == NumberKind::not_a_number);
	CHECK(parse_decimal(Bytes{0xC000, 0}.data, 4, decimal) &&
	      decimal.kind == NumberKind::not_a_number);
	CHECK(parse_decimal(Bytes{0xD000}.data, 2, decimal) &&
	      decimal.kind == NumberKind::positive_infinity);
	CHECK(parse_decimal(Bytes{0xF000}.data, 2, decimal) &&
	      decimal.kind == NumberKind::negative_infinity);
	CHECK(!parse_decimal(Bytes{0xE000}.data, 2, decimal));
	CHECK(!parse_decimal(Bytes{0x8000}.data, 1, decimal));
	CHECK(!parse_decimal(Bytes{0x8000}.data, 0, decimal));
	CHECK(!parse_decimal(Bytes{0x0000}.data, 2, decimal));
	CHECK(!parse_decimal(Bytes{0x8000, 1}.data, 3, decimal));
}

void
test_encode_known()
{
	unsigned char out[max_encoded_size];
	const Bytes price{0x8100, 19, 9900};
	CHECK(encode_decimal(1999, false, 2, out) == price.size);
	CHECK(std::memcmp(out, price.data, price.size) == 0);
	const Bytes zero{0x8100};
	CHECK(encode_decimal(0, true, 2, out) == zero.size &&
	      std::memcmp(out, zero.data, zero.size) == 0);
	const Bytes deep_zero{16383, 0};
	CHECK(encode_decimal(0, false, 16383, out) == deep_zero.size);
	CHECK(std::memcmp(out, deep_zero.data, deep_zero.size) == 0);
	CHECK(encode_decimal(~UInt128{0}, true, 1, out) <= max_encoded_size);
	CHECK(encode_decimal(~UInt128{0}, true, 16383, out) <= max_encoded_size);
}

void
test_round_trip()
{
	std::mt19937_64 random(20);
	for (int i = 0; i < 200000; ++i)
	{
		const auto value = static_cast<std::int64_t>(random() >> (1 + random() % 63));
		const bool negative = random() % 2 == 0;
		const int scale = static_cast<int>(random() % (max_scale + 1));
		unsigned char out[max_encoded_size];
		const std::size_t size = encode_decimal(static_cast<UInt128>(value), negative, scale, out);
		CHECK(value_of(out, size, scale) == (negative ? -value : value));
	}
}

std::int64_t
key_of(const Bytes &bytes)
{
	Decimal decimal = {};
	CHECK(parse_decimal(bytes.data, bytes.size, decimal));
	return order_key(decimal);
}

void
test_order_keys()
{
	const std::int64_t ascending[] = {
		key_of({0x4000, 32767, 9999}), key_of({0xA000, 2}),    key_of({0xA000, 1, 1}),
		key_of({0xA000, 1}),           key_of({0xA07F, 9999}), key_of({0x8000}),
		key_of({0x3FFF, 0x8001, 1}),   key_of({0x807F, 9999}), key_of({0x8000, 1}),
		key_of({0x8000, 1, 0, 1}),     key_of({0x8000, 1, 1}), key_of({0x8001, 1}),
		key_of({0x0000, 32767, 9999})};
	CHECK(std::adjacent_find(std::begin(ascending), std::end(ascending),
	                         [](std::int64_t a, std::int64_t b) { return a >= b; }) ==
	      std::end(ascending));
	CHECK(key_of({0x8080, 19, 9900}) == key_of({0x0002, 0, 19, 9900}));
}

}  // namespace

int
main()
{
	test_known_bytes();
	test_specials_and_junk();
	test_encode_known();
	test_round_trip();
	test_order_keys();
	return failures != 0;
}
