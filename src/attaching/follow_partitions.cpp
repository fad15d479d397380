// What gives new parts of a price table their triggers, and says what comes with those of both
// tables.
//
// A partition has the row trigger from PostgreSQL, and none for TRUNCATE; an inheritance child has
// neither.  A part that ceases to be one keeps what it was given, for nothing.  And no trigger sees
// what a part brings along or takes away: a warning says which call puts that right.
//
// Nothing is waited for, except as wait_for_listings() says.  The command has locked the part so
// strongly that it need not be; a table below it is left alone if it is not free.
#include "attaching/attach_triggers.hpp"
#include "attaching/follow_changes.hpp"
#include "server/roles.hpp"
#include "tables/distributed.hpp"
#include "tables/trigger_catalog.hpp"

namespace listing_stats {

namespace {

// A table that becomes a part of "whole", or was one until now, and a trigger on "whole".
struct Part
{
	Oid table;
	Oid whole;
	bool comes;
	const Trigger *trigger;
	List **warned;  // of these listings
};

bool
may_have_rows(Oid table)
{
	for (const Oid part : each<Oid>(find_all_inheritors(table, NoLock, nullptr)))
	{
		const char kind = get_rel_relkind(part);
		if (kind == RELKIND_FOREIGN_TABLE || !ConditionalLockRelationOid(part, AccessShareLock))
			return true;
		if (!RELKIND_HAS_STORAGE(kind))
			continue;
		Relation relation = try_relation_open(part, NoLock);
		if (relation == nullptr)
			continue;
		const bool has_rows = RelationGetNumberOfBlocks(relation) > 0;
		relation_close(relation, NoLock);
		if (has_rows)
			return true;
	}
	return false;
}

void
warn_of_rows(const Part &part, Oid listing, Oid price)
{
	const char *name = get_rel_name(part.table);

	if (list_member_oid(*part.warned, listing) || !may_have_rows(part.table))
		return;
	*part.warned = lappend_oid(*part.warned, listing);
	if (part.comes)
		ereport(WARNING,
		        (errmsg("prices of table \"%s\" have come with table \"%s\": its columns may not "
		                "show them yet",
		                get_rel_name(listing), name),
		         errhint("%s", refresh_call(listing, price, part.table))));
	else
		warn_of_gone_prices(listing, price, name, 1,
		                    relation_owner(part.table) == relation_owner(price) ? part.table
		                                                                        : InvalidOid);
}

// The listing attached to the table that "whole" is or is a part of; InvalidOid: none, or it is
// locked by somebody else.
Oid
attached_listing(const Part &part, Oid *price)
{
	*price = attached_root(part.whole, part.trigger);
	if (find_trigger(*price, price_changed, part.trigger, false) == nullptr ||
	    !ConditionalLockRelationOid(*price, AccessShareLock))
		return InvalidOid;
	Relation relation = try_relation_open(*price, NoLock);
	const Trigger *trigger = find_trigger(*price, price_changed, part.trigger, false);
	Oid listing = InvalidOid;

	if (relation == nullptr)
		return InvalidOid;
	if (trigger != nullptr && is_attachment(relation, trigger))
		listing = other_half(relation, trigger, Side::price);
	relation_close(relation, NoLock);
	return OidIsValid(listing) && relation_owner(listing) == relation_owner(*price) ? listing
	                                                                                : InvalidOid;
}

// An inheritance child that has gone from one parent can be below the price table by another, and
// so can those that are below it.
bool
has_stayed(const Part &part, Oid table, Oid price)
{
	return !part.comes && attached_root(table, part.trigger) == price;
}

// From the first inheritance child on a foreign key does not say that prices have listings. While
// it did, who brought a listing did not make prices that come before it wait: so these transactions
// are waited for here.
void
wait_for_listings(const Part &part, Oid listing, Oid price)
{
	bool refers = false;

	if (!part.comes || part.whole != price || get_rel_relispartition(part.table) ||
	    list_length(find_inheritance_children(price, NoLock)) != 1)
		return;
	Relation relation = relation_open(price, NoLock);
	for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(relation))
		refers = refers || foreign_key->confrelid == listing;
	relation_close(relation, NoLock);
	if (refers)
		LockRelationOid(listing, ShareLock);
}

void
follow_part(const Part &part)
{
	const LOCKMODE mode = part.comes ? ShareRowExclusiveLock : AccessExclusiveLock;
	Oid price = InvalidOid;
	const Oid listing = attached_listing(part, &price);

	// Citus makes the triggers of its partitions itself.
	if (!OidIsValid(listing) || is_distributed(part.table) || is_distributed(price) ||
	    has_stayed(part, part.table, price))
		return;
	wait_for_listings(part, listing, price);
	warn_of_rows(part, listing, price);
	SPI_connect();
	for (const Oid table : each<Oid>(find_all_inheritors(part.table, NoLock, nullptr)))
	{
		if (has_stayed(part, table, price) || !owns_relation(table) ||
		    !ConditionalLockRelationOid(table, mode))
			continue;
		if (part.comes)
			create_part_triggers(table, part.trigger);
		else
			drop_triggers_of(table, part.trigger);
	}
	SPI_finish();
}

// Where no foreign key says that they have none, the listings of a partition may have prices.
void
warn_of_listings(const Part &part)
{
	const Oid listing = get_rel_relispartition(part.whole)
	                        ? llast_oid(get_partition_ancestors(part.whole))
	                        : part.whole;
	const Trigger *trigger = find_trigger(listing, listing_changed, part.trigger, false);
	Attachment attachment = {};
	Problem problem = {};

	if (trigger == nullptr || !ConditionalLockRelationOid(listing, AccessShareLock))
		return;
	Relation relation = try_relation_open(listing, NoLock);
	if (relation == nullptr)
		return;
	const Oid price = other_half(relation, trigger, Side::listing);
	attachment.context = CurrentMemoryContext;
	if (OidIsValid(price) && ConditionalLockRelationOid(price, AccessShareLock) &&
	    resolve(relation, trigger, Side::listing, &attachment, &problem) &&
	    !attachment.foreign_key && may_have_rows(part.table))
		ereport(WARNING, (errmsg("rows of table \"%s\" have come with table \"%s\": they may not "
		                         "show their prices yet",
		                         get_rel_name(listing), get_rel_name(part.table)),
		                  errhint("%s", refresh_call(listing, price, InvalidOid))));
	relation_close(relation, NoLock);
}

void
follow_table(Oid table, Oid whole, bool comes)
{
	const Oid price_function = trigger_function(price_changed);
	const Oid listing_function = trigger_function(listing_changed);
	List *warned = NIL;

	if (!OidIsValid(table))
		return;
	for (const Trigger *trigger : each<Trigger *>(triggers_of(whole, nullptr)))
	{
		const Part part = {table, whole, comes, trigger, &warned};
		if (trigger->tgfoid == price_function)
			without_failing([&part] { follow_part(part); });
		if (trigger->tgfoid == listing_function && comes && get_rel_relispartition(table))
			without_failing([&part] { warn_of_listings(part); });
	}
}

// By the name that the command has resolved.
Oid
table_named(const RangeVar *name)
{
	return RangeVarGetRelid(name, NoLock, true);
}

Oid
partition(const AlterTableCmd *command)
{
	return table_named(castNode(PartitionCmd, command->def)->name);
}

}  // namespace

