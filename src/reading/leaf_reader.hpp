// Reading prices straight from the leaf pages of a btree, whose format amcheck reads too, several
// times faster than any query: the index access method copies every entry of a listing to return
// one of them, this looks at the first.  Nothing is given that a query would not give, and whatever
// is unusual is left to the queries.
#pragma once

#include "reading/reading_sql.hpp"

namespace listing_stats {

// Whether the current user may read the table, in this transaction, without the executor: the parts
// of a SELECT other than finding rows.
bool may_read(const PriceTable &table, Relation relation);

// Whether the rows are where they are in an ordinary table.
bool is_readable(Relation relation);

// All of this.
bool may_read_directly(const PriceTable &table, Relation relation);

// The latest price of the keys in the array, or of all without one, as of a time of the type of the
// column at, or ever.  false: it has to be asked by query; nothing has been given.
bool read_latest_from_leaves(const PriceTable &table, Relation relation, bool has_keys, Datum keys,
                             bool has_as_of, Datum as_of, RowSink sink);

// The latest price of one key.  false: the same.
bool read_latest_of_key_from_leaves(const PriceTable &table, Relation relation, Datum key,
                                    NullableDatum as_of, RowSink sink);

// The prices of one key, newest first, at most so many if max_rows is not negative.  false: the
// same.
bool read_history_from_leaves(const PriceTable &table, Relation relation, Datum key, int64 max_rows,
                              RowSink sink);

// Gives (key, tid) for each entry of the keys in the array, which are in order, each once: in that
// order, and an entry for each version of a row that had to have one.  To be looked up with the
// snapshot that is active.  false: nothing has been given.
bool read_places_from_leaves(Relation relation, Relation index, const ResolvedColumn &key,
                             Datum keys, RowSink sink);

}  // namespace listing_stats
