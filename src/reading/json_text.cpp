// Instants and numbers as JSON, see json_text.hpp.
//
// What a price usually is is written here; the rest by the server's own functions, so that the text
// is always theirs.  For an instant what takes them longest is the offset from UTC: it is the same
// between two changes of the zone's clocks, so it is kept until an instant lies outside.
#include "reading/json_text.hpp"

#include "server/column.hpp"
#include "server/numeric.hpp"

namespace listing_stats {

namespace {

constexpr int max_integer_text = 20;

// The days since 2000-01-01 of which write_date() can write the date: years of four digits.
constexpr int64 first_written_day = -730000;
constexpr int64 last_written_day = 2921900;

// What follows writes at "out", which has room, and returns where the next character goes.

char *
write_two_digits(char *out, uint32 number)
{
	*out++ = static_cast<char>('0' + number / 10);
	*out++ = static_cast<char>('0' + number % 10);
	return out;
}

char *
write_date(char *out, int64 day)
{
	int year = 0;
	int month = 0;
	int day_of_month = 0;

	j2date(static_cast<int>(day) + POSTGRES_EPOCH_JDATE, &year, &month, &day_of_month);
	out = write_two_digits(out, static_cast<uint32>(year) / 100);
	out = write_two_digits(out, static_cast<uint32>(year) % 100);
	*out++ = '-';
	out = write_two_digits(out, static_cast<uint32>(month));
	*out++ = '-';
	return write_two_digits(out, static_cast<uint32>(day_of_month));
}

// Of the microseconds since midnight; those of the second without zeros at the end.
char *
write_time(char *out, int64 microseconds)
{
	const auto seconds = static_cast<uint32>(microseconds / USECS_PER_SEC);
	const auto fraction = static_cast<uint32>(microseconds % USECS_PER_SEC);

	out = write_two_digits(out, seconds / SECS_PER_HOUR);
	*out++ = ':';
	out = write_two_digits(out, seconds / SECS_PER_MINUTE % 60);
	*out++ = ':';
	out = write_two_digits(out, seconds % SECS_PER_MINUTE);
	if (fraction == 0)
		return out;
	*out++ = '.';
	out = write_two_digits(out, fraction / 10000);
	out = write_two_digits(out, fraction / 100 % 100);
	out = write_two_digits(out, fraction % 100);
	while (out[-1] == '0')
		--out;
	return out;
}

// value / 10^scale, with all decimals.
char *
write_scaled(char *out, int64 value, int scale)
{
	uint64 magnitude = static_cast<uint64>(value);

	if (value < 0)
	{
		*out++ = '-';
		magnitude = 0 - magnitude;
	}
	const auto unit = static_cast<uint64>(powers_of_ten[scale]);
	out += pg_ulltoa_n(magnitude / unit, out);
	if (scale == 0)
		return out;
	*out = '.';
	uint64 fraction = magnitude % unit;
	for (int i = scale; i > 0; --i, fraction /= 10)
		out[i] = static_cast<char>('0' + fraction % 10);
	return out + scale + 1;
}

constexpr int64 epoch_of_unix =
	static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
constexpr pg_time_t look_back =
	200 * SECS_PER_DAY;  // from an instant, for the start of its interval

// Seconds since 1970 in which the offset is one.
struct Offset
{
	const pg_tz *zone;
	pg_time_t start;
	pg_time_t end;
	int64 seconds;
	char text[8];
};

// false: it has seconds, or cannot be found.
bool
find_offset(pg_time_t instant, Offset *offset)
{
	constexpr pg_time_t forever = PG_INT64_MAX;
	pg_time_t start = instant - look_back;
	pg_time_t end = 0;
	long int before = 0;
	long int after = 0;
	int before_dst = 0;
	int after_dst = 0;

	for (;;)
	{
		const int found = pg_next_dst_boundary(&start, &before, &before_dst, &end, &after,
		                                       &after_dst, session_timezone);
		if (found < 0)
			return false;
		if (found == 0)
			end = forever;
		if (end > instant)
			break;
		start = end;
	}
	const struct pg_tm *local = pg_localtime(&instant, session_timezone);
	if (local == nullptr || local->tm_gmtoff != before || before % 60 != 0)
		return false;
	const auto minutes = static_cast<unsigned>(before < 0 ? -before : before) / 60;
	if (minutes >= 100 * 60)
		return false;
	offset->zone = session_timezone;
	offset->start = start;
	offset->end = end;
	offset->seconds = before;
	offset->text[0] = before < 0 ? '-' : '+';
	write_two_digits(offset->text + 1, minutes / 60);
	offset->text[3] = ':';
	write_two_digits(offset->text + 4, minutes % 60);
	return true;
}

// nullptr: the server has to be asked.
const Offset *
offset_at(TimestampTz instant)
{
	static Offset offset = {};
	const int64 seconds =
		instant / USECS_PER_SEC - (instant % USECS_PER_SEC < 0 ? 1 : 0) + epoch_of_unix;

	if (offset.zone == session_timezone && seconds >= offset.start && seconds < offset.end)
		return &offset;
	return find_offset(seconds, &offset) ? &offset : nullptr;
}

// nullptr: it is none of a year of four digits.
char *
write_instant(char *out, int64 local)
{
	int64 day = local / USECS_PER_DAY;
	int64 time = local % USECS_PER_DAY;

	if (time < 0)
	{
		time += USECS_PER_DAY;
		--day;
	}
	if (day < first_written_day || day > last_written_day)
		return nullptr;
	out = write_date(out, day);
	*out++ = 'T';
	return write_time(out, time);
}

char *
write_usual_instant(char *out, Oid type, Datum value)
{
	if (type == DATEOID)
	{
		const DateADT day = DatumGetDateADT(value);
		return day < first_written_day || day > last_written_day ? nullptr : write_date(out, day);
	}
	const int64 instant = DatumGetInt64(value);
	if (type == TIMESTAMPOID)
		return write_instant(out, instant);
	if (instant / USECS_PER_DAY <= first_written_day || instant / USECS_PER_DAY >= last_written_day)
		return nullptr;
	const Offset *offset = offset_at(instant);
	if (offset == nullptr)
		return nullptr;
	out = write_instant(out, instant + offset->seconds * USECS_PER_SEC);
	if (out != nullptr)
	{
		memcpy(out, offset->text, 6);
		out += 6;
	}
	return out;
}

// What to_json() does with a number's text.
void
append_number_text(StringInfo out, const char *text)
{
	const bool number = text[strspn(text, "+-0123456789.eE")] == '\0';

	if (!number)
		appendStringInfoChar(out, '"');
	appendStringInfoString(out, text);
	if (!number)
		appendStringInfoChar(out, '"');
}

void
append_scaled(StringInfo out, int64 value, int scale)
{
	reserve(out, 2 * max_integer_text);
	char *start = out->data + out->len;
	char *end = write_scaled(start, value, scale);

	*end = '\0';
	out->len += static_cast<int>(end - start);
}

// false: it does not fit 64 bits, or is no finite number.
bool
append_numeric(StringInfo out, Datum value)
{
	const NumericBytes bytes = numeric_bytes(value);
	const Decimal decimal = parse_numeric(bytes);
	int64 scaled = 0;

	if (decimal.kind != NumberKind::finite || decimal.scale > max_scale ||
	    (!scaled_value_quick(bytes.data, bytes.size, decimal.scale, scaled) &&
	     !scaled_value(decimal, decimal.scale, scaled)))
		return false;
	append_scaled(out, scaled, decimal.scale);
	return true;
}

}  // namespace

void
append_json_instant(StringInfo out, Oid type, Datum value)
{
	if (!is_time_type(type))
	{
		append_json_number(out, type, value);
		return;
	}
	reserve(out, MAXDATELEN + 3);
	char *start = out->data + out->len;
	*start = '"';
	char *end = write_usual_instant(start + 1, type, value);
	if (end == nullptr)
	{
		JsonEncodeDateTime(start + 1, value, type, nullptr);
		end = start + 1 + strlen(start + 1);
	}
	*end++ = '"';
	*end = '\0';
	out->len += static_cast<int>(end - start);
}

void
append_json_number(StringInfo out, Oid type, Datum value)
{
	switch (type)
	{
	case INT2OID:
		append_scaled(out, DatumGetInt16(value), 0);
		return;
	case INT4OID:
		append_scaled(out, DatumGetInt32(value), 0);
		return;
	case INT8OID:
		append_scaled(out, DatumGetInt64(value), 0);
		return;
	case NUMERICOID:
		if (append_numeric(out, value))
			return;
		break;
	default:
		break;
	}
	Oid function = InvalidOid;
	bool varlena = false;
	getTypeOutputInfo(type, &function, &varlena);
	char *text = OidOutputFunctionCall(function, value);
	append_number_text(out, text);
	pfree(text);
}

}  // namespace listing_stats
