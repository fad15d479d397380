// The functions that triggers call.
//
// price_changed and listing_changed only collect the keys of listings whose columns may have to
// change; _flush, queued by the first of them at the end of the statement, makes them right.
// price_truncated recomputes everything: whoever truncates holds a lock that keeps others out.  So
// does listing_truncated, of a table whose rows are the attachment's own.
#include "server/numeric.hpp"
#include "tracking/flush.hpp"
#include "tracking/statement.hpp"

namespace listing_stats {

namespace {

[[noreturn]] void
wrong_use(const char *function, const char *use)
{
	ereport(ERROR,
	        (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
	         errmsg("function listing_stats.%s() must be called by a trigger %s", function, use),
	         errhint("Call listing_stats.attach(), which makes the triggers.")));
	pg_unreachable();
}

// The event, if this is a call by an AFTER trigger for each row or statement, deferrable or not.
const TriggerData *
event_of(FunctionCallInfo fcinfo, bool for_row, const char *function, const char *use,
         bool deferrable = false)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		wrong_use(function, use);
	const TriggerData *event = reinterpret_cast<TriggerData *>(fcinfo->context);
	if (!TRIGGER_FIRED_AFTER(event->tg_event) ||
	    (TRIGGER_FIRED_FOR_ROW(event->tg_event) != 0) != for_row ||
	    event->tg_trigger->tgdeferrable != deferrable)
		wrong_use(function, use);
	return event;
}

// By image: values that are equal but look different, as 1.0 and 1.00, count as changed, and so do
// those of virtual columns, which are not known here.
bool
column_changed(const TriggerData *event, AttrNumber attnum)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(event->tg_relation), attnum - 1);
	if (is_virtual(attribute))
		return true;
	bool old_null = false;
	bool new_null = false;
	const Datum old_value = slot_getattr(event->tg_trigslot, attnum, &old_null);
	const Datum new_value = slot_getattr(event->tg_newslot, attnum, &new_null);

	if (old_null || new_null)
		return old_null != new_null;
	return !datum_image_eq(old_value, new_value, attribute->attbyval, attribute->attlen);
}

// Whether an UPDATE can have changed any of the columns at all: it names one of them, or a BEFORE
// trigger may have.  Saves reading the rows.  A module that applies changes by itself, as pglogical
// does, names none.
bool
can_have_changed(const TriggerData *event, const TriggerColumns *columns)
{
	if (event->tg_relation->trigdesc->trig_update_before_row || bms_is_empty(event->tg_updatedcols))
		return true;
	for (const AttrNumber attnum : columns->attnum)
	{
		if (attnum != InvalidAttrNumber &&
		    (is_virtual(TupleDescAttr(RelationGetDescr(event->tg_relation), attnum - 1)) ||
		     bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, event->tg_updatedcols)))
			return true;
	}
	return false;
}

// The first of these columns that has changed; -1: none has.
int
first_changed(const TriggerData *event, const TriggerColumns *columns, int first, int end)
{
	for (int i = first; i < end; ++i)
	{
		if (columns->attnum[i] != InvalidAttrNumber && column_changed(event, columns->attnum[i]))
			return i;
	}
	return -1;
}

bool
fires_for(const Trigger &trigger, const TriggerData *event)
{
	return trigger.tgenabled != TRIGGER_DISABLED && TRIGGER_FOR_AFTER(trigger.tgtype) &&
	       ((TRIGGER_FIRED_BY_INSERT(event->tg_event) && TRIGGER_FOR_INSERT(trigger.tgtype)) ||
	        (TRIGGER_FIRED_BY_UPDATE(event->tg_event) && TRIGGER_FOR_UPDATE(trigger.tgtype)) ||
	        (TRIGGER_FIRED_BY_DELETE(event->tg_event) && TRIGGER_FOR_DELETE(trigger.tgtype)));
}

