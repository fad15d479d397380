// The order of "latest", the index of price from which the latest price of a key is read first, and
// that of listing by its key.
#pragma once

#include "tables/attachment.hpp"
#include "tables/price_table.hpp"

namespace listing_stats {

// The order of "latest", the greatest time, then the greatest tie, with NULLs last: without the
// key, columns with this prefix, as ORDER BY and CREATE INDEX have them.
const char *latest_first(const Attachment &attachment, const char *prefix);
const char *latest_first(const PriceTable &table, const char *prefix);

// "key, at DESC, tie DESC" as CREATE INDEX has it.
char *index_columns(const Attachment &attachment);

// An index that serves; InvalidOid: none.
Oid fitting_index(const Attachment &attachment);

// Whether the latest price of a key is the last of its entries in such an index, else the first.
bool is_read_backwards(Relation index);

// A unique index of listing by its key; InvalidOid: none.
Oid listing_key_index(const Attachment &attachment);

// Whether key and time have types that are read from leaf pages, see leaf_reader.hpp.
bool can_be_read(const PriceTable &table);

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
Indexed find_indexed(const PriceTable &table);

// Whether the places of rows with given keys can be read from the index, of which this is the first
// column.
bool has_places_of_keys(Relation index, const ResolvedColumn &key);

// Whether the index serves the transaction's snapshots: a query waits for one that was made over
// broken HOT chains.
bool index_is_usable(Relation index);

}  // namespace listing_stats
