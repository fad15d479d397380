// Making kept columns right, see flush.hpp.
//
// In this order, and never otherwise: sort the keys; lock all their listings FOR NO KEY UPDATE in
// that order, also those that will not change; take a new snapshot; recompute from the prices;
// write what differs.  Whoever changes a price of a listing holds that lock until it commits, so
// the snapshot taken after it sees all that can no longer change.
#include "tracking/flush.hpp"

#include "server/roles.hpp"
#include "tables/trigger_catalog.hpp"
#include "tracking/direct_path.hpp"
#include "tracking/maintenance_sql.hpp"

namespace listing_stats {

namespace {

struct Work
{
	Attachment *attachment;
	Side side;
	PendingKey *key;
	Size count;
};

// A recomputation may have counted the rows that commands of this transaction before this one
// inserted: those must not be added again.
CommandId recomputed_before = FirstCommandId;

bool looking_again = false;  // for the listings of late keys

template <typename T>
T *
allocate(Size count)
{
	return static_cast<T *>(palloc_extended(Max(count, 1) * sizeof(T), MCXT_ALLOC_HUGE));
}

Keys
allocate_keys(Size most)
{
	return {allocate<Datum>(most), allocate<ItemPointerData>(most), 0};
}

void
free_keys(const Keys &keys)
{
	pfree(keys.key);
	pfree(keys.tid);
}

void
error_context(void *argument)
{
	const Attachment *attachment = static_cast<const Attachment *>(argument);

	errcontext("listing_stats keeping the columns of table \"%s\" from table \"%s\"",
	           NameStr(attachment->listing_name), NameStr(attachment->price_name));
}

bool
is_lock(Query query)
{
	return query == lock_one || query == lock_many;
}

bool
is_write(Query query)
{
	return !is_lock(query) && query < check_one;
}

// What a statement sees: all that is committed by now, or above READ COMMITTED what its transaction
// goes on to see.  At READ COMMITTED these are the same.
enum class Sees
{
	latest,
	transaction
};

Datum run(Attachment *attachment, Query query, Datum *parameters, const char *nulls,
          Sees sees = Sees::latest, bool *disturbed = nullptr);

// BEFORE UPDATE triggers and rules of listing's owner can change what we write, or suppress it,
// which is refused unless the guard is off.  Those of partitions are not known here.
bool
can_be_undone(const Attachment &attachment)
{
	if (attachment.guard == Guard::off)
		return false;
	Relation listing = relation_open(attachment.listing, AccessShareLock);
	const bool can = listing->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ||
	                 listing->rd_rules != nullptr ||
	                 (listing->trigdesc != nullptr && listing->trigdesc->trig_update_before_row);

	relation_close(listing, NoLock);  // until the transaction ends, as the UPDATE's
	return can;
}

// The check of what a write leaves.  Where prices were only added the columns that depend on all of
// them are not read anew, which would make the cost of an INSERT grow with their number.
Query
check_of(Query write)
{
	switch (write)
	{
	case write_one:
		return check_one;
	case write_all:
		return check_all;
	case insert_one:
		return check_added_one;
	case insert_many:
		return check_added_many;
	default:
		return check_many;
	}
}

// The name of a column, as text, that is not what a write has to leave in it; nullptr: none.  The
// parameters of the write begin with those of the check.
Datum
wrong_column(Attachment *attachment, Query write, Datum *parameters, Sees sees)
{
	const ResolvedColumn *column = attachment->column;
	const bool of_head = column[last_price].attnum != 0 || column[last_price_at].attnum != 0 ||
	                     column[previous_price].attnum != 0;

	if (!of_head && (write == insert_one || write == insert_many))
		return PointerGetDatum(nullptr);
	return run(attachment, check_of(write), parameters, nullptr, sees);
}

// Sees to it that a write has left what it had to.
void
check_written(Attachment *attachment, Query write, Datum *parameters)
{
	const Datum wrong = wrong_column(attachment, write, parameters, Sees::latest);
	if (DatumGetPointer(wrong) == nullptr)
		return;
	ereport(ERROR,
	        (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
	         errmsg("column \"%s\" of table \"%s\" cannot be kept: a trigger or rule on the table "
	                "changes it or suppresses its update",
	                TextDatumGetCString(wrong), NameStr(attachment->listing_name)),
	         errhint("Let BEFORE UPDATE triggers return rows and leave the column alone, or attach "
	                 "with guard => 'off', which lets them.")));
}

// Above READ COMMITTED what was written may rest on prices that others have committed and that this
// transaction does not see: its columns would not be what it sees of the prices.  That is refused,
// as it is to update what cannot be seen.  Of the columns that depend on all prices, where prices
// were only added, it is enough that the transaction sees the listing as it is: to lock what it
// sees is refused otherwise.
void
check_seen(Attachment *attachment, Query write, Datum *parameters)
{
	if (!IsolationUsesXactSnapshot())
		return;
	if (write == insert_one || write == insert_many)
		run(attachment, write == insert_one ? lock_one : lock_many, parameters, nullptr,
		    Sees::transaction);
	// What is wrong for all that is committed as well, no other transaction has made so: an
	// application or a trigger of the owner's that may.
	if (DatumGetPointer(wrong_column(attachment, write, parameters, Sees::transaction)) !=
	        nullptr &&
	    DatumGetPointer(wrong_column(attachment, write, parameters, Sees::latest)) == nullptr)
		cannot_serialize();
}

// Acting as the owner of the tables, as foreign keys do: privileges and row security of whoever
// changed a price do not change what the listing's price is.
struct AsOwner
{
	Actor before;
	ErrorContextCallback callback;
};

void
begin_as_owner(AsOwner *as_owner, Attachment *attachment)
{
	as_owner->callback = {error_context_stack, error_context, attachment};
	error_context_stack = &as_owner->callback;
	as_owner->before = act_as(attachment->owner, SECURITY_NOFORCE_RLS);
}

void
end_as_owner(const AsOwner &as_owner)
{
	resume_as(as_owner.before);
	error_context_stack = as_owner.callback.previous;
}

const CachedPlanSource *
plan_source(SPIPlanPtr plan)
{
	return static_cast<CachedPlanSource *>(linitial(SPI_plan_get_plan_sources(plan)));
}

// Whether a plan that has just been run has not, because of a rule, updated another table in place
// of this one.
bool
updates(SPIPlanPtr plan, Oid table)
{
	ListCell *cell = nullptr;

	// None: a trigger has made the plan invalid meanwhile.
	foreach (cell, plan_source(plan)->query_list)
	{
		const ::Query *query = static_cast<const ::Query *>(lfirst(cell));
		if (query->canSetTag)
			return query->commandType == CMD_UPDATE &&
			       rt_fetch(query->resultRelation, query->rtable)->relid == table;
	}
	return true;
}

// Runs a statement as the owner.
//
// At READ COMMITTED the executor takes a new snapshot.  Above, the transaction's own is too old:
// it is used only to refuse, as foreign keys do, to update a listing that the transaction cannot
// see, which would afterwards appear to it twice; and for what check_seen() asks.
//
// Returns the array that lock_many gives, whether lock_one found its listing, how many rows a write
// has changed, or the name that a check gives, as text; nullptr is none.  *disturbed: whether the
// attachment was written anew within the write.
Datum
run(Attachment *attachment, Query query, Datum *parameters, const char *nulls, Sees sees,
    bool *disturbed)
{
	Snapshot snapshot = InvalidSnapshot;
	Snapshot crosscheck = InvalidSnapshot;
	Datum result = BoolGetDatum(false);
	AsOwner as_owner;

	begin_as_owner(&as_owner, attachment);
	SPI_connect();
	SPIPlanPtr plan = plan_of(attachment, query);
	if (is_write(query))
		begin_own_write(*attachment, plan_source(plan)->query_string);
	if (IsolationUsesXactSnapshot())
	{
		CommandCounterIncrement();
		snapshot = sees == Sees::latest ? GetLatestSnapshot() : GetTransactionSnapshot();
		if (is_write(query))
			crosscheck = GetTransactionSnapshot();
	}
	const int code =
		SPI_execute_snapshot(plan, parameters, nulls, snapshot, crosscheck, false, true, 0);
	if (code == SPI_OK_REWRITTEN || (is_write(query) && !updates(plan, attachment->listing)))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("a rule on table \"%s\" replaces the UPDATE that keeps its columns",
		                       NameStr(attachment->listing_name)),
		                errhint("Drop the rule, or detach the table.")));
	if (code != (is_write(query) ? SPI_OK_UPDATE : SPI_OK_SELECT))
		elog(ERROR, "a statement of listing_stats failed: %s", SPI_result_code_string(code));
	if (query == lock_one)
		result = BoolGetDatum(SPI_processed > 0);
	else if (!is_write(query))
	{
		bool is_null = SPI_processed == 0;
		if (!is_null)
			result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
		result = is_null ? PointerGetDatum(nullptr) : SPI_datumTransfer(result, false, -1);
	}
	else
	{
		result = UInt64GetDatum(SPI_processed);
		*disturbed = end_own_write();
	}
	SPI_finish();
	if (is_write(query) && query != insert_one && query != insert_many)
		recomputed_before = GetCurrentCommandId(false);
	end_as_owner(as_owner);
	return result;
}

