// The triggers of an attachment, see attach_triggers.hpp.
#include "pg/attach_triggers.hpp"

namespace listing_stats {

namespace {

// The triggers of an attachment share a number that neither table uses yet.  Their names sort
// before those of foreign keys (RI_ConstraintTrigger...), so that they fire first: they are format.
char *
free_trigger_name(const Attachment &attachment)
{
	for (int number = 1;; ++number)
	{
		char *name = psprintf("LISTING_STATS_%d", number);
		if (!OidIsValid(get_trigger_oid(attachment.listing, name, true)) &&
		    !OidIsValid(get_trigger_oid(attachment.price, name, true)))
			return name;
	}
}

// The name of the trigger on "table" that calls the function with the arguments of "like", or
// another name if there is none.
const char *
trigger_name(Oid table, const char *function, const Trigger *like, const char *otherwise)
{
	Relation relation = relation_open(table, AccessShareLock);
	const char *name = otherwise;

	for (int i = 0; relation->trigdesc != nullptr && i < relation->trigdesc->numtriggers; ++i)
	{
		const Trigger *trigger = &relation->trigdesc->triggers[i];
		if (trigger->tgfoid == trigger_function(function) && same_arguments(trigger, like))
			name = pstrdup(trigger->tgname);
	}
	relation_close(relation, AccessShareLock);
	return name;
}

const char *
trigger_arguments(const Attachment &attachment)
{
	Definition definition = {};

	definition.listing = qualified_name(attachment.listing);
	definition.price = qualified_name(attachment.price);
	definition.system_identifier = GetSystemIdentifier();
	definition.listing_oid = attachment.listing;
	definition.price_oid = attachment.price;
	for (int i = 0; i < column_count; ++i)
	{
		if (attachment.column[i].attnum == 0)
			continue;
		definition.column[i] = NameStr(attachment.column[i].name);
		definition.place[i] = {attachment.column[i].attnum, attachment.column[i].type};
	}
	return format_definition(definition);
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
create_triggers(const Attachment &attachment, const Trigger *existing)
{
	struct
	{
		Oid table;
		const char *function;
		const char *name;
		const char *events;
	} triggers[] = {
		{attachment.listing, listing_changed, nullptr, "INSERT OR UPDATE"},
		{attachment.price, price_changed, nullptr, "INSERT OR UPDATE OR DELETE"},
		{attachment.price, price_truncated, nullptr, "TRUNCATE"},
	};
	const char *name = free_trigger_name(attachment);
	const char *arguments = trigger_arguments(attachment);

	for (auto &trigger : triggers)
	{
		const bool truncate = trigger.function == price_truncated;
		trigger.name = truncate ? psprintf("%s_truncate", name) : name;
		if (existing != nullptr)
			trigger.name = trigger_name(trigger.table, trigger.function, existing, trigger.name);
	}
	for (const auto &trigger : triggers)
		run_command(psprintf("CREATE OR REPLACE TRIGGER %s AFTER %s ON %s FOR EACH %s EXECUTE "
		                     "FUNCTION listing_stats.%s(%s)",
		                     quote_identifier(trigger.name), trigger.events,
		                     qualified_name(trigger.table),
		                     trigger.function == price_truncated ? "STATEMENT" : "ROW",
		                     trigger.function, arguments));
	if (existing == nullptr)
		ereport(NOTICE, (errmsg("created triggers \"%s\" on tables \"%s\" and \"%s\"", name,
		                        get_rel_name(attachment.listing), get_rel_name(attachment.price))));
	CommandCounterIncrement();
	return get_trigger_oid(attachment.price, triggers[1].name, false);
}

void
drop_triggers(Oid relation, Oid other, const Trigger *trigger)
{
	const Oid tables[] = {relation, other};

	for (const Oid table : tables)
	{
		if (!OidIsValid(table))
			continue;
		Relation open = relation_open(table, AccessExclusiveLock);
		List *names = NIL;
		ListCell *cell = nullptr;
		for (int i = 0; open->trigdesc != nullptr && i < open->trigdesc->numtriggers; ++i)
		{
			const Trigger *candidate = &open->trigdesc->triggers[i];
			if (is_our_trigger(candidate) && same_arguments(candidate, trigger))
				names = lappend(names, pstrdup(candidate->tgname));
		}
		relation_close(open, NoLock);
		foreach (cell, names)
			run_command(psprintf("DROP TRIGGER %s ON %s",
			                     quote_identifier(static_cast<const char *>(lfirst(cell))),
			                     qualified_name(table)));
	}
	CommandCounterIncrement();
}

Trigger *
copy_trigger(const Trigger *trigger)
{
	if (trigger == nullptr)
		return nullptr;
	Trigger *copy = static_cast<Trigger *>(palloc(sizeof(Trigger)));
	*copy = *trigger;
	copy->tgargs =
		static_cast<char **>(palloc(sizeof(char *) * static_cast<Size>(Max(trigger->tgnargs, 1))));
	for (int i = 0; i < trigger->tgnargs; ++i)
		copy->tgargs[i] = pstrdup(trigger->tgargs[i]);
	return copy;
}

}  // namespace listing_stats
