// Questions on a price_history that take a window of calendar time: candles() (the prices when each
// width of time opens and closes, the highest and the lowest), series(), sparkline(), and
// prior_price(), which is article 6a of directive 98/6/EC as arithmetic.
//
// Without a history, a width or a step there is nothing: no rows, no line, or a row of NULLs.  A
// bound that is NULL is the first step, or now or the last step.  An unavailable price is NULL.
//
// Widths of months and days begin at midnight in the session's time zone: months as
// date_trunc('month') counts them, several from January of year 0, so that quarters and years are
// the calendar's; days as date_trunc('day'), several from Monday 2000-01-03, so that seven are the
// weeks of date_trunc('week').  Where the clock shows a midnight twice the first is meant, where it
// skips it the moment of that.  Shorter widths are fixed lengths of time from 2000-01-03 00:00 UTC,
// as date_bin() has them.
#include "core/step_questions.hpp"

#include "history/history_state.hpp"
#include "server/block_characters.hpp"
#include "server/postgres.hpp"

namespace listing_stats {

namespace {

constexpr int64 origin = 2 * USECS_PER_DAY;  // 2000-01-03 00:00 UTC
constexpr int64 origin_day = POSTGRES_EPOCH_JDATE + 2;
constexpr int64 before_all_times = INT64_MIN + 1;  // except -infinity
constexpr int64 end_of_time = INT64_MAX;
constexpr int longest_sparkline = 1000;

int64
floor_divide(int64 value, int64 divisor)
{
	return value / divisor - (value % divisor < 0 ? 1 : 0);
}

// Whether there may be timestamps in a year, or on a Julian day; the server's functions take no
// others.
bool
is_year(int64 year)
{
	return year >= -4714 && year <= 294277;
}

bool
is_day(int64 day)
{
	return day >= -1 && day <= TIMESTAMP_END_JULIAN + 1;
}

// When the clock of the session's time zone first shows the midnight that begins a day, or a later
// time.  DetermineTimeZoneOffset() finds the second of two such midnights, which is after what the
// clock shows between them.  False: out of the range of timestamps.
bool
first_midnight(int64 julian_day, int64 *start)
{
	const pg_time_t shown = (julian_day - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	pg_time_t from = shown - int64{8} * SECS_PER_DAY;  // zones differ from UTC by a week at most
	for (;;)
	{
		long int offset = 0;
		long int next_offset = 0;
		int is_dst = 0;
		pg_time_t change = 0;
		const int changes = pg_next_dst_boundary(&from, &offset, &is_dst, &change, &next_offset,
		                                         &is_dst, session_timezone);
		from = Max(from, shown - (changes < 0 ? 0 : offset));
		if (changes <= 0 || from < change)
			break;
		from = change;
	}
	from -= int64{POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE} * SECS_PER_DAY;
	return !__builtin_mul_overflow(from, USECS_PER_SEC, start) && IS_VALID_TIMESTAMP(*start);
}

// Time cut into buckets of one width, walked through from one of them on.
class TimeBuckets
{
public:
	explicit TimeBuckets(const Interval *width);

	// Goes to the bucket of a finite time, and says when that starts: no earlier than timestamps
	// do.
	int64 find(int64 time);

	// Goes to the next bucket.  end_of_time: there is none.
	int64 next();

private:
	int64 index_of(int64 time) const;
	bool start_of_index(int64 index, int64 *start) const;

	int64 months_;
	int64 days_;
	int64 microseconds_;
	int64 index_ = 0;
	int64 start_ = 0;
};

TimeBuckets::TimeBuckets(const Interval *width)
	: months_(width->month), days_(width->day), microseconds_(width->time)
{
	if (months_ < 0 || days_ < 0 || microseconds_ < 0 ||
	    (months_ == 0 && days_ == 0 && microseconds_ == 0))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("width of candles must be positive")));
	if ((months_ != 0) + (days_ != 0) + (microseconds_ != 0) > 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("width of candles must be of months, of days, or of a time, not of "
		                       "several of these"),
		                errhint("For days of 24 hours write interval '24 hours'.")));
}

