// Rows collected, packed and unpacked; see history_state.hpp.
#include "history/history_state.hpp"

#include "server/postgres.hpp"
#include "statistics/distribution_state.hpp"

namespace listing_stats {

namespace {

// Sizes are powers of two, as the allocator's are: ten rows and what is before them.
constexpr std::size_t smallest_block = 256;

// A scaled price as a wide one.
constexpr std::size_t largest_converted = length_size + max_encoded_size;

Prices
prices_of(const HistoryRows *rows)
{
	return Prices{rows->scale, reinterpret_cast<const unsigned char *>(rows) + VARSIZE(rows),
	              rows->wide_size};
}

[[noreturn]] void
report_too_long()
{
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
	                errmsg("too many prices for one price_history"),
	                errdetail("A price_history is collected in up to one gigabyte, 24 bytes a "
	                          "price.")));
	pg_unreachable();
}

// Needs room for it.  The bytes are in the least form.
int64
append_wide(HistoryRows *rows, Bytes bytes)
{
	const auto length = static_cast<uint32>(bytes.size);
	rows->wide_size += static_cast<uint32>(length_size + bytes.size);
	unsigned char *item = reinterpret_cast<unsigned char *>(rows) + VARSIZE(rows) - rows->wide_size;
	memcpy(item, &length, sizeof length);
	memcpy(item + length_size, bytes.data, bytes.size);
	return wide_price(rows->wide_size);
}

int64
append_decimal(HistoryRows *rows, const Decimal &decimal)
{
	auto *least = static_cast<unsigned char *>(palloc(4 + 2 * decimal.digit_count));
	const std::size_t size = encode_least(decimal, least);
	const int64 price = append_wide(rows, Bytes{least, size});
	pfree(least);
	return price;
}

// A price of another history's as one of these rows', whose scale is no smaller.  Needs room for
// largest_converted, or what a wide one takes.
int64
convert_price(HistoryRows *rows, const Prices &prices, int64 price)
{
	if (price == no_price)
		return no_price;
	if (is_wide(price))
	{
		const Bytes bytes = wide_bytes(prices, price);
		if (bytes.size == 0)
			report_damaged_history();
		return append_wide(rows, bytes);
	}
	if (rows->scale == prices.scale)
		return price;
	if (rows->scale <= max_scale)
	{
		const int64 factor = powers_of_ten[rows->scale - prices.scale];
		if (magnitude_of(price) <= static_cast<UInt128>(largest_scaled_price / factor))
			return price * factor;
	}
	unsigned char scratch[max_encoded_size];
	return append_decimal(rows, decimal_of(prices, price, scratch));
}

HistoryRows *
rescale(HistoryRows *rows, int scale)
{
	if (scale <= rows->scale)
		return rows;
	// Few if any become wide, unless all do.
	const int64 largest =
		scale > max_scale ? -1 : largest_scaled_price / powers_of_ten[scale - rows->scale];
	std::size_t wide = 0;
	for (uint32 i = 0; i < rows->count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		const int64 price = rows->rows()[i].price;
		wide += is_scaled(price) && (price > largest || price < -largest) ? 1 : 0;
	}
	rows = make_room(rows, wide * largest_converted);
	const Prices before = {rows->scale, nullptr, 0};
	rows->scale = static_cast<uint16>(scale);
	for (uint32 i = 0; i < rows->count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		int64 *price = &rows->rows()[i].price;
		if (is_scaled(*price))
			*price = convert_price(rows, before, *price);
	}
	return rows;
}

HistoryRows *
append_rows(HistoryRows *rows, const Row *others, uint32 count, const Prices &prices)
{
	rows = rescale(rows, prices.scale);
	const bool same = rows->scale == prices.scale;
	rows =
		make_room(rows, count * (sizeof(Row) + (same ? 0 : largest_converted)) + prices.wide_size);
	for (uint32 i = 0; i < count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		const int64 price = convert_price(rows, prices, others[i].price);
		append_row(rows, others[i].at, others[i].tie, price);
	}
	return rows;
}

}  // namespace

void
report_damaged_history()
{
	ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("invalid price_history")));
	pg_unreachable();
}

void
report_least_tie()
{
	ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
	                errmsg("tie " INT64_FORMAT " is out of range for a price_history", no_tie),
	                errhint("Ties are greater than that.  One that is NULL is the least.")));
	pg_unreachable();
}

HistoryRows *
new_history_rows()
{
	auto *rows = static_cast<HistoryRows *>(palloc(smallest_block));
	*rows = HistoryRows{};
	SET_VARSIZE(rows, smallest_block);
	rows->form = rows_form;
	return rows;
}

