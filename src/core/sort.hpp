// Sorts integers, and things by an integer.  std::sort with the library's own comparison may leave
// functions among what the module exports: their types do not hide them, as a type of ours does,
// here that of a lambda.
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
// they are then: in items, or in scratch, which has room for as many.  pause is called now and
// then.
template <unsigned bits, class Item, class Key>
Item *
sort_by_digits(Item *items, Item *scratch, std::size_t count, std::int64_t min, std::int64_t max,
               Key key, void (*pause)()) noexcept
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
		pause();
		for (std::size_t i = 0; i < count; ++i)
			scratch[starts[digit(items[i])]++] = items[i];
		pause();
		std::swap(items, scratch);
	}
	return items;
}

}  // namespace listing_stats
