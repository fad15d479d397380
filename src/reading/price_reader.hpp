// Prices of a table, by the fastest of the ways that apply: from index pages, by a pass over the
// rows, by a query.  All give the same rows.  DEBUG1 says which was taken.
//
// The key is as given_keys.hpp makes it, and answered as "kind" says; time and value have the
// columns' own types.
#pragma once

#include "reading/given_keys.hpp"

namespace listing_stats {

// The first argument of a function that reads prices, and those that name the columns of key, at
// and value, from "names" on.  An error if it is NULL.
const PriceTable *table_argument(FunctionCallInfo fcinfo, int names);

// The same for a table that is known otherwise, and whose rows are read.
const PriceTable *table_of_rows(FunctionCallInfo fcinfo, Oid relation, int names);

// The second argument, one key: the kind of its type, and the key; NULL: no price has it.
NullableDatum key_argument(FunctionCallInfo fcinfo, const PriceTable &table, KeyKind *kind);

// The latest price of the keys asked for, or of all.
void read_latest(const PriceTable &table, KeyKind kind, const LatestRequest &request, RowSink sink);

// One key, as read_one() does it: its latest price as of the time "parameter", or ever, or its
// prices, newest first, at most so many as "parameter" says if it is not NULL.
void read_key(const PriceTable &table, KeyKind kind, Reading reading, Datum key,
              NullableDatum parameter, RowSink sink);

}  // namespace listing_stats
