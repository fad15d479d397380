// What a call of attach() has to do with attachments that are there: which one it changes, and what
// it leaves as it is.
#pragma once

#include "attaching/attach_request.hpp"

namespace listing_stats {

// The trigger, on price or on listing, of the attachment that the request changes; nullptr: it
// makes a new one.
//
// An attachment is what keeps a column: a request that names a kept column is of its attachment.
// One that names others adds to an attachment that could have them, being of the same key, time,
// value and condition as far as they are named, and having no such columns yet; otherwise it makes
// a new one.  One that names none is of the only attachment that fits, or of the one that keeps
// last_price.
const Trigger *existing_attachment(Request *request);

// Takes what the request does not name from the attachment that it changes, options too.  Returns
// its condition; nullptr: it has none.
const char *take_from_existing(Request *request, const Trigger *trigger, Attachment *attachment);

// Takes key, time and tie that are not named from another attachment of the two tables.
void take_from_others(Request *request);

}  // namespace listing_stats