// Writes, and sees to it that the listings are left as they have to be; returns how many rows were
// changed.
//
// Triggers, rules and functions of the owner's that the write sets off can change prices of these
// very listings.  Their own flush may then find the columns right that the write is about to
// change by what it saw before: then once more, of all prices.  They can also drop each other.
uint64
write(Attachment *attachment, Query query, Datum *parameters, const char *nulls)
{
	bool disturbed = false;
	bool unsure = can_be_undone(*attachment);
	const Datum changed = run(attachment, query, parameters, nulls, Sees::latest, &disturbed);
	AsOwner as_owner;

	unsure = unsure || can_be_undone(*attachment);
	// What only adds also leaves what a statement under way has still to put right.
	const Query all = query == insert_one ? write_one : query == insert_many ? write_many : query;
	if (!disturbed && unsure && all != query)
	{
		disturbed =
			DatumGetPointer(wrong_column(attachment, query, parameters, Sees::latest)) != nullptr;
		unsure = disturbed;
	}
	if (disturbed)
	{
		query = all;
		disturbed = false;
		if (DatumGetPointer(wrong_column(attachment, query, parameters, Sees::latest)) != nullptr)
			run(attachment, query, parameters, nullptr, Sees::latest, &disturbed);
		unsure = unsure || (disturbed && attachment->guard != Guard::off);
	}
	begin_as_owner(&as_owner, attachment);
	if (unsure)
		check_written(attachment, query, parameters);
	// TRUNCATE and DDL change what older snapshots see anyway.
	if (query != write_all)
		check_seen(attachment, query, parameters);
	end_as_owner(as_owner);
	return DatumGetUInt64(changed);
}

