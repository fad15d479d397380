// The event trigger that detaches what has lost its table or a column, and tells of parts of a
// price table that have gone with prices.
//
// A convenience: without it what is left says so at the next write.
//
// What is gone is read from the catalogue as it was before the command, and with what others have
// committed since.  Only what had one owner goes together.  Unlike renames this waits for the other
// table's lock: a half that stayed, or still kept a column that is gone, would make each of its
// writes fail.  If the lock is not had, the command fails.
#include "attaching/attach_triggers.hpp"
#include "attaching/attachments_view.hpp"
#include "attaching/follow_changes.hpp"
#include "server/roles.hpp"
#include "tables/distributed.hpp"
#include "tables/trigger_catalog.hpp"

namespace listing_stats {

namespace {

// A half of an attachment on a table that was dropped, or what a part of the price table had.
struct LostHalf
{
	const char *table;
	Oid owner;
	bool had_rows;
	bool distributed;
	Side side;
	const Trigger *trigger;
};

// A trigger on a table of which columns were dropped.
struct Affected
{
	Oid table;
	Oid trigger;
	Side side;
	const List *dropped;  // DroppedObject
};

bool
is_of_side(const Trigger *trigger, Side side)
{
	return !trigger->tgisclone &&
	       trigger->tgfoid ==
	           trigger_function(side == Side::price ? price_changed : listing_changed);
}

// Citus would send a DROP TRIGGER to all machines, in transactions that no subtransaction of ours
// undoes.
bool
is_left(Oid table)
{
	if (!OidIsValid(table) || !is_distributed(table))
		return false;
	ereport(WARNING, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
	                  errmsg("triggers on table \"%s\" are left, because it is a table of Citus",
	                         get_rel_name(table)),
	                  errhint("SELECT listing_stats.detach(%s);",
	                          quote_literal_cstr(qualified_name(table)))));
	return true;
}

// As the owner of the tables: whoever was allowed to drop the one need not own the other.
void
drop_as_owner(Oid table, Oid other, const Trigger *trigger)
{
	const Actor before = act_as(relation_owner(table));

	SPI_connect();
	drop_triggers(table, other, trigger);
	SPI_finish();
	resume_as(before);
}

// The catalogue as it was before the command, and with all that others have committed since.
Snapshot
before_command()
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());

	Assert(ActiveSnapshotSet());
	snapshot->curcid = GetActiveSnapshot()->curcid;
	return snapshot;
}

// What a table that is gone was: its name and owner; false: it was not there before the command.
bool
read_dropped_table(Oid table, Snapshot snapshot, LostHalf *half)
{
	for_each_row(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid, table, snapshot,
	             [=](HeapTuple row, TupleDesc) {
					 const Form_pg_class form = reinterpret_cast<Form_pg_class>(GETSTRUCT(row));
					 half->table = pstrdup(NameStr(form->relname));
					 half->owner = form->relowner;
					 half->distributed = is_distributed(table, snapshot);
					 half->had_rows =
						 form->relkind == RELKIND_FOREIGN_TABLE || blocks_of_dropped(form) > 0;
				 });
	return half->table != nullptr;
}

// The halves that went with the tables dropped.
List *
lost_halves(const List *objects)
{
	Snapshot snapshot = before_command();
	const Oid price_function = trigger_function(price_changed);
	List *halves = NIL;

	for (const DroppedObject *object : each<DroppedObject *>(objects))
	{
		if (object->catalog != RelationRelationId || object->column != 0)
			continue;
		for (const Trigger *trigger : each<Trigger *>(triggers_of(object->oid, snapshot)))
		{
			const bool on_price = trigger->tgfoid == price_function;
			LostHalf *half = static_cast<LostHalf *>(palloc0(sizeof(LostHalf)));
			half->side = on_price ? Side::price : Side::listing;
			half->trigger = trigger;
			if ((on_price || is_of_side(trigger, Side::listing)) &&
			    read_dropped_table(object->oid, snapshot, half))
				halves = lappend(halves, half);
		}
	}
	UnregisterSnapshot(snapshot);
	return halves;
}