void
follow_partitions(const CollectedCommand &command)
{
	if (command.type == SCT_Simple &&
	    (IsA(command.parsetree, CreateStmt) || IsA(command.parsetree, CreateForeignTableStmt)) &&
	    reinterpret_cast<const CreateStmt *>(command.parsetree)->inhRelations != NIL)
	{
		const Oid table = command.d.simple.address.objectId;
		for (const Oid parent : each<Oid>(parents_of(table)))
			follow_table(table, parent, true);
	}
	if (command.type != SCT_AlterTable)
		return;
	for (const CollectedATSubcmd *subcommand :
	     each<CollectedATSubcmd *>(command.d.alterTable.subcmds))
	{
		const AlterTableCmd *part = castNode(AlterTableCmd, subcommand->parsetree);
		const Oid table = command.d.alterTable.objectId;
		switch (part->subtype)
		{
		case AT_AttachPartition:
			follow_table(partition(part), table, true);
			break;
		case AT_DetachPartition:
		case AT_DetachPartitionFinalize:
			follow_table(partition(part), table, false);
			break;
		case AT_AddInherit:
			follow_table(table, table_named(castNode(RangeVar, part->def)), true);
			break;
		case AT_DropInherit:
			follow_table(table, table_named(castNode(RangeVar, part->def)), false);
			break;
		default:
			break;
		}
	}
}

}  // namespace listing_stats