// How many widths lie before what the clock shows at that time.
int64
TimeBuckets::index_of(int64 time) const
{
	if (microseconds_ != 0)
		return floor_divide(time - origin, microseconds_);
	struct pg_tm fields = {};
	fsec_t fraction = 0;
	int zone = 0;
	if (timestamp2tm(time, &zone, &fields, &fraction, nullptr, nullptr) != 0)
		ereport(ERROR,
		        (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	if (months_ != 0)
		return floor_divide(int64{fields.tm_year} * MONTHS_PER_YEAR + fields.tm_mon - 1, months_);
	return floor_divide(date2j(fields.tm_year, fields.tm_mon, fields.tm_mday) - origin_day, days_);
}

// False: out of the range of timestamps.
bool
TimeBuckets::start_of_index(int64 index, int64 *start) const
{
	if (microseconds_ != 0)
		return !__builtin_mul_overflow(index, microseconds_, start) &&
		       !__builtin_add_overflow(*start, origin, start) && IS_VALID_TIMESTAMP(*start);
	if (days_ != 0)
	{
		const int64 day = origin_day + index * days_;
		return is_day(day) && first_midnight(day, start);
	}
	const int64 year = floor_divide(index * months_, MONTHS_PER_YEAR);
	const int64 month = index * months_ - year * MONTHS_PER_YEAR + 1;
	return is_year(year) &&
	       first_midnight(date2j(static_cast<int>(year), static_cast<int>(month), 1), start);
}

int64
TimeBuckets::find(int64 time)
{
	index_ = index_of(time);
	if (!start_of_index(index_, &start_))
		start_ = MIN_TIMESTAMP;
	// The clock may have shown the next one's midnight before it was set back.
	int64 start = 0;
	while (start_of_index(index_ + 1, &start) && start <= time)
	{
		++index_;
		start_ = start;
	}
	return start_;
}

int64
TimeBuckets::next()
{
	int64 start = 0;
	do
	{
		if (!start_of_index(++index_, &start))
			return end_of_time;
	} while (start <= start_);  // a day that the clock skipped
	return start_ = start;
}

[[noreturn]] void
report_endless(const char *argument)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the window is not finite"),
	                errhint("Give a finite time as \"%s\".", argument)));
	pg_unreachable();
}

// The arguments "since" and "until" of a history that has steps.  NULL: from the first step; up to
// now, or to the last step if that is later.  (A transaction that has just written a price may have
// begun before its time.)
struct WindowBounds
{
	int64 since;
	int64 until;
	bool until_is_last;  // and that step counts
};

WindowBounds
bounds_argument(FunctionCallInfo fcinfo, const History &history)
{
	Step first = {};
	if (!first_step(history, first))
		report_damaged_history();
	const int64 since = PG_ARGISNULL(2) ? first.at : PG_GETARG_TIMESTAMPTZ(2);
	if (!PG_ARGISNULL(3))
		return WindowBounds{since, PG_GETARG_TIMESTAMPTZ(3), false};
	const int64 last = last_time(history);
	const int64 now = GetCurrentTransactionStartTimestamp();
	return WindowBounds{since, Max(last, now), last >= now};
}

WindowBounds
finite_bounds_argument(FunctionCallInfo fcinfo, const History &history)
{
	const WindowBounds bounds = bounds_argument(fcinfo, history);
	if (TIMESTAMP_NOT_FINITE(bounds.since))
		report_endless("since");
	if (TIMESTAMP_NOT_FINITE(bounds.until))
		report_endless("until");
	return bounds;
}

// What is in force as time goes on.
class Follower
{
public:
	explicit Follower(const History &history) : reader_(history), more_(reader_.next(next_)) {}

	int64 price() const { return price_; }

	// Goes to the next step if it is before "end", or with "inclusive" at it.
	bool advance(int64 end, bool inclusive)
	{
		if (!more_ || next_.at > end || (!inclusive && next_.at == end))
			return false;
		price_ = next_.price;
		more_ = reader_.next(next_);
		return true;
	}

private:
	StepReader reader_;
	Step next_ = {};
	bool more_;
	int64 price_ = no_price;
};

