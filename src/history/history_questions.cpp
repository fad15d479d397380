// The questions on a price_history that have one answer: prices as exact numerics, times, counts,
// and lengths of time in days of 24 hours.
//
// The answer is NULL for a history that is NULL, and where there is none: no steps, none in the
// window, no price then.  "since" and "until" bound a window [since, until); NULL leaves a side
// open, except where the end decides: there it is the time of the last step.
//
//     time_weighted_average  sum(price * length) / sum(length), over what has a price
//     availability           length of what has a price / length of all
//     price_drop_percent     100 * (previous - latest) / previous
#include "core/step_questions.hpp"

#include "history/history_state.hpp"
#include "server/postgres.hpp"

namespace listing_stats {

namespace {

constexpr UInt128 microseconds_per_day = USECS_PER_DAY;

Datum
answer_price(FunctionCallInfo fcinfo, const History &history, int64 price)
{
	if (price == no_price)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(price_numeric(history.prices, price));
}

// The arguments "since" and "until"; NULL leaves a side open.
Window
window_argument(FunctionCallInfo fcinfo)
{
	Window window = always;
	if (!PG_ARGISNULL(1))
		window.since = PG_GETARG_TIMESTAMPTZ(1);
	if (!PG_ARGISNULL(2))
	{
		window.until = PG_GETARG_TIMESTAMPTZ(2);
		window.has_end = true;
	}
	return window;
}

// The same for what has to end: NULL is the time of the last step.
Window
ended_window_argument(FunctionCallInfo fcinfo, const History &history)
{
	Window window = window_argument(fcinfo);
	if (!window.has_end && history.count > 0)
	{
		window.until = last_time(history);
		window.has_end = true;
	}
	return window;
}

Datum
answer_extreme(FunctionCallInfo fcinfo, int sign, bool wants_time)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	const History history = history_of(PG_GETARG_DATUM(0));
	Step step = {};
	if (!extreme_in(history, window_argument(fcinfo), sign, step))
		PG_RETURN_NULL();
	if (wants_time)
		PG_RETURN_TIMESTAMPTZ(step.at);
	return answer_price(fcinfo, history, step.price);
}

// Numerics end before 10^131072, their products and sums too.  If a price is so large that it does
// not leave room for all microseconds that there are, 20 digits, they are weighted as parts of
// 10^20.
int
scale_of_lengths(const History &history, const Window &window)
{
	constexpr int digits = 20;
	constexpr int greatest_weight = (131072 - digits) / 4 - 1;
	int scale = 0;
	for_each_piece(history, window, [&](const Step &step, int64, int64) {
		unsigned char scratch[max_encoded_size];
		if (is_wide(step.price) &&
		    decimal_of(history.prices, step.price, scratch).weight > greatest_weight)
			scale = digits;
	});
	return scale;
}

// The mean where one of the prices is wide.
Numeric
wide_average(const History &history, const Window &window, UInt128 known)
{
	const int scale = scale_of_lengths(history, window);
	Numeric sum = make_numeric(0, 0);
	for_each_piece(history, window, [&](const Step &step, int64 from, int64 to) {
		CHECK_FOR_INTERRUPTS();
		if (step.price == no_price)
			return;
		Numeric length = make_numeric(static_cast<Int128>(to) - from, scale);
		Numeric part = multiply(price_numeric(history.prices, step.price), length);
		Numeric next = add(sum, part);
		pfree(sum);
		pfree(part);
		pfree(length);
		sum = next;
	});
	Numeric average = divide(sum, make_numeric(static_cast<Int128>(known), scale));
	return scale > 0 ? trim_scale(average) : average;  // decimals that only the weights have had
}

Numeric
price_difference(const Prices &prices, int64 from, int64 to)
{
	if (is_scaled(from) && is_scaled(to))
		return make_numeric(static_cast<Int128>(from) - to, prices.scale);
	return subtract(price_numeric(prices, from), price_numeric(prices, to));
}

// Days of 24 hours since a time.
Datum
answer_days(FunctionCallInfo fcinfo, int64 since)
{
	const TimestampTz now = PG_GETARG_TIMESTAMPTZ(1);
	if (TIMESTAMP_NOT_FINITE(now) || TIMESTAMP_NOT_FINITE(since) || now < since)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(divide(static_cast<Int128>(now) - since, 0, microseconds_per_day));
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_history_count)
{
	PG_RETURN_INT64(history_of(PG_GETARG_DATUM(0)).count);
}

LISTING_STATS_FUNCTION(listing_stats_history_latest)
{
	const History history = history_of(PG_GETARG_DATUM(0));
	Step step = {};
	if (!last_step(history, step))
		PG_RETURN_NULL();
	return answer_price(fcinfo, history, step.price);
}

LISTING_STATS_FUNCTION(listing_stats_history_latest_at)
{
	const History history = history_of(PG_GETARG_DATUM(0));
	if (history.count == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(last_time(history));
}

LISTING_STATS_FUNCTION(listing_stats_history_first_price)
{
	const History history = history_of(PG_GETARG_DATUM(0));
	Step step = {};
	if (!first_known(history, step))
		PG_RETURN_NULL();
	return answer_price(fcinfo, history, step.price);
}

LISTING_STATS_FUNCTION(listing_stats_history_first_at)
{
	Step step = {};
	if (!first_step(history_of(PG_GETARG_DATUM(0)), step))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(step.at);
}

LISTING_STATS_FUNCTION(listing_stats_history_previous)
{
	const History history = history_of(PG_GETARG_DATUM(0));
	return answer_price(fcinfo, history, latest_and_previous(history).previous);
}

LISTING_STATS_FUNCTION(listing_stats_history_price_at)
{
	const History history = history_of(PG_GETARG_DATUM(0));
	Step step = {};
	if (!step_at(history, PG_GETARG_TIMESTAMPTZ(1), step))
		PG_RETURN_NULL();
	return answer_price(fcinfo, history, step.price);
}

LISTING_STATS_FUNCTION(listing_stats_history_lowest)
{
	return answer_extreme(fcinfo, -1, false);
}

LISTING_STATS_FUNCTION(listing_stats_history_lowest_at)
{
	return answer_extreme(fcinfo, -1, true);
}

LISTING_STATS_FUNCTION(listing_stats_history_highest)
{
	return answer_extreme(fcinfo, 1, false);
}

LISTING_STATS_FUNCTION(listing_stats_history_highest_at)
{
	return answer_extreme(fcinfo, 1, true);
}

LISTING_STATS_FUNCTION(listing_stats_history_average)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	const History history = history_of(PG_GETARG_DATUM(0));
	const Window window = ended_window_argument(fcinfo, history);
	const Durations durations = durations_in(history, window);
	if (durations.endless || durations.known == 0)
		PG_RETURN_NULL();
	if (durations.wide)
		PG_RETURN_NUMERIC(wide_average(history, window, durations.known));
	PG_RETURN_NUMERIC(divide(durations.sum, history.prices.scale, durations.known));
}

LISTING_STATS_FUNCTION(listing_stats_history_availability)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	const History history = history_of(PG_GETARG_DATUM(0));
	const Durations durations = durations_in(history, ended_window_argument(fcinfo, history));
	if (durations.endless || durations.total == 0)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(divide(static_cast<Int128>(durations.known), 0, durations.total));
}

