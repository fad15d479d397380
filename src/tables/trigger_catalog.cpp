// pg_trigger without its tables, see trigger_catalog.hpp.
#include "tables/trigger_catalog.hpp"

#include "server/roles.hpp"

namespace listing_stats {

namespace {

bool
is_ours(const Trigger &trigger)
{
	return trigger.tgfoid == trigger_function(price_changed) ||
	       trigger.tgfoid == trigger_function(listing_changed) ||
	       trigger.tgfoid == trigger_function(price_truncated) ||
	       trigger.tgfoid == trigger_function(listing_truncated);
}

// With the record behind the arguments, at tgargs[tgnargs].
Trigger *
read_trigger(HeapTuple row, TupleDesc description)
{
	const Form_pg_trigger form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(row));
	Trigger *trigger = static_cast<Trigger *>(palloc0(sizeof(Trigger)));
	bool is_null = false;
	const bytea *arguments =
		DatumGetByteaPP(heap_getattr(row, Anum_pg_trigger_tgargs, description, &is_null));
	const char *text = VARDATA_ANY(arguments);
	const char *end = text + VARSIZE_ANY_EXHDR(arguments);

	trigger->tgoid = form->oid;
	trigger->tgname = pstrdup(NameStr(form->tgname));
	trigger->tgfoid = form->tgfoid;
	trigger->tgenabled = form->tgenabled;
	trigger->tgisclone = OidIsValid(form->tgparentid);
	trigger->tgnargs = form->tgnargs;
	trigger->tgargs =
		static_cast<char **>(palloc0(sizeof(char *) * static_cast<Size>(form->tgnargs + 1)));
	for (int i = 0; i <= form->tgnargs && text < end; ++i)
	{
		trigger->tgargs[i] = pnstrdup(text, static_cast<Size>(end - text));
		text += strlen(text) + 1;
	}
	return trigger;
}

void
write_arguments(Relation catalog, Oid trigger, const TriggerArguments &arguments)
{
	HeapTuple row = get_catalog_object_by_oid(catalog, Anum_pg_trigger_oid, trigger);
	Datum value[Natts_pg_trigger] = {};
	bool null[Natts_pg_trigger] = {};
	bool replace[Natts_pg_trigger] = {};

	if (!HeapTupleIsValid(row))
		return;
	replace[Anum_pg_trigger_tgnargs - 1] = replace[Anum_pg_trigger_tgargs - 1] = true;
	value[Anum_pg_trigger_tgnargs - 1] = Int16GetDatum(arguments.count);
	value[Anum_pg_trigger_tgargs - 1] =
		PointerGetDatum(cstring_to_text_with_len(arguments.text, arguments.length));
	HeapTuple changed = heap_modify_tuple(row, RelationGetDescr(catalog), value, null, replace);
	CatalogTupleUpdate(catalog, &row->t_self, changed);
	heap_freetuple(changed);
}

// Rewrites the triggers of one table that have the arguments of "like".
void
rewrite_table(Relation catalog, Oid table, const Trigger *like, const TriggerArguments &arguments)
{
	bool found = false;

	for (const Trigger *trigger : each<Trigger *>(our_triggers(table)))
	{
		if (!same_arguments(trigger, like))
			continue;
		write_arguments(catalog, trigger->tgoid, arguments);
		InvokeObjectPostAlterHook(TriggerRelationId, trigger->tgoid, 0);
		found = true;
	}
	if (found)
		CacheInvalidateRelcacheByRelid(table);
}

// Tries for a tenth of a second: a transaction that commits releases its locks one after the other,
// and should not count as holding them.
template <class TryLock>
bool
lock_soon(TryLock try_lock)
{
	for (int tries = 0; tries < 20; ++tries)
	{
		if (try_lock())
			return true;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(5000);
	}
	return false;
}

// Keeps others from changing the triggers until the transaction ends, without waiting for anybody
// to finish.
//
// This runs in the middle of somebody's DDL, which has one of the tables locked exclusively: to
// wait for the other could be a deadlock with its writers, or with DDL that goes the other way.
// ROW EXCLUSIVE lets readers and writers on, and keeps out whoever would change triggers, who would
// otherwise fail for a tuple concurrently updated.  It does not keep out another rewrite: that is
// what the lock on the trigger is for.
bool
lock_triggers(const List *tables, Oid listing, Oid price, const Trigger *like)
{
	for (const Oid table : each<Oid>(tables))
	{
		if (!lock_soon([=] { return ConditionalLockRelationOid(table, RowExclusiveLock); }))
			return false;
	}
	const Trigger *trigger = find_trigger(price, price_changed, like, false);
	const auto try_lock = [=] {
		return ConditionalLockDatabaseObject(TriggerRelationId, trigger->tgoid, 0,
		                                     AccessExclusiveLock);
	};
	if (trigger == nullptr || !lock_soon(try_lock))
		return false;
	const Trigger *now = find_trigger(price, price_changed, like, false);
	return now != nullptr && now->tgoid == trigger->tgoid &&
	       find_trigger(listing, listing_changed, like, false) != nullptr;
}

}  // namespace

