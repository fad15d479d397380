// The prices of a key, newest first, from a table or from its partitions.
//
// Of partitions only as many are opened and locked as it takes: of ranges of time from the newest
// one on; of those by the key the one that has it.  What lies in no order, as a default partition
// beside ranges of time does, is merged.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

struct PriceLookup;

// Why prices cannot be read so; nullptr: they can, as far as is known without opening partitions.
const char *obstacle_of_prices(const Attachment &attachment, Relation price);

// Whether the index of price serves every snapshot that there is now.  Those of partitions are
// asked when these are opened.
bool prices_serve_now(const Attachment &attachment);

// With the active snapshot; reads with what the tables are when it begins.  With a time, of a table
// without partitions, it may leave out prices before it.
PriceLookup *begin_price_lookup(const Attachment &attachment, Relation price, const Datum *since);

// Goes before the first price of the key; in the current context, until the next key.
void look_up_prices(PriceLookup *lookup, Datum key);

// Goes to the next one; false: there is none, or it is lost.
bool next_price(PriceLookup *lookup);

// Whether a partition could not be read, because no index of it serves or its rows are elsewhere:
// then what has been read of the key is not to be used, and the lookup is of no more use.
bool is_lost(const PriceLookup &lookup);

// A column of the price that it is at, valid until it goes on.
Datum column_of_price(const PriceLookup &lookup, int column, bool *is_null);

void end_price_lookup(PriceLookup *lookup);

// What is known of the table may no longer be right; InvalidOid: of any.
void forget_price_table(const Attachment &attachment, Oid relation);

}  // namespace listing_stats
