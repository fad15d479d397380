// Making kept columns right, see flush.hpp.
//
// In this order, and never otherwise: sort the keys; lock all their listings FOR NO KEY UPDATE in
// that order, also those that will not change; take a new snapshot; recompute from the prices;
// write what differs.  Whoever changes a price of a listing holds that lock until it commits, so
// the snapshot taken after it sees all that can no longer change.  Only a listing that has come
// meanwhile is out of that order: see handle_missing().
#include "tracking/flush.hpp"

#include "tracking/direct_path.hpp"
#include "tracking/direct_way.hpp"
#include "tracking/flush_counts.hpp"
#include "tracking/run_statement.hpp"

namespace listing_stats {

namespace {

struct Work
{
	Attachment *attachment;
	Side side;
	PendingKey *key;
	Size count;
	uint64 time;
	const Datum *since;  // see Keys
};

// A recomputation may have counted the rows that commands of this transaction before this one
// inserted: those must not be added again.
CommandId recomputed_before = FirstCommandId;

bool flushing_late_keys = false;

#ifdef USE_ASSERT_CHECKING

// Whether the keys are in ascending order, each once.
bool
is_ascending(const ComparedType &type, const Keys &keys)
{
	for (Size i = 1; i < keys.count; ++i)
	{
		if (compare_key(type, keys.key[i - 1], keys.key[i]) >= 0)
			return false;
	}
	return true;
}

// Whether both tables are locked as a flush locks them, or more strongly.
bool
is_locked(const Attachment &attachment)
{
	return CheckRelationOidLockedByMe(attachment.listing, RowExclusiveLock, true) &&
	       CheckRelationOidLockedByMe(attachment.price, AccessShareLock, true);
}

// Whether nobody else can write prices.
bool
keeps_writers_out(const Attachment &attachment)
{
	return CheckRelationOidLockedByMe(attachment.listing, ShareRowExclusiveLock, true) ||
	       CheckRelationOidLockedByMe(attachment.price, ShareRowExclusiveLock, true);
}

#endif

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
	                 (listing->trigdesc != nullptr &&
	                  (listing->trigdesc->trig_update_before_row ||
	                   (attachment.own_rows && (listing->trigdesc->trig_insert_before_row ||
	                                            listing->trigdesc->trig_delete_before_row))));

