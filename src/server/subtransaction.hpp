// What may fail without the statement failing with it.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

// Does the work in a subtransaction.  Returns the error that it failed with, in the caller's
// context, and nothing of the work is left; nullptr: it did not fail.  Where somebody cancels the
// statement that error goes on.
ErrorData *error_of(void (*work)(void *argument), void *argument);

template <typename Work>
ErrorData *
error_of(Work work)
{
	return error_of([](void *argument) { (*static_cast<Work *>(argument))(); }, &work);
}

}  // namespace listing_stats
