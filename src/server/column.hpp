// A column as the catalogue has it, and what its type can do: keep the values of another column, or
// be a key.
#pragma once

#include "server/postgres.hpp"

namespace listing_stats {

struct ResolvedColumn
{
	AttrNumber attnum;  // in the table named by the attachment, not in a partition; 0: not kept
	Oid type;
	int32 typmod;
	Oid collation;
	bool not_null;
	NameData name;
	Oid base = InvalidOid;  // the type, or what a domain is of
};

// How values of a type are held, compared and sent.
struct ComparedType
{
	Oid type;
	Oid array_type;
	Oid operator_family;  // of the default btree operator class
	Oid collation;
	int16 length;
	bool by_value;
	char alignment;
	FmgrInfo compare;
	int32 record;  // of a record of several columns, which one: its type modifier
};

inline bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

// As SQL has it whatever the search_path is.
inline char *
qualified_type(Oid type, int32 typmod = -1)
{
	return format_type_extended(type, typmod,
	                            FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

// Tells apart types whose values are not laid out alike.
inline uint64
layout_of(const ComparedType &type)
{
	return static_cast<uint64>(type.type) << 32 | static_cast<uint32>(type.record);
}

// Whether the type says which instant a value of it means; and that instant, in the session's time
// zone where the type has none.
bool is_time_type(Oid type);
TimestampTz instant_of(Oid type, Datum time);

// Whether only values of the same bytes are equal in it; without a collation they are.
bool collation_is_deterministic(Oid collation);

ResolvedColumn read_column(Relation relation, AttrNumber attnum);

// Whether a column's not_null has depended on this table, which is below its own.
bool decides_nulls(Oid child);

// Sets *result, with what lives longer in "context"; false: the type has no default btree operator
// class, or no array type.
bool resolve_compared_type(Oid type, Oid collation, MemoryContext context, ComparedType *result);

// An array of such values; "null" is nullptr if none is NULL.
Datum array_of(const ComparedType &type, Datum *value, bool *null, Size count);

// A copy of a value, decompressed and whole.
inline Datum
copy_value(Datum value, bool by_value, int16 length)
{
	return length == -1 ? PointerGetDatum(PG_DETOAST_DATUM_COPY(value))
	                    : datumCopy(value, by_value, length);
}

// The type of both key columns, except integers, which are all held as bigint.  False: no btree
// operator family has both types, or they are composite.
bool resolve_key_type(const ResolvedColumn &listing_key, const ResolvedColumn &price_key,
                      MemoryContext context, ComparedType *result);

// Whether it is a number, as prices are of which something is computed.
bool is_number(Oid type);

// How the values of one column can be kept in another.
enum class Fit
{
	exact,
	narrower,  // some values would be refused
	rounded,   // some values would be changed
	unlike
};
Fit column_fit(const ResolvedColumn &source, const ResolvedColumn &target);

bool is_one_of(AttrNumber column, const AttrNumber *columns, int count);

// The columns of the primary key, at most INDEX_MAX_KEYS; returns their number, 0 if there is none.
int primary_key(Relation relation, AttrNumber *column);

// Its only column that is none of these; 0: none; -1: several.
int primary_key_column(Relation relation, const AttrNumber *without, int count);

// What "text" gives for each of so many, with the separator between.
template <typename Text>
char *
joined(int count, const char *separator, const Text &text)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < count; ++i)
		appendStringInfo(&out, "%s%s", i > 0 ? separator : "", text(i));
	return out.data;
}

// What pg_index has of an index as "attribute", its expressions (Anum_pg_index_indexprs) or its
// predicate (Anum_pg_index_indpred): nullptr, nothing.  The relation cache has it simplified, which
// runs functions of the owner's.
Node *stored_expression(Oid index, AttrNumber attribute);

// An operator as SQL has it whatever the search_path is: "OPERATOR(schema.name)".
char *qualified_operator(Oid operator_oid);

// The expression in a collation, as SQL has it whatever the search_path is; as it is without one.
const char *in_collation(const char *expression, Oid collation);

// An error unless the column can be a price, or a time.
void check_column_type(Relation price, const ResolvedColumn &column, bool as_time);

// Whether the foreign key is on exactly these columns, in whatever order: sets those that they
// refer to.
bool is_on(const ForeignKeyCacheInfo &foreign_key, const AttrNumber *column, int count,
           AttrNumber *referenced);

// Whether a foreign key of this column alone refers to that of another table.
bool refers_to(Relation relation, AttrNumber column, Oid table, AttrNumber referenced);

}  // namespace listing_stats
