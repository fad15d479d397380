// The one door to the server: every file outside src/core includes this header first, no file in
// it can.  What differs between the versions of PostgreSQL is decided here and nowhere else.
#pragma once

extern "C" {
// clang-format off
#include "postgres.h"
// clang-format on
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_subscription.h"
#include "catalog/pg_subscription_rel.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "commands/publicationcmds.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "common/int.h"
#include "common/shortest_dec.h"
#include "executor/executor.h"
#include "executor/nodeHash.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#if PG_VERSION_NUM >= 190000
#include "nodes/miscnodes.h"
#endif
#include "nodes/nodeFuncs.h"
#include "nodes/readfuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parse_type.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "parser/scansup.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "pgstat.h"
#include "pgtime.h"
#include "port/atomics.h"
#include "port/pg_bswap.h"
#include "portability/instr_time.h"
#include "replication/worker_internal.h"
#include "storage/bufmgr.h"
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#endif
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/smgr.h"
#include "tcop/deparse_utility.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/partcache.h"
#include "utils/plancache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/resowner.h"
#include "utils/rls.h"
#include "utils/ruleutils.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"
#include "utils/uuid.h"
#include "utils/varlena.h"
}

#if PG_VERSION_NUM >= 190000
// What has other names or parameters since 19, in the words of before.
#undef PointerGetDatum  // a conditional, which takes no nullptr

inline Datum
PointerGetDatum(const void *pointer)
{
	return reinterpret_cast<Datum>(pointer);
}

using bits8 = uint8;

inline IndexFetchTableData *
table_index_fetch_begin(Relation table)
{
	return table_index_fetch_begin(table, SO_NONE);
}

inline TableScanDesc
table_beginscan(Relation table, Snapshot snapshot, int keys, ScanKeyData *key)
{
	return table_beginscan(table, snapshot, keys, key, SO_NONE);
}

inline Numeric
numeric_sub_opt_error(Numeric left, Numeric right, bool *failed)
{
	ErrorSaveContext context = {};
	context.type = T_ErrorSaveContext;
	Numeric difference = numeric_sub_safe(left, right, reinterpret_cast<Node *>(&context));
	*failed = context.error_occurred;
	return difference;
}

inline JsonbValue *
pushJsonbValue(JsonbParseState **state, JsonbIteratorToken token, JsonbValue *value)
{
	JsonbInState json = {};
	json.parseState = *state;
	pushJsonbValue(&json, token, value);
	*state = json.parseState;
	return json.result;
}
#endif

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

// Where an aggregate's state lives.  Error 0A000: nothing else may call the function.
inline MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context = nullptr;
	if (AggCheckCallContext(fcinfo, &context) == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("function called outside of an aggregate")));
	return context;
}

// The elements of a list, which is not added to meanwhile: "for (const Oid table :
// each<Oid>(list))", "for (const Trigger *trigger : each<Trigger *>(list))".
template <typename Element>
struct Elements
{
	struct Place
	{
		const ListCell *cell;

		Element operator*() const
		{
			if constexpr (std::is_pointer_v<Element>)
				return static_cast<Element>(lfirst(cell));
			else if constexpr (std::is_signed_v<Element>)
				return lfirst_int(cell);
			else
				return lfirst_oid(cell);
		}
		bool operator!=(const Place &other) const { return cell != other.cell; }
		void operator++() { ++cell; }
	};

	const List *list;

	Place begin() const { return {list_head(list)}; }
	Place end() const { return {list_head(list) + list_length(list)}; }
};

template <typename Element>
Elements<Element>
each(const List *list)
{
	return {list};
}

// Of a table, as its cache entry has them.
inline Elements<ForeignKeyCacheInfo *>
foreign_keys(Relation table)
{
	return {RelationGetFKeyList(table)};
}

