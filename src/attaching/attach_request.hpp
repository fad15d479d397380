// What attach() was asked for, with what it left open found.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

struct Request
{
	Relation listing;
	Relation price;
	const char *column[column_count];  // nullptr: find it, or leave it
	const char *null_value;            // nullptr: 'keep', or leave it
	const char *guard;                 // the same
	char replication;                  // a trigger's tgenabled; '\0': origin, or leave it
	bool backfill;
	// Of what is attached already: the columns that it keeps, nullptr where it keeps none, and
	// whether it is asked to keep others than it does.
	const char *kept[end_of_targets];
	bool keeps_other;
};

// Reads the arguments, and opens and locks the tables: only those that the caller owns.
Request read_request(FunctionCallInfo fcinfo);

// The name that stands for no column.
constexpr const char *no_column = "none";

// The number of a column; an error that tells how to name another if there is none.
AttrNumber find_column(Relation relation, const char *name, const char *argument);

// Finds the columns of the keys and of price, and checks their types.  "existing" is the trigger on
// price if the tables are attached already, in which case what is not named is left as it is.
Attachment complete_request(Request *request, const Trigger *existing);

}  // namespace listing_stats