List *
triggers_of(Oid table, Snapshot snapshot)
{
	List *triggers = NIL;

	for_each_row(TriggerRelationId, TriggerRelidNameIndexId, Anum_pg_trigger_tgrelid, table,
	             snapshot, [&triggers](HeapTuple row, TupleDesc description) {
					 triggers = lappend(triggers, read_trigger(row, description));
				 });
	return triggers;
}

Oid
trigger_function(const char *name)
{
	const Oid schema = get_namespace_oid("listing_stats", false);
	const Oid function =
		GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
	                    PointerGetDatum(buildoidvector(nullptr, 0)), ObjectIdGetDatum(schema));

	if (!OidIsValid(function))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
		                errmsg("function listing_stats.%s() does not exist", name)));
	return function;
}

List *
our_triggers(Oid table)
{
	List *found = NIL;

	for (Trigger *trigger : each<Trigger *>(triggers_of(table, nullptr)))
	{
		if (is_ours(*trigger))
			found = lappend(found, trigger);
	}
	return found;
}

const Trigger *
trigger_by_oid(Oid oid)
{
	const Trigger *found = nullptr;

	for_each_row(
		TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid, oid, nullptr,
		[&found](HeapTuple row, TupleDesc description) { found = read_trigger(row, description); });
	return found;
}

bool
same_arguments(const Trigger *a, const Trigger *b)
{
	if (a->tgnargs != b->tgnargs)
		return false;
	for (int i = 0; i < a->tgnargs; ++i)
	{
		if (strcmp(a->tgargs[i], b->tgargs[i]) != 0)
			return false;
	}
	return true;
}

const Trigger *
find_trigger(Oid table, const char *function, const Trigger *like, bool clones)
{
	const Oid function_oid = trigger_function(function);
	const Trigger *found = nullptr;

	for (const Trigger *trigger : each<Trigger *>(triggers_of(table, nullptr)))
	{
		if (trigger->tgfoid == function_oid && (clones || !trigger->tgisclone) &&
		    same_arguments(trigger, like))
			found = trigger;
	}
	return found;
}

const char *
record_of(Oid trigger)
{
	const Trigger *found = trigger_by_oid(trigger);

	return found == nullptr ? nullptr : found->tgargs[found->tgnargs];
}

void
write_record(Oid trigger, const TriggerArguments &arguments)
{
	CommandCounterIncrement();
	Relation catalog = table_open(TriggerRelationId, RowExclusiveLock);
	write_arguments(catalog, trigger, arguments);
	table_close(catalog, RowExclusiveLock);
}

// In the catalogue, and not by CREATE OR REPLACE TRIGGER, whose lock conflicts with writers: see
// lock_triggers().  The halves of an attachment know each other by their arguments, so all change
// together.
bool
rewrite_arguments(Oid listing, Oid price, const Trigger *like, const Definition &definition)
{
	const TriggerArguments arguments = definition_arguments(definition);
	List *tables = list_concat_unique_oid(find_all_inheritors(listing, NoLock, nullptr),
	                                      find_all_inheritors(price, NoLock, nullptr));

	if (!lock_triggers(tables, listing, price, like))
		return false;
	Relation catalog = table_open(TriggerRelationId, RowExclusiveLock);
	for (const Oid table : each<Oid>(tables))
		rewrite_table(catalog, table, like, arguments);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
	return true;
}

}  // namespace listing_stats