// Whether the row can be handled now instead of at the end of the statement: it is the only one, of
// one attachment, so that there are no listings to be sorted, and no trigger except the listing's
// foreign key fires for it, which could lock what others lock before the listing.
//
// That comes before the foreign key's check: locking the listing only after that would make a
// multixact of each two who write prices of it at one time, which costs them ten times the work.
bool
can_flush_now(const TriggerData *event, const TriggerColumns *columns)
{
	const TriggerDesc *triggers = event->tg_relation->trigdesc;
	int attachments = 0;

	if (!is_only_row(event, RelationGetRelid(event->tg_relation)) &&
	    !is_only_row(event, columns->attachment->price))
		return false;
	for (int i = 0; i < triggers->numtriggers; ++i)
	{
		const Trigger &trigger = triggers->triggers[i];
		if (!fires_for(trigger, event))
			continue;
		if (trigger.tgfoid == event->tg_trigger->tgfoid)
			++attachments;
		else if (RI_FKey_trigger_type(trigger.tgfoid) != RI_TRIGGER_FK ||
		         trigger.tgconstrrelid != columns->attachment->listing)
			return false;
	}
	return attachments == 1;
}

// Whether that is what a kept number of prices is without any.
bool
is_zero(const Attachment &attachment, Datum number)
{
	return attachment.column[price_count].base == NUMERICOID
	           ? compare(DatumGetNumeric(number), int64_to_numeric(0)) == 0
	           : number == 0;
}

// A listing without a key has no prices, and nothing is kept for it.  It must not show what was
// kept before.  Where it was replicated an error would stop all that comes after it.
void
check_without_key(const TriggerData *event, const TriggerColumns *columns, TupleTableSlot *slot)
{
	const ResolvedColumn *column = columns->attachment->column;

	for (int i = first_target; i < end_of_targets; ++i)
	{
		bool is_null = true;
		if (columns->attnum[i] == InvalidAttrNumber)
			continue;
		const Datum value = slot_getattr(slot, columns->attnum[i], &is_null);
		if (is_null || columns->attachment->keep_empty || i == price_total ||
		    (i == price_count && is_zero(*columns->attachment, value)))
			continue;
		ereport(
			is_replicated_row() ? WARNING : ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
		     errmsg("a row of table \"%s\" whose key \"%s\" is NULL cannot have a price",
		            RelationGetRelationName(event->tg_relation), NameStr(column[listing_key].name)),
		     errdetail("Its column \"%s\" is kept by listing_stats.", NameStr(column[i].name)),
		     errhint(i == price_count ? "Set the column to 0 in the same statement."
		                              : "Set the column to NULL in the same statement.")));
		return;
	}
}

// Whether the price counts, by the condition, which runs as whoever writes the price, as a check
// constraint does.
bool
counts(const TriggerColumns *columns, TupleTableSlot *slot)
{
	if (columns->condition == NIL)
		return true;
	EState *state = CreateExecutorState();
	MemoryContext old = MemoryContextSwitchTo(state->es_query_cxt);
	ExprContext *context = GetPerTupleExprContext(state);
	context->ecxt_scantuple = slot;
	const bool satisfied = ExecQual(ExecInitQual(columns->condition, nullptr), context);
	MemoryContextSwitchTo(old);
	FreeExecutorState(state);
	return satisfied;
}

ColumnList
keys_of(Side side)
{
	return side == Side::price ? ColumnList::key : ColumnList::listing_key;
}

// The key that a row has; false: one of its columns is NULL.
bool
read_key(const TriggerData *event, const TriggerColumns *columns, Side side, TupleTableSlot *slot,
         Datum *key)
{
	const Attachment &attachment = *columns->attachment;
	Datum value[most_key_columns];
	Oid type[most_key_columns];

	for (int i = 0; i < attachment.key_columns; ++i)
	{
		const AttrNumber attnum = columns->attnum[list_place(keys_of(side), i)];
		const Form_pg_attribute attribute =
			TupleDescAttr(RelationGetDescr(event->tg_relation), attnum - 1);
		bool is_null = false;
		if (is_virtual(attribute))
			ereport(
				ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			     errmsg("column \"%s\" of table \"%s\" is a virtual generated column and "
			            "cannot be a key of listing_stats",
			            NameStr(attribute->attname), RelationGetRelationName(event->tg_relation)),
			     errhint("Make it a stored one.")));
		value[i] = slot_getattr(slot, attnum, &is_null);
		type[i] = getBaseType(attribute->atttypid);
		if (is_null)
			return false;
	}
	*key = make_key(attachment, value, type);
	return true;
}

