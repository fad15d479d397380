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
	unsigned char bytes[max_varint_size];
	ByteWriter writer(bytes);
	writer.put_varint(value);
	CHECK(writer.size() <= max_varint_size);
	ByteReader reader(bytes, writer.size());
	CHECK(reader.get_varint() == value && !reader.failed() && reader.left() == 0);
	ByteReader cut(bytes, writer.size() - 1);
	CHECK(cut.get_varint() == 0 && cut.failed());
	CHECK(writer.size() == (value == 0 ? 1 : (bit_length(value) + 6) / 7));
	CHECK(unzigzag(zigzag(value)) == value);
}

void
refused(std::initializer_list<unsigned char> bytes)
{
	ByteReader reader(bytes.begin(), bytes.size());
	CHECK(reader.get_varint() == 0 && reader.failed() && reader.left() == 0);
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
	CHECK(zigzag(0) == 0 && zigzag(UINT64_MAX) == 1 && zigzag(1) == 2);
	CHECK(zigzag(std::uint64_t{1} << 63) == UINT64_MAX);

	refused({});
	refused({0x80});
	refused({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02});
	refused({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x81, 0x00});

	const unsigned char three[] = {1, 2, 3};
	ByteReader reader(three, 3);
	CHECK(reader.skip(4) == nullptr && reader.failed());
	reader = ByteReader(three, 3);
	CHECK(reader.skip(2) == three && reader.get_byte() == 3 && !reader.failed());
	return failures != 0;
}
