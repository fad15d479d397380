// Finding the columns of a table of prices, see price_table.hpp.
//
// Reading one price must not cost more than the reading itself, so the answers are cached by what
// was asked.  All that they depend on is in the table's own description: its triggers, foreign
// keys, primary key and indexes, whose changes invalidate it; or in that of the listing it is
// attached to, or of a partition.
//
// What holds:
// - A table is locked before it is looked at, until the transaction ends: what the lock waited for
//   has sent its messages.
// - What is found while messages come in is used once and not kept.
// - What is kept with an answer is freed when the answer is no longer valid and no call runs a plan
//   of it.
#include "tables/price_table.hpp"

#include "tables/attachment.hpp"
#include "tables/distributed.hpp"
#include "tables/price_index.hpp"

#include <algorithm>

namespace listing_stats {

namespace {

// Nothing is kept of what is asked with a longer list of columns.
constexpr Size longest_key = 256;

struct Question
{
	Oid relation;
	char key[longest_key];
	NameData at;
	NameData value;
	bool whole_rows;
};

struct Answer
{
	Question question;  // hash key
	PriceTable table;   // with plans of its own
	bool valid;
};

struct Partition
{
	Oid relation;  // hash key
	PriceTable table;
	bool valid;
};

HTAB *answers = nullptr;
Answer *latest = nullptr;  // that was given, while it is valid: most questions are asked again
uint64 invalidations = 0;  // how often the relation cache has called
List *old_kept = NIL;      // of answers that are no longer valid; in CacheMemoryContext

void
forget_relation(Datum, Oid relation)
{
	const bool of_all = !OidIsValid(relation) || decides_nulls(relation);
	HASH_SEQ_STATUS status;

	++invalidations;
	latest = nullptr;
	hash_seq_init(&status, answers);
	while (void *entry = hash_seq_search(&status))
	{
		Answer *answer = static_cast<Answer *>(entry);
		if (of_all || answer->question.relation == relation || answer->table.listing == relation)
			answer->valid = false;
		Partition *partition =
			answer->valid && answer->table.kept->partitions != nullptr
				? static_cast<Partition *>(
					  hash_search(answer->table.kept->partitions, &relation, HASH_FIND, nullptr))
				: nullptr;
		if (partition != nullptr)
			partition->valid = false;
	}
}

void
start_cache()
{
	if (answers != nullptr)
		return;
	answers = make_cache("listing_stats price tables", sizeof(Question), sizeof(Answer),
	                     CacheMemoryContext);
	CacheRegisterRelcacheCallback(forget_relation, 0);
}

// What the argument that names the key's columns is called: in some functions "key" is the value.
constexpr const char *key_argument =
	"key => '...' in latest_prices() and latest_rows(), key_column => '...' in other functions";

ResolvedColumn
named_column(Relation relation, const char *name, const char *argument)
{
	const AttrNumber attnum = get_attnum(RelationGetRelid(relation), name);

	if (attnum <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
		                errmsg("column \"%s\" of table \"%s\" does not exist", name,
		                       RelationGetRelationName(relation)),
		                errhint("Name the column: %s.", argument)));
	return read_column(relation, attnum);
}

bool
same_columns(const KeyColumns &a, const KeyColumns &b)
{
	bool same = a.count == b.count;

	for (int i = 0; i < a.count; ++i)
		same = same && is_one_of(a.attnum[i], b.attnum, b.count);
	return same;
}

// As a caller names them.
const char *
list_of(Relation relation, const KeyColumns &key)
{
	const char *column[column_count] = {};

	for (int i = 0; i < key.count; ++i)
		column[list_place(ColumnList::key, i)] =
			NameStr(TupleDescAttr(RelationGetDescr(relation), key.attnum[i] - 1)->attname);
	return format_list(column, ColumnList::key);
}

KeyColumns
named_columns(Relation relation, const char *list)
{
	const char *column[column_count] = {};
	KeyColumns key = {};

	if (const char *problem = parse_list(list, ColumnList::key, column); problem != nullptr)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("invalid list of columns: \"%s\"", list), errdetail("%s", problem),
		                errhint("Name columns, separated by commas: %s.", key_argument)));
	for (key.count = 0; key.count < count_list(column, ColumnList::key); ++key.count)
		key.attnum[key.count] =
			named_column(relation, column[list_place(ColumnList::key, key.count)], key_argument)
				.attnum;
	return key;
}

