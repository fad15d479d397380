// The forms of a price_history in the server's memory, and the ways from one to the other.
//
// Rows are what an aggregate collects: a varlena with room to spare, changed in place, rows from
// the front and wide numbers from the end.  Packed steps are what leaves an aggregate and what is
// stored.  Both are values of the type, since partial aggregates travel as they are.  A function
// returns an expanded object: rows that have been sorted, which are packed only where the value is
// copied or stored, so that questions on it find steps that nothing has to be done to.  Whoever
// reads a history takes any of the three.
#pragma once

#include "core/history.hpp"

#include "server/numeric.hpp"
#include "server/postgres.hpp"

namespace listing_stats {

struct HistoryRows
{
	std::uint32_t block_header;  // the varlena's
	std::uint8_t form;           // rows_form, where packed steps have their version
	std::uint8_t unused;
	std::uint16_t scale;
	std::uint32_t count;
	std::uint32_t wide_size;

	HistoryRow *rows() noexcept { return reinterpret_cast<HistoryRow *>(this + 1); }
	const HistoryRow *rows() const noexcept
	{
		return reinterpret_cast<const HistoryRow *>(this + 1);
	}
};

constexpr std::uint8_t rows_form = 0x81;

static_assert(sizeof(HistoryRows) == 16 && sizeof(HistoryRow) == 24);

HistoryRows *new_history_rows();

struct ExpandedHistory
{
	ExpandedObjectHeader header;
	HistoryRows *rows;
	struct varlena *packed;  // once it has been needed
};

// Without rows.  They are added in the context of the object, and sorted by return_history(), from
// which on it does not change.
ExpandedHistory *new_expanded_history();
Datum return_history(ExpandedHistory *expanded);

// Rows that can be changed only if the datum itself can.  Packed steps are unpacked.
HistoryRows *history_rows_of(Datum datum);

// A tie that is given.  The least bigint means that there is none: error 22003.
[[noreturn]] void report_least_tie();
inline int64
checked_tie(int64 tie)
{
	if (unlikely(tie == no_tie))
		report_least_tie();
	return tie;
}

inline std::size_t
room_of(const HistoryRows *rows)
{
	return VARSIZE(rows) - sizeof(HistoryRows) - rows->count * sizeof(HistoryRow) - rows->wide_size;
}

inline void
append_row(HistoryRows *rows, int64 at, int64 tie, int64 price)
{
	rows->rows()[rows->count++] = HistoryRow{at, tie, price};
}

// These return the rows, which may have moved.
[[nodiscard]] HistoryRows *enlarge(HistoryRows *rows, std::size_t bytes);
[[nodiscard]] inline HistoryRows *
make_room(HistoryRows *rows, std::size_t bytes)
{
	return room_of(rows) >= bytes ? rows : enlarge(rows, bytes);
}
[[nodiscard]] HistoryRows *add_price(HistoryRows *rows, int64 at, int64 tie, NumericBytes price);
// The same in short, where there is room for a row.  False: it is not that simple.
[[nodiscard, gnu::always_inline]] inline bool
append_quickly(HistoryRows *rows, int64 at, int64 tie, NumericBytes bytes)
{
	int64 price = 0;
	if (unlikely(rows->scale > max_scale ||
	             !scaled_value_quick(bytes.data, bytes.size, rows->scale, price) ||
	             price > largest_scaled_price || price < -largest_scaled_price))
		return false;
	append_row(rows, at, tie, price);
	return true;
}

// Gives rows that have no price yet the scale of their first one, by which it can be appended so.
void begin_scale(HistoryRows *rows, NumericBytes price);

[[nodiscard]] HistoryRows *merge(HistoryRows *into, const History &unpacked);

// Sorts the rows, as history_of() does where it finds any, in a copy.
struct varlena *pack_history(HistoryRows *rows);

// The packed steps, in memory of their own.
struct varlena *packed_history_of(Datum datum);

// The steps, where the datum has them.
History history_of(Datum datum);

// The steps, not packed; or rows, in any order.
History unpacked_history_of(Datum datum);

[[noreturn]] void report_damaged_history();

// All steps, checked.
const HistoryRow *steps_of(const History &history);

// A price that is not none.
Numeric price_numeric(const Prices &prices, int64 price);

}  // namespace listing_stats
