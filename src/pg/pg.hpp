// The one door to the server: every file in src/pg includes this header first, no file in src/core
// can.  What differs between the versions of PostgreSQL is decided here and nowhere else.
#pragma once

extern "C" {
// clang-format off
#include "postgres.h"
// clang-format on
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "common/shortest_dec.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/scansup.h"
#include "storage/lmgr.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/plancache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/resowner.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"
#include "utils/varlena.h"
}

// A function that SQL calls: C linkage and an exported symbol on every version, everything else in
// the module being hidden.
#define LISTING_STATS_FUNCTION(name)                                                     \
	extern "C" {                                                                         \
	__attribute__((visibility("default"))) Datum name(PG_FUNCTION_ARGS);                 \
	__attribute__((visibility("default"))) const Pg_finfo_record *pg_finfo_##name(void); \
	PG_FUNCTION_INFO_V1(name);                                                           \
	}                                                                                    \
	Datum name(PG_FUNCTION_ARGS)

// Since 18 it carries what pg_get_loaded_modules() shows.
#if PG_VERSION_NUM >= 180000
#define LISTING_STATS_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "listing_stats", .version = LISTING_STATS_VERSION)
#else
#define LISTING_STATS_MODULE_MAGIC PG_MODULE_MAGIC
#endif

namespace listing_stats {

inline List *
string_to_qualified_name_list(const char *names)
{
#if PG_VERSION_NUM >= 160000
	return stringToQualifiedNameList(names, nullptr);
#else
	return stringToQualifiedNameList(names);
#endif
}

// Whether the current user owns the relation, or is a member of the role that does.
inline bool
owns_relation(Oid relation)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relation, GetUserId());
#else
	return pg_class_ownercheck(relation, GetUserId());
#endif
}

// InvalidOid: there is no such relation.
inline Oid
relation_owner(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

// Whether the column is computed when it is read: rows then hold NULL in its place.
inline bool
is_virtual(const FormData_pg_attribute *attribute)
{
#if PG_VERSION_NUM >= 180000
	return attribute->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL;
#else
	return false;
#endif
}

}  // namespace listing_stats
