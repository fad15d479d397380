// Keys whose listing was not there, see late_keys.hpp.
#include "tracking/late_keys.hpp"

#include "tracking/collected_keys.hpp"

namespace listing_stats {

namespace {

// In the order of their subtransactions: an inner one has the higher number, and ends first.
LateKey *late = nullptr;
Size late_count = 0;
Size late_capacity = 0;
MemoryContext late_context = nullptr;  // in TopTransactionContext

// Whether something has been done for some of them, and whether some came in a security-restricted
// operation.
bool some_done = false;
bool some_restricted = false;

// Where the event was queued that has not led to a last look yet.
SubTransactionId queued_in = InvalidSubTransactionId;

// Makes the event of inserting a row that has this step in the table _late, on which a deferred
// trigger is, without inserting it.  The table is unlogged, so that no publication has it: its rows
// are gone after a crash, and come back here.
void
queue_event(LateStep step)
{
	ResultRelInfo *events = open_event_table("_late");
	Relation table = events->ri_RelationDesc;
	TupleTableSlot *slot = table_slot_create(table, nullptr);
	TableScanDesc scan = table_beginscan(table, SnapshotSelf, 0, nullptr);
	bool found = false;
	bool is_null = false;

	while (!found && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		found = DatumGetInt32(slot_getattr(slot, 1, &is_null)) == static_cast<int32>(step);
	}
	if (!found)
	{
		ExecClearTuple(slot);
		slot->tts_values[0] = Int32GetDatum(static_cast<int32>(step));
		slot->tts_isnull[0] = false;
		ExecStoreVirtualTuple(slot);
		simple_table_tuple_insert(table, slot);
	}
	EState *state = CreateExecutorState();
	Oid user = InvalidOid;
	int context = 0;
	// A worker of a subscription applies rows in a security-restricted operation, from 16 on.  Our
	// trigger may be deferred out of it: what it does is done in one again.
	GetUserIdAndSecContext(&user, &context);
	if (MyLogicalRepWorker != nullptr)
		SetUserIdAndSecContext(user, context & ~SECURITY_RESTRICTED_OPERATION);
	// An event belongs to a statement, and none is under way when the transaction commits.
	AfterTriggerBeginQuery();
	ExecARInsertTriggers(state, events, slot, NIL, nullptr);
	AfterTriggerEndQuery(state);
	SetUserIdAndSecContext(user, context);
	ExecResetTupleTable(state->es_tupleTable, false);
	ExecCloseResultRelations(state);
	FreeExecutorState(state);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(table, NoLock);
}

int
compare_late(const void *a, const void *b)
{
	const LateKey &left = *static_cast<const LateKey *>(a);
	const LateKey &right = *static_cast<const LateKey *>(b);

	if (left.subtransaction != right.subtransaction)
		return left.subtransaction < right.subtransaction ? -1 : 1;
	if (left.trigger != right.trigger)
		return left.trigger < right.trigger ? -1 : 1;
	if (left.deferred != right.deferred)
		return left.deferred ? -1 : 1;
	if (left.done_in != right.done_in)
		return left.done_in < right.done_in ? -1 : 1;
	// A type that has changed meanwhile may be held in another way.
	if (left.layout != right.layout)
		return left.layout < right.layout ? -1 : 1;
	if (left.by_value)
		return left.key == right.key ? 0 : left.key < right.key ? -1 : 1;
	const Size length = datumGetSize(left.key, false, left.length);
	const Size other = datumGetSize(right.key, false, right.length);
	if (length != other)
		return length < other ? -1 : 1;
	return memcmp(DatumGetPointer(left.key), DatumGetPointer(right.key), length);
}

void
free_late(LateKey *key)
{
	if (!key->by_value)
		pfree(DatumGetPointer(key->key));
}

// Makes room: by forgetting keys that are there twice, if that frees half.
void
make_room()
{
	constexpr Size least = 64;
	Size kept = 0;

	if (late_count < late_capacity)
		return;
	if (late == nullptr)
	{
		late_capacity = least;
		late_context = AllocSetContextCreate(TopTransactionContext, "listing_stats late keys",
		                                     ALLOCSET_DEFAULT_SIZES);
		late = static_cast<LateKey *>(
			MemoryContextAlloc(late_context, late_capacity * sizeof(LateKey)));
		return;
	}
	qsort(late, late_count, sizeof(LateKey), compare_late);
	for (Size i = 1; i < late_count; ++i)
	{
		if (compare_late(&late[kept], &late[i]) == 0)
			free_late(&late[i]);
		else
			late[++kept] = late[i];
	}
	late_count = kept + 1;
	if (late_count <= late_capacity / 2)
		return;
	late_capacity = 2 * late_count;
	late = static_cast<LateKey *>(repalloc_huge(late, late_capacity * sizeof(LateKey)));
}

void
append_late(const Attachment &attachment, Side side, Datum key, bool deferred)
{
	const ComparedType &type = attachment.key;

	make_room();
	some_restricted = some_restricted || InSecurityRestrictedOperation();
	Assert(late_count == 0 || late[late_count - 1].subtransaction <= GetCurrentSubTransactionId());
	MemoryContext old = MemoryContextSwitchTo(late_context);
	late[late_count] = {attachment.relation,
	                    attachment.trigger,
	                    side,
	                    layout_of(type),
	                    type.length,
	                    type.by_value,
	                    deferred,
	                    InvalidSubTransactionId,
	                    GetCurrentSubTransactionId(),
	                    datumCopy(key, type.by_value, type.length)};
	++late_count;
	MemoryContextSwitchTo(old);
}

}  // namespace

bool
is_restricted()
{
	return InSecurityRestrictedOperation() && MyLogicalRepWorker == nullptr;
}

void
add_late_keys(const Attachment &attachment, Side side, const PendingKey *key, Size count,
              bool deferred)
{
	if (count == 0)
		return;
	// The server refuses this too, when the statement ends, and does not say what it is about.
	if (is_restricted())
		ereport(ERROR,
		        (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		         errmsg("cannot write a price of table \"%s\" before its listing within a "
		                "security-restricted operation",
		                NameStr(attachment.price_name)),
		         errdetail("listing_stats would have to look for the listing when the transaction "
		                   "commits."),
		         errhint("Write prices by statements of your own, not by functions of an index, "
		                 "a materialized view or the like.")));
	for (Size i = 0; i < count; ++i)
		append_late(attachment, side, key[i].key, deferred);
	if (queued_in == InvalidSubTransactionId)
	{
		// It is done at once where constraints are IMMEDIATE.
		queued_in = GetCurrentSubTransactionId();
		queue_event(LateStep::first);
	}
	// The invariant of the header, unless they have been looked for.
	Assert(queued_in <= GetCurrentSubTransactionId());
}

void
keep_late_keys(const Attachment &attachment, Side side, const PendingKey *key, Size count)
{
	// Within a savepoint they have not been taken.
	for (Size i = 0; i < count && !IsSubTransaction(); ++i)
		append_late(attachment, side, key[i].key, false);
}

LateKeys
take_late_keys()
{
	// Keys that come from now on need an event of their own.
	queued_in = InvalidSubTransactionId;
	LateKeys taken = late_keys();

	if (!IsSubTransaction())
	{
		taken.context = late_context;
		forget_late_keys();
	}
	return taken;
}

void
begin_late_keys()
{
	for (Size i = 0; i < late_count; ++i)
	{
		if (!is_to_be_done(late[i]))
			continue;
		late[i].done_in = GetCurrentSubTransactionId();
		some_done = true;
	}
}

LateKeys
late_keys()
{
	Assert(queued_in == InvalidSubTransactionId);
	return {late, late_count, nullptr, some_restricted};
}

void
queue_last_step()
{
	if (late_count > 0)
		queue_event(LateStep::last);
}

void
drop_late_keys(SubTransactionId subtransaction)
{
	while (late_count > 0 && late[late_count - 1].subtransaction >= subtransaction)
		free_late(&late[--late_count]);
	for (Size i = 0; i < late_count && some_done; ++i)
	{
		if (late[i].done_in >= subtransaction)
			late[i].done_in = InvalidSubTransactionId;
	}
	if (queued_in >= subtransaction)
		queued_in = InvalidSubTransactionId;
}

void
inherit_late_keys(SubTransactionId own, SubTransactionId parent)
{
	for (Size i = late_count; i > 0 && late[i - 1].subtransaction == own; --i)
		late[i - 1].subtransaction = parent;
	for (Size i = 0; i < late_count && some_done; ++i)
	{
		if (late[i].done_in == own)
			late[i].done_in = parent;
	}
	if (queued_in == own)
		queued_in = parent;
}

void
forget_late_keys()
{
	late = nullptr;
	late_count = 0;
	late_capacity = 0;
	late_context = nullptr;
	some_done = false;
	some_restricted = false;
	queued_in = InvalidSubTransactionId;
}

}  // namespace listing_stats
