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

// The latest price of the keys as of a time of the type of the column at, or ever.  Those that have
// none are left in *keys.
template <typename Key>
bool read_latest_of_keys(const PriceTable &table, Relation relation, KeySet<Key> *keys,
                         NullableDatum as_of, RowSink sink);

// Of all keys.  Where "given" is not nullptr, those in it are left out, and those that are given
// are added.
template <typename Key>
bool read_latest_of_all(const PriceTable &table, Relation relation, KeySet<Key> *given,
                        NullableDatum as_of, RowSink sink);

// The prices of one key, newest first, at most so many if max_rows is not negative.
template <typename Key>
bool read_prices_of_key(const PriceTable &table, Relation relation, Key key, int64 max_rows,
                        RowSink sink);

// Gives (key, tid) for each entry of the keys in the array: in the order of keys, and an entry for
// each version of a row that had to have one.  To be looked up with the snapshot that is active.
bool read_tids_from_leaves(Relation relation, Relation index, const ResolvedColumn &key, Datum keys,
                           RowSink sink);

}  // namespace listing_stats
