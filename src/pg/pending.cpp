// Keys collected by running statements, see pending.hpp.
#include "pg/pending.hpp"

#include <algorithm>

namespace listing_stats {

namespace {

Level *innermost_level = nullptr;
OwnWrite *innermost_write = nullptr;
SPIPlanPtr anchor_plan = nullptr;
Oid anchor_owner = InvalidOid;

// An INSERT of no rows whose statement trigger does the flush.  Run without firing triggers it
// queues that trigger in the statement being executed, once however often it is queued, and after
// the row triggers that are queued already: the way foreign keys have their cascades followed up.
constexpr const char *anchor_statement =
	"INSERT INTO listing_stats._flush (nothing) SELECT true WHERE false";

void
prepare_anchor()
{
	if (anchor_plan != nullptr && SPI_plan_is_valid(anchor_plan))
		return;
	if (anchor_plan != nullptr)
		SPI_freeplan(anchor_plan);
	anchor_plan = nullptr;

	const Oid anchor = get_relname_relid("_flush", get_namespace_oid("listing_stats", false));
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(anchor));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("table listing_stats._flush does not exist"),
		                errhint("Reinstall the extension listing_stats.")));
	anchor_owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
}

void
queue_flush()
{
	Oid user = InvalidOid;
	int security_context = 0;

	prepare_anchor();
	GetUserIdAndSecContext(&user, &security_context);
	SetUserIdAndSecContext(anchor_owner, security_context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (anchor_plan == nullptr)
	{
		SPIPlanPtr plan = SPI_prepare(anchor_statement, 0, nullptr);
		if (plan == nullptr)
			elog(ERROR, "could not prepare the anchor statement of listing_stats: %s",
			     SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		anchor_plan = plan;
	}
	const int result = SPI_execute_snapshot(anchor_plan, nullptr, nullptr, InvalidSnapshot,
	                                        InvalidSnapshot, false, false, 0);
	if (result != SPI_OK_INSERT)
		elog(ERROR, "the anchor statement of listing_stats failed: %s",
		     SPI_result_code_string(result));
	SPI_finish();
	SetUserIdAndSecContext(user, security_context);
}

// The level of the statement whose triggers are firing; made, and its flush queued, if it is new.
Level *
current_level()
{
	const int depth = trigger_depth();

	if (innermost_level != nullptr && innermost_level->depth == depth)
		return innermost_level;
	if (innermost_level != nullptr && innermost_level->depth > depth)
		elog(ERROR, "a statement has ended without the flush of listing_stats");

	MemoryContext context =
		AllocSetContextCreate(TopTransactionContext, "listing_stats keys", ALLOCSET_SMALL_SIZES);
	Level *level = static_cast<Level *>(MemoryContextAllocZero(context, sizeof(Level)));
	level->depth = depth;
	level->subtransaction = GetCurrentSubTransactionId();
	level->context = context;
	level->outer = innermost_level;
	innermost_level = level;
	queue_flush();
	return level;
}

PendingKeys *
pending_of(Level *level, const Attachment &attachment, Side side)
{
	for (PendingKeys *pending = level->pending; pending != nullptr; pending = pending->next)
	{
		if (pending->trigger == attachment.trigger)
			return pending;
	}
	PendingKeys *pending =
		static_cast<PendingKeys *>(MemoryContextAllocZero(level->context, sizeof(PendingKeys)));
	pending->relation = attachment.relation;
	pending->trigger = attachment.trigger;
	pending->side = side;
	pending->type = attachment.key.type;
	pending->capacity = 64;
	pending->key =
		static_cast<Datum *>(MemoryContextAlloc(level->context, pending->capacity * sizeof(Datum)));
	pending->next = level->pending;
	level->pending = pending;
	return pending;
}

// Makes room: by dropping repeated keys if that frees half, so that a million prices of ten
// listings take the space of ten keys.
void
make_room(const KeyType &type, PendingKeys *pending)
{
	sort_keys(type, pending->key, &pending->count, true);
	if (pending->count <= pending->capacity / 2)
		return;
	pending->capacity *= 2;
	pending->key =
		static_cast<Datum *>(repalloc_huge(pending->key, pending->capacity * sizeof(Datum)));
}

int
compare_keys(const void *a, const void *b, void *argument)
{
	KeyType *type = static_cast<KeyType *>(argument);

	return DatumGetInt32(FunctionCall2Coll(&type->compare, type->collation,
	                                       *static_cast<const Datum *>(a),
	                                       *static_cast<const Datum *>(b)));
}

void
drop_levels(SubTransactionId subtransaction)
{
	while (innermost_level != nullptr && innermost_level->subtransaction >= subtransaction)
	{
		Level *level = innermost_level;
		innermost_level = level->outer;
		MemoryContextDelete(level->context);
	}
	while (innermost_write != nullptr && innermost_write->subtransaction >= subtransaction)
		innermost_write = innermost_write->outer;
}

void
end_subtransaction(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		drop_levels(own);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (Level *level = innermost_level; level != nullptr; level = level->outer)
		{
			if (level->subtransaction == own)
				level->subtransaction = parent;
		}
		for (OwnWrite *write = innermost_write; write != nullptr; write = write->outer)
		{
			if (write->subtransaction == own)
				write->subtransaction = parent;
		}
	}
}

void
end_transaction(XactEvent event, void *)
{
	switch (event)
	{
	case XACT_EVENT_PRE_COMMIT:
	case XACT_EVENT_PRE_PREPARE:
		// Cannot happen while the anchor fires.  If it ever does not, no wrong value is kept.
		if (innermost_level != nullptr)
			elog(ERROR, "a statement has ended without the flush of listing_stats");
		break;
	case XACT_EVENT_COMMIT:
	case XACT_EVENT_ABORT:
	case XACT_EVENT_PREPARE:
		// Their memory goes with the transaction.
		innermost_level = nullptr;
		innermost_write = nullptr;
		free_stale_attachments();
		break;
	default:
		break;
	}
}

}  // namespace

