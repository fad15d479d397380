// The latest price of every key from one pass over the rows, where no index serves: a table as an
// application makes it often has only an index on the foreign key.
#pragma once

#include "reading/keys.hpp"
#include "reading/reading_sql.hpp"

namespace listing_stats {

// An ordinary table: the one that was asked for, or a partition of it.
struct Heap
{
	const PriceTable *table;
	Relation relation;
};

// As somebody who may read the table, with the snapshot that is active.  false: it has to be asked
// by query, which can sort on disk; what has been given so far is not to be used.
template <typename Key>
bool read_latest_from_heaps(const PriceTable &table, const Heap *heap, int heaps,
                            NullableDatum as_of, RowSink sink);

}  // namespace listing_stats
