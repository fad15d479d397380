// detach(): drops the triggers; columns, their values and indexes stay.
#include "attaching/attach_triggers.hpp"
#include "server/roles.hpp"

namespace listing_stats {

namespace {

// A trigger of ours on "table": if "other" is named, of an attachment of the two, and if a column
// is, of what keeps a column that is now called so.  *half is the table that has the attachment's
// other half, if any; *root is "table", or what it is a part of.
const Trigger *
find_attached(Oid table, Oid other, const char *column, Oid *root, Oid *half)
{
	Relation relation = relation_open(table, NoLock);
	const Oid listing_function = trigger_function(listing_changed);
	const Oid truncate_function = trigger_function(listing_truncated);
	const Trigger *found = nullptr;

	for (const Trigger *trigger : each<Trigger *>(our_triggers(RelationGetRelid(relation))))
	{
		if (found != nullptr || trigger->tgisclone || trigger->tgfoid == truncate_function)
			continue;
		const bool of_listing = trigger->tgfoid == listing_function;
		const Side side = of_listing ? Side::listing : Side::price;
		*root = of_listing ? table : attached_root(table, trigger);
		*half = !of_listing && *root == table && is_stray(relation, trigger)
		            ? InvalidOid
		            : other_half(relation, trigger, side);
		if ((!OidIsValid(other) || *half == other ||
		     is_orphan_of(relation, trigger, side, other)) &&
		    (column == nullptr || is_kept(definition_now(relation, trigger, side).column, column)))
			found = trigger;
	}
	relation_close(relation, NoLock);
	return found;
}

// Detaches everything on "table", or what it has with "other", or of that what keeps the column;
// returns how many attachments.
int
detach(Oid table, Oid other, const char *column)
{
	Oid root = InvalidOid;
	Oid half = InvalidOid;
	int count = 0;

	for (const Trigger *trigger = find_attached(table, other, column, &root, &half);
	     trigger != nullptr; trigger = find_attached(table, other, column, &root, &half))
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
	const Oid table = PG_GETARG_OID(PG_NARGS() == 1 ? 0 : 1);
	const Oid other = PG_NARGS() > 1 ? PG_GETARG_OID(0) : InvalidOid;
	const char *column = PG_NARGS() > 2 ? NameStr(*PG_GETARG_NAME(2)) : nullptr;

	lock_owned(table, AccessExclusiveLock);  // as DROP TRIGGER will, and price first
	SPI_connect();
	int count = detach(table, other, column);
	if (OidIsValid(other))
	{
		// What has lost its half on price.
		lock_owned(other, AccessExclusiveLock);
		count += detach(other, table, column);
	}
	SPI_finish();
	if (count == 0 && column != nullptr)
		ereport(NOTICE,
		        (errmsg("column \"%s\" of table \"%s\" is not kept", column, get_rel_name(other))));
	else if (count == 0)
		ereport(NOTICE, (errmsg("table \"%s\" is not attached", get_rel_name(table))));
	PG_RETURN_INT32(count);
}
