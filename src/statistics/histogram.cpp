// How the finite values of a distribution spread: as rows, as a line of blocks, as text for psql.
//
// Buckets are equally wide, from the lowest finite value to the highest.  Their bounds are rounded
// to some decimals more than the values have, enough to tell them apart, and values are counted by
// the very bounds that are shown: low <= value < high, and value <= high in the last.
#include "server/block_characters.hpp"
#include "server/postgres.hpp"
#include "statistics/statistics.hpp"

namespace listing_stats {

namespace {

constexpr int max_buckets = 100000;

// Of histogram_text(): blocks of a bar, and bytes of what is in a line but the bounds.
constexpr int bar_width = 40;
constexpr Size max_rest_of_line = longest_block * bar_width + 32;

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

// Buckets, in ascending order: one if all values are equal, none without values.  Numbers can have
// a hundred thousand digits, so there is memory for one bucket at a time.
class Buckets
{
public:
	Buckets(Datum distribution, int wanted);

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

static_assert(std::is_trivially_destructible_v<Buckets>);

Buckets::Buckets(Datum distribution, int wanted)
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
Buckets::end_of_bucket(std::size_t &run_after)
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
Buckets::next()
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
		values_ += ranking_.count_of(run_);
	return true;
}

// How many values each bucket has, and how many the fullest.
struct Bars
{
	int64 *values;
	int64 highest;

	explicit Bars(int count)
		: values(static_cast<int64 *>(palloc(sizeof(int64) * static_cast<Size>(count)))), highest(0)
	{
	}
	void set(int bucket, int64 count)
	{
		values[bucket] = count;
		highest = std::max(highest, count);
	}
};

// A count relative to the highest one, in so many steps; at least one if it is not zero.
int
steps_of(int64 count, int64 highest, int steps)
{
	if (count == 0)
		return 0;
	const Int128 scaled = static_cast<Int128>(count) * steps;
	return std::max(1, static_cast<int>((scaled + highest / 2) / highest));
}

// The bounds of buckets as text, each once, and how wide they are on either side.
struct Bounds
{
	StringInfoData text;
	int *ends;
	int buckets;
	int appended;
	int low_width;
	int high_width;

	explicit Bounds(int count)
		: text(),
		  ends(static_cast<int *>(palloc(sizeof(int) * static_cast<Size>(count + 1)))),
		  buckets(count),
		  appended(0),
		  low_width(0),
		  high_width(0)
	{
		initStringInfo(&text);
	}
	void append(Numeric bound);
	void write(StringInfo line, int number, int width) const;
};

// Error 54000: the lines will not fit a text, which takes up to a gigabyte.
void
Bounds::append(Numeric bound)
{
	char *bytes = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(bound)));
	const int size = static_cast<int>(strlen(bytes));
	if (appended < buckets)
		low_width = std::max(low_width, size);
	if (appended > 0)
		high_width = std::max(high_width, size);
	if (static_cast<Size>(buckets) *
	        (static_cast<Size>(low_width + high_width) + max_rest_of_line) >
	    MaxAllocSize)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("histogram of %d buckets is too long for one text", buckets),
		                errhint("Fewer buckets take less; histogram() gives them as rows.")));
	appendBinaryStringInfo(&text, bytes, size);
	pfree(bytes);
	ends[appended++] = text.len;
}

void
Bounds::write(StringInfo line, int number, int width) const
{
	const int start = number == 0 ? 0 : ends[number - 1];
	appendStringInfoSpaces(line, width - (ends[number] - start));
	appendBinaryStringInfo(line, text.data + start, ends[number] - start);
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_histogram)
{
	Buckets buckets(PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
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
	Buckets buckets(PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	Bars bars(buckets.count());
	for (int i = 0; buckets.next(); ++i)
		bars.set(i, buckets.values());
	StringInfoData line;
	initStringInfo(&line);
	for (int i = 0; i < buckets.count(); ++i)
		appendStringInfoString(&line, blocks[steps_of(bars.values[i], bars.highest, full_block)]);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(line.data, line.len));
}

// A line for each bucket: its bounds, a bar, how many.
LISTING_STATS_FUNCTION(listing_stats_histogram_text)
{
	const char *block = block_characters()[full_block];
	Buckets buckets(PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
	Bars bars(buckets.count());
	Bounds bounds(buckets.count());
	for (int i = 0; buckets.next(); ++i)
	{
		bars.set(i, buckets.values());
		if (i == 0)
			bounds.append(buckets.low());
		bounds.append(buckets.high());
	}
	StringInfoData text;
	initStringInfo(&text);
	for (int i = 0; i < buckets.count(); ++i)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			appendStringInfoChar(&text, '\n');
		bounds.write(&text, i, bounds.low_width);
		appendStringInfoString(&text, " .. ");
		bounds.write(&text, i + 1, bounds.high_width);
		appendStringInfoString(&text, "  ");
		for (int step = steps_of(bars.values[i], bars.highest, bar_width); step > 0; --step)
			appendStringInfoString(&text, block);
		appendStringInfo(&text, " " INT64_FORMAT, bars.values[i]);
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}

}  // namespace listing_stats
