// The aggregates price_summary() and price_stats_json(): one transition, one combine, and a final
// function each, which answer what the server's own aggregates would, to the last digit.
//
// The transition only appends.  The final functions permute the values, which leaves the
// distribution as it is, so the aggregates may share their state and run over window frames.
#include "pg/pg.hpp"

#include "core/distribution.hpp"
#include "core/sort.hpp"
#include "pg/distribution_state.hpp"
#include "pg/numerics.hpp"

namespace listing_stats {

namespace {

enum Field
{
	Lowest,
	FirstQuartile,
	Median,
	ThirdQuartile,
	Highest,
	Mean,
	Stddev,
	Sum,
	FieldCount
};

const char *const field_names[FieldCount] = {"min", "q1",   "median", "q3",
                                             "max", "mean", "stddev", "sum"};

struct Summary
{
	int64 count;
	int64 nulls;
	Numeric numbers[FieldCount];  // null where there is no answer
};

constexpr int quartile_count = 3;
constexpr std::size_t rank_count = 2 + 2 * quartile_count;

// The values in ascending order, as far as the ranks that a summary asks for are concerned.
class Order
{
public:
	explicit Order(Distribution *distribution);
	Numeric at(int64 rank) const;
	Numeric quartile(int number) const;

private:
	bool is_finite(int64 rank) const
	{
		return rank >= distribution_->negative_infinities &&
		       rank - distribution_->negative_infinities < distribution_->finite_count;
	}
	std::size_t select(std::size_t *ranks) const;

	Distribution *distribution_;
	WideValue *wide_ = nullptr;
};

// The ranks needed among the finite values, ascending.
std::size_t
Order::select(std::size_t *ranks) const
{
	const int64 count = distribution_->count();
	int64 wanted[rank_count] = {0, count - 1};
	for (int i = 0; i < quartile_count; ++i)
	{
		wanted[2 + 2 * i] = quartile_of(count, i + 1).rank;
		wanted[3 + 2 * i] = wanted[2 + 2 * i] + 1;
	}
	sort_integers(wanted, wanted + rank_count);

	std::size_t found = 0;
	for (const int64 rank : wanted)
		if (is_finite(rank))
			ranks[found++] = static_cast<std::size_t>(rank - distribution_->negative_infinities);
	return found;
}

Order::Order(Distribution *distribution) : distribution_(distribution)
{
	std::size_t ranks[rank_count];
	const std::size_t found = select(ranks);
	const std::size_t count = distribution->finite_count;
	if (distribution->wide == 0)
		select_ranks(distribution->values(), 0, count, ranks, found,
		             [](int64 a, int64 b) { return a < b; });
	else
	{
		wide_ = wide_values(distribution);
		select_ranks(wide_, 0, count, ranks, found, is_less);
	}
}

Numeric
Order::at(int64 rank) const
{
	if (is_finite(rank))
	{
		const int64 index = rank - distribution_->negative_infinities;
		if (wide_ == nullptr)
			return make_numeric(distribution_->values()[index], distribution_->scale);
		return show_scale(wide_[index].number, distribution_->scale);
	}
	if (rank < distribution_->negative_infinities)
		return make_special(NumberKind::NegativeInfinity);
	if (rank < distribution_->count() - distribution_->not_a_numbers)
		return make_special(NumberKind::PositiveInfinity);
	return make_special(NumberKind::NotANumber);
}

Numeric
Order::quartile(int number) const
{
	const Quartile place = quartile_of(distribution_->count(), number);
	if (place.quarters == 0)
		return at(place.rank);
	if (wide_ != nullptr || !is_finite(place.rank) || !is_finite(place.rank + 1))
		return interpolate(at(place.rank), at(place.rank + 1), place.quarters,
		                   distribution_->scale);
	const int64 *low = distribution_->values() + (place.rank - distribution_->negative_infinities);
	const ScaledNumber between = interpolate(low[0], low[1], place.quarters, distribution_->scale);
	return make_numeric(between.value, between.scale);
}

// As the server has it: whatever holds a NaN or both infinities sums up to NaN.
void
summarize_special(const Distribution *distribution, Summary *summary)
{
	NumberKind kind = NumberKind::NegativeInfinity;
	if (distribution->not_a_numbers > 0 ||
	    (distribution->positive_infinities > 0 && distribution->negative_infinities > 0))
		kind = NumberKind::NotANumber;
	else if (distribution->positive_infinities > 0)
		kind = NumberKind::PositiveInfinity;
	summary->numbers[Sum] = summary->numbers[Mean] = make_special(kind);
	if (summary->count > 1)
		summary->numbers[Stddev] = make_special(NumberKind::NotANumber);
}

void
summarize_wide(const Distribution *distribution, Summary *summary)
{
	WideValue *values = wide_values(distribution);
	ServerSums sums;
	for (uint32 i = 0; i < distribution->finite_count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		sums.accumulate(values[i].number);
	}
	summary->numbers[Sum] = sums.finish(numeric_sum);
	summary->numbers[Mean] = sums.finish(numeric_avg);
	if (summary->count > 1)
		summary->numbers[Stddev] = sums.finish(numeric_stddev_samp);
	sums.free();
	pfree(values);
}

void
summarize_scaled(const Distribution *distribution, Summary *summary)
{
	const Moments moments = moments_of(distribution->values(), distribution->finite_count);
	Numeric sum = make_numeric(moments.sum, distribution->scale);
	summary->numbers[Sum] = sum;
	summary->numbers[Mean] = divide(sum, make_numeric(summary->count, 0));
	if (summary->count > 1)
		summary->numbers[Stddev] = sample_stddev(moments, summary->count, distribution->scale);
}

Summary
summarize(Distribution *distribution)
{
	Summary summary = {};
	if (distribution == nullptr)
		return summary;
	summary.count = distribution->count();
	summary.nulls = distribution->nulls;
	if (summary.count == 0)
		return summary;

	if (summary.count > distribution->finite_count)
		summarize_special(distribution, &summary);
	else if (distribution->wide != 0)
		summarize_wide(distribution, &summary);
	else
		summarize_scaled(distribution, &summary);

	CHECK_FOR_INTERRUPTS();
	const Order order(distribution);
	summary.numbers[Lowest] = order.at(0);
	for (int i = 0; i < quartile_count; ++i)
		summary.numbers[FirstQuartile + i] = order.quartile(i + 1);
	summary.numbers[Highest] = order.at(summary.count - 1);
	return summary;
}

void
require_aggregate(FunctionCallInfo fcinfo)
{
	if (AggCheckCallContext(fcinfo, nullptr) == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("function called outside of an aggregate")));
}

Summary
summarize_state(FunctionCallInfo fcinfo)
{
	require_aggregate(fcinfo);
	return summarize(PG_ARGISNULL(0) ? nullptr : distribution_of(PG_GETARG_DATUM(0)));
}

// The row type of the result, looked up once per query.
TupleDesc
result_type(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == nullptr)
	{
		MemoryContext before = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		TupleDesc type = nullptr;
		if (get_call_result_type(fcinfo, nullptr, &type) != TYPEFUNC_COMPOSITE ||
		    type->natts != 2 + FieldCount)
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
			                errmsg("listing_stats.summary is not the type it was created as")));
		fcinfo->flinfo->fn_extra = BlessTupleDesc(type);
		MemoryContextSwitchTo(before);
	}
	return static_cast<TupleDesc>(fcinfo->flinfo->fn_extra);
}

