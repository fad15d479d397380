// The summary of a distribution as a row, as jsonb and as json; the promise is in the header.  In
// JSON, what there is not is null, and NaN and infinities are strings.
#include "statistics/summary.hpp"

#include "server/postgres.hpp"

namespace listing_stats {

namespace {

const char *const field_names[Summary::fields] = {"min", "q1",   "median", "q3",
                                                  "max", "mean", "stddev", "sum"};

constexpr int quartile_count = 3;
constexpr int rank_count = 2 + 2 * quartile_count;

constexpr std::initializer_list<Sum> wanted_sums = {Sum::total, Sum::mean, Sum::sample_deviation};

// The row type of the result, looked up once per query.
TupleDesc
result_type(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == nullptr)
	{
		MemoryContext before = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		TupleDesc type = nullptr;
		if (get_call_result_type(fcinfo, nullptr, &type) != TYPEFUNC_COMPOSITE ||
		    type->natts != 2 + Summary::fields)
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
			                errmsg("listing_stats.summary is not the type it was created as")));
		fcinfo->flinfo->fn_extra = BlessTupleDesc(type);
		MemoryContextSwitchTo(before);
	}
	return static_cast<TupleDesc>(fcinfo->flinfo->fn_extra);
}

bool
is_special(Numeric number)
{
	return numeric_is_nan(number) || numeric_is_inf(number);
}

void
push_number(JsonbParseState **json, const char *name, Numeric number)
{
	JsonbValue key;
	key.type = jbvString;
	key.val.string.val = const_cast<char *>(name);
	key.val.string.len = static_cast<int>(strlen(name));
	pushJsonbValue(json, WJB_KEY, &key);

	JsonbValue value;
	if (number == nullptr)
		value.type = jbvNull;
	else if (is_special(number))
	{
		value.type = jbvString;
		value.val.string.val = text_of(number);
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

Summary
summarize(Datum datum)
{
	Block block = {};
	Ranking ranking = {};
	Extent extent = {};
	const bool ranked = rank_if_short(datum, block, ranking, extent);
	Summary summary = {};
	summary.count = ranking.count();
	summary.nulls = ranking.counts.nulls;
	if (summary.count == 0)
		return summary;

	const Distribution *distribution = block.distribution;
	Sums sums = ranked || summary.count > ranking.finite_count
	                ? sums_of(ranking, wanted_sums)
	                : sums_of(moments_of(distribution->values(), distribution->used, extent,
	                                     server.check_interrupts),
	                          summary.count, ranking.scale, wanted_sums);
	summary.numbers[Summary::total] = sums[Sum::total];
	summary.numbers[Summary::mean] = sums[Sum::mean];
	summary.numbers[Summary::stddev] = sums[Sum::sample_deviation];
	CHECK_FOR_INTERRUPTS();

	Quartile quartiles[quartile_count];
	int64 ranks[rank_count] = {0, summary.count - 1};
	for (int i = 0; i < quartile_count; ++i)
	{
		quartiles[i] = quartile_of(summary.count, i + 1);
		ranks[2 + 2 * i] = quartiles[i].rank;
		ranks[3 + 2 * i] = quartiles[i].rank + 1;
	}
	Order order = ranked ? Order(ranking) : Order(ranking, block, extent, ranks, rank_count);
	summary.numbers[Summary::lowest] = order.at(0);
	for (int i = 0; i < quartile_count; ++i)
		summary.numbers[Summary::first_quartile + i] =
			order.between(quartiles[i].rank, quartiles[i].quarters);
	summary.numbers[Summary::highest] = order.at(summary.count - 1);
	return summary;
}

Datum
summary_row(FunctionCallInfo fcinfo, const Summary &summary)
{
	Datum values[2 + Summary::fields] = {Int64GetDatum(summary.count),
	                                     Int64GetDatum(summary.nulls)};
	bool nulls[2 + Summary::fields] = {};
	for (int i = 0; i < Summary::fields; ++i)
	{
		values[2 + i] = NumericGetDatum(summary.numbers[i]);
		nulls[2 + i] = summary.numbers[i] == nullptr;
	}
	return HeapTupleGetDatum(heap_form_tuple(result_type(fcinfo), values, nulls));
}

Datum
summary_jsonb(const Summary &summary)
{
	JsonbParseState *json = nullptr;
	pushJsonbValue(&json, WJB_BEGIN_OBJECT, nullptr);
	push_number(&json, "count", make_numeric(summary.count, 0));
	push_number(&json, "nulls", make_numeric(summary.nulls, 0));
	for (int i = 0; i < Summary::fields; ++i)
		push_number(&json, field_names[i], summary.numbers[i]);
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&json, WJB_END_OBJECT, nullptr)));
}

Datum
summary_json(const Summary &summary)
{
	StringInfoData json;
	initStringInfo(&json);
	appendStringInfo(&json, "{\"count\": " INT64_FORMAT ", \"nulls\": " INT64_FORMAT, summary.count,
	                 summary.nulls);
	for (int i = 0; i < Summary::fields; ++i)
	{
		Numeric number = summary.numbers[i];
		const char *quote = number != nullptr && is_special(number) ? "\"" : "";
		appendStringInfo(&json, ", \"%s\": %s%s%s", field_names[i], quote,
		                 number == nullptr ? "null" : text_of(number), quote);
	}
	appendStringInfoChar(&json, '}');
	return PointerGetDatum(cstring_to_text_with_len(json.data, json.len));
}

}  // namespace listing_stats
