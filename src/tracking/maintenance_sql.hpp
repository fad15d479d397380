// The SQL that keeps an attachment right.  It runs as the tables' owner whatever the search_path
// is, so everything in it is qualified, operators included; only the condition of an attachment is
// as it stands in the arguments of its triggers, and is only in those statements that read.
//
// The statements take rows from, and give rows to, C++: those that they take are tables by the
// names below, with one of the shapes.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

constexpr const char *keys_name = "listing_stats_keys";
constexpr const char *rows_name = "listing_stats_rows";

// The columns of the rows that statements take and give.
enum class Shape
{
	keys,        // the columns of the key
	keys_added,  // and how many known prices were added, their lowest, highest and total
	rows,        // the key, whether there is a price, and what the kept columns have to be
	rows_added,  // and what keys_added has, except what depends on all prices
	rows_head,   // the same without what keys_added has
	count
};
TupleDesc shape_of(Attachment *attachment, Shape shape);

// The plan of a statement, prepared and saved when first needed.  Runs within SPI_connect(), as the
// tables' owner, with the rows that it takes registered.
//
// lock: takes keys, locks their listings FOR NO KEY UPDATE in the order of their keys, and gives
// the keys of those that there are; lock_free: the same, without those that others have locked.
// read: takes keys and gives rows, from the prices.  read_added: the same where rows have only
// been added since the columns were right: takes keys_added, gives rows_added, which do not have
// what depends on all prices of a listing.  read_head: takes keys, with what was added or
// without, and gives rows_head.  read_keys: gives the keys of all prices; read_listings: of all
// listings.  write, write_added, write_all: take rows and update those listings that differ.
// check, check_added: take rows and give the name of a column that is not what it has to be, if
// there is one.
//
// Where listing's rows are the attachment's own, lock also inserts those that are missing, in the
// order of their keys, and gives nothing.  read_needed: takes keys and gives those that have a row
// or a price; read_found: the same, taking rows_head.  remove takes rows and deletes those without
// a price.
SPIPlanPtr plan_of(Attachment *attachment, Statement statement);

// The keys of all listings in their order, or those that a table of prices has: at most "limit" of
// them, and those greater than $1, $2 … only if "after".
char *keys_query(const Attachment &attachment, Oid table_of_prices, bool after, int limit);

// How many keys there are in all.
char *count_query(const Attachment &attachment, Oid table_of_prices);

// Rows (key, column, stored, expected), all text, where a kept column differs from the prices.
char *verify_query(const Attachment &attachment);

// A row of listing of whose key there is no price, if there is one.
char *unpriced_query(const Attachment &attachment);

// A row if, of the first hundred of each, prices have keys of which none is that of a listing, and
// no listing has a price.
char *unmatched_query(const Attachment &attachment);

}  // namespace listing_stats
