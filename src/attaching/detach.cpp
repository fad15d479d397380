// detach(): drops the triggers; columns, their values and indexes stay.
#include "attaching/attach_triggers.hpp"
#include "server/roles.hpp"

namespace listing_stats {

namespace {

// A trigger of ours on "table", of what it has with "other" if that is named; *half is the table
// that has the other half, if any, and *root the one that "table" is a part of or is.
const Trigger *
find_attached(Oid table, Oid other, Oid *root, Oid *half)
{
	Relation relation = relation_open(table, NoLock);
	const Oid listing_function = trigger_function(listing_changed);
	const Trigger *found = nullptr;
	ListCell *cell = nullptr;

	foreach (cell, our_triggers(relation))
	{
		const Trigger *trigger = static_cast<Trigger *>(lfirst(cell));
		if (found != nullptr || trigger->tgisclone)
			continue;
		const bool of_listing = trigger->tgfoid == listing_function;
		*root = of_listing ? table : attached_root(table, trigger);
		*half = !of_listing && *root == table && is_stray(relation, trigger)
		            ? InvalidOid
		            : other_half(relation, trigger, of_listing ? Side::listing : Side::price);
		if (!OidIsValid(other) || *half == other ||
		    is_orphan_of(relation, trigger, of_listing ? Side::listing : Side::price, other))
			found = trigger;
	}
	relation_close(relation, NoLock);
	return found;
}

// Detaches everything on "table", or what it has with "other"; returns how many attachments.
int
detach(Oid table, Oid other)
{
	Oid root = InvalidOid;
	Oid half = InvalidOid;
	int count = 0;

	for (const Trigger *trigger = find_attached(table, other, &root, &half); trigger != nullptr;
	     trigger = find_attached(table, other, &root, &half))
	{
		drop_triggers(root, half, trigger);
		++count;
	}
	return count;
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_detach)
{
	const Oid table = PG_GETARG_OID(PG_NARGS() - 1);
	const Oid other = PG_NARGS() > 1 ? PG_GETARG_OID(0) : InvalidOid;

	check_ownership(table);
	LockRelationOid(table, AccessExclusiveLock);  // as DROP TRIGGER will, and price first
	check_ownership(table);
	SPI_connect();
	int count = detach(table, other);
	if (OidIsValid(other))
	{
		// What has lost its half on price.
		check_ownership(other);
		LockRelationOid(other, AccessExclusiveLock);
		check_ownership(other);
		count += detach(other, table);
	}
	SPI_finish();
	if (count == 0)
		ereport(NOTICE, (errmsg("table \"%s\" is not attached", get_rel_name(table))));
	PG_RETURN_INT32(count);
}
