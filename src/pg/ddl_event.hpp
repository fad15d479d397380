// What the two event triggers share: the objects of a DDL command, and work on them that cannot
// make the command fail.
#pragma once

#include "pg/pg.hpp"

namespace listing_stats {

struct DdlObject
{
	Oid catalog;
	Oid oid;
	int column;        // attribute number; 0: the object itself
	const char *name;  // of a column that was dropped
};

// The parse tree of the command, if the function is called by an event trigger for this event.
const Node *ddl_command(FunctionCallInfo fcinfo, const char *function, const char *event);

// The objects as one of PostgreSQL's functions for event triggers gives them: a query of class,
// OID, column number and name.  Lists of DdlObject.
List *ddl_objects(const char *query);

// Does the work; an error in it becomes a warning, and leaves the attachment as it was.  Nothing is
// wrong then: the next write says what to do.
void without_failing(void (*work)(void *argument), void *argument);

}  // namespace listing_stats
