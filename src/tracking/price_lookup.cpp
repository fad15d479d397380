// Prices of a key, see price_lookup.hpp.
//
// What holds:
// - The attached table is locked.  That keeps partitions from being dropped, and those that the
//   snapshot sees from being detached.
// - Partitions are those of the snapshot: messages are taken in when a lookup begins, behind the
//   locks of the listings.  One that was attached while these were waited for has prices of
//   transactions that held them; so has a table that has come to inherit from price, by which the
//   lookup is lost.
// - Prices of one key and one time lie in one of the ranges of time, or in the order of these, so
//   that going from range to range is going back in time.
#include "tracking/price_lookup.hpp"

#include "tables/condition.hpp"
#include "tables/distributed.hpp"
#include "tables/partitions.hpp"
#include "tables/price_index.hpp"
#include "tracking/index_lookup.hpp"

namespace listing_stats {

namespace {

// So many tables stay open for the next key; those that a key needs at once may be more.
constexpr int most_open = 16;

// Where the prices of a key are in a table.
enum class Whereabouts
{
	here,      // it has no partitions
	by_key,    // in one partition
	in_turn,   // in partitions by time
	mixed,     // in any
	elsewhere  // where they cannot be read
};

// What is known of a table.
struct PriceTablePath
{
	Oid relation;  // hash key
	bool valid;
	Whereabouts whereabouts;
	int key_number;  // by_key: of the key's columns
	AttrNumber attnum[column_count];
	Oid index;
	TransactionId index_since;
	ScanDirection latest_first;
	IndexKeys keys;
};

struct OpenTable
{
	PriceTablePath path;
	Relation relation;  // of the attached table the lookup's
	Lookup rows;        // if they are here
	OpenTable *next;
};

// The prices of the key at hand in a table; in the caller's context.
struct Prices
{
	OpenTable *table;
	Whereabouts whereabouts;

	// In turn: so many partitions, the first ones, are still to be looked at, and the one that is
	// being read.
	PartitionDesc partitions;
	int unread;
	Prices *current;

