// The SQL that reads prices, for every table that leaf_reader and heap_reader do not take.  It runs
// as the caller, with the snapshot that is active, and everything in it is qualified.  It gives
// (key, at, value): the key as it was asked for, the others in the columns' own types.
#pragma once

#include "tables/price_table.hpp"

namespace listing_stats {

// How a caller names a listing.
enum class KeyKind
{
	integer,  // bigint
	text,     // the text of a key of any type
	uuid,
	row  // of several columns: a record of them, as an array of one where one key is asked for
};

// Takes rows: the key as the caller named it (a row as text, and not where one is asked for), time
// and price as the columns have them; or all columns that the table has.  Their memory is only good
// for the call.
struct RowSink
{
	void (*put)(void *sink, const Datum *value, const bool *null) = nullptr;  // key, at, value
	void *sink = nullptr;
	void (*drop)(void *sink) = nullptr;  // all that it has taken
	bool whole_rows = false;
	bool tids_only = false;  // (key, tid) of entries of an index, visible or not

	// One that can take a price of a history where it lies, in a page that is locked: without an
	// error, and without memory but what make_room() has made for so many.  false: put() has to.
	bool (*put_in_place)(void *sink, int64 at, Datum value) = nullptr;
	void (*make_room)(void *sink, std::size_t rows) = nullptr;
};

Oid key_kind_type(KeyKind kind);

// What is asked of one key, each by a plan that is kept with the table.
enum class Reading
{
	latest,       // as of the time $2, of the type of the column at
	latest_ever,  // $2 is not there
	history       // all, newest first, at most $2
};

void read_one(const PriceTable &table, KeyKind kind, Reading reading, Datum key,
              NullableDatum parameter, RowSink sink);

// Which latest prices are wanted.
struct LatestRequest
{
	bool has_keys;        // otherwise of all
	Datum keys;           // an array
	NullableDatum as_of;  // of the type of the column at
};

void read_latest_by_query(const PriceTable &table, KeyKind kind, const LatestRequest &request,
                          RowSink sink);

// How many prices and keys a table has, as the planner would guess; negative: nobody knows.
struct TableSize
{
	double prices;
	double keys;
	double parts = 1;         // partitions; inheritance children and the table itself
	double parts_of_key = 1;  // in so many the latest price of a key is looked for
	bool has_children = false;
};
TableSize estimate_size(const PriceTable &table);

// Whether a query can go from key to key in an index, and that beats reading all prices, of which
// so many take as long as going to the next key.
bool skipping_pays(const PriceTable &table, double prices);

// Whether it is faster to look in partitions for the keys that the table of listings has than to
// read all that there are; and those keys.
bool listings_pay(const PriceTable &table);
void read_listing_keys(const PriceTable &table, RowSink sink);

// How many keys the table has if it has been read before; negative: nobody knows.
double estimate_keys(Oid relation, const ColumnNames &names);

}  // namespace listing_stats
