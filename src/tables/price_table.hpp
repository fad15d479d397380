// The table of prices that a reading function is asked about, with the columns that matter: those
// of its attachment, or those that were named, with the same defaults as attach() has.
//
// find_price_table() locks the table ACCESS SHARE until the transaction ends, and returns a copy in
// the current memory context, which stays as it was found.  Its Kept is the session's: whoever runs
// a plan of it counts as a user as long as that runs, and without users it is freed after the
// relation cache has told of a change.  The copy itself holds it where anything can run before it
// is used: reading a key of several columns runs what checks their types.  Nobody's right to read
// the table is asked here.
#pragma once

#include "server/column.hpp"
#include "tables/trigger_arguments.hpp"

namespace listing_stats {

// A key of several columns, in the order in which callers give their values.
struct CompositeKey
{
	int columns;
	ResolvedColumn column[most_key_columns];
	ResolvedColumn listing_column[most_key_columns];  // of PriceTable::listing
	int32 row_type;  // the modifier of the type of a record of them, without domains
};

// What is kept with a table for as long as what is known of it is right: plans of the queries about
// one key, see reading_sql.hpp, the tables that are its partitions, and who has been found to have
// the right to read it, as of which state of rights.
struct Kept
{
	SPIPlanPtr plan[12];
	int users;    // calls that are running one of them
	int holders;  // copies of the table whose key's types may run anything before it is used
	HTAB *partitions;
	Oid reader;
	uint64 rights;
	CompositeKey *composite;
};

// Where the latest price of a key is among a table's partitions.
enum class Partitioning
{
	none,
	by_key,               // in one of them
	by_time,              // in the newest that has the key
	by_time_and_default,  // the same, if the default partition is empty
	otherwise
};

struct PriceTable
{
	Oid relation;
	NameData name;
	ResolvedColumn key;       // or the first column of several
	CompositeKey *composite;  // nullptr: the key is one column
	ResolvedColumn at;
	ResolvedColumn tie;    // attnum 0: the order of prices of one time is not defined
	ResolvedColumn value;  // attnum 0: there is none
	bool skip_null;        // the latest known price counts, not the latest row
	bool distributed;      // the rows are elsewhere
	Partitioning partitioning;
	Oid index;  // from which leaf_reader can read the latest price; InvalidOid: none

	// The table that has all keys, each once, as an attachment's foreign key sees to, if
	// all_have_listings(); InvalidOid: none has for sure.
	Oid listing;
	ResolvedColumn listing_key;  // or the first column of several

	Kept *kept;  // nullptr: nothing
};

inline int
key_columns(const PriceTable &table)
{
	return table.composite == nullptr ? 1 : table.composite->columns;
}

inline const ResolvedColumn &
key_column(const PriceTable &table, int number)
{
	return table.composite == nullptr ? table.key : table.composite->column[number];
}

// The column of the listing that it refers to; only where PriceTable::listing is known.
inline const ResolvedColumn &
listing_column(const PriceTable &table, int number)
{
	return table.composite == nullptr ? table.listing_key : table.composite->listing_column[number];
}

// What the caller named; nullptr: find it.
struct ColumnNames
{
	const char *key;  // a list, see parse_list()
	const char *at;
	const char *value;
	bool whole_rows;  // are read: the value can be of any type, and need not be there
};

// Columns of a key in the order in which a caller gives their values.
struct KeyColumns
{
	int count;
	AttrNumber attnum[INDEX_MAX_KEYS];
};

// The columns of the only foreign key; an error, with the hint, if there is none, or several that
// are not on the same columns.
KeyColumns only_foreign_key(Relation price, const char *hint);

// An error says what cannot be found, or has a type that is no time or no price.  The answer is
// kept for as long as the table's description stays what it is.
const PriceTable *find_price_table(Oid relation, const ColumnNames &names);

// The same if it has been found already, without looking or locking; good until messages are taken
// in.  nullptr: not yet.
const PriceTable *known_price_table(Oid relation, const ColumnNames &names);

// Whether the foreign key to PriceTable::listing holds for all prices.  It is asked anew each time:
// inheritance children come and go, and lose theirs, without a message about their parent.
bool all_have_listings(const PriceTable &table);

// How a table with these columns is partitioned.
Partitioning partitioning_of(Relation relation, const PriceTable &table);

// The columns of a partition, which have the names of the table's, and the index that serves.  The
// partition is locked, and the table's key is one column.
const PriceTable *find_partition(const PriceTable &table, Relation partition);

}  // namespace listing_stats
