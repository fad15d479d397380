// What the event triggers share: what a DDL command has done, and work on it that cannot make the
// command fail.
//
// The functions in C are called by one in plpgsql, which the event triggers call: it makes an error
// in them a warning, also that there is no module to call.
#pragma once

#include "server/subtransaction.hpp"

namespace listing_stats {

struct DroppedObject
{
	Oid catalog;
	Oid oid;
	int column;        // attribute number; 0: the object itself
	const char *name;  // of a column
};

// The commands under way, lists of CollectedCommand, and what they have dropped, of DroppedObject.
// An error unless called by an event trigger.
List *ddl_commands();
List *dropped_objects();

// A warning that an error has kept us from following the command.
void warn_of_failure(ErrorData *error);

// Does the work; an error in it becomes a warning, and leaves the attachment as it was.  Nothing is
// wrong then: the next write says what to do.  Except that a lock is not had, which the command's
// own could fail for as well: it fails.
template <typename Work>
void
without_failing(Work work)
{
	ErrorData *error = error_of(work);

	if (error != nullptr)
		warn_of_failure(error);
}

}  // namespace listing_stats
