// Owners and roles, see roles.hpp.
#include "server/roles.hpp"

namespace listing_stats {

namespace {

uint64 changes = 0;  // 0: nobody has asked

void
count_change(Datum, SysCacheNumber, uint32)
{
	++changes;
}

}  // namespace

uint64
rights_changes()
{
	if (changes == 0)
	{
		CacheRegisterSyscacheCallback(AUTHOID, count_change, 0);
		CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, count_change, 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, count_change, 0);
		// Whose owner is a member of pg_database_owner.
		CacheRegisterSyscacheCallback(DATABASEOID, count_change, 0);
		changes = 1;
	}
	return changes;
}

Oid
relation_owner(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
check_ownership(Oid relation)
{
	const char *name = get_rel_name(relation);

	if (name == nullptr)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("relation with OID %u does not exist", relation)));
	if (!owns_relation(relation))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, name);
}

void
lock_owned(Oid relation, LOCKMODE mode)
{
	check_ownership(relation);
	LockRelationOid(relation, mode);
	check_ownership(relation);
}

}  // namespace listing_stats
