// Columns and their types, see column.hpp.
#include "server/column.hpp"

#include <algorithm>

namespace listing_stats {

namespace {

// Types that hold the same bytes, up to a length.
bool
is_text(Oid type)
{
	return type == TEXTOID || type == VARCHAROID;
}

// How many digits an integer type can have before the point.
int
integer_digits(Oid type)
{
	return type == INT2OID ? 5 : type == INT4OID ? 10 : 19;
}

// As numeric.c packs them.
int
numeric_precision(int32 typmod)
{
	return ((typmod - static_cast<int32>(VARHDRSZ)) >> 16) & 0xffff;
}

int
numeric_scale(int32 typmod)
{
	return (((typmod - static_cast<int32>(VARHDRSZ)) & 0x7ff) ^ 1024) - 1024;
}

Fit
numeric_fit(Oid source_type, int32 source_typmod, int32 target_typmod)
{
	if (target_typmod < static_cast<int32>(VARHDRSZ))
		return Fit::exact;
	const int target_scale = numeric_scale(target_typmod);
	const int target_digits = numeric_precision(target_typmod) - target_scale;
	int scale = 0;
	int digits = 0;

	if (is_integer(source_type))
		digits = integer_digits(source_type);
	else if (source_typmod < static_cast<int32>(VARHDRSZ))
		return Fit::rounded;
	else
	{
		scale = numeric_scale(source_typmod);
		digits = numeric_precision(source_typmod) - scale;
	}
	if (target_scale < scale)
		return Fit::rounded;
	return target_digits >= digits ? Fit::exact : Fit::narrower;
}

}  // namespace

bool
collation_is_deterministic(Oid collation)
{
	return !OidIsValid(collation) || get_collation_isdeterministic(collation);
}

Fit
column_fit(const ResolvedColumn &source, const ResolvedColumn &target)
{
	int32 source_typmod = source.typmod;
	int32 target_typmod = target.typmod;
	const Oid source_type = getBaseTypeAndTypmod(source.type, &source_typmod);
	const Oid target_type = getBaseTypeAndTypmod(target.type, &target_typmod);

	// A domain may refuse values, and NULL, that its base type takes.
	const bool domain = target_type != target.type && source.type != target.type;
	Fit fit = Fit::unlike;

	if (source_type == NUMERICOID || is_integer(source_type))
	{
		if (target_type == NUMERICOID)
			fit = numeric_fit(source_type, source_typmod, target_typmod);
		else if (is_integer(source_type) && is_integer(target_type))
			fit = integer_digits(target_type) >= integer_digits(source_type) ? Fit::exact
			                                                                 : Fit::narrower;
		else if (is_integer(target_type) || target_type == FLOAT8OID)
			fit = Fit::rounded;
	}
	else if (source_type == target_type || (is_text(source_type) && is_text(target_type)))
	{
		const bool longer =
			is_text(target_type) && source_typmod >= 0 && target_typmod >= source_typmod;
		fit = source_typmod == target_typmod || target_typmod < 0 || longer ? Fit::exact
		                                                                    : Fit::rounded;
	}
	else if (source_type == FLOAT8OID && (target_type == NUMERICOID || is_integer(target_type)))
		fit = Fit::rounded;
	return fit == Fit::exact && domain ? Fit::narrower : fit;
}

bool
resolve_compared_type(Oid type, Oid collation, MemoryContext context, ComparedType *result)
{
	const TypeCacheEntry *entry =
		lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY | TYPECACHE_CMP_PROC_FINFO);
	result->array_type = get_array_type(type);
	if (!OidIsValid(entry->cmp_proc_finfo.fn_oid) || !OidIsValid(result->array_type))
		return false;
	result->type = type;
	result->operator_family = entry->btree_opf;
	result->collation = collation;
	result->length = entry->typlen;
	result->by_value = entry->typbyval;
	result->alignment = entry->typalign;
	fmgr_info_copy(&result->compare, const_cast<FmgrInfo *>(&entry->cmp_proc_finfo), context);
	return true;
}

Datum
array_of(const ComparedType &type, Datum *value, bool *null, Size count)
{
	int dimension = static_cast<int>(count);
	int lower_bound = 1;

	return PointerGetDatum(construct_md_array(value, null, 1, &dimension, &lower_bound, type.type,
	                                          type.length, type.by_value, type.alignment));
}