// Sets since when the listing of the only price has one.
void
set_since(const TriggerData *event, const TriggerColumns *columns, Level *level)
{
	bool is_null = false;
	const AttrNumber attnum = columns->attnum[price_at];

	if (!columns->attachment->column[price_at].not_null ||
	    !TupleDescAttr(RelationGetDescr(event->tg_relation), attnum - 1)->attbyval)
		return;
	level->since = slot_getattr(event->tg_trigslot, attnum, &is_null);
	level->has_since = !is_null;
}

// Adds the key that the row has, or handles it at once, which a replicated row needs.
void
add_key(const TriggerData *event, const TriggerColumns *columns, Side side, TupleTableSlot *slot,
        PendingKey change, bool now = false)
{
	if (!read_key(event, columns, side, slot, &change.key))
	{
		if (side == Side::listing)
			check_without_key(event, columns, slot);
		return;
	}
	if (!now && !is_replicated_row())
	{
		add_pending_key(*columns->attachment, side, change);
		return;
	}
	Level *level = level_of_one(*columns->attachment, side, change);
	if (side == Side::price && TRIGGER_FIRED_BY_INSERT(event->tg_event))
		set_since(event, columns, level);
	flush(level, Round::first);
}

bool
key_changed(const TriggerData *event, const TriggerColumns *columns, Side side)
{
	const int first = list_place(keys_of(side), 0);

	return first_changed(event, columns, first, first + most_key_columns) >= 0;
}

PendingKey
to_recompute(bool arrived)
{
	PendingKey change = {};

	change.arrived = arrived;
	change.recompute = true;
	return change;
}

// A listing that was inserted.
PendingKey
inserted_listing(const TriggerData *event, const TriggerColumns *columns)
{
	PendingKey change = to_recompute(true);

	// Where others may write the columns, they may have done so since.
	change.empty = columns->attachment->guard != Guard::off &&
	               columns->attnum[price_total] == InvalidAttrNumber;
	for (int i = first_target; i < end_of_targets && change.empty; ++i)
	{
		if (columns->attnum[i] == InvalidAttrNumber)
			continue;
		bool is_null = false;
		const Datum value = slot_getattr(event->tg_trigslot, columns->attnum[i], &is_null);
		change.empty =
			i == price_count ? !is_null && is_zero(*columns->attachment, value) : is_null;
	}
	return change;
}

Datum
as_numeric(Oid type, Datum value)
{
	switch (type)
	{
	case INT2OID:
		return DirectFunctionCall1(int2_numeric, value);
	case INT4OID:
		return DirectFunctionCall1(int4_numeric, value);
	case INT8OID:
		return DirectFunctionCall1(int8_numeric, value);
	default:
		return PointerGetDatum(PG_DETOAST_DATUM(value));
	}
}

// What an inserted price adds to the columns that depend on all prices of its listing.
PendingKey
inserted_price(const TriggerData *event, const TriggerColumns *columns)
{
	PendingKey change = {};
	bool is_null = false;

	// Recompute instead of adding if no column is computed from values, or if some prices do not
	// count.
	if (!OidIsValid(columns->attachment->value.type) || columns->attachment->own_rows ||
	    (columns->condition == NIL && columns->attachment->condition != nullptr))
		return to_recompute(false);
	// The tuple has to hold the price, and to tell the command that inserted it: COPY FREEZE does
	// not.
	if (event->tg_relation->rd_rel->relam != HEAP_TABLE_AM_OID ||
	    HeapTupleHeaderXminFrozen(event->tg_trigtuple->t_data) ||
	    is_virtual(
			TupleDescAttr(RelationGetDescr(event->tg_relation), columns->attnum[price_value] - 1)))
		return to_recompute(false);
	change.command = HeapTupleHeaderGetCmin(event->tg_trigtuple->t_data);
	change.lowest = slot_getattr(event->tg_trigslot, columns->attnum[price_value], &is_null);
	change.highest = change.lowest;
	change.added = is_null ? 0 : 1;
	if (!is_null && columns->attachment->column[price_total].attnum != 0)
		change.total = as_numeric(columns->attachment->value.type, change.lowest);
	return change;
}

