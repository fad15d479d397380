// Reading prices straight from the leaf pages of a btree, whose format amcheck reads too, several
// times faster than any query: the index access method copies every entry of a listing to return
// one of them, this looks at the first.  Nothing is given that a query would not give, and whatever
// is unusual is left to the queries.
//
// It reads one ordinary table from table.index, with the snapshot that is active, as somebody who
// may read it.  Rows come in the order of keys.  false: the index does not serve, or there is not
// enough memory; what has been given is not to be used.
#pragma once

#include "reading/keys.hpp"
#include "reading/reading_sql.hpp"

namespace listing_stats {

// What is asked for: the latest price of the keys that are wanted, or of all, or the history of a
// key.
template <typename Key>
struct Search
{
	KeySet<Key> *wanted;  // those that have been found are taken out
	KeySet<Key> *given;   // of all: which have been found, and are left out; nullptr: nobody asks
	NullableDatum as_of = {0, true};  // of the type of the column at
	const Key *history;
	int64 rows;  // how many of it are left to give, newest first; negative: all
	RowSink sink;
};

bool read_leaves(const PriceTable &table, Relation relation, Search<IntegerKey> *search);
bool read_leaves(const PriceTable &table, Relation relation, Search<UuidKey> *search);
bool read_leaves(const PriceTable &table, Relation relation, Search<TextKey> *search);

// Gives (key, tid) for each entry of the keys in the array: in the order of keys, and an entry for
// each version of a row that had to have one.  To be looked up with the snapshot that is active.
bool read_tids_from_leaves(Relation relation, Relation index, const ResolvedColumn &key,
                           Datum array, RowSink sink);

}  // namespace listing_stats
