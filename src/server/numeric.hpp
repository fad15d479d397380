// Arithmetic with the server's numeric: by its own functions, so that every digit and every
// display scale is the server's.
#pragma once

#include "core/distribution.hpp"

#include "server/postgres.hpp"

namespace listing_stats {

// A numeric's bytes, wherever they lie; nothing is copied unless the value is toasted.
struct NumericBytes
{
	const char *data;
	std::size_t size;
};

inline NumericBytes
numeric_bytes(Datum datum)
{
	auto *numeric = reinterpret_cast<struct varlena *>(DatumGetPointer(datum));
	if (VARATT_IS_COMPRESSED(numeric) || VARATT_IS_EXTERNAL(numeric))
		numeric = pg_detoast_datum_packed(numeric);
	return NumericBytes{VARDATA_ANY(numeric), VARSIZE_ANY_EXHDR(numeric)};
}

Decimal parse_numeric(NumericBytes bytes);

// As numeric_in() reads it, and as numeric_out() shows it.
Numeric read_numeric(const char *text);
char *text_of(Numeric number);

// A value of a type that a price can have; a real or double as its shortest decimal, as it is
// shown.  A long numeric may be stored beside its table: what is answered is not.
Numeric numeric_of(Oid type, Datum value);

Numeric make_numeric(Int128 value, int scale);
Numeric make_numeric(const Decimal &decimal, int scale);
Numeric make_special(NumberKind kind);

Numeric add(Numeric a, Numeric b);
Numeric subtract(Numeric a, Numeric b);
Numeric multiply(Numeric a, Numeric b);
Numeric divide(Numeric a, Numeric b);
Numeric divide(Int128 dividend, int scale, UInt128 divisor);  // dividend / 10^scale / divisor
int compare(Numeric a, Numeric b);

// The same value, shown with at least so many decimals.
Numeric show_scale(Numeric number, int scale);

// The same value, shown with only the decimals it needs.
Numeric trim_scale(Numeric number);

// low + (high - low) * fraction; shown with the scale and only the decimals needed beyond it.
Numeric interpolate(Numeric low, Numeric high, Numeric fraction, int scale);

// What sum(), avg(), var_samp(), var_pop(), stddev_samp() and stddev_pop() answer.
enum class Sum
{
	total,
	mean,
	sample_variance,
	population_variance,
	sample_deviation,
	population_deviation
};
constexpr int sum_kinds = 6;

// A sample's spread needs at least two values.
inline bool
is_defined(Sum sum, int64 count)
{
	return count > 1 || (count == 1 && sum != Sum::sample_variance && sum != Sum::sample_deviation);
}

// Of values scaled by 10^scale, for which it is defined.  The variance is (n * sum of squares -
// sum^2) / (n * (n - 1)), of a population / n^2, as numeric_stddev_internal() in PostgreSQL's
// numeric.c has it; the difference of all values from the least changes nothing of it.
Numeric sum_of(Sum sum, const Moments &moments, int64 count, int scale);

// The same of numbers that do not fit 64 bits, by the server's own accumulators, which have no
// limits: a square of 1e70000, or of 1e-9000, is no numeric, and the deviation of such numbers is
// one.  So arithmetic with numerics as in sum_of() would not have the digits that stddev() has.
class ServerSums
{
public:
	ServerSums();
	void accumulate(Numeric number, int64 times);
	Numeric finish(Sum sum) const;
	void free();

private:
	Datum call(PGFunction function, NullableDatum state, NullableDatum other,
	           MemoryContext context) const;

	MemoryContext state_context_;
	MemoryContext power_context_;
	MemoryContext row_context_;
	WindowAggState *caller_;
	NullableDatum state_ = {0, true};
	int rows_ = 0;
};

static_assert(std::is_trivially_destructible_v<ServerSums>);

}  // namespace listing_stats
