// What attach() and keep_latest() were asked for: their arguments.
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

// An option that the request leaves out stays as the attachment has it.
void read_options(const Request &request, Attachment *attachment);

// The name that stands for no column.
constexpr const char *no_column = "none";

// Whether that is the name of a column.
bool is_named(const char *name);

}  // namespace listing_stats