KeyColumns
columns_of(const Attachment &attachment)
{
	KeyColumns key = {};

	for (key.count = 0; key.count < attachment.key_columns; ++key.count)
		key.attnum[key.count] = attachment.column[list_place(ColumnList::key, key.count)].attnum;
	return key;
}

// How well an attachment fits what the caller named: by its value, by its time, and then one of all
// prices says more of the table than one of some.
int
fit_of(const Attachment &attachment, const ColumnNames &names)
{
	const auto names_own = [&attachment](const char *name, int column) {
		return name != nullptr && strcmp(name, NameStr(attachment.column[column].name)) == 0;
	};

	return 4 * names_own(names.value, price_value) + 2 * names_own(names.at, price_at) +
	       (attachment.condition == nullptr ? 1 : 0);
}

// The column, price_at or price_value, in which the attachments differ and which the caller has to
// name; 0: none.  Of whole rows the value matters where it decides which is the latest.
int
ambiguous_column(const Attachment &a, const Attachment &b, const ColumnNames &names)
{
	const auto differ = [&](int column) {
		return a.column[column].attnum != b.column[column].attnum;
	};

	if (names.value == nullptr && differ(price_value) &&
	    (!names.whole_rows || a.skip_null || b.skip_null))
		return price_value;
	return names.at == nullptr && differ(price_at) ? price_at : 0;
}

// The attachment of the table that has this key, or the only one; nullptr: there is none.  Of
// several the one that fits best.
const Attachment *
attachment_of_table(Relation relation, const KeyColumns &key, const ColumnNames &names)
{
	const Attachment *found = nullptr;
	const Attachment *other = nullptr;

	for (const Trigger *trigger : each<Trigger *>(our_triggers(RelationGetRelid(relation))))
	{
		if (!is_attachment(relation, trigger))
			continue;
		const Attachment *attachment = attachment_now(relation, trigger);
		const KeyColumns own = columns_of(*attachment);
		if (key.count > 0 && !same_columns(key, own))
			continue;
		if (found != nullptr && !same_columns(columns_of(*found), own))
			ereport(ERROR,
			        (errcode(ERRCODE_AMBIGUOUS_COLUMN),
			         errmsg("table \"%s\" is attached by several keys",
			                RelationGetRelationName(relation)),
			         errhint("Name the one to use: \"%s\" or \"%s\".",
			                 list_of(relation, columns_of(*found)), list_of(relation, own))));
		const int better =
			found == nullptr ? 1 : fit_of(*attachment, names) - fit_of(*found, names);
		if (better == 0 && ambiguous_column(*found, *attachment, names) != 0)
			other = attachment;
		// Of one value, all rows count rather than those where it is known.
		else if (better > 0 || (better == 0 && found->skip_null && !attachment->skip_null))
		{
			found = attachment;
			other = better > 0 ? nullptr : other;
		}
	}
	if (const int column = other == nullptr ? 0 : ambiguous_column(*found, *other, names);
	    column != 0)
	{
		const char *argument = column == price_at ? "at" : "value";
		ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_COLUMN),
		                errmsg(column == price_at ? "table \"%s\" is attached with several times"
		                                          : "table \"%s\" is attached with several values",
		                       RelationGetRelationName(relation)),
		                errhint("Name the one to read: %s => %s or %s => %s.", argument,
		                        quote_literal_cstr(NameStr(found->column[column].name)), argument,
		                        quote_literal_cstr(NameStr(other->column[column].name)))));
	}
	return found;
}

