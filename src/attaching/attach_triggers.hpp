// The triggers of an attachment: the only place that makes and drops them.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

// Makes the triggers, or makes those of an attachment anew: dropping them would take a lock that
// keeps readers out.  "replication" is a trigger's tgenabled, or '\0': as it is, or origin. Returns
// the row trigger on price.
Oid create_triggers(const Attachment &attachment, const Trigger *existing, char replication);

// Gives a table that has become a part of an attached price table the triggers that it needs and
// has not got.  "like" is the row trigger of that price table, or a part's.  Within SPI_connect().
void create_part_triggers(Oid table, const Trigger *like);

// Drops the triggers of a table, which is locked, that have the arguments of "like", except those
// that are a partition's clones.  Within SPI_connect().
void drop_triggers_of(Oid table, const Trigger *like);

// Drops what "trigger" is part of, on its table and on the other one, if there is one.
void drop_triggers(Oid relation, Oid other, const Trigger *trigger);

// Runs a command of DDL; within SPI_connect().
void run_command(const char *command);

}  // namespace listing_stats
