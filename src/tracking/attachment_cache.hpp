// The attachments that this backend has met, kept until the relation cache says that something
// changed.
//
// What is returned belongs to the cache, and stays until the transaction ends.  It may become
// invalid before: who uses names or numbers of columns locks the tables first, and asks again if it
// is no longer valid then.  Nothing is freed as long as a flush can run, and what is not valid at
// the end of the transaction goes then.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

// The attachment of a trigger with the column numbers of the trigger's own relation, which may be a
// partition.
struct TriggerColumns
{
	Oid trigger;  // hash key
	Oid relation;
	Attachment *attachment;           // nullptr: there is nothing to keep any more
	AttrNumber attnum[column_count];  // of the columns on the trigger's side
	List *condition;  // of a price, ready to be evaluated for rows of this relation; NIL: they all
	                  // count, or it cannot be
	MemoryContext condition_context;  // that it is in; nullptr: there is none
	bool valid;
};

// For the trigger that is firing.  nullptr: there is nothing to keep.  The trigger has been dropped
// since its event, or is left over: on a listing whose price table is gone, or on a table that was
// part of a price table.  Then a warning has been given.  Where names no longer fit, an error says
// what to do.
TriggerColumns *columns_of_trigger(const TriggerData *event, Side side);

// The same for later than the event; "relation" is the attached table, and "trigger" its own.
Attachment *attachment_of(Oid relation, Oid trigger, Side side);

// A plan that has become invalid: a flush further out may be running it, so that it is freed when
// the transaction ends.
void free_plan_later(SPIPlanPtr plan);

// Frees what the relation cache has made stale, and such plans.  At the end of a transaction, when
// no flush runs.
void free_stale_attachments();

}  // namespace listing_stats
