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

Request read_request(FunctionCallInfo fcinfo);

// An option that the request leaves out stays as the attachment has it.
void read_options(const Request &request, Attachment *attachment);

// The name that stands for no column.
constexpr const char *no_column = "none";

// Whether that is the name of a column.
bool is_named(const char *name);

}  // namespace listing_stats
