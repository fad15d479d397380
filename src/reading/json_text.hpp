// Instants and numbers as JSON: the very text that to_json() makes of them.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

// The types are base types: timestamptz, timestamp, date or a number; and a number.
void append_json_instant(StringInfo out, Oid type, Datum value);
void append_json_number(StringInfo out, Oid type, Datum value);

}  // namespace listing_stats
