// Sorts integers, and things by an integer.  Where there may be many, check_interrupts is called
// now and then: it can leave by an error, with the items in any order.  std::sort with the
// library's own comparison may leave functions among what the module exports: their types do not
// hide them, as a type of ours does, here that of a lambda.
#pragma once

#include <algorithm>
#include <cstdint>

namespace listing_stats {

inline void
sort_integers(std::int64_t *first, std::int64_t *last) noexcept
{
	std::sort(first, last, [](std::int64_t a, std::int64_t b) { return a < b; });
}

// Sorts items by a 64-bit key that lies in [min, max], by digits of so many bits, and returns where
// they are then: in items, or in scratch, which has room for as many.
template <unsigned bits, class Item, class Key>
Item *
sort_by_digits(Item *items, Item *scratch, std::size_t count, std::int64_t min, std::int64_t max,
               Key key, void (*check_interrupts)()) noexcept
{
	constexpr std::size_t base = std::size_t{1} << bits;
	const auto low = static_cast<std::uint64_t>(min);
	const std::uint64_t range = static_cast<std::uint64_t>(max) - low;
	for (unsigned shift = 0; shift < 64 && range >> shift != 0; shift += bits)
	{
		const auto digit = [=](const Item &item) {
			return ((static_cast<std::uint64_t>(key(item)) - low) >> shift) % base;
		};
		std::size_t starts[base] = {};
		for (std::size_t i = 0; i < count; ++i)
			++starts[digit(items[i])];
		std::size_t start = 0;
		for (std::size_t &place : starts)
		{
			const std::size_t size = place;
			place = start;
			start += size;
		}
		check_interrupts();
		for (std::size_t i = 0; i < count; ++i)
			scratch[starts[digit(items[i])]++] = items[i];
		check_interrupts();
		std::swap(items, scratch);
	}
	return items;
}

// Sorts items in place by a 64-bit key.  Few of them, whatever their keys, are left to sort_few(),
// and many of one key to sort_equal().  Each bucket has a part of the range that is 2^8 times
// smaller, so it recurses at most eight times.
// NOLINTBEGIN(misc-no-recursion)
template <class Item, class Key, class SortFew, class SortEqual>
void
sort_in_place(Item *items, std::size_t count, Key key, SortFew sort_few, SortEqual sort_equal,
              void (*check_interrupts)()) noexcept
{
	constexpr std::size_t few = std::size_t{1} << 16U;  // a few milliseconds
	constexpr unsigned bits = 8;
	constexpr std::size_t base = std::size_t{1} << bits;
	if (count <= few)
	{
		sort_few(items, count);
		return;
	}
	std::int64_t min = INT64_MAX;
	std::int64_t max = INT64_MIN;
	for (std::size_t i = 0; i < count; ++i)
	{
		if (i % few == 0)
			check_interrupts();
		min = std::min(min, key(items[i]));
		max = std::max(max, key(items[i]));
	}
	if (min == max)
	{
		sort_equal(items, count);
		return;
	}

	const auto low = static_cast<std::uint64_t>(min);
	const unsigned range_bits =
		64 - static_cast<unsigned>(__builtin_clzll(static_cast<std::uint64_t>(max) - low));
	const unsigned shift = range_bits > bits ? range_bits - bits : 0;
	const auto bucket_of = [=](const Item &item) {
		return (static_cast<std::uint64_t>(key(item)) - low) >> shift;
	};
	std::size_t next[base] = {};
	std::size_t ends[base] = {};
	for (std::size_t i = 0; i < count; ++i)
	{
		if (i % few == 0)
			check_interrupts();
		++ends[bucket_of(items[i])];
	}
	for (std::size_t bucket = 1; bucket < base; ++bucket)
	{
		next[bucket] = ends[bucket - 1];
		ends[bucket] += next[bucket];
	}
	// What is not in its bucket yet goes there, in exchange for what is in its place.
	std::size_t moves = 0;
	for (std::size_t bucket = 0; bucket < base; ++bucket)
		while (next[bucket] < ends[bucket])
		{
			if (++moves % few == 0)
				check_interrupts();
			const std::size_t right = bucket_of(items[next[bucket]]);
			if (right == bucket)
				++next[bucket];
			else
				std::swap(items[next[bucket]], items[next[right]++]);
		}
	for (std::size_t bucket = 0, begin = 0; bucket < base; begin = ends[bucket++])
	{
		check_interrupts();
		sort_in_place(items + begin, ends[bucket] - begin, key, sort_few, sort_equal,
		              check_interrupts);
	}
}
// NOLINTEND(misc-no-recursion)

}  // namespace listing_stats
