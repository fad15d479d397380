// Numerics brought to one form, so that equal numbers are equal bytes: the least display scale and
// the shortest header.  Nothing is rounded.
#pragma once

#include "core/decimal.hpp"

namespace listing_stats {

// How many decimals the number needs.
[[nodiscard]] int least_scale(const Decimal &decimal) noexcept;

// Writes the number with the least display scale and the shortest header; returns the number of
// bytes, at most 4 + 2 * digit_count.
std::size_t encode_least(const Decimal &decimal, unsigned char *out) noexcept;

// Whether the server could have made it: digits below 10000, none of them zero at either end, and
// no decimals that are not shown.
[[nodiscard]] bool is_well_formed(const Decimal &decimal) noexcept;

// The nearest double or so, for drawing.
[[nodiscard]] double approximate(const Decimal &decimal) noexcept;

}  // namespace listing_stats
