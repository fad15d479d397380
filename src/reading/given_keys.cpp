// Keys as callers give them, see given_keys.hpp.
//
// A key of several columns comes as a row of any composite type, or as the text of one, and leaves
// as a record of the columns' types without domains.
#include "reading/given_keys.hpp"

namespace listing_stats {

namespace {

// Without asking the catalogue for those that most keys have: one key takes less than a
// microsecond.
Oid
base_of(Oid type)
{
	return is_integer(type) || type == UUIDOID || type == TEXTOID ? type : getBaseType(type);
}

bool
is_text(Oid type)
{
	return type == UNKNOWNOID || TypeCategory(type) == TYPCATEGORY_STRING;
}

int64
integer_of(Oid type, Datum value)
{
	return type == INT2OID   ? DatumGetInt16(value)
	       : type == INT4OID ? DatumGetInt32(value)
	                         : DatumGetInt64(value);
}

// In a form that is read as the same value, whatever the session's settings are.
char *
output_of(Oid type, Datum value)
{
	constexpr const char *settings[][2] = {
		{"DateStyle", "ISO"}, {"IntervalStyle", "postgres"}, {"extra_float_digits", "1"}};
	const bool is_exact =
		DateStyle == USE_ISO_DATES && IntervalStyle == INTSTYLE_POSTGRES && extra_float_digits > 0;
	const int level = is_exact ? 0 : NewGUCNestLevel();
	Oid function = InvalidOid;
	bool is_varlena = false;

	for (const auto &[name, setting] : settings)
	{
		if (!is_exact)
			set_meanwhile(name, setting);
	}
	getTypeOutputInfo(type, &function, &is_varlena);
	char *text = OidOutputFunctionCall(function, value);
	if (!is_exact)
		AtEOXact_GUC(true, level);
	return text;
}

Datum
text_of(Oid type, Datum value)
{
	switch (type)
	{
	case TEXTOID:
	case VARCHAROID:
		return value;
	case BPCHAROID:  // without its padding, as by a cast
		return DirectFunctionCall1(rtrim1, value);
	default:
		return CStringGetTextDatum(output_of(type, value));
	}
}

const char *
list_of_columns(const PriceTable &table)
{
	return joined(key_columns(table), ", ",
	              [&](int i) { return quote_identifier(NameStr(key_column(table, i).name)); });
}

[[noreturn]] void
wrong_type(const PriceTable &table, const ResolvedColumn &column, Oid given, const char *hint)
{
	ereport(ERROR,
	        (errcode(ERRCODE_DATATYPE_MISMATCH),
	         errmsg("key column \"%s\" of table \"%s\" has type %s, not %s", NameStr(column.name),
	                NameStr(table.name), format_type_be(column.type), format_type_be(given)),
	         errhint("%s", hint)));
	pg_unreachable();
}

void
check_order(const PriceTable &table, const ResolvedColumn &column)
{
	const TypeCacheEntry *entry = lookup_type_cache(column.base, TYPECACHE_BTREE_OPFAMILY);

	if (!OidIsValid(entry->btree_opf))
		ereport(ERROR,
		        (errcode(ERRCODE_DATATYPE_MISMATCH),
		         errmsg("key column \"%s\" of table \"%s\" has type %s, which has no order",
		                NameStr(column.name), NameStr(table.name), format_type_be(column.type))));
}

// A value of one of the key's columns; false: it is none that the column can have.
bool
field_of(const PriceTable &table, const ResolvedColumn &column, Oid type, Datum value, Datum *field)
{
	const Oid given = base_of(type);

	*field = value;
	if (given == column.base)
		return true;
	if (is_integer(given) && is_integer(column.base))
	{
		const int64 integer = integer_of(given, value);
		if (column.base == INT2OID)
			*field = Int16GetDatum(static_cast<int16>(integer));
		else if (column.base == INT4OID)
			*field = Int32GetDatum(static_cast<int32>(integer));
		else
			*field = Int64GetDatum(integer);
		return integer_of(column.base, *field) == integer;
	}
	if (!is_text(given))
		wrong_type(table, column, type, "Cast the value, or give it as text.");
	Oid input = InvalidOid;
	Oid parameter = InvalidOid;
	char *written =
		given == UNKNOWNOID ? DatumGetCString(value) : TextDatumGetCString(text_of(given, value));
	getTypeInputInfo(column.base, &input, &parameter);
	*field = OidInputFunctionCall(input, written, parameter, -1);
	return true;
}

void
check_count(const PriceTable &table, int given)
{
	if (given != key_columns(table))
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
		                errmsg("a key of table \"%s\" has %d columns, not %d", NameStr(table.name),
		                       key_columns(table), given),
		                errhint("Give rows of (%s), in this order.", list_of_columns(table))));
}