void
push_key(JsonbParseState **json, const char *name)
{
	JsonbValue key;
	key.type = jbvString;
	key.val.string.val = const_cast<char *>(name);
	key.val.string.len = static_cast<int>(strlen(name));
	pushJsonbValue(json, WJB_KEY, &key);
}

void
push_number(JsonbParseState **json, const char *name, Numeric number)
{
	push_key(json, name);
	JsonbValue value;
	if (number == nullptr)
		value.type = jbvNull;
	else if (numeric_is_nan(number) || numeric_is_inf(number))
	{
		value.type = jbvString;
		value.val.string.val =
			DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
		value.val.string.len = static_cast<int>(strlen(value.val.string.val));
	}
	else
	{
		value.type = jbvNumeric;
		value.val.numeric = number;
	}
	pushJsonbValue(json, WJB_VALUE, &value);
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_accumulate)
{
	require_aggregate(fcinfo);
	Distribution *distribution = nullptr;
	if (PG_ARGISNULL(0))
		distribution = new_distribution();
	else if (likely(VARATT_IS_4B_U(PG_GETARG_POINTER(0))))
		distribution = reinterpret_cast<Distribution *>(PG_GETARG_POINTER(0));
	else
		distribution = distribution_of(PG_GETARG_DATUM(0));

	if (PG_ARGISNULL(1))
		++distribution->nulls;
	else
	{
		const NumericBytes bytes = numeric_bytes(PG_GETARG_DATUM(1));
		int64 value = 0;
		if (likely(distribution->wide == 0 && has_room(distribution, sizeof value) &&
		           scaled_value_quick(bytes.data, bytes.size, distribution->scale, value)))
			append_scaled(distribution, value);
		else
			distribution = add_number(distribution, bytes);
	}
	PG_RETURN_POINTER(distribution);
}

LISTING_STATS_FUNCTION(listing_stats_combine)
{
	require_aggregate(fcinfo);
	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	Distribution *other = distribution_of(PG_GETARG_DATUM(1));
	if (PG_ARGISNULL(0))
		PG_RETURN_POINTER(other);
	PG_RETURN_POINTER(merge(distribution_of(PG_GETARG_DATUM(0)), other));
}

LISTING_STATS_FUNCTION(listing_stats_finish_summary)
{
	const Summary summary = summarize_state(fcinfo);
	Datum values[2 + FieldCount] = {Int64GetDatum(summary.count), Int64GetDatum(summary.nulls)};
	bool nulls[2 + FieldCount] = {};
	for (int i = 0; i < FieldCount; ++i)
	{
		values[2 + i] = NumericGetDatum(summary.numbers[i]);
		nulls[2 + i] = summary.numbers[i] == nullptr;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(result_type(fcinfo), values, nulls)));
}

LISTING_STATS_FUNCTION(listing_stats_finish_stats_json)
{
	const Summary summary = summarize_state(fcinfo);
	JsonbParseState *json = nullptr;
	pushJsonbValue(&json, WJB_BEGIN_OBJECT, nullptr);
	push_number(&json, "count", make_numeric(summary.count, 0));
	push_number(&json, "nulls", make_numeric(summary.nulls, 0));
	for (int i = 0; i < FieldCount; ++i)
		push_number(&json, field_names[i], summary.numbers[i]);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&json, WJB_END_OBJECT, nullptr)));
}

}  // namespace listing_stats