HistoryRows *
history_rows_of(Datum datum)
{
	auto *rows = reinterpret_cast<HistoryRows *>(PG_DETOAST_DATUM(datum));
	const std::size_t size = VARSIZE(rows);
	if (size <= VARHDRSZ)
		report_damaged_history();
	if (rows->form != rows_form)
		return merge(new_history_rows(), history_of(PointerGetDatum(rows)));
	if (size < sizeof(HistoryRows) ||
	    rows->count * sizeof(Row) + rows->wide_size > size - sizeof(HistoryRows))
		report_damaged_history();
	return rows;
}

HistoryRows *
enlarge(HistoryRows *rows, std::size_t bytes)
{
	const std::size_t size = VARSIZE(rows);
	const std::size_t used = size - room_of(rows);
	if (bytes > MaxAllocSize - used)
		report_too_long();
	std::size_t larger_size = size;
	while (larger_size - used < bytes)
		larger_size = std::min<std::size_t>(larger_size * 2, MaxAllocSize);

	auto *larger = static_cast<HistoryRows *>(palloc(larger_size));
	memcpy(larger, rows, sizeof(HistoryRows) + rows->count * sizeof(Row));
	memcpy(reinterpret_cast<char *>(larger) + larger_size - rows->wide_size,
	       reinterpret_cast<char *>(rows) + size - rows->wide_size, rows->wide_size);
	SET_VARSIZE(larger, larger_size);
	return larger;
}

HistoryRows *
add_price(HistoryRows *rows, int64 at, int64 tie, NumericBytes bytes)
{
	const Decimal decimal = parse_numeric(bytes);
	if (decimal.kind == NumberKind::finite)
		rows = rescale(rows, decimal.scale);
	rows = make_room(rows, sizeof(Row) + length_size + 4 + 2 * decimal.digit_count);
	int64 price = 0;
	if (!scaled_price(decimal, rows->scale, price))
		price = append_decimal(rows, decimal);
	append_row(rows, at, tie, price);
	return rows;
}

HistoryRows *
merge(HistoryRows *into, const HistoryRows *other)
{
	return append_rows(into, other->rows(), other->count, prices_of(other));
}

HistoryRows *
merge(HistoryRows *into, const History &other)
{
	Row *steps = steps_of(other);
	into = append_rows(into, steps, other.count, other.prices);
	pfree(steps);
	return into;
}

Datum
pack_history(HistoryRows *rows)
{
	const Prices prices = prices_of(rows);
	sort_rows(rows->rows(), rows->count, prices, server.pause);
	const PackingPlan plan = plan_packing(rows->rows(), rows->count, prices, server.pause);
	if (plan.size > MaxAllocSize - VARHDRSZ)
		report_too_long();
	auto *packed = static_cast<char *>(palloc(VARHDRSZ + plan.size));
	SET_VARSIZE(packed, VARHDRSZ + plan.size);
	pack(rows->rows(), rows->count, prices, plan,
	     reinterpret_cast<unsigned char *>(VARDATA(packed)), server.pause);
	return PointerGetDatum(packed);
}

Bytes
packed_bytes_of(Datum datum)
{
	struct varlena *value =
		pg_detoast_datum_packed(reinterpret_cast<struct varlena *>(DatumGetPointer(datum)));
	if (VARSIZE_ANY_EXHDR(value) > 0 && static_cast<uint8>(*VARDATA_ANY(value)) == rows_form)
	{
		// A copy: packing sorts it.
		const Datum copy = PointerGetDatum(pg_detoast_datum_copy(value));
		value = reinterpret_cast<struct varlena *>(
			DatumGetPointer(pack_history(history_rows_of(copy))));
	}
	return Bytes{reinterpret_cast<const unsigned char *>(VARDATA_ANY(value)),
	             VARSIZE_ANY_EXHDR(value)};
}

History
history_of(Datum datum)
{
	const Bytes bytes = packed_bytes_of(datum);
	History history = {};
	if (!parse_history(bytes.data, bytes.size, server.pause, history))
		report_damaged_history();
	return history;
}

Row *
steps_of(const History &history)
{
	auto *steps = static_cast<Row *>(MemoryContextAllocHuge(
		CurrentMemoryContext, std::max<std::size_t>(history.count, 1) * sizeof(Row)));
	if (!read_steps(history, steps))
		report_damaged_history();
	return steps;
}

Numeric
price_numeric(const Prices &prices, int64 price)
{
	if (!is_wide(price))
		return make_numeric(price, prices.scale);
	const Bytes bytes = wide_bytes(prices, price);
	if (bytes.size == 0)
		report_damaged_history();
	auto *numeric = static_cast<char *>(palloc(VARHDRSZ + bytes.size));
	SET_VARSIZE(numeric, VARHDRSZ + bytes.size);
	memcpy(VARDATA(numeric), bytes.data, bytes.size);
	return show_scale(reinterpret_cast<Numeric>(numeric), prices.scale);
}

}  // namespace listing_stats