// Drops the other half, unless it is also the half of an attachment with a third table.
void
drop_remaining(Oid table, Side side, const Trigger *trigger, const LostHalf &lost)
{
	if (is_left(table))
		return;
	Relation relation = relation_open(table, AccessExclusiveLock);
	const bool whole = side == Side::listing || is_attachment(relation, trigger);
	const Oid third = other_half(relation, trigger, side);
	relation_close(relation, NoLock);
	if (!whole || OidIsValid(third))
		return;
	drop_as_owner(table, InvalidOid, trigger);
	ereport(NOTICE, (errmsg("detached table \"%s\" from table \"%s\", which is dropped",
	                        get_rel_name(table), lost.table)));
}

// Looks for the other half on a table.  One of another owner is left alone: anybody can make a
// trigger that says the same as somebody else's.
void
follow_lost_half(const LostHalf &lost, Oid table)
{
	const Side side = lost.side == Side::price ? Side::listing : Side::price;

	// What Citus drops of its own may have the shards of the other table locked by other sessions.
	if (lost.trigger->tgisclone || relation_owner(table) != lost.owner ||
	    (lost.distributed && !is_distributed(table)))
		return;
	for (const Trigger *trigger : each<Trigger *>(triggers_of(table, nullptr)))
	{
		if (is_of_side(trigger, side) && same_arguments(trigger, lost.trigger))
			without_failing([=, &lost] { drop_remaining(table, side, trigger, lost); });
	}
}

// The prices of parts that are dropped are gone without a trace.
void
warn_of_lost_parts(Oid table, const Trigger *trigger, const List *halves, List **warned)
{
	const char *first = nullptr;
	int count = 0;

	for (const LostHalf *lost : each<LostHalf *>(halves))
	{
		if (lost->side != Side::price || !lost->had_rows || lost->distributed ||
		    !same_arguments(lost->trigger, trigger))
			continue;
		first = first == nullptr ? lost->table : first;
		++count;
	}
	if (count == 0 || !ConditionalLockRelationOid(table, AccessShareLock))
		return;
	Relation relation = try_relation_open(table, NoLock);
	if (relation == nullptr)
		return;
	const Oid listing =
		is_attachment(relation, trigger) ? other_half(relation, trigger, Side::price) : InvalidOid;
	relation_close(relation, AccessShareLock);
	if (!OidIsValid(listing) || list_member_oid(*warned, listing))
		return;
	*warned = lappend_oid(*warned, listing);
	warn_of_gone_prices(listing, table, first, count, InvalidOid);
}

void
follow_lost_parts(Oid table, const List *halves)
{
	List *warned = NIL;

	for (const Trigger *trigger : each<Trigger *>(triggers_of(table, nullptr)))
	{
		if (is_of_side(trigger, Side::price))
			without_failing([&] { warn_of_lost_parts(table, trigger, halves, &warned); });
	}
}

void
follow_dropped_tables(const List *objects)
{
	const List *halves = lost_halves(objects);

	if (halves == NIL)
		return;
	for (const Oid table : each<Oid>(attached_tables()))
	{
		for (const LostHalf *half : each<LostHalf *>(halves))
			follow_lost_half(*half, table);
		follow_lost_parts(table, halves);
	}
}

// The column that an attachment has lost: found neither by name nor by record, and it was one of
// those dropped.
const DroppedObject *
lost_column(const Affected &affected, const Definition &definition, int column)
{
	const bool on_listing = affected.side == Side::listing;
	const RecordedColumn &record = definition.record[column];
	const bool recorded =
		affected.table == (on_listing ? definition.listing_oid : definition.price_oid);

	if (is_of_listing(column) != on_listing || definition.column[column] == nullptr ||
	    get_attnum(affected.table, definition.column[column]) != InvalidAttrNumber ||
	    (recorded && record.attnum > 0 &&
	     get_atttype(affected.table, record.attnum) == record.type))
		return nullptr;
	for (const DroppedObject *object : each<DroppedObject *>(affected.dropped))
	{
		if (object->catalog != RelationRelationId || object->oid != affected.table ||
		    object->column == 0 || object->name == nullptr)
			continue;
		if (strcmp(object->name, definition.column[column]) == 0 ||
		    (recorded && object->column == record.attnum))
			return object;
	}
	return nullptr;
}

