// Keys collected by running statements, see collected_keys.hpp.
#include "tracking/collected_keys.hpp"

#include "tracking/flush.hpp"
#include "tracking/statement.hpp"

#include <algorithm>

namespace listing_stats {

namespace {

Level *innermost_level = nullptr;
Level *put_off_levels = nullptr;  // of statements that are not done with their rows
OwnWrite *innermost_write = nullptr;

// Makes the event of an INSERT into the table _flush, without one: its statement trigger does the
// flush.  The event is one of the statement being executed, once however often it is queued, and
// after the row triggers that are queued already: as those of the statements are by which foreign
// keys follow up.
void
queue_flush()
{
	EState *state = CreateExecutorState();
	ResultRelInfo *events = open_event_table("_flush");

	ExecASInsertTriggers(state, events, nullptr);
	FreeExecutorState(state);
	table_close(events->ri_RelationDesc, NoLock);
}

// An empty level, with a memory context of its own.
Level *
make_level(MemoryContext parent)
{
	MemoryContext context =
		AllocSetContextCreate(parent, "listing_stats keys", ALLOCSET_SMALL_SIZES);
	Level *level = static_cast<Level *>(MemoryContextAllocZero(context, sizeof(Level)));

	level->subtransaction = GetCurrentSubTransactionId();
	level->context = context;
	return level;
}

// Puts an empty level in front of a list.
Level *
push_level(Level **levels)
{
	Level *level = make_level(TopTransactionContext);

	level->outer = *levels;
	*levels = level;
	return level;
}

// The level of the statement whose triggers fire at this depth; made, and its flush queued, if it
// is new.
Level *
level_at(int depth)
{
	if (innermost_level != nullptr && innermost_level->depth == depth)
		return innermost_level;
	if (innermost_level != nullptr && innermost_level->depth > depth)
		elog(ERROR, "a statement has ended without the flush of listing_stats");

	Level *level = push_level(&innermost_level);
	level->depth = depth;
	Assert(level->outer == nullptr || level->outer->depth < depth);
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
	if (side == Side::price)
		look_for_unseen_change(attachment.listing, true);
	PendingKeys *pending =
		static_cast<PendingKeys *>(MemoryContextAllocZero(level->context, sizeof(PendingKeys)));
	pending->relation = attachment.relation;
	pending->trigger = attachment.trigger;
	pending->side = side;
	pending->layout = layout_of(attachment.key);
	pending->capacity = 8;
	pending->key = static_cast<PendingKey *>(
		MemoryContextAlloc(level->context, pending->capacity * sizeof(PendingKey)));
	pending->next = level->pending;
	level->pending = pending;
	return pending;
}

// Makes room: by merging repeated keys if that frees half, so that a million prices of ten listings
// take the space of ten keys, and never more than that of twice as many keys as there are.
void
make_room(const Attachment &attachment, PendingKeys *pending)
{
	sort_keys(attachment, pending->key, &pending->count);
	if (pending->count <= pending->capacity / 2)
		return;
	pending->capacity = 2 * pending->count;
	pending->key = static_cast<PendingKey *>(
		repalloc_huge(pending->key, pending->capacity * sizeof(PendingKey)));
}

void
free_value(const ComparedType &type, Datum value)
{
	if (!type.by_value)
		pfree(DatumGetPointer(value));
}

// Merges b, which has the same key, into a.  What b holds is freed, except its key.
void
merge_key(const ComparedType &value, PendingKey *a, const PendingKey &b)
{
	a->arrived = a->arrived || b.arrived;
	a->empty = a->empty && b.empty;
	a->recompute = a->recompute || b.recompute;
	a->command = Min(a->command, b.command);
	if (b.added > 0 && a->added > 0)
	{
		const bool lower = compare_key(value, b.lowest, a->lowest) < 0;
		const bool higher = compare_key(value, b.highest, a->highest) > 0;
		free_value(value, lower ? a->lowest : b.lowest);
		free_value(value, higher ? a->highest : b.highest);
		a->lowest = lower ? b.lowest : a->lowest;
		a->highest = higher ? b.highest : a->highest;
		if (DatumGetPointer(a->total) != nullptr)
		{
			// What holds the keys holds it.
			MemoryContext old =
				MemoryContextSwitchTo(GetMemoryChunkContext(DatumGetPointer(a->total)));
			const Datum total = DirectFunctionCall2(numeric_add, a->total, b.total);
			MemoryContextSwitchTo(old);
			pfree(DatumGetPointer(a->total));
			pfree(DatumGetPointer(b.total));
			a->total = total;
		}
	}
	else if (b.added > 0)
	{
		a->lowest = b.lowest;
		a->highest = b.highest;
		a->total = b.total;
	}
	a->added += b.added;
}

// What decides most comparisons of rows without taking them apart; 0: it is not known.
int64
first_of_row(const Attachment &attachment, Datum key)
{
	Datum column[most_key_columns];

	if (attachment.key_row == nullptr || attachment.key_column[0].type != INT8OID)
		return 0;
	split_key(attachment, key, column);
	return DatumGetInt64(column[0]);
}

int
compare_pending(const void *a, const void *b, void *argument)
{
	const PendingKey *left = static_cast<const PendingKey *>(a);
	const PendingKey *right = static_cast<const PendingKey *>(b);

	if (left->first != right->first)
		return left->first < right->first ? -1 : 1;
	return compare_key(*static_cast<const ComparedType *>(argument), left->key, right->key);
}

// Appends a key to what a level holds, copying it and its prices.
void
append_key(const Attachment &attachment, Level *level, PendingKeys *pending,
           const PendingKey &change)
{
	if (pending->count == pending->capacity)
		make_room(attachment, pending);

	MemoryContext old = MemoryContextSwitchTo(level->context);
	PendingKey copy = change;
	copy.key = copy_value(change.key, attachment.key.by_value, attachment.key.length);
	copy.first = first_of_row(attachment, copy.key);
	if (change.added > 0)
	{
		copy.lowest = copy_value(change.lowest, attachment.value.by_value, attachment.value.length);
		copy.highest =
			copy_value(change.highest, attachment.value.by_value, attachment.value.length);
		if (DatumGetPointer(change.total) != nullptr)
			copy.total = datumCopy(change.total, false, -1);
	}
	MemoryContextSwitchTo(old);
	pending->key[pending->count++] = copy;
}

// Their numbers only grow: what has one from that on was made in it, or in one within it that has
// been released since.
void
drop_subtransaction(Level **levels, SubTransactionId subtransaction)
{
	while (*levels != nullptr && (*levels)->subtransaction >= subtransaction)
	{
		Level *level = *levels;
		*levels = level->outer;
		MemoryContextDelete(level->context);
	}
}

void
drop_levels(SubTransactionId subtransaction)
{
	drop_subtransaction(&innermost_level, subtransaction);
	drop_subtransaction(&put_off_levels, subtransaction);
	while (innermost_write != nullptr && innermost_write->subtransaction >= subtransaction)
		innermost_write = innermost_write->outer;
}

void
end_subtransaction(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		drop_levels(own);
		drop_late_keys(own);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		inherit_late_keys(own, parent);
}

void
end_transaction(XactEvent event, void *)
{
	switch (event)
	{
	case XACT_EVENT_PRE_COMMIT:
	case XACT_EVENT_PRE_PREPARE:
		check_late_keys();
		// Cannot happen while the trigger of _flush fires.  If it ever does not, no wrong value is
		// kept.
		if (innermost_level != nullptr)
			elog(ERROR, "a statement has ended without the flush of listing_stats");
		break;
	case XACT_EVENT_COMMIT:
	case XACT_EVENT_ABORT:
	case XACT_EVENT_PREPARE:
		// Their memory goes with the transaction.
		innermost_level = nullptr;
		put_off_levels = nullptr;
		innermost_write = nullptr;
		forget_late_keys();
		forget_recomputations();
		free_stale_attachments();
		break;
	default:
		break;
	}
}

}  // namespace

ResultRelInfo *
open_event_table(const char *name)
{
	const Oid oid = get_relname_relid(name, get_namespace_oid("listing_stats", false));
	Relation table = OidIsValid(oid) ? table_open(oid, RowExclusiveLock) : nullptr;
	if (table == nullptr || table->trigdesc == nullptr)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("table listing_stats.%s or its trigger does not exist", name),
		                errhint("Reinstall the extension listing_stats.")));
	ResultRelInfo *events = makeNode(ResultRelInfo);

	InitResultRelInfo(events, table, 1, nullptr, 0);
	return events;
}

