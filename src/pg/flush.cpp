// Making kept columns right, see flush.hpp.
//
// In this order, and never otherwise: sort the keys; lock all their listings FOR NO KEY UPDATE in
// that order, also those that will not change; take a new snapshot; recompute from the prices;
// write what differs.  Whoever changes a price of a listing holds that lock until it commits, so
// the snapshot taken after it sees all that can no longer change.
#include "pg/flush.hpp"

#include "pg/queries.hpp"

namespace listing_stats {

namespace {

// Keys per statement, which bounds the size of its array and how long it runs uninterrupted.
constexpr Size batch = 50000;

struct Work
{
	Attachment *attachment;
	Datum *key;
	Size count;
};

void
error_context(void *argument)
{
	const Attachment *attachment = static_cast<const Attachment *>(argument);

	errcontext("listing_stats keeping the columns of table \"%s\" from table \"%s\"",
	           NameStr(attachment->listing_name), NameStr(attachment->price_name));
}

// Runs a statement as the owner of the tables, as foreign keys do: privileges and row security of
// whoever changed a price do not change what the listing's price is.
//
// At READ COMMITTED the executor takes a new snapshot.  Above, the transaction's own is too old:
// it is used only to refuse, as foreign keys do, to update a listing that the transaction cannot
// see, which would afterwards appear to it twice.
void
run(Attachment *attachment, Query query, Datum parameter)
{
	const bool write = query != lock_one && query != lock_many;
	Snapshot snapshot = InvalidSnapshot;
	Snapshot crosscheck = InvalidSnapshot;
	Oid user = InvalidOid;
	int security_context = 0;
	ErrorContextCallback callback = {error_context_stack, error_context, attachment};

	error_context_stack = &callback;
	GetUserIdAndSecContext(&user, &security_context);
	SetUserIdAndSecContext(attachment->owner,
	                       security_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	SPI_connect();
	SPIPlanPtr plan = plan_of(attachment, query);
	if (write)
		begin_own_write(*attachment);
	if (IsolationUsesXactSnapshot())
	{
		CommandCounterIncrement();
		snapshot = GetLatestSnapshot();
		if (write)
			crosscheck = GetTransactionSnapshot();
	}
	const int result =
		SPI_execute_snapshot(plan, &parameter, nullptr, snapshot, crosscheck, false, true, 0);
	if (result != (write ? SPI_OK_UPDATE : SPI_OK_SELECT))
		elog(ERROR, "a statement of listing_stats failed: %s", SPI_result_code_string(result));
	if (write)
		end_own_write();
	SPI_finish();
	SetUserIdAndSecContext(user, security_context);
	error_context_stack = callback.previous;
}

void
run_for_keys(Attachment *attachment, Query for_one, Query for_many, Datum *key, Size count)
{
	const KeyType &type = attachment->key;

	if (count == 1)
		run(attachment, for_one, key[0]);
	for (Size done = 0; count > 1 && done < count; done += batch)
	{
		CHECK_FOR_INTERRUPTS();
		ArrayType *array = construct_array(key + done, static_cast<int>(Min(batch, count - done)),
		                                   type.type, type.length, type.by_value, type.alignment);
		run(attachment, for_many, PointerGetDatum(array));
		pfree(array);
	}
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

// Locks the listings of work[0] and of those that follow on the same rows; returns how many.
int
lock_listings(const Work *work, int count)
{
	int together = 1;
	Size keys = work[0].count;

	while (together < count && locks_same_rows(work[0], work[together]))
		keys += work[together++].count;
	if (together == 1)
	{
		run_for_keys(work[0].attachment, lock_one, lock_many, work[0].key, keys);
		return 1;
	}
	Datum *all =
		static_cast<Datum *>(MemoryContextAllocHuge(CurrentMemoryContext, keys * sizeof(Datum)));
	keys = 0;
	for (int i = 0; i < together; ++i)
	{
		memcpy(all + keys, work[i].key, work[i].count * sizeof(Datum));
		keys += work[i].count;
	}
	sort_keys(work[0].attachment->key, all, &keys, false);
	run_for_keys(work[0].attachment, lock_one, lock_many, all, keys);
	return together;
}

}  // namespace

void
flush(Level *level)
{
	int count = 0;

	MemoryContext old = MemoryContextSwitchTo(level->context);
	for (PendingKeys *pending = level->pending; pending != nullptr; pending = pending->next)
		++count;
	Work *work = static_cast<Work *>(palloc(sizeof(Work) * static_cast<Size>(count)));
	count = 0;
	for (PendingKeys *pending = level->pending; pending != nullptr; pending = pending->next)
	{
		Attachment *attachment = attachment_of(pending->relation, pending->trigger, pending->side);
		if (attachment == nullptr)
			continue;
		if (attachment->key.type != pending->type)
			elog(ERROR, "the type of a key has changed in mid-statement");
		sort_keys(attachment->key, pending->key, &pending->count, true);
		work[count++] = {attachment, pending->key, pending->count};
	}
	qsort(work, static_cast<Size>(count), sizeof(Work), compare_work);
	for (int i = 0; i < count;)
		i += lock_listings(work + i, count - i);
	for (int i = 0; i < count; ++i)
		run_for_keys(work[i].attachment, write_one, write_many, work[i].key, work[i].count);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(level->context);
}

void
recompute_all(Attachment *attachment)
{
	run(attachment, write_all, 0);
}

}  // namespace listing_stats
