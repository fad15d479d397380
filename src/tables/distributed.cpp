// Tables whose rows are elsewhere, see distributed.hpp.
#include "tables/distributed.hpp"

namespace listing_stats {

// Citus's catalogue lies in pg_catalog, where nobody else can put one.
bool
is_distributed(Oid table, Snapshot snapshot)
{
	const Oid catalogue = get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE);

	if (!OidIsValid(catalogue))
		return false;
	const AttrNumber attnum = get_attnum(catalogue, "logicalrelid");
	const Oid index =
		get_relname_relid("pg_dist_partition_logical_relid_index", PG_CATALOG_NAMESPACE);
	if (attnum == InvalidAttrNumber)
		return false;
	bool found = false;
	for_each_row(catalogue, index, attnum, table, snapshot,
	             [&found](HeapTuple, TupleDesc) { found = true; });
	return found;
}

}  // namespace listing_stats