int
compare_datum(const void *a, const void *b, void *type)
{
	return compare_key(*static_cast<const ComparedType *>(type), *static_cast<const Datum *>(a),
	                   *static_cast<const Datum *>(b));
}

void
sort_unique(const ComparedType &type, Keys *keys)
{
	Size kept = 0;

	qsort_arg(keys->key, keys->count, sizeof(Datum), compare_datum,
	          const_cast<ComparedType *>(&type));
	for (Size i = 1; i < keys->count; ++i)
	{
		if (compare_key(type, keys->key[kept], keys->key[i]) != 0)
			keys->key[++kept] = keys->key[i];
	}
	keys->count = keys->count == 0 ? 0 : kept + 1;
}

// Locks the listings with these sorted keys; returns those that there are, sorted.
Keys
lock_listings(Attachment *attachment, const Keys &wanted)
{
	const ComparedType &type = attachment->key;
	Keys found = allocate_keys(wanted.count);

	if (locks_directly(attachment))
	{
		AsOwner as_owner;
		begin_as_owner(&as_owner, attachment);
		lock_directly(*attachment, wanted, &found);
		end_as_owner(as_owner);
		return found;
	}
	for (Size i = 0; i < wanted.count; ++i)
		ItemPointerSetInvalid(&found.tid[i]);
	if (wanted.count == 1)
	{
		if (DatumGetBool(run(attachment, lock_one, wanted.key, nullptr)))
			found.key[found.count++] = wanted.key[0];
		return found;
	}
	in_batches(type, wanted, 0, [attachment, &type, &found](Datum keys, Size) {
		const Datum locked = run(attachment, lock_many, &keys, nullptr);
		if (DatumGetPointer(locked) == nullptr)
			return true;
		Datum *element = nullptr;
		int count = 0;
		deconstruct_array(DatumGetArrayTypeP(locked), type.type, type.length, type.by_value,
		                  type.alignment, &element, nullptr, &count);
		// A key that is not unique, or not yet, comes once for each listing that has it, and one
		// that changed while its row was waited for comes out of order.
		Keys locked_keys = {element, nullptr, static_cast<Size>(count)};
		sort_unique(type, &locked_keys);
		memcpy(found.key + found.count, locked_keys.key, locked_keys.count * sizeof(Datum));
		found.count += locked_keys.count;
		return true;
	});
	return found;
}

