// The latest price of every key from one pass over the table, where no index serves: a table as an
// application makes it often has only an index on the foreign key.
#pragma once

#include "pg/leaf_reader.hpp"

namespace listing_stats {

// false: it has to be asked by query; nothing has been given.  may_read_directly() has been asked.
bool read_latest_from_heap(const PriceTable &table, Relation relation, bool has_as_of, Datum as_of,
                           RowSink sink);

}  // namespace listing_stats
