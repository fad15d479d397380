// Histories packed and asked: known cases, random ones against the naive answer, sizes, and bytes
// that are no history.
#include "check.hpp"
#include "history_builder.hpp"

#include <random>
#include <string>

using namespace listing_stats;

namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::int64_t day = 86'400 * second;

Collection
collect(std::initializer_list<HistoryRow> rows)
{
	Collection collection;
	collection.scale = 2;
	collection.rows = rows;
	return collection;
}

std::int64_t
add_wide(Collection &collection, UInt128 magnitude, bool negative, int scale)
{
	unsigned char encoded[max_encoded_size];
	unsigned char least[max_encoded_size + 4];
	Decimal decimal;
	const std::size_t size = encode_decimal(magnitude, negative, scale, encoded);
	CHECK(parse_decimal(encoded, size, decimal));
	return collection.add_wide(least, encode_least(decimal, least));
}

void
test_known_steps()
{
	const Collection collection = collect({{40 * day, no_tie, 9000},
	                                       {0, no_tie, 10000},
	                                       {30 * day, no_tie, 12000},
	                                       {10 * day, no_tie, 8000}});
	const Packed packed = pack_all(collection);
	const History &history = packed.history;
	CHECK(holds_steps(packed, collection));
	Step step;
	CHECK(step_at(history, 10 * day - 1, step) && step.price == 10000);
	CHECK(step_at(history, 10 * day, step) && step.price == 8000);
	CHECK(!step_at(history, -1, step));
	CHECK(step_at(history, INT64_MAX, step) && step.price == 9000);
	// The price in force when a window begins counts.
	CHECK(extreme_in(history, {20 * day, 50 * day, true}, -1, step) && step.price == 8000 &&
	      step.at == 10 * day);
	CHECK(extreme_in(history, {30 * day, 50 * day, true}, -1, step) && step.price == 9000);
	CHECK(extreme_in(history, always, 1, step) && step.price == 12000);
	CHECK(!extreme_in(history, {5 * day, 5 * day, true}, -1, step));
	CHECK(!extreme_in(history, {-5 * day, 0, true}, -1, step));
	CHECK(extreme_in(history, {50 * day, 0, false}, -1, step) && step.price == 9000);
	CHECK(latest_and_previous(history).latest == 9000 &&
	      latest_and_previous(history).previous == 12000);
	CHECK(changes_of(history, false).count == 3 && changes_of(history, false).last_at == 40 * day);
	const Durations durations = durations_in(history, {0, 50 * day, true});
	CHECK(!durations.endless && durations.known == static_cast<std::uint64_t>(50 * day) &&
	      durations.sum == static_cast<Int128>(10 * day) * (10000 + 2 * 8000 + 12000 + 9000));
	CHECK(durations_in(history, always).endless);
	CHECK(last_reduction(history).found && last_reduction(history).at == 40 * day);
}

void
test_gaps_and_series()
{
	const Packed packed = pack_all(collect(
		{{0, 1, 100}, {1, 2, no_price}, {2, 3, 90}, {3, 4, 80}, {4, 5, 80}, {5, 6, no_price}}));
	const History &history = packed.history;
	CHECK(latest_and_previous(history).latest == no_price &&
	      latest_and_previous(history).previous == 80);
	CHECK(changes_of(history, false).count == 1 && changes_of(history, true).count == 2);
	const Reduction reduction = last_reduction(history);
	CHECK(reduction.found && reduction.at == 3 && reduction.first_at == 2);
	const Durations durations = durations_in(history, {0, 10, true});
	CHECK(durations.known == 4 - 0 && durations.total == 10);
	Step step;
	CHECK(start_of_latest(history, step) && step.at == 5 && step.price == no_price);
	CHECK(lowest_and_latest(history).latest == no_price && lowest_and_latest(history).lowest == 80);
	CHECK(first_known(history, step) && step.at == 0);
}

void
test_equal_times()
{
	Step step;
	CHECK(last_step(pack_all(collect({{5, 7, 1}, {5, 9, 2}, {5, 8, 3}})).history, step) &&
	      step.price == 2);
	CHECK(last_step(
			  pack_all(collect({{5, no_tie, 1}, {5, no_tie, 2}, {5, no_tie, no_price}})).history,
			  step) &&
	      step.price == 2);
	CHECK(last_step(pack_all(collect({{5, 3, 1}, {5, no_tie, 2}})).history, step) &&
	      step.price == 1);
}