	relation_close(listing, NoLock);  // until the transaction ends, as the UPDATE's
	return can;
}

// What the columns of the listings with these keys have to be; without keys, of all.
Rows
read_wanted(Attachment *attachment, const Rows &keys)
{
	if (keys.store == nullptr)
		return read_all(attachment, Sees::latest);
	if (keys.shape == Shape::keys_added)
		return read_rows(attachment, Statement::read_added, Shape::rows_added, keys, Sees::latest);
	return read_rows(attachment, Statement::read, Shape::rows, keys, Sees::latest);
}

// The name of a column that is not what the prices of these listings say; nullptr: none.  Where
// prices were only added the columns that depend on all of them are not read anew, which would make
// the cost of an INSERT grow with their number.
const char *
wrong_column(Attachment *attachment, const Rows &keys, Sees sees)
{
	const bool added = keys.shape == Shape::keys_added;
	const char *wrong = nullptr;

	if (added && !keeps_values_of_rows(*attachment))
		return nullptr;
	const Rows rows =
		added ? read_rows(attachment, Statement::read_head, Shape::rows_head, keys, sees)
		: keys.store == nullptr ? read_all(attachment, sees)
								: read_rows(attachment, Statement::read, Shape::rows, keys, sees);
	run_statement(
		attachment, added ? Statement::check_added : Statement::check, rows, sees, nullptr,
		[&wrong](HeapTuple tuple, TupleDesc columns) { wrong = SPI_getvalue(tuple, columns, 1); });
	tuplestore_end(rows.store);
	return wrong;
}

// Sees to it that a write has left what it had to.
void
check_written(Attachment *attachment, const Rows &keys)
{
	const char *wrong = wrong_column(attachment, keys, Sees::latest);
	if (wrong == nullptr)
		return;
	ereport(ERROR,
	        (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
	         errmsg("column \"%s\" of table \"%s\" cannot be kept: a trigger or rule on the table "
	                "changes it or suppresses its update",
	                wrong, NameStr(attachment->listing_name)),
	         errhint("Let BEFORE UPDATE triggers return rows and leave the column alone, or attach "
	                 "with guard => 'off', which lets them.")));
}

// Above READ COMMITTED what was written may rest on prices that others have committed and that this
// transaction does not see: its columns would not be what it sees of the prices.  That is refused,
// as it is to update what cannot be seen.  Where prices were only added, columns that depend on all
// prices are not compared: it is enough that the transaction sees the listing as it is now.  To
// lock what it sees is an error if it does not.
void
check_seen(Attachment *attachment, const Rows &keys)
{
	if (!IsolationUsesXactSnapshot())
		return;
	if (keys.shape == Shape::keys_added)
		run_statement(attachment, Statement::lock, keys, Sees::transaction, nullptr, take_nothing);
	// If the column is wrong for all that is committed as well, that is no other transaction's
	// doing. An application or a trigger of the owner's has written it, and may.
	if (wrong_column(attachment, keys, Sees::transaction) != nullptr &&
	    wrong_column(attachment, keys, Sees::latest) == nullptr)
		cannot_serialize();
}

// Inserts the rows of all keys that have prices.
void
lock_keys_of_prices(Attachment *attachment)
{
	const Rows keys =
		read_rows(attachment, Statement::read_keys, Shape::keys, Rows{}, Sees::latest);

	run_statement(attachment, Statement::lock, keys, Sees::latest, nullptr, take_nothing);
	tuplestore_end(keys.store);
}

uint64
write_rows(Attachment *attachment, Statement write, const Rows &rows, bool *written_meanwhile)
{
	uint64 changed =
		run_statement(attachment, write, rows, Sees::latest, written_meanwhile, take_nothing);

	if (write != Statement::write_added)
		recomputed_before = GetCurrentCommandId(false);
	if (attachment->own_rows)
	{
		changed += run_statement(attachment, Statement::remove, rows, Sees::latest,
		                         written_meanwhile, take_nothing);
		recomputed_before = GetCurrentCommandId(false);
	}
	return changed;
}

// Locks the rows of a table whose rows are the attachment's own, and inserts those that are
// missing; appends their keys.
//
// A row that would be removed again is not inserted: what its foreign key refers to may be gone,
// together with its prices.  Nobody else's prices of the key are missed by that: this transaction
// has removed the row itself, and whoever inserts it waits for it.
void
lock_own_rows(Attachment *attachment, const Rows &keys, Sees sees, Keys *found)
{
	Rows needed = make_rows(Shape::keys);
	const bool reads = reads_directly(attachment, Statement::read_head);
	const Rows &taken =
		reads ? read_rows(attachment, Statement::read_head, Shape::rows_head, keys, Sees::latest)
			  : keys;

	needed.count = static_cast<double>(run_statement(
		attachment, reads ? Statement::read_found : Statement::read_needed, taken, Sees::latest,
		nullptr, [attachment, found, &needed](HeapTuple tuple, TupleDesc columns) {
			found->key[found->count++] = given_key(*attachment, tuple, columns);
			tuplestore_puttuple(needed.store, tuple);
		}));
	run_statement(attachment, Statement::lock, needed, sees, nullptr, take_nothing);
	tuplestore_end(needed.store);
	if (reads)
		tuplestore_end(taken.store);
}

// Inserts the rows again that were removed although their keys have got prices meanwhile.
void
insert_own_rows(Attachment *attachment, const Keys *keys, const Rows &wanted)
{
	if (keys == nullptr)
	{
		lock_keys_of_prices(attachment);
		return;
	}
	Keys found = {static_cast<Datum *>(palloc(keys->count * sizeof(Datum))), nullptr, 0};
	lock_own_rows(attachment, wanted, Sees::latest, &found);
	pfree(found.key);
}

// Reads what the columns of the listings have to be, writes it, and sees to it that they are left
// so; without keys, of all listings.  Returns how many rows were changed.
//
// Triggers, rules and functions of the owner's that the write sets off can change prices of these
// very listings.  Their own flush may then find the columns right that the write is about to
// change by what it saw before: then once more, of all prices.  They can also drop each other.
uint64
write_by_sql(Attachment *attachment, const Keys *keys)
{
	Assert(keys == nullptr ? keeps_writers_out(*attachment) : is_locked(*attachment));
	const bool all = keys == nullptr;
	const bool adds = !all && keys->added != nullptr;
	const Statement write = all ? Statement::write_all : Statement::write;
	Rows wanted = all ? Rows{} : rows_of_keys(attachment, *keys);
	bool again = false;
	bool must_check = can_be_undone(*attachment);
	if (all && attachment->own_rows)
		lock_keys_of_prices(attachment);
	Rows rows = read_wanted(attachment, wanted);
	const uint64 changed =
		write_rows(attachment, adds ? Statement::write_added : write, rows, &again);
	AsOwner as_owner;

	must_check = must_check || can_be_undone(*attachment);
	// An additive write trusts the stored value.  If an outer statement has not yet corrected it,
	// the check may find it wrong.
	if (!again && must_check && adds)
	{
		again = wrong_column(attachment, wanted, Sees::latest) != nullptr;
		must_check = again;
	}
	if (again)
	{
		if (adds)
		{
			tuplestore_end(wanted.store);
			wanted = rows_of_keys(attachment, {keys->key, keys->tid, keys->count});
		}
		again = false;
		if (wrong_column(attachment, wanted, Sees::latest) != nullptr)
		{
			tuplestore_end(rows.store);
			if (attachment->own_rows)
				insert_own_rows(attachment, keys, wanted);
			rows = read_wanted(attachment, wanted);
			write_rows(attachment, write, rows, &again);
		}
		must_check = must_check || (again && attachment->guard != Guard::off);
	}
	begin_as_owner(&as_owner, attachment);
	if (must_check)
		check_written(attachment, wanted);
	// TRUNCATE and DDL change what older snapshots see anyway.
	if (!all)
	{
		check_seen(attachment, wanted);
		tuplestore_end(wanted.store);
	}
	tuplestore_end(rows.store);
	end_as_owner(as_owner);
	return changed;
}

// The keys from this one on.
Keys
keys_from(const Keys &keys, Size first)
{
	return {keys.key + first, keys.tid == nullptr ? nullptr : keys.tid + first, keys.count - first,
	        keys.added == nullptr ? nullptr : keys.added + first, keys.since};
}

// Calls "handle" with the keys, a batch at a time; returns the sum of what it returns.
template <typename Handle>
uint64
batched(const Keys &keys, Handle handle)
{
	uint64 sum = 0;

	for (Size done = 0; done < keys.count; done += batch)
	{
		CHECK_FOR_INTERRUPTS();
		Keys some = keys_from(keys, done);
		some.count = Min(batch, some.count);
		sum += handle(some);
	}
	return sum;
}

// Appends the keys of the listings that there are, sorted.
void
lock_by_sql(Attachment *attachment, Statement lock, const Keys &wanted, Sees sees, Keys *found)
{
	batched(wanted, [attachment, lock, sees, found](const Keys &some) {
		const Rows keys = rows_of_keys(attachment, some);
		Keys locked = {found->key + found->count, nullptr, 0};
		// A key that is not unique, or not yet, comes once for each listing that has it, one behind
		// the other: so there are no more keys than were asked for.
		if (attachment->own_rows)
			lock_own_rows(attachment, keys, sees, &locked);
		else
			run_statement(attachment, lock, keys, sees, nullptr,
			              [attachment, &locked, &some](HeapTuple tuple, TupleDesc columns) {
							  const Datum key = given_key(*attachment, tuple, columns);
							  if (locked.count == 0 ||
				                  compare_key(attachment->key, locked.key[locked.count - 1], key) !=
				                      0)
							  {
								  if (locked.count == some.count)
									  elog(ERROR, "more keys were locked than were asked for");
								  locked.key[locked.count++] = key;
							  }
						  });
		tuplestore_end(keys.store);
		for (Size i = 0; i < locked.count; ++i)
			ItemPointerSetInvalid(&found->tid[found->count + i]);
		found->count += locked.count;
		return static_cast<uint64>(locked.count);
	});
}

// Locks the listings with these sorted keys; returns those that there are, sorted.  Rows that come
// and go are inserted by SQL, in the order in which the others are locked.
Keys
lock_listings(Attachment *attachment, const Keys &wanted)
{
	Keys found = allocate_keys(wanted.count);
	Size handled = 0;

	Assert(is_locked(*attachment));
	Assert(is_ascending(attachment->key, wanted));
	if (locks_directly(attachment))
	{
		AsOwner as_owner;
		begin_as_owner(&as_owner, attachment);
		handled = lock_directly(*attachment, wanted, &found);
		end_as_owner(as_owner);
	}
	// All the others at once: triggers that an INSERT fires are to find the later ones locked too.
	lock_by_sql(attachment, Statement::lock, keys_from(wanted, handled), Sees::latest, &found);
	return found;
}

// Writes locked listings directly.
uint64
write_as_owner(Attachment *attachment, const Keys &keys, Size *written)
{
	AsOwner as_owner;

	Assert(is_locked(*attachment));
	Assert(is_ascending(attachment->key, keys));
	begin_as_owner(&as_owner, attachment);
	begin_own_write(*attachment, nullptr);
	const uint64 changed = write_directly(*attachment, keys, written);
	end_own_write();
	if (keys.added == nullptr)
		recomputed_before = GetCurrentCommandId(false);
	if (IsolationUsesXactSnapshot())
		batched({keys.key, keys.tid, *written, keys.added}, [attachment](const Keys &some) {
			const Rows rows = rows_of_keys(attachment, some);
			check_seen(attachment, rows);
			tuplestore_end(rows.store);
			return uint64{0};
		});
	end_as_owner(as_owner);
	return changed;
}

// Says by DEBUG1 that the listings behind the first "written" ones cannot be written directly,
// although the tables allow it.
void
say_what_is_left(const Attachment &attachment, const Keys &keys, Size written)
{
	if (written < keys.count)
		elog(DEBUG1, "listing_stats leaves %zu of %zu listings of table \"%s\" to SQL",
		     keys.count - written, keys.count, NameStr(attachment.listing_name));
}

void
append(Keys *keys, const PendingKey *key)
{
	if (keys->added != nullptr)
		keys->added[keys->count] = key;
	keys->key[keys->count] = key->key;
	keys->tid[keys->count++] = key->tid;
}

// Whether prices were only added, and no recomputation has counted them.
bool
can_be_added(const PendingKey &key)
{
	return !key.recompute && key.command >= recomputed_before;
}

// Leaves those to which what was added still can be, after what the writes before have set off; the
// rest goes to "other".
Keys
still_to_add(Keys keys, Keys *other)
{
	const Size count = keys.count;

	keys.count = 0;
	for (Size i = 0; i < count; ++i)
		append(can_be_added(*keys.added[i]) ? &keys : other, keys.added[i]);
	return keys;
}

// Writes the columns of locked listings; returns how many it has changed.  What was to be added and
// cannot be any more goes to "other".
uint64
write_locked(Attachment *attachment, const Keys &keys, Keys *other)
{
	Size written = 0;
	uint64 changed = 0;

	if (keys.count > 0 && writes_directly(attachment, keys.added != nullptr))
	{
		changed = write_as_owner(attachment, keys, &written);
		say_what_is_left(*attachment, keys, written);
	}
	return changed + batched(keys_from(keys, written), [attachment, other](const Keys &some) {
			   const Keys now = some.added == nullptr ? some : still_to_add(some, other);
			   return now.count == 0 ? 0 : write_by_sql(attachment, &now);
		   });
}

// Writes what a statement has changed.
uint64
write_listings(const Work &work)
{
	const bool adds = adds_inserted(*work.attachment);
	Keys to_add = allocate_keys(work.count);
	Keys other = allocate_keys(work.count);

	to_add.added = allocate<const PendingKey *>(work.count);
	to_add.since = other.since = work.since;
	for (Size i = 0; i < work.count; ++i)
		append(adds && can_be_added(work.key[i]) ? &to_add : &other, &work.key[i]);
	// In this order: a recomputation counts what has been added.
	uint64 changed = write_locked(work.attachment, to_add, &other);
	changed += write_locked(work.attachment, other, nullptr);
	pfree(to_add.added);
	free_keys(to_add);
	free_keys(other);
	return changed;
}

bool
may_read_listings(const Attachment &attachment, Oid user)
{
	return user == attachment.owner ||
	       (may_use_schema(get_rel_namespace(attachment.listing), user) &&
	        pg_class_aclcheck(attachment.listing, user, ACL_SELECT) == ACLCHECK_OK &&
	        check_enable_rls(attachment.listing, user, true) != RLS_ENABLED);
}

// Whether who writes prices may not read what the listings have: the current user, or who is told
// of errors in the end.
bool
hides_listings(const Attachment &attachment)
{
	const Oid user = GetUserId();
	const Oid outer = GetOuterUserId();

	return !may_read_listings(attachment, user) ||
	       (outer != user && !may_read_listings(attachment, outer));
}

// The error of a constraint tells rows, as their owner may read them, for whom we write.  Who may
// not read them is told the rest.
template <typename Keep>
void
keep_hidden(bool hidden, Keep keep)
{
	MemoryContext context = CurrentMemoryContext;

	if (!hidden)
	{
		keep();
		return;
	}
	PG_TRY();
	{
		keep();
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		ErrorData *error = CopyErrorData();
		FlushErrorState();
		error->detail = nullptr;
		ReThrowError(error);
	}
	PG_END_TRY();
}

// Every session locks in the same order: by listing, then by key.
int
compare_work(const void *a, const void *b)
{
	const Attachment *left = static_cast<const Work *>(a)->attachment;
	const Attachment *right = static_cast<const Work *>(b)->attachment;

	if (left->listing != right->listing)
		return left->listing < right->listing ? -1 : 1;
	for (int i = 0; i < Min(left->key_columns, right->key_columns); ++i)
	{
		const int place = list_place(ColumnList::listing_key, i);
		if (left->column[place].attnum != right->column[place].attnum)
			return left->column[place].attnum - right->column[place].attnum;
	}
	if (left->key_columns != right->key_columns)
		return left->key_columns - right->key_columns;
	if (left->own_rows != right->own_rows)
		return left->own_rows ? -1 : 1;
	if (left->price != right->price)
		return left->price < right->price ? -1 : 1;
	for (int i = first_target; i < column_count; ++i)
	{
		if (left->column[i].attnum != right->column[i].attnum)
			return left->column[i].attnum - right->column[i].attnum;
	}
	return 0;
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

Keys
keys_of(const PendingKey *key, Size count)
{
	Keys keys = {allocate<Datum>(count), nullptr, count};

	for (Size i = 0; i < count; ++i)
		keys.key[i] = key[i].key;
	return keys;
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

	Assert(is_ascending(work->attachment->key, keys_of(work->key, work->count)));
	Assert(is_ascending(work->attachment->key, found));
	*missing_count = 0;
	for (Size i = 0; i < work->count; ++i)
	{
		int order = 1;
		CHECK_FOR_INTERRUPTS();
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

// Prices that came before their listing: it is looked for once more, since another transaction may
// just have committed it, also in the place of one that it has deleted; and with a foreign key
// before this one commits.  Where that is so, and other listings are locked already, it is not
// waited for out of their order: one that somebody else has locked is left to then.  Returns
// whether one has been locked.
bool
handle_missing(const Work &work, const PendingKey *missing, Size count, bool has_locked)
{
	Attachment *attachment = work.attachment;
	Work late = {attachment, work.side, const_cast<PendingKey *>(missing), count, 0, nullptr};
	bool locks = false;

	// One that is gone may still be seen by this transaction: to lock it is refused.
	if (IsolationUsesXactSnapshot())
	{
		Keys found = allocate_keys(count);
		lock_by_sql(attachment, Statement::lock, keys_of(missing, count), Sees::transaction,
		            &found);
		free_keys(found);
	}
	if (work.side == Side::price && count > 0)
	{
		if (!attachment->foreign_key)
			lock_arrivals(*attachment, RowExclusiveLock);
		Keys found = allocate_keys(count);
		if (attachment->foreign_key && has_locked)
			lock_by_sql(attachment, Statement::lock_free, keys_of(missing, count), Sees::latest,
			            &found);
		else
			found = lock_listings(attachment, keys_of(missing, count));
		locks = found.count > 0;
		if (locks)
			write_locked(attachment, found, nullptr);
		missing = split_missing(&late, found, &count);
	}
	// Otherwise the lock has whoever brings a listing see these prices.  It does not suffice where
	// a foreign key is found to be checked meanwhile.
	if (attachment->any_foreign_key)
		add_late_keys(*attachment, work.side, missing, count, false);
	return locks;
}

// Leaves out the keys that have nothing to be made right: of rows that this transaction has
// inserted as those of listings without prices, if that is what they are.  Nobody else can have
// such a row, so there is nothing to lock.  Above READ COMMITTED it also counts what the
// transaction sees of the prices.
void
leave_out_unpriced(Work *work)
{
	Size kept = 0;

	if (work->side != Side::listing || work->attachment->own_rows || IsolationUsesXactSnapshot() ||
	    !locks_directly(work->attachment))
		return;
	Keys priced = allocate_keys(work->count);
	for (Size i = 0; i < work->count; ++i)
	{
		if (work->key[i].empty)
			append(&priced, &work->key[i]);
	}
	if (priced.count > 0)
	{
		AsOwner as_owner;
		begin_as_owner(&as_owner, work->attachment);
		keep_priced(*work->attachment, &priced);
		end_as_owner(as_owner);
	}
	Size next = 0;
	for (Size i = 0; i < work->count; ++i)
	{
		const bool has_price =
			next < priced.count &&
			compare_key(work->attachment->key, work->key[i].key, priced.key[next]) == 0;
		next += has_price ? 1 : 0;
		if (!work->key[i].empty || has_price)
			work->key[kept++] = work->key[i];
	}
	work->count = kept;
	free_keys(priced);
}

bool
has_arrivals(const Work &work)
{
	for (Size i = 0; i < work.count; ++i)
	{
		if (work.key[i].arrived)
			return true;
	}
	return false;
}

// Locks the listings of work[0] and of those that follow on the same rows, and leaves only their
// keys; returns how many works that are.
int
lock_together(Work *work, int count, bool final)
{
	int together = 1;
	Size keys = work[0].count;

	while (together < count && same_listing_key(*work[0].attachment, *work[together].attachment) &&
	       work[0].attachment->own_rows == work[together].attachment->own_rows)
		keys += work[together++].count;
	Keys wanted = {allocate<Datum>(keys), nullptr, 0};
	for (int i = 0; i < together; ++i)
	{
		Assert(is_locked(*work[i].attachment));
		Assert(work[i].attachment->listing == work[0].attachment->listing);
		if (work[i].side == Side::listing && !work[i].attachment->foreign_key &&
		    !work[i].attachment->own_rows && has_arrivals(work[i]))
			lock_arrivals(*work[i].attachment, ShareLock);
		leave_out_unpriced(&work[i]);
		for (Size j = 0; j < work[i].count; ++j)
			wanted.key[wanted.count++] = work[i].key[j].key;
	}
	if (together > 1)
		sort_unique(work[0].attachment->key, &wanted);
	const Keys found = lock_listings(work[0].attachment, wanted);
	bool has_locked = found.count > 0;
	for (int i = 0; i < together; ++i)
	{
		Size missing_count = 0;
		const PendingKey *missing = split_missing(&work[i], found, &missing_count);
		if (work[i].attachment->own_rows)
			continue;  // they have no prices
		if (final)
			keep_late_keys(*work[i].attachment, work[i].side, missing, missing_count);
		else
			has_locked |= handle_missing(work[i], missing, missing_count, has_locked);
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
// not have its prices; without keys, any listing.  Somebody has set our deferred trigger IMMEDIATE,
// so that it came too early.
void
check_came_in_time(Attachment *attachment, const Rows &keys)
{
	const char *wrong = wrong_column(attachment, keys, Sees::latest);

	if (wrong == nullptr)
		return;
	ereport(ERROR,
	        (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
	         errmsg("could not serialize access: a listing of table \"%s\" has come after it was "
	                "looked for",
	                NameStr(attachment->listing_name)),
	         errhint("Leave the constraint listing_stats._late deferred, or try again.")));
}

// A level of these late keys, copied: of those alone for which nothing has been done yet, or of the
// others.  Where the type of a key has changed since, the trigger is left in "changed".
Level *
level_of_late(const LateKeys &late, bool to_be_done, List **changed)
{
	Level *level = empty_level();
	Oid last_changed = InvalidOid;  // the trigger

	for (Size i = 0; i < late.count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		const LateKey &key = late.key[i];
		if (is_to_be_done(key) != to_be_done)
			continue;
		// None: this transaction has dropped or detached it since.
		Attachment *attachment = attachment_of(key.relation, key.trigger, key.side);
		if (attachment == nullptr)
			continue;
		if (layout_of(attachment->key) != key.layout)
		{
			if (key.trigger != last_changed)
			{
				PendingKeys *all = static_cast<PendingKeys *>(palloc0(sizeof(PendingKeys)));
				all->relation = key.relation;
				all->trigger = key.trigger;
				all->side = key.side;
				*changed = lappend(*changed, all);
			}
			last_changed = key.trigger;
			continue;
		}
		PendingKey change = {};
		change.key = key.key;
		change.arrived = true;
		change.recompute = true;
		add_key(level, *attachment, key.side, change);
	}
	return level;
}

// All listings whose keys, of another type, were late.
void
handle_changed(const List *changed, void (*handle_all)(Attachment *attachment))
{
	for (const PendingKeys *all : each<PendingKeys *>(changed))
	{
		Attachment *attachment = locked_attachment(*all);
		if (attachment != nullptr)
			handle_all(attachment);
	}
}

// As whoever acts now, in a security-restricted operation where the keys ask for it.
Actor
act_for(const LateKeys &late)
{
	return act_as(GetUserId(), late.restricted ? SECURITY_RESTRICTED_OPERATION : 0);
}

void
lock_and_write(Work *work, int count, Round round)
{
	for (int i = 0; i < count;)
	{
		const FlushClock clock = start_flush_clock();
		const int together = lock_together(work + i, count - i, round == Round::last);
		work[i].time = time_since(clock);
		i += together;
	}
	for (int i = 0; i < count; ++i)
	{
		const FlushClock clock = start_flush_clock();
		const uint64 written = write_listings(work[i]);
		count_flush(work[i].attachment, work[i].count, written, work[i].time + time_since(clock));
	}
}

}  // namespace

void
flush(Level *level, Round round)
{
	int count = 0;

	if (applies_in_parallel() && !flushing_late_keys)
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
		if (layout_of(attachment->key) != pending->layout)
			ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			                errmsg("could not serialize access: the type of the key of table "
			                       "\"%s\" has changed during a statement",
			                       NameStr(attachment->price_name)),
			                errhint("Try again.")));
		if (round == Round::first && put_off(*attachment, *pending))
			continue;
		sort_keys(*attachment, pending->key, &pending->count);
		work[count++] = {attachment,
		                 pending->side,
		                 pending->key,
		                 pending->count,
		                 0,
		                 level->has_since ? &level->since : nullptr};
	}
	qsort(work, static_cast<Size>(count), sizeof(Work), compare_work);
	bool hidden = false;
	for (int i = 0; i < count && !hidden; ++i)
		hidden = hides_listings(*work[i].attachment);
	keep_hidden(hidden, [work, count, round] { lock_and_write(work, count, round); });
	MemoryContextSwitchTo(old);
	MemoryContextDelete(level->context);
}

void
flush_late_keys()
{
	const LateKeys late = take_late_keys();
	const Actor actor = act_for(late);
	List *changed = NIL;
	Level *to_be_done = level_of_late(late, true, &changed);
	Level *others = level_of_late(late, false, &changed);
	const bool before = flushing_late_keys;

	begin_late_keys();
	flushing_late_keys = true;
	handle_changed(changed, recompute_all);
	// As at the end of their statements, which can bring late keys again.
	flush(to_be_done, Round::again);
	flush(others, Round::last);
	flushing_late_keys = before;
	if (late.context != nullptr)
		MemoryContextDelete(late.context);
	resume_as(actor);
}

void
check_late_keys()
{
	const LateKeys late = late_keys();
	List *changed = NIL;

	if (late.count == 0)
		return;
	const Actor actor = act_for(late);
	// No statement runs that would have one.
	PushActiveSnapshot(GetTransactionSnapshot());
	PendingKeys *pending = level_of_late(late, false, &changed)->pending;
	handle_changed(changed, [](Attachment *attachment) { check_came_in_time(attachment, Rows{}); });
	for (; pending != nullptr; pending = pending->next)
	{
		Attachment *attachment = locked_attachment(*pending);
		if (attachment == nullptr)
			continue;
		sort_keys(*attachment, pending->key, &pending->count);
		batched(keys_of(pending->key, pending->count), [attachment](const Keys &some) {
			const Rows rows = rows_of_keys(attachment, some);
			check_came_in_time(attachment, rows);
			tuplestore_end(rows.store);
			return uint64{0};
		});
	}
	PopActiveSnapshot();
	resume_as(actor);
}

uint64
recompute_keys(Attachment *attachment, Datum *key, Size count)
{
	Keys wanted = {key, nullptr, count};

	sort_unique(attachment->key, &wanted);
	return write_locked(attachment, lock_listings(attachment, wanted), nullptr);
}

void
recompute_all(Attachment *attachment)
{
	keep_hidden(hides_listings(*attachment), [attachment] { write_by_sql(attachment, nullptr); });
}

void
forget_recomputations()
{
	recomputed_before = FirstCommandId;
	flushing_late_keys = false;
}

}  // namespace listing_stats