int
compare_key(const ComparedType &type, Datum a, Datum b)
{
	return DatumGetInt32(
		FunctionCall2Coll(const_cast<FmgrInfo *>(&type.compare), type.collation, a, b));
}

void
add_key(Level *level, const Attachment &attachment, Side side, const PendingKey &change)
{
	PendingKeys *pending = pending_of(level, attachment, side);

	if (attachment.key.type == INT8OID)
	{
		// Many a statement is all of one listing.
		PendingKey *last = pending->count > 0 ? &pending->key[pending->count - 1] : nullptr;
		if (last != nullptr && last->key == change.key && change.added == 0)
		{
			merge_key(attachment.value, last, change);
			return;
		}
	}
	append_key(attachment, level, pending, change);
}

void
add_pending_key(const Attachment &attachment, Side side, const PendingKey &change)
{
	add_key(level_at(trigger_depth()), attachment, side, change);
}

Level *
empty_level()
{
	return make_level(CurTransactionContext);
}

Level *
level_of_one(const Attachment &attachment, Side side, const PendingKey &change)
{
	Level *level = empty_level();

	add_key(level, attachment, side, change);
	return level;
}

// To be recomputed: what was added may be rolled back meanwhile, or counted.
bool
put_off(const Attachment &attachment, const PendingKeys &pending)
{
	const QueryDesc *statement = nullptr;

	// Nothing is put off out of a security-restricted operation.
	if (pending.side != Side::price || is_restricted() ||
	    !is_being_changed(attachment.listing, &statement))
		return false;
	// What comes with a row that a subscription applies is done in the sandbox of that, see
	// late_keys.hpp, and not at the end of a statement which may be out of it.
	if (InSecurityRestrictedOperation())
	{
		add_late_keys(attachment, pending.side, pending.key, pending.count, true);
		return true;
	}
	Level *level = put_off_levels;
	while (level != nullptr && level->statement != statement)
		level = level->outer;
	if (level == nullptr)
		level = push_level(&put_off_levels);
	level->statement = statement;
	for (Size i = 0; i < pending.count; ++i)
	{
		PendingKey key = {};
		key.key = pending.key[i].key;
		key.recompute = true;
		append_key(attachment, level, pending_of(level, attachment, pending.side), key);
	}
	// That a statement is under way was only a guess, and if it is wrong nothing takes the keys up.
	// So they are late ones too, handled before the transaction commits as at the end of a
	// statement, with the lock against arrivals.
	if (statement == nullptr)
		add_late_keys(attachment, pending.side, pending.key, pending.count, true);
	return true;
}

