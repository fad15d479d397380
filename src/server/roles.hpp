// Who owns and who may, and acting as somebody else.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

// How often it has been said that roles, their memberships or what may be done in schemas may have
// changed.  What is said of tables is said to the relation cache.
uint64 rights_changes();

// InvalidOid: there is no such relation.
Oid relation_owner(Oid relation);

// Who acts, and within which restrictions.
struct Actor
{
	Oid user;
	int security_context;
	int settings;  // the level of those that are undone with it, 0: none
};

// Acts as another role, within further restrictions if given, as foreign keys act as the owner of a
// table; returns who acted before, whom resume_as() takes.  An error does that by itself.  What is
// SET while operations are restricted ends with that, as in ANALYZE: a search_path that stayed
// would make the caller's next statements call what its setter likes.
inline Actor
act_as(Oid role, int restrictions = 0)
{
	Actor before = {};

	GetUserIdAndSecContext(&before.user, &before.security_context);
	SetUserIdAndSecContext(role,
	                       before.security_context | SECURITY_LOCAL_USERID_CHANGE | restrictions);
	if ((restrictions & SECURITY_RESTRICTED_OPERATION) != 0)
		before.settings = NewGUCNestLevel();
	return before;
}

// Keeps what an owner's triggers and functions can do within what runs for somebody else, who only
// maintains his tables: nothing is put off until the transaction commits, when it would run as that
// other.  So the server goes about ANALYZE and REINDEX.  resume_as() ends it.
inline Actor
restrict_unless_owner(Oid owner)
{
	return act_as(GetUserId(), GetUserId() == owner ? 0 : SECURITY_RESTRICTED_OPERATION);
}

inline void
resume_as(const Actor &actor)
{
	if (actor.settings != 0)
		AtEOXact_GUC(false, actor.settings);
	SetUserIdAndSecContext(actor.user, actor.security_context);
}

// Whether a publication leaves out columns of a table's replica identity, which makes every UPDATE
// of the table fail.
inline bool
leaves_out_identity(Form_pg_publication publication, Relation table, List *ancestors)
{
#if PG_VERSION_NUM >= 180000
	bool list = false;
	bool generated = false;

	return pub_contains_invalid_column(publication->oid, table, ancestors, publication->pubviaroot,
	                                   publication->pubgencols, &list, &generated);
#else
	return pub_collist_contains_invalid_column(publication->oid, table, ancestors,
	                                           publication->pubviaroot);
#endif
}

// An error unless the current user owns the table, or is a member of the role that does.  Before
// anything is locked: only an owner may make others wait.
void check_ownership(Oid relation);

// Locks the table, only for who owns it: whoever was waited for may have taken it from him.
void lock_owned(Oid relation, LOCKMODE mode);

}  // namespace listing_stats
