// The SQL that reads prices, for every table that leaf_reader and heap_reader do not take.  It runs
// as the caller and everything in it is qualified.  All of it gives (key, at, value) in the
// columns' own types, but for a key that is asked for as text.
#pragma once

#include "pg/price_table.hpp"

namespace listing_stats {

// How a caller names a listing.
enum class KeyKind
{
	integer,  // bigint
	text,     // the text of a key of any type
	uuid
};

// Takes rows: the key as the caller named it, time and price as the columns have them.  Their
// memory is only good for the call.
struct RowSink
{
	void (*put)(void *sink, Datum *value, bool *null);  // key, at, value
	void *sink;
};

Oid key_kind_type(KeyKind kind);
Oid key_kind_array_type(KeyKind kind);

// The latest price of the keys in the array $1, or of all keys, at the time $2 (of the type of the
// column at) or ever.  An error if the key column cannot be asked for in this way.
char *latest_query(const PriceTable &table, KeyKind kind, bool keys, bool as_of);

// The prices of the key $1 as a JSON array of objects, newest first, at most $2 of them.
char *history_query(const PriceTable &table, KeyKind kind);

// Whether a query can go from key to key in an index, and that beats reading all prices, each of
// which costs 1 / "prices" of what a key costs.
bool skipping_pays(const PriceTable &table, double prices);

// How many keys the table has, as the planner would guess, if it has been read before; negative:
// nobody knows.
double estimate_keys(Oid relation, const ColumnNames &names);

// All prices of the key $1 that count, newest first.
char *prices_query(const PriceTable &table, KeyKind kind);

// Gives the sink all rows of one of these queries.
void read_rows(const char *query, int parameters, Oid *type, Datum *parameter, const char *null,
               RowSink sink);

// Raises the error that latest_query() does.
void check_key_kind(const PriceTable &table, KeyKind kind);

}  // namespace listing_stats