// Calls "visit" with each row of a catalogue that has the OID in this column, by an index that
// begins with it, if there is one.  "snapshot" says when; nullptr: now.
template <typename Visit>
void
for_each_row(Oid catalog, Oid index, AttrNumber column, Oid oid, Snapshot snapshot, Visit visit)
{
	Relation relation = table_open(catalog, AccessShareLock);
	ScanKeyData key;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	SysScanDesc scan = systable_beginscan(relation, index, OidIsValid(index), snapshot, 1, &key);
	for (HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row);
	     row = systable_getnext(scan))
		visit(row, RelationGetDescr(relation));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

// What says which system cache has changed.
#if PG_VERSION_NUM >= 190000
using SysCacheNumber = SysCacheIdentifier;
#else
using SysCacheNumber = int;
#endif

// Since 19 a description of rows that was made by hand works something out once its columns are
// known.
inline void
finish_description(TupleDesc description)
{
#if PG_VERSION_NUM >= 190000
	TupleDescFinalize(description);
#endif
}

static_assert(sizeof(Datum) == 8 && sizeof(void *) == 8,
              "listing_stats passes 64-bit integers by value and needs a 64-bit machine");

// Whether this process applies a replicated transaction beside others, before it is committed on
// the publisher.
inline bool
applies_in_parallel()
{
#if PG_VERSION_NUM >= 160000
	return MyLogicalRepWorker != nullptr && am_parallel_apply_worker();
#else
	return false;
#endif
}

// Calls the walker with the parts of what the parser has made of an expression.
inline bool
walk_raw_expression(Node *node, bool (*walker)(Node *, void *), void *context)
{
#if PG_VERSION_NUM >= 160000
	return raw_expression_tree_walker_impl(node, walker, context);
#else
	return raw_expression_tree_walker(
		node, reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker)), context);
#endif
}

// Of one that is analyzed.
inline bool
walk_expression(Node *node, bool (*walker)(Node *, void *), void *context)
{
#if PG_VERSION_NUM >= 160000
	return expression_tree_walker(node, walker, context);
#else
	return expression_tree_walker(
		node, reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker)), context);
#endif
}

// What an UPDATE needs inserted into indexes.
#if PG_VERSION_NUM >= 160000
using IndexUpdates = TU_UpdateIndexes;
constexpr IndexUpdates no_index_updates = TU_None;

inline bool
updates_only_summarizing(IndexUpdates updates)
{
	return updates == TU_Summarizing;
}
#else
using IndexUpdates = bool;
constexpr IndexUpdates no_index_updates = false;

inline bool
updates_only_summarizing(IndexUpdates)
{
	return false;
}
#endif

inline void
insert_index_entries(ResultRelInfo *relation, TupleTableSlot *updated, EState *state,
                     bool only_summarizing)
{
#if PG_VERSION_NUM >= 190000
	ExecInsertIndexTuples(relation, state,
	                      EIIT_IS_UPDATE | (only_summarizing ? EIIT_ONLY_SUMMARIZING : 0), updated,
	                      NIL, nullptr);
#elif PG_VERSION_NUM >= 160000
	ExecInsertIndexTuples(relation, updated, state, true, false, nullptr, NIL, only_summarizing);
#else
	ExecInsertIndexTuples(relation, updated, state, true, false, nullptr, NIL);
#endif
}

inline IndexScanDesc
begin_index_scan(Relation table, Relation index, Snapshot snapshot, int keys)
{
#if PG_VERSION_NUM >= 190000
	return index_beginscan(table, index, snapshot, nullptr, keys, 0, SO_NONE);
#elif PG_VERSION_NUM >= 180000
	return index_beginscan(table, index, snapshot, nullptr, keys, 0);
#else
	return index_beginscan(table, index, snapshot, keys, 0);
#endif
}

// The page of a btree to descend from, pinned and locked; InvalidBuffer: there are no entries.  The
// access method remembers where it was.
inline Buffer
get_btree_root(Relation table, Relation index)
{
#if PG_VERSION_NUM >= 160000
	return _bt_getroot(index, table, BT_READ);
#else
	return _bt_getroot(index, BT_READ);
#endif
}

inline bool
has_generated_columns(const TupleConstr *constraints)
{
#if PG_VERSION_NUM >= 180000
	return constraints->has_generated_stored || constraints->has_generated_virtual;
#else
	return constraints->has_generated_stored;
#endif
}

