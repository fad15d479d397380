// Prices without the executor: from an ordinary table, or from one in partitions that can be put in
// the order of time, or of which one has the key.
//
// Whatever cannot be read so is left to a query: false says that, and then what has been given is
// not to be used.
#pragma once

#include "reading/reading_sql.hpp"

namespace listing_stats {

// The latest price of the keys asked for, or of all.
bool read_latest_directly(const PriceTable &table, const LatestRequest &request, RowSink sink);

// Of all, by one pass over all rows: where no index serves.
bool read_latest_in_a_pass(const PriceTable &table, NullableDatum as_of, RowSink sink);

// The key's latest price as of a time of the type of the column at, or ever.
bool read_latest_of_key_directly(const PriceTable &table, Datum key, NullableDatum as_of,
                                 RowSink sink);

// Its prices, newest first, at most so many if max_rows is not negative.
bool read_history_directly(const PriceTable &table, Datum key, int64 max_rows, RowSink sink);

}  // namespace listing_stats
