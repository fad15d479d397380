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

// One key, as read_one() does it.
bool read_key_directly(const PriceTable &table, Reading reading, Datum key, NullableDatum parameter,
                       RowSink sink);

}  // namespace listing_stats
