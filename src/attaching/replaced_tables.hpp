// Signs that another table has taken the place of one that is attached.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

// What is to be done about each, a list of sentences.
List *replaced_tables(const Attachment &attachment);

}  // namespace listing_stats