// Whether the event is of our own write, which names all kept columns: not of a foreign key's
// cascade that it has set off, whose events are those of the same statement.
bool
is_own_write(const TriggerData *event, const TriggerColumns *columns)
{
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (columns->attnum[i] != InvalidAttrNumber &&
		    !bms_is_member(columns->attnum[i] - FirstLowInvalidHeapAttributeNumber,
		                   event->tg_updatedcols))
			return false;
	}
	return in_own_write(*columns->attachment);
}

// An application has written a column that we keep.
[[noreturn]] void
refuse_write(const TriggerData *event, const TriggerColumns *columns)
{
	const int target = first_changed(event, columns, first_target, end_of_targets);

	ereport(ERROR,
	        (errcode(ERRCODE_GENERATED_ALWAYS),
	         errmsg("column \"%s\" of table \"%s\" is kept by listing_stats",
	                NameStr(columns->attachment->column[target].name),
	                RelationGetRelationName(event->tg_relation)),
	         errhint("Leave it out of the UPDATE, or attach with guard => 'keep', which puts "
	                 "it right.")));
	pg_unreachable();
}

Datum
truncated(FunctionCallInfo fcinfo, const char *function, Side side)
{
	constexpr const char *use = "AFTER TRUNCATE FOR EACH STATEMENT";
	const TriggerData *event = event_of(fcinfo, false, function, use);
	if (!TRIGGER_FIRED_BY_TRUNCATE(event->tg_event))
		wrong_use(function, use);
	const TriggerColumns *columns = columns_of_trigger(event, side);
	if (columns != nullptr)
	{
		// Where only a part of price is locked, writers of others go on: each has listing locked
		// from when it locks a row of it until it commits.
		const Attachment &attachment = *columns->attachment;
		const Oid price = attachment.price;
		const bool is_part =
			side == Side::price && !CheckRelationOidLockedByMe(price, AccessExclusiveLock, false);
		LockRelationOid(attachment.listing, is_part ? ShareRowExclusiveLock : RowExclusiveLock);
		LockRelationOid(price, AccessShareLock);
		// With what was renamed meanwhile.
		columns = columns_of_trigger(event, side);
	}
	if (columns != nullptr && (side == Side::price || columns->attachment->own_rows))
		recompute_all(columns->attachment);
	return PointerGetDatum(nullptr);
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_price_changed)
{
	const TriggerData *event =
		event_of(fcinfo, true, price_changed, "AFTER INSERT OR UPDATE OR DELETE FOR EACH ROW");
	const TriggerColumns *columns = columns_of_trigger(event, Side::price);

	if (columns == nullptr)
		PG_RETURN_POINTER(nullptr);
	// The condition, which costs more, is asked last.
	if (TRIGGER_FIRED_BY_UPDATE(event->tg_event) &&
	    !(can_have_changed(event, columns) &&
	      first_changed(event, columns, first_of_price, end_of_price) >= 0))
		PG_RETURN_POINTER(nullptr);
	if (!counts(columns, event->tg_trigslot) &&
	    (!TRIGGER_FIRED_BY_UPDATE(event->tg_event) || !counts(columns, event->tg_newslot)))
		PG_RETURN_POINTER(nullptr);
	if (TRIGGER_FIRED_BY_INSERT(event->tg_event))
		add_key(event, columns, Side::price, event->tg_trigslot,
		        adds_inserted(*columns->attachment) ? inserted_price(event, columns)
		                                            : to_recompute(false),
		        can_flush_now(event, columns));
	else if (TRIGGER_FIRED_BY_DELETE(event->tg_event))
		add_key(event, columns, Side::price, event->tg_trigslot, to_recompute(false),
		        can_flush_now(event, columns));
	else
	{
		const bool moved = key_changed(event, columns, Side::price);
		add_key(event, columns, Side::price, event->tg_trigslot, to_recompute(false),
		        !moved && can_flush_now(event, columns));
		if (moved)
			add_key(event, columns, Side::price, event->tg_newslot, to_recompute(false));
	}
	PG_RETURN_POINTER(nullptr);
}

