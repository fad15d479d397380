// The questions on a history that need no server: prices in force at times and in windows of time.
// Times are microseconds, prices those of the history, which may be none; what has no answer is
// said to have none.
//
// A window holds the times from "since" up to, not including, "until".  A step is in it if its
// price was in force at any time of it, so the price in force at "since" counts.  The last step is
// in force for ever.
#pragma once

#include "core/history.hpp"

#include <algorithm>

namespace listing_stats {

struct Window
{
	std::int64_t since;  // INT64_MIN: from the beginning
	std::int64_t until;
	bool has_end;  // false: "until" is not looked at
};

constexpr Window always = {INT64_MIN, 0, false};

// Calls take(step, from, to) for each step that is in the window: from the later of its time and
// "since" to the earlier of the next step's time and "until", which is INT64_MAX if there is
// neither.
template <class Take>
[[gnu::always_inline]] inline void
for_each_piece(const History &history, const Window &window, Take take) noexcept
{
	StepReader reader(history);
	Step next = {};
	for (bool more = reader.next(next); more;)
	{
		const Step step = next;
		more = reader.next(next);
		if (more && next.at <= window.since)
			continue;
		const std::int64_t from = std::max(step.at, window.since);
		const std::int64_t until = window.has_end ? window.until : INT64_MAX;
		if (window.has_end && from >= until)
			return;
		take(step, from, more ? std::min(next.at, until) : until);
	}
}

// Each is false if there is no such step or price.
[[nodiscard]] bool first_step(const History &history, Step &step) noexcept;
[[nodiscard]] bool last_step(const History &history, Step &step) noexcept;
// The last step's time, of a history that has steps, without reading prices.
[[nodiscard]] std::int64_t last_time(const History &history) noexcept;
[[nodiscard]] bool step_at(const History &history, std::int64_t time, Step &step) noexcept;
[[nodiscard]] bool first_known(const History &history, Step &step) noexcept;
// The first step in the window with the lowest price (sign -1) or the highest (sign 1).
[[nodiscard]] bool extreme_in(const History &history, const Window &window, int sign,
                              Step &step) noexcept;

// The last price, and the last known one that differs from it.
struct LatestAndPrevious
{
	std::int64_t latest;
	std::int64_t previous;
};
[[nodiscard]] LatestAndPrevious latest_and_previous(const History &history) noexcept;

// The last price, or none, with the time since when it has been in force without a break.
[[nodiscard]] bool start_of_latest(const History &history, Step &step) noexcept;

// The last price and the lowest known one.
struct LowestAndLatest
{
	std::int64_t latest;
	std::int64_t lowest;
};
[[nodiscard]] LowestAndLatest lowest_and_latest(const History &history) noexcept;

// A change is a known price right after a different known price; "across_gaps" looks past steps
// without a price.
struct Changes
{
	std::int64_t count;
	std::int64_t last_at;
};
[[nodiscard]] Changes changes_of(const History &history, bool across_gaps) noexcept;

// A step whose price is lower than the last known one before it.
struct Reduction
{
	bool found;
	std::int64_t at;        // of the last one
	std::int64_t first_at;  // of the first since the price last rose
};
[[nodiscard]] Reduction last_reduction(const History &history) noexcept;

// How long there was a price, in microseconds, and what the prices sum up to, each times its
// microseconds: sum / known is their mean over time, known / total the part of the time in which
// there was one.
struct Durations
{
	std::uint64_t known;
	std::uint64_t total;
	bool endless;  // a length of time is infinite: the others are of no use
	bool wide;     // a wide price had a length: "sum" is of no use
	Int128 sum;    // of the scaled prices
};
[[nodiscard]] Durations durations_in(const History &history, const Window &window) noexcept;

// How far up each cell of a line of text is, 1 to levels; 0: no price, or not a number.  The cells
// are equal lengths of time, from "since" to "until"; each shows the price in force at its end.
// "prices" has room for as many numbers as there are cells.
void draw(const History &history, std::int64_t since, std::int64_t until, double *prices,
          unsigned char *cells, std::size_t count, int levels) noexcept;

}  // namespace listing_stats
