// An attachment as the server sees it now: tables, column numbers and types resolved from what its
// triggers say, kept per backend until the relation cache says that something changed.
#pragma once

#include "pg/definition.hpp"

namespace listing_stats {

// Which of the two tables a trigger sits on.
enum class Side
{
	listing,
	price
};

struct ResolvedColumn
{
	AttrNumber attnum;  // in the table named by the attachment, not in a partition; 0: not kept
	Oid type;
	int32 typmod;
	Oid collation;
	bool not_null;
	NameData name;
};

// How keys are held, compared and sent.  Both key columns have this type, but for integers, which
// are all held as bigint.
struct KeyType
{
	Oid type;
	Oid array_type;
	Oid operator_family;  // of the default btree operator class
	Oid collation;        // the listing key's
	int16 length;
	bool by_value;
	char alignment;
	FmgrInfo compare;
};

// The statements that keep an attachment right, see queries.hpp.
enum Query
{
	lock_one,
	lock_many,
	write_one,
	write_many,
	write_all,
	query_count
};

struct Attachment
{
	Oid listing;
	Oid price;
	NameData listing_name;
	NameData price_name;
	Oid owner;  // of both tables
	ResolvedColumn column[column_count];
	KeyType key;

	// The rest belongs to the cache: the trigger (of the table itself, not a partition's clone)
	// that this was read from, saved plans made when first needed, and whether it is still right.
	Oid relation;
	Oid trigger;
	MemoryContext context;
	SPIPlanPtr plan[query_count];
	bool valid;
};

// The attachment of a trigger with the column numbers of the trigger's own relation, which may be a
// partition.
struct TriggerColumns
{
	Oid trigger;  // hash key
	Oid relation;
	Attachment *attachment;           // nullptr: on listing, and the price table is gone
	AttrNumber attnum[column_count];  // of the columns on the trigger's side
	bool valid;
};

// Why a definition does not fit the tables as they are.
struct Problem
{
	int sqlstate;
	const char *message;
	const char *hint;
};

// For the trigger that is firing.  An error says what to do where names no longer fit; nullptr: the
// trigger is on listing, and the price table is gone (a warning has been given).
TriggerColumns *columns_of_trigger(const TriggerData *event, Side side);

// For later than the event that met the trigger.
Attachment *attachment_of(Oid relation, Oid trigger, Side side);

// Frees what the relation cache has made stale.  At the end of a transaction, when no flush runs.
void free_stale_attachments();

// Resolves what a trigger on "relation" says, in result->context; false: it does not fit, and
// *problem says why.
bool resolve(Relation relation, const Trigger *trigger, Side side, Attachment *result,
             Problem *problem);

// Sets *result for the two key columns, with what lives longer in "context"; false: no btree
// operator family has both types.
bool resolve_key_type(const ResolvedColumn &listing_key, const ResolvedColumn &price_key,
                      MemoryContext context, KeyType *result);

// How the values of one column can be kept in another.
enum class Fit
{
	exact,
	narrower,  // some values would be rounded or refused
	unlike
};
Fit column_fit(const ResolvedColumn &source, const ResolvedColumn &target);

// The functions that the triggers of an attachment call, and their OIDs.
constexpr const char *price_changed = "price_changed";
constexpr const char *listing_changed = "listing_changed";
constexpr const char *price_truncated = "price_truncated";
Oid trigger_function(const char *name);

// Whether a trigger calls one of them.
bool is_our_trigger(const Trigger *trigger);

// The triggers of an attachment, on both tables, have the same arguments.
bool same_arguments(const Trigger *a, const Trigger *b);

// The other table of the attachment that the trigger is part of: the one that has the other half.
// InvalidOid: none has, or several.
Oid other_half(Relation relation, const Trigger *trigger, Side side);

// The column that refers to the listing, by the name it has now; nullptr: it is gone.
const char *key_of_price(Relation price, const Trigger *trigger);

bool same_attachment(const Attachment &a, const Attachment &b);

ResolvedColumn read_column(Relation relation, AttrNumber attnum);

// Qualified and quoted.
char *qualified_name(Oid relation);

}  // namespace listing_stats