void
test_extremes()
{
	Collection collection = collect({{INT64_MIN, INT64_MAX, largest_scaled_price},
	                                 {INT64_MAX, no_tie, -largest_scaled_price},
	                                 {0, -1, no_price}});
	collection.rows.push_back({1, 0, add_wide(collection, UInt128{1} << 100, false, 0)});
	const unsigned char not_a_number[] = {0x00, 0xC0};
	collection.rows.push_back({2, 0, collection.add_wide(not_a_number, 2)});
	collection.rows.push_back({3, 0, add_wide(collection, UInt128{1} << 100, true, 2)});
	const Packed packed = pack_all(collection);
	CHECK(holds_steps(packed, collection));
	Step step;
	CHECK(extreme_in(packed.history, always, 1, step) && step.at == 2);
	CHECK(extreme_in(packed.history, {INT64_MIN, 2, true}, 1, step) && step.at == 1);
	CHECK(extreme_in(packed.history, always, -1, step) && step.at == 3);
	CHECK(durations_in(packed.history, always).endless);
	CHECK(durations_in(packed.history, {1, 4, true}).wide);
	CHECK(durations_in(packed.history, {INT64_MIN, 1, true}).endless);
	CHECK(!durations_in(packed.history, {-1, 1, true}).endless);
	CHECK(!durations_in(packed.history, {-1, 1, true}).wide);
	CHECK(durations_in(packed.history, {3, INT64_MAX, true}).endless);
	CHECK(last_time(packed.history) == INT64_MAX);

	const Packed none = pack_all(collect({}));
	CHECK(none.history.count == 0 && holds_steps(none, collect({})));
	CHECK(!last_step(none.history, step) && !extreme_in(none.history, always, -1, step));
	CHECK(latest_and_previous(none.history).previous == no_price);
	double prices[3];
	unsigned char cells[3] = {9, 9, 9};
	draw(none.history, 0, 0, prices, cells, 3, 8);
	CHECK(cells[0] == 0 && cells[2] == 0);
}

void
test_drawing()
{
	double prices[4];
	unsigned char cells[4];
	draw(pack_all(
			 collect({{0, 0, 100}, {10, 0, 200}, {20, 0, no_price}, {30, 0, 300}, {40, 0, 200}}))
	         .history,
	     0, 40, prices, cells, 4, 8);
	CHECK(cells[0] == 1 && cells[1] == 0 && cells[2] == 8 && cells[3] == 1);
	draw(pack_all(collect({{0, 0, 5}})).history, 0, 0, prices, cells, 4, 8);
	CHECK(cells[0] == 4 && cells[3] == 4);
	// Cells end at 3, 6 and 10.
	draw(pack_all(collect({{0, 0, 100}, {3, 0, 200}, {4, 0, 300}, {7, 0, 100}, {10, 0, 200}}))
	         .history,
	     0, 10, prices, cells, 3, 8);
	CHECK(cells[0] == 1 && cells[1] == 8 && cells[2] == 1);
	// From before the first step to after the last one; of a moment; of nothing.
	const Packed packed = pack_all(collect({{10, 0, 100}, {20, 0, 200}}));
	draw(packed.history, 0, 40, prices, cells, 4, 8);
	CHECK(cells[0] == 1 && cells[1] == 8 && cells[2] == 8 && cells[3] == 8);
	draw(packed.history, 0, 12, prices, cells, 4, 8);
	CHECK(cells[0] == 0 && cells[2] == 0 && cells[3] == 4);
	draw(packed.history, 15, 15, prices, cells, 4, 8);
	CHECK(cells[0] == 4 && cells[3] == 4);
	draw(packed.history, 15, 14, prices, cells, 4, 8);
	CHECK(cells[0] == 0 && cells[3] == 0);
	// Infinities are beyond all others, also where these are all the same.
	const unsigned char infinity[] = {0x00, 0xD0};
	const unsigned char negative_infinity[] = {0x00, 0xF0};
	Collection infinite = collect({{0, 0, 5}, {20, 0, 5}, {40, 0, 5}});
	infinite.rows.push_back({10, 0, infinite.add_wide(negative_infinity, 2)});
	infinite.rows.push_back({30, 0, infinite.add_wide(infinity, 2)});
	draw(pack_all(infinite).history, 0, 40, prices, cells, 4, 8);
	CHECK(cells[0] == 1 && cells[1] == 4 && cells[2] == 8 && cells[3] == 4);
}