void
take_up(const QueryDesc *statement, int depth)
{
	for (Level **link = &put_off_levels; *link != nullptr;)
	{
		Level *put_off = *link;
		if (put_off->statement != statement)
		{
			link = &put_off->outer;
			continue;
		}
		*link = put_off->outer;
		// Owned by the level whose flush handles them.
		Level *level = level_at(depth);
		MemoryContextSetParent(put_off->context, level->context);
		PendingKeys **end = &level->pending;
		while (*end != nullptr)
			end = &(*end)->next;
		*end = put_off->pending;
	}
}

Level *
take_level(int depth)
{
	Level *level = innermost_level;

	if (level == nullptr || level->depth != depth)
		return nullptr;
	innermost_level = level->outer;
	// Should the flush fail in a subtransaction, its memory goes with that.
	MemoryContextSetParent(level->context, CurTransactionContext);
	return level;
}

void
sort_keys(const Attachment &attachment, PendingKey *key, Size *count)
{
	ComparedType *type = const_cast<ComparedType *>(&attachment.key);
	Size kept = 0;

	if (*count < 2)
		return;
	if (attachment.key.type == INT8OID)
	{
		// Most often in order already where listings are new.  Ten million take a second.
		const auto less = [](const PendingKey &a, const PendingKey &b) {
			return DatumGetInt64(a.key) < DatumGetInt64(b.key);
		};
		if (!std::is_sorted(key, key + *count, less))
			std::sort(key, key + *count, less);
	}
	else
		qsort_interruptible(key, *count, sizeof(PendingKey), compare_pending, type);
	for (Size i = 1; i < *count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		if (compare_pending(&key[kept], &key[i], type) != 0)
		{
			key[++kept] = key[i];
			continue;
		}
		merge_key(attachment.value, &key[kept], key[i]);
		free_value(attachment.key, key[i].key);
	}
	*count = kept + 1;
}

void
begin_own_write(const Attachment &attachment, const char *text)
{
	OwnWrite *write =
		static_cast<OwnWrite *>(MemoryContextAlloc(TopTransactionContext, sizeof(OwnWrite)));

	for (OwnWrite *outer = innermost_write; outer != nullptr; outer = outer->outer)
		outer->written_meanwhile =
			outer->written_meanwhile || same_attachment(*outer->attachment, attachment);
	*write = {&attachment, text, GetCurrentSubTransactionId(), false, innermost_write};
	innermost_write = write;
}

bool
end_own_write()
{
	OwnWrite *write = innermost_write;

	Assert(write != nullptr && write->subtransaction == GetCurrentSubTransactionId());
	const bool written_meanwhile = write->written_meanwhile;
	innermost_write = write->outer;
	pfree(write);
	return written_meanwhile;
}

bool
in_own_write(const Attachment &attachment)
{
	return innermost_write != nullptr &&
	       same_attachment(*innermost_write->attachment, attachment) &&
	       is_statement_with(innermost_write->text);
}

void
register_transaction_callbacks()
{
	RegisterXactCallback(end_transaction, nullptr);
	RegisterSubXactCallback(end_subtransaction, nullptr);
}

}  // namespace listing_stats