struct Candle
{
	int64 open = no_price;
	int64 high = no_price;
	int64 low = no_price;
	int64 close = no_price;

	void add(const Prices &prices, int64 price)
	{
		if (price == no_price)
			return;
		if (open == no_price)
			open = high = low = price;
		if (compare_prices(prices, price, high) > 0)
			high = price;
		if (compare_prices(prices, price, low) < 0)
			low = price;
		close = price;
	}
};

void
put_row(ReturnSetInfo *result, const Prices &prices, int64 time, const int64 *price, int count)
{
	Datum values[5] = {TimestampTzGetDatum(time)};
	bool nulls[5] = {};
	for (int i = 0; i < count; ++i)
	{
		nulls[1 + i] = price[i] == no_price;
		if (price[i] != no_price)
			values[1 + i] = NumericGetDatum(price_numeric(prices, price[i]));
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	for (int i = 0; i < count; ++i)
		if (!nulls[1 + i])
			pfree(DatumGetPointer(values[1 + i]));
}

bool
is_positive(const Interval *interval)
{
	Interval zero = {};
	return DatumGetInt32(DirectFunctionCall2(interval_cmp, IntervalPGetDatum(interval),
	                                         IntervalPGetDatum(&zero))) > 0;
}

// A time with an interval added or, if "sign" is -1, subtracted, as the server does it.  False: out
// of the range of timestamps, where the server raises an error.
bool
shift(int64 time, int sign, const Interval *interval, int64 *result)
{
	*result = time;
	if (TIMESTAMP_NOT_FINITE(time))
		return true;
	struct pg_tm fields = {};
	fsec_t fraction = 0;
	int zone = 0;
	if (interval->month != 0)
	{
		if (timestamp2tm(*result, &zone, &fields, &fraction, nullptr, nullptr) != 0)
			return false;
		const int64 months = int64{fields.tm_year} * MONTHS_PER_YEAR + fields.tm_mon - 1 +
		                     int64{interval->month} * sign;
		const int64 year = floor_divide(months, MONTHS_PER_YEAR);
		if (!is_year(year))
			return false;
		fields.tm_year = static_cast<int>(year);
		fields.tm_mon = static_cast<int>(months - year * MONTHS_PER_YEAR) + 1;
		fields.tm_mday = Min(fields.tm_mday, day_tab[isleap(fields.tm_year)][fields.tm_mon - 1]);
		zone = DetermineTimeZoneOffset(&fields, session_timezone);
		if (tm2timestamp(&fields, fraction, &zone, result) != 0)
			return false;
	}
	if (interval->day != 0)
	{
		if (timestamp2tm(*result, &zone, &fields, &fraction, nullptr, nullptr) != 0)
			return false;
		const int64 day =
			date2j(fields.tm_year, fields.tm_mon, fields.tm_mday) + int64{interval->day} * sign;
		if (!is_day(day))
			return false;
		j2date(static_cast<int>(day), &fields.tm_year, &fields.tm_mon, &fields.tm_mday);
		zone = DetermineTimeZoneOffset(&fields, session_timezone);
		if (tm2timestamp(&fields, fraction, &zone, result) != 0)
			return false;
	}
	int64 microseconds = 0;
	return !__builtin_mul_overflow(interval->time, sign, &microseconds) &&
	       !__builtin_add_overflow(*result, microseconds, result) && IS_VALID_TIMESTAMP(*result);
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_history_candles)
{
	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	const History history = history_of(PG_GETARG_DATUM(0));
	TimeBuckets buckets(PG_GETARG_INTERVAL_P(1));
	if (history.count == 0)
		PG_RETURN_NULL();
	WindowBounds bounds = finite_bounds_argument(fcinfo, history);
	if (bounds.until_is_last)
		++bounds.until;
	if (bounds.since >= bounds.until)
		PG_RETURN_NULL();

	Follower follower(history);
	int64 end = 0;
	for (int64 start = buckets.find(bounds.since); start < bounds.until; start = end)
	{
		CHECK_FOR_INTERRUPTS();
		Candle candle;
		end = buckets.next();
		const int64 from = Max(start, bounds.since);
		const int64 to = Min(end, bounds.until);
		while (follower.advance(from, true))
			continue;
		candle.add(history.prices, follower.price());
		while (follower.advance(to, false))
			candle.add(history.prices, follower.price());
		const int64 prices[] = {candle.open, candle.high, candle.low, candle.close};
		put_row(result, history.prices, start, prices, 4);
	}
	PG_RETURN_NULL();
}

LISTING_STATS_FUNCTION(listing_stats_history_series)
{
	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	const History history = history_of(PG_GETARG_DATUM(0));
	const Interval *step = PG_GETARG_INTERVAL_P(1);
	if (!is_positive(step))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("step of a series must be positive")));
	if (history.count == 0)
		PG_RETURN_NULL();
	const WindowBounds bounds = finite_bounds_argument(fcinfo, history);

	Follower follower(history);
	int64 next = 0;
	for (int64 time = bounds.since; time <= bounds.until; time = next)
	{
		CHECK_FOR_INTERRUPTS();
		while (follower.advance(time, true))
			continue;
		const int64 price = follower.price();
		put_row(result, history.prices, time, &price, 1);
		if (!shift(time, 1, step, &next))
			break;
		if (next <= time)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			                errmsg("step of a series must be positive")));
	}
	PG_RETURN_NULL();
}

