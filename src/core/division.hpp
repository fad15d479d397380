// Quotients and square roots as the server's numeric has them, to the last digit and display scale,
// in 128-bit integers.  The rules are those of select_div_scale(), div_var() and sqrt_var() in
// PostgreSQL's numeric.c.
#pragma once

#include "core/distribution.hpp"

namespace listing_stats {

// dividend / 10^scale / divisor.  False: 128 bits do not suffice.
[[nodiscard]] bool divide(Int128 dividend, int scale, UInt128 divisor,
                          ScaledNumber &quotient) noexcept;

// The root of a number that is not negative, rounded to its own scale.  False: 128 bits do not
// suffice.
[[nodiscard]] bool square_root(const ScaledNumber &number, ScaledNumber &root) noexcept;

}  // namespace listing_stats
