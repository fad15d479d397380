// Arithmetic with the server's numeric; the promise is in the header.
#include "pg/pg.hpp"

#include "pg/numerics.hpp"

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

NumericBytes
numeric_bytes(Datum datum)
{
	struct varlena *numeric =
		pg_detoast_datum_packed(reinterpret_cast<struct varlena *>(DatumGetPointer(datum)));
	return NumericBytes{VARDATA_ANY(numeric), VARSIZE_ANY_EXHDR(numeric)};
}

Decimal
parse_numeric(NumericBytes bytes)
{
	Decimal decimal = {};
	if (!parse_decimal(bytes.data, bytes.size, decimal))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("invalid numeric value")));
	return decimal;
}

Numeric
make_numeric(Int128 value, int scale)
{
	return make_unsigned(magnitude_of(value), value < 0, scale);
}

Numeric
make_special(NumberKind kind)
{
	const char *text = kind == NumberKind::NotANumber         ? "NaN"
	                   : kind == NumberKind::PositiveInfinity ? "Infinity"
	                                                          : "-Infinity";
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
	                                           ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

Numeric
add(Numeric a, Numeric b)
{
	return call(numeric_add, a, b);
}

Numeric
divide(Numeric a, Numeric b)
{
	return call(numeric_div, a, b);
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
interpolate(Numeric low, Numeric high, int quarters, int scale)
{
	Numeric fraction = make_numeric(Int128{25} * quarters, 2);
	bool overflow = false;
	Numeric difference = numeric_sub_opt_error(high, low, &overflow);
	Numeric result = nullptr;
	if (overflow)
		// Numbers this far apart have opposite signs, so their weighted sum stays between them.
		result = add(call(numeric_mul, low, make_numeric(100 - Int128{25} * quarters, 2)),
		             call(numeric_mul, high, fraction));
	else
		result = add(low, call(numeric_mul, difference, fraction));
	result = DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(result)));
	return show_scale(result, scale);
}

Numeric
sample_stddev(const Moments &moments, int64 count, int scale)
{
	Numeric n = make_numeric(count, 0);
	Numeric sum = make_unsigned(moments.spread, false, scale);
	Numeric squares = make_unsigned(moments.squares_low, false, 2 * scale);
	if (moments.squares_high != 0)
		squares =
			add(squares, call(numeric_mul, make_unsigned(moments.squares_high, false, 2 * scale),
		                      make_unsigned(UInt128{1} << 64, false, 0)));
	Numeric numerator =
		call(numeric_sub, call(numeric_mul, n, squares), call(numeric_mul, sum, sum));
	Numeric zero = make_numeric(0, 0);
	if (compare(numerator, zero) <= 0)
		return zero;
	return square_root(
		divide(numerator, make_numeric(static_cast<Int128>(count) * (count - 1), 0)));
}

// The server's accumulators live in the context that their caller, an aggregate node, names: ours
// is a node of our own that exists for nothing else.
ServerSums::ServerSums()
	: state_context_(AllocSetContextCreate(CurrentMemoryContext, "listing_stats sums",
                                           ALLOCSET_DEFAULT_SIZES)),
	  row_context_(AllocSetContextCreate(state_context_, "listing_stats sums, one row",
                                         ALLOCSET_DEFAULT_SIZES)),
	  caller_(static_cast<WindowAggState *>(
		  MemoryContextAllocZero(state_context_, sizeof(WindowAggState))))
{
	caller_->ss.ps.type = T_WindowAggState;
	caller_->curaggcontext = state_context_;
}

void
ServerSums::accumulate(Numeric number)
{
	LOCAL_FCINFO(fcinfo, 2);
	InitFunctionCallInfoData(*fcinfo, nullptr, 2, InvalidOid, reinterpret_cast<Node *>(caller_),
	                         nullptr);
	fcinfo->args[0].value = state_;
	fcinfo->args[0].isnull = !started_;
	fcinfo->args[1].value = NumericGetDatum(number);
	fcinfo->args[1].isnull = false;

	MemoryContext before = MemoryContextSwitchTo(row_context_);
	state_ = numeric_accum(fcinfo);
	MemoryContextSwitchTo(before);
	started_ = true;
	if (++rows_ % rows_between_resets == 0)
		MemoryContextReset(row_context_);
}

Numeric
ServerSums::finish(PGFunction final_function) const
{
	return DatumGetNumeric(DirectFunctionCall1(final_function, state_));
}

void
ServerSums::free()
{
	MemoryContextDelete(state_context_);
}

}  // namespace listing_stats
