// Rows collected, packed and unpacked; see history_state.hpp.
#include "history/history_state.hpp"

#include "server/postgres.hpp"
#include "statistics/distribution_state.hpp"

namespace listing_stats {

namespace {

// Sizes are powers of two, as the allocator's are: ten rows and what is before them.
constexpr std::size_t smallest_block = 256;
constexpr std::size_t smallest_expanded_block = 4096;

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
	// So many prices become wide: mostly few, and all if the scale is too large for any.
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
new_block(std::size_t size)
{
	auto *rows = static_cast<HistoryRows *>(palloc(size));
	*rows = HistoryRows{};
	SET_VARSIZE(rows, size);
	rows->form = rows_form;
	return rows;
}

// Leaves the steps.
void
sort_history(HistoryRows *rows)
{
	rows->count = static_cast<uint32>(
		sort_rows(rows->rows(), rows->count, prices_of(rows), server.check_interrupts));
}

struct varlena *
pack_steps(const HistoryRows *rows)
{
	const Prices prices = prices_of(rows);
	const PackingPlan plan =
		plan_packing(rows->rows(), rows->count, prices, server.check_interrupts);
	if (plan.size > MaxAllocSize - VARHDRSZ)
		report_too_long();
	auto *packed = static_cast<struct varlena *>(palloc(VARHDRSZ + plan.size));
	SET_VARSIZE(packed, VARHDRSZ + plan.size);
	pack(rows->rows(), rows->count, prices, plan,
	     reinterpret_cast<unsigned char *>(VARDATA(packed)), server.check_interrupts);
	return packed;
}

ExpandedHistory *
expanded_history(Datum datum)
{
	return reinterpret_cast<ExpandedHistory *>(DatumGetEOHP(datum));
}

// The packed form is kept: whoever copies a value once may do so again.
Size
flat_size(ExpandedObjectHeader *header)
{
	auto *expanded = reinterpret_cast<ExpandedHistory *>(header);
	if (expanded->packed == nullptr)
	{
		MemoryContext before = MemoryContextSwitchTo(header->eoh_context);
		expanded->packed = pack_steps(expanded->rows);
		MemoryContextSwitchTo(before);
	}
	return VARSIZE(expanded->packed);
}

void
flatten(ExpandedObjectHeader *header, void *result, Size size)
{
	memcpy(result, reinterpret_cast<ExpandedHistory *>(header)->packed, size);
}

const ExpandedObjectMethods methods = {flat_size, flatten};

bool
are_rows(const struct varlena *flat)
{
	return VARSIZE_ANY_EXHDR(flat) > 0 && static_cast<uint8>(*VARDATA_ANY(flat)) == rows_form;
}

// The rows of a value that has them.
HistoryRows *
checked_rows(struct varlena *flat)
{
	auto *rows = reinterpret_cast<HistoryRows *>(pg_detoast_datum(flat));
	const std::size_t size = VARSIZE(rows);
	if (size < sizeof(HistoryRows) ||
	    rows->count * sizeof(HistoryRow) + rows->wide_size > size - sizeof(HistoryRows))
		report_damaged_history();
	return rows;
}

History
view_of(const HistoryRows *rows)
{
	return history_of_steps(rows->rows(), rows->count, prices_of(rows), server.check_interrupts);
}

struct varlena *
flat_value(Datum datum)
{
	return pg_detoast_datum_packed(reinterpret_cast<struct varlena *>(DatumGetPointer(datum)));
}

HistoryRows *
append_rows(HistoryRows *rows, const HistoryRow *others, uint32 count, const Prices &prices)
{
	rows = rescale(rows, prices.scale);
	const bool same = rows->scale == prices.scale;
	rows = make_room(rows, count * (sizeof(HistoryRow) + (same ? 0 : largest_converted)) +
	                           prices.wide_size);
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
	return new_block(smallest_block);
}

ExpandedHistory *
new_expanded_history()
{
	MemoryContext own = AllocSetContextCreate(CurrentMemoryContext, "listing_stats history",
	                                          ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(own);
	auto *expanded = static_cast<ExpandedHistory *>(palloc0(sizeof(ExpandedHistory)));
	EOH_init_header(&expanded->header, &methods, own);
	expanded->rows = new_block(smallest_expanded_block);
	MemoryContextSwitchTo(before);
	return expanded;
}

Datum
return_history(ExpandedHistory *expanded)
{
	sort_history(expanded->rows);
	return EOHPGetRWDatum(&expanded->header);
}

HistoryRows *
history_rows_of(Datum datum)
{
	struct varlena *flat = flat_value(datum);
	return are_rows(flat) ? checked_rows(flat)
	                      : merge(new_history_rows(), unpacked_history_of(PointerGetDatum(flat)));
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
	memcpy(larger, rows, sizeof(HistoryRows) + rows->count * sizeof(HistoryRow));
	memcpy(reinterpret_cast<char *>(larger) + larger_size - rows->wide_size,
	       reinterpret_cast<char *>(rows) + size - rows->wide_size, rows->wide_size);
	SET_VARSIZE(larger, larger_size);
	return larger;
}

void
begin_scale(HistoryRows *rows, NumericBytes bytes)
{
	Assert(rows->count == 0);
	const Decimal decimal = parse_numeric(bytes);
	if (decimal.kind == NumberKind::finite && decimal.scale > rows->scale)
		rows->scale = static_cast<uint16>(decimal.scale);
}

HistoryRows *
add_price(HistoryRows *rows, int64 at, int64 tie, NumericBytes bytes)
{
	const Decimal decimal = parse_numeric(bytes);
	if (decimal.kind == NumberKind::finite)
		rows = rescale(rows, decimal.scale);
	rows = make_room(rows, sizeof(HistoryRow) + length_size + 4 + 2 * decimal.digit_count);
	int64 price = 0;
	if (!scaled_price(decimal, rows->scale, price))
		price = append_decimal(rows, decimal);
	append_row(rows, at, tie, price);
	return rows;
}

HistoryRows *
merge(HistoryRows *into, const History &unpacked)
{
	return append_rows(into, unpacked.rows, unpacked.count, unpacked.prices);
}

struct varlena *
pack_history(HistoryRows *rows)
{
	sort_history(rows);
	return pack_steps(rows);
}

struct varlena *
packed_history_of(Datum datum)
{
	struct varlena *flat =
		pg_detoast_datum_copy(reinterpret_cast<struct varlena *>(DatumGetPointer(datum)));
	return are_rows(flat) ? pack_history(checked_rows(flat)) : flat;
}

History
history_of(Datum datum)
{
	if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(datum)))
		return view_of(expanded_history(datum)->rows);
	struct varlena *flat = flat_value(datum);
	if (are_rows(flat))
	{
		HistoryRows *rows = checked_rows(pg_detoast_datum_copy(flat));
		sort_history(rows);
		return view_of(rows);
	}
	History history = {};
	if (!parse_history(VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat), server.check_interrupts,
	                   history))
		report_damaged_history();
	return history;
}

History
unpacked_history_of(Datum datum)
{
	if (!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(datum)))
	{
		struct varlena *flat = flat_value(datum);
		if (are_rows(flat))
			return view_of(checked_rows(flat));
		datum = PointerGetDatum(flat);
	}
	History history = history_of(datum);
	history.rows = steps_of(history);
	return history;
}

const HistoryRow *
steps_of(const History &history)
{
	if (history.rows != nullptr)
		return history.rows;
	auto *steps = static_cast<HistoryRow *>(MemoryContextAllocHuge(
		CurrentMemoryContext, std::max<std::size_t>(history.count, 1) * sizeof(HistoryRow)));
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
	const NumericBytes numeric = {reinterpret_cast<const char *>(bytes.data), bytes.size};
	return make_numeric(parse_numeric(numeric), prices.scale);
}

}  // namespace listing_stats
