// Sorts integers.  std::sort with the library's own comparison may leave functions among what the
// module exports: their types do not hide them, as a type of ours does, here that of the lambda.
#pragma once

#include <algorithm>
#include <cstdint>

namespace listing_stats {

inline void
sort_integers(std::int64_t *first, std::int64_t *last) noexcept
{
	std::sort(first, last, [](std::int64_t a, std::int64_t b) { return a < b; });
}

}  // namespace listing_stats
