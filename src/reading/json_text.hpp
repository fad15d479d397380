// Instants and numbers as JSON: the very text that to_json() makes of them, in the session's time
// zone.  It is appended to "out"; the value must not be NULL.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

// Room for so many bytes and a NUL, asked for without a call where it is there.
inline void
reserve(StringInfo out, int bytes)
{
	if (unlikely(out->maxlen - out->len <= bytes))
		enlargeStringInfo(out, bytes);
}

// The type is a base type: timestamptz, timestamp or date, or that of a number.
void append_json_instant(StringInfo out, Oid type, Datum value);

// The type is that of a number.
void append_json_number(StringInfo out, Oid type, Datum value);

}  // namespace listing_stats
