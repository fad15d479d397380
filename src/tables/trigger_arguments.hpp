// What an attachment's triggers say: the arguments of a trigger are its whole configuration, and
// this is their one reading and writing.  Each argument is name=text, so that \d explains itself:
//
//   'listing=public.myapp_listing', 'listing_key=tenant_id, id', 'last_price=last_price',
//   'price=public.myapp_price', 'key=tenant_id, listing_id', 'at=created', 'tie=id', 'value=value',
//   'carry=currency AS last_currency', 'condition=(kind = ''ask''::text)',
//   'condition_columns=kind', 'null_value=skip', 'guard=error', 'empty=keep'
//
// Table names are qualified and quoted as SQL quotes them, column names are as they are; lists of
// them as attach() takes them.  The triggers on listing and on price carry the same arguments.
//
// Behind them, in pg_trigger alone, is the record of where attach() found the columns: the OIDs of
// listing and price, and for each column its number and the OID of its type.
//
//   found=16385 16390 listing_key:1:20 last_price:5:1700 …
//
// It is one string more in tgargs than tgnargs says that there are.  So it goes where the catalogue
// goes, into a template's copy or a standby, and not into a dump, where it would say nothing.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

constexpr int most_key_columns = 8;
constexpr int most_carried = 32;
constexpr int most_condition_columns = 16;

// The columns of an attachment, each in a place of its own.  Of those of which there can be several
// the places that are not needed are empty.
enum Column
{
	listing_key,  // the first of its columns
	last_price = listing_key + most_key_columns,
	last_price_at,
	previous_price,
	lowest_price,
	highest_price,
	price_count,
	price_total,
	first_price,
	first_carried,                             // what carries further columns of the latest row
	price_key = first_carried + most_carried,  // the first of its columns
	price_at = price_key + most_key_columns,
	price_tie,
	price_value,
	first_source,  // of what is carried, in the same order
	first_of_condition = first_source + most_carried,
	column_count = first_of_condition + most_condition_columns
};

constexpr int first_target = last_price;
constexpr int end_of_targets = price_key;
constexpr int first_of_price = price_key;
constexpr int end_of_price = column_count;

constexpr bool
is_target(int column)
{
	return column >= first_target && column < end_of_targets;
}

constexpr bool
is_carried(int column)
{
	return column >= first_carried && column < end_of_targets;
}

constexpr bool
is_of_listing(int column)
{
	return column < first_of_price;
}

// The columns that are named by an argument of their own, in their order.
struct FixedColumn
{
	Column column;
	const char *name;
};

constexpr FixedColumn fixed_columns[] = {
	{last_price, "last_price"},
	{last_price_at, "last_price_at"},
	{previous_price, "previous_price"},
	{lowest_price, "lowest_price"},
	{highest_price, "highest_price"},
	{price_count, "price_count"},
	{price_total, "price_total"},
	{first_price, "first_price"},
	{price_at, "at"},
	{price_tie, "tie"},
	{price_value, "value"},
};

// Columns of which there can be several, in lists.
enum class ColumnList
{
	listing_key,
	key,
	carried,  // those of price that are carried
	condition
};

// The place of a column of a list; how many places there are.
int list_place(ColumnList list, int number);
int list_capacity(ColumnList list);

// The place of what carries a further column of price, which is in "source".
constexpr int
carried_by(int source)
{
	return source - first_source + first_carried;
}

constexpr int
source_of_carried(int target)
{
	return target - first_carried + first_source;
}

// The target depends on more than the latest row of a listing.
constexpr bool
needs_history(int target)
{
	return target >= previous_price && target <= first_price;
}

// It depends on all prices of the listing.
constexpr bool
needs_all(int target)
{
	return target >= lowest_price && target <= price_total;
}

// The argument that names the column, which is also attach()'s name for it.
const char *argument_name(int column);

// What becomes of a value that an application writes to a kept column.
enum class Guard
{
	keep,   // it is put right by the end of the statement
	error,  // the statement fails
	off     // it stays
};