// The column of listing that the column of price refers to.
const ResolvedColumn &
referenced_by(const Attachment &attachment, AttrNumber price)
{
	int number = 0;

	while (attachment.column[list_place(ColumnList::key, number)].attnum != price)
		++number;
	return attachment.column[list_place(ColumnList::listing_key, number)];
}

// Whether a price's key is that of a listing in every respect, also how it compares.  For
// inheritance children all_have_listings() has the last word.
bool
has_all_keys(Relation relation, const Attachment &attachment)
{
	bool same = (attachment.foreign_key || has_inheritance_children(relation)) &&
	            !is_distributed(attachment.listing);

	for (int i = 0; same && i < attachment.key_columns; ++i)
	{
		const ResolvedColumn &key = attachment.column[list_place(ColumnList::listing_key, i)];
		const ResolvedColumn &reference = attachment.column[list_place(ColumnList::key, i)];
		same = key.base == reference.base && key.collation == reference.collation;
	}
	return same;
}

CompositeKey *
composite_key(Relation relation, const KeyColumns &key)
{
	CompositeKey *composite = static_cast<CompositeKey *>(palloc0(sizeof(CompositeKey)));
	TupleDesc row = CreateTemplateTupleDesc(key.count);

	composite->columns = key.count;
	for (int i = 0; i < key.count; ++i)
	{
		composite->column[i] = read_column(relation, key.attnum[i]);
		TupleDescInitEntry(row, static_cast<AttrNumber>(i + 1), nullptr, composite->column[i].base,
		                   -1, 0);
	}
	finish_description(row);
	composite->row_type = BlessTupleDesc(row)->tdtypmod;
	return composite;
}

void
set_listing(const Attachment &attachment, PriceTable *table)
{
	table->listing = attachment.listing;
	table->listing_key = referenced_by(attachment, table->key.attnum);
	if (table->composite == nullptr)
		return;
	for (int i = 0; i < key_columns(*table); ++i)
		table->composite->listing_column[i] =
			referenced_by(attachment, key_column(*table, i).attnum);
}

// Whether a foreign key of this very table, the one that was asked for or a child of it, sees to it
// that its prices have listings.
bool
refers_to_listings(Relation relation, const PriceTable &table)
{
	const int count = key_columns(table);
	AttrNumber key[most_key_columns];
	AttrNumber wanted[most_key_columns];
	AttrNumber referenced[most_key_columns];

	for (int i = 0; i < count; ++i)
	{
		key[i] = get_attnum(RelationGetRelid(relation), NameStr(key_column(table, i).name));
		wanted[i] = listing_column(table, i).attnum;
	}
	// A copy: lookups may have the relation cache free its own.
	List *keys = static_cast<List *>(copyObjectImpl(RelationGetFKeyList(relation)));
	for (const ForeignKeyCacheInfo *foreign_key : each<ForeignKeyCacheInfo *>(keys))
	{
		if (foreign_key->confrelid == table.listing &&
		    is_on(*foreign_key, key, count, referenced) &&
		    std::equal(wanted, wanted + count, referenced) &&
		    is_checked(relation, foreign_key->conoid))
			return true;
	}
	return false;
}

KeyColumns
only_key(Relation relation)
{
	const char relkind = relation->rd_rel->relkind;
	const bool is_table = relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE;

	return only_foreign_key(
		relation, psprintf("Name the columns that refer to the listing: %s%s.", key_argument,
	                       is_table ? "; or attach the table with listing_stats.attach()" : ""));
}

