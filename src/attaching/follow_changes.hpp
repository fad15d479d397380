// What the event trigger for commands that change tables follows.
#pragma once

#include "attaching/ddl_event.hpp"
#include "tables/condition.hpp"

namespace listing_stats {

// New names of tables, columns and schemas: follow_renames.cpp.
void follow_renames(const CollectedCommand &command);

// New names of what conditions name: follow_conditions.cpp.
void follow_conditions(const CollectedCommand &command);

// Carries new names into the triggers on a table, unless somebody else is changing the tables: what
// it names is called otherwise since "rename", and so is "column" of it (0: none), or what its
// conditions name since "renamed" (nullptr: nothing).
void follow_names(Oid table, const RenameStmt *rename, int column, const NewName *renamed);

// Tables that become a part of a price table, or cease to be: follow_partitions.cpp.
void follow_partitions(const CollectedCommand &command);

// The call that recomputes the columns of the listings that have prices in a table, or of all, for
// a hint.
char *refresh_call(Oid listing, Oid price, Oid only_in);

// A warning that the columns of listing may show prices that are no longer in price, having gone
// with a table and perhaps others.  "detached": that table, if it is still there and refresh() can
// read the keys in it.
void warn_of_gone_prices(Oid listing, Oid price, const char *table, int tables, Oid detached);

}  // namespace listing_stats
