// What is attached, as the triggers in the catalogue say.
#pragma once

#include "pg/attachment.hpp"

namespace listing_stats {

// Puts the row of the view "attachments" for the attachment of this trigger on the price table into
// a set being returned.
void put_attachment(ReturnSetInfo *result, Oid price, Oid trigger);

// The tables that have triggers of ours, once each.
List *attached_tables();

}  // namespace listing_stats
