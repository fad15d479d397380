// Reads arbitrary bytes as the stored form: what is accepted must ascend, count what it says, and
// survive writing and reading; and nothing may allocate much more than there is to read.  The same
// bytes, taken as a list of values, must give what a std::map of them gives.
#include "../unit/multiset.hpp"

#include <map>

using namespace listing_stats;

namespace {

void
require(bool condition)
{
	if (!condition)
		__builtin_trap();
}

std::vector<unsigned char>
stored(const Ranking &ranking)
{
	std::vector<unsigned char> bytes(stored_size_bound(ranking));
	bytes.resize(write_stored(ranking, bytes.data(), test_environment));
	return bytes;
}

Ranking
read(const std::vector<unsigned char> &bytes)
{
	Ranking ranking{};
	require(read_stored(bytes.data(), bytes.size(), test_environment, ranking));
	return ranking;
}

void
check_reading(const std::uint8_t *data, std::size_t size)
{
	const std::size_t before = allocated;
	Ranking ranking{};
	const bool accepted = read_stored(data, size, test_environment, ranking);
	require(allocated - before <= (size + 2) * (sizeof(WideRun) + 2));
	if (!accepted)
		return;
	require(ranking.finite_count <= max_count);
	for (std::size_t i = 1; i < ranking.run_count; ++i)
		require(ranking.wide ? compare_decimals(ranking.wide_runs[i - 1].decimal,
		                                        ranking.wide_runs[i].decimal) < 0 &&
		                           ranking.wide_runs[i - 1].key <= ranking.wide_runs[i].key
		                     : ranking.runs[i - 1].value < ranking.runs[i].value);
	const Ranking again = read(stored(ranking));
	require(compare_rankings(ranking, again, test_environment.check_interrupts) == 0 &&
	        ranking.scale == again.scale);
	require(hash_ranking(ranking, 0, test_environment.check_interrupts) ==
	        hash_ranking(again, 0, test_environment.check_interrupts));
}

// The first byte says how many bytes a value has, and so how far apart values are.
void
check_ranking(const std::uint8_t *data, std::size_t size)
{
	const std::size_t width = 1 + data[0] % 8;
	const bool runs_too = data[0] >= 128;
	std::vector<std::int64_t> values;
	std::vector<Run> runs;
	std::map<std::int64_t, std::int64_t> expected;
	for (std::size_t i = 1; i + width < size; i += width + 1)
	{
		std::int64_t value = 0;
		std::memcpy(&value, data + i, width);
		value = std::max(-INT64_MAX, value);
		const std::int64_t times = runs_too && data[i + width] % 2 != 0 ? 1 + data[i + width] : 1;
		if (times > 1)
			runs.push_back(Run{value, times});
		else
			values.push_back(value);
		expected[value] += times;
	}
	TestBlock test(values, runs, values.empty() && runs.empty() ? 0 : data[0] % 19);
	Ranking ranking{};
	require(rank_values(test.block(), test_environment, ranking));
	const Ranking again = read(stored(ranking));
	require(again.run_count == expected.size());
	std::size_t i = 0;
	for (const auto &[value, times] : expected)
	{
		require(again.runs[i].value == value && again.runs[i].count == times);
		++i;
	}
}

}  // namespace

extern "C" int
LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
	if (size == 0)
		return 0;
	check_reading(data, size);
	check_ranking(data, size);
	free_memory();
	return 0;
}
