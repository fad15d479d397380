// The two forms of a price_history in the server's memory, and the way from one to the other.
//
// Rows are what an aggregate collects: a varlena with room to spare, changed in place, rows from
// the front and wide numbers from the end.  Packed steps are what leaves an aggregate.  Both are
// values of the type, since partial aggregates travel as they are: whoever reads one takes either.
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

	Row *rows() noexcept { return reinterpret_cast<Row *>(this + 1); }
	const Row *rows() const noexcept { return reinterpret_cast<const Row *>(this + 1); }
};

constexpr std::uint8_t rows_form = 0x81;

static_assert(sizeof(HistoryRows) == 16 && sizeof(Row) == 24);

HistoryRows *new_history_rows();

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
	return VARSIZE(rows) - sizeof(HistoryRows) - rows->count * sizeof(Row) - rows->wide_size;
}

inline void
append_row(HistoryRows *rows, int64 at, int64 tie, int64 price)
{
	rows->rows()[rows->count++] = Row{at, tie, price};
}

// These return the rows, which may have moved.
[[nodiscard]] HistoryRows *enlarge(HistoryRows *rows, std::size_t bytes);
[[nodiscard]] inline HistoryRows *
make_room(HistoryRows *rows, std::size_t bytes)
{
	return room_of(rows) >= bytes ? rows : enlarge(rows, bytes);
}
[[nodiscard]] HistoryRows *add_price(HistoryRows *rows, int64 at, int64 tie, NumericBytes price);
// The same where there is room for a row already.
[[nodiscard]] inline HistoryRows *
append_numeric(HistoryRows *rows, int64 at, int64 tie, NumericBytes bytes)
{
	int64 price = 0;
	if (unlikely(!scaled_value_quick(bytes.data, bytes.size, rows->scale, price) ||
	             price > largest_scaled_price || price < -largest_scaled_price))
		return add_price(rows, at, tie, bytes);
	append_row(rows, at, tie, price);
	return rows;
}

[[nodiscard]] HistoryRows *merge(HistoryRows *into, const HistoryRows *other);
[[nodiscard]] HistoryRows *merge(HistoryRows *into, const History &other);

// Sorts the rows.
Datum pack_history(HistoryRows *rows);

// The packed steps, where the datum has them.
Bytes packed_bytes_of(Datum datum);
History history_of(Datum datum);

[[noreturn]] void report_damaged_history();

// All steps, checked.
Row *steps_of(const History &history);

// A price that is not none.
Numeric price_numeric(const Prices &prices, int64 price);

}  // namespace listing_stats
