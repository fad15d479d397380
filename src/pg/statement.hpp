// What is known of the statement whose AFTER triggers are firing.
#pragma once

#include "pg/pg.hpp"

namespace listing_stats {

// Once per backend, when the module is loaded.
void follow_statements();

// Whether the event's row is the only one that the statement under way has inserted into "table",
// updated or deleted there.  False also where that is not known: for COPY, MERGE, rows that move to
// another partition, and the statement under way when the module was loaded.
bool is_only_row(const TriggerData *event, Oid table);

}  // namespace listing_stats
