// What is known of the statements under way.
//
// Hooks of the executor see each statement begin and end, from when the module is loaded.  Not seen
// are the one that was under way then, COPY, and rows that logical replication applies; each
// function says what it answers for these.  A QueryDesc that is given stands for its statement: it
// may be gone when that has ended, so it is compared and not looked into.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

// Once per backend, when the module is loaded.  What was put off to the end of a statement is taken
// up when that is done with its rows and its triggers are about to fire.
void follow_statements();

// How many triggers are running, each within the next.
int trigger_depth();

// Whether the event's row is the only one that the statement under way has inserted into "table",
// updated or deleted there.  False also where that is not known: for COPY, MERGE, rows that move to
// another partition, and the statement under way when the module was loaded.
bool is_only_row(const TriggerData *event, Oid table);

// Whether the statement under way is that of a plan that has this text, at this address.
bool is_statement_with(const char *text);

// Whether a statement under way updates or deletes rows of the table and is not done with them, as
// where a BEFORE trigger on it runs the statement at hand; the outermost such one.  nullptr: it is
// the one that was under way when the module was loaded, or there is none, since logical
// replication applies the row.
bool is_being_changed(Oid listing, const QueryDesc **statement);

// When the first key of an attachment is collected, and before its listing is locked for it:
// whether the statement that was under way when the module was loaded may be changing the listings.
// We cannot know whether it is; only whether it could be.  That is found once.
void look_for_unseen_change(Oid listing, bool by_price);

// Whether the row whose triggers are firing came by logical replication.  Such a row has no
// statement that would run what is queued for its end: the worker fires queued triggers after each
// row, and in 15.18 and 18.6, not in 15.20, never closes another table that they are on, as the
// server warns at every commit.
bool is_replicated_row();

}  // namespace listing_stats