LISTING_STATS_FUNCTION(listing_stats_listing_changed)
{
	const TriggerData *event =
		event_of(fcinfo, true, listing_changed, "AFTER INSERT OR UPDATE FOR EACH ROW");
	const TriggerColumns *columns = columns_of_trigger(event, Side::listing);

	look_for_unseen_change(InvalidOid, false);
	if (columns == nullptr)
		PG_RETURN_POINTER(nullptr);
	if (TRIGGER_FIRED_BY_DELETE(event->tg_event) && !columns->attachment->own_rows)
		wrong_use(listing_changed, "AFTER INSERT OR UPDATE FOR EACH ROW");
	if (!TRIGGER_FIRED_BY_UPDATE(event->tg_event))
	{
		if (!columns->attachment->own_rows || !in_own_write(*columns->attachment))
			add_key(event, columns, Side::listing, event->tg_trigslot,
			        TRIGGER_FIRED_BY_INSERT(event->tg_event) ? inserted_listing(event, columns)
			                                                 : to_recompute(true));
		PG_RETURN_POINTER(nullptr);
	}
	if (!can_have_changed(event, columns))
		PG_RETURN_POINTER(nullptr);
	// Also by a BEFORE trigger on our own write.
	const bool moved = key_changed(event, columns, Side::listing);
	const bool written = columns->attachment->guard != Guard::off &&
	                     !is_own_write(event, columns) &&
	                     first_changed(event, columns, first_target, end_of_targets) >= 0;
	Datum key = 0;
	// A listing may lose its key only if its prices go with it.
	if (written && columns->attachment->guard == Guard::error &&
	    !(moved && !read_key(event, columns, Side::listing, event->tg_newslot, &key)))
		refuse_write(event, columns);
	if (moved || written)
		add_key(event, columns, Side::listing, event->tg_newslot, to_recompute(moved));
	// Its row in the attachment's own table would be missing.
	if (moved && columns->attachment->own_rows)
		add_key(event, columns, Side::listing, event->tg_trigslot, to_recompute(true));
	PG_RETURN_POINTER(nullptr);
}

LISTING_STATS_FUNCTION(listing_stats_price_truncated)
{
	return truncated(fcinfo, price_truncated, Side::price);
}

LISTING_STATS_FUNCTION(listing_stats_listing_truncated)
{
	return truncated(fcinfo, listing_truncated, Side::listing);
}

// Fires when its transaction is about to commit.
LISTING_STATS_FUNCTION(listing_stats_late)
{
	const char *use = "of its own";
	bool is_null = false;

	const TriggerData *event = event_of(fcinfo, true, "_late", use, true);
	if (!TRIGGER_FIRED_BY_INSERT(event->tg_event))
		wrong_use("_late", use);
	const int32 step = DatumGetInt32(slot_getattr(event->tg_trigslot, 1, &is_null));
	if (step == static_cast<int32>(LateStep::first))
		queue_last_step();
	else
		flush_late_keys();
	PG_RETURN_POINTER(nullptr);
}

LISTING_STATS_FUNCTION(listing_stats_flush)
{
	event_of(fcinfo, false, "_flush", "of its own");
	Level *level = take_level(trigger_depth());

	if (level != nullptr)
		flush(level, Round::first);
	PG_RETURN_POINTER(nullptr);
}
