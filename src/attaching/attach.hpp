// Making an attachment of what attach() or keep_latest() was asked for.
#pragma once

#include "attaching/attach_request.hpp"

namespace listing_stats {

// An error within an extension's script, whose objects would not be dumped.
void check_can_attach();

// Makes what is missing, of tables that are open and locked, and fills the columns; closes the
// tables.  Returns the trigger on price.
Oid attach_tables(Request *request);

}  // namespace listing_stats