// A tracker that looks once in a while, at whole seconds or not, at a price that moves now and
// then.
Collection
tracked(std::mt19937_64 &random, int count, std::int64_t unit, bool ties)
{
	Collection collection;
	collection.scale = 2;
	std::int64_t at = 800'000'000 * second;
	std::int64_t price = 19999;
	for (int i = 0; i < count; ++i)
	{
		at +=
			(43'200 * second + static_cast<std::int64_t>(random() % 86'400'000'000)) / unit * unit;
		price += static_cast<std::int64_t>(random() % 1001) - 500;
		collection.rows.push_back({at, ties ? at / second * 3 : no_tie, price});
	}
	return collection;
}

void
test_sizes()
{
	std::mt19937_64 random(7);
	const double seconds = static_cast<double>(pack_all(tracked(random, 1000, second, false)).size);
	const double micros = static_cast<double>(pack_all(tracked(random, 1000, 1, false)).size);
	std::printf("bytes a step: %.2f at whole seconds, %.2f at microseconds\n", seconds / 1000,
	            micros / 1000);
	CHECK(seconds / 1000 <= 4 && micros / 1000 <= 8);
}

std::int64_t
random_price(std::mt19937_64 &random, Collection &collection, unsigned kind)
{
	switch (kind < 2 ? 0 : random() % kind)
	{
	case 0:
	case 1:
		return static_cast<std::int64_t>(random() % 20);
	case 2:
		return no_price;
	case 3:
		return largest_scaled_price - static_cast<std::int64_t>(random() % 3);
	case 4:
		return -largest_scaled_price + static_cast<std::int64_t>(random() % 3);
	case 5:
	{
		const unsigned words[] = {0xC000, 0xD000, 0xF000};
		const auto word = static_cast<std::uint16_t>(words[random() % 3]);
		unsigned char bytes[2];
		std::memcpy(bytes, &word, 2);
		return collection.add_wide(bytes, 2);
	}
	case 6:
		return add_wide(collection, (UInt128{1} << 90) + random() % 3, random() % 2 != 0, 0);
	default:
		return add_wide(collection, (UInt128{1} << 70) + random() % 9, random() % 2 != 0, 2);
	}
}

Collection
random_collection(std::mt19937_64 &random)
{
	Collection collection;
	collection.scale = 2;
	const auto kind = static_cast<unsigned>(random() % 10);
	const std::uint64_t span = std::uint64_t{1} << (random() % 64);
	const std::size_t count = random() % 40;
	for (std::size_t i = 0; i < count; ++i)
		collection.rows.push_back(
			{static_cast<std::int64_t>(random() % span - span / 2),
		     random() % 3 == 0 ? no_tie : static_cast<std::int64_t>(random() % 3),
		     random_price(random, collection, kind < 3 ? 3 : kind)});
	return collection;
}

std::string
number_of(const History &history, std::int64_t price)
{
	if (!is_wide(price))
		return std::to_string(price);
	const Bytes bytes = wide_bytes(history.prices, price);
	return std::string(bytes.data, bytes.data + bytes.size);
}

// All that can be asked, with a window from a to b.
std::vector<std::string>
answers(const History &history, std::int64_t a, std::int64_t b)
{
	std::vector<std::string> all;
	const auto add = [&](bool found, std::int64_t at, std::int64_t price) {
		all.push_back(found ? std::to_string(at) + "=" + number_of(history, price) : "");
	};
	const Window window = {a, b, true};
	Step step = {};
	add(first_step(history, step), step.at, step.price);
	add(first_known(history, step), step.at, step.price);
	add(last_step(history, step), step.at, step.price);
	add(history.count > 0, history.count > 0 ? last_time(history) : 0, history.count);
	add(step_at(history, a, step), step.at, step.price);
	add(extreme_in(history, window, -1, step), step.at, step.price);
	add(extreme_in(history, window, 1, step), step.at, step.price);
	add(start_of_latest(history, step), step.at, step.price);
	add(true, 0, latest_and_previous(history).latest);
	add(true, 0, latest_and_previous(history).previous);
	add(true, 0, lowest_and_latest(history).latest);
	add(true, 0, lowest_and_latest(history).lowest);
	for (const bool across_gaps : {false, true})
		add(true, changes_of(history, across_gaps).last_at, changes_of(history, across_gaps).count);
	const Reduction reduction = last_reduction(history);
	add(reduction.found, reduction.at, reduction.first_at);
	const Durations durations = durations_in(history, window);
	add(durations.endless, static_cast<std::int64_t>(durations.known),
	    static_cast<std::int64_t>(durations.sum));
	double prices[9] = {};
	unsigned char cells[9] = {};
	draw(history, a, b, prices, cells, 9, 8);
	all.emplace_back(cells, cells + 9);
	return all;
}

