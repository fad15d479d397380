// Whether the direct way is open, see direct_way.hpp.
#include "tracking/direct_way.hpp"

#include "reading/direct_reader.hpp"
#include "reading/leaf_reader.hpp"
#include "tables/distributed.hpp"
#include "tables/price_index.hpp"
#include "tracking/price_lookup.hpp"

namespace listing_stats {

namespace {

bool enabled = true;

bool
is_kept(const Attachment &attachment, AttrNumber attnum)
{
	const auto is = [&](int target) { return attachment.column[target].attnum == attnum; };

	return first_kept(attachment, is) < end_of_targets;
}

// Whether a kept column is the key of listing for another attachment, which has to learn of changes
// of it.  Only where no foreign key says what that is: obstacle_of_column() refuses what one can
// refer to.
bool
keeps_a_key(Relation listing, const Attachment &attachment)
{
	for (Trigger *trigger : each<Trigger *>(our_triggers(RelationGetRelid(listing))))
	{
		Definition definition;
		if (read_definition(trigger, &definition) != nullptr)
			continue;
		for (int i = 0; i < count_list(definition.column, ColumnList::listing_key); ++i)
		{
			const int place = list_place(ColumnList::listing_key, i);
			if (is_kept(attachment, definition.record[place].attnum) ||
			    is_kept(attachment,
			            get_attnum(RelationGetRelid(listing), definition.column[place])))
				return true;
		}
	}
	return false;
}

// What follows returns what is in the way, words that complete "by SQL: ", or nullptr.

// Of an UPDATE of the kept columns alone, which is to set off nothing except what is left out here:
// our own triggers, which have nothing to learn from our own write, and those of keys that refer to
// listing, which do not change.  Not so the checks of listing's own foreign keys: that of an INSERT
// leaves a row that the same transaction has updated since to the check of the UPDATE.
const char *
obstacle_of_triggers(Relation listing)
{
	const Oid ours = trigger_function(listing_changed);
	// Looking that up may have rebuilt the relation's triggers.
	const TriggerDesc *triggers = listing->trigdesc;

	for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i)
	{
		const Trigger &trigger = triggers->triggers[i];
		const int kind = RI_FKey_trigger_type(trigger.tgfoid);
		if (!TRIGGER_FOR_UPDATE(trigger.tgtype) || trigger.tgfoid == ours || kind == RI_TRIGGER_PK)
			continue;
		return kind == RI_TRIGGER_FK ? "a foreign key of listing"
		                             : psprintf("trigger \"%s\" on listing", trigger.tgname);
	}
	return nullptr;
}

const char *
obstacle_of_kind(Relation relation, const char *side)
{
	const bool partitioned = relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;

	if ((relation->rd_rel->relkind != RELKIND_RELATION && !partitioned) ||
	    RELATION_IS_OTHER_TEMP(relation))
		return psprintf("%s is not an ordinary table", side);
	if (relation->rd_rel->relam != HEAP_TABLE_AM_OID && !partitioned)
		return psprintf("the access method of %s", side);
	return is_distributed(RelationGetRelid(relation)) ? psprintf("%s is a table of Citus", side)
	                                                  : nullptr;
}

bool
is_not_of_the_server(Oid function, void *)
{
	return function >= FirstNormalObjectId;
}

// Whether an expression runs functions that may do anything, however they are declared.
bool
runs_own_functions(Node *node, void *)
{
	if (node == nullptr)
		return false;
	return IsA(node, CoerceToDomain) ||
	       check_functions_in_node(node, is_not_of_the_server, nullptr) ||
	       walk_expression(node, runs_own_functions, nullptr);
}

// Such a function could change prices between our reading and our writing.
const char *
obstacle_of_indexes(Relation listing)
{
	const char *obstacle = nullptr;

	for (const Oid index : each<Oid>(RelationGetIndexList(listing)))
	{
		if (runs_own_functions(stored_expression(index, Anum_pg_index_indexprs), nullptr) ||
		    runs_own_functions(stored_expression(index, Anum_pg_index_indpred), nullptr))
			obstacle = psprintf("index \"%s\" of listing calls a function", get_rel_name(index));
	}
	return obstacle;
}

const char *
obstacle_of_listing(Relation listing)
{
	const TupleConstr *constraints = RelationGetDescr(listing)->constr;
	const char *kind = obstacle_of_kind(listing, "listing");

	for (int i = 0; i < RelationGetNumberOfAttributes(listing); ++i)
	{
		if (has_unchecked_nulls(RelationGetDescr(listing), i))
			return "a NOT NULL of listing that is not validated";
	}
	if (kind != nullptr)
		return kind;
	if (listing->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return "listing is partitioned";
	if (listing->rd_rel->relispartition)
		return "listing is a partition";
	if (listing->rd_rules != nullptr)
		return "a rule on listing";
	if (constraints != nullptr && constraints->num_check > 0)
		return "a check constraint of listing";
	if (constraints != nullptr && has_generated_columns(constraints))
		return "a generated column of listing";
	if (const char *obstacle = obstacle_of_indexes(listing); obstacle != nullptr)
		return obstacle;
	return obstacle_of_triggers(listing);
}

const char *
obstacle_of_price(Relation price, const Attachment &attachment)
{
	const char *kind = obstacle_of_kind(price, "price");

	if (kind != nullptr)
		return kind;
	if (has_inheritance_children(price))
		return "tables inherit from price";
	for (int i = first_of_price; i < first_of_condition; ++i)
	{
		const AttrNumber attnum = attachment.column[i].attnum;
		if (attnum != 0 && is_virtual(TupleDescAttr(RelationGetDescr(price), attnum - 1)))
			return psprintf("column \"%s\" of price is virtual",
			                NameStr(attachment.column[i].name));
	}
	return nullptr;
}

// Whether a kept column takes values of the column that it keeps as they are.
bool
takes_as_it_is(const Attachment &attachment, int target)
{
	const ResolvedColumn &column = attachment.column[target];
	const ResolvedColumn source = source_of(attachment, target);

	return column.type == source.type && column.type == getBaseType(column.type) &&
	       (column.typmod == source.typmod || column.typmod == -1);
}

const char *
obstacle_of_column(Relation listing, const Attachment &attachment, int target)
{
	const ResolvedColumn &column = attachment.column[target];
	const Bitmapset *unique = RelationGetIndexAttrBitmap(listing, INDEX_ATTR_BITMAP_KEY);

	const bool counts = target == price_count && (column.type == INT4OID || column.type == INT8OID);

	if (!counts && !takes_as_it_is(attachment, target))
		return psprintf("the type of column \"%s\"", NameStr(column.name));
	if (!counts && column.not_null)
		return psprintf("column \"%s\" is NOT NULL", NameStr(column.name));
	return bms_is_member(column.attnum - FirstLowInvalidHeapAttributeNumber, unique)
	           ? psprintf("a unique index on column \"%s\"", NameStr(column.name))
	           : nullptr;
}

const char *
find_listing_index(const Attachment &attachment, DirectPath *path)
{
	path->listing_index = listing_key_index(attachment);
	if (!OidIsValid(path->listing_index))
		return "no unique index on the key of listing";
	Relation index = index_open(path->listing_index, AccessShareLock);
	const bool found =
		make_scan_keys(index, attachment, ColumnList::listing_key, &path->listing_keys);
	path->listing_index_since = serves_since(index);
	path->listing_leaves =
		attachment.key_columns == 1 && has_tids_of_keys(index, attachment.column[listing_key]);
	index_close(index, AccessShareLock);
	return found ? nullptr : "the type of the key";
}

// Whether the leaves of an index of all prices by one column have all that is kept.
bool
reads_only_latest_price(const Attachment &attachment)
{
	const auto is_more = [](int i) { return i == previous_price || is_carried(i); };

	return attachment.key_columns == 1 && attachment.condition == nullptr &&
	       first_kept(attachment, is_more) == end_of_targets;
}

PriceTable
prices_of(const Attachment &attachment, Relation price)
{
	PriceTable table = {};

	table.relation = attachment.price;
	table.key = attachment.column[price_key];
	table.at = attachment.column[price_at];
	if (attachment.column[price_tie].attnum != table.at.attnum)
		table.tie = attachment.column[price_tie];
	table.value = attachment.column[price_value];
	table.skip_null = attachment.skip_null;
	table.partitioning = partitioning_of(price, table);
	choose_leaf_index(price, &table);
	return table;
}

// What the owner has taken from himself, an UPDATE may not do either.
bool
owner_may(const Attachment &attachment)
{
	constexpr AclMode update = ACL_SELECT | ACL_UPDATE;

	return may_use_schema(get_rel_namespace(attachment.listing), attachment.owner) &&
	       may_use_schema(get_rel_namespace(attachment.price), attachment.owner) &&
	       pg_class_aclmask(attachment.listing, attachment.owner, update, ACLMASK_ALL) == update &&
	       pg_class_aclmask(attachment.price, attachment.owner, ACL_SELECT, ACLMASK_ALL) ==
	           ACL_SELECT;
}

const char *
obstacle_of_tables(Relation listing, Relation price, const Attachment &attachment)
{
	if (const char *obstacle = obstacle_of_listing(listing); obstacle != nullptr)
		return obstacle;
	if (const char *obstacle = obstacle_of_price(price, attachment); obstacle != nullptr)
		return obstacle;
	const int target =
		first_kept(attachment, [](int i) { return i == price_total || i == first_price; });
	if (target < end_of_targets)
		return psprintf("column \"%s\" is a %s", NameStr(attachment.column[target].name),
		                target == price_total ? "total" : "first price");
	if (attachment.keep_empty)
		return "a listing without prices keeps what it has";
	if (keeps_a_key(listing, attachment))
		return "a kept column is the key of another attachment";
	if (!owner_may(attachment))
		return "privileges that the owner does not have";
	for (int i = first_target; i < end_of_targets; ++i)
	{
		const char *obstacle =
			attachment.column[i].attnum == 0 ? nullptr : obstacle_of_column(listing, attachment, i);
		if (obstacle != nullptr)
			return obstacle;
	}
	return nullptr;
}

const char *
find_path(const Attachment &attachment, DirectPath *path)
{
	Relation listing = table_open(attachment.listing, AccessShareLock);
	Relation price = table_open(attachment.price, AccessShareLock);
	const char *obstacle = obstacle_of_tables(listing, price, attachment);

	const char *no_index = listing->rd_rel->relkind == RELKIND_RELATION
	                           ? find_listing_index(attachment, path)
	                           : "listing is not an ordinary table";
	if (obstacle == nullptr)
		obstacle = no_index;
	path->finds_listing = no_index == nullptr;
	path->end_of_kept = end_of_targets;
	while (path->end_of_kept > first_target && attachment.column[path->end_of_kept - 1].attnum == 0)
		--path->end_of_kept;
	path->partitioned = price->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	path->prices_obstacle = obstacle_of_price(price, attachment);
	if (path->prices_obstacle == nullptr && !owner_may(attachment))
		path->prices_obstacle = "privileges that the owner does not have";
	if (path->prices_obstacle == nullptr)
		path->prices_obstacle = obstacle_of_prices(attachment, price);
	if (obstacle == nullptr)
		obstacle = path->prices_obstacle;
	if (path->prices_obstacle == nullptr && reads_only_latest_price(attachment))
		path->prices = prices_of(attachment, price);
	path->at_type = lookup_type_cache(attachment.column[price_at].type, TYPECACHE_CMP_PROC_FINFO);
	table_close(price, AccessShareLock);
	table_close(listing, AccessShareLock);
	return obstacle;
}

// The path of an attachment, looked for when it is first asked for.
const DirectPath *
path_of(Attachment *attachment)
{
	if (attachment->direct_path == nullptr)
	{
		// What looking for it takes goes with the flush.
		DirectPath *path = static_cast<DirectPath *>(
			MemoryContextAllocZero(attachment->context, sizeof(DirectPath)));
		const char *obstacle = find_path(*attachment, path);
		path->obstacle =
			obstacle == nullptr ? nullptr : MemoryContextStrdup(attachment->context, obstacle);
		if (path->prices_obstacle != nullptr)
			path->prices_obstacle = MemoryContextStrdup(attachment->context, path->prices_obstacle);
		attachment->direct_path = path;
	}
	return attachment->direct_path;
}

// What is in the way of the direct path at the moment.
const char *
obstacle_now(Attachment *attachment)
{
	if (!enabled)
		return "listing_stats.direct_path is off";
	// Whoever checks permissions in a way of his own wants to see the statement.
	if (ExecutorCheckPerms_hook != nullptr)
		return "another module checks permissions";
	const DirectPath *path = path_of(attachment);
	if (path->obstacle != nullptr)
		return path->obstacle;
	return serves(path->listing_index_since) && prices_serve_now(*attachment)
	           ? nullptr
	           : "an index is newer than a transaction that still runs";
}

}  // namespace

void
define_direct_path_setting()
{
	DefineCustomBoolVariable(
		"listing_stats.direct_path", "Keeps columns without SQL where the tables allow it.",
		"For developers: the results are the same, only the cost differs.", &enabled, true,
		PGC_USERSET, GUC_NOT_IN_SAMPLE, nullptr, nullptr, nullptr);
	MarkGUCPrefixReserved("listing_stats");
}

bool
locks_directly(Attachment *attachment)
{
	return obstacle_now(attachment) == nullptr;
}

bool
writes_directly(Attachment *attachment, bool added)
{
	const bool direct = locks_directly(attachment) &&
	                    (added || first_kept(*attachment, needs_all) == end_of_targets);

	elog(DEBUG1, "listing_stats writes table \"%s\" %s", NameStr(attachment->listing_name),
	     direct ? "directly" : "by SQL");
	return direct;
}

const char *
way_of(Attachment *attachment)
{
	const char *obstacle = obstacle_now(attachment);
	const int target = first_kept(*attachment, needs_all);

	if (obstacle != nullptr)
		return psprintf("by SQL: %s", obstacle);
	if (attachment->own_rows)
		return "direct for prices of keys that have others, by SQL otherwise";
	if (target < end_of_targets)
		return psprintf("direct for new prices, by SQL for changed ones: column \"%s\" depends on "
		                "all prices",
		                NameStr(attachment->column[target].name));
	return "direct";
}

bool
reads_directly(Attachment *attachment, Statement statement)
{
	bool reads = false;

	if (!enabled || ExecutorCheckPerms_hook != nullptr)
		return false;
	const DirectPath *path = path_of(attachment);
	if (!path->partitioned || path->prices_obstacle != nullptr)
		return false;
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (attachment->column[i].attnum == 0)
			continue;
		const bool needs_stored = i == previous_price && statement == Statement::read_added;
		if (i == first_price ||
		    (needs_stored && !(path->finds_listing && serves(path->listing_index_since))) ||
		    (needs_all(i) ? statement == Statement::read : !takes_as_it_is(*attachment, i)))
			return false;
		reads = reads || !needs_all(i);
	}
	return reads;
}

}  // namespace listing_stats