bool
resolve_key_type(const ResolvedColumn &listing_key, const ResolvedColumn &price_key,
                 MemoryContext context, ComparedType *result)
{
	Oid type = InvalidOid;
	const ResolvedColumn *sides[] = {&listing_key, &price_key};

	for (const ResolvedColumn *side : sides)
	{
		const Oid base = getBaseType(side->type);
		const TypeCacheEntry *entry = lookup_type_cache(base, TYPECACHE_BTREE_OPFAMILY);
		Oid compared = base;

		if (!OidIsValid(entry->btree_opf))
			return false;
		if (is_integer(base))
			compared = INT8OID;
		else if (!IsPolymorphicType(entry->btree_opintype))
			compared = entry->btree_opintype;  // text for varchar
		// Rows have no array that could be sent.
		if (compared == RECORDOID || (OidIsValid(type) && type != compared))
			return false;
		type = compared;
	}
	// Two keys that are equal in one column could differ in the other.
	if (listing_key.collation != price_key.collation &&
	    !(collation_is_deterministic(listing_key.collation) &&
	      collation_is_deterministic(price_key.collation)))
		return false;
	return resolve_compared_type(type, listing_key.collation, context, result);
}

bool
is_time_type(Oid type)
{
	return type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID;
}

TimestampTz
instant_of(Oid type, Datum time)
{
	switch (type)
	{
	case TIMESTAMPOID:
		return DatumGetTimestampTz(DirectFunctionCall1(timestamp_timestamptz, time));
	case DATEOID:
		return DatumGetTimestampTz(DirectFunctionCall1(date_timestamptz, time));
	default:
		Assert(type == TIMESTAMPTZOID);
		return DatumGetTimestampTz(time);
	}
}

namespace {

// The inheritance children that were asked.  A child can drop a NOT NULL of its own, and before
// PostgreSQL 18 any, of which its parent is not told.
HTAB *asked_children = nullptr;

bool
child_takes_null(Oid child, const char *column)
{
	if (asked_children == nullptr)
		asked_children = make_cache("listing_stats inheritance children", sizeof(Oid), sizeof(Oid),
		                            CacheMemoryContext);
	hash_search(asked_children, &child, HASH_ENTER, nullptr);
	HeapTuple tuple = SearchSysCacheAttName(child, column);
	if (!HeapTupleIsValid(tuple))
		return false;
	const bool takes = !reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple))->attnotnull ||
	                   get_rel_relkind(child) == RELKIND_FOREIGN_TABLE;

	ReleaseSysCache(tuple);
	return takes;
}

// Whether no row that a query of the table reads has NULL there.  A foreign table's server need not
// see to it, and the column of an inheritance child can take it.
bool
is_never_null(Relation relation, AttrNumber attnum)
{
	const TupleDesc description = RelationGetDescr(relation);
	const Form_pg_attribute attribute = TupleDescAttr(description, attnum - 1);

	if (!attribute->attnotnull || has_unchecked_nulls(description, attnum - 1) ||
	    relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		return false;
	if (relation->rd_rel->relkind != RELKIND_RELATION || !relation->rd_rel->relhassubclass)
		return true;
	for (const Oid child :
	     each<Oid>(find_all_inheritors(RelationGetRelid(relation), NoLock, nullptr)))
	{
		if (child != RelationGetRelid(relation) &&
		    child_takes_null(child, NameStr(attribute->attname)))
			return false;
	}
	return true;
}

}  // namespace

bool
decides_nulls(Oid child)
{
	return asked_children != nullptr &&
	       hash_search(asked_children, &child, HASH_FIND, nullptr) != nullptr;
}

ResolvedColumn
read_column(Relation relation, AttrNumber attnum)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), attnum - 1);
	ResolvedColumn column = {attnum,
	                         attribute->atttypid,
	                         attribute->atttypmod,
	                         attribute->attcollation,
	                         is_never_null(relation, attnum),
	                         {},
	                         getBaseType(attribute->atttypid)};

	namestrcpy(&column.name, NameStr(attribute->attname));
	return column;
}

