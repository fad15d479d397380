// A price_history as text, bytes and JSON.  NULL is NULL.
//
// Text is {2026-01-01 00:00:00+00=100.00, 2026-02-01 00:00:00+00#7=null}: ascending times in UTC,
// each with its tie if it has one, and the price from then on, null where it is unavailable.  It is
// the same in every session.  On the way in, order is free, of equal times the one in force is
// kept, and a time is anything that timestamptz takes and that has no comma.
#include "history/history_state.hpp"
#include "server/postgres.hpp"
#include "server/text_reader.hpp"
#include "statistics/distribution_state.hpp"

namespace listing_stats {

namespace {

void
append_time(StringInfo text, int64 time)
{
	char buffer[MAXDATELEN + 1];
	struct pg_tm fields = {};
	fsec_t fraction = 0;
	if (TIMESTAMP_NOT_FINITE(time))
		EncodeSpecialTimestamp(time, buffer);
	else if (timestamp2tm(time, nullptr, &fields, &fraction, nullptr, nullptr) == 0)
	{
		fields.tm_isdst = 0;  // or the zone is not shown
		EncodeDateTime(&fields, fraction, true, 0, nullptr, USE_ISO_DATES, buffer);
	}
	else
		report_damaged_history();
	appendStringInfoString(text, buffer);
}

// A time, its tie if it has one, and the price from then on.
HistoryRows *
read_step(TextReader &reader, HistoryRows *rows)
{
	char *time = reader.read_until("=#,{}", "a time");
	int64 tie = no_tie;
	const int64 at = DatumGetTimestampTz(DirectFunctionCall3(
		timestamptz_in, CStringGetDatum(time), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (reader.accept('#'))
		tie = checked_tie(DatumGetInt64(
			DirectFunctionCall1(int8in, CStringGetDatum(reader.read_until("=,{}", "a tie")))));
	if (!reader.accept('='))
		reader.fail("\"=\" and a price");
	char *price = reader.read_until(",{}", "a number or null");
	if (pg_strcasecmp(price, "null") != 0)
		return add_price(rows, at, tie, numeric_bytes(NumericGetDatum(read_numeric(price))));
	rows = make_room(rows, sizeof(HistoryRow));
	append_row(rows, at, tie, no_price);
	return rows;
}

// Newest first.
char *
to_json(const History &history)
{
	const HistoryRow *steps = steps_of(history);
	StringInfoData text;
	initStringInfo(&text);
	appendStringInfoChar(&text, '[');
	for (uint32 i = history.count; i-- > 0;)
	{
		CHECK_FOR_INTERRUPTS();
		char time[MAXDATELEN + 1];
		JsonEncodeDateTime(time, TimestampTzGetDatum(steps[i].at), TIMESTAMPTZOID, nullptr);
		appendStringInfo(&text, "{\"at\": \"%s\", \"value\": ", time);
		if (steps[i].price == no_price)
			appendStringInfoString(&text, "null");
		else
		{
			char *price = text_of(price_numeric(history.prices, steps[i].price));
			const bool number = isdigit(static_cast<unsigned char>(price[strlen(price) - 1])) != 0;
			appendStringInfo(&text, number ? "%s" : "\"%s\"", price);
			pfree(price);
		}
		appendStringInfoString(&text, i > 0 ? "}, " : "}");
	}
	appendStringInfoChar(&text, ']');
	return text.data;
}

}  // namespace

LISTING_STATS_FUNCTION(listing_stats_history_in)
{
	TextReader reader("price_history", PG_GETARG_CSTRING(0));
	HistoryRows *rows = new_history_rows();
	reader.read_items([&] { rows = read_step(reader, rows); });
	PG_RETURN_POINTER(pack_history(rows));
}

LISTING_STATS_FUNCTION(listing_stats_history_out)
{
	const History history = history_of(PG_GETARG_DATUM(0));
	const HistoryRow *steps = steps_of(history);
	StringInfoData text;
	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (uint32 i = 0; i < history.count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		if (i > 0)
			appendStringInfoString(&text, ", ");
		append_time(&text, steps[i].at);
		if (steps[i].tie != no_tie)
			appendStringInfo(&text, "#" INT64_FORMAT, steps[i].tie);
		appendStringInfoChar(&text, '=');
		if (steps[i].price == no_price)
			appendStringInfoString(&text, "null");
		else
		{
			char *price = text_of(price_numeric(history.prices, steps[i].price));
			appendStringInfoString(&text, price);
			pfree(price);
		}
	}
	appendStringInfoChar(&text, '}');
	PG_RETURN_CSTRING(text.data);
}

// The packed bytes, accepted back only in the one form that their steps have.
LISTING_STATS_FUNCTION(listing_stats_history_send)
{
	PG_RETURN_BYTEA_P(packed_history_of(PG_GETARG_DATUM(0)));
}

LISTING_STATS_FUNCTION(listing_stats_history_recv)
{
	auto *message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
	const std::size_t size = static_cast<std::size_t>(message->len - message->cursor);
	auto *packed = static_cast<char *>(palloc(VARHDRSZ + size));
	SET_VARSIZE(packed, VARHDRSZ + size);
	pq_copymsgbytes(message, VARDATA(packed), static_cast<int>(size));

	// None of more steps than are collected is taken, whatever the bytes say.
	History history = {};
	bool good = parse_history(VARDATA(packed), size, server.check_interrupts, history) &&
	            history.count <= MaxAllocSize / sizeof(HistoryRow);
	if (good)
	{
		auto *steps = static_cast<HistoryRow *>(palloc(history.count * sizeof(HistoryRow)));
		auto *scratch = static_cast<unsigned char *>(palloc(size));
		good = read_steps(history, steps) &&
		       is_canonical(history, steps, VARDATA(packed), size, scratch);
		for (uint32 i = 0; good && i < history.count; ++i)
		{
			CHECK_FOR_INTERRUPTS();
			good = TIMESTAMP_NOT_FINITE(steps[i].at) || IS_VALID_TIMESTAMP(steps[i].at);
		}
		pfree(scratch);
		pfree(steps);
	}
	if (!good)
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
		                errmsg("invalid binary representation of type %s", "price_history")));
	PG_RETURN_POINTER(packed);
}

LISTING_STATS_FUNCTION(listing_stats_history_to_json)
{
	PG_RETURN_TEXT_P(cstring_to_text(to_json(history_of(PG_GETARG_DATUM(0)))));
}

LISTING_STATS_FUNCTION(listing_stats_history_to_jsonb)
{
	char *json = to_json(history_of(PG_GETARG_DATUM(0)));
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

}  // namespace listing_stats
