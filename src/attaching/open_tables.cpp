// Opening the tables to attach, see open_tables.hpp.
#include "attaching/open_tables.hpp"

#include "server/roles.hpp"
#include "tables/distributed.hpp"

namespace listing_stats {

namespace {

void
check_table(Relation relation)
{
	const char *name = RelationGetRelationName(relation);
	const char relkind = relation->rd_rel->relkind;

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("cannot attach \"%s\"", name),
		                errdetail_relkind_not_supported(relkind),
		                errhint("Attach the tables that hold the rows.")));
	if (IsCatalogRelation(relation))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("cannot attach \"%s\": it is a system catalog", name)));
	if (RELATION_IS_OTHER_TEMP(relation))
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("cannot attach \"%s\": it is a temporary table of another session", name)));
	if (is_distributed(RelationGetRelid(relation)))
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		     errmsg("cannot attach \"%s\": it is a table of Citus, whose rows are in shards", name),
		     errhint(
				 "Distributed tables that are colocated by the key are attached by CALL "
				 "listing_stats.attach_distributed(). undistribute_table() makes it an ordinary "
				 "table.")));
}

// Whether statements on the table lock the other one with writing in mind.
bool
is_attached(Oid price)
{
	Relation relation = try_relation_open(price, AccessShareLock);
	if (relation == nullptr)
		return false;
	const bool found = our_triggers(RelationGetRelid(relation)) != NIL;

	relation_close(relation, AccessShareLock);
	return found;
}

// Locks both tables in the order that fewest of the statements under way can deadlock with.  An
// INSERT into price locks price and then, for its foreign key, listing weakly: that does not
// conflict, and whoever writes listings and then their prices goes listing first too.  But a column
// that has to be added needs a lock on listing that conflicts with everything, and what is attached
// already writes listing after price: then price goes first.
//
// The strong lock is taken at once, since a lock made stronger later is a deadlock in waiting.
void
lock_tables(Oid listing, Oid price, bool add_column, bool attached)
{
	const LOCKMODE mode = add_column ? AccessExclusiveLock : ShareRowExclusiveLock;
	const bool price_first = add_column || attached;

	if (price_first)
		LockRelationOid(price, ShareRowExclusiveLock);
	LockRelationOid(listing, mode);
	if (!price_first)
		LockRelationOid(price, ShareRowExclusiveLock);
}

// Whether attach() will have to add a column, as far as can be seen before locking.
bool
adds_column(const Request &request, Oid listing)
{
	for (int i = first_target; i < end_of_targets; ++i)
	{
		const char *name = request.column[i] == nullptr && i == last_price
		                       ? argument_name(last_price)
		                       : request.column[i];
		if (name != nullptr && strcmp(name, no_column) != 0 &&
		    get_attnum(listing, name) == InvalidAttrNumber)
			return true;
	}
	return false;
}

}  // namespace

void
open_tables(Oid listing, Oid price, Request *request)
{
	Problem problem = {};

	check_ownership(listing);
	check_ownership(price);

	if (listing == price)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("cannot attach table \"%s\" to itself", get_rel_name(listing)),
		                errhint("Listings and prices are two tables.")));
	lock_tables(listing, price, adds_column(*request, listing), is_attached(price));
	check_ownership(listing);
	check_ownership(price);
	request->listing = relation_open(listing, NoLock);
	check_table(request->listing);
	request->price = relation_open(price, NoLock);
	check_table(request->price);
	if (!check_owner(request->listing, request->price, &problem))
		raise(problem);
	if ((request->listing->rd_rel->relpersistence == RELPERSISTENCE_TEMP) !=
	    (request->price->rd_rel->relpersistence == RELPERSISTENCE_TEMP))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		         errmsg("cannot attach a temporary table and a permanent one to each other")));
}

}  // namespace listing_stats
