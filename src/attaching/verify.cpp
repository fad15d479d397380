// verify(): the kept columns that differ from the prices, in one snapshot, without writing.
//
// The snapshot is of after the locks: what TRUNCATE and the like leave is seen by no older one. The
// caller has to be allowed to see all rows, or what he is told would be wrong.  They are read as
// the owner, whose functions a condition can call.
#include "server/roles.hpp"
#include "tables/condition.hpp"
#include "tracking/flush_counts.hpp"
#include "tracking/maintenance_sql.hpp"

namespace listing_stats {

namespace {

// Whoever may not read all of a table would be told of differences that do not exist.
void
check_can_read(Oid table)
{
	const AclResult result = pg_class_aclcheck(table, GetUserId(), ACL_SELECT);
	const Oid schema = get_rel_namespace(table);

	// The caller may have named the table by its number, which asks for no right on the schema.
	if (OidIsValid(schema) && !may_use_schema(schema, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, get_namespace_name(schema));
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, get_rel_name(table));
	if (check_enable_rls(table, InvalidOid, true) == RLS_ENABLED)
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		     errmsg("row-level security hides rows of table \"%s\" from you", get_rel_name(table)),
		     owns_relation(table)
		         ? errhint("Call verify() as a role with BYPASSRLS, or ALTER TABLE %s NO "
		                   "FORCE ROW LEVEL SECURITY.",
		                   qualified_name(table))
		         : errhint("verify() has to be called by the table's owner, or a role "
		                   "with BYPASSRLS.")));
}

// Waits for whoever truncates or rewrites the tables, or a part of them.
void
lock_all(Oid table)
{
	list_free(find_all_inheritors(table, AccessShareLock, nullptr));
}

// How many there are.
uint64
put_differences(ReturnSetInfo *result, const char *differences, Oid owner)
{
	const Actor before = act_as(owner, SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	const char *query =
		psprintf("SELECT d.key, d.column_name::pg_catalog.name, d.stored, d.expected "
	             "FROM (%s) AS d (key, column_name, stored, expected)",
	             differences);

	SPI_connect();
	// No setting of the caller's may change what a condition means.
	int guc_level = begin_safe_settings();
	SPIPlanPtr plan = SPI_prepare(query, 0, nullptr);
	if (plan == nullptr)
		elog(ERROR, "could not prepare a statement of listing_stats: %s",
		     SPI_result_code_string(SPI_result));
	end_safe_settings(guc_level);
	// What is found is printed as the caller wants it.
	guc_level = begin_safe_path();
	SPIExecuteOptions options = {};
	options.read_only = true;
	options.dest = CreateTuplestoreDestReceiver();
	SetTuplestoreDestReceiverParams(options.dest, result->setResult,
	                                result->econtext->ecxt_per_query_memory, false, nullptr,
	                                nullptr);
	const int outcome = SPI_execute_plan_extended(plan, &options);
	if (outcome != SPI_OK_SELECT)
		elog(ERROR, "a statement of listing_stats failed: %s", SPI_result_code_string(outcome));
	const uint64 count = SPI_processed;
	end_safe_settings(guc_level);
	SPI_finish();
	resume_as(before);
	return count;
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_verify)
{
	const Oid listing = PG_GETARG_OID(0);
	const Oid price = PG_GETARG_OID(1);

	InitMaterializedSRF(fcinfo, 0);
	check_can_read(listing);
	check_can_read(price);
	// Before either is read: a rename changes both.
	LockRelationOid(listing, AccessShareLock);
	LockRelationOid(price, AccessShareLock);
	// One may have been dropped, or taken from the caller, meanwhile.
	check_can_read(listing);
	check_can_read(price);
	Relation relation = relation_open(price, NoLock);
	lock_all(listing);
	lock_all(price);
	const Oid owner = relation->rd_rel->relowner;
	List *attachments = NIL;
	for (const Trigger *trigger : each<Trigger *>(attachments_to(listing, relation)))
		attachments = lappend(attachments, attachment_now(relation, trigger));
	Assert(CheckRelationLockedByMe(relation, AccessShareLock, true));
	relation_close(relation, NoLock);  // until the transaction ends, as a query's
	if (attachments == NIL)
		not_attached(listing, price);
	// The calling statement's snapshot can be older than what we had to wait for, and then would
	// see tables without rows.
	const bool old = IsolationUsesXactSnapshot();
	const TimestampTz when = old ? GetCurrentTransactionStartTimestamp() : GetCurrentTimestamp();
	PushActiveSnapshot(old ? GetTransactionSnapshot() : GetLatestSnapshot());
	for (const Attachment *attachment : each<Attachment *>(attachments))
	{
		const uint64 differences =
			put_differences(reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo),
		                    verify_query(*attachment), owner);
		// What this transaction has written may be rolled back.
		if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
			note_verify(*attachment, when, differences);
	}
	PopActiveSnapshot();
	PG_RETURN_NULL();
}