LISTING_STATS_FUNCTION(listing_stats_history_sparkline)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	const History history = history_of(PG_GETARG_DATUM(0));
	const int width = PG_GETARG_INT32(1);
	if (width < 1 || width > longest_sparkline)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("width of a sparkline must be between 1 and %d, not %d",
		                       longest_sparkline, width)));
	double prices[longest_sparkline];
	unsigned char cells[longest_sparkline];
	const WindowBounds bounds =
		history.count == 0 ? WindowBounds{} : bounds_argument(fcinfo, history);
	draw(history, bounds.since, bounds.until, prices, cells, static_cast<std::size_t>(width),
	     full_block);
	const char *const *blocks = block_characters();
	auto *line = static_cast<char *>(palloc(VARHDRSZ + longest_block * static_cast<Size>(width)));
	char *out = VARDATA(line);
	for (int i = 0; i < width; ++i)
	{
		const char *block = blocks[cells[i]];
		const Size size = IS_HIGHBIT_SET(*block) ? longest_block : 1;
		memcpy(out, block, size);
		out += size;
	}
	SET_VARSIZE(line, out - line);
	PG_RETURN_TEXT_P(line);
}

LISTING_STATS_FUNCTION(listing_stats_history_prior_price)
{
	TupleDesc type = nullptr;
	if (get_call_result_type(fcinfo, nullptr, &type) != TYPEFUNC_COMPOSITE || type->natts != 4)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
		                errmsg("prior_price() does not return what it was created to return")));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	const History history = history_of(PG_GETARG_DATUM(0));
	const Interval *within = PG_GETARG_INTERVAL_P(2);
	if (!is_positive(within))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("the time within which a prior price is looked for must be "
		                       "positive")));
	const Reduction reduction = last_reduction(history);
	if (PG_ARGISNULL(1) && !reduction.found)
		PG_RETURN_NULL();
	const int64 reduced_at = !PG_ARGISNULL(1)    ? PG_GETARG_TIMESTAMPTZ(1)
	                         : PG_GETARG_BOOL(3) ? reduction.first_at
	                                             : reduction.at;
	int64 since = 0;
	if (!shift(reduced_at, -1, within, &since))
		since = before_all_times;

	Step lowest = {};
	Step first = {};
	const bool found = extreme_in(history, {since, reduced_at, true}, -1, lowest);
	const bool covered = first_step(history, first) && first.at <= since;
	Datum values[4] = {0, TimestampTzGetDatum(lowest.at), BoolGetDatum(covered),
	                   TimestampTzGetDatum(reduced_at)};
	bool nulls[4] = {!found, !found, false, false};
	if (found)
		values[0] = NumericGetDatum(price_numeric(history.prices, lowest.price));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(type), values, nulls)));
}

}  // namespace listing_stats
