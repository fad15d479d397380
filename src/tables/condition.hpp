// Which prices count for an attachment: a condition on a row of price, kept as text in the
// arguments of its triggers.
//
// The text is what PostgreSQL prints while only pg_catalog is in the search_path and nothing else
// is set that changes how constants look, and is read the same way: so no setting of whoever writes
// prices changes what it means.  Nothing here runs a function that the condition names.  To read a
// constant runs the input function of its type, so types whose input can run code of somebody
// else's are refused: composite types, ranges, and arrays of domains.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

// With only pg_catalog in the search_path, and the same settings everywhere of what a condition's
// text depends on, until end_safe_settings() or the end of the (sub)transaction.
int begin_safe_settings();

// With only pg_catalog in the search_path, until the same.
int begin_safe_path();

void end_safe_settings(int level);

// Reads a condition that attach() was given, by the search_path of whoever gave it.  An error says
// what cannot be one: it is a boolean expression of columns of the table, without subqueries,
// aggregates and functions that are not immutable.
Node *parse_new_condition(Relation price, const char *text);

// The new name of something else than a column that conditions can name: of a catalogue, and of
// pg_namespace the name alone.  Or of a label of an enum.
struct NewName
{
	Oid catalog;
	Oid object;
	const char *old_schema;
	const char *old_name;
	const char *schema;
	const char *name;
	const char *old_label;  // nullptr: it is not about a label
	const char *label;
};

// Reads what the triggers have, where columns had these names by number (nullptr: the name is as it
// is now), and something else its old name.  The table is price or a part of it, which somebody
// else than the owner of the attached tables can own.  nullptr: it means nothing any more, as after
// DROP FUNCTION, and *problem says why.
Node *parse_condition(Relation price, Oid owner, const char *text, const char *const *old_name,
                      const char **problem, const NewName *renamed = nullptr);

// The condition as text.
char *condition_text(Relation price, Node *condition);

// The numbers of the columns that it names, in ascending order.
List *condition_columns(Node *condition);

// Whether the index has exactly the rows that satisfy the condition; nullptr: all rows.
bool has_rows_of(Relation index, const Node *condition);

}  // namespace listing_stats
