// Which way prices are read, see price_reader.hpp.
//
// What holds:
// - The table is locked from before its columns were found until the transaction ends.
// - What one way has given that could not go on is dropped before the next gives it again.
#include "reading/price_reader.hpp"

#include "reading/direct_reader.hpp"
#include "tables/price_index.hpp"

namespace listing_stats {

namespace {

// How many prices of one key are read in the time in which a query goes to the next key.
constexpr double prices_worth_reading = 130;

// With so many prices a key, fetching the row of each key takes less time than sorting all rows.
constexpr double prices_worth_fetching = 2;

void
say_way(const PriceTable &table, const char *way)
{
	elog(DEBUG1, "listing_stats reads table \"%s\" %s", NameStr(table.name), way);
}

const char *
name_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? nullptr : NameStr(*PG_GETARG_NAME(argument));
}

// The text of another type, and keys of several columns, are compared by queries alone.
bool
is_by_query(const PriceTable &table, KeyKind kind)
{
	return kind == KeyKind::row || (kind == KeyKind::text && !has_text_key(table));
}

// Tries one way.
template <typename Run>
bool
gave(const PriceTable &table, KeyKind kind, RowSink sink, const char *way, const Run &run)
{
	if (is_by_query(table, kind))
		return false;
	if (run())
	{
		say_way(table, way);
		return true;
	}
	sink.drop(sink.sink);
	return false;
}

const PriceTable *
find_table(FunctionCallInfo fcinfo, Oid relation, int names, bool whole_rows)
{
	// Most lists are short, and one key takes less than a microsecond.
	char room[2 * NAMEDATALEN];
	const char *key = nullptr;
	if (!PG_ARGISNULL(names))
	{
		text *list = PG_GETARG_TEXT_PP(names);
		key = VARSIZE_ANY_EXHDR(list) < sizeof room ? room : text_to_cstring(list);
		if (key == room)
			text_to_cstring_buffer(list, room, sizeof room);
	}
	const PriceTable *table =
		find_price_table(relation, {key, name_argument(fcinfo, names + 1),
	                                name_argument(fcinfo, names + 2), whole_rows});

	Assert(CheckRelationOidLockedByMe(table->relation, AccessShareLock, true));
	return table;
}

}  // namespace

const PriceTable *
table_argument(FunctionCallInfo fcinfo, int names)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("price must not be NULL")));
	return find_table(fcinfo, PG_GETARG_OID(0), names, false);
}

const PriceTable *
table_of_rows(FunctionCallInfo fcinfo, Oid relation, int names)
{
	return find_table(fcinfo, relation, names, true);
}

NullableDatum
key_argument(FunctionCallInfo fcinfo, const PriceTable &table, KeyKind *kind)
{
	const Oid type = get_fn_expr_argtype(fcinfo->flinfo, 1);

	*kind = kind_of_keys(table, type);
	if (PG_ARGISNULL(1))
		return {0, true};
	return given_key(table, *kind, type, PG_GETARG_DATUM(1));
}

void
read_latest(const PriceTable &table, KeyKind kind, const LatestRequest &request, RowSink sink)
{
	const auto directly = [&] {
		return (!sink.whole_rows || request.has_keys ||
		        skipping_pays(table, prices_worth_fetching)) &&
		       read_latest_directly(table, request, sink);
	};
	const auto in_a_pass = [&] {
		return !request.has_keys && !sink.whole_rows &&
		       !skipping_pays(table, prices_worth_reading) &&
		       read_latest_in_a_pass(table, request.as_of, sink);
	};

	if (gave(table, kind, sink, "from index pages", directly) ||
	    gave(table, kind, sink, "by a pass over its rows", in_a_pass))
		return;
	say_way(table, "by query");
	read_latest_by_query(table, kind, request, sink);
}

void
read_key(const PriceTable &table, KeyKind kind, Reading reading, Datum key, NullableDatum parameter,
         RowSink sink)
{
	const auto directly = [&] { return read_key_directly(table, reading, key, parameter, sink); };

	if (gave(table, kind, sink, "from index pages", directly))
		return;
	say_way(table, "by query");
	read_one(table, kind, reading, key, parameter, sink);
}

}  // namespace listing_stats