LISTING_STATS_FUNCTION(listing_stats_history_changes)
{
	PG_RETURN_INT64(changes_of(history_of(PG_GETARG_DATUM(0)), PG_GETARG_BOOL(1)).count);
}

LISTING_STATS_FUNCTION(listing_stats_history_last_change)
{
	const Changes changes = changes_of(history_of(PG_GETARG_DATUM(0)), PG_GETARG_BOOL(1));
	if (changes.count == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(changes.last_at);
}

LISTING_STATS_FUNCTION(listing_stats_history_price_drop)
{
	const History history = history_of(PG_GETARG_DATUM(0));
	const LatestAndPrevious prices = latest_and_previous(history);
	if (prices.latest == no_price || prices.previous == no_price)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(price_difference(history.prices, prices.previous, prices.latest));
}

LISTING_STATS_FUNCTION(listing_stats_history_price_drop_percent)
{
	const History history = history_of(PG_GETARG_DATUM(0));
	const LatestAndPrevious prices = latest_and_previous(history);
	if (prices.latest == no_price || prices.previous == no_price)
		PG_RETURN_NULL();
	Numeric previous = price_numeric(history.prices, prices.previous);
	if (compare(previous, make_numeric(0, 0)) == 0)
		PG_RETURN_NULL();
	Numeric difference = price_difference(history.prices, prices.previous, prices.latest);
	PG_RETURN_NUMERIC(divide(multiply(make_numeric(100, 0), difference), previous));
}

LISTING_STATS_FUNCTION(listing_stats_history_is_lowest)
{
	const History history = history_of(PG_GETARG_DATUM(0));
	const LowestAndLatest prices = lowest_and_latest(history);
	if (prices.latest == no_price)
		PG_RETURN_NULL();
	PG_RETURN_BOOL(compare_prices(history.prices, prices.latest, prices.lowest) == 0);
}

LISTING_STATS_FUNCTION(listing_stats_history_days_at_price)
{
	Step step = {};
	if (!start_of_latest(history_of(PG_GETARG_DATUM(0)), step) || step.price == no_price)
		PG_RETURN_NULL();
	return answer_days(fcinfo, step.at);
}

LISTING_STATS_FUNCTION(listing_stats_history_days_on_market)
{
	Step first = {};
	if (!first_step(history_of(PG_GETARG_DATUM(0)), first))
		PG_RETURN_NULL();
	return answer_days(fcinfo, first.at);
}

}  // namespace listing_stats
