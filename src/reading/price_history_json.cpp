// price_history_json(): the prices of one listing as the nested list of an API's response.
//
// An array of objects, newest first, whose names are those of the columns of time and price, and
// whose values are what to_json() makes of theirs.  A listing without prices gives [].  The text is
// written where it is returned, behind room for its header, and begun anew if a reader cannot go
// on.
#include "reading/json_text.hpp"
#include "reading/price_reader.hpp"

namespace listing_stats {

namespace {

// Writes rows as objects.
struct Writer
{
	StringInfoData out;
	char *before_at;
	char *before_value;
	int before_at_length;
	int before_value_length;
	Oid at_type;
	Oid value_type;
	bool any;
};

// Without the NUL behind it, which the end of all writes.
void
append(StringInfo out, const char *text, int length)
{
	reserve(out, length);
	memcpy(out->data + out->len, text, static_cast<Size>(length));
	out->len += length;
}

void
write_row(void *state, const Datum *value, const bool *null)
{
	Writer *writer = static_cast<Writer *>(state);
	StringInfo out = &writer->out;

	if (writer->any)
		append(out, ",", 1);
	writer->any = true;
	append(out, writer->before_at, writer->before_at_length);
	if (null[1])
		append(out, "null", 4);
	else
		append_json_instant(out, writer->at_type, value[1]);
	append(out, writer->before_value, writer->before_value_length);
	if (null[2])
		append(out, "null", 4);
	else
		append_json_number(out, writer->value_type, value[2]);
	append(out, "}", 1);
}

void
start(void *state)
{
	Writer *writer = static_cast<Writer *>(state);

	resetStringInfo(&writer->out);
	appendStringInfoSpaces(&writer->out, VARHDRSZ);
	appendStringInfoChar(&writer->out, '[');
	writer->any = false;
}

Datum
write_json(const PriceTable &table, KeyKind kind, Datum key, int64 max_rows)
{
	Writer writer = {};
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfoChar(&name, '{');
	escape_json(&name, NameStr(table.at.name));
	appendStringInfoChar(&name, ':');
	writer.before_at_length = name.len;
	appendStringInfoChar(&name, ',');
	escape_json(&name, NameStr(table.value.name));
	appendStringInfoChar(&name, ':');
	writer.before_at = name.data;
	writer.before_value = name.data + writer.before_at_length;
	writer.before_value_length = name.len - writer.before_at_length;
	writer.at_type = table.at.base;
	writer.value_type = table.value.base;
	initStringInfo(&writer.out);
	start(&writer);
	read_key(table, kind, Reading::history, key, {Int64GetDatum(max_rows), max_rows < 0},
	         {write_row, &writer, start});
	appendStringInfoChar(&writer.out, ']');
	SET_VARSIZE(writer.out.data, writer.out.len);
	return PointerGetDatum(writer.out.data);
}

// The arguments are (price, key, max_rows, and the names of key, at and value).
Datum
history_json(FunctionCallInfo fcinfo)
{
	const PriceTable *table = table_argument(fcinfo, 3);
	KeyKind kind = {};
	const NullableDatum key = key_argument(fcinfo, *table, &kind);

	if (!PG_ARGISNULL(2) && PG_GETARG_INT32(2) < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_ROW_COUNT_IN_LIMIT_CLAUSE),
		                errmsg("max_rows must not be negative")));
	if (key.isnull)
		PG_RETURN_TEXT_P(cstring_to_text("[]"));
	const int64 max_rows = PG_ARGISNULL(2) ? -1 : PG_GETARG_INT32(2);
	return write_json(*table, kind, key.value, max_rows);
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_price_history_json)
{
	return history_json(fcinfo);
}
