// Opening the two tables that are to be attached: which ones can be, and in what order they are
// locked.
#pragma once

#include "attaching/attach_request.hpp"

namespace listing_stats {

// Opens and locks the tables: only those that the caller owns.
void open_tables(Oid listing, Oid price, Request *request);

}  // namespace listing_stats
