// The latest price of every key from one pass over the table, where no index serves: a table as an
// application makes it often has only an index on the foreign key.
#pragma once

#include "reading/leaf_reader.hpp"

namespace listing_stats {

// false: it has to be asked by query, which can sort on disk; what has been given so far is not to
// be used.  may_read_directly() has been asked.
bool read_latest_from_heap(const PriceTable &table, Relation relation, bool has_as_of, Datum as_of,
                           RowSink sink);

}  // namespace listing_stats
