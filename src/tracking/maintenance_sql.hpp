// The SQL that keeps an attachment right.  Everything in it is qualified, operators included, since
// it runs as the tables' owner whatever the search_path is.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

// The plan of a query, prepared and saved when first needed.  Runs within SPI_connect() and as the
// tables' owner.
//
// lock_one, lock_many: lock the listings FOR NO KEY UPDATE in the order of their keys.  The
// parameter is one key, which gives a row if there is such a listing, or an array, which gives an
// array of those that there are. write_one, write_many, write_all: recompute, and update the
// listings that differ.  The parameter is one key, an array of keys, or none. insert_one,
// insert_many: the same where rows have only been added since the columns were right.  The
// parameters are the keys, how many known prices were added to each, the lowest and the highest of
// them. check_one, check_many, check_all: a row with the name of a column that is not what
// write_one and so on have to leave, if there is one. check_added_one, check_added_many: the same
// without those columns that depend on all prices of a listing.
SPIPlanPtr plan_of(Attachment *attachment, Query query);

// The keys of all listings in their order, or those that a table of prices has: at most "limit" of
// them, and those greater than $1 only if "after".
char *keys_query(const Attachment &attachment, Oid table_of_prices, bool after, int limit);

// How many keys there are in all.
char *count_query(const Attachment &attachment, Oid table_of_prices);

// Rows (key, column, stored, expected), all text, where a kept column differs from the prices.
char *verify_query(const Attachment &attachment);

// A row if, of the first hundred of each, prices have keys of which none is that of a listing, and
// no listing has a price.
char *unmatched_query(const Attachment &attachment);

}  // namespace listing_stats
