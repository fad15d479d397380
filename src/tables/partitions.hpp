// The partition that has the rows of a key.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

// Its number among the partitions of a table that is partitioned by one column of this type;
// negative: there is none.  An integer is given as bigint.
int partition_of_key(PartitionKey key, PartitionBoundInfo bounds, Oid type, Datum value);

}  // namespace listing_stats
