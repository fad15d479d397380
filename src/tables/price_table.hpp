// The table of prices that a reading function is asked about, with the columns that matter: those
// of its attachment, or those that were named, with the same defaults as attach() has.
#pragma once

#include "server/column.hpp"

namespace listing_stats {

// What is kept with a table for as long as what is known of it is right: plans of the queries about
// one key, see reading_sql.hpp, the tables that are its partitions, and who has been found to have
// the right to read it, as of which state of rights.
struct Kept
{
	SPIPlanPtr plan[9];
	int users;  // calls that are running one of them
	HTAB *partitions;
	Oid reader;
	uint64 rights;
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
	ResolvedColumn key;
	ResolvedColumn at;
	ResolvedColumn tie;  // attnum 0: the order of prices of one time is not defined
	ResolvedColumn value;
	bool skip_null;    // the latest known price counts, not the latest row
	bool distributed;  // the rows are elsewhere
	Partitioning partitioning;
	Oid index;  // from which leaf_reader can read the latest price; InvalidOid: none

	// The table that has all keys, each once, as an attachment's foreign key sees to; InvalidOid:
	// none has for sure.
	Oid listing;
	ResolvedColumn listing_key;

	Kept *kept;  // nullptr: nothing
};

// What the caller named; nullptr: find it.
struct ColumnNames
{
	const char *key;
	const char *at;
	const char *value;
};

// An error says what cannot be found, or has a type that is no time or no price.  The answer is
// kept for as long as the table's description stays what it is.
const PriceTable *find_price_table(Oid relation, const ColumnNames &names);

// The same if it has been found already, without looking; nullptr: not yet.
const PriceTable *known_price_table(Oid relation, const ColumnNames &names);

// The columns of a partition, which have the names of the table's, and the index that serves.
const PriceTable *find_partition(const PriceTable &table, Relation partition);

}  // namespace listing_stats