// Takes the targets that are lost, and what is carried no more, out of the definition.  Returns the
// column without which nothing can be kept, or nullptr.
const DroppedObject *
remove_lost(const Affected &affected, Definition *definition, const DroppedObject **lost_target)
{
	const DroppedObject *needed = nullptr;
	bool keeps_any = false;

	*lost_target = nullptr;
	// From the last on, since those that follow take the place.
	for (int i = most_carried - 1; i >= 0; --i)
	{
		const DroppedObject *lost = lost_column(affected, *definition, first_carried + i);
		if (lost == nullptr)
			lost = lost_column(affected, *definition, first_source + i);
		if (lost == nullptr)
			continue;
		*lost_target = lost;
		remove_carried(definition, i);
	}
	for (int i = 0; i < column_count; ++i)
	{
		const DroppedObject *lost = lost_column(affected, *definition, i);
		if (lost != nullptr && is_target(i))
		{
			*lost_target = lost;
			definition->column[i] = nullptr;
		}
		else if (lost != nullptr)
			needed = lost;
		keeps_any = keeps_any || (is_target(i) && definition->column[i] != nullptr);
	}
	return needed == nullptr && !keeps_any ? *lost_target : needed;
}

void
follow_dropped_columns(const Affected &affected, bool has_waited)
{
	const Trigger *trigger = trigger_by_oid(affected.trigger);
	const DroppedObject *lost_target = nullptr;

	if (trigger == nullptr)
		return;
	Relation relation = relation_open(affected.table, AccessShareLock);
	Definition definition = parse_definition(relation, trigger);
	Oid other = other_half(relation, trigger, affected.side);
	const bool whole = affected.side == Side::listing || is_attachment(relation, trigger);
	relation_close(relation, NoLock);
	if (!whole)
		return;
	if (OidIsValid(other) && relation_owner(other) != relation_owner(affected.table))
		other = InvalidOid;
	const DroppedObject *needed = remove_lost(affected, &definition, &lost_target);
	const char *table = get_rel_name(affected.table);
	if (needed != nullptr && !is_left(affected.table) && !is_left(other))
	{
		const char *other_name =
			affected.side == Side::listing ? definition.price : definition.listing;
		drop_as_owner(affected.table, other, trigger);
		ereport(NOTICE,
		        (errmsg("detached table \"%s\" from table \"%s\": column \"%s\" is dropped", table,
		                OidIsValid(other) ? get_rel_name(other) : other_name, needed->name)));
	}
	else if (needed == nullptr && lost_target != nullptr && OidIsValid(other))
	{
		const bool on_listing = affected.side == Side::listing;
		const Oid listing = on_listing ? affected.table : other;
		const Oid price = on_listing ? other : affected.table;
		if (!has_waited)
		{
			LockRelationOid(other, RowExclusiveLock);
			find_all_inheritors(other, RowExclusiveLock, nullptr);
			// The one that lock_triggers() takes.  It can have gone while the table was waited for.
			const Trigger *half = find_trigger(price, price_changed, trigger, false);
			if (half != nullptr)
				LockDatabaseObject(TriggerRelationId, half->tgoid, 0, AccessExclusiveLock);
			follow_dropped_columns(affected, true);
			return;
		}
		if (!rewrite_arguments(listing, price, trigger, definition))
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			                errmsg("another session has changed the triggers of table \"%s\"",
			                       get_rel_name(other))));
		ereport(NOTICE, (errmsg("column \"%s\" of table \"%s\" is dropped and no longer kept",
		                        lost_target->name, table)));
	}
}

void
follow_columns_of(Oid table, const List *objects)
{
	for (const Trigger *trigger : each<Trigger *>(triggers_of(table, nullptr)))
	{
		const Side side = is_of_side(trigger, Side::price) ? Side::price : Side::listing;
		const Affected affected = {table, trigger->tgoid, side, objects};
		if (is_of_side(trigger, side))
			without_failing([&affected] { follow_dropped_columns(affected, false); });
	}
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_follow_drops)
{
	const List *objects = dropped_objects();
	List *tables = NIL;
	bool triggers = false;

	for (const DroppedObject *object : each<DroppedObject *>(objects))
	{
		triggers = triggers || object->catalog == TriggerRelationId;
		if (object->catalog == RelationRelationId && object->column > 0)
			tables = list_append_unique_oid(tables, object->oid);
	}
	// A table that had a trigger has lost it.
	if (triggers)
		follow_dropped_tables(objects);
	for (const Oid table : each<Oid>(tables))
		follow_columns_of(table, objects);
	PG_RETURN_VOID();
}
