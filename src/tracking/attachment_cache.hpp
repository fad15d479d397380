// The attachments that this backend has met, kept until the relation cache says that something
// changed.
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
	                  // count
	MemoryContext condition_context;  // that it is in; nullptr: there is none
	bool valid;
};

// For the trigger that is firing.  An error says what to do where names no longer fit; nullptr: it
// is left over, on a listing whose price table is gone or on what was part of a price table (a
// warning has been given), or has been dropped since its event.
TriggerColumns *columns_of_trigger(const TriggerData *event, Side side);

// For later than the event that met the trigger; nullptr: it has been dropped since, or is left
// over.
Attachment *attachment_of(Oid relation, Oid trigger, Side side);

// A plan that has become invalid: a flush further out may be running it, so that it is freed when
// the transaction ends.
void free_plan_later(SPIPlanPtr plan);

// Frees what the relation cache has made stale, and such plans.  At the end of a transaction, when
// no flush runs.
void free_stale_attachments();

}  // namespace listing_stats