	// Mixed: what it is mixed of, where each is (nullptr: at its end), and which one came last.
	Prices **part;
	OpenTable **at;
	int parts;
	int last;
};

}  // namespace

struct PriceLookup
{
	const Attachment *attachment;
	Relation price;
	MemoryContext context;
	const Datum *since;
	OpenTable *tables;
	int open;
	Datum key;
	Datum key_column[most_key_columns];
	Prices *prices;
	OpenTable *at;
	bool lost;
};

namespace {

bool
is_natural(PartitionKey key, int i, AttrNumber attnum, const ResolvedColumn &column)
{
	if (attnum == InvalidAttrNumber || key->partattrs[i] != attnum ||
	    key->partcollation[i] != column.collation)
		return false;
	const TypeCacheEntry *type =
		lookup_type_cache(column.base, TYPECACHE_BTREE_OPFAMILY | TYPECACHE_HASH_OPFAMILY);
	return key->partopfamily[i] ==
	       (key->strategy == PARTITION_STRATEGY_HASH ? type->hash_opf : type->btree_opf);
}

// Which column of the key the column of the partition key is; negative: none.
int
key_number_of(const Attachment &attachment, const PriceTablePath &path, PartitionKey key, int i)
{
	for (int number = 0; number < attachment.key_columns; ++number)
	{
		const int place = list_place(ColumnList::key, number);
		const Oid type = attachment.key_column[number].type;
		if (is_natural(key, i, path.attnum[place], attachment.column[place]))
			return type == INT8OID || IsBinaryCoercible(type, key->partopcintype[i]) ? number : -1;
	}
	return -1;
}

// Whether, for each key, every price in a partition comes behind all in those before it: by time,
// of equal times by the tie, and beside these only by columns of the key.
bool
is_by_time(const Attachment &attachment, const PriceTablePath &path, PartitionKey key)
{
	const ResolvedColumn &at = attachment.column[price_at];
	const ResolvedColumn &tie = attachment.column[price_tie];

	if (key->strategy != PARTITION_STRATEGY_RANGE || !is_natural(key, 0, path.attnum[price_at], at))
		return false;
	for (int i = 1; i < key->partnatts; ++i)
	{
		if (is_natural(key, i, path.attnum[price_tie], tie))
			return true;
		if (key_number_of(attachment, path, key, i) < 0)
			return false;
	}
	return true;
}

Whereabouts
whereabouts_in(const Attachment &attachment, Relation relation, PriceTablePath *path)
{
	const PartitionKey key = RelationGetPartitionKey(relation);

	path->key_number = key->partnatts == 1 ? key_number_of(attachment, *path, key, 0) : -1;
	return path->key_number >= 0                ? Whereabouts::by_key
	       : is_by_time(attachment, *path, key) ? Whereabouts::in_turn
	                                            : Whereabouts::mixed;
}

bool
has_rows_here(Relation relation)
{
	return relation->rd_rel->relkind == RELKIND_RELATION &&
	       relation->rd_rel->relam == HEAP_TABLE_AM_OID && !RELATION_IS_OTHER_TEMP(relation) &&
	       !is_distributed(RelationGetRelid(relation));
}

// Sets what reading the table by its index needs; false: there is none that serves.
bool
find_price_index(const Attachment &attachment, Relation relation, PriceTablePath *path)
{
	// As if the partition were the attached table.
	Attachment *own = static_cast<Attachment *>(palloc(sizeof(Attachment)));
	const char *problem = nullptr;
	bool found = false;

	*own = attachment;
	own->price = path->relation;
	for (int i = first_of_price; i < end_of_price; ++i)
		own->column[i].attnum = path->attnum[i];
	if (attachment.condition != nullptr && path->relation != attachment.price)
		own->condition_tree =
			parse_condition(relation, attachment.owner, attachment.condition, nullptr, &problem);
	path->index = problem == nullptr ? fitting_index(*own) : InvalidOid;
	if (OidIsValid(path->index))
	{
		Relation index = index_open(path->index, AccessShareLock);
		found = make_scan_keys(index, *own, ColumnList::key, &path->keys);
		add_time_key(index, own->column[price_at], &path->keys);
		path->latest_first = is_read_backwards(index, own->key_columns) ? BackwardScanDirection
		                                                                : ForwardScanDirection;
		path->index_since = serves_since(index);
		index_close(index, AccessShareLock);
	}
	pfree(own);
	return found;
}

void
find_path(const Attachment &attachment, Relation relation, PriceTablePath *path)
{
	for (int i = first_of_price; i < end_of_price; ++i)
	{
		const ResolvedColumn &column = attachment.column[i];
		path->attnum[i] = column.attnum == 0 || path->relation == attachment.price
		                      ? column.attnum
		                      : get_attnum(path->relation, NameStr(column.name));
	}
	path->whereabouts = relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE
	                        ? whereabouts_in(attachment, relation, path)
	                    : has_rows_here(relation) && find_price_index(attachment, relation, path)
	                        ? Whereabouts::here
	                        : Whereabouts::elsewhere;
}

// What is known of the table, found out when it is first asked for.
PriceTablePath
path_of(const Attachment &attachment, Relation relation)
{
	const Oid oid = RelationGetRelid(relation);
	bool known = false;

	if (attachment.price_tables == nullptr)
		attachment.price_tables = make_cache("listing_stats paths to prices", sizeof(Oid),
		                                     sizeof(PriceTablePath), attachment.context);
	PriceTablePath *entry = static_cast<PriceTablePath *>(
		hash_search(attachment.price_tables, &oid, HASH_ENTER, &known));
	if (known && entry->valid)
		return *entry;
	PriceTablePath path = {};
	path.relation = oid;
	path.valid = true;
	*entry = path;
	find_path(attachment, relation, &path);
	// What came in meanwhile may concern what was read: it is used this once.
	path.valid = entry->valid;
	*entry = path;
	return path;
}

void
close_table(PriceLookup *lookup, OpenTable *table)
{
	for (OpenTable **link = &lookup->tables; *link != nullptr; link = &(*link)->next)
	{
		if (*link != table)
			continue;
		*link = table->next;
		break;
	}
	if (table->path.whereabouts == Whereabouts::here)
		end_lookup(&table->rows);
	if (table->relation != lookup->price)
		table_close(table->relation, NoLock);  // until the transaction ends, as a query's
	pfree(table);
	--lookup->open;
}

OpenTable *
open_price_table(PriceLookup *lookup, Oid oid)
{
	for (OpenTable *table = lookup->tables; table != nullptr; table = table->next)
	{
		if (table->path.relation == oid)
			return table;
	}
	MemoryContext old = MemoryContextSwitchTo(lookup->context);
	OpenTable *table = static_cast<OpenTable *>(palloc0(sizeof(OpenTable)));
	table->relation =
		oid == lookup->attachment->price ? lookup->price : table_open(oid, AccessShareLock);
	table->path = path_of(*lookup->attachment, table->relation);
	if (table->path.whereabouts == Whereabouts::here && !serves(table->path.index_since))
		table->path.whereabouts = Whereabouts::elsewhere;
	if (table->path.whereabouts == Whereabouts::here)
		table->rows = begin_lookup(table->relation, table->path.index, table->path.keys,
		                           *lookup->attachment, lookup->since);
	table->next = lookup->tables;
	lookup->tables = table;
	++lookup->open;
	MemoryContextSwitchTo(old);
	return table;
}

Prices *prices_in(PriceLookup *lookup, Oid oid);

Prices *
prices_by_key(PriceLookup *lookup, const OpenTable &table, PartitionDesc partitions)
{
	const int number = table.path.key_number;
	const ResolvedColumn &column = lookup->attachment->column[list_place(ColumnList::key, number)];
	const int partition =
		partition_of_key(RelationGetPartitionKey(table.relation), partitions->boundinfo,
	                     column.base, lookup->key_column[number]);

	return partition < 0 ? nullptr : prices_in(lookup, partitions->oids[partition]);
}

void
add_part(Prices *mixed, Prices *part)
{
	if (part != nullptr)
		mixed->part[mixed->parts++] = part;
}

Prices *
make_prices(OpenTable *table, Whereabouts whereabouts, int most_parts)
{
	Prices *prices = static_cast<Prices *>(palloc0(sizeof(Prices)));

	prices->table = table;
	prices->whereabouts = whereabouts;
	prices->last = -1;
	if (most_parts > 0)
	{
		prices->part = static_cast<Prices **>(palloc(sizeof(Prices *) * most_parts));
		prices->at = static_cast<OpenTable **>(palloc(sizeof(OpenTable *) * most_parts));
	}
	return prices;
}

Prices *
prices_in_turn(PriceLookup *lookup, OpenTable *table, PartitionDesc partitions)
{
	Prices *ranges = make_prices(table, Whereabouts::in_turn, 0);

	ranges->partitions = partitions;
	ranges->unread = partitions->nparts;
	if (!partition_bound_has_default(partitions->boundinfo))
		return ranges;
	Prices *mixed = make_prices(table, Whereabouts::mixed, 2);
	add_part(mixed, ranges);
	add_part(mixed, prices_in(lookup, partitions->oids[partitions->boundinfo->default_index]));
	return mixed;
}

// Before the first price of the key in a table; nullptr: there is none.
Prices *
prices_in(PriceLookup *lookup, Oid oid)
{
	OpenTable *table = open_price_table(lookup, oid);

	CHECK_FOR_INTERRUPTS();
	if (table->path.whereabouts == Whereabouts::elsewhere)
	{
		lookup->lost = true;
		return nullptr;
	}
	if (table->path.whereabouts == Whereabouts::here)
	{
		look_up(&table->rows, lookup->key);
		return make_prices(table, Whereabouts::here, 0);
	}
	const PartitionDesc partitions = RelationGetPartitionDesc(table->relation, true);
	if (partitions->nparts == 0)
		return nullptr;
	if (table->path.whereabouts == Whereabouts::by_key)
		return prices_by_key(lookup, *table, partitions);
	if (table->path.whereabouts == Whereabouts::in_turn)
		return prices_in_turn(lookup, table, partitions);
	Prices *mixed = make_prices(table, Whereabouts::mixed, partitions->nparts);
	for (int i = 0; i < partitions->nparts; ++i)
		add_part(mixed, prices_in(lookup, partitions->oids[i]));
	return mixed;
}

// Compares two columns, NULL being least.
int
compare_column(const PriceLookup &lookup, int column, const OpenTable &a, const OpenTable &b)
{
	const ResolvedColumn &resolved = lookup.attachment->column[column];
	bool a_null = false;
	bool b_null = false;
	const Datum a_value = slot_getattr(a.rows.slot, a.path.attnum[column], &a_null);
	const Datum b_value = slot_getattr(b.rows.slot, b.path.attnum[column], &b_null);
	TypeCacheEntry *type = lookup_type_cache(resolved.type, TYPECACHE_CMP_PROC_FINFO);

	if (a_null || b_null)
		return static_cast<int>(b_null) - static_cast<int>(a_null);
	return DatumGetInt32(
		FunctionCall2Coll(&type->cmp_proc_finfo, resolved.collation, a_value, b_value));
}

bool
is_newer(const PriceLookup &lookup, const OpenTable &a, const OpenTable &b)
{
	int order = compare_column(lookup, price_at, a, b);

	if (order == 0 && lookup.attachment->column[price_tie].attnum != 0)
		order = compare_column(lookup, price_tie, a, b);
	return order > 0;
}

bool go_on(PriceLookup *lookup, Prices *prices);

// The partition of the next older range.
bool
go_on_in_turn(PriceLookup *lookup, Prices *ranges)
{
	while (!go_on(lookup, ranges->current))
	{
		if (lookup->lost)
			return false;
		if (ranges->current != nullptr && lookup->open > most_open &&
		    ranges->current->whereabouts == Whereabouts::here)
			close_table(lookup, ranges->current->table);
		ranges->current = nullptr;
		if (ranges->unread == 0)
			return false;
		--ranges->unread;
		if (ranges->unread != ranges->partitions->boundinfo->default_index)
			ranges->current = prices_in(lookup, ranges->partitions->oids[ranges->unread]);
	}
	return true;
}

bool
go_on_mixed(PriceLookup *lookup, Prices *mixed)
{
	int newest = -1;

	for (int i = 0; i < mixed->parts; ++i)
	{
		if (mixed->last < 0 || mixed->last == i)
			mixed->at[i] = go_on(lookup, mixed->part[i]) ? lookup->at : nullptr;
		if (mixed->at[i] != nullptr &&
		    (newest < 0 || is_newer(*lookup, *mixed->at[i], *mixed->at[newest])))
			newest = i;
	}
	if (newest < 0)
		return false;
	mixed->last = newest;
	lookup->at = mixed->at[newest];
	return true;
}

bool
go_on(PriceLookup *lookup, Prices *prices)
{
	if (prices == nullptr || lookup->lost)
		return false;
	switch (prices->whereabouts)
	{
	case Whereabouts::here:
		lookup->at = prices->table;
		return next_row(&prices->table->rows, prices->table->path.latest_first);
	case Whereabouts::in_turn:
		return go_on_in_turn(lookup, prices);
	default:
		return go_on_mixed(lookup, prices);
	}
}

}  // namespace

const char *
obstacle_of_prices(const Attachment &attachment, Relation price)
{
	switch (path_of(attachment, price).whereabouts)
	{
	case Whereabouts::mixed:
		return "price is partitioned neither by time nor by its key";
	case Whereabouts::elsewhere:
		return "no index of price serves";
	default:
		return nullptr;
	}
}

bool
prices_serve_now(const Attachment &attachment)
{
	const PriceTablePath *path = static_cast<PriceTablePath *>(
		hash_search(attachment.price_tables, &attachment.price, HASH_FIND, nullptr));

	return path == nullptr || serves(path->index_since);
}

PriceLookup *
begin_price_lookup(const Attachment &attachment, Relation price, const Datum *since)
{
	PriceLookup *lookup = static_cast<PriceLookup *>(palloc0(sizeof(PriceLookup)));

	Assert(CheckRelationLockedByMe(price, AccessShareLock, true) && ActiveSnapshotSet());
	Assert(RelationGetRelid(price) == attachment.price);
	lookup->attachment = &attachment;
	lookup->price = price;
	lookup->context = CurrentMemoryContext;
	lookup->since = since;
	AcceptInvalidationMessages();
	lookup->lost = has_inheritance_children(price);
	return lookup;
}

void
look_up_prices(PriceLookup *lookup, Datum key)
{
	OpenTable *next = nullptr;

	for (OpenTable *table = lookup->tables; table != nullptr && lookup->open > most_open;
	     table = next)
	{
		next = table->next;
		close_table(lookup, table);
	}
	lookup->key = key;
	split_key(*lookup->attachment, key, lookup->key_column);
	lookup->prices = prices_in(lookup, lookup->attachment->price);
}

bool
next_price(PriceLookup *lookup)
{
	CHECK_FOR_INTERRUPTS();
	return go_on(lookup, lookup->prices);
}

bool
is_lost(const PriceLookup &lookup)
{
	return lookup.lost;
}

Datum
column_of_price(const PriceLookup &lookup, int column, bool *is_null)
{
	Assert(lookup.at != nullptr);
	return slot_getattr(lookup.at->rows.slot, lookup.at->path.attnum[column], is_null);
}

void
end_price_lookup(PriceLookup *lookup)
{
	while (lookup->tables != nullptr)
		close_table(lookup, lookup->tables);
	pfree(lookup);
}

void
forget_price_table(const Attachment &attachment, Oid relation)
{
	if (attachment.price_tables == nullptr)
		return;
	PriceTablePath *path = static_cast<PriceTablePath *>(
		hash_search(attachment.price_tables, &relation, HASH_FIND, nullptr));
	if (path != nullptr)
		path->valid = false;
}

}  // namespace listing_stats
