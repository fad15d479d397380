// The columns by which prices refer to listings, where attach() is not told of them: foreign keys
// say, and else the primary key of listing.
#pragma once

#include "attaching/attach_request.hpp"

namespace listing_stats {

// Finds the columns of price and of listing that are not named.  anew: nothing is attached yet.
void find_key(Request *request, bool anew);

// The foreign key from exactly the columns of the key to the listing; nullptr: there is none.
const ForeignKeyCacheInfo *foreign_key_of(const Request &request);

const char *column_name(Relation relation, AttrNumber attnum);

}  // namespace listing_stats
