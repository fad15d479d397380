// The stored form: written, read, compared and hashed; its size; bytes that are none.
#include "check.hpp"
#include "multiset.hpp"

#include <random>

using namespace listing_stats;

namespace {

int
compare(const Ranking &a, const Ranking &b)
{
	return compare_rankings(a, b, test_environment.check_interrupts);
}

std::uint64_t
hash(const Ranking &ranking, std::uint64_t seed)
{
	return hash_ranking(ranking, seed, test_environment.check_interrupts);
}

Ranking
ranked(TestBlock &test)
{
	Ranking ranking{};
	CHECK(rank_values(test.block(), test_environment, ranking));
	return ranking;
}

std::vector<unsigned char>
stored(const Ranking &ranking)
{
	std::vector<unsigned char> bytes(stored_size_bound(ranking));
	bytes.resize(write_stored(ranking, bytes.data(), test_environment));
	return bytes;
}

bool
is_stored(const std::vector<unsigned char> &bytes)
{
	Ranking ranking{};
	return read_stored(bytes.data(), bytes.size(), test_environment, ranking);
}

void
check_round_trip(TestBlock test)
{
	const Ranking before = ranked(test);
	const std::vector<unsigned char> bytes = stored(before);
	Ranking after{};
	CHECK(read_stored(bytes.data(), bytes.size(), test_environment, after));
	CHECK(after.wide == before.wide && after.scale == before.scale);
	CHECK(compare(before, after) == 0 && compare(after, before) == 0);
	CHECK(hash(before, 3) == hash(after, 3));
	CHECK(stored(after) == bytes);
	if (bytes.size() < 2000)
		for (std::size_t size = 0; size < bytes.size(); ++size)
			CHECK(!is_stored({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}));
	free_memory();
}

std::vector<unsigned char>
numeric(UInt128 magnitude, bool negative, int scale)
{
	std::vector<unsigned char> bytes(max_encoded_size);
	bytes.resize(encode_decimal(magnitude, negative, scale, bytes.data()));
	return bytes;
}

void
test_round_trips(std::mt19937_64 &random)
{
	check_round_trip(TestBlock({}, {}, 0));
	check_round_trip(TestBlock({-INT64_MAX, INT64_MAX, 0}, {}, 18));
	check_round_trip(
		TestBlock({-INT64_MAX, -INT64_MAX + 1, INT64_MAX - 1}, {{5, max_count / 2}}, 0));
	for (int round = 0; round < 300; ++round)
	{
		const unsigned shift = static_cast<unsigned>(random() % 64);
		std::vector<std::int64_t> values(random() % 100);
		for (auto &value : values)
			value = std::max(-INT64_MAX, static_cast<std::int64_t>(random()) >> shift);
		std::vector<Run> runs(random() % 100);
		for (auto &run : runs)
			run = Run{std::max(-INT64_MAX, static_cast<std::int64_t>(random()) >> shift),
			          1 + static_cast<std::int64_t>(random() >> 1 >> (10 + random() % 50))};
		if (values.empty() && runs.empty())
			values.push_back(1);
		TestBlock test(values, runs, static_cast<int>(random() % 19));
		if (round % 3 == 0)
			test.header().counts = Counts{1, 0, static_cast<std::int64_t>(random() % 1000), 2};
		check_round_trip(test);

		std::vector<std::vector<unsigned char>> numbers = {numeric(UInt128{1} << 100, true, 30)};
		for (unsigned i = 0; i < random() % 20; ++i)
			numbers.push_back(numeric(static_cast<UInt128>(random()) << (random() % 60),
			                          random() % 2 != 0, static_cast<int>(random() % 30)));
		check_round_trip(TestBlock(numbers, 30));
	}
}

// At most two bytes for each of a million prices with two decimals.
void
test_size(std::mt19937_64 &random)
{
	for (const std::int64_t highest : {50000, 1000000, 100000000})
	{
		std::vector<std::int64_t> values(1000000);
		for (auto &value : values)
			value = 1 + static_cast<std::int64_t>(random()) % highest;
		TestBlock test(values, {}, 2);
		CHECK(stored(ranked(test)).size() <= 2 * values.size());
	}
}

// One set, with other decimals, or so large that it is wide: all equal.
void
test_equality()
{
	TestBlock plain({-3, 0, 12340000}, {{70, 5}}, 1);
	TestBlock finer({-300, 0, 1234000000}, {{7000, 5}}, 3);
	TestBlock wide({numeric(3, true, 1), numeric(0, false, 0), numeric(12340000, false, 1),
	                numeric(7, false, 0), numeric(70, false, 1), numeric(700, false, 2),
	                numeric(7, false, 0), numeric(70000, false, 4)},
	               40);
	TestBlock other({-3, 0, 12340001}, {{70, 5}}, 1);
	TestBlock fewer({-3, 0, 12340000}, {{70, 4}}, 1);
	const Ranking a = ranked(plain);
	for (TestBlock *same : {&plain, &finer, &wide})
	{
		CHECK(compare(a, ranked(*same)) == 0);
		CHECK(hash(a, 0) == hash(ranked(*same), 0));
	}
	CHECK(compare(a, ranked(other)) < 0 && compare(ranked(other), a) > 0);
	CHECK(compare(ranked(wide), ranked(other)) < 0);
	CHECK(compare(a, ranked(fewer)) > 0);
	CHECK(hash(a, 0) != hash(ranked(other), 0));
	CHECK(hash(a, 0) != hash(ranked(fewer), 0));
	CHECK(hash(a, 0) != hash(a, 1));
	plain.header().counts.nulls = 1;
	CHECK(compare(a, ranked(plain)) < 0 && hash(a, 0) != hash(ranked(plain), 0));
}

// Whatever is done with many values can be interrupted.
void
test_pauses()
{
	constexpr std::size_t parts = 3;
	std::vector<std::int64_t> values(parts * values_between_checks);
	for (std::size_t i = 0; i < values.size(); ++i)
		values[i] = static_cast<std::int64_t>(i * 7919);
	TestBlock test(values, {}, 2);
	TestBlock runs({}, std::vector<Run>(values.size(), Run{5, 2}), 2);
	const Ranking ranking = ranked(test);
	const std::vector<unsigned char> bytes = stored(ranking);
	const auto paused = [&](const char *what, auto work) {
		pauses = 0;
		work();
		if (pauses < parts)
			std::printf("%s: %zu pauses\n", what, pauses);
		CHECK(pauses >= parts);
	};
	paused("ranked", [&] { (void) ranked(test); });
	paused("runs ranked", [&] { (void) ranked(runs); });
	paused("written", [&] { (void) stored(ranking); });
	paused("read", [&] { CHECK(is_stored(bytes)); });
	paused("compared", [&] { CHECK(compare(ranking, ranking) == 0); });
	paused("hashed", [&] { (void) hash(ranking, 0); });
	const Extent extent = extent_of(values.data(), values.size());
	paused("moments", [&] {
		(void) moments_of(values.data(), values.size(), extent, test_environment.check_interrupts);
	});
	paused("moments of runs", [&] {
		(void) moments_of(ranking.runs, ranking.run_count, test_environment.check_interrupts);
	});
	std::fill(values.begin(), values.end(), 7);
	paused("moments of a small range", [&] {
		(void) moments_of(values.data(), values.size(), Extent{7, 7},
		                  test_environment.check_interrupts);
	});
}

void
test_refusals()
{
	CHECK(is_stored({1, 0, 0, 0, 0}));
	CHECK(is_stored({1, 0, 2, 1, 1, 5}));
	CHECK(!is_stored({2, 0, 2, 1, 1, 5}));           // version
	CHECK(!is_stored({64, 0, 2, 1, 1, 5}));          // one that is never stored
	CHECK(!is_stored({1, 4, 2, 1, 1, 5}));           // unknown flag
	CHECK(!is_stored({1, 0, 19, 1, 1, 5}));          // scale
	CHECK(!is_stored({1, 0, 2, 0, 0}));              // scale of nothing
	CHECK(!is_stored({1, 2, 0, 0, 0, 0, 0, 0, 0}));  // counts of nothing
	CHECK(!is_stored({1, 0, 2, 2, 1, 5}));           // fewer than it says
	CHECK(!is_stored({1, 0, 2, 1, 1, 5, 5}));        // more
	CHECK(!is_stored({1, 0, 2, 1, 2, 5, 5}));        // more runs than values
	CHECK(is_stored({1, 0, 2, 2, 1, 0x45, 0}));      // twice
	CHECK(!is_stored({1, 0, 2, 1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}));
	CHECK(!is_stored({1,    0,    0,    2,    2,    0xBE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
	                  0xFF, 0x03, 0xBF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x03}));
	// More occurrences than any multiset has
	CHECK(!is_stored({1, 0, 2, 2, 1, 0x45, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}));
	// From 0 to 2^63 - 1, and one further
	CHECK(
		is_stored({1, 0, 0, 2, 2, 0, 0xBE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}));
	CHECK(
		!is_stored({1, 0, 0, 2, 2, 0, 0xBF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01}));
	CHECK(is_stored({1, 1, 0, 1, 1, 0, 20, 1, 1, 0}));     // 1e20
	CHECK(!is_stored({1, 1, 0, 1, 1, 0, 4, 1, 1, 0}));     // 10000 need not be wide
	CHECK(!is_stored({1, 1, 0, 1, 1, 0, 20, 1, 0, 0}));    // a zero digit
	CHECK(!is_stored({1, 1, 0, 1, 1, 0, 20, 1, 16, 39}));  // a digit of 10000
	CHECK(!is_stored({1, 1, 0, 1, 1, 0, 22, 9, 1, 0}));    // digits that are not there
	CHECK(!is_stored({1, 1, 0, 1, 1, 0, 2, 1, 1, 0}));     // 0.0001 without decimals
	CHECK(!is_stored({1, 1, 0, 2, 2, 0, 20, 1, 1, 0, 0, 20, 1, 1, 0}));  // twice by itself

	// A gigabyte's worth of runs is not believed.
	const std::size_t before = allocated;
	CHECK(!is_stored({1, 0, 2, 0x80, 0x80, 0x80, 0x80, 8, 0x80, 0x80, 0x80, 0x80, 8, 5}));
	CHECK(allocated - before < 1000);
}

}  // namespace

int
main()
{
	std::mt19937_64 random(22);
	test_round_trips(random);
	test_size(random);
	test_equality();
	test_pauses();
	test_refusals();
	free_memory();
	return failures != 0;
}
