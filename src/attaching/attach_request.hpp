// What attach() was asked for, with what it left open found.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

struct Request
{
	Relation listing;
	Relation price;
	const char *column[column_count];  // nullptr: find it, or leave it
	bool key_is_named;
	bool listing_key_is_named;
	bool targets_are_named;
	bool carry_none;        // no further columns
	const char *condition;  // the same; no_column: all prices count
	const char *null_value;
	const char *guard;
	const char *empty;
	bool own_rows;     // keep_latest()
	char replication;  // a trigger's tgenabled; '\0': origin, or leave it
	bool backfill;
};

// What attach() and keep_latest() can be told, and which argument of the function that is; -1: it
// has no such argument.
enum class Argument
{
	last_price,
	last_price_at,
	previous_price,
	lowest_price,
	highest_price,
	price_count,
	price_total,
	first_price,
	key,
	listing_key,
	at,
	value,
	tie,
	carry,
	condition,
	empty,
	null_value,
	guard,
	replication,
	backfill,
	count
};

struct Arguments
{
	FunctionCallInfo fcinfo;
	const int *place;  // by Argument
};

Request read_request(const Arguments &arguments);

// Opens and locks the tables: only those that the caller owns.
void open_tables(Oid listing, Oid price, Request *request);

// The name that stands for no column.
constexpr const char *no_column = "none";

// The number of a column; an error that tells how to name another if there is none.
AttrNumber find_column(Relation relation, const char *name, const char *argument);

// The trigger, on price or on listing, of the attachment that the request changes; nullptr: it
// makes a new one.
//
// An attachment is what keeps a column: a request that names a kept column is of its attachment.
// One that names others adds to an attachment that could have them, being of the same key, time,
// value and condition as far as they are named, and having no such columns yet; otherwise it makes
// a new one.  One that names none is of the only attachment that fits, or of the one that keeps
// last_price.
const Trigger *existing_attachment(Request *request);

// Finds the columns of the keys and of price, and checks their types.  What is attached already is
// left as it is where it is not named.
Attachment complete_request(Request *request, const Trigger *existing);

}  // namespace listing_stats
