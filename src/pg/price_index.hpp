// The order of "latest", the index of price from which the latest price of a key is read first, and
// that of listing by its key.
#pragma once

#include "pg/attachment.hpp"

namespace listing_stats {

// The order of "latest", the greatest time, then the greatest tie, with NULLs last: without the
// key, columns with this prefix, as ORDER BY and CREATE INDEX have them.
const char *latest_first(const Attachment &attachment, const char *prefix);

// "key, at DESC, tie DESC" as CREATE INDEX has it.
char *index_columns(const Attachment &attachment);

// An index that serves; InvalidOid: none.
Oid fitting_index(const Attachment &attachment);

// Whether such an index has the latest price of a key last.
bool is_read_backwards(Relation index);

// A unique index of listing by its key; InvalidOid: none.
Oid listing_key_index(const Attachment &attachment);

}  // namespace listing_stats