void
test_random()
{
	std::mt19937_64 random(20260101);
	for (int round = 0; round < 6000; ++round)
	{
		Collection collection = random_collection(random);
		const Packed packed = pack_all(collection);
		CHECK(holds_steps(packed, collection));
		std::shuffle(collection.rows.begin(), collection.rows.end(), random);
		const Packed again = pack_all(collection);
		CHECK(again.size == packed.size &&
		      std::memcmp(again.bytes.get(), packed.bytes.get(), packed.size) == 0);

		const auto steps = naive_steps(collection);
		const std::int64_t a = static_cast<std::int64_t>(random() % 60) - 30;
		const std::int64_t b = a + static_cast<std::int64_t>(random() % 40) - 2;
		const HistoryRow *lowest = nullptr;
		UInt128 known = 0;
		UInt128 total = 0;
		Int128 sum = 0;
		bool wide = false;
		for (auto step = steps.begin(); step != steps.end(); ++step)
		{
			const auto next = std::next(step);
			const Int128 from = std::max(step->first, a);
			const Int128 to = next == steps.end() ? b : std::min(next->first, b);
			if (from >= to)
				continue;
			total += static_cast<UInt128>(to - from);
			if (step->second.price == no_price)
				continue;
			known += static_cast<UInt128>(to - from);
			if (is_wide(step->second.price))
				wide = true;
			else
				sum += (to - from) * step->second.price;
			if (lowest == nullptr ||
			    compare_prices(collection.prices(), step->second.price, lowest->price) < 0)
				lowest = &step->second;
		}
		CHECK(answers(packed.history, a, b) == answers(packed.unpacked, a, b));
		Step step;
		const bool found = extreme_in(packed.history, {a, b, true}, -1, step);
		CHECK(found == (lowest != nullptr) && (!found || step.at == lowest->at));
		const Durations durations = durations_in(packed.history, {a, b, true});
		CHECK(durations.known == known && durations.total == total && durations.wide == wide);
		CHECK(wide || durations.sum == sum);
		CHECK(steps.empty() || last_time(packed.history) == steps.rbegin()->first);
		const auto after = steps.upper_bound(a);
		CHECK(step_at(packed.history, a, step) == (after != steps.begin()));
		CHECK(after == steps.begin() || step.at == std::prev(after)->first);
	}
}

// Each byte of a history changed in turn: refused, or another history, but never read out of
// bounds.
void
test_damage()
{
	std::mt19937_64 random(5);
	for (int round = 0; round < 60; ++round)
	{
		const Packed packed = pack_all(random_collection(random));
		for (std::size_t i = 0; i < packed.size; ++i)
		{
			const auto size = random() % 2 == 0 ? packed.size : i;
			auto bytes = std::make_unique<unsigned char[]>(size);
			std::memcpy(bytes.get(), packed.bytes.get(), size);
			if (i < size)
				bytes[i] = static_cast<unsigned char>(bytes[i] ^ (1U << (random() % 8)));
			History history;
			if (!parse_history(bytes.get(), size, check_interrupts, history))
				continue;
			std::vector<HistoryRow> rows(history.count);
			std::vector<unsigned char> scratch(size);
			Step step;
			double prices[4];
			unsigned char cells[4];
			(void) extreme_in(history, always, -1, step);
			(void) latest_and_previous(history);
			draw(history, INT64_MIN, INT64_MAX, prices, cells, 4, 8);
			if (read_steps(history, rows.data()) &&
			    is_canonical(history, rows.data(), bytes.get(), size, scratch.data()))
				CHECK(size == 0 || std::memcmp(bytes.get(), scratch.data(), size) == 0);
			if (size < packed.size)
				CHECK(!read_steps(history, rows.data()));
		}
	}
}

