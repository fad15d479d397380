// Order and ranks against std::sort, on distributions kind and hostile.
#include "check.hpp"
#include "multiset.hpp"

#include <map>
#include <random>

using namespace listing_stats;

namespace {

std::vector<std::int64_t>
values_of(int kind, std::size_t count, std::mt19937_64 &random)
{
	std::vector<std::int64_t> values(count);
	for (std::size_t i = 0; i < count; ++i)
		switch (kind)
		{
		case 0:  // prices
			values[i] = static_cast<std::int64_t>(random() % 50000);
			break;
		case 1:  // anything
			values[i] = std::max(-INT64_MAX, static_cast<std::int64_t>(random()));
			break;
		case 2:  // one far out
			values[i] = i == count / 2 ? INT64_MAX : static_cast<std::int64_t>(random() % 1000000);
			break;
		case 3:  // all equal
			values[i] = -5;
			break;
		case 4:  // descending
			values[i] = static_cast<std::int64_t>(count - i) * 1000;
			break;
		case 5:  // a scale of its own for every few
			values[i] = static_cast<std::int64_t>(random() >> 1 >> random() % 63);
			break;
		default:  // two heaps at the ends
			values[i] = random() % 2 != 0 ? -INT64_MAX + static_cast<std::int64_t>(random() % 3)
			                              : INT64_MAX - static_cast<std::int64_t>(random() % 3);
		}
	return values;
}

void
test_selection(int kind, std::size_t count, std::mt19937_64 &random)
{
	const std::vector<std::int64_t> values = values_of(kind, count, random);
	std::vector<std::int64_t> sorted = values;
	std::sort(sorted.begin(), sorted.end());
	std::vector<std::size_t> ranks(random() % (max_selected_ranks + 1));
	for (auto &rank : ranks)
		rank = random() % count;
	std::sort(ranks.begin(), ranks.end());
	std::vector<std::int64_t> answers(ranks.size() + 1);
	select_ranks(values.data(), count, sorted.front(), sorted.back(), ranks.data(), ranks.size(),
	             answers.data(), test_environment);
	for (std::size_t i = 0; i < ranks.size(); ++i)
		CHECK(answers[i] == sorted[ranks[i]]);
	free_memory();
}

void
test_ranking(int kind, std::size_t count, std::size_t run_count, std::mt19937_64 &random)
{
	const std::vector<std::int64_t> values = values_of(kind, count, random);
	std::map<std::int64_t, std::int64_t> expected;
	for (const auto value : values)
		++expected[value];
	std::vector<Run> runs;
	for (const auto value : values_of(kind, run_count, random))
	{
		runs.push_back(Run{value, 1 + static_cast<std::int64_t>(random() % 9)});
		expected[value] += runs.back().count;
	}
	TestBlock test(values, runs, 2);
	Ranking ranking{};
	CHECK(rank_values(test.block(), test_environment, ranking));
	CHECK(ranking.run_count == expected.size() && !ranking.wide && ranking.scale == 2);
	std::int64_t total = 0;
	std::size_t i = 0;
	for (const auto &[value, times] : expected)
	{
		CHECK(ranking.runs[i].value == value && ranking.runs[i].count == times);
		total += times;
		++i;
	}
	CHECK(ranking.finite_count == total && ranking.count() == total);
	free_memory();
}

// Either the same as rank_values(), or the extent to select in.
void
test_short_way(int kind, std::size_t count, std::size_t run_count, bool expected,
               std::mt19937_64 &random)
{
	std::vector<Run> runs;
	for (const auto value : values_of(kind, run_count, random))
		runs.push_back(Run{value, 2});
	const std::vector<std::int64_t> values = values_of(kind, count, random);
	TestBlock test(values, runs, 2);
	test.header().counts.nulls = 3;
	Ranking ranking{};
	Ranking full{};
	Extent extent{};
	CHECK(rank_values(test.block(), test_environment, full));
	const ShortWay way = rank_if_short(test.block(), test_environment, ranking, extent);
	CHECK(way == (expected ? ShortWay::ranked : ShortWay::select));
	CHECK(ranking.finite_count == full.finite_count && ranking.counts.nulls == 3 &&
	      ranking.scale == 2);
	if (way == ShortWay::ranked)
		CHECK(compare_rankings(ranking, full, test_environment.check_interrupts) == 0);
	else
		CHECK(extent.min == full.runs[0].value &&
		      extent.max == full.runs[full.run_count - 1].value);
	free_memory();
}

void
test_limits()
{
	Ranking ranking{};
	TestBlock full({}, {{7, max_count}}, 0);
	CHECK(rank_values(full.block(), test_environment, ranking) && ranking.count() == max_count);
	full.header().counts.nulls = 1;
	CHECK(!rank_values(full.block(), test_environment, ranking));
	TestBlock twice({7}, {{7, max_count}, {7, max_count}, {7, max_count}}, 0);
	CHECK(!rank_values(twice.block(), test_environment, ranking));
	Extent extent{};
	TestBlock few({7, 8}, {}, 0);
	few.header().counts.not_a_numbers = max_count - 2;
	CHECK(rank_if_short(few.block(), test_environment, ranking, extent) == ShortWay::select);
	CHECK(ranking.count() == max_count && ranking.finite_count == 2 && ranking.run_count == 0);
	few.header().counts.nulls = 1;
	CHECK(rank_if_short(few.block(), test_environment, ranking, extent) == ShortWay::too_many);
	TestBlock empty({}, {}, 0);
	CHECK(rank_values(empty.block(), test_environment, ranking) && ranking.count() == 0);
}

void
test_wide(std::mt19937_64 &random, int count, bool close)
{
	std::map<Int128, std::int64_t> expected;
	std::vector<std::vector<unsigned char>> numbers;
	for (int i = 0; i < count; ++i)
	{
		const Int128 value =
			close ? (static_cast<Int128>(INT64_MAX) << 60) + static_cast<Int128>(random())
				  : (static_cast<Int128>(random()) << (random() % 60)) *
						(random() % 2 != 0 ? 1 : -1) / (random() % 3 == 0 ? INT64_MAX : 1);
		++expected[value];
		numbers.emplace_back(max_encoded_size);
		numbers.back().resize(
			encode_decimal(magnitude_of(value), value < 0, 0, numbers.back().data()));
	}
	TestBlock test(numbers, 0);
	Ranking ranking{};
	pauses = 0;
	CHECK(rank_values(test.block(), test_environment, ranking));
	CHECK(count < 100'000 || pauses > 256);
	CHECK(ranking.wide && ranking.run_count == expected.size() && ranking.finite_count == count);
	std::size_t i = 0;
	for (const auto &[value, times] : expected)
	{
		unsigned char bytes[max_encoded_size];
		const std::size_t size = encode_decimal(magnitude_of(value), value < 0, 0, bytes);
		unsigned char found[max_encoded_size];
		CHECK(write_decimal(ranking.wide_runs[i].decimal, 0, found) == size &&
		      std::memcmp(bytes, found, size) == 0 && ranking.wide_runs[i].count == times);
		++i;
	}
}

}  // namespace

int
main()
{
	std::mt19937_64 random(21);
	for (int kind = 0; kind < 7; ++kind)
	{
		for (int round = 0; round < 60; ++round)
		{
			test_selection(kind, 1 + random() % 1000, random);
			test_ranking(kind, random() % 1000, random() % 2 * (random() % 800), random);
		}
		for (int round = 0; round < 5; ++round)
			test_selection(kind, 50000 + random() % 50000, random);
		test_ranking(kind, 100000, 0, random);
		test_ranking(kind, 0, 20000, random);
	}
	test_short_way(0, 0, 0, true, random);
	test_short_way(0, 100, 0, false, random);
	test_short_way(1, 512, 0, false, random);
	test_short_way(1, 100, 1, true, random);
	test_short_way(1, 513, 0, true, random);
	test_short_way(0, 10000, 0, false, random);
	test_short_way(0, 300000, 0, true, random);
	test_short_way(1, 10000, 0, false, random);
	test_short_way(1, 10000, 1, true, random);
	test_short_way(3, 10000, 0, true, random);
	test_limits();
	for (const int count : {300, 200'000})
	{
		test_wide(random, count, false);
		test_wide(random, count, true);
	}
	free_memory();
	return failures != 0;
}
