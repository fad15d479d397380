// read_price_history(): one listing's prices as a price_history, read from the index where it
// serves.  NULL is the key of no prices: the empty history.
//
// The rows come newest first by their own time, and of equal times the one in force comes first:
// the others are left out, and so are the ties, which nothing is left to decide.
//
// Where a clock is set forward two times of a column without time zone mean one instant, and others
// come between them: of these the later time is in force.  Until the rows are sorted it is the tie.
#include "history/history_state.hpp"
#include "reading/price_reader.hpp"

namespace listing_stats {

namespace {

struct Collector
{
	ExpandedHistory *expanded;
	Oid at_type;
	Oid value_type;
	bool has_tie;
	bool skip_null;
	MemoryContext context;
	MemoryContext row_context;  // nullptr: no price has needed it
};

// A price that takes more than to be appended.
void
collect_slowly(Collector *collector, int64 at, int64 tie, NullableDatum price)
{
	NumericBytes bytes = {};
	if (!price.isnull)
	{
		if (collector->row_context == nullptr)
			collector->row_context = AllocSetContextCreate(
				collector->context, "listing_stats price", ALLOCSET_SMALL_SIZES);
		MemoryContextSwitchTo(collector->row_context);
		bytes = numeric_bytes(NumericGetDatum(numeric_of(collector->value_type, price.value)));
	}
	MemoryContextSwitchTo(collector->expanded->header.eoh_context);
	HistoryRows *before = collector->expanded->rows;
	HistoryRows *rows = make_room(before, sizeof(HistoryRow));
	if (price.isnull)
		append_row(rows, at, tie, no_price);
	else
		rows = add_price(rows, at, tie, bytes);
	collector->expanded->rows = rows;
	if (rows != before)
		pfree(before);
	if (!price.isnull)
		MemoryContextReset(collector->row_context);
}

// Whether the price was appended.
[[gnu::always_inline]] inline bool
collect_quickly(const Collector &collector, HistoryRows *rows, int64 at, int64 tie, Datum value)
{
	if (collector.value_type != NUMERICOID || room_of(rows) < sizeof(HistoryRow) ||
	    VARATT_IS_COMPRESSED(DatumGetPointer(value)) || VARATT_IS_EXTERNAL(DatumGetPointer(value)))
		return false;
	const NumericBytes bytes = numeric_bytes(value);
	if (rows->count == 0)
		begin_scale(rows, bytes);
	return append_quickly(rows, at, tie, bytes);
}

// The least of them, -infinity, is no tie as well.
int64
own_time(Oid type, Datum at)
{
	switch (type)
	{
	case TIMESTAMPOID:
		return DatumGetTimestamp(at);
	case DATEOID:
		return DatumGetDateADT(at);
	default:
		return no_tie;
	}
}

// Of rows of one time the first is in force, if there is an order of them.
[[gnu::always_inline]] inline bool
is_in_force(const Collector &collector, const HistoryRows *rows, int64 at)
{
	return !collector.has_tie || rows->count == 0 || rows->rows()[rows->count - 1].at != at;
}

void
make_room_for(void *state, std::size_t count)
{
	const auto *collector = static_cast<const Collector *>(state);
	MemoryContext caller = MemoryContextSwitchTo(collector->expanded->header.eoh_context);
	HistoryRows *before = collector->expanded->rows;

	collector->expanded->rows = make_room(before, count * sizeof(HistoryRow));
	if (collector->expanded->rows != before)
		pfree(before);
	MemoryContextSwitchTo(caller);
}

bool
collect_in_place(void *state, int64 at, Datum value)
{
	const auto *collector = static_cast<const Collector *>(state);
	HistoryRows *rows = collector->expanded->rows;

	return !is_in_force(*collector, rows, at) ||
	       collect_quickly(*collector, rows, at, no_tie, value);
}

void
collect(void *state, const Datum *value, const bool *null)
{
	auto *collector = static_cast<Collector *>(state);
	HistoryRows *rows = collector->expanded->rows;
	if (null[1] || (null[2] && collector->skip_null))
		return;
	const int64 at = instant_of(collector->at_type, value[1]);
	if (!is_in_force(*collector, rows, at))
		return;
	const int64 tie = own_time(collector->at_type, value[1]);
	if (likely(!null[2] && collect_quickly(*collector, rows, at, tie, value[2])))
		return;
	MemoryContext caller = CurrentMemoryContext;
	collect_slowly(collector, at, tie, NullableDatum{value[2], null[2]});
	MemoryContextSwitchTo(caller);
}

void
start(void *state)
{
	auto *collector = static_cast<Collector *>(state);
	MemoryContext caller = MemoryContextSwitchTo(collector->context);

	collector->expanded = new_expanded_history();
	MemoryContextSwitchTo(caller);
}

Datum
return_without_ties(ExpandedHistory *expanded)
{
	const Datum history = return_history(expanded);
	HistoryRows *rows = expanded->rows;

	for (uint32 i = 0; i < rows->count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		rows->rows()[i].tie = no_tie;
	}
	return history;
}

// The arguments are (price, the key's value, and the names of key, at and value).
Datum
history_of_key(FunctionCallInfo fcinfo)
{
	const PriceTable *table = table_argument(fcinfo, 2);
	KeyKind kind = {};
	const NullableDatum key = key_argument(fcinfo, *table, &kind);
	const Oid at_type = table->at.base;
	if (!is_time_type(at_type))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
		                errmsg("column \"%s\" of table \"%s\" has type %s", NameStr(table->at.name),
		                       NameStr(table->name), format_type_be(table->at.type)),
		                errhint("A price_history needs a timestamp with or without time zone, or a "
		                        "date: name another column with at => '...'. See \"Times that are "
		                        "numbers or text\" in docs/fitting-your-tables.md.")));
	if (key.isnull)
		PG_RETURN_DATUM(return_history(new_expanded_history()));

	Collector collector = {};
	collector.at_type = at_type;
	collector.value_type = table->value.base;
	collector.has_tie = table->tie.attnum != 0;
	collector.skip_null = table->skip_null;
	collector.context = CurrentMemoryContext;
	start(&collector);
	RowSink sink = {collect, &collector, start};
	if (at_type == TIMESTAMPTZOID)  // others mean an instant in the session's time zone
	{
		sink.put_in_place = collect_in_place;
		sink.make_room = make_room_for;
	}
	read_key(*table, kind, Reading::history, key.value, {0, true}, sink);
	PG_RETURN_DATUM(at_type == TIMESTAMPTZOID ? return_history(collector.expanded)
	                                          : return_without_ties(collector.expanded));
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_read_price_history)
{
	return history_of_key(fcinfo);
}

}  // namespace listing_stats
