// What is attached, as the triggers in the catalogue say, and what is wrong with it.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

// Puts the row of the view "attachments" for the attachment of this trigger on the price table into
// a set being returned, and says its warnings by NOTICEs.
void put_attachment(ReturnSetInfo *result, Oid price, Oid trigger);

// The tables that have triggers of ours, once each.
List *attached_tables();

// Says by a NOTICE what makes PostgreSQL refuse to update the table because it is published.
void warn_of_publications(Oid listing);

}  // namespace listing_stats
