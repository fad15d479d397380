// Bringing values into order; the promise is in the header.
#include "core/ranking.hpp"

#include "core/sort.hpp"
#include "core/stored_form.hpp"

namespace listing_stats {

namespace {

constexpr std::size_t few_values = 512;  // they are sorted on the stack, to begin with
constexpr std::size_t comparisons_between_checks = 4096;  // of a hundred thousand digits
constexpr std::size_t many_values = 4096;  // selecting ranks is quicker than to sort them
constexpr unsigned few_bits = 6;           // of a digit that they are sorted by
constexpr unsigned many_bits = 11;

template <class Item>
Item *
allocate(std::size_t count, const Environment &environment) noexcept
{
	return static_cast<Item *>(environment.allocate((count + 1) * sizeof(Item)));
}

struct Runs
{
	Run *runs;
	std::size_t count;
};

Runs
runs_of_sorted(const std::int64_t *values, std::size_t count,
               const Environment &environment) noexcept
{
	Runs result{allocate<Run>(count, environment), 0};
	in_parts(count, environment.check_interrupts, [&](std::size_t begin, std::size_t end) {
		for (std::size_t i = begin; i < end; ++i)
			if (result.count > 0 && result.runs[result.count - 1].value == values[i])
				++result.runs[result.count - 1].count;
			else
				result.runs[result.count++] = Run{values[i], 1};
	});
	return result;
}

Runs
runs_by_counting(const std::int64_t *values, std::size_t count, std::int64_t min, std::int64_t max,
                 const Environment &environment) noexcept
{
	const auto low = static_cast<std::uint64_t>(min);
	const std::size_t places = static_cast<std::uint64_t>(max) - low + 1;
	auto *counters = allocate<std::uint32_t>(places, environment);
	std::memset(counters, 0, places * sizeof *counters);
	in_parts(count, environment.check_interrupts, [=](std::size_t begin, std::size_t end) {
		for (std::size_t i = begin; i < end; ++i)
			++counters[static_cast<std::uint64_t>(values[i]) - low];
	});
	std::size_t distinct = 0;
	in_parts(places, environment.check_interrupts, [&](std::size_t begin, std::size_t end) {
		for (std::size_t i = begin; i < end; ++i)
			distinct += counters[i] != 0 ? 1 : 0;
	});
	Runs result{allocate<Run>(distinct, environment), 0};
	in_parts(places, environment.check_interrupts, [&](std::size_t begin, std::size_t end) {
		for (std::size_t i = begin; i < end; ++i)
			if (counters[i] != 0)
				result.runs[result.count++] = Run{static_cast<std::int64_t>(low + i), counters[i]};
	});
	environment.release(counters);
	return result;
}

struct FewValues
{
	std::int64_t values[few_values];
	std::int64_t scratch[few_values];
};

// At most few_values of them, which lie in [min, max]; they stay as they are, what is returned is
// in the room.  A comparison that cannot be foreseen takes as long as a dozen instructions, and to
// sort by digits there are none: 150 prices take a sixth of the time of std::sort.
const std::int64_t *
sort_few(const std::int64_t *values, std::size_t count, std::int64_t min, std::int64_t max,
         FewValues &room, const Environment &environment) noexcept
{
	constexpr std::size_t very_few = 12;
	std::memcpy(room.values, values, count * sizeof *values);
	if (count > very_few)
		return sort_by_digits<few_bits>(
			room.values, room.scratch, count, min, max, [](std::int64_t value) { return value; },
			environment.check_interrupts);
	sort_integers(room.values, room.values + count);
	return room.values;
}

Runs
runs_of_values(const std::int64_t *values, std::size_t count,
               const Environment &environment) noexcept
{
	if (count == 0)
		return Runs{nullptr, 0};
	const auto [min, max] = extent_of(values, count);
	if (count > few_values && lie_densely(min, max, 4 * count))
		return runs_by_counting(values, count, min, max, environment);

	if (count <= few_values)
	{
		FewValues room;
		return runs_of_sorted(sort_few(values, count, min, max, room, environment), count,
		                      environment);
	}
	auto *copy = allocate<std::int64_t>(count, environment);
	auto *scratch = allocate<std::int64_t>(count, environment);
	std::memcpy(copy, values, count * sizeof *copy);
	const std::int64_t *sorted = sort_by_digits<many_bits>(
		copy, scratch, count, min, max, [](std::int64_t value) { return value; },
		environment.check_interrupts);
	environment.release(sorted == copy ? scratch : copy);
	const Runs result = runs_of_sorted(sorted, count, environment);
	environment.release(sorted == copy ? copy : scratch);
	return result;
}

struct IsLess
{
	bool operator()(const Run &a, const Run &b) const noexcept { return a.value < b.value; }
	bool operator()(const WideRun &a, const WideRun &b) const noexcept
	{
		return a.key != b.key ? a.key < b.key : compare_decimals(a.decimal, b.decimal) < 0;
	}
};

// Joins neighbours of equal value in sorted runs, and sets how many runs are left; false: a count
// overflows.
template <class AnyRun>
bool
join_equal_runs(AnyRun *runs, std::size_t &count, const Environment &environment) noexcept
{
	std::size_t kept = 0;
	bool overflow = false;
	in_parts(count, environment.check_interrupts, [&](std::size_t begin, std::size_t end) {
		for (std::size_t i = begin; i < end; ++i)
			if (kept == 0 || IsLess()(runs[kept - 1], runs[i]))
				runs[kept++] = runs[i];
			else
				overflow |= __builtin_add_overflow(runs[kept - 1].count, runs[i].count,
				                                   &runs[kept - 1].count);
	});
	count = kept;
	return !overflow;
}

Runs
sort_runs(const Run *runs, std::size_t count, const Environment &environment) noexcept
{
	auto *copy = allocate<Run>(count, environment);
	std::memcpy(copy, runs, count * sizeof *copy);
	if (count <= few_values)
	{
		std::sort(copy, copy + count, IsLess());
		return Runs{copy, count};
	}
	const auto [least, greatest] = std::minmax_element(copy, copy + count, IsLess());
	const std::int64_t min = least->value;
	const std::int64_t max = greatest->value;
	auto *scratch = allocate<Run>(count, environment);
	Run *sorted = sort_by_digits<many_bits>(
		copy, scratch, count, min, max, [](const Run &run) { return run.value; },
		environment.check_interrupts);
	environment.release(sorted == copy ? scratch : copy);
	return Runs{sorted, count};
}

bool
rank_scaled(const Block &block, const Environment &environment, Ranking &ranking) noexcept
{
	const Distribution &distribution = *block.distribution;
	Runs all = runs_of_values(distribution.values(), distribution.used, environment);
	if (distribution.run_count > 0)
	{
		Runs runs = sort_runs(block.runs(), distribution.run_count, environment);
		Runs merged{allocate<Run>(all.count + runs.count, environment), all.count + runs.count};
		std::merge(all.runs, all.runs + all.count, runs.runs, runs.runs + runs.count, merged.runs,
		           IsLess());
		environment.release(runs.runs);
		if (all.runs != nullptr)
			environment.release(all.runs);
		all = merged;
		if (!join_equal_runs(all.runs, all.count, environment))
			return false;
	}
	ranking.runs = all.runs;
	ranking.run_count = all.count;
	return true;
}

// The digits are read as if nothing was there yet.
std::size_t
count_entries(const unsigned char *entries, std::size_t size, std::uint16_t *digits,
              const Environment &environment) noexcept
{
	ByteReader reader(entries, size);
	WideRun run;
	std::size_t count = 0;
	while (reader.left() > 0 && read_entry(reader, run, digits))
		if (++count % values_between_checks == 0)
			environment.check_interrupts();
	return count;
}

bool
rank_wide(const Block &block, const Environment &environment, Ranking &ranking) noexcept
{
	const std::size_t size = block.distribution->used;
	auto *digits = allocate<std::uint16_t>(size / 2, environment);
	auto *runs = allocate<WideRun>(
		count_entries(block.distribution->entries(), size, digits, environment), environment);
	ByteReader reader(block.distribution->entries(), size);
	std::size_t count = 0;
	while (reader.left() > 0 && read_entry(reader, runs[count], digits))
		if (++count % values_between_checks == 0)
			environment.check_interrupts();
	const auto sort = [&](WideRun *some, std::size_t some_count) {
		std::size_t comparisons = 0;
		std::sort(some, some + some_count, [&](const WideRun &a, const WideRun &b) {
			if (++comparisons % comparisons_between_checks == 0)
				environment.check_interrupts();
			return IsLess()(a, b);
		});
	};
	sort_in_place(
		runs, count, [](const WideRun &run) { return run.key; }, sort, sort,
		environment.check_interrupts);

	ranking.wide_runs = runs;
	ranking.run_count = count;
	return join_equal_runs(runs, ranking.run_count, environment);
}

constexpr unsigned bucket_bits = 12;
constexpr std::size_t bucket_count = std::size_t{1} << bucket_bits;

// Ranks that lie in one bucket, and the bucket's values.
struct Wanted
{
	std::size_t bucket;
	std::size_t below;  // how many values lie in lower buckets
	std::size_t size;
	std::size_t filled;
	std::int64_t *values;
	std::size_t first_rank;
	std::size_t rank_count;
};

}  // namespace

bool
lie_densely(std::int64_t min, std::int64_t max, std::size_t count) noexcept
{
	return static_cast<std::uint64_t>(max) - static_cast<std::uint64_t>(min) < count;
}

bool
count_values(Ranking &ranking) noexcept
{
	const Counts &counts = ranking.counts;
	std::int64_t count = counts.nulls;
	bool overflow = __builtin_add_overflow(count, counts.not_a_numbers, &count);
	overflow |= __builtin_add_overflow(count, counts.positive_infinities, &count);
	overflow |= __builtin_add_overflow(count, counts.negative_infinities, &count);
	const std::int64_t others = count;
	const auto add = [&](const auto *runs) {
		for (std::size_t i = 0; i < ranking.run_count; ++i)
			overflow |= __builtin_add_overflow(count, runs[i].count, &count);
	};
	if (ranking.wide)
		add(ranking.wide_runs);
	else
		add(ranking.runs);
	ranking.finite_count = count - others;
	return !overflow && count <= max_count;
}

bool
rank_values(const Block &block, const Environment &environment, Ranking &ranking) noexcept
{
	const Distribution &distribution = *block.distribution;
	ranking = Ranking{
		distribution.wide != 0, distribution.scale, distribution.counts, 0, nullptr, nullptr, 0};
	return (ranking.wide ? rank_wide(block, environment, ranking)
	                     : rank_scaled(block, environment, ranking)) &&
	       count_values(ranking);
}

ShortWay
rank_if_short(const Block &block, const Environment &environment, Ranking &ranking,
              Extent &extent) noexcept
{
	const Distribution &distribution = *block.distribution;
	const bool plain = distribution.wide == 0 && distribution.run_count == 0;
	const bool few = distribution.used > 0 && distribution.used <= few_values;
	if (!plain || (!few && distribution.used < many_values))
		return rank_values(block, environment, ranking) ? ShortWay::ranked : ShortWay::too_many;
	extent = extent_of(distribution.values(), distribution.used);
	ranking = Ranking{false, distribution.scale, distribution.counts, 0, nullptr, nullptr, 0};
	if (few || !lie_densely(extent.min, extent.max, distribution.used / 4))
	{
		const Run all{0, distribution.used};
		ranking.runs = &all;
		ranking.run_count = 1;
		const bool countable = count_values(ranking);
		ranking.runs = nullptr;
		ranking.run_count = 0;
		return countable ? ShortWay::select : ShortWay::too_many;
	}
	const Runs all = runs_by_counting(distribution.values(), distribution.used, extent.min,
	                                  extent.max, environment);
	ranking.runs = all.runs;
	ranking.run_count = all.count;
	return count_values(ranking) ? ShortWay::ranked : ShortWay::too_many;
}

// Counts values in buckets of equal width, and looks closer only at the buckets that hold a rank.
// It recurses at most six times, since each bucket has a part of the range that is 2^12 times
// smaller; mostly twice, since what is left of that is looked at first.
// NOLINTNEXTLINE(misc-no-recursion)
void
select_ranks(const std::int64_t *values, std::size_t count, std::int64_t min, std::int64_t max,
             const std::size_t *ranks, std::size_t rank_count, std::int64_t *answers,
             const Environment &environment) noexcept
{
	if (min == max)
	{
		std::fill(answers, answers + rank_count, min);
		return;
	}
	if (count <= few_values)
	{
		FewValues room;
		const std::int64_t *sorted = sort_few(values, count, min, max, room, environment);
		for (std::size_t i = 0; i < rank_count; ++i)
			answers[i] = sorted[ranks[i]];
		return;
	}

	const auto low = static_cast<std::uint64_t>(min);
	const std::uint64_t range = static_cast<std::uint64_t>(max) - low;
	const unsigned range_bits = 64 - static_cast<unsigned>(__builtin_clzll(range));
	const unsigned shift = range_bits > bucket_bits ? range_bits - bucket_bits : 0;
	const auto bucket_of = [=](std::int64_t value) {
		return (static_cast<std::uint64_t>(value) - low) >> shift;
	};
	auto *sizes = allocate<std::size_t>(bucket_count, environment);
	std::memset(sizes, 0, bucket_count * sizeof *sizes);
	in_parts(count, environment.check_interrupts, [=](std::size_t begin, std::size_t end) {
		for (std::size_t i = begin; i < end; ++i)
			++sizes[bucket_of(values[i])];
	});

	Wanted wanted[max_selected_ranks];
	std::size_t wanted_count = 0;
	std::size_t gathered = 0;
	for (std::size_t i = 0, bucket = 0, below = 0; i < rank_count; ++i)
	{
		for (; below + sizes[bucket] <= ranks[i]; ++bucket)
			below += sizes[bucket];
		if (wanted_count == 0 || wanted[wanted_count - 1].bucket != bucket)
		{
			wanted[wanted_count++] = Wanted{bucket, below, sizes[bucket], 0, nullptr, i, 0};
			gathered += sizes[bucket];
		}
		++wanted[wanted_count - 1].rank_count;
	}
	environment.release(sizes);
	if (shift == 0)
	{
		for (const Wanted *one = wanted; one < wanted + wanted_count; ++one)
			std::fill_n(answers + one->first_rank, one->rank_count,
			            static_cast<std::int64_t>(low + one->bucket));
		return;
	}

	auto *places = allocate<std::uint8_t>(bucket_count, environment);
	std::memset(places, 0, bucket_count);
	auto *copies = allocate<std::int64_t>(gathered, environment);
	std::int64_t *next = copies;
	for (std::size_t i = 0; i < wanted_count; ++i)
	{
		places[wanted[i].bucket] = static_cast<std::uint8_t>(i + 1);
		wanted[i].values = next;
		next += wanted[i].size;
	}
	Wanted *const all_wanted = wanted;
	in_parts(count, environment.check_interrupts, [=](std::size_t begin, std::size_t end) {
		for (std::size_t i = begin; i < end; ++i)
			if (const std::uint8_t place = places[bucket_of(values[i])]; place != 0)
			{
				Wanted &one = all_wanted[place - 1];
				one.values[one.filled++] = values[i];
			}
	});
	environment.release(places);

	for (std::size_t i = 0; i < wanted_count; ++i)
	{
		const Wanted &one = wanted[i];
		std::size_t inner_ranks[max_selected_ranks];
		for (std::size_t j = 0; j < one.rank_count; ++j)
			inner_ranks[j] = ranks[one.first_rank + j] - one.below;
		const Extent extent = extent_of(one.values, one.size);
		select_ranks(one.values, one.size, extent.min, extent.max, inner_ranks, one.rank_count,
		             answers + one.first_rank, environment);
	}
	environment.release(copies);
}

}  // namespace listing_stats
