// The prices of one listing as a step function of time: each price is in force from its time until
// the next one's.  Times are integers of microseconds, as the server counts them.
//
// Two forms.  Rows are what is collected, in any order; sorted, with one for each time, they are
// the steps, and can be asked.  Packed steps are what is stored and asked: ascending, one for each
// time, delta coded.  A price is an integer scaled by the
// history's power of ten if it fits, or none ("unavailable"), or else "wide": the bytes of a
// numeric, kept behind everything else and named by how far from the end they begin.  NaN and
// infinities are wide.
//
// Packed bytes, alike on every machine except the words of wide numbers:
//     version (1), flags, the orders of the Rice codes of times, prices and ties: 5 bytes
//     varints: scale, number of steps, and if there are special prices the bytes of wide numbers;
//     if there are steps the first time (zigzag); if there are two or more the unit of time
//     bits, for each step: unless first, the time since the step before in units, less one; if
//     there are special prices a bit, and if that is set another: none (0) or wide (1); otherwise
//     the difference from the last scaled price (zigzag); if there are ties the difference from the
//     last one (zigzag)
//     wide numbers, in the order of their steps: length (4 bytes) and numeric in its least form
// The unit is the greatest common divisor of all differences of time.  One set of steps has one
// packed form: whatever was collected in whatever order and pieces, equal steps are equal bytes.
#pragma once

#include "core/bit_stream.hpp"
#include "core/decimal_form.hpp"

namespace listing_stats {

struct HistoryRow
{
	std::int64_t at;
	std::int64_t tie;  // orders rows of one time: the greatest is in force
	std::int64_t price;
};

constexpr std::int64_t no_tie = INT64_MIN;
constexpr std::int64_t no_price = INT64_MIN;
constexpr std::int64_t largest_scaled_price = INT64_MAX - (std::int64_t{1} << 32) - 1;

inline bool
is_scaled(std::int64_t price) noexcept
{
	return price >= -largest_scaled_price;
}

inline bool
is_wide(std::int64_t price) noexcept
{
	return price < -largest_scaled_price && price != no_price;
}

inline std::int64_t
wide_price(std::uint32_t distance) noexcept
{
	return INT64_MIN + 1 + static_cast<std::int64_t>(distance);
}

inline std::uint32_t
distance_of(std::int64_t price) noexcept
{
	return static_cast<std::uint32_t>(price - (INT64_MIN + 1));
}

inline std::uint64_t
difference(std::int64_t to, std::int64_t from) noexcept
{
	return static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
}

// Long work calls check_interrupts() every so many rows or steps: there it can be interrupted, as
// in core/ranking.
constexpr std::uint32_t between_checks = 4096;

// What the prices of rows or steps mean.
struct Prices
{
	int scale;  // of the scaled ones: the largest display scale that was ever collected
	const unsigned char *end;  // of the wide ones
	std::uint32_t wide_size;
};

constexpr std::size_t length_size = 4;  // of the length before a wide number

struct Bytes
{
	const unsigned char *data;
	std::size_t size;
};

// The numeric of a wide price; size 0: there is none where it should be.
[[nodiscard]] Bytes wide_bytes(const Prices &prices, std::int64_t price) noexcept;

// A price that is not none, as a numeric; "scratch" holds max_encoded_size bytes.
[[nodiscard]] Decimal decimal_of(const Prices &prices, std::int64_t price,
                                 unsigned char *scratch) noexcept;

// Below 0, 0 or above; none is least.
[[nodiscard]] int compare_wide_prices(const Prices &prices, std::int64_t a,
                                      std::int64_t b) noexcept;

inline int
compare_prices(const Prices &prices, std::int64_t a, std::int64_t b) noexcept
{
	if (is_wide(a) || is_wide(b))
		return compare_wide_prices(prices, a, b);
	return a < b ? -1 : a > b;
}

// The value of a numeric at a scale if it can be a scaled price.
[[nodiscard]] bool scaled_price(const Decimal &decimal, int scale, std::int64_t &price) noexcept;

// Sorts rows by time, leaves of those of one time the one in force, and returns how many steps
// there are then.
[[nodiscard]] std::size_t sort_rows(HistoryRow *rows, std::size_t count, const Prices &prices,
                                    void (*check_interrupts)()) noexcept;

// How steps will be packed.
struct PackingPlan
{
	std::uint64_t count;
	std::uint64_t unit;
	std::uint32_t wide_size;
	bool specials;
	bool ties;
	unsigned time_order;
	unsigned price_order;
	unsigned tie_order;
	std::size_t times_size;
	std::size_t prices_size;
	std::size_t ties_size;
	std::size_t size;  // of the whole
};

[[nodiscard]] PackingPlan plan_packing(const HistoryRow *rows, std::size_t count,
                                       const Prices &prices, void (*check_interrupts)()) noexcept;

// Writes plan.size bytes.
void pack(const HistoryRow *rows, std::size_t count, const Prices &prices, const PackingPlan &plan,
          unsigned char *out, void (*check_interrupts)()) noexcept;

// Steps: packed, wherever they lie, and nothing needs to be aligned; or as they are.
struct History
{
	Prices prices;
	std::uint32_t count;
	const HistoryRow *rows;  // nullptr: packed, which the rest is for
	bool specials;
	bool ties;
	unsigned time_order;
	unsigned price_order;
	unsigned tie_order;
	std::int64_t first_at;
	std::uint64_t unit;
	Bytes times;
	Bytes price_codes;
	Bytes tie_codes;
	void (*check_interrupts)();
};

// Steps that are not packed.
[[nodiscard]] inline History
history_of_steps(const HistoryRow *rows, std::uint32_t count, const Prices &prices,
                 void (*check_interrupts)()) noexcept
{
	History history = {};
	history.prices = prices;
	history.count = count;
	history.rows = rows;
	history.check_interrupts = check_interrupts;
	return history;
}

// False: these are not the bytes of a history.  That the steps themselves can be read is known only
// once they have been.
[[nodiscard]] bool parse_history(const void *data, std::size_t size, void (*check_interrupts)(),
                                 History &history) noexcept;

struct Step
{
	std::int64_t at;
	std::int64_t price;
};

// Gives the steps in order, without their ties.
class StepReader
{
public:
	explicit StepReader(const History &history) noexcept
		: history_(history),
		  times_(history.times.data, history.times.size),
		  prices_(history.price_codes.data, history.price_codes.size),
		  left_(history.count),
		  rare_(history.rows != nullptr ? 0 : between_checks - 1),
		  wide_left_(history.prices.wide_size),
		  at_(static_cast<std::uint64_t>(history.first_at))
	{
	}

