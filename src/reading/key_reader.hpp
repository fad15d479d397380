// The prices of one key without the executor: from an ordinary table, or from one in partitions
// which can be put in the order of time, or of which one has the key.
#pragma once

#include "reading/leaf_reader.hpp"

namespace listing_stats {

// The key's latest price as of a time of the type of the column at, or ever.  false: it has to be
// asked by query; what has been given is not to be used.
bool read_latest_of_key(const PriceTable &table, Datum key, NullableDatum as_of, RowSink sink);

// Its prices, newest first, at most so many if max_rows is not negative.  false: the same.
bool read_history_of_key(const PriceTable &table, Datum key, int64 max_rows, RowSink sink);

}  // namespace listing_stats