// Writes locked listings directly; with "added", what was added to them.
uint64
write_as_owner(Attachment *attachment, const Keys &keys, PendingKey *const *added)
{
	AsOwner as_owner;

	begin_as_owner(&as_owner, attachment);
	begin_own_write(*attachment, nullptr);
	const uint64 changed = write_directly(*attachment, keys, added);
	end_own_write();
	if (added == nullptr)
		recomputed_before = GetCurrentCommandId(false);
	if (IsolationUsesXactSnapshot())
		in_batches(attachment->key, keys, 0, [attachment, added](Datum array, Size) {
			check_seen(attachment, added == nullptr ? write_many : insert_many, &array);
			return true;
		});
	end_as_owner(as_owner);
	return changed;
}

// Returns how many listings it has changed.
uint64
recompute(Attachment *attachment, const Keys &keys)
{
	uint64 changed = 0;

	if (keys.count > 0 && writes_directly(attachment, false))
		return write_as_owner(attachment, keys, nullptr);
	if (keys.count == 1)
		return write(attachment, write_one, keys.key, nullptr);
	in_batches(attachment->key, keys, 0, [attachment, &changed](Datum array, Size) {
		changed += write(attachment, write_many, &array, nullptr);
		return true;
	});
	return changed;
}

void
add_one(Attachment *attachment, const PendingKey &key)
{
	Datum parameters[] = {key.key, Int64GetDatum(key.added), key.lowest, key.highest};

	write(attachment, insert_one, parameters, key.added > 0 ? nullptr : "  nn");
}

void
add_many(Attachment *attachment, PendingKey *const *key, Size count)
{
	Datum *value[4];
	bool *null = static_cast<bool *>(palloc(count * sizeof(bool)));

	for (Datum *&column : value)
		column = static_cast<Datum *>(palloc(count * sizeof(Datum)));
	for (Size i = 0; i < count; ++i)
	{
		value[0][i] = key[i]->key;
		value[1][i] = Int64GetDatum(key[i]->added);
		value[2][i] = key[i]->lowest;
		value[3][i] = key[i]->highest;
		null[i] = key[i]->added == 0;
	}
	Datum parameters[] = {
		array_of(attachment->key, value[0], nullptr, count),
		PointerGetDatum(construct_array(value[1], static_cast<int>(count), INT8OID, sizeof(int64),
	                                    FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)),
		array_of(attachment->value, value[2], null, count),
		array_of(attachment->value, value[3], null, count),
	};
	write(attachment, insert_many, parameters, nullptr);
	for (int i = 0; i < 4; ++i)
	{
		pfree(DatumGetPointer(parameters[i]));
		pfree(value[i]);
	}
	pfree(null);
}

void
append(Keys *keys, const PendingKey &key)
{
	keys->key[keys->count] = key.key;
	keys->tid[keys->count++] = key.tid;
}

