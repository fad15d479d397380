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
	ScanKeyData key;
	Relation relation = table_open(catalogue, AccessShareLock);
	ScanKeyInit(&key, attnum, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
	SysScanDesc scan = systable_beginscan(relation, index, OidIsValid(index), snapshot, 1, &key);
	const bool found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return found;
}

}  // namespace listing_stats
