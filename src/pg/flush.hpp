// Making kept columns right: the protocol of HACKING.md, "How the column stays right".
#pragma once

#include "pg/pending.hpp"

namespace listing_stats {

// Handles and frees what one statement has collected.
void flush(Level *level);

// Recomputes every listing of the attachment.  The caller holds a lock on price, or on listing,
// that keeps writers of prices out.
void recompute_all(Attachment *attachment);

}  // namespace listing_stats
