// Rows of a table by a key, which the first columns of an index are.
//
// The caller has the table locked, and has seen that serves() is true of the index; the snapshot
// that is active when a lookup begins stays so until it ends.  Keys are as make_key() makes them,
// without NULLs.  Rows come in the order of the index, those that the snapshot sees; a row is in
// the lookup's slot until the next one is asked for.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

// What the first columns of an index are compared with: these columns of a key, in the order of the
// index.  Behind them may be the time of a price, of which the least is asked for.
struct IndexKeys
{
	int count;
	ScanKeyData scan[most_key_columns + 1];
	int column[most_key_columns];  // of the key, at this position
	bool has_time;
};

// Sets *keys to look up the attachment's keys in the columns of this list; false: the types do not
// allow it.
bool make_scan_keys(Relation index, const Attachment &attachment, ColumnList list, IndexKeys *keys);

// Lets an index that has the time of prices behind their key be asked for the later ones, if a
// value of its type can be held without memory and none is NULL.
void add_time_key(Relation index, const ResolvedColumn &at, IndexKeys *keys);

// The index may keep what it allocates on the way until the end: so it runs in the context in which
// the lookup began.
struct Lookup
{
	MemoryContext context;
	Relation table;
	Relation index;
	IndexScanDesc scan;
	IndexKeys keys;
	int compared;  // so many columns
	const Attachment *attachment;
	TupleTableSlot *slot;  // the row it is at
};

// With the active snapshot; until the end, or the end of the transaction, the index stays locked,
// as a query's.  Gives rows of this time or later, if the keys have a time; nullptr: all.
Lookup begin_lookup(Relation table, Oid index, const IndexKeys &keys, const Attachment &attachment,
                    const Datum *since = nullptr);
void look_up(Lookup *lookup, Datum key);
bool next_row(Lookup *lookup, ScanDirection direction);
void end_lookup(Lookup *lookup);

}  // namespace listing_stats