// Whether prices were only added, and no recomputation has counted them.
bool
can_be_added(const PendingKey &key)
{
	return !key.recompute && key.command >= recomputed_before;
}

// Adds what statements have added to the columns that depend on all prices of a listing.  What
// cannot be added any more, because of what the writes before it have set off, goes to "other".
void
add_to_stored(Attachment *attachment, const Keys &keys, PendingKey **key, Keys *other)
{
	if (keys.count > 0 && writes_directly(attachment, true))
		write_as_owner(attachment, keys, key);
	else if (keys.count == 1)
		add_one(attachment, *key[0]);
	else
	{
		for (Size done = 0; done < keys.count; done += batch)
		{
			CHECK_FOR_INTERRUPTS();
			Size count = 0;
			for (Size i = done; i < Min(done + batch, keys.count); ++i)
			{
				if (can_be_added(*key[i]))
					key[done + count++] = key[i];
				else
					append(other, *key[i]);
			}
			if (count > 0)
				add_many(attachment, key + done, count);
		}
	}
}

// Writes the columns of locked listings.
void
write_listings(const Work &work)
{
	const bool history = keeps_history(*work.attachment);
	PendingKey **added = allocate<PendingKey *>(work.count);
	Keys to_add = allocate_keys(work.count);
	Keys other = allocate_keys(work.count);

	for (Size i = 0; i < work.count; ++i)
	{
		PendingKey *key = &work.key[i];
		if (history && can_be_added(*key))
		{
			added[to_add.count] = key;
			append(&to_add, *key);
		}
		else
			append(&other, *key);
	}
	// In this order: a recomputation counts what has been added.
	add_to_stored(work.attachment, to_add, added, &other);
	recompute(work.attachment, other);
	free_keys(to_add);
	free_keys(other);
	pfree(added);
}

// Every session locks in the same order: by listing, then by key.
int
compare_work(const void *a, const void *b)
{
	const Attachment *left = static_cast<const Work *>(a)->attachment;
	const Attachment *right = static_cast<const Work *>(b)->attachment;

	if (left->listing != right->listing)
		return left->listing < right->listing ? -1 : 1;
	if (left->column[listing_key].attnum != right->column[listing_key].attnum)
		return left->column[listing_key].attnum - right->column[listing_key].attnum;
	if (left->price != right->price)
		return left->price < right->price ? -1 : 1;
	return left->column[price_key].attnum - right->column[price_key].attnum;
}

bool
locks_same_rows(const Work &a, const Work &b)
{
	return a.attachment->listing == b.attachment->listing &&
	       a.attachment->column[listing_key].attnum == b.attachment->column[listing_key].attnum;
}

// Without a foreign key nothing makes the insertion of a price wait for that of its listing, or the
// other way round: two transactions, each of which cannot see what the other did, could miss each
// other.  So the one that brings a price without a listing and the one that brings a listing
// exclude each other by a lock until they commit.
void
lock_arrivals(const Attachment &attachment, LOCKMODE mode)
{
	LockDatabaseObject(TriggerRelationId, attachment.price,
	                   static_cast<uint16>(attachment.column[price_key].attnum), mode);
}

// Leaves in "work" the keys that are among "found"; the others are returned, except those of
// listings that are gone.  Also where prices were only taken away: the listing may have been
// deleted and inserted again by a transaction that still saw them.
PendingKey *
split_missing(Work *work, const Keys &found, Size *missing_count)
{
	PendingKey *missing = allocate<PendingKey>(work->count);
	Size kept = 0;
	Size next = 0;

	*missing_count = 0;
	for (Size i = 0; i < work->count; ++i)
	{
		int order = 1;
		while (next < found.count &&
		       (order = compare_key(work->attachment->key, work->key[i].key, found.key[next])) > 0)
			++next;
		if (next < found.count && order == 0)
		{
			work->key[kept] = work->key[i];
			work->key[kept++].tid = found.tid[next];
		}
		else if (work->side == Side::price || work->key[i].arrived)
			missing[(*missing_count)++] = work->key[i];
	}
	work->count = kept;
	return missing;
}

