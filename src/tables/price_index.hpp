// The order of "latest", the index of price from which the latest price of a key is read first, and
// that of listing by its key.
//
// An index of price serves if it is a valid btree of exactly the rows that count, and begins with
// the columns of the key, in whatever order, followed by the order of "latest", read forwards or
// backwards; all by their types' default operator classes.  The caller has the table locked.
// Whether a snapshot may use the index is another question: see index_is_usable().
#pragma once

#include "tables/attachment.hpp"
#include "tables/price_table.hpp"

namespace listing_stats {

// The order of "latest", the greatest time, then the greatest tie, with NULLs last: without the
// key, columns with this prefix, as ORDER BY and CREATE INDEX have them.
const char *latest_first(const Attachment &attachment, const char *prefix);
const char *latest_first(const PriceTable &table, const char *prefix);

// The order of "first", with the least time: the other way round, with NULLs last too.
const char *earliest_first(const Attachment &attachment, const char *prefix);

// "key, at DESC, tie DESC" as CREATE INDEX has it, and the condition is its predicate.
char *index_columns(const Attachment &attachment);

// An index that serves; InvalidOid: none.
Oid fitting_index(const Attachment &attachment);

// Whether the latest price of a key, after so many columns of which such an index has the time, is
// the last of its entries, else the first.
bool is_read_backwards(Relation index, int key_columns);

// The number of the key's column that the index has at this position; -1: none.
int key_at(Relation index, int position, const Attachment &attachment, ColumnList list);

// A unique index of listing by its key; InvalidOid: none.
Oid listing_key_index(const Attachment &attachment);

// Whether an index leads to the rows of listing with a key; of partitions that is not known.
bool finds_listing(const Attachment &attachment);

// Whether the key is one column, and it and the time have types that are read from leaf pages, see
// leaf_reader.hpp: those that are equal only if their bytes are.  Texts are not read in partitions.
bool can_be_read(const PriceTable &table);

// Whether the key is one column of texts.
bool has_text_key(const PriceTable &table);

// Sets table->index to the index whose leaf pages serve best, from what does not change without the
// table's description changing.
void choose_leaf_index(Relation relation, PriceTable *table);

// How a query can find prices in an index of the table, a complete btree.
enum class Indexed
{
	not_at_all,
	by_key,
	by_time,  // of a key by time
	in_order  // and it has all that is asked of a price, in the order of "latest"
};

// Sets the order in which the index has the key's columns, or leaves them in theirs.
Indexed find_indexed(const PriceTable &table, int *order);

// Whether the places of rows with given keys can be read from the index, of which this is the first
// column.
bool has_tids_of_keys(Relation index, const ResolvedColumn &key);

// The transactions that must be over before a snapshot may use the index, which was made over
// broken HOT chains, see pg_index.indcheckxmin; and whether they are.
TransactionId serves_since(Relation index);
bool serves(TransactionId since);

// Whether the index serves the transaction's snapshots.
bool index_is_usable(Relation index);

}  // namespace listing_stats
