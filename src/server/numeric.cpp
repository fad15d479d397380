// Arithmetic with the server's numeric; the promise is in the header.
#include "server/numeric.hpp"

#include "core/division.hpp"

#include "server/postgres.hpp"

namespace listing_stats {

namespace {

constexpr int rows_between_resets = 1000;

Numeric
call(PGFunction function, Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(function, NumericGetDatum(a), NumericGetDatum(b)));
}

Numeric
make_unsigned(UInt128 magnitude, bool negative, int scale)
{
	char bytes[max_encoded_size];
	const std::size_t size = encode_decimal(magnitude, negative, scale, bytes);
	auto *numeric = static_cast<char *>(palloc(VARHDRSZ + size));
	SET_VARSIZE(numeric, VARHDRSZ + size);
	memcpy(VARDATA(numeric), bytes, size);
	return reinterpret_cast<Numeric>(numeric);
}

int
display_scale(Numeric number)
{
	return parse_numeric(numeric_bytes(NumericGetDatum(number))).scale;
}

// The square root rounded to the argument's scale.  numeric_sqrt() may keep more decimals, and
// rounding its answer again is wrong if it had itself been rounded up to a tie.
Numeric
square_root(Numeric number)
{
	const int scale = display_scale(number);
	Numeric root = DatumGetNumeric(DirectFunctionCall1(numeric_sqrt, NumericGetDatum(number)));
	if (display_scale(root) == scale)
		return root;
	Numeric rounded = DatumGetNumeric(
		DirectFunctionCall2(numeric_round, NumericGetDatum(root), Int32GetDatum(scale)));
	Numeric tie = call(numeric_sub, rounded, make_numeric(5, scale + 1));
	if (compare(call(numeric_mul, tie, tie), number) <= 0)
		return rounded;
	return call(numeric_sub, rounded, make_numeric(1, scale));
}

}  // namespace

Decimal
parse_numeric(NumericBytes bytes)
{
	Decimal decimal = {};
	if (!parse_decimal(bytes.data, bytes.size, decimal))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("invalid numeric value")));
	return decimal;
}

Numeric
read_numeric(const char *text)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
	                                           ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

char *
text_of(Numeric number)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
}

Numeric
numeric_of(Oid type, Datum value)
{
	char text[DOUBLE_SHORTEST_DECIMAL_LEN];
	switch (type)
	{
	case INT2OID:
		return int64_to_numeric(DatumGetInt16(value));
	case INT4OID:
		return int64_to_numeric(DatumGetInt32(value));
	case INT8OID:
		return int64_to_numeric(DatumGetInt64(value));
	case FLOAT4OID:
		float_to_shortest_decimal_buf(DatumGetFloat4(value), text);
		return read_numeric(text);
	case FLOAT8OID:
		double_to_shortest_decimal_buf(DatumGetFloat8(value), text);
		return read_numeric(text);
	default:
		return reinterpret_cast<Numeric>(PG_DETOAST_DATUM_PACKED(value));
	}
}

Numeric
make_numeric(Int128 value, int scale)
{
	return make_unsigned(magnitude_of(value), value < 0, scale);
}

Numeric
make_numeric(const Decimal &decimal, int scale)
{
	auto *numeric = static_cast<char *>(palloc(VARHDRSZ + 4 + 2 * decimal.digit_count));
	SET_VARSIZE(numeric, VARHDRSZ + write_decimal(decimal, scale, numeric + VARHDRSZ));
	return reinterpret_cast<Numeric>(numeric);
}

Numeric
make_special(NumberKind kind)
{
	Decimal special = {};
	special.kind = kind;
	return make_numeric(special, 0);
}

Numeric
add(Numeric a, Numeric b)
{
	return call(numeric_add, a, b);
}

Numeric
subtract(Numeric a, Numeric b)
{
	return call(numeric_sub, a, b);
}

Numeric
multiply(Numeric a, Numeric b)
{
	return call(numeric_mul, a, b);
}

Numeric
divide(Numeric a, Numeric b)
{
	return call(numeric_div, a, b);
}

Numeric
divide(Int128 dividend, int scale, UInt128 divisor)
{
	ScaledNumber quotient = {};
	if (divide(dividend, scale, divisor, quotient))
		return make_numeric(quotient.value, quotient.scale);
	return divide(make_numeric(dividend, scale), make_unsigned(divisor, false, 0));
}

int
compare(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

Numeric
show_scale(Numeric number, int scale)
{
	return display_scale(number) >= scale ? number : add(number, make_numeric(0, scale));
}

Numeric
trim_scale(Numeric number)
{
	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(number)));
}

Numeric
interpolate(Numeric low, Numeric high, Numeric fraction, int scale)
{
	bool overflow = false;
	Numeric difference = numeric_sub_opt_error(high, low, &overflow);
	Numeric result = nullptr;
	if (overflow)
		// Numbers this far apart have opposite signs, so their weighted sum stays between them.
		result =
			add(multiply(low, subtract(make_numeric(1, 0), fraction)), multiply(high, fraction));
	else
		result = add(low, multiply(difference, fraction));
	return show_scale(trim_scale(result), scale);
}