Keys
keys_of(const PendingKey *key, Size count)
{
	Keys keys = {allocate<Datum>(count), nullptr, count};

	for (Size i = 0; i < count; ++i)
		keys.key[i] = key[i].key;
	return keys;
}

// Prices that came before their listing: it is looked for once more where another transaction may
// just have committed it, and otherwise before this one commits.
void
handle_missing(const Work &work, const PendingKey *missing, Size count)
{
	Attachment *attachment = work.attachment;
	Work late = {attachment, work.side, const_cast<PendingKey *>(missing), count};

	// One that is gone may still be seen by this transaction: to lock it is refused.
	if (IsolationUsesXactSnapshot())
		in_batches(attachment->key, keys_of(missing, count), 0, [attachment](Datum keys, Size) {
			run(attachment, lock_many, &keys, nullptr, Sees::transaction);
			return true;
		});
	if (!attachment->foreign_key && work.side == Side::price && count > 0)
	{
		lock_arrivals(*attachment, RowExclusiveLock);
		const Keys found = lock_listings(attachment, keys_of(missing, count));
		if (found.count > 0)
			recompute(attachment, found);
		missing = split_missing(&late, found, &count);
	}
	// Otherwise the lock has whoever brings a listing see these prices.
	if (attachment->foreign_key)
		add_late_keys(*attachment, work.side, missing, count, false);
}

// Locks the listings of work[0] and of those that follow on the same rows, and leaves only their
// keys; returns how many works that are.
int
lock_together(Work *work, int count, bool final)
{
	int together = 1;
	Size keys = work[0].count;

	while (together < count && locks_same_rows(work[0], work[together]))
		keys += work[together++].count;
	Keys wanted = {allocate<Datum>(keys), nullptr, 0};
	for (int i = 0; i < together; ++i)
	{
		if (work[i].side == Side::listing && !work[i].attachment->foreign_key)
			lock_arrivals(*work[i].attachment, ShareLock);
		for (Size j = 0; j < work[i].count; ++j)
			wanted.key[wanted.count++] = work[i].key[j].key;
	}
	if (together > 1)
		sort_unique(work[0].attachment->key, &wanted);
	const Keys found = lock_listings(work[0].attachment, wanted);
	for (int i = 0; i < together; ++i)
	{
		Size missing_count = 0;
		const PendingKey *missing = split_missing(&work[i], found, &missing_count);
		if (final)
			keep_late_keys(*work[i].attachment, work[i].side, missing, missing_count);
		else
			handle_missing(work[i], missing, missing_count);
	}
	return together;
}

// The attachment, with its tables locked as the flush will use them: without a lock a rename could
// come between resolving names and using them.
Attachment *
locked_attachment(const PendingKeys &pending)
{
	for (;;)
	{
		Attachment *attachment = attachment_of(pending.relation, pending.trigger, pending.side);
		if (attachment == nullptr)
			return nullptr;
		const Oid listing = attachment->listing;
		const Oid price = attachment->price;
		LockRelationOid(listing, RowExclusiveLock);
		LockRelationOid(price, AccessShareLock);
		if (!attachment->valid)
			attachment = attachment_of(pending.relation, pending.trigger, pending.side);
		if (attachment == nullptr || (attachment->listing == listing && attachment->price == price))
			return attachment;
	}
}

