// The triggers of an attachment, see attach_triggers.hpp.
#include "attaching/attach_triggers.hpp"

#include "server/roles.hpp"
#include "tables/trigger_catalog.hpp"
#include "tracking/flush_counts.hpp"

namespace listing_stats {

namespace {

// Whether a table, or a part of it, has a trigger of that name: CREATE OR REPLACE TRIGGER would
// replace what it finds on a partition.
bool
is_used(const char *name, Oid table)
{
	for (const Oid part : each<Oid>(find_all_inheritors(table, NoLock, nullptr)))
	{
		if (OidIsValid(get_trigger_oid(part, name, true)))
			return true;
	}
	return false;
}

// The triggers of an attachment share a number that none of its tables uses yet.  Triggers fire in
// the order of their names, and these have to fire before those of foreign keys, which are called
// RI_ConstraintTrigger...: so the names never change.
char *
free_trigger_name(Oid listing, Oid price)
{
	for (int number = 1;; ++number)
	{
		char *name = psprintf("LISTING_STATS_%d", number);
		if (!is_used(name, listing) && !is_used(name, price))
			return name;
	}
}

// What the triggers of one attachment have in common.
struct TriggerMaker
{
	const char *name;
	TriggerArguments arguments;
	const Trigger *existing;
	char replication;  // '\0': as it is, or as "others"
	char others;       // when those that are not disabled fire
};

// When the triggers of an attachment on these tables fire that are not disabled.
char
firing_of(const List *tables, const Trigger *existing)
{
	for (const Oid table : each<Oid>(tables))
	{
		for (const Trigger *trigger : each<Trigger *>(our_triggers(table)))
		{
			if (same_arguments(trigger, existing) && trigger->tgenabled != TRIGGER_DISABLED)
				return trigger->tgenabled;
		}
	}
	return TRIGGER_FIRES_ON_ORIGIN;
}

// Returns its name.
const char *
make_trigger(const TriggerMaker &maker, Oid table, const char *function, const char *events)
{
	const bool truncate = function == price_truncated || function == listing_truncated;
	const char *name = truncate ? psprintf("%s_truncate", maker.name) : maker.name;
	char enabled = maker.others;
	const Trigger *now =
		maker.existing == nullptr ? nullptr : find_trigger(table, function, maker.existing, true);

	if (now != nullptr)
	{
		name = now->tgname;
		// One that was disabled is enabled again: attaching anew repairs.
		if (now->tgenabled != TRIGGER_DISABLED)
			enabled = now->tgenabled;
	}
	else if (maker.existing != nullptr)
	{
		// One that is missing gets the name that the others have, if that is free.
		const char *usual =
			truncate ? psprintf("%s_truncate", maker.existing->tgname) : maker.existing->tgname;
		if (!is_used(usual, table))
			name = usual;
	}
	if (maker.replication != '\0')
		enabled = maker.replication;
	run_command(psprintf("CREATE OR REPLACE TRIGGER %s AFTER %s ON %s FOR EACH %s EXECUTE FUNCTION "
	                     "listing_stats.%s(%s)",
	                     quote_identifier(name), events, qualified_name(table),
	                     truncate ? "STATEMENT" : "ROW", function,
	                     format_arguments(maker.arguments)));
	write_record(get_trigger_oid(table, name, false), maker.arguments);
	if (enabled != TRIGGER_FIRES_ON_ORIGIN)
		run_command(psprintf("ALTER TABLE %s ENABLE %s TRIGGER %s", qualified_name(table),
		                     enabled == TRIGGER_FIRES_ALWAYS ? "ALWAYS" : "REPLICA",
		                     quote_identifier(name)));
	return name;
}

}  // namespace

void
run_command(const char *command)
{
	const int result = SPI_execute(command, false, 0);

	if (result != SPI_OK_UTILITY)
		elog(ERROR, "\"%s\" failed: %s", command, SPI_result_code_string(result));
}

Oid
create_triggers(const Attachment &attachment, const Trigger *existing, char replication)
{
	List *tables = find_all_inheritors(attachment.price, ShareRowExclusiveLock, nullptr);
	List *all_tables = list_concat_copy(tables, list_make1_oid(attachment.listing));
	const TriggerMaker maker = {
		free_trigger_name(attachment.listing, attachment.price),
		definition_arguments(definition_of(attachment)), existing, replication,
		existing == nullptr ? TRIGGER_FIRES_ON_ORIGIN : firing_of(all_tables, existing)};
	const char *row_trigger = nullptr;

	forget_verify(attachment.price);
	make_trigger(maker, attachment.listing, listing_changed,
	             attachment.own_rows ? "INSERT OR UPDATE OR DELETE" : "INSERT OR UPDATE");
	// Its rows come back, as those that are deleted do.
	if (attachment.own_rows)
		make_trigger(maker, attachment.listing, listing_truncated, "TRUNCATE");
	for (const Oid table : each<Oid>(tables))
	{
		// Partitions get clones of the row trigger, and none of the other.
		if (table == attachment.price || !get_rel_relispartition(table))
		{
			const char *made =
				make_trigger(maker, table, price_changed, "INSERT OR UPDATE OR DELETE");
			row_trigger = table == attachment.price ? made : row_trigger;
		}
		if (get_rel_relkind(table) != RELKIND_FOREIGN_TABLE)
			make_trigger(maker, table, price_truncated, "TRUNCATE");
	}
	if (existing == nullptr)
		ereport(NOTICE, (errmsg("created triggers \"%s\" on tables \"%s\" and \"%s\"", maker.name,
		                        get_rel_name(attachment.listing), get_rel_name(attachment.price))));
	CommandCounterIncrement();
	return get_trigger_oid(attachment.price, row_trigger, false);
}

void
create_part_triggers(Oid table, const Trigger *like)
{
	const TriggerMaker maker = {free_trigger_name(table, table), arguments_of(like), like,
	                            like->tgenabled == TRIGGER_DISABLED ? '\0' : like->tgenabled,
	                            TRIGGER_FIRES_ON_ORIGIN};

	// Partitions get clones of the row trigger, and none of the other.
	if (find_trigger(table, price_changed, like, true) == nullptr)
		make_trigger(maker, table, price_changed, "INSERT OR UPDATE OR DELETE");
	if (get_rel_relkind(table) != RELKIND_FOREIGN_TABLE &&
	    find_trigger(table, price_truncated, like, false) == nullptr)
		make_trigger(maker, table, price_truncated, "TRUNCATE");
}

void
drop_triggers_of(Oid table, const Trigger *like)
{
	for (const Trigger *trigger : each<Trigger *>(our_triggers(table)))
	{
		if (!trigger->tgisclone && same_arguments(trigger, like))
			run_command(psprintf("DROP TRIGGER %s ON %s", quote_identifier(trigger->tgname),
			                     qualified_name(table)));
	}
}

void
drop_triggers(Oid relation, Oid other, const Trigger *trigger)
{
	check_ownership(relation);
	if (OidIsValid(other))
		check_ownership(other);
	LockRelationOid(relation, AccessExclusiveLock);
	List *tables = find_all_inheritors(relation, AccessExclusiveLock, nullptr);

	forget_verify(relation);
	if (OidIsValid(other))
	{
		LockRelationOid(other, AccessExclusiveLock);
		tables = list_concat_unique_oid(tables,
		                                find_all_inheritors(other, AccessExclusiveLock, nullptr));
	}
	// A part can have another owner, from whom it is taken as what hangs on a partition's is.
	for (const Oid table : each<Oid>(tables))
	{
		const Actor before = act_as(owns_relation(table) ? GetUserId() : relation_owner(table));
		drop_triggers_of(table, trigger);
		resume_as(before);
	}
	CommandCounterIncrement();
}

}  // namespace listing_stats
