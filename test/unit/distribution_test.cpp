// Moments, ranks and rescaling against the obvious way to compute them.
#include "core/distribution.hpp"

#include "check.hpp"

#include <random>
#include <vector>

using namespace listing_stats;

namespace {

struct Block
{
	Distribution header;
	std::int64_t values[8];
};

Block
block_of(std::initializer_list<std::int64_t> values, std::uint16_t scale)
{
	Block block{};
	block.header.scale = scale;
	block.header.finite_count = static_cast<std::uint32_t>(values.size());
	std::copy(values.begin(), values.end(), block.values);
	return block;
}

void
test_moments(std::mt19937_64 &random)
{
	for (int round = 0; round < 2000; ++round)
	{
		std::vector<std::int64_t> values(1 + random() % 50);
		const unsigned shift = static_cast<unsigned>(random() % 60);
		for (auto &value : values)
			value = static_cast<std::int64_t>(random()) >> shift;
		const Moments moments = moments_of(values.data(), values.size());
		const auto [low, high] = std::minmax_element(values.begin(), values.end());
		CHECK(moments.min == *low && moments.max == *high);
		Int128 sum = 0;
		UInt128 spread = 0;
		UInt128 squares = 0;
		bool overflow = false;
		for (const auto value : values)
		{
			const auto difference = static_cast<UInt128>(static_cast<Int128>(value) - *low);
			sum += value;
			spread += difference;
			overflow |= __builtin_add_overflow(squares, difference * difference, &squares);
		}
		CHECK(moments.sum == sum && moments.spread == spread);
		CHECK((moments.squares_high << 64) + moments.squares_low == squares);
		CHECK(overflow || moments.squares_high >> 64 == 0);
	}
	const std::int64_t extremes[] = {-INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
	const Moments moments = moments_of(extremes, 4);
	CHECK(moments.sum == static_cast<Int128>(INT64_MAX) * 2);
	CHECK(moments.spread == static_cast<UInt128>(INT64_MAX) * 6);
	// 3 * (2^64 - 2)^2 = 3 * ((2^64 - 4) * 2^64 + 4)
	CHECK(moments.squares_low == 12);
	CHECK(moments.squares_high == (UInt128{3} << 64) - 12);
}

void
test_ranks(std::mt19937_64 &random)
{
	for (int round = 0; round < 2000; ++round)
	{
		std::vector<std::int64_t> values(1 + random() % 100);
		for (auto &value : values)
			value = static_cast<std::int64_t>(random() % (1 + random() % 100));
		std::vector<std::int64_t> sorted = values;
		std::sort(sorted.begin(), sorted.end());
		std::vector<std::size_t> ranks(random() % 9);
		for (auto &rank : ranks)
			rank = random() % values.size();
		std::sort(ranks.begin(), ranks.end());
		select_ranks(values.data(), 0, values.size(), ranks.data(), ranks.size(),
		             [](std::int64_t a, std::int64_t b) { return a < b; });
		for (const auto rank : ranks)
			CHECK(values[rank] == sorted[rank]);
		std::sort(values.begin(), values.end());
		CHECK(values == sorted);
	}
}

void
test_quartiles()
{
	CHECK(quartile_of(1, 2).rank == 0 && quartile_of(1, 2).quarters == 0);
	CHECK(quartile_of(4, 1).rank == 0 && quartile_of(4, 1).quarters == 3);
	CHECK(quartile_of(4, 3).rank == 2 && quartile_of(4, 3).quarters == 1);
	CHECK(quartile_of(INT64_MAX, 3).rank == INT64_MAX / 4 * 3 + 1);

	ScaledNumber number = interpolate(1000, 2000, 2, 2);
	CHECK(number.value == 1500 && number.scale == 2);
	number = interpolate(1999, 2000, 2, 2);
	CHECK(number.value == 19995 && number.scale == 3);
	number = interpolate(1999, 2000, 1, 2);
	CHECK(number.value == 199925 && number.scale == 4);
	number = interpolate(-INT64_MAX, INT64_MAX, 3, 0);
	CHECK(number.value == static_cast<Int128>(INT64_MAX) * 5 && number.scale == 1);
}

void
test_rescaling()
{
	Block block = block_of({1, -922337203685477580, 0}, 1);
	CHECK(fits_scale(block.header, 1) && fits_scale(block.header, 2));
	CHECK(!fits_scale(block.header, 3) && !fits_scale(block.header, max_scale + 1));
	copy_rescaled(block.header, 2, block.header.values());
	CHECK(block.values[0] == 10 && block.values[1] == -9223372036854775800 && block.values[2] == 0);
	Block empty = block_of({}, 0);
	CHECK(fits_scale(empty.header, max_scale) && !fits_scale(empty.header, max_scale + 1));
}

}  // namespace

int
main()
{
	std::mt19937_64 random(20);
	test_moments(random);
	test_ranks(random);
	test_quartiles();
	test_rescaling();
	return failures;
}
