// Integers written and read back, and what is not one.
#include "core/bytes.hpp"

#include "check.hpp"

#include <initializer_list>
#include <random>

using namespace listing_stats;

namespace {

void
round_trip(std::uint64_t value)
{
	unsigned char bytes[max_integer_size];
	ByteWriter writer(bytes);
	writer.put_integer(value);
	CHECK(writer.size() <= max_integer_size);
	ByteReader reader(bytes, writer.size());
	CHECK(reader.get_integer() == value && !reader.failed() && reader.left() == 0);
	ByteReader cut(bytes, writer.size() - 1);
	CHECK(cut.get_integer() == 0 && cut.failed());
	const auto number = static_cast<std::int64_t>(value);
	CHECK(unfold_sign(fold_sign(number)) == number);
}

void
refused(std::initializer_list<unsigned char> bytes)
{
	ByteReader reader(bytes.begin(), bytes.size());
	CHECK(reader.get_integer() == 0 && reader.failed() && reader.left() == 0);
}

}  // namespace

int
main()
{
	std::mt19937_64 random(7);
	for (int i = 0; i < 10000; ++i)
		round_trip(random() >> random() % 64);
	for (int shift = 0; shift < 64; ++shift)
		round_trip(std::uint64_t{1} << shift);
	round_trip(0);
	round_trip(UINT64_MAX);
	CHECK(fold_sign(0) == 0 && fold_sign(-1) == 1 && fold_sign(1) == 2);
	CHECK(fold_sign(INT64_MIN) == UINT64_MAX);

	refused({});
	refused({0x80});
	refused({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02});
	refused({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x81, 0x00});

	const unsigned char three[] = {1, 2, 3};
	ByteReader reader(three, 3);
	CHECK(reader.skip(4) == nullptr && reader.failed());
	reader = ByteReader(three, 3);
	CHECK(reader.skip(2) == three && reader.get_byte() == 3 && !reader.failed());
	return failures;
}
