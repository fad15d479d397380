// Owners and roles, see roles.hpp.
#include "server/roles.hpp"

namespace listing_stats {

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

}  // namespace listing_stats