// A transaction that is applied in parallel commits when those before it on the publisher have:
// locks that it took before would make them wait for it, and it waits for them.  So it locks no
// listing before it commits.
void
defer(Level *level)
{
	MemoryContext old = MemoryContextSwitchTo(level->context);

	for (PendingKeys *pending = level->pending; pending != nullptr; pending = pending->next)
	{
		Attachment *attachment = attachment_of(pending->relation, pending->trigger, pending->side);
		if (attachment == nullptr)
			continue;
		add_late_keys(*attachment, pending->side, pending->key, pending->count, true);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(level->context);
}

// An error if a listing with one of the keys, which were looked for in vain, is there now and does
// not have its prices: somebody has set our deferred trigger IMMEDIATE, so that it came too early.
void
check_came_in_time(Attachment *attachment, Datum keys)
{
	if (DatumGetPointer(run(attachment, check_many, &keys, nullptr)) == nullptr)
		return;
	ereport(ERROR,
	        (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
	         errmsg("could not serialize access: a listing of table \"%s\" has come after it was "
	                "looked for",
	                NameStr(attachment->listing_name)),
	         errhint("Leave the constraint listing_stats._late deferred, or try again.")));
}

// A level of these late keys: of those alone for which nothing has been done yet, or of the others.
Level *
level_of_late(const LateKeys &late, bool deferred)
{
	Level *level = empty_level();

	for (Size i = 0; i < late.count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		const LateKey &key = late.key[i];
		if (key.deferred != deferred)
			continue;
		// None: this transaction has dropped or detached it since.
		Attachment *attachment = attachment_of(key.relation, key.trigger, key.side);
		if (attachment == nullptr)
			continue;
		if (attachment->key.type != key.type)
		{
			recompute_all(attachment);
			continue;
		}
		PendingKey change = {};
		change.key = key.key;
		change.arrived = true;
		change.recompute = true;
		add_key(level, *attachment, key.side, key.type, change);
	}
	return level;
}

}  // namespace

void
flush(Level *level, Round round)
{
	int count = 0;

	if (applies_in_parallel() && !looking_again)
	{
		defer(level);
		return;
	}
	MemoryContext old = MemoryContextSwitchTo(level->context);
	for (PendingKeys *pending = level->pending; pending != nullptr; pending = pending->next)
		++count;
	Work *work = static_cast<Work *>(palloc(sizeof(Work) * static_cast<Size>(count)));
	count = 0;
	for (PendingKeys *pending = level->pending; pending != nullptr; pending = pending->next)
	{
		// None: this transaction has dropped or detached it since.
		Attachment *attachment = locked_attachment(*pending);
		if (attachment == nullptr)
			continue;
		if (attachment->key.type != pending->type)
			elog(ERROR, "the type of a key has changed in mid-statement");
		if (round == Round::first && put_off(*attachment, *pending))
			continue;
		sort_keys(*attachment, pending->key, &pending->count);
		work[count++] = {attachment, pending->side, pending->key, pending->count};
	}
	qsort(work, static_cast<Size>(count), sizeof(Work), compare_work);
	for (int i = 0; i < count;)
		i += lock_together(work + i, count - i, round == Round::last);
	for (int i = 0; i < count; ++i)
		write_listings(work[i]);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(level->context);
}

void
flush_late_keys()
{
	const LateKeys late = take_late_keys();

	looking_again = true;
	// As at the end of their statements, which can bring late keys again.
	flush(level_of_late(late, true), Round::again);
	flush(level_of_late(late, false), Round::last);
	looking_again = false;
	if (late.context != nullptr)
		MemoryContextDelete(late.context);
}

void
check_late_keys()
{
	const LateKeys late = late_keys();
	if (late.count == 0)
		return;
	// No statement runs that would have one.
	PushActiveSnapshot(GetTransactionSnapshot());
	for (PendingKeys *pending = level_of_late(late, false)->pending; pending != nullptr;
	     pending = pending->next)
	{
		Attachment *attachment = locked_attachment(*pending);
		if (attachment == nullptr)
			continue;
		sort_keys(*attachment, pending->key, &pending->count);
		in_batches(attachment->key, keys_of(pending->key, pending->count), 0,
		           [attachment](Datum keys, Size) {
					   check_came_in_time(attachment, keys);
					   return true;
				   });
	}
	PopActiveSnapshot();
}

uint64
recompute_keys(Attachment *attachment, Datum *key, Size count)
{
	Keys wanted = {key, nullptr, count};

	sort_unique(attachment->key, &wanted);
	return recompute(attachment, lock_listings(attachment, wanted));
}

void
recompute_all(Attachment *attachment)
{
	write(attachment, write_all, nullptr, nullptr);
}

void
forget_recomputations()
{
	recomputed_before = FirstCommandId;
	looking_again = false;
}

}  // namespace listing_stats