bool
is_one_of(AttrNumber column, const AttrNumber *columns, int count)
{
	return std::find(columns, columns + count, column) != columns + count;
}

// Deferrable ones too, which the relation cache does not have as the primary key before 17.
int
primary_key(Relation relation, AttrNumber *column)
{
	int count = 0;

	for (const Oid oid : each<Oid>(RelationGetIndexList(relation)))
	{
		Relation index = index_open(oid, AccessShareLock);
		for (int i = 0; index->rd_index->indisprimary && i < index->rd_index->indnkeyatts; ++i)
			column[count++] = index->rd_index->indkey.values[i];
		index_close(index, AccessShareLock);
	}
	return count;
}

int
primary_key_column(Relation relation, const AttrNumber *without, int count)
{
	AttrNumber primary[INDEX_MAX_KEYS];
	const int columns = primary_key(relation, primary);
	int found = 0;

	for (int i = 0; i < columns; ++i)
	{
		if (!is_one_of(primary[i], without, count))
			found = found == 0 ? primary[i] : -1;
	}
	return found;
}

Node *
stored_expression(Oid index, AttrNumber attribute)
{
	bool is_null = true;
	Node *expression = nullptr;
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));

	if (!HeapTupleIsValid(tuple))
		return nullptr;
	const Datum stored = SysCacheGetAttr(INDEXRELID, tuple, attribute, &is_null);
	if (!is_null)
		expression = static_cast<Node *>(stringToNode(TextDatumGetCString(stored)));
	ReleaseSysCache(tuple);
	return expression;
}

char *
qualified_operator(Oid operator_oid)
{
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator_oid));

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
		                errmsg("an operator that listing_stats needs has been dropped")));
	Form_pg_operator form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
	char *name =
		psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
	             NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

const char *
in_collation(const char *expression, Oid collation)
{
	if (!OidIsValid(collation))
		return expression;
	HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
		        (errcode(ERRCODE_UNDEFINED_OBJECT),
		         errmsg("the collation of a key that listing_stats needs has been dropped")));
	const Form_pg_collation form = reinterpret_cast<Form_pg_collation>(GETSTRUCT(tuple));
	const char *collated =
		psprintf("(%s COLLATE %s)", expression,
	             quote_qualified_identifier(get_namespace_name(form->collnamespace),
	                                        NameStr(form->collname)));
	ReleaseSysCache(tuple);
	return collated;
}

bool
is_number(Oid type)
{
	return type == NUMERICOID || is_integer(type) || type == FLOAT8OID || type == FLOAT4OID;
}

void
check_column_type(Relation price, const ResolvedColumn &column, bool as_time)
{
	const Oid type = getBaseType(column.type);

	if (is_number(type) || (as_time && is_time_type(type)))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_DATATYPE_MISMATCH),
	     errmsg("column \"%s\" of table \"%s\" has type %s", NameStr(column.name),
	            RelationGetRelationName(price), format_type_be(column.type)),
	     errhint(
			 as_time
				 ? "Prices are ordered by a timestamp with or without time zone, a date or a "
				   "number. See \"Times that are numbers or text\" in "
				   "docs/fitting-your-tables.md."
				 : "A price is numeric, an integer, double precision or real. latest_rows() reads "
				   "values of any type, and attach() keeps them where nothing is computed "
				   "from them. See \"A status instead of a price\" in "
				   "docs/fitting-your-tables.md.")));
}

bool
is_on(const ForeignKeyCacheInfo &foreign_key, const AttrNumber *column, int count,
      AttrNumber *referenced)
{
	if (foreign_key.nkeys != count)
		return false;
	for (int i = 0; i < count; ++i)
	{
		const AttrNumber *end = foreign_key.conkey + count;
		const AttrNumber *found = std::find(foreign_key.conkey, end, column[i]);
		if (found == end)
			return false;
		referenced[i] = foreign_key.confkey[found - foreign_key.conkey];
	}
	return true;
}

bool
refers_to(Relation relation, AttrNumber column, Oid table, AttrNumber referenced)
{
	for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(relation))
	{
		AttrNumber found = InvalidAttrNumber;
		if (foreign_key->confrelid == table && is_on(*foreign_key, &column, 1, &found) &&
		    found == referenced)
			return true;
	}
	return false;
}

}  // namespace listing_stats
