// Reading the prices of one key, see key_reader.hpp.
//
// What holds:
// - Partitions are looked at from the newest on, each only if those before it have not given
//   enough, and only those are opened and locked.  Prices of one time lie in one partition, so that
//   their order is that of its index.
// - Rights and policies are those of the table that was asked for, as they are for a query.
// - The list of partitions is the one that the snapshot sees, and locks on the table keep it.
#include "reading/key_reader.hpp"

#include "tables/price_index.hpp"

namespace listing_stats {

namespace {

struct KeyRequest
{
	Datum key;
	bool latest;  // otherwise all
	NullableDatum as_of;
	int64 max_rows;  // negative: all
};

// Counts what is given.
struct Counter
{
	RowSink sink;
	int64 rows;
};

void
count_row(void *state, Datum *value, bool *null)
{
	Counter *counter = static_cast<Counter *>(state);

	++counter->rows;
	counter->sink.put(counter->sink.sink, value, null);
}

bool
read_table(const PriceTable &table, Relation relation, const KeyRequest &request, RowSink sink)
{
	if (!OidIsValid(table.index) || !is_readable(relation))
		return false;
	return request.latest
	           ? read_latest_of_key_from_leaves(table, relation, request.key, request.as_of, sink)
	           : read_history_from_leaves(table, relation, request.key, request.max_rows, sink);
}

bool
is_empty(Oid partition)
{
	Relation relation = table_open(partition, AccessShareLock);
	const bool empty =
		RELKIND_HAS_STORAGE(relation->rd_rel->relkind) && RelationGetNumberOfBlocks(relation) == 0;

	table_close(relation, NoLock);  // until the transaction ends, as a query's
	return empty;
}

// Whether each partition has a range of time.
bool
is_ordered(const PriceTable &table, PartitionKey key, PartitionBoundInfo bounds, Oid *partition)
{
	const TypeCacheEntry *at =
		lookup_type_cache(getBaseType(table.at.type), TYPECACHE_BTREE_OPFAMILY);

	return key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 &&
	       key->partattrs[0] == table.at.attnum && key->partopfamily[0] == at->btree_opf &&
	       (!partition_bound_has_default(bounds) || is_empty(partition[bounds->default_index]));
}

// The place of the newest partition that may have prices as of the time; negative: there is none.
int
newest(PartitionKey key, PartitionBoundInfo bounds, int partitions, NullableDatum as_of)
{
	bool equal = false;

	if (as_of.isnull)
		return partitions - 1;
	// Between two bounds there may be none.
	for (int i = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, 1,
	                                           &as_of.value, &equal) +
	             1;
	     i >= 0; --i)
	{
		if (bounds->indexes[i] >= 0)
			return bounds->indexes[i];
	}
	return -1;
}

// The place of the partition that the key's prices are in; negative: there is none.
int
partition_of_key(const PriceTable &table, PartitionKey key, PartitionBoundInfo bounds, Datum value)
{
	bool null = false;
	bool equal = false;
	int place = -1;

	if (getBaseType(table.key.type) == INT4OID)
	{
		const int64 wide = DatumGetInt64(value);
		if (wide != static_cast<int32>(wide))
			return -1;
		value = Int32GetDatum(static_cast<int32>(wide));
	}
	if (key->strategy == PARTITION_STRATEGY_HASH)
		return bounds->indexes[compute_partition_hash_value(1, key->partsupfunc, key->partcollation,
		                                                    &value, &null) %
		                       static_cast<uint64>(bounds->nindexes)];
	if (key->strategy == PARTITION_STRATEGY_LIST)
	{
		place = partition_list_bsearch(key->partsupfunc, key->partcollation, bounds, value, &equal);
		place = place >= 0 && equal ? bounds->indexes[place] : -1;
	}
	else
		place = bounds->indexes[partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
		                                                      bounds, 1, &value, &equal) +
		                        1];
	return place >= 0 ? place : bounds->default_index;
}

bool read(const PriceTable &table, Relation relation, const KeyRequest &request, RowSink sink);

bool
read_partition(const PriceTable &table, Oid oid, const KeyRequest &request, RowSink sink)
{
	Relation partition = table_open(oid, AccessShareLock);
	const bool done = read(*find_partition(table, partition), partition, request, sink);

	table_close(partition, NoLock);  // until the transaction ends, as a query's
	return done;
}

bool
read_partitions(const PriceTable &table, Relation relation, const KeyRequest &request, RowSink sink)
{
	const PartitionKey key = RelationGetPartitionKey(relation);
	const PartitionDesc partitions = RelationGetPartitionDesc(relation, true);

	if (partitions->nparts == 0)
		return true;
	const PartitionBoundInfo bounds = partitions->boundinfo;
	if (key->partnatts == 1 && key->partattrs[0] == table.key.attnum)
	{
		const int place = partition_of_key(table, key, bounds, request.key);
		return place < 0 || read_partition(table, partitions->oids[place], request, sink);
	}
	if (!is_ordered(table, key, bounds, partitions->oids))
		return false;
	Counter counter = {sink, 0};
	KeyRequest rest = request;
	for (int i = newest(key, bounds, partitions->nparts, request.as_of); i >= 0; --i)
	{
		if (i != bounds->default_index &&
		    !read_partition(table, partitions->oids[i], rest, {count_row, &counter}))
			return false;
		if (request.max_rows >= 0)
			rest.max_rows = request.max_rows - counter.rows;
		if (request.latest ? counter.rows > 0 : rest.max_rows == 0)
			break;
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

bool
read(const PriceTable &table, Relation relation, const KeyRequest &request, RowSink sink)
{
	return relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE
	           ? read_partitions(table, relation, request, sink)
	           : read_table(table, relation, request, sink);
}

bool
read_key(const PriceTable &table, const KeyRequest &request, RowSink sink)
{
	Relation relation = relation_open(table.relation, NoLock);
	const bool done =
		can_be_read(table) && may_read(table, relation) && read(table, relation, request, sink);

	relation_close(relation, NoLock);
	return done;
}

}  // namespace

bool
read_latest_of_key(const PriceTable &table, Datum key, NullableDatum as_of, RowSink sink)
{
	return read_key(table, {key, true, as_of, -1}, sink);
}

bool
read_history_of_key(const PriceTable &table, Datum key, int64 max_rows, RowSink sink)
{
	return read_key(table, {key, false, {0, true}, max_rows}, sink);
}

}  // namespace listing_stats
