// Locking listings and writing their columns through the table and its indexes instead of SQL:
// half the work for a row.
//
// Only where that cannot be told from the SQL of maintenance_sql.hpp: two plain tables, or
// partitions of prices that are in order (price_lookup.hpp), an index for each, kept columns of
// exactly the type of what they keep, and nothing on listing that an UPDATE of them would set off.
// Everything else goes by SQL.  The caller acts as the tables' owner, and has locked both tables.
#pragma once

#include "tracking/collected_keys.hpp"
#include "tracking/maintenance_sql.hpp"

namespace listing_stats {

// Keys that are handled at once: bounds the size of their array, and how long a statement runs
// uninterrupted.
constexpr Size batch = 50000;

struct Keys
{
	Datum *key;
	ItemPointerData *tid;  // where the listings' rows are; nullptr: it is not known
	Size count;
	const PendingKey **added = nullptr;  // what was added to each since its columns were right;
	                                     // nullptr: they are recomputed
	const Datum *since = nullptr;        // each has a price of this time or later, unless that is
	                                     // gone; nullptr: none is known
};

// Sets the last columns of a row that tells what was added.
constexpr int added_columns = 4;
void put_added(const PendingKey &added, Datum *value, bool *null);

// Sorts the keys and leaves each once.
void sort_unique(const ComparedType &type, Keys *keys);

// A new snapshot, which sees what this transaction has done so far.
void push_new_snapshot();

// Leaves those of the sorted keys that have a price, as a new snapshot sees them.
void keep_priced(const Attachment &attachment, Keys *keys);

// Locks the listings with these keys FOR NO KEY UPDATE in this order, and appends to "found" those
// that there are.  Returns how many keys it has handled: all, or where rows come and go those
// before the first that has none.
Size lock_directly(const Attachment &attachment, const Keys &wanted, Keys *found);

// Takes sorted keys and gives rows as the statement does, with the active snapshot; false: a
// partition cannot be read so, and what has been given is not to be used.
bool read_directly(Attachment *attachment, const Keys &keys, Tuplestorestate *rows, Shape given);

// Recomputes the columns of the locked listings with a new snapshot, and writes those that differ;
// or by what was added to each.  Returns how many it has changed.
//
// From *written on they are left to SQL: where listing's rows are the attachment's own, one without
// a price, and what has prices in a partition that cannot be read so.
uint64 write_directly(const Attachment &attachment, const Keys &keys, Size *written);

}  // namespace listing_stats