// A record from a row; false: no price has this key, as of a row that has a NULL.
bool
record_of_row(const PriceTable &table, Datum row, Datum *record)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	HeapTupleData tuple = {};
	TupleDesc given =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	TupleDesc own = lookup_rowtype_tupdesc(RECORDOID, table.composite->row_type);
	Datum *value = static_cast<Datum *>(palloc(sizeof(Datum) * given->natts));
	bool *null = static_cast<bool *>(palloc(sizeof(bool) * given->natts));
	Datum field[most_key_columns];
	bool known[most_key_columns] = {};
	int count = 0;
	bool is_key = true;

	tuple.t_data = header;
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	heap_deform_tuple(&tuple, given, value, null);
	for (int i = 0; i < given->natts; ++i)
		count += TupleDescAttr(given, i)->attisdropped ? 0 : 1;
	check_count(table, count);
	for (int i = 0, next = 0; is_key && i < given->natts; ++i)
	{
		if (TupleDescAttr(given, i)->attisdropped)
			continue;
		is_key = !null[i] && field_of(table, key_column(table, next),
		                              TupleDescAttr(given, i)->atttypid, value[i], &field[next]);
		++next;
	}
	if (is_key)
		*record = HeapTupleGetDatum(heap_form_tuple(own, field, known));
	ReleaseTupleDesc(own);
	ReleaseTupleDesc(given);
	return is_key;
}

bool
record_of(const PriceTable &table, Oid type, Datum key, Datum *record)
{
	if (!is_text(type))
		return record_of_row(table, key, record);
	Oid input = InvalidOid;
	Oid parameter = InvalidOid;
	getTypeInputInfo(RECORDOID, &input, &parameter);
	const Datum row = OidInputFunctionCall(input, TextDatumGetCString(text_of(type, key)),
	                                       RECORDOID, table.composite->row_type);
	return record_of_row(table, row, record);
}

// Sets *result, of the type that the kind has; false: no price has the key.
bool
convert(const PriceTable &table, KeyKind kind, Oid type, Datum key, Datum *result)
{
	const Oid base = base_of(type);

	switch (kind)
	{
	case KeyKind::integer:
		*result = Int64GetDatum(integer_of(base, key));
		return true;
	case KeyKind::uuid:
		*result = key;
		return true;
	case KeyKind::text:
		*result = text_of(base, key);
		return true;
	case KeyKind::row:
		return record_of(table, base, key, result);
	}
	pg_unreachable();
}

Datum
make_array(KeyKind kind, Datum *key, int count)
{
	const Oid type = key_kind_type(kind);
	int16 length = 0;
	bool by_value = false;
	char alignment = 0;

	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	return PointerGetDatum(construct_array(key, count, type, length, by_value, alignment));
}

}  // namespace

KeyKind
own_kind(const PriceTable &table)
{
	if (table.composite == nullptr && is_integer(table.key.base))
		return KeyKind::integer;
	if (table.composite == nullptr && table.key.base == UUIDOID)
		return KeyKind::uuid;
	for (int i = 0; i < key_columns(table); ++i)
		check_order(table, key_column(table, i));
	return table.composite == nullptr ? KeyKind::text : KeyKind::row;
}

KeyKind
kind_of_keys(const PriceTable &table, Oid type)
{
	const Oid given = base_of(type);
	const KeyKind own = own_kind(table);

	if (own == KeyKind::row)
	{
		if (!is_text(given) && !type_is_rowtype(given))
			ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
			                errmsg("keys of table \"%s\" are rows, not of type %s",
			                       NameStr(table.name), format_type_be(type)),
			                errhint("Give rows of (%s), or the text of such rows.",
			                        list_of_columns(table))));
		return KeyKind::row;
	}
	if (given == table.key.base || (is_integer(given) && own == KeyKind::integer))
		return own;
	if (!is_text(given))
		wrong_type(table, table.key, type,
		           "Keys of any type can be given as text: an array cast to text[], also if it is "
		           "NULL, or one key cast to text.");
	return KeyKind::text;
}

NullableDatum
given_key(const PriceTable &table, KeyKind kind, Oid type, Datum key)
{
	Datum result = 0;

	if (!convert(table, kind, type, key, &result))
		return {0, true};
	return {kind == KeyKind::row ? make_array(kind, &result, 1) : result, false};
}

Datum
given_keys(const PriceTable &table, KeyKind kind, Oid type, Datum keys)
{
	int16 length = 0;
	bool by_value = false;
	char alignment = 0;
	Datum *key = nullptr;
	bool *null = nullptr;
	int count = 0;
	int known = 0;
	Datum result = 0;

	if (type == key_kind_type(kind) && kind != KeyKind::row)
		return keys;
	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	deconstruct_array(DatumGetArrayTypeP(keys), type, length, by_value, alignment, &key, &null,
	                  &count);
	get_typlenbyval(key_kind_type(kind), &length, &by_value);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "listing_stats given key",
	                                              ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < count; ++i)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContext old = MemoryContextSwitchTo(scratch);
		const bool is_key = !null[i] && convert(table, kind, type, key[i], &result);
		MemoryContextSwitchTo(old);
		if (is_key)
			key[known++] = copy_value(result, by_value, length);
		MemoryContextReset(scratch);
	}
	MemoryContextDelete(scratch);
	return make_array(kind, key, known);
}

}  // namespace listing_stats
