// refresh(): recomputes the kept columns of all listings, or of those with prices in one table,
// while others read and write.
//
// Goes through the keys in their order, a batch at a time, and makes each batch right by the
// protocol of flush.cpp in a few transactions.  No lock outlives one, and the tables may be changed
// between two: everything is looked up and checked anew.  It keeps no state other than
// how far it is: what is right already is not written, so it is started again after an
// interruption.
#include "attaching/refresh_progress.hpp"
#include "server/roles.hpp"
#include "tables/condition.hpp"
#include "tracking/flush.hpp"
#include "tracking/maintenance_sql.hpp"
#include "tracking/run_statement.hpp"

namespace listing_stats {

namespace {

constexpr TimestampTz notice_interval = 5 * USECS_PER_SEC;

// Bounds the memory that a batch needs.
constexpr int largest_batch = 1000000;

// A batch is written in this many transactions, each of which takes some of the keys.  Rows of
// neighbouring keys tend to share a page: the versions that one transaction has left dead are
// pruned by the next, whose new ones then fit on the page and need no entries in indexes.
constexpr uint32 most_passes = 4;
constexpr Size keys_per_pass = 100;  // not worth a commit below that

struct Refresh
{
	Oid listing;
	Oid price;
	Oid only_in;  // InvalidOid: all listings
	int batch_size;
	MemoryContext context;        // what lives as long as the call
	MemoryContext batch_context;  // reset for each batch

	// The attachment under way, by a column that it keeps, and the last key handled, once there is
	// one.
	AttrNumber kept;
	ComparedType key;
	bool has_last;
	Datum last;
	Progress progress;
	TimestampTz told;
};

// Each batch needs a transaction of its own.
void
check_can_commit(FunctionCallInfo fcinfo)
{
	const CallContext *call = reinterpret_cast<CallContext *>(fcinfo->context);

	if (call == nullptr || !IsA(call, CallContext) || call->atomic || IsSubTransaction())
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
		                errmsg("refresh() commits after each batch, which cannot be done here"),
		                errhint("CALL it outside of transaction blocks, functions and blocks with "
		                        "EXCEPTION.")));
	PreventCommandIfReadOnly("CALL listing_stats.refresh()");
}

Refresh
read_arguments(FunctionCallInfo fcinfo)
{
	Refresh refresh = {};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("the tables to refresh must not be NULL")));
	if (PG_ARGISNULL(2))
		ereport(ERROR,
		        (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("batch_size must not be NULL"),
		         errhint("Leave it out for the default.")));
	if (PG_GETARG_INT32(2) < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("batch_size must be at least 1, not %d", PG_GETARG_INT32(2))));
	refresh.listing = PG_GETARG_OID(0);
	refresh.price = PG_GETARG_OID(1);
	refresh.batch_size = Min(PG_GETARG_INT32(2), largest_batch);
	refresh.only_in = PG_ARGISNULL(3) ? InvalidOid : PG_GETARG_OID(3);
	return refresh;
}

void
check_exists(const Refresh &refresh)
{
	if (get_rel_name(refresh.listing) == nullptr || get_rel_name(refresh.price) == nullptr)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("a table to refresh has been dropped meanwhile")));
}

// Locks the tables for a batch, price first as its writers do, and only for whoever owns them.
void
lock_tables(const Refresh &refresh)
{
	check_exists(refresh);
	lock_owned(refresh.price, AccessShareLock);
	lock_owned(refresh.listing, RowExclusiveLock);
}

// The attachments of the two tables, which are locked.
List *
find_attachments(const Refresh &refresh)
{
	Relation price = relation_open(refresh.price, NoLock);
	List *found = NIL;

	for (const Trigger *trigger : each<Trigger *>(attachments_to(refresh.listing, price)))
	{
		Attachment *attachment = attachment_of(refresh.price, trigger->tgoid, Side::price);
		if (attachment != nullptr)
			found = lappend(found, attachment);
	}
	relation_close(price, NoLock);
	if (found == NIL)
		not_attached(refresh.listing, refresh.price);
	return found;
}

// What tells the attachment from others of the two tables.
AttrNumber
number_of_first_kept(const Attachment &attachment)
{
	return attachment.column[first_kept(attachment, is_target)].attnum;
}

// A partition or child, or what has been one: a table of the same owner with the columns of the
// key.
void
check_only_in(const Refresh &refresh, const Attachment &attachment)
{
	const Oid table = refresh.only_in;
	const char kind = get_rel_relkind(table);
	bool fits = (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE ||
	             kind == RELKIND_FOREIGN_TABLE) &&
	            relation_owner(table) == attachment.owner;

	if (!OidIsValid(table) ||
	    list_member_oid(find_all_inheritors(refresh.price, NoLock, nullptr), table))
		return;
	for (int i = 0; fits && i < attachment.key_columns; ++i)
	{
		const ResolvedColumn &column = attachment.column[list_place(ColumnList::key, i)];
		const AttrNumber number = get_attnum(table, NameStr(column.name));
		fits = number != InvalidAttrNumber && get_atttype(table, number) == column.type;
	}
	if (fits)
		return;
	const char *name = get_rel_name(table);
	ereport(
		ERROR,
		(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	     errmsg("table %s is neither table \"%s\" nor a partition or child of it, nor has it "
	            "been one",
	            name == nullptr ? psprintf("with OID %u", table) : psprintf("\"%s\"", name),
	            get_rel_name(refresh.price)),
	     errdetail("One that has been detached has the same owner and the columns of the key.")));
}

