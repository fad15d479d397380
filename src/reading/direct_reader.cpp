// Reading prices without the executor, see direct_reader.hpp.
//
// What holds:
// - Partitions of time are looked at from the newest on, each only for what those before it have
//   not given.  Prices of one time lie in one partition, so that their order is that of its index.
//   Of partitions by the key only those are looked at that can have one that is asked for.
// - Only what is looked at is opened and locked, until the transaction ends, as by a query.
// - Rights and policies are those of the table that was asked for, as they are for a query.
// - The list of partitions is the one that the snapshot sees, and locks on the table keep it.
#include "reading/direct_reader.hpp"

#include "reading/heap_reader.hpp"
#include "reading/leaf_reader.hpp"
#include "server/roles.hpp"
#include "tables/partitions.hpp"
#include "tables/price_index.hpp"

namespace listing_stats {

namespace {

// Of a table of listings so many keys are looked for at once.
constexpr std::size_t listings_at_once = 100000;

// Whether nothing is left to look for.
template <typename Key>
bool
is_over(const Search<Key> &search)
{
	return search.history != nullptr  ? search.rows == 0
	       : search.wanted != nullptr ? search.wanted->count == 0
	                                  : false;
}

// Whether the rows are where they are in an ordinary table.
bool
is_readable(Relation relation)
{
	return relation->rd_rel->relkind == RELKIND_RELATION &&
	       relation->rd_tableam == GetHeapamTableAmRoutine() && !relation->rd_rel->relhassubclass &&
	       !RELATION_IS_OTHER_TEMP(relation) &&
	       (!RecoveryInProgress() || relation->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT);
}

template <typename Key>
bool read_search(const PriceTable &table, Relation relation, Search<Key> *search);

template <typename Key>
bool
read_partition(const PriceTable &table, Oid oid, Search<Key> *search)
{
	Relation partition = table_open(oid, AccessShareLock);
	const bool done = read_search(*find_partition(table, partition), partition, search);

	table_close(partition, NoLock);
	return done;
}

// Partitions by the key.

// The number of the partition that the key's prices are in; negative: there is none.
template <typename Key>
int
number_of_partition(const PriceTable &table, PartitionKey key, PartitionBoundInfo bounds,
                    Key wanted)
{
	pg_uuid_t room;

	return partition_of_key(key, bounds, table.key.base, key_datum(wanted, &room));
}

// Each partition for its own of the keys that are wanted.
template <typename Key>
bool
read_wanted_by_key(const PriceTable &table, PartitionKey key, PartitionDesc partitions,
                   Search<Key> *search)
{
	KeySet<Key> *wanted = search->wanted;
	const std::size_t count = wanted->count;
	uint64 *order = make_keys<uint64>(count);  // partition and key
	Key *sorted = make_keys<Key>(count);
	std::size_t kept = 0;
	std::size_t found = 0;
	std::size_t elsewhere = count;

	// Those that no partition here can have come last, and stay wanted.
	for (std::size_t i = 0; i < count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		const int number = number_of_partition(table, key, partitions->boundinfo, wanted->key[i]);
		if (number >= 0)
			order[found++] = static_cast<uint64>(number) << 32 | i;
		else
			sorted[--elsewhere] = wanted->key[i];
	}
	sort_items(order, found);
	for (std::size_t i = 0; i < found; ++i)
		sorted[i] = wanted->key[order[i] & PG_UINT32_MAX];
	bool done = true;
	for (std::size_t i = 0, end = 0; done && i < found; i = end)
	{
		const uint64 number = order[i] >> 32;
		while (end < found && order[end] >> 32 == number)
			++end;
		KeySet<Key> own = {sorted + i, end - i};
		search->wanted = &own;
		done = read_partition(table, partitions->oids[number], search);
		for (std::size_t j = 0; j < own.count; ++j)
			wanted->key[kept++] = own.key[j];
		CHECK_FOR_INTERRUPTS();
	}
	for (std::size_t i = elsewhere; i < count; ++i)
		wanted->key[kept++] = sorted[i];
	search->wanted = wanted;
	wanted->count = kept;
	sort_keys(wanted);
	pfree(order);
	pfree(sorted);
	return done;
}

template <typename Key>
bool
read_by_key(const PriceTable &table, PartitionKey key, PartitionDesc partitions,
            Search<Key> *search)
{
	const Key *one = search->history != nullptr                                ? search->history
	                 : search->wanted != nullptr && search->wanted->count == 1 ? search->wanted->key
	                                                                           : nullptr;

	if (one != nullptr)
	{
		const int number = number_of_partition(table, key, partitions->boundinfo, *one);
		return number < 0 || read_partition(table, partitions->oids[number], search);
	}
	if (search->wanted != nullptr)
		return read_wanted_by_key(table, key, partitions, search);
	for (int i = 0; i < partitions->nparts; ++i)
	{
		if (!read_partition(table, partitions->oids[i], search))
			return false;
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

// Partitions of time.

bool
is_empty(Oid partition)
{
	Relation relation = table_open(partition, AccessShareLock);
	const bool empty =
		RELKIND_HAS_STORAGE(relation->rd_rel->relkind) && RelationGetNumberOfBlocks(relation) == 0;

	table_close(relation, NoLock);
	return empty;
}

// The number of the newest partition that may have prices as of the time; negative: there is none.
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

template <typename Key>
bool
read_by_time(const PriceTable &table, PartitionKey key, PartitionDesc partitions,
             Search<Key> *search)
{
	const PartitionBoundInfo bounds = partitions->boundinfo;
	KeySet<Key> given = {};
	const bool collects =
		search->history == nullptr && search->wanted == nullptr && search->given == nullptr;
	bool done = true;

	if (partition_bound_has_default(bounds) && !is_empty(partitions->oids[bounds->default_index]))
		return false;
	if (collects)
		search->given = &given;
	for (int i = newest(key, bounds, partitions->nparts, search->as_of); done && i >= 0; --i)
	{
		done = i == bounds->default_index || read_partition(table, partitions->oids[i], search);
		if (is_over(*search))
			break;
		CHECK_FOR_INTERRUPTS();
	}
	if (collects)
		search->given = nullptr;
	if (given.key != nullptr)
		pfree(given.key);
	return done;
}

template <typename Key>
bool
read_partitions(const PriceTable &table, Relation relation, Search<Key> *search)
{
	const PartitionKey key = RelationGetPartitionKey(relation);
	const PartitionDesc partitions = RelationGetPartitionDesc(relation, true);
	if (partitions->nparts == 0)
		return true;
	switch (table.partitioning)
	{
	case Partitioning::by_key:
		return read_by_key(table, key, partitions, search);
	case Partitioning::by_time:
	case Partitioning::by_time_and_default:
		return read_by_time(table, key, partitions, search);
	default:
		return false;
	}
}

template <typename Key>
bool
read_search(const PriceTable &table, Relation relation, Search<Key> *search)
{
	if (table.partitioning == Partitioning::none)
		return is_readable(relation) && read_leaves(table, relation, search);
	if constexpr (std::is_same_v<Key, TextKey>)
		return false;
	else
		return read_partitions(table, relation, search);
}

// All keys that the table of listings has.
template <typename Key>
struct Listings
{
	const PriceTable *table;
	Relation relation;
	Search<Key> *search;
	KeySet<Key> keys;
	bool done;
};

template <typename Key>
void
read_listings(Listings<Key> *listings)
{
	sort_keys(&listings->keys);
	listings->search->wanted = &listings->keys;
	listings->done =
		listings->done && read_search(*listings->table, listings->relation, listings->search);
	listings->keys.count = 0;
}

template <typename Key>
void
take_listing(void *state, const Datum *value, const bool *null)
{
	auto *listings = static_cast<Listings<Key> *>(state);

	if (null[0])
		return;
	set_key(&listings->keys.key[listings->keys.count++], listings->table->key.base, InvalidOid,
	        value[0]);
	if (listings->keys.count == listings_at_once)
		read_listings(listings);
}

template <typename Key>
bool
read_all(const PriceTable &table, Relation relation, Search<Key> *search)
{
	if constexpr (!std::is_same_v<Key, TextKey>)
	{
		if (table.partitioning != Partitioning::none && listings_pay(table))
		{
			Listings<Key> listings = {
				&table, relation, search, {make_keys<Key>(listings_at_once), 0}, true};
			read_listing_keys(table, {take_listing<Key>, &listings});
			read_listings(&listings);
			pfree(listings.keys.key);
			return listings.done;
		}
	}
	return read_search(table, relation, search);
}

// Finding out whether all this applies.

bool
may_select(Oid relation, AttrNumber attnum)
{
	return attnum == 0 ||
	       pg_attribute_aclcheck(relation, attnum, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

// The table's number names one in any schema; a query says what is missing.
bool
has_rights(const PriceTable &table, Relation relation)
{
	const Oid oid = RelationGetRelid(relation);

	return may_use_schema(RelationGetNamespace(relation), GetUserId()) &&
	       (pg_class_aclcheck(oid, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
	        (may_select(oid, table.key.attnum) && may_select(oid, table.at.attnum) &&
	         may_select(oid, table.tie.attnum) && may_select(oid, table.value.attnum)));
}

// Whether the current user may read the table, in this transaction, without the executor: the parts
// of a SELECT other than finding rows.
bool
may_read(const PriceTable &table, Relation relation)
{
	Kept *kept = table.kept;

	// Where reading leaves locks that other transactions look at, or a page may be pruned of what
	// the snapshot sees, queries know what to do.
	if (IsolationIsSerializable() || snapshots_expire() || !IsMVCCSnapshot(GetActiveSnapshot()))
		return false;
	if (table.distributed || ExecutorCheckPerms_hook != nullptr ||
	    (relation->rd_rel->relrowsecurity &&
	     check_enable_rls(RelationGetRelid(relation), InvalidOid, true) == RLS_ENABLED))
		return false;
	const uint64 rights = rights_changes();
	if (kept != nullptr && kept->reader == GetUserId() && kept->rights == rights)
		return true;
	if (!has_rights(table, relation))
		return false;
	if (kept != nullptr)
	{
		kept->reader = GetUserId();
		kept->rights = rights;
	}
	return true;
}

// Whole rows are those of one table, whose columns somebody may read without exception.
bool
may_read_rows(const PriceTable &table, Relation relation)
{
	const TupleDesc description = RelationGetDescr(relation);

	for (int i = 0; i < description->natts; ++i)
	{
		if (is_virtual(TupleDescAttr(description, i)))
			return false;
	}
	return table.partitioning == Partitioning::none &&
	       pg_class_aclcheck(RelationGetRelid(relation), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

// Opens the table for "run", which takes it and a value of the type of keys.
template <typename Run>
bool
read_as_caller(const PriceTable &table, const RowSink &sink, const Run &run)
{
	Relation relation = relation_open(table.relation, NoLock);

	Assert(CheckRelationLockedByMe(relation, AccessShareLock, true));
	const bool done = can_be_read(table) && may_read(table, relation) &&
	                  (!sink.whole_rows || may_read_rows(table, relation)) &&
	                  (has_text_key(table)         ? run(relation, TextKey{})
	                   : table.key.base == UUIDOID ? run(relation, UuidKey{})
	                                               : run(relation, IntegerKey{}));
	relation_close(relation, NoLock);
	return done;
}

template <typename Key>
bool
read_heaps(const PriceTable &table, Relation root, NullableDatum as_of, RowSink sink)
{
	if (table.partitioning == Partitioning::none && !is_readable(root))
		return false;
	List *tables = find_all_inheritors(table.relation, AccessShareLock, nullptr);
	Heap *heap = static_cast<Heap *>(palloc(sizeof(Heap) * list_length(tables)));
	int heaps = 0;
	bool done = true;
	for (const Oid oid : each<Oid>(tables))
	{
		Relation relation = relation_open(oid, NoLock);
		const bool is_root = oid == table.relation;
		if (is_readable(relation))
			heap[heaps++] = {is_root ? &table : find_partition(table, relation), relation};
		else
		{
			done = done && relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
			relation_close(relation, NoLock);
		}
	}
	done = done && read_latest_from_heaps<Key>(table, heap, heaps, as_of, sink);
	for (int i = 0; i < heaps; ++i)
		relation_close(heap[i].relation, NoLock);
	return done;
}

}  // namespace

bool
read_latest_directly(const PriceTable &table, const LatestRequest &request, RowSink sink)
{
	return read_as_caller(table, sink, [&](Relation relation, auto any) {
		Search<decltype(any)> search = {};
		search.as_of = request.as_of;
		search.sink = sink;
		if (!request.has_keys)
			return read_all(table, relation, &search);
		auto keys = keys_of_array<decltype(any)>(request.keys, table.key.collation);
		search.wanted = &keys;
		const bool done = read_search(table, relation, &search);
		pfree(keys.key);
		return done;
	});
}

bool
read_key_directly(const PriceTable &table, Reading reading, Datum key, NullableDatum parameter,
                  RowSink sink)
{
	return read_as_caller(table, sink, [&](Relation relation, auto one) {
		Search<decltype(one)> search = {};
		KeySet<decltype(one)> keys = {&one, 1};
		set_key(&one, INT8OID, table.key.collation, key);
		search.sink = sink;
		if (reading == Reading::history)
		{
			search.history = &one;
			search.rows = parameter.isnull ? -1 : DatumGetInt64(parameter.value);
		}
		else
		{
			search.wanted = &keys;
			search.as_of = parameter;
		}
		return read_search(table, relation, &search);
	});
}

bool
read_latest_in_a_pass(const PriceTable &table, NullableDatum as_of, RowSink sink)
{
	return read_as_caller(table, sink, [&](Relation relation, auto any) {
		if constexpr (std::is_same_v<decltype(any), TextKey>)
			return false;
		else
			return read_heaps<decltype(any)>(table, relation, as_of, sink);
	});
}

}  // namespace listing_stats
