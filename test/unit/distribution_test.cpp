// Moments and rescaling against the obvious way to compute them.
#include "core/distribution.hpp"

#include "check.hpp"

#include <random>
#include <vector>

using namespace listing_stats;

namespace {

void
no_pause()
{
}

struct TestBlock
{
	Distribution header;
	std::int64_t values[8];
	Run runs[2];
};

// All but the last two values stand alone, the others for many.
void
fill(TestBlock &block, std::initializer_list<std::int64_t> values, std::uint16_t scale)
{
	block = TestBlock{};
	block.header.scale = scale;
	block.header.used = static_cast<std::uint32_t>(values.size() - 2);
	block.header.run_count = 2;
	std::copy(values.begin(), values.end() - 2, block.values);
	block.runs[0] = Run{values.end()[-2], 5};
	block.runs[1] = Run{values.end()[-1], 7};
}

void
test_moments(std::mt19937_64 &random)
{
	for (int round = 0; round < 2000; ++round)
	{
		std::vector<std::int64_t> values(1 + random() % (round % 100 == 0 ? 20000 : 50));
		const unsigned shift = static_cast<unsigned>(random() % 60);
		for (auto &value : values)
			value = static_cast<std::int64_t>(random()) >> shift;
		// The largest sums that are added up in 64 bits, and what is beyond.
		if (round % 200 == 0)
			std::fill(values.begin() + 1, values.end(),
			          values[0] + (std::int64_t{1} << 26) - (round % 400 == 0 ? 1 : 0));
		const Moments moments = moments_of(values.data(), values.size(),
		                                   extent_of(values.data(), values.size()), no_pause);
		const auto low = std::min_element(values.begin(), values.end());
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
	const Moments moments = moments_of(extremes, 4, extent_of(extremes, 4), no_pause);
	CHECK(moments.sum == static_cast<Int128>(INT64_MAX) * 2);
	CHECK(moments.spread == static_cast<UInt128>(INT64_MAX) * 6);
	// 3 * (2^64 - 2)^2 = 3 * ((2^64 - 4) * 2^64 + 4)
	CHECK(moments.squares_low == 12);
	CHECK(moments.squares_high == (UInt128{3} << 64) - 12);
}

// Runs say the same as their values one by one.
void
test_moments_of_runs(std::mt19937_64 &random)
{
	for (int round = 0; round < 500; ++round)
	{
		std::vector<Run> runs(1 + random() % 20);
		std::vector<std::int64_t> values;
		const unsigned shift = static_cast<unsigned>(random() % 60);
		for (auto &run : runs)
		{
			run = Run{static_cast<std::int64_t>(random()) >> shift,
			          1 + static_cast<std::int64_t>(random() % 5)};
			values.insert(values.end(), static_cast<std::size_t>(run.count), run.value);
		}
		std::sort(runs.begin(), runs.end(),
		          [](const Run &a, const Run &b) { return a.value < b.value; });
		const Moments one = moments_of(runs.data(), runs.size(), no_pause);
		const Moments other = moments_of(values.data(), values.size(),
		                                 extent_of(values.data(), values.size()), no_pause);
		CHECK(one.sum == other.sum);
		CHECK(one.spread == other.spread);
		CHECK((one.squares_high << 64) + one.squares_low ==
		      (other.squares_high << 64) + other.squares_low);
	}
	const Run extremes[] = {{-INT64_MAX, max_count / 2}, {INT64_MAX, max_count / 2}};
	const Moments moments = moments_of(extremes, 2, no_pause);
	CHECK(moments.sum == 0);
	CHECK(moments.spread == static_cast<UInt128>(INT64_MAX) * 2 * (max_count / 2));
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
	TestBlock test{};
	const Block block{&test.header, sizeof test};
	for (const bool in_run : {false, true})
	{
		const std::int64_t large = -922337203685477580;
		if (in_run)
			fill(test, {1, 0, 3, large}, 1);
		else
			fill(test, {1, large, 3, 0}, 1);
		CHECK(fits_scale(block, 1) && fits_scale(block, 2));
		CHECK(!fits_scale(block, 3) && !fits_scale(block, max_scale + 1));
		rescale(block, 2);
		CHECK(test.header.scale == 2 && test.values[0] == 10 && block.runs()[0].value == 30);
		CHECK((in_run ? block.runs()[1].value : test.values[1]) == large * 10);
	}
	CHECK(block.room() == sizeof test - sizeof(Distribution) - 2 * 8 - 2 * 16);
	test = TestBlock{};
	CHECK(fits_scale(block, max_scale) && !fits_scale(block, max_scale + 1));
}

}  // namespace

int
main()
{
	std::mt19937_64 random(20);
	test_moments(random);
	test_moments_of_runs(random);
	test_quartiles();
	test_rescaling();
	return failures != 0;
}