PriceTable
resolve_table(Relation relation, const ColumnNames &names)
{
	KeyColumns key = names.key == nullptr ? KeyColumns{} : named_columns(relation, names.key);
	const Attachment *attachment = attachment_of_table(relation, key, names);
	const auto names_another = [attachment](const char *name, int column) {
		return attachment == nullptr ||
		       (name != nullptr && strcmp(name, NameStr(attachment->column[column].name)) != 0);
	};
	PriceTable table = {};

	if (key.count == 0)
		key = attachment == nullptr ? only_key(relation) : columns_of(*attachment);
	table.relation = RelationGetRelid(relation);
	namestrcpy(&table.name, RelationGetRelationName(relation));
	table.key = read_column(relation, key.attnum[0]);
	if (key.count > 1)
		table.composite = composite_key(relation, key);
	if (attachment != nullptr)
	{
		table.at = attachment->column[price_at];
		table.tie = attachment->column[price_tie];
		table.value = attachment->column[price_value];
		table.skip_null = attachment->skip_null;
		if (has_all_keys(relation, *attachment))
			set_listing(*attachment, &table);
	}
	if (names_another(names.at, price_at))
	{
		table.at =
			named_column(relation, names.at == nullptr ? "created" : names.at, "at => '...'");
		key.attnum[key.count] = table.at.attnum;
		const int tie = primary_key_column(relation, key.attnum, key.count + 1);
		table.tie =
			tie > 0 ? read_column(relation, static_cast<AttrNumber>(tie)) : ResolvedColumn{};
	}
	if (names_another(names.value, price_value) && (names.value != nullptr || !names.whole_rows))
	{
		table.value = named_column(relation, names.value == nullptr ? "value" : names.value,
		                           "value => '...'");
		table.skip_null = false;
	}
	if (table.tie.attnum == table.at.attnum)
		table.tie = {};
	check_column_type(relation, table.at, true);
	if (!names.whole_rows)
		check_column_type(relation, table.value, false);
	table.distributed = is_distributed(table.relation);
	table.partitioning = partitioning_of(relation, table);
	choose_leaf_index(relation, &table);
	return table;
}

CompositeKey *
copy_of(const CompositeKey &key, MemoryContext context)
{
	CompositeKey *copy =
		static_cast<CompositeKey *>(MemoryContextAlloc(context, sizeof(CompositeKey)));

	*copy = key;
	return copy;
}

// Plans that are running are needed until they have ended.
void
free_old()
{
	ListCell *cell = nullptr;

	foreach (cell, old_kept)
	{
		Kept *kept = static_cast<Kept *>(lfirst(cell));
		if (kept->users > 0 || kept->holders > 0)
			continue;
		old_kept = foreach_delete_current(old_kept, cell);
		for (SPIPlanPtr plan : kept->plan)
			SPI_freeplan(plan);
		if (kept->partitions != nullptr)
			hash_destroy(kept->partitions);
		if (kept->composite != nullptr)
			pfree(kept->composite);
		pfree(kept);
	}
}

void
drop_kept(Answer *answer)
{
	MemoryContext old = MemoryContextSwitchTo(CacheMemoryContext);

	if (answer->table.kept != nullptr)
		old_kept = lappend(old_kept, answer->table.kept);
	answer->table.kept = nullptr;
	MemoryContextSwitchTo(old);
}

void
let_go(void *kept)
{
	--static_cast<Kept *>(kept)->holders;
}

// Until the context is reset or deleted.
void
hold(Kept *kept, MemoryContext context)
{
	MemoryContextCallback *callback = static_cast<MemoryContextCallback *>(
		MemoryContextAlloc(context, sizeof(MemoryContextCallback)));

	callback->func = let_go;
	callback->arg = kept;
	MemoryContextRegisterResetCallback(context, callback);
	++kept->holders;
}

// Those of tables that are gone would stay for as long as the session.
void
forget_stale_answers()
{
	constexpr long many = 100;
	HASH_SEQ_STATUS status;

	if (hash_get_num_entries(answers) < many)
		return;
	hash_seq_init(&status, answers);
	while (void *entry = hash_seq_search(&status))
	{
		Answer *answer = static_cast<Answer *>(entry);
		if (answer->valid)
			continue;
		drop_kept(answer);
		hash_search(answers, &answer->question, HASH_REMOVE, nullptr);
	}
}

