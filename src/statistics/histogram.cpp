// How the finite values of a distribution spread: as rows, and as a line of blocks.
//
// Buckets are equally wide, from the lowest finite value to the highest.  Their bounds are
// rounded to some decimals more than the values have, enough to tell them apart, and values are
// counted by the very bounds that are shown: low <= value < high, and value <= high in the last.
#include "server/block_characters.hpp"
#include "server/postgres.hpp"
#include "statistics/statistics.hpp"

namespace listing_stats {

namespace {

constexpr int max_buckets = 100000;

Numeric
bound_of(Numeric lowest, Numeric highest, int number, int buckets, int scale)
{
	int decimals = scale + 2;
	for (int rest = buckets; rest >= 10; rest /= 10)
		++decimals;
	Numeric bound = interpolate(lowest, highest,
	                            divide(make_numeric(number, 0), make_numeric(buckets, 0)), scale);
	bound = DatumGetNumeric(
		DirectFunctionCall2(numeric_round, NumericGetDatum(bound), Int32GetDatum(decimals)));
	return show_scale(trim_scale(bound), scale);
}

// HistogramBuckets, in ascending order: one if all values are equal, none without values.  Numbers
// can have a hundred thousand digits, so there is memory for one bucket at a time.
class HistogramBuckets
{
public:
	HistogramBuckets(Datum distribution, int wanted);

	int count() const { return count_; }
	bool next();

	// Of the bucket that next() went to; until it is called again.
	Numeric low() const { return low_; }
	Numeric high() const { return high_; }
	int64 values() const { return values_; }

private:
	Numeric end_of_bucket(std::size_t &run_after);

	Ranking ranking_;
	MemoryContext scratch_;
	int count_;
	int number_ = 0;
	std::size_t run_ = 0;
	Numeric lowest_ = nullptr;
	Numeric highest_ = nullptr;
	Numeric low_ = nullptr;
	Numeric high_ = nullptr;
	int64 values_ = 0;
};

static_assert(std::is_trivially_destructible_v<HistogramBuckets>);

HistogramBuckets::HistogramBuckets(Datum distribution, int wanted)
{
	if (wanted < 1 || wanted > max_buckets)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("number of buckets must be between 1 and %d", max_buckets)));
	ranking_ = rank(distribution);
	scratch_ =
		AllocSetContextCreate(CurrentMemoryContext, "listing_stats bucket", ALLOCSET_DEFAULT_SIZES);
	count_ = ranking_.run_count < 2 ? static_cast<int>(ranking_.run_count) : wanted;
	if (count_ == 0)
		return;
	lowest_ = value_of(ranking_, 0);
	highest_ = value_of(ranking_, ranking_.run_count - 1);
}

Numeric
HistogramBuckets::end_of_bucket(std::size_t &run_after)
{
	run_after = ranking_.run_count;
	if (number_ == count_)
		return highest_;
	MemoryContext before = MemoryContextSwitchTo(scratch_);
	Numeric bound = bound_of(lowest_, highest_, number_, count_, ranking_.scale);
	run_after = runs_below(ranking_, bound);
	MemoryContextSwitchTo(before);
	bound = DatumGetNumericCopy(NumericGetDatum(bound));
	MemoryContextReset(scratch_);
	return bound;
}

bool
HistogramBuckets::next()
{
	CHECK_FOR_INTERRUPTS();
	if (number_ == count_)
		return false;
	++number_;
	if (low_ != nullptr && low_ != lowest_)
		pfree(low_);
	low_ = number_ == 1 ? lowest_ : high_;
	std::size_t run_after = 0;
	high_ = end_of_bucket(run_after);
	for (values_ = 0; run_ < run_after; ++run_)
	{
		if (run_ % values_between_checks == 0)
			CHECK_FOR_INTERRUPTS();
		values_ += ranking_.count_of(run_);
	}
	return true;
}

// Which block stands for a count, relative to the highest one: at least the lowest if it is not
// zero.
int
block_of(int64 count, int64 highest)
{
	if (count == 0)
		return 0;
	const Int128 scaled = static_cast<Int128>(count) * full_block;
	return std::max(1, static_cast<int>((scaled + highest / 2) / highest));
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_histogram)
{
	HistogramBuckets buckets(PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	InitMaterializedSRF(fcinfo, 0);
	auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	while (buckets.next())
	{
		Datum values[] = {NumericGetDatum(buckets.low()), NumericGetDatum(buckets.high()),
		                  Int64GetDatum(buckets.values())};
		bool nulls[3] = {};
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_NULL();
}

LISTING_STATS_FUNCTION(listing_stats_sparkline)
{
	const char *const *blocks = block_characters();
	HistogramBuckets buckets(PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	auto *counts = static_cast<int64 *>(palloc(sizeof(int64) * static_cast<Size>(buckets.count())));
	int64 highest = 0;
	for (int i = 0; buckets.next(); ++i)
	{
		counts[i] = buckets.values();
		highest = std::max(highest, counts[i]);
	}
	StringInfoData line;
	initStringInfo(&line);
	for (int i = 0; i < buckets.count(); ++i)
		appendStringInfoString(&line, blocks[block_of(counts[i], highest)]);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(line.data, line.len));
}

}  // namespace listing_stats
