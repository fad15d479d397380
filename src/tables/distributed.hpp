// Tables whose rows are elsewhere: Citus keeps a table's name and description, an empty table, and
// has the rows in shards, here or on other machines.  Such a table is never read or written through
// its pages and indexes, only by SQL, which Citus sends to where the rows are.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

// Whether Citus knows the table: a distributed, reference or local one of its own.  Its shards are
// ordinary tables.  Not remembered: whoever asks often keeps the answer until the relation cache
// says that the table has changed, as Citus sees to that it does.  "snapshot" says when; nullptr:
// now.
bool is_distributed(Oid table, Snapshot snapshot = nullptr);

}  // namespace listing_stats