int
trigger_depth()
{
	LOCAL_FCINFO(fcinfo, 0);

	InitFunctionCallInfoData(*fcinfo, nullptr, 0, InvalidOid, nullptr, nullptr);
	return DatumGetInt32(pg_trigger_depth(fcinfo));
}

void
add_pending_key(const Attachment &attachment, Side side, Oid column_type, Datum key)
{
	Level *level = current_level();
	PendingKeys *pending = pending_of(level, attachment, side);

	if (attachment.key.type == INT8OID)
	{
		if (column_type == INT4OID)
			key = Int64GetDatum(DatumGetInt32(key));
		else if (column_type == INT2OID)
			key = Int64GetDatum(DatumGetInt16(key));
		if (pending->count > 0 && pending->key[pending->count - 1] == key)
			return;
	}
	if (pending->count == pending->capacity)
		make_room(attachment.key, pending);

	MemoryContext old = MemoryContextSwitchTo(level->context);
	if (attachment.key.length == -1)
		key = PointerGetDatum(PG_DETOAST_DATUM_COPY(key));
	else
		key = datumCopy(key, attachment.key.by_value, attachment.key.length);
	MemoryContextSwitchTo(old);
	pending->key[pending->count++] = key;
}

Level *
take_level(int depth)
{
	Level *level = innermost_level;

	if (level == nullptr || level->depth != depth)
		return nullptr;
	innermost_level = level->outer;
	return level;
}

void
sort_keys(const KeyType &type, Datum *key, Size *count, bool free_repeated)
{
	Size kept = 0;

	if (*count < 2)
		return;
	if (type.type == INT8OID)
	{
		int64 *begin = reinterpret_cast<int64 *>(key);
		std::sort(begin, begin + *count);
		*count = static_cast<Size>(std::unique(begin, begin + *count) - begin);
		return;
	}
	KeyType comparing = type;
	qsort_arg(key, *count, sizeof(Datum), compare_keys, &comparing);
	for (Size i = 1; i < *count; ++i)
	{
		if (compare_keys(&key[kept], &key[i], &comparing) != 0)
			key[++kept] = key[i];
		else if (free_repeated && !type.by_value)
			pfree(DatumGetPointer(key[i]));
	}
	*count = kept + 1;
}

void
begin_own_write(const Attachment &attachment)
{
	OwnWrite *write =
		static_cast<OwnWrite *>(MemoryContextAlloc(TopTransactionContext, sizeof(OwnWrite)));

	*write = {&attachment, trigger_depth() + 1, GetCurrentSubTransactionId(), innermost_write};
	innermost_write = write;
}

void
end_own_write()
{
	OwnWrite *write = innermost_write;

	innermost_write = write->outer;
	pfree(write);
}

bool
in_own_write(const Attachment &attachment)
{
	return innermost_write != nullptr && innermost_write->depth == trigger_depth() &&
	       same_attachment(*innermost_write->attachment, attachment);
}

void
register_transaction_callbacks()
{
	RegisterXactCallback(end_transaction, nullptr);
	RegisterSubXactCallback(end_subtransaction, nullptr);
}

}  // namespace listing_stats
