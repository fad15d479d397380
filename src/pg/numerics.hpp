// Arithmetic with the server's numeric: by its own functions, so that every digit and every
// display scale is the server's.
#pragma once

#include "pg/pg.hpp"

#include "core/distribution.hpp"

namespace listing_stats {

// A numeric's bytes, wherever they lie; nothing is copied unless the value is toasted.
struct NumericBytes
{
	const char *data;
	std::size_t size;
};

NumericBytes numeric_bytes(Datum datum);
Decimal parse_numeric(NumericBytes bytes);

Numeric make_numeric(Int128 value, int scale);
Numeric make_special(NumberKind kind);

Numeric add(Numeric a, Numeric b);
Numeric divide(Numeric a, Numeric b);
int compare(Numeric a, Numeric b);

// The same value, shown with at least so many decimals.
Numeric show_scale(Numeric number, int scale);

// low + (high - low) * quarters / 4; shown with the scale and only the decimals needed beyond it.
Numeric interpolate(Numeric low, Numeric high, int quarters, int scale);

// What stddev_samp() answers for at least two values, scaled by 10^scale.
Numeric sample_stddev(const Moments &moments, int64 count, int scale);

// The server's own sum(), avg() and stddev_samp(), run over numerics that we hold.  For
// those that do not fit 64 bits.
class ServerSums
{
public:
	ServerSums();
	void accumulate(Numeric number);
	Numeric finish(PGFunction final_function) const;
	void free();

private:
	MemoryContext state_context_;
	MemoryContext row_context_;
	WindowAggState *caller_;
	Datum state_ = 0;
	bool started_ = false;
	int rows_ = 0;
};

static_assert(std::is_trivially_destructible_v<ServerSums>);

}  // namespace listing_stats
