// The keys that a caller gives, of whatever type, as the readers take them: integers as bigint, a
// uuid as it is, all others as text, and a key of several columns as a record.
//
// Keys that no price can have are no error: a NULL, or a row with one, is left out.  What cannot be
// read as a key is one: a type that does not fit (42804), a row with another number of columns, a
// text that the column's type does not take.  Results are in the current memory context, or are
// what was given.
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