	[[gnu::always_inline]] bool next(Step &step) noexcept
	{
		if ((left_ & rare_) == 0)
		{
			if (left_ == 0)
				return false;
			if (left_ % between_checks == 0)
				history_.check_interrupts();
			if (history_.rows != nullptr)
			{
				const HistoryRow &row = history_.rows[history_.count - left_--];
				step = Step{row.at, row.price};
				return true;
			}
		}
		if (left_-- != history_.count)
			at_ += (times_.rice(history_.time_order) + 1) * history_.unit;
		step.at = static_cast<std::int64_t>(at_);
		if (history_.specials && prices_.bits(1) != 0)
			step.price = special();
		else
		{
			scaled_ += unzigzag(prices_.rice(history_.price_order));
			step.price = static_cast<std::int64_t>(scaled_);
		}
		return true;
	}

	// After the last step: there was less than was read, or more.
	bool is_damaged() const noexcept
	{
		return !times_.at_end() || !prices_.at_end() || wide_left_ != 0;
	}

private:
	// Not out of line, where the reader would have to live in memory.
	std::int64_t special() noexcept
	{
		if (prices_.bits(1) == 0)
			return no_price;
		const std::int64_t price = wide_price(wide_left_);
		const Bytes bytes = wide_bytes(history_.prices, price);
		if (bytes.size == 0)
		{
			wide_left_ = UINT32_MAX;  // damaged, and stays so
			return wide_price(0);
		}
		wide_left_ -= static_cast<std::uint32_t>(length_size + bytes.size);
		return price;
	}

	const History &history_;
	BitReader times_;
	BitReader prices_;
	std::uint32_t left_;
	std::uint32_t rare_;  // of packed steps there is one test for all that is rare
	std::uint32_t wide_left_;
	std::uint64_t at_;
	std::uint64_t scaled_ = 0;  // the last scaled price
};

// Leaves all packed steps in "rows".  False: they cannot be read, or their times do not ascend.
[[nodiscard]] bool read_steps(const History &history, HistoryRow *rows) noexcept;

// Whether steps that read_steps() has approved have the one packed form; "scratch" holds as many
// bytes as the history.
[[nodiscard]] bool is_canonical(const History &history, const HistoryRow *rows, const void *data,
                                std::size_t size, unsigned char *scratch) noexcept;

}  // namespace listing_stats