Question
question_of(Oid relation, const ColumnNames &names)
{
	Question question = {};

	question.relation = relation;
	strlcpy(question.key, names.key == nullptr ? "" : names.key, longest_key);
	namestrcpy(&question.at, names.at == nullptr ? "" : names.at);
	namestrcpy(&question.value, names.value == nullptr ? "" : names.value);
	question.whole_rows = names.whole_rows;
	return question;
}

bool
is_named(const char *name, const char *argument)
{
	return strcmp(name, argument == nullptr ? "" : argument) == 0;
}

bool
can_be_kept(const ColumnNames &names)
{
	return names.key == nullptr || strlen(names.key) < longest_key;
}

// The answer that is known and still right, or nullptr.
const Answer *
known_answer(Oid relation, const ColumnNames &names)
{
	if (latest != nullptr && latest->question.relation == relation &&
	    is_named(latest->question.key, names.key) &&
	    is_named(NameStr(latest->question.at), names.at) &&
	    is_named(NameStr(latest->question.value), names.value) &&
	    latest->question.whole_rows == names.whole_rows)
		return latest;
	if (!can_be_kept(names))
		return nullptr;
	const Question question = question_of(relation, names);
	Answer *answer = static_cast<Answer *>(hash_search(answers, &question, HASH_FIND, nullptr));
	if (answer == nullptr || !answer->valid)
		return nullptr;
	latest = answer;
	return answer;
}

// nullptr: nothing is kept with the table.
HTAB *
partitions_of(const PriceTable &table)
{
	if (table.kept == nullptr)
		return nullptr;
	if (table.kept->partitions == nullptr)
		table.kept->partitions = make_cache("listing_stats partitions", sizeof(Oid),
		                                    sizeof(Partition), CacheMemoryContext);
	return table.kept->partitions;
}

}  // namespace

KeyColumns
only_foreign_key(Relation price, const char *hint)
{
	KeyColumns found = {};
	bool several = false;

	for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(price))
	{
		KeyColumns key = {foreign_key->nkeys, {}};
		std::copy_n(foreign_key->conkey, key.count, key.attnum);
		several = several || (found.count > 0 && !same_columns(found, key));
		found = found.count == 0 ? key : found;
	}
	if (found.count == 0 || several)
		ereport(ERROR, (errcode(several ? ERRCODE_AMBIGUOUS_COLUMN : ERRCODE_UNDEFINED_COLUMN),
		                errmsg(several ? "table \"%s\" has several foreign keys"
		                               : "table \"%s\" has no foreign key",
		                       RelationGetRelationName(price)),
		                errhint("%s", hint)));
	if (found.count > most_key_columns)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("the foreign key of table \"%s\" has %d columns",
		                       RelationGetRelationName(price), found.count),
		                errhint("Keys have at most %d columns.", most_key_columns)));
	return found;
}

bool
all_have_listings(const PriceTable &table)
{
	bool all = OidIsValid(table.listing);

	// Without children the attachment has said so; the foreign key of partitions is the table's.
	if (!all || table.partitioning != Partitioning::none || !has_subclass(table.relation))
		return all;
	for (const Oid part : each<Oid>(find_all_inheritors(table.relation, AccessShareLock, nullptr)))
	{
		Relation relation = relation_open(part, NoLock);
		all = all && refers_to_listings(relation, table);
		relation_close(relation, NoLock);
	}
	return all;
}