// More steps than there are bits for their times or prices: refused before there is memory for
// them.
void
test_too_many_steps()
{
	// Version, flags, three orders; scale, count, sizes of times and prices; first time, unit.
	const unsigned char no_times[] = {1, 0, 0, 0, 0, 0, 16, 0, 2, 0, 1, 0, 0};
	const unsigned char few_times[] = {1, 0, 0, 0, 0, 0, 16, 1, 2, 0, 1, 0, 0, 0};
	const unsigned char few_prices[] = {1, 0, 0, 0, 0, 0, 16, 2, 1, 0, 1, 0, 0, 0};
	const unsigned char enough[] = {1, 0, 0, 0, 0, 0, 16, 2, 2, 0, 1, 0, 0, 0, 0};
	History history;

	CHECK(!parse_history(no_times, sizeof no_times, check_interrupts, history));
	CHECK(!parse_history(few_times, sizeof few_times, check_interrupts, history));
	CHECK(!parse_history(few_prices, sizeof few_prices, check_interrupts, history));
	CHECK(parse_history(enough, sizeof enough, check_interrupts, history));
}

// Many rows in any order, of many times or few, which lie densely, far apart or mostly in one
// place.
void
test_many_rows()
{
	std::mt19937_64 random(17);
	for (int kind = 0; kind < 6; ++kind)
	{
		Collection collection;
		collection.scale = 2;
		const std::int64_t wide = add_wide(collection, UInt128{1} << 90, false, 0);
		for (std::int64_t i = 0; i < 300'000; ++i)
		{
			const auto any = static_cast<std::int64_t>(random());
			const std::int64_t ats[] = {any,
			                            any & 0xFFFFF,
			                            5,
			                            any & 3,
			                            any % 1000 == 0 ? any : any & 0xFFF,
			                            any >> (any & 63)};
			collection.rows.push_back(
				{ats[kind], static_cast<std::int64_t>(random() % 5),
			     random() % 100 == 0 ? wide : static_cast<std::int64_t>(random() % 100)});
		}
		CHECK(holds_steps(pack_all(collection), collection));
	}
}

// Each pass over many rows or steps can be interrupted.
void
test_pauses()
{
	constexpr std::size_t count = 300'000;
	Collection collection;
	collection.scale = 2;
	const std::int64_t wide = add_wide(collection, UInt128{1} << 90, false, 0);
	std::mt19937_64 random(19);
	for (std::size_t i = 0; i < count; ++i)
		collection.rows.push_back({static_cast<std::int64_t>(i), 7, i % 3 == 0 ? wide : 5});
	const auto paused = [](const char *what, std::size_t times, auto work) {
		pauses = 0;
		work();
		if (pauses < times)
			std::printf("%s: %zu pauses\n", what, pauses);
		CHECK(pauses >= times);
	};
	constexpr std::size_t steps = count / between_checks;
	std::vector<HistoryRow> rows = collection.rows;
	const Prices prices = collection.prices();
	paused("sorted", steps,
	       [&] { (void) sort_rows(rows.data(), count, prices, check_interrupts); });
	std::reverse(rows.begin(), rows.end());
	paused("reversed", steps,
	       [&] { (void) sort_rows(rows.data(), count, prices, check_interrupts); });
	std::shuffle(rows.begin(), rows.end(), random);
	paused("sort", 256, [&] { (void) sort_rows(rows.data(), count, prices, check_interrupts); });
	std::vector<HistoryRow> equal = collection.rows;
	for (HistoryRow &row : equal)
		row = {5, static_cast<std::int64_t>(random() % 1000), 5};
	paused("equal times", steps,
	       [&] { (void) sort_rows(equal.data(), count, prices, check_interrupts); });

	PackingPlan plan;
	paused("plan", 4 * steps,
	       [&] { plan = plan_packing(rows.data(), count, prices, check_interrupts); });
	std::vector<unsigned char> bytes(plan.size);
	paused("pack", 2 * steps,
	       [&] { pack(rows.data(), count, prices, plan, bytes.data(), check_interrupts); });
	const Packed packed = pack_all(collection);
	const History &history = packed.history;
	std::vector<HistoryRow> read(count);
	paused("read_steps", steps, [&] { (void) read_steps(history, read.data()); });
	paused("is_canonical", 7 * steps, [&] {
		(void) is_canonical(history, read.data(), packed.bytes.get(), packed.size, bytes.data());
	});

	Step step;
	double cells[3];
	unsigned char levels[3];
	const Window window = {0, count, true};
	paused("last_step", steps, [&] { (void) last_step(history, step); });
	paused("last_time", steps, [&] { (void) last_time(history); });
	paused("step_at", steps, [&] { (void) step_at(history, count, step); });
	paused("extreme_in", steps, [&] { (void) extreme_in(history, window, -1, step); });
	paused("latest_and_previous", steps, [&] { (void) latest_and_previous(history); });
	paused("start_of_latest", steps, [&] { (void) start_of_latest(history, step); });
	paused("lowest_and_latest", steps, [&] { (void) lowest_and_latest(history); });
	paused("changes_of", steps, [&] { (void) changes_of(history, false); });
	paused("last_reduction", steps, [&] { (void) last_reduction(history); });
	paused("durations_in", steps, [&] { (void) durations_in(history, window); });
	paused("draw", steps, [&] { draw(history, 0, count, cells, levels, 3, 8); });
	paused("unpacked", steps, [&] { (void) extreme_in(packed.unpacked, window, -1, step); });
}

Decimal
decimal_from(std::int64_t value, int scale, unsigned char *bytes)
{
	Decimal decimal = {};
	const std::size_t size = encode_decimal(magnitude_of(value), value < 0, scale, bytes);
	CHECK(parse_decimal(bytes, size, decimal));
	return decimal;
}

int
sign(Int128 value)
{
	return value < 0 ? -1 : value > 0;
}

// Numerics of two scales order as integers of one, and lose no digit in their least form.
void
test_decimal_forms()
{
	std::mt19937_64 random(11);
	for (int round = 0; round < 20000; ++round)
	{
		unsigned char bytes_a[max_encoded_size];
		unsigned char bytes_b[max_encoded_size];
		unsigned char least[max_encoded_size + 4];
		const int scale_a = static_cast<int>(random() % 10);
		const int scale_b = static_cast<int>(random() % 10);
		const auto shift = random() % 64;
		const auto a = static_cast<std::int64_t>(random()) >> shift;
		const auto b = random() % 4 == 0 ? a : static_cast<std::int64_t>(random()) >> shift;
		const Decimal x = decimal_from(a, scale_a, bytes_a);
		const Decimal y = decimal_from(b, scale_b, bytes_b);
		CHECK(sign(compare_decimals(x, y)) ==
		      sign(static_cast<Int128>(a) * powers_of_ten[9 - scale_a] -
		           static_cast<Int128>(b) * powers_of_ten[9 - scale_b]));
		CHECK(is_well_formed(x));

		Decimal again = {};
		CHECK(parse_decimal(least, encode_least(x, least), again));
		CHECK(compare_decimals(x, again) == 0 && again.scale == least_scale(x) &&
		      again.scale <= scale_a);
		const double value = static_cast<double>(a) / static_cast<double>(powers_of_ten[scale_a]);
		const double error = approximate(x) - value;
		CHECK(error * error <= value * value * 1e-28);
	}
}

// 10^-16383 is the least number that a numeric shows.
void
test_hidden_decimals()
{
	for (const std::uint16_t digit : {std::uint16_t{10}, std::uint16_t{1}})
	{
		const std::uint16_t words[] = {max_display_scale, static_cast<std::uint16_t>(-4096), digit};
		unsigned char numeric[sizeof words];
		std::memcpy(numeric, words, sizeof words);
		Collection collection;
		collection.scale = max_display_scale;
		collection.rows.push_back({0, 0, collection.add_wide(numeric, sizeof numeric)});
		CHECK(holds_steps(pack_all(collection), collection) == (digit == 10));
	}
}

void
test_codes()
{
	std::mt19937_64 random(3);
	for (int round = 0; round < 2000; ++round)
	{
		std::uint64_t values[20];
		unsigned orders[20];
		BitCounter counter;
		for (std::size_t i = 0; i < 20; ++i)
		{
			values[i] = random() >> (random() % 64);
			orders[i] = static_cast<unsigned>(random() % (largest_order + 1));
			counter.rice(values[i], orders[i]);
		}
		auto bytes = std::make_unique<unsigned char[]>(counter.bytes());
		BitWriter writer(bytes.get());
		for (std::size_t i = 0; i < 20; ++i)
			writer.rice(values[i], orders[i]);
		CHECK(writer.finish() == bytes.get() + counter.bytes());
		BitReader reader(bytes.get(), counter.bytes());
		for (std::size_t i = 0; i < 20; ++i)
			CHECK(reader.rice(orders[i]) == values[i]);
		CHECK(reader.at_end());
	}
}

}  // namespace

int
main()
{
	test_known_steps();
	test_gaps_and_series();
	test_equal_times();
	test_extremes();
	test_drawing();
	test_sizes();
	test_random();
	test_damage();
	test_too_many_steps();
	test_many_rows();
	test_pauses();
	test_codes();
	test_decimal_forms();
	test_hidden_decimals();
	return failures != 0;
}
