// The columns of price that say when, how much, and which of two at one time, where attach() is not
// told of them.
#pragma once

#include "attaching/attach_request.hpp"

namespace listing_stats {

// The number of a column; an error that tells how to name another if there is none.
AttrNumber find_column(Relation relation, const char *name, const char *argument);

// Finds at, tie and value where they are not named.  The key is known.
void find_columns(Request *request);

}  // namespace listing_stats