Partitioning
partitioning_of(Relation relation, const PriceTable &table)
{
	if (relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return Partitioning::none;
	const PartitionKey key = RelationGetPartitionKey(relation);
	const PartitionDesc partitions = RelationGetPartitionDesc(relation, true);

	// A partition key can name one column twice.  Then it has more columns than the key, and one
	// value does not find the partition.
	bool by_key = key->partnatts <= key_columns(table);
	AttrNumber column[most_key_columns];
	for (int i = 0; i < key_columns(table); ++i)
		column[i] = key_column(table, i).attnum;
	for (int i = 0; i < key->partnatts; ++i)
		by_key = by_key && is_one_of(key->partattrs[i], column, key_columns(table));
	if (by_key)
		return Partitioning::by_key;
	if (key->partnatts != 1)
		return Partitioning::otherwise;
	const TypeCacheEntry *at = lookup_type_cache(table.at.base, TYPECACHE_BTREE_OPFAMILY);
	if (key->strategy != PARTITION_STRATEGY_RANGE || key->partattrs[0] != table.at.attnum ||
	    key->partopfamily[0] != at->btree_opf || partitions->nparts == 0)
		return Partitioning::otherwise;
	return partition_bound_has_default(partitions->boundinfo) ? Partitioning::by_time_and_default
	                                                          : Partitioning::by_time;
}

const PriceTable *
find_price_table(Oid oid, const ColumnNames &names)
{
	bool found = false;

	start_cache();

	// The lock first: with it come the messages of what has changed.
	Relation relation = try_relation_open(oid, AccessShareLock);
	if (relation == nullptr)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("relation with OID %u does not exist", oid)));
	PriceTable *copy = static_cast<PriceTable *>(palloc(sizeof(PriceTable)));
	const Answer *known = known_answer(oid, names);
	if (known != nullptr)
		*copy = known->table;
	else if (!can_be_kept(names))
		*copy = resolve_table(relation, names);
	else
	{
		const uint64 before = invalidations;
		*copy = resolve_table(relation, names);
		forget_stale_answers();
		const Question question = question_of(oid, names);
		Answer *answer = static_cast<Answer *>(hash_search(answers, &question, HASH_ENTER, &found));
		if (found)
			drop_kept(answer);
		free_old();
		answer->valid = false;
		answer->table = *copy;
		// What came in meanwhile may concern what was read: use it this once.
		if (invalidations == before)
		{
			Kept *kept =
				static_cast<Kept *>(MemoryContextAllocZero(CacheMemoryContext, sizeof(Kept)));
			answer->table.kept = kept;
			if (copy->composite != nullptr)
				answer->table.composite = kept->composite =
					copy_of(*copy->composite, CacheMemoryContext);
			answer->valid = true;
			*copy = answer->table;
		}
	}
	if (copy->composite != nullptr)
	{
		copy->composite = copy_of(*copy->composite, CurrentMemoryContext);
		if (copy->kept != nullptr)
			hold(copy->kept, CurrentMemoryContext);
	}
	relation_close(relation, NoLock);  // until the transaction ends, as a query's
	return copy;
}

const PriceTable *
find_partition(const PriceTable &table, Relation partition)
{
	Assert(CheckRelationLockedByMe(partition, AccessShareLock, true) && table.composite == nullptr);
	const Oid oid = RelationGetRelid(partition);
	HTAB *partitions = partitions_of(table);
	Partition *known =
		partitions == nullptr
			? nullptr
			: static_cast<Partition *>(hash_search(partitions, &oid, HASH_FIND, nullptr));
	if (known != nullptr && known->valid)
		return &known->table;

	const uint64 before = invalidations;
	PriceTable *columns = static_cast<PriceTable *>(palloc(sizeof(PriceTable)));
	ResolvedColumn *const resolved[] = {&columns->key, &columns->at, &columns->tie,
	                                    &columns->value};
	*columns = table;
	columns->relation = oid;
	for (ResolvedColumn *column : resolved)
	{
		if (column->attnum != 0)
			*column = read_column(partition, get_attnum(oid, NameStr(column->name)));
	}
	columns->partitioning = partitioning_of(partition, *columns);
	choose_leaf_index(partition, columns);
	if (partitions != nullptr && invalidations == before)
	{
		known = static_cast<Partition *>(hash_search(partitions, &oid, HASH_ENTER, nullptr));
		known->table = *columns;
		known->valid = true;
	}
	return columns;
}

const PriceTable *
known_price_table(Oid oid, const ColumnNames &names)
{
	start_cache();
	const Answer *answer = known_answer(oid, names);
	return answer == nullptr ? nullptr : &answer->table;
}

}  // namespace listing_stats
