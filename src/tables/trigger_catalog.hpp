// pg_trigger, read and written without opening or waiting for the tables that the triggers are on.
//
// What is read is copied into the current memory context, so that it stays when the caches change.
// Of a trigger only the members are set that triggers_of() names.  Writing asks for nobody's
// rights: the caller has, or follows a change that was allowed.
#pragma once

#include "tables/trigger_arguments.hpp"

namespace listing_stats {

// The triggers of a table as the catalogue has them: name, function, arguments, whether each is a
// clone, and whether it is enabled.  "snapshot" says when; nullptr: now.
List *triggers_of(Oid table, Snapshot snapshot);

// The functions that the triggers of an attachment call, and their OIDs.
constexpr const char *price_changed = "price_changed";
constexpr const char *listing_changed = "listing_changed";
constexpr const char *price_truncated = "price_truncated";
constexpr const char *listing_truncated = "listing_truncated";
Oid trigger_function(const char *name);

// The triggers of a table that call one of them, as they are now.
List *our_triggers(Oid table);

// A trigger as it is now; nullptr: it is gone.
const Trigger *trigger_by_oid(Oid trigger);

// The triggers of an attachment, on both tables, have the same arguments.
bool same_arguments(const Trigger *a, const Trigger *b);

// The trigger of a table that calls the function with the arguments of "like"; nullptr: none. With
// "clones", also that which a partition has from the table it is a partition of.
const Trigger *find_trigger(Oid table, const char *function, const Trigger *like, bool clones);

// The record behind a trigger's arguments, see trigger_arguments.hpp; nullptr: it has none, as
// after a restore.
const char *record_of(Oid trigger);

// Puts the record behind the arguments of a trigger that was just made with these.
void write_record(Oid trigger, const TriggerArguments &arguments);

// Puts a definition into the arguments of all triggers of an attachment, which have those of
// "like", on both tables, their partitions and inheritance children.  false: somebody else is
// changing the tables, or has changed the triggers; nothing is changed then.
bool rewrite_arguments(Oid listing, Oid price, const Trigger *like, const Definition &definition);

}  // namespace listing_stats
