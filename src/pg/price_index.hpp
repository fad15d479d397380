// The index of price from which the latest price of a key is read first.
#pragma once

#include "pg/attachment.hpp"

namespace listing_stats {

// "key, at DESC, tie DESC" as CREATE INDEX has it.
char *index_columns(const Attachment &attachment);

// An index that serves; InvalidOid: none.
Oid fitting_index(const Attachment &attachment);

}  // namespace listing_stats
