// The partition of a key, see partitions.hpp.
#include "tables/partitions.hpp"

namespace listing_stats {

int
partition_of_key(PartitionKey key, PartitionBoundInfo bounds, Oid type, Datum value)
{
	bool null = false;
	bool equal = false;
	int number = -1;

	if (type == INT4OID || type == INT2OID)
	{
		const int64 wide = DatumGetInt64(value);
		if (type == INT4OID ? wide != static_cast<int32>(wide) : wide != static_cast<int16>(wide))
			return -1;
		value = type == INT4OID ? Int32GetDatum(static_cast<int32>(wide))
		                        : Int16GetDatum(static_cast<int16>(wide));
	}
	if (key->strategy == PARTITION_STRATEGY_HASH)
		return bounds->indexes[compute_partition_hash_value(1, key->partsupfunc, key->partcollation,
		                                                    &value, &null) %
		                       static_cast<uint64>(bounds->nindexes)];
	if (key->strategy == PARTITION_STRATEGY_LIST)
	{
		number =
			partition_list_bsearch(key->partsupfunc, key->partcollation, bounds, value, &equal);
		number = number >= 0 && equal ? bounds->indexes[number] : -1;
	}
	else
		number = bounds->indexes[partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
		                                                       bounds, 1, &value, &equal) +
		                         1];
	return number >= 0 ? number : bounds->default_index;
}

}  // namespace listing_stats