// The attachment under way as it is now.
Attachment *
find_attachment(const Refresh &refresh)
{
	for (Attachment *attachment : each<Attachment *>(find_attachments(refresh)))
	{
		if (number_of_first_kept(*attachment) != refresh.kept)
			continue;
		if (refresh.has_last && (layout_of(attachment->key) != layout_of(refresh.key) ||
		                         attachment->key.collation != refresh.key.collation))
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			                errmsg("the type of the key of table \"%s\" has changed",
			                       NameStr(attachment->listing_name)),
			                errhint("CALL refresh() again.")));
		check_only_in(refresh, *attachment);
		return attachment;
	}
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
	                errmsg("table \"%s\" has been detached from table \"%s\"",
	                       get_rel_name(refresh.price), get_rel_name(refresh.listing))));
	pg_unreachable();
}

// Runs a query as the owner of the tables, within SPI_connect().  To plan it can run
// functions of his: those in predicates of indexes.
void
select_as_owner(const Attachment &attachment, const char *query, int parameters = 0,
                Oid *type = nullptr, Datum *parameter = nullptr)
{
	const Actor before = restrict_unless_owner(attachment.owner);
	act_as(attachment.owner, SECURITY_NOFORCE_RLS);
	const int result = SPI_execute_with_args(query, parameters, type, parameter, nullptr, false, 0);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "a statement of listing_stats failed: %s", SPI_result_code_string(result));
	resume_as(before);
}

// How many keys there will be: the planner's estimate, or else by counting.
int64
count_keys(const Refresh &refresh, const Attachment &attachment)
{
	bool is_null = false;

	if (!OidIsValid(refresh.only_in))
	{
		Relation listing = relation_open(refresh.listing, NoLock);
		const double estimate = listing->rd_rel->reltuples;
		relation_close(listing, NoLock);
		if (estimate >= 0)
			return static_cast<int64>(estimate);
	}
	SPI_connect();
	select_as_owner(attachment, count_query(attachment, refresh.only_in));
	const int64 count =
		DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
	SPI_finish();
	return count;
}

