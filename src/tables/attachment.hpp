// An attachment as the server sees it now: tables, column numbers and types resolved from what its
// triggers say.
//
// Who resolves one holds a lock on the table that the trigger is on, and makes the memory context
// that all of it is in.  What it says is right until the relation cache tells of a change of one of
// the tables: attachment_cache.hpp keeps attachments and listens for that.  A column that is not
// kept or not named has attnum 0.
#pragma once

#include "server/column.hpp"
#include "tables/trigger_catalog.hpp"

namespace listing_stats {

// Which of the two tables a trigger sits on.
enum class Side
{
	listing,
	price
};

// The statements that keep an attachment right, see maintenance_sql.hpp: those that read from
// "read" to "read_found", and those that write from "write" to "remove".
enum class Statement
{
	lock,
	lock_free,
	read,
	read_added,
	read_head,
	read_keys,
	read_listings,
	read_needed,
	read_found,
	write,
	write_added,
	write_all,
	remove,
	check,
	check_added,
	count
};

struct DirectPath;  // see direct_way.hpp

struct Attachment : Options
{
	Oid listing;
	Oid price;
	NameData listing_name;
	NameData price_name;
	Oid owner;  // of both tables
	ResolvedColumn column[column_count];
	bool foreign_key;      // from price to listing, checked for all that we see
	bool any_foreign_key;  // from price to listing, checked or not

	// Which prices count, as it reads now; nullptr: all.
	const char *condition;
	Node *condition_tree;

	// A key of one column is held as that column's type, and one of several as a row of theirs.
	ComparedType key;
	int key_columns;
	ComparedType key_column[most_key_columns];
	TupleDesc key_row;  // of several columns

	// Of the values; without an order (type InvalidOid) where nothing is computed from them.
	ComparedType value;

	// The rest belongs to the cache: the trigger (of the table itself, not a partition's clone)
	// that this was read from, plans and the direct path, which are made when first needed, and
	// whether it is still right.
	Oid relation;
	Oid trigger;
	MemoryContext context;
	SPIPlanPtr plan[static_cast<int>(Statement::count)];
	TupleDesc shape[5];  // of the rows that statements take and give, when first needed
	const DirectPath *direct_path;
	void *counts;                // see flush_counts.hpp; nullptr: not known yet
	mutable HTAB *price_tables;  // what is known of price and its partitions, see price_lookup.hpp
	bool valid;
};

// Why a definition does not fit the tables as they are.
struct Problem
{
	int sqlstate;
	const char *message;
	const char *hint;
};

// Resolves what a trigger on "relation" says, in result->context; false: it does not fit, and
// *problem says why.
bool resolve(Relation relation, const Trigger *trigger, Side side, Attachment *result,
             Problem *problem);

// The condition, of an attachment that has one, for rows of price or of a part of it.  Where it
// means nothing an error says so.
Node *condition_on(const Attachment &attachment, Relation table);

// Whether both tables have one owner.  Whether their keys can be compared; sets key and key_column,
// which say how.
bool check_owner(Relation listing, Relation price, Problem *problem);
bool check_key_types(Attachment *attachment, Problem *problem);

// The problem as an error.
[[noreturn]] void raise(const Problem &problem);

// The same of a trigger on price; an error says why it does not fit.
Attachment *attachment_now(Relation price, const Trigger *trigger);

// What triggers of the attachment say.
Definition definition_of(const Attachment &attachment);

// What the trigger says, with names and condition as they are now if all of it resolves.
Definition definition_now(Relation relation, const Trigger *trigger, Side side);

// Whether there is a record, of this very table: inheritance children have that of their parent,
// and what is restored has none.
bool record_is_of(const Definition &definition, Relation relation, Side side);

// Whether tables inherit from price, which have foreign keys of their own or none.
bool has_inheritance_children(Relation price);

// Whether the foreign key has been checked for all prices in this very table, and is wherever our
// triggers fire: not if it is not enforced, nor for what is replicated.
bool is_checked(Relation price, Oid constraint);

// Inheritance parents, and of a partition the table it is a partition of.
List *parents_of(Oid relation);

// The price table that is attached where a trigger on "relation" is of it, a partition or an
// inheritance child; "relation" itself otherwise.
Oid attached_root(Oid relation, const Trigger *trigger);

// Whether the trigger on "relation" is left over: the table that its arguments name or record is
// another one, which "relation" was a part of.
bool is_stray(Relation relation, const Trigger *trigger);

// Whether the trigger is that of an attachment's price table, neither of a part of it nor left
// over.
bool is_attachment(Relation relation, const Trigger *trigger);

// The other table of the attachment that the trigger is part of: the one that has the other half.
// InvalidOid: none has, or several.
Oid other_half(Relation relation, const Trigger *trigger, Side side);

// The one that the trigger was made for, by its number, whether it still has the trigger or not;
// InvalidOid: nothing says so.
Oid recorded_half(Relation relation, const Trigger *trigger, Side side);

// The triggers on price of its attachments to the listing.
List *attachments_to(Oid listing, Relation price);

// An error that there are none, of tables that are locked.
[[noreturn]] void not_attached(Oid listing, Oid price);

// Whether the trigger names "other" as the other table, and that has lost its half.
bool is_orphan_of(Relation relation, const Trigger *trigger, Side side, Oid other);

// The column of price whose type a target has; the count's is made up.
ResolvedColumn source_of(const Attachment &attachment, int target);

// The columns of the key, of price or of listing, as SQL has them: quoted, with commas between.
char *sql_list(const Attachment &attachment, ColumnList list, const char *prefix = "");

// Whether a column is kept that has a value of one row, most often the latest, and not one of all
// prices.
bool keeps_values_of_rows(const Attachment &attachment);

// What messages call it: column "value", or the number of prices.
const char *source_name(const ResolvedColumn &source);

// A key from what its columns hold, none of which is NULL: of "type" each, as the attachment's
// columns or its key's have them.  And its columns, as the key's types hold them.
Datum make_key(const Attachment &attachment, const Datum *column, const Oid *type);
void split_key(const Attachment &attachment, Datum key, Datum *column);

// Whether the attachments keep prices of the same listings by the same columns of listing.
bool same_listing_key(const Attachment &a, const Attachment &b);

// Whether a kept column has to have every byte as it is in the latest row, as what is neither a
// number nor the time has: what compares as equal can look different.
bool is_kept_to_the_byte(const Attachment &attachment, int target);

// Whether what was inserted is added to what is stored, for targets that depend on more than the
// latest row of a listing.  Not where what is stored may be the application's.
bool adds_inserted(const Attachment &attachment);

// The first target that is kept of those that "is" says; end_of_targets: none.  The first of all
// tells attachments of two tables apart: no column is kept by two.
template <typename Is>
int
first_kept(const Attachment &attachment, Is is)
{
	int target = first_target;

	while (target < end_of_targets && (attachment.column[target].attnum == 0 || !is(target)))
		++target;
	return target;
}

bool same_attachment(const Attachment &a, const Attachment &b);

// The table that has a name as definitions have it; InvalidOid: none.
Oid table_by_name(const char *name);

// Qualified and quoted.
char *qualified_name(Oid relation);

}  // namespace listing_stats
