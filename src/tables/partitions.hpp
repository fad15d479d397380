// The partition that has the rows of a key.
//
// The caller has the table locked, and has seen that it is partitioned by one column alone: key and
// bounds are those of its cache entry.  The value is not NULL.  The server's own functions do the
// search, with those of the partition key, as when a row is inserted.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

// Its number among the partitions of a table that is partitioned by one column of this type;
// negative: there is none.  An integer is given as bigint.
int partition_of_key(PartitionKey key, PartitionBoundInfo bounds, Oid type, Datum value);

}  // namespace listing_stats
