// What an attachment's triggers say: the arguments of a trigger are its whole configuration, and
// this is their one reading and writing.  Each argument is name=text, so that \d explains itself:
//
//   'listing=public.myapp_listing', 'listing_key=id', 'last_price=last_price',
//   'price=public.myapp_price', 'key=listing_id', 'at=created', 'tie=id', 'value=value',
//   'null_value=skip', 'guard=error',
//   'found=7391… 16385 16390 listing_key:1:20 last_price:5:1700 key:2:20 …'
//
// Table names are qualified and quoted as SQL quotes them, column names are as they are.  The last
// argument records where attach() found the columns: the system identifier, the OIDs of listing and
// price, and for each column its number and the OID of its type.  The triggers on listing and on
// price carry the same arguments.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

// The columns of an attachment, in the order of the arguments.
enum Column
{
	listing_key,
	last_price,
	last_price_at,
	previous_price,
	lowest_price,
	highest_price,
	price_count,
	price_key,
	price_at,
	price_tie,
	price_value,
	column_count
};

constexpr int first_target = last_price;
constexpr int end_of_targets = price_count + 1;
constexpr int first_of_price = price_key;

constexpr bool
is_target(int column)
{
	return column >= first_target && column < end_of_targets;
}

constexpr bool
is_of_listing(int column)
{
	return column < first_of_price;
}

// The target depends on more than the latest row of a listing.
constexpr bool
needs_history(int target)
{
	return target >= previous_price && target <= price_count;
}

// The name of a column's argument, which is also attach()'s name for it.
extern const char *const argument_name[column_count];

// What becomes of a value that an application writes to a kept column.
enum class Guard
{
	keep,   // it is put right by the end of the statement
	error,  // the statement fails
	off     // it stays
};

struct Place
{
	AttrNumber attnum;
	Oid type;
};

struct Definition
{
	const char *listing;               // qualified and quoted
	const char *price;                 // qualified and quoted
	const char *column[column_count];  // nullptr: a target that is not kept
	bool skip_null;                    // the latest known price counts, not the latest row
	Guard guard;

	// Where attach() found them; system_identifier 0: not recorded.
	uint64 system_identifier;
	Oid listing_oid;
	Oid price_oid;
	Place place[column_count];
};

// 'keep' or 'skip', and 'keep', 'error' or 'off'; false: the text is none of these.
bool parse_null_value(const char *text, bool *skip_null);
bool parse_guard(const char *text, Guard *guard);

// The two parts of the name of a table in a definition; false: it is not such a name.
bool split_name(const char *text, const char **schema, const char **table);

// Reads the arguments; returns what is wrong with them, a sentence, or nullptr.
const char *read_definition(const Trigger *trigger, Definition *definition);

// The same; an error names the trigger and says how to make a right one.
Definition parse_definition(Relation relation, const Trigger *trigger);

// The arguments as pg_trigger has them: each ends with a zero byte.
struct Arguments
{
	const char *text;
	int length;
	int count;
};
Arguments definition_arguments(const Definition &definition);

// The arguments as they stand in CREATE TRIGGER, between the parentheses.
char *format_definition(const Definition &definition);

// The call that attaches the two tables anew by the same key, for a hint, with a name to be filled
// in for a column; not for the listing's key, which is found by itself.
char *attach_call(const Definition &definition, int column = listing_key);

}  // namespace listing_stats
