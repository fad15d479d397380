// A column as the catalogue has it, and what its type can do: keep the values of another column, or
// be a key.
#pragma once

#include "pg/pg.hpp"

namespace listing_stats {

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

ResolvedColumn read_column(Relation relation, AttrNumber attnum);

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

}  // namespace listing_stats