// Whether rows that are there may hold NULL in a column that takes none any more: NOT NULL ... NOT
// VALID.
inline bool
has_unchecked_nulls(TupleDesc tuple, int column)
{
#if PG_VERSION_NUM >= 180000
	return TupleDescCompactAttr(tuple, column)->attnullability == ATTNULLABLE_INVALID;
#else
	return false;
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

inline bool
may_use_schema(Oid schema, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, schema, role, ACL_USAGE) == ACLCHECK_OK;
#else
	return pg_namespace_aclcheck(schema, role, ACL_USAGE) == ACLCHECK_OK;
#endif
}

// How large a table was that this transaction has dropped: its files are there until it commits.
inline BlockNumber
blocks_of_dropped(const FormData_pg_class *table)
{
	if (!RELKIND_HAS_STORAGE(table->relkind))
		return 0;
	const Oid space =
		OidIsValid(table->reltablespace) ? table->reltablespace : MyDatabaseTableSpace;
	const bool temporary = table->relpersistence == RELPERSISTENCE_TEMP;
#if PG_VERSION_NUM >= 170000
	const ProcNumber backend = temporary ? ProcNumberForTempRelations() : INVALID_PROC_NUMBER;
#else
	const BackendId backend = temporary ? BackendIdForTempRelations() : InvalidBackendId;
#endif
	SMgrRelation storage = smgropen({space, MyDatabaseId, table->relfilenode}, backend);
	return smgrexists(storage, MAIN_FORKNUM) ? smgrnblocks(storage, MAIN_FORKNUM) : 0;
}

// Whether old snapshots may be refused what they see, by old_snapshot_threshold.
inline bool
snapshots_expire()
{
#if PG_VERSION_NUM >= 170000
	return false;
#else
	return old_snapshot_threshold >= 0;
#endif
}

// How many elements the planner expects an array to have.
inline double
array_length(PlannerInfo *root, Node *array)
{
#if PG_VERSION_NUM >= 170000
	return estimate_array_length(root, array);
#else
	return estimate_array_length(array);
#endif
}

