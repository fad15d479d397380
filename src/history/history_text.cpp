// A price_history as text, bytes and JSON.
//
// Text is {2026-01-01 00:00:00+00=100.00, 2026-02-01 00:00:00+00#7=null}: ascending times in UTC,
// each with its tie if it has one, and the price from then on, null where it is unavailable.  It is
// the same in every session.  On the way in, order is free, of equal times the one in force is
// kept, and a time is anything that timestamptz takes and that has no comma.
#include "history/history_state.hpp"
#include "server/postgres.hpp"
#include "statistics/distribution_state.hpp"

namespace listing_stats {

namespace {

void
append_time(StringInfo text, int64 time)
{
	char buffer[MAXDATELEN + 1];
	struct pg_tm fields;
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

char *
price_text(const Prices &prices, int64 price)
{
	return DatumGetCString(
		DirectFunctionCall1(numeric_out, NumericGetDatum(price_numeric(prices, price))));
}

// Reads the text item by item; whatever is wrong with it ends here.
class HistoryReader
{
public:
	explicit HistoryReader(const char *text) : text_(text), next_(text) {}

	HistoryRows *read();

private:
	[[noreturn]] void fail(const char *expected) const;
	void skip_spaces();
	bool accept(char wanted);
	char *read_until(const char *ends, const char *expected);
	void read_item();

	const char *text_;
	const char *next_;
	HistoryRows *rows_ = nullptr;
};

void
HistoryReader::fail(const char *expected) const
{
	const int shown = pg_mbcliplen(text_, static_cast<int>(strlen(text_)), 100);
	ereport(ERROR,
	        (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
	         errmsg("invalid input syntax for type %s: \"%.*s\"", "price_history", shown, text_),
	         errdetail("Expected %s at character %d.", expected,
	                   pg_mbstrlen_with_len(text_, static_cast<int>(next_ - text_)) + 1)));
	pg_unreachable();
}

void
HistoryReader::skip_spaces()
{
	while (scanner_isspace(*next_))
		++next_;
}

bool
HistoryReader::accept(char wanted)
{
	skip_spaces();
	if (*next_ != wanted)
		return false;
	++next_;
	skip_spaces();
	return true;
}

char *
HistoryReader::read_until(const char *ends, const char *expected)
{
	const std::size_t length = strcspn(next_, ends);
	std::size_t used = length;
	while (used > 0 && scanner_isspace(next_[used - 1]))
		--used;
	if (used == 0)
		fail(expected);
	char *word = pnstrdup(next_, used);
	next_ += length;
	return word;
}

void
HistoryReader::read_item()
{
	char *time = read_until("=#,{}", "a time");
	int64 tie = no_tie;
	const int64 at = DatumGetTimestampTz(DirectFunctionCall3(
		timestamptz_in, CStringGetDatum(time), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (accept('#'))
		tie = checked_tie(DatumGetInt64(
			DirectFunctionCall1(int8in, CStringGetDatum(read_until("=,{}", "a tie")))));
	if (!accept('='))
		fail("\"=\" and a price");
	char *price = read_until(",{}", "a number or null");
	if (pg_strcasecmp(price, "null") == 0)
	{
		rows_ = make_room(rows_, sizeof(Row));
		append_row(rows_, at, tie, no_price);
	}
	else
		rows_ = add_price(
			rows_, at, tie,
			numeric_bytes(DirectFunctionCall3(numeric_in, CStringGetDatum(price),
		                                      ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}

HistoryRows *
HistoryReader::read()
{
	rows_ = new_history_rows();
	if (!accept('{'))
		fail("\"{\"");
	if (!accept('}'))
	{
		do
		{
			CHECK_FOR_INTERRUPTS();
			read_item();
		} while (accept(','));
		if (!accept('}'))
			fail("\",\" or \"}\"");
	}
	if (*next_ != '\0')
		fail("the end");
	return rows_;
}

// Newest first.
char *
to_json(const History &history)
{
	const Row *steps = steps_of(history);
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
			char *price = price_text(history.prices, steps[i].price);
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
	PG_RETURN_DATUM(pack_history(HistoryReader(PG_GETARG_CSTRING(0)).read()));
}

LISTING_STATS_FUNCTION(listing_stats_history_out)
{
	const History history = history_of(PG_GETARG_DATUM(0));
	const Row *steps = steps_of(history);
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
			char *price = price_text(history.prices, steps[i].price);
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
	const Bytes bytes = packed_bytes_of(PG_GETARG_DATUM(0));
	StringInfoData message;
	pq_begintypsend(&message);
	pq_sendbytes(&message, reinterpret_cast<const char *>(bytes.data),
	             static_cast<int>(bytes.size));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

LISTING_STATS_FUNCTION(listing_stats_history_recv)
{
	auto *message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
	const std::size_t size = static_cast<std::size_t>(message->len - message->cursor);
	auto *packed = static_cast<char *>(palloc(VARHDRSZ + size));
	SET_VARSIZE(packed, VARHDRSZ + size);
	pq_copymsgbytes(message, VARDATA(packed), static_cast<int>(size));

	History history = {};
	bool good = parse_history(VARDATA(packed), size, server.pause, history);
	if (good)
	{
		auto *steps = static_cast<Row *>(MemoryContextAllocHuge(
			CurrentMemoryContext, std::max<std::size_t>(history.count, 1) * sizeof(Row)));
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
