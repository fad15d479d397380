// How the finite values of a distribution spread: as rows, as a line of blocks, as text for psql.
//
// Buckets are equally wide, from the lowest finite value to the highest.  Their bounds are rounded
// to some decimals more than the values have, enough to tell them apart, and values are counted by
// the very bounds that are shown: low <= value < high, and value <= high in the last.
#include "pg/pg.hpp"

#include "pg/statistics.hpp"

namespace listing_stats {

namespace {

constexpr int max_buckets = 100000;

struct Bucket
{
	Numeric low;
	Numeric high;
	int64 count;
};

struct Histogram
{
	Bucket *buckets;
	int count;
};

Numeric
bound_of(Numeric lowest, Numeric highest, int number, int buckets, int scale)
{
	int decimals = scale + 2;
	for (int rest = buckets; rest >= 10; rest /= 10)
		++decimals;
	Numeric bound = interpolate(lowest, highest,
	                            divide(make_numeric(number, 0), make_numeric(buckets, 0)), scale);
	return show_scale(
		DatumGetNumeric(DirectFunctionCall1(
			numeric_trim_scale,
			DirectFunctionCall2(numeric_round, NumericGetDatum(bound), Int32GetDatum(decimals)))),
		scale);
}

// One bucket if all values are equal, none without values.
Histogram
histogram_of(Datum datum, int buckets)
{
	if (buckets < 1 || buckets > max_buckets)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("number of buckets must be between 1 and %d", max_buckets)));
	const Ranking ranking = rank(datum);
	if (ranking.run_count < 2)
		buckets = static_cast<int>(ranking.run_count);
	Histogram histogram = {
		static_cast<Bucket *>(palloc0(sizeof(Bucket) * static_cast<Size>(buckets + 1))), buckets};
	if (buckets == 0)
		return histogram;
	Numeric lowest = value_of(ranking, 0);
	Numeric highest = value_of(ranking, ranking.run_count - 1);
	std::size_t run = 0;
	for (int i = 0; i < buckets; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		Bucket &bucket = histogram.buckets[i];
		bucket.low = i == 0 ? lowest : histogram.buckets[i - 1].high;
		bucket.high =
			i == buckets - 1 ? highest : bound_of(lowest, highest, i + 1, buckets, ranking.scale);
		const std::size_t end =
			i == buckets - 1 ? ranking.run_count : runs_below(ranking, bucket.high);
		for (; run < end; ++run)
			bucket.count += ranking.count_of(run);
	}
	return histogram;
}

int64
highest_count(const Histogram &histogram)
{
	int64 highest = 0;
	for (int i = 0; i < histogram.count; ++i)
		highest = std::max(highest, histogram.buckets[i].count);
	return highest;
}

// A count relative to the highest one, in so many steps; at least one if it is not zero.
int
steps_of(int64 count, int64 highest, int steps)
{
	if (count == 0)
		return 0;
	const Int128 scaled = static_cast<Int128>(count) * steps;
	return std::max(1, static_cast<int>((scaled + highest / 2) / highest));
}

// UTF-8 in the encoding of the database: error 22P05 where it has no such characters.
Datum
text_from_utf8(const StringInfoData &utf8)
{
	char *text = pg_any_to_server(utf8.data, utf8.len, PG_UTF8);
	return PointerGetDatum(cstring_to_text(text));
}

char *
text_of(Numeric number)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_histogram)
{
	const Histogram histogram = histogram_of(PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	InitMaterializedSRF(fcinfo, 0);
	auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	for (int i = 0; i < histogram.count; ++i)
	{
		const Bucket &bucket = histogram.buckets[i];
		Datum values[] = {NumericGetDatum(bucket.low), NumericGetDatum(bucket.high),
		                  Int64GetDatum(bucket.count)};
		bool nulls[3] = {};
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_NULL();
}

LISTING_STATS_FUNCTION(listing_stats_sparkline)
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	const Histogram histogram = histogram_of(PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	const int64 highest = highest_count(histogram);
	StringInfoData line;
	initStringInfo(&line);
	for (int i = 0; i < histogram.count; ++i)
		appendStringInfoString(&line, blocks[steps_of(histogram.buckets[i].count, highest, 8)]);
	return text_from_utf8(line);
}

// A line for each bucket: its bounds, a bar, how many.
LISTING_STATS_FUNCTION(listing_stats_histogram_text)
{
	constexpr int bar_width = 40;
	const Histogram histogram = histogram_of(PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	const int64 highest = highest_count(histogram);
	int low_width = 0;
	int high_width = 0;
	for (int i = 0; i < histogram.count; ++i)
	{
		low_width =
			std::max(low_width, static_cast<int>(strlen(text_of(histogram.buckets[i].low))));
		high_width =
			std::max(high_width, static_cast<int>(strlen(text_of(histogram.buckets[i].high))));
	}
	StringInfoData text;
	initStringInfo(&text);
	for (int i = 0; i < histogram.count; ++i)
	{
		const Bucket &bucket = histogram.buckets[i];
		appendStringInfo(&text, "%s%*s .. %*s  ", i == 0 ? "" : "\n", low_width,
		                 text_of(bucket.low), high_width, text_of(bucket.high));
		for (int step = steps_of(bucket.count, highest, bar_width); step > 0; --step)
			appendStringInfoString(&text, "█");
		appendStringInfo(&text, " " INT64_FORMAT, bucket.count);
	}
	return text_from_utf8(text);
}

}  // namespace listing_stats