struct RecordedColumn
{
	AttrNumber attnum;
	Oid type;
};

// How the columns are kept.
struct Options
{
	bool skip_null;   // the latest known price counts, not the latest row
	bool keep_empty;  // a listing without prices keeps what it has
	bool own_rows;    // listing has a row for each key with prices, and no other
	Guard guard;

	void set_options(const Options &options) { *this = options; }
};

struct Definition : Options
{
	const char *listing;               // qualified and quoted
	const char *price;                 // qualified and quoted
	const char *column[column_count];  // nullptr: there is none
	const char *condition;             // which prices count, as PostgreSQL prints it; nullptr: all

	// Where attach() found them; InvalidOid: not recorded.
	Oid listing_oid;
	Oid price_oid;
	RecordedColumn record[column_count];
};

// What options are called, by their values.
constexpr const char *null_value_words[] = {"keep", "skip", nullptr};
constexpr const char *guard_words[] = {"keep", "error", "off", nullptr};
constexpr const char *empty_words[] = {"null", "keep", nullptr};

// When triggers fire, and how pg_trigger says so.
constexpr const char *firing_words[] = {"origin", "replica", "always", "disabled", nullptr};
constexpr char firing[] = {TRIGGER_FIRES_ON_ORIGIN, TRIGGER_FIRES_ON_REPLICA, TRIGGER_FIRES_ALWAYS,
                           TRIGGER_DISABLED, '\0'};

// Which of the words the text is; -1: none.
int find_word(const char *const *words, const char *text);

// Sets the value that is called so; false: none is.
template <typename Value>
bool
parse_word(const char *const *words, const char *text, Value *value)
{
	const int word = find_word(words, text);

	if (word >= 0)
		*value = static_cast<Value>(word);
	return word >= 0;
}

// The two parts of the name of a table in a definition; false: it is not such a name.
bool split_name(const char *text, const char **schema, const char **table);

// Reads a list of names of columns, "a, b", into their places; what is carried is "a AS b, c",
// where c is kept in last_c.  A name is as it is, or quoted as SQL quotes it where it has a comma,
// a quote or blanks around it.  Returns what is wrong with the list, a sentence, or nullptr.
const char *parse_list(const char *text, ColumnList list, const char **column);

// The list as it is read; nullptr: there are none.
char *format_list(const char *const *column, ColumnList list);

// Takes a column that is carried out of the definition; those after it move up.
void remove_carried(Definition *definition, int number);

// How many columns of the list there are.
int count_list(const char *const *column, ColumnList list);

// Whether one of these places has the name.
bool has_name(const char *const *column, int first, int end, const char *name);

// Whether a column of this name is kept.
inline bool
is_kept(const char *const *column, const char *name)
{
	return has_name(column, first_target, end_of_targets, name);
}

// Reads the arguments; returns what is wrong with them, a sentence, or nullptr.
const char *read_definition(const Trigger *trigger, Definition *definition);

// The same; an error names the trigger and says how to make a right one.
Definition parse_definition(Relation relation, const Trigger *trigger);

// The arguments as pg_trigger has them: each ends with a zero byte, and the record, which does not
// count, comes last.
struct TriggerArguments
{
	const char *text;
	int length;
	int count;
};
TriggerArguments definition_arguments(const Definition &definition);

// The same of a trigger that is there.
TriggerArguments arguments_of(const Trigger *trigger);

// The arguments as they stand in CREATE TRIGGER, between the parentheses.
char *format_arguments(const TriggerArguments &arguments);

// The call that attaches the two tables anew by the same key, for a hint, with a name to be filled
// in for a column; not for the listing's key, which is found by itself.  With "one_of_several" it
// says by a kept column which one of several attachments is meant.
char *attach_call(const Definition &definition, int column = listing_key,
                  bool one_of_several = false);

}  // namespace listing_stats
