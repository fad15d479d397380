// The keys that a caller gives, of whatever type, as the readers take them.
#pragma once

#include "reading/reading_sql.hpp"

namespace listing_stats {

// How keys of a type that a caller gives name those of the table; an error if they cannot.
KeyKind kind_of_keys(const PriceTable &table, Oid type);

// How the table's keys are named where nobody gives any.
KeyKind own_kind(const PriceTable &table);

// A key as the readers of one take it; NULL: no price has it.
NullableDatum given_key(const PriceTable &table, KeyKind kind, Oid type, Datum key);

// An array of keys of the type, as an array that the readers take.
Datum given_keys(const PriceTable &table, KeyKind kind, Oid type, Datum keys);

}  // namespace listing_stats