// A hash table whose entries begin with their key, compared by its bytes.
inline HTAB *
make_cache(const char *name, Size key, Size entry, MemoryContext context)
{
	HASHCTL control = {};

	control.keysize = key;
	control.entrysize = entry;
	control.hcxt = context;
	return hash_create(name, 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

// Until the level of settings that was begun before ends.
inline void
set_meanwhile(const char *name, const char *value)
{
	set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

// Keeps a plan for the session, and makes its generic plan under the settings of now: after keeping
// it, which forgets that.  The plan is freed if it cannot be made.
inline void
keep_generic_plan(SPIPlanPtr plan)
{
	SPI_keepplan(plan);
	PG_TRY();
	{
		CachedPlan *cached = SPI_plan_get_cached_plan(plan);
		if (cached != nullptr)
			ReleaseCachedPlan(cached, CurrentResourceOwner);
	}
	PG_CATCH();
	{
		SPI_freeplan(plan);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

// Whether it was analysed under the search_path of now.
inline bool
has_this_search_path(const CachedPlanSource *source)
{
#if PG_VERSION_NUM >= 170000
	return SearchPathMatchesCurrentEnvironment(source->search_path);
#else
	return OverrideSearchPathMatchesCurrent(source->search_path);
#endif
}

inline CachedPlanSource *
plan_source(SPIPlanPtr plan)
{
	return static_cast<CachedPlanSource *>(linitial(SPI_plan_get_plan_sources(plan)));
}

// Whether the server will run the plan as it was made.  Otherwise it would analyse the text again,
// or plan it under the settings of now: see plancache.c, RevalidateCachedQuery() and
// CheckCachedPlan().
inline bool
stays_as_made(SPIPlanPtr plan)
{
	if (!SPI_plan_is_valid(plan))
		return false;
	const CachedPlanSource *source = plan_source(plan);
	const CachedPlan *made = source->gplan;

	return has_this_search_path(source) &&
	       (!source->dependsOnRLS ||
	        (source->rewriteRoleId == GetUserId() && source->rewriteRowSecurity == row_security)) &&
	       (made == nullptr ||
	        (made->is_valid && (!made->dependsOnRole || made->planRoleId == GetUserId()) &&
	         (!TransactionIdIsValid(made->saved_xmin) ||
	          TransactionIdEquals(made->saved_xmin, TransactionXmin))));
}

// As the executor has it above READ COMMITTED.
[[noreturn]] inline void
cannot_serialize()
{
	ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
	                errmsg("could not serialize access due to concurrent update")));
	pg_unreachable();
}

// Whether a statement changes a table, and the only one that it changes; 0: none or several.
inline bool
has_result_relation(const PlannedStmt *statement)
{
#if PG_VERSION_NUM >= 190000
	return !bms_is_empty(statement->resultRelationRelids);
#else
	return statement->resultRelations != NIL;
#endif
}

inline Oid
only_result_relation(const PlannedStmt *statement)
{
	int index = 0;
#if PG_VERSION_NUM >= 190000
	if (!bms_get_singleton_member(statement->resultRelationRelids, &index))
		return InvalidOid;
#else
	if (list_length(statement->resultRelations) != 1)
		return InvalidOid;
	index = linitial_int(statement->resultRelations);
#endif
	return rt_fetch(index, statement->rtable)->relid;
}

// The publications that name the table, and those of all tables that have it.
inline List *
publications_naming(Oid table)
{
#if PG_VERSION_NUM >= 190000
	return GetRelationIncludedPublications(table);
#else
	return GetRelationPublications(table);
#endif
}

inline List *
publications_of_all_tables(Oid root)
{
#if PG_VERSION_NUM >= 190000
	return list_difference_oid(GetAllTablesPublications(), GetRelationExcludedPublications(root));
#else
	return GetAllTablesPublications();
#endif
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

// Memory of zeroes that all sessions of the server share.  Before 17 it has to be asked for when
// the server starts, by shared_preload_libraries; without that each session has its own.
struct SharedMemory
{
	const char *name;
	Size size;
	void *start;  // nullptr: not known to this session yet
	bool shared;
};

#if PG_VERSION_NUM >= 170000
inline void
request_shared_memory(SharedMemory *)
{
}

inline void *
shared_memory(SharedMemory *memory)
{
	static Size size = 0;
	bool found = false;

	if (memory->start != nullptr)
		return memory->start;
	size = memory->size;
#if PG_VERSION_NUM >= 190000
	memory->start = GetNamedDSMSegment(
		memory->name, size, [](void *start, void *) { memset(start, 0, size); }, &found, nullptr);
#else
	memory->start = GetNamedDSMSegment(
		memory->name, size, [](void *start) { memset(start, 0, size); }, &found);
#endif
	memory->shared = true;
	return memory->start;
}
#else
inline SharedMemory *requested_memory = nullptr;
inline shmem_request_hook_type previous_request = nullptr;
inline shmem_startup_hook_type previous_startup = nullptr;

// While the server starts; only one can be asked for.
inline void
request_shared_memory(SharedMemory *memory)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	requested_memory = memory;
	previous_request = shmem_request_hook;
	shmem_request_hook = [] {
		if (previous_request != nullptr)
			previous_request();
		RequestAddinShmemSpace(requested_memory->size);
	};
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = [] {
		bool found = false;
		if (previous_startup != nullptr)
			previous_startup();
		LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
		requested_memory->start =
			ShmemInitStruct(requested_memory->name, requested_memory->size, &found);
		if (!found)
			memset(requested_memory->start, 0, requested_memory->size);
		LWLockRelease(AddinShmemInitLock);
		requested_memory->shared = true;
	};
}

inline void *
shared_memory(SharedMemory *memory)
{
	if (memory->start == nullptr)
		memory->start = MemoryContextAllocZero(TopMemoryContext, memory->size);
	return memory->start;
}
#endif

}  // namespace listing_stats