namespace {

// n * (sum of squares) - (sum)^2, which the variance is a part of; false: 128 bits do not suffice.
bool
variance_numerator(const Moments &moments, int64 count, UInt128 &numerator)
{
	UInt128 square = 0;
	return moments.squares_high == 0 &&
	       !__builtin_mul_overflow(moments.squares_low, static_cast<UInt128>(count), &numerator) &&
	       !__builtin_mul_overflow(moments.spread, moments.spread, &square) &&
	       !__builtin_sub_overflow(numerator, square, &numerator) && numerator >> 126 == 0;
}

// The quick way, for numbers that prices are; not the mean's.
bool
sum_quickly(Sum kind, const Moments &moments, int64 count, int scale, ScaledNumber &result)
{
	if (kind == Sum::total)
	{
		result = ScaledNumber{moments.sum, scale};
		return true;
	}
	const bool sample = kind == Sum::sample_variance || kind == Sum::sample_deviation;
	const bool root = kind == Sum::sample_deviation || kind == Sum::population_deviation;
	UInt128 numerator = 0;
	if (!variance_numerator(moments, count, numerator))
		return false;
	if (numerator == 0)
	{
		result = ScaledNumber{0, 0};
		return true;
	}
	const UInt128 divisor =
		static_cast<UInt128>(count) * static_cast<UInt128>(sample ? count - 1 : count);
	return divide(static_cast<Int128>(numerator), 2 * scale, divisor, result) &&
	       (!root || square_root(result, result));
}

}  // namespace

Numeric
sum_of(Sum kind, const Moments &moments, int64 count, int scale)
{
	ScaledNumber quick = {};
	if (kind == Sum::mean)
		return divide(moments.sum, scale, static_cast<UInt128>(count));
	if (sum_quickly(kind, moments, count, scale, quick))
		return make_numeric(quick.value, quick.scale);
	Numeric n = make_numeric(count, 0);
	Numeric sum = make_unsigned(moments.spread, false, scale);
	Numeric squares = make_unsigned(moments.squares_low, false, 2 * scale);
	if (moments.squares_high != 0)
		squares = add(squares, multiply(make_unsigned(moments.squares_high, false, 2 * scale),
		                                make_unsigned(UInt128{1} << 64, false, 0)));
	Numeric numerator = subtract(multiply(n, squares), multiply(sum, sum));
	Numeric zero = make_numeric(0, 0);
	if (compare(numerator, zero) <= 0)
		return zero;
	const bool sample = kind == Sum::sample_variance || kind == Sum::sample_deviation;
	Numeric variance = divide(
		numerator, make_numeric(static_cast<Int128>(count) * (sample ? count - 1 : count), 0));
	return kind == Sum::sample_variance || kind == Sum::population_variance ? variance
	                                                                        : square_root(variance);
}

// The server's accumulators live in the context that their caller, an aggregate node, names.  Ours
// is a node of our own: AggCheckCallContext() reads two fields of it, and nothing else does.
ServerSums::ServerSums()
	: state_context_(AllocSetContextCreate(CurrentMemoryContext, "listing_stats sums",
                                           ALLOCSET_DEFAULT_SIZES)),
	  power_context_(AllocSetContextCreate(state_context_, "listing_stats sums, one number",
                                           ALLOCSET_DEFAULT_SIZES)),
	  row_context_(AllocSetContextCreate(state_context_, "listing_stats sums, one row",
                                         ALLOCSET_DEFAULT_SIZES)),
	  caller_(static_cast<WindowAggState *>(
		  MemoryContextAllocZero(state_context_, sizeof(WindowAggState))))
{
	caller_->ss.ps.type = T_WindowAggState;
}

// A new state is made in the context.
Datum
ServerSums::call(PGFunction function, NullableDatum state, NullableDatum other,
                 MemoryContext context) const
{
	LOCAL_FCINFO(fcinfo, 2);
	caller_->curaggcontext = context;
	InitFunctionCallInfoData(*fcinfo, nullptr, 2, InvalidOid, reinterpret_cast<Node *>(caller_),
	                         nullptr);
	fcinfo->args[0] = state;
	fcinfo->args[1] = other;
	return function(fcinfo);
}

// A number that occurs many times is added by doubling: 2^k times is what was there added to
// itself.
void
ServerSums::accumulate(Numeric number, int64 times)
{
	MemoryContext before = MemoryContextSwitchTo(row_context_);
	const NullableDatum none = {0, true};
	const NullableDatum value = {NumericGetDatum(number), false};
	for (; times > 0 && times < 8; --times)
		state_ = {call(numeric_accum, state_, value, state_context_), false};
	if (times > 0)
	{
		NullableDatum power = {call(numeric_accum, none, value, power_context_), false};
		for (; times > 0; times >>= 1)
		{
			if ((times & 1) != 0)
				state_ = {call(numeric_combine, state_, power, state_context_), false};
			const NullableDatum copy = {call(numeric_combine, none, power, power_context_), false};
			power = {call(numeric_combine, power, copy, power_context_), false};
		}
		MemoryContextReset(power_context_);
	}
	MemoryContextSwitchTo(before);
	if (++rows_ % rows_between_resets == 0)
		MemoryContextReset(row_context_);
}

Numeric
ServerSums::finish(Sum sum) const
{
	static const PGFunction functions[sum_kinds] = {numeric_sum,         numeric_avg,
	                                                numeric_var_samp,    numeric_var_pop,
	                                                numeric_stddev_samp, numeric_stddev_pop};
	return DatumGetNumeric(DirectFunctionCall1(functions[static_cast<int>(sum)], state_.value));
}

void
ServerSums::free()
{
	MemoryContextDelete(state_context_);
}

}  // namespace listing_stats
