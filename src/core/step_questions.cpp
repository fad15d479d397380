// The questions on a history, each one pass over its steps.
#include "core/step_questions.hpp"

namespace listing_stats {

namespace {

double
approximate_price(const Prices &prices, std::int64_t price) noexcept
{
	if (price == no_price)
		return __builtin_nan("");
	if (is_scaled(price) && prices.scale <= max_scale)
		return static_cast<double>(price) / static_cast<double>(powers_of_ten[prices.scale]);
	unsigned char scratch[max_encoded_size];
	return approximate(decimal_of(prices, price, scratch));
}

// Where in its range a value is.
unsigned char
level_of(double value, double low, double high, int levels) noexcept
{
	if (value != value)
		return 0;
	if (value <= low)
	{
		const bool lowest = low < high || (low == high && value < low);
		return static_cast<unsigned char>(lowest ? 1 : (levels + 1) / 2);
	}
	if (value >= high)
		return static_cast<unsigned char>(levels);
	// Halved first: the range of doubles is no double.
	const double part = (value / 2 - low / 2) / (high / 2 - low / 2);
	return static_cast<unsigned char>(std::min(1 + static_cast<int>(part * levels), levels));
}

}  // namespace

bool
first_step(const History &history, Step &step) noexcept
{
	return StepReader(history).next(step);
}

bool
last_step(const History &history, Step &step) noexcept
{
	if (history.rows != nullptr && history.count > 0)
	{
		step = Step{history.rows[history.count - 1].at, history.rows[history.count - 1].price};
		return true;
	}
	StepReader reader(history);
	while (reader.next(step))
	{
	}
	return history.count > 0;
}

std::int64_t
last_time(const History &history) noexcept
{
	if (history.rows != nullptr)
		return history.rows[history.count - 1].at;
	BitReader times(history.times.data, history.times.size);
	auto at = static_cast<std::uint64_t>(history.first_at);
	for (std::uint32_t i = 1; i < history.count; ++i)
	{
		if (i % between_checks == 0)
			history.check_interrupts();
		at += (times.rice(history.time_order) + 1) * history.unit;
	}
	return static_cast<std::int64_t>(at);
}

bool
step_at(const History &history, std::int64_t time, Step &step) noexcept
{
	StepReader reader(history);
	Step next = {};
	bool found = false;
	while (reader.next(next) && next.at <= time)
	{
		step = next;
		found = true;
	}
	return found;
}

bool
first_known(const History &history, Step &step) noexcept
{
	StepReader reader(history);
	while (reader.next(step))
		if (step.price != no_price)
			return true;
	return false;
}

bool
extreme_in(const History &history, const Window &window, int sign, Step &step) noexcept
{
	bool found = false;
	const auto take = [&](const Step &next) {
		if (next.price == no_price)
			return;
		if (!found || sign * compare_prices(history.prices, next.price, step.price) > 0)
			step = next;
		found = true;
	};
	if (window.since == always.since && !window.has_end)
	{
		StepReader reader(history);
		Step next = {};
		while (reader.next(next))
			take(next);
		return found;
	}
	for_each_piece(history, window,
	               [&](const Step &next, std::int64_t, std::int64_t) { take(next); });
	return found;
}

LatestAndPrevious
latest_and_previous(const History &history) noexcept
{
	// The last two known prices that differ; what follows them without a price changes neither.
	StepReader reader(history);
	Step step = {};
	LatestAndPrevious answer = {no_price, no_price};
	std::int64_t last_known = no_price;
	step.price = no_price;
	while (reader.next(step))
	{
		if (step.price == no_price ||
		    (last_known != no_price && compare_prices(history.prices, step.price, last_known) == 0))
			continue;
		answer.previous = last_known;
		last_known = step.price;
	}
	answer.latest = history.count > 0 ? step.price : no_price;
	if (answer.latest == no_price)
		answer.previous = last_known;
	return answer;
}

bool
start_of_latest(const History &history, Step &step) noexcept
{
	StepReader reader(history);
	Step next = {};
	if (!reader.next(step))
		return false;
	while (reader.next(next))
		if (compare_prices(history.prices, next.price, step.price) != 0)
			step = next;
	return true;
}

LowestAndLatest
lowest_and_latest(const History &history) noexcept
{
	StepReader reader(history);
	Step step = {};
	LowestAndLatest answer = {no_price, no_price};
	while (reader.next(step))
	{
		answer.latest = step.price;
		if (step.price != no_price &&
		    (answer.lowest == no_price ||
		     compare_prices(history.prices, step.price, answer.lowest) < 0))
			answer.lowest = step.price;
	}
	return answer;
}

Changes
changes_of(const History &history, bool across_gaps) noexcept
{
	StepReader reader(history);
	Step step = {};
	std::int64_t before = no_price;
	Changes changes = {0, 0};
	while (reader.next(step))
	{
		if (step.price == no_price && across_gaps)
			continue;
		if (step.price != no_price && before != no_price &&
		    compare_prices(history.prices, step.price, before) != 0)
		{
			++changes.count;
			changes.last_at = step.at;
		}
		before = step.price;
	}
	return changes;
}

Reduction
last_reduction(const History &history) noexcept
{
	StepReader reader(history);
	Step step = {};
	std::int64_t before = no_price;
	Reduction reduction = {false, 0, 0};
	bool in_series = false;
	while (reader.next(step))
	{
		if (step.price == no_price)
			continue;
		const int order =
			before == no_price ? 0 : compare_prices(history.prices, step.price, before);
		if (order < 0)
		{
			if (!in_series)
				reduction.first_at = step.at;
			reduction.at = step.at;
			reduction.found = true;
			in_series = true;
		}
		else if (order > 0)
			in_series = false;
		before = step.price;
	}
	return reduction;
}

Durations
durations_in(const History &history, const Window &window) noexcept
{
	StepReader reader(history);
	Step next = {};
	Durations durations = {};
	bool more = reader.next(next);
	if (!more || (window.has_end && window.until <= window.since))
		return durations;
	const std::int64_t until = window.has_end ? window.until : INT64_MAX;
	// Cut to the window, what is outside has no length.
	std::int64_t from = std::min(std::max(next.at, window.since), until);
	durations.total = difference(until, from);
	durations.endless =
		!window.has_end || (durations.total > 0 && (from == INT64_MIN || until == INT64_MAX));
	if (durations.endless)
		return durations;
	while (more && from < until)
	{
		const std::int64_t price = next.price;
		more = reader.next(next);
		const std::int64_t to = more ? std::min(std::max(next.at, window.since), until) : until;
		const std::uint64_t length = difference(to, from);
		from = to;
		if (is_scaled(price))
		{
			durations.known += length;
			// Prices are below 2^63 and all lengths together below 2^64; where damage has it
			// otherwise the sum is wrong and no more.
			durations.sum = static_cast<Int128>(
				static_cast<UInt128>(durations.sum) +
				static_cast<UInt128>(static_cast<Int128>(price) * static_cast<Int128>(length)));
		}
		else if (price != no_price && length > 0)
		{
			durations.known += length;
			durations.wide = true;
		}
	}
	return durations;
}

void
draw(const History &history, std::int64_t since, std::int64_t until, double *prices,
     unsigned char *cells, std::size_t count, int levels) noexcept
{
	StepReader reader(history);
	Step step = {since, no_price};
	Step next = {};
	std::fill(cells, cells + count, static_cast<unsigned char>(0));
	if (until < since)
		return;

	// A cell ends a span / count after the one before, and what the division leaves adds up.
	auto end = static_cast<std::uint64_t>(since);
	const std::uint64_t span = difference(until, since);
	std::uint64_t left = 0;
	double low = __builtin_inf();
	double high = -__builtin_inf();
	bool more = reader.next(next);
	for (std::size_t i = 0; i < count; ++i)
	{
		end += span / count;
		left += span % count;
		if (left >= count)
		{
			left -= count;
			++end;
		}
		while (more && next.at <= static_cast<std::int64_t>(end))
		{
			step = next;
			more = reader.next(next);
		}
		prices[i] = approximate_price(history.prices, step.price);
		if (prices[i] - prices[i] == 0)
		{
			low = std::min(low, prices[i]);
			high = std::max(high, prices[i]);
		}
	}
	for (std::size_t i = 0; i < count; ++i)
		cells[i] = level_of(prices[i], low, high, levels);
}

}  // namespace listing_stats