// Reads the next keys.  They have to come in order from an index, however little is known of the
// table: a sort would make each batch read all that is left.  And they have to be all: a partition
// may have another owner, and policies for ours.
Datum *
read_keys(const Refresh &refresh, const Attachment &attachment, Size *count)
{
	const char *query =
		keys_query(attachment, refresh.only_in, refresh.has_last, refresh.batch_size);
	const char *const off[] = {
		"enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_hashagg", "jit",
		"row_security"};
	MemoryContext context = CurrentMemoryContext;
	Datum column[most_key_columns];
	Oid type[most_key_columns];

	for (int i = 0; i < attachment.key_columns; ++i)
		type[i] = attachment.key_column[i].type;
	if (refresh.has_last)
		split_key(attachment, refresh.last, column);
	SPI_connect();
	// No setting of the caller's may change what the condition means.
	const int guc_level = begin_safe_settings();
	for (const char *name : off)
		set_meanwhile(name, "off");
	set_meanwhile("max_parallel_workers_per_gather", "0");
	select_as_owner(attachment, query, refresh.has_last ? attachment.key_columns : 0, type, column);
	end_safe_settings(guc_level);

	MemoryContext spi = MemoryContextSwitchTo(context);
	Datum *key =
		static_cast<Datum *>(MemoryContextAllocHuge(context, (SPI_processed + 1) * sizeof(Datum)));
	for (Size i = 0; i < SPI_processed; ++i)
		key[i] = given_key(attachment, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	*count = SPI_processed;
	MemoryContextSwitchTo(spi);
	SPI_finish();
	return key;
}

void
remember_last(Refresh *refresh, const ComparedType &type, Datum key)
{
	MemoryContext old = MemoryContextSwitchTo(refresh->context);

	if (refresh->has_last && !refresh->key.by_value)
		pfree(DatumGetPointer(refresh->last));
	refresh->last = datumCopy(key, type.by_value, type.length);
	refresh->key = type;
	refresh->has_last = true;
	MemoryContextSwitchTo(old);
}

// Every transaction is READ COMMITTED, whatever the default is: above, each listing that somebody
// writes meanwhile would be a serialization failure, and nothing here needs an older snapshot.
void
begin_transaction(const Refresh &refresh)
{
	set_config_option("transaction_isolation", "read committed", PGC_USERSET, PGC_S_SESSION,
	                  GUC_ACTION_LOCAL, true, 0, false);
	EnsurePortalSnapshotExists();
	lock_tables(refresh);
}

// Recomputes one of the passes over the keys; returns how many listings it has changed.
//
// At random, and not the same from call to call: what one pass writes elsewhere comes to lie
// together.
uint64
refresh_pass(const Refresh &refresh, const Datum *key, Size count, uint32 pass, uint32 passes)
{
	const uint32 seed = static_cast<uint32>(refresh.progress.started);
	Datum *chosen = static_cast<Datum *>(
		MemoryContextAllocHuge(CurrentMemoryContext, (count + 1) * sizeof(Datum)));
	Size chosen_count = 0;

	for (Size i = 0; i < count; ++i)
	{
		if (murmurhash32(static_cast<uint32>(i) + seed) % passes == pass)
			chosen[chosen_count++] = key[i];
	}
	Attachment *attachment = find_attachment(refresh);
	const Actor before = restrict_unless_owner(attachment->owner);
	const uint64 changed = recompute_keys(attachment, chosen, chosen_count);
	resume_as(before);
	pfree(chosen);
	return changed;
}

// Handles the next keys, and commits.
void
refresh_batch(Refresh *refresh)
{
	Progress *progress = &refresh->progress;
	Size count = 0;

	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(refresh->batch_context);
	begin_transaction(*refresh);
	MemoryContext old = MemoryContextSwitchTo(refresh->batch_context);
	const Attachment *attachment = find_attachment(*refresh);
	const Datum *key = read_keys(*refresh, *attachment, &count);
	if (count > 0)
		remember_last(refresh, attachment->key, key[count - 1]);
	const uint32 passes = static_cast<uint32>(Min(most_passes, count / keys_per_pass + 1));
	for (uint32 pass = 0; pass < passes; ++pass)
	{
		if (pass > 0)
		{
			SPI_commit();
			begin_transaction(*refresh);
			MemoryContextSwitchTo(refresh->batch_context);
		}
		progress->changed += static_cast<int64>(refresh_pass(*refresh, key, count, pass, passes));
	}
	progress->done += static_cast<int64>(count);
	progress->finished = count < static_cast<Size>(refresh->batch_size);
	progress->total = progress->finished ? progress->done : Max(progress->total, progress->done);
	progress->updated = GetCurrentTimestamp();
	write_progress(*progress);
	MemoryContextSwitchTo(old);
	SPI_commit();
}

void
start_attachment(Refresh *refresh, AttrNumber kept)
{
	Progress *progress = &refresh->progress;

	refresh->has_last = false;
	refresh->kept = kept;
	*progress = {};
	progress->listing = refresh->listing;
	progress->price = refresh->price;
	begin_transaction(*refresh);
	MemoryContext old = MemoryContextSwitchTo(refresh->batch_context);
	progress->started = progress->updated = refresh->told = GetCurrentTimestamp();
	const Attachment &attachment = *find_attachment(*refresh);
	progress->kept = attachment.column[first_kept(attachment, is_target)].attnum;
	progress->key = attachment.column[price_key].attnum;
	progress->total = count_keys(*refresh, attachment);
	for (int i = first_target; i < end_of_targets; ++i)
	{
		const AttrNumber attnum = attachment.column[i].attnum;
		if (attnum != 0 && attnum != progress->kept)
			forget_progress(*progress, attnum);
	}
	write_progress(*progress);
	MemoryContextSwitchTo(old);
	SPI_commit();
}

void
error_context(void *argument)
{
	const Progress &progress = static_cast<const Refresh *>(argument)->progress;

	if (progress.done > 0)
		errcontext("listing_stats.refresh() after %lld of %lld listings, which are committed",
		           static_cast<long long>(progress.done), static_cast<long long>(progress.total));
}

void
refresh_attachment(Refresh *refresh, AttrNumber kept)
{
	start_attachment(refresh, kept);
	while (!refresh->progress.finished)
	{
		refresh_batch(refresh);
		if (!refresh->progress.finished &&
		    refresh->progress.updated >= refresh->told + notice_interval)
		{
			refresh->told = refresh->progress.updated;
			tell_progress(refresh->progress);
		}
	}
	tell_end(refresh->progress);
}

void
refresh_all(Refresh *refresh)
{
	ErrorContextCallback callback = {error_context_stack, error_context, refresh};
	List *kept = NIL;

	refresh->context = CurrentMemoryContext;
	refresh->batch_context =
		AllocSetContextCreate(CurrentMemoryContext, "listing_stats batch", ALLOCSET_DEFAULT_SIZES);
	lock_tables(*refresh);
	for (const Attachment *attachment : each<Attachment *>(find_attachments(*refresh)))
		kept = lappend_int(kept, number_of_first_kept(*attachment));
	SPI_commit();

	error_context_stack = &callback;
	for (const int number : each<int>(kept))
		refresh_attachment(refresh, static_cast<AttrNumber>(number));
	error_context_stack = callback.previous;
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_refresh)
{
	Refresh refresh = read_arguments(fcinfo);

	check_can_commit(fcinfo);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	refresh_all(&refresh);
	SPI_finish();
	PG_RETURN_VOID();
}
