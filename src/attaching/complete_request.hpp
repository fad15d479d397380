// A request becomes an attachment: what it leaves open is found, and the types of columns are
// checked.
#pragma once

#include "attaching/attach_request.hpp"

namespace listing_stats {

// What is attached already is left as it is where it is not named.  Columns to be kept are not
// looked at yet: they may have to be added.
Attachment complete_request(Request *request, const Trigger *existing);

// The columns of price's key, as a list that attach() takes.
const char *key_list(const Attachment &attachment);

}  // namespace listing_stats
