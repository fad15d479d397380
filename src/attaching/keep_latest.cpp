// keep_latest(): a table of its own for the latest row of each key.
//
// The table is a listing whose rows are the attachment's own: all else is as attach()
// has it.  See flush.cpp for how rows come and go.
#include "attaching/attach.hpp"
#include "attaching/attach_triggers.hpp"
#include "attaching/attachments_view.hpp"
#include "attaching/find_columns.hpp"
#include "attaching/open_tables.hpp"
#include "server/roles.hpp"
#include "tables/attachment.hpp"
#include "tables/price_table.hpp"

namespace listing_stats {

namespace {

constexpr const char *usual_last_price_at = "last_price_at";

// The key if none is named: that of the only foreign key.
void
find_key(Relation price, Request *request)
{
	const KeyColumns key = only_foreign_key(
		price, "Name the columns whose latest row is to be kept: keep_latest(..., key => '...'). "
			   "See \"No table of listings\" in docs/fitting-your-tables.md.");

	for (int i = 0; i < key.count; ++i)
		request->column[list_place(ColumnList::key, i)] =
			get_attname(RelationGetRelid(price), key.attnum[i], false);
}

// Creates the table with the columns of the key, as price has them, for the owner of price.
void
create_table(const char *name, Relation price, const Request &request)
{
	for (int i = 0; i < count_list(request.column, ColumnList::key); ++i)
		find_column(price, request.column[list_place(ColumnList::key, i)],
		            argument_name(price_key));
	const char *key = joined(count_list(request.column, ColumnList::key), ", ", [&request](int i) {
		return quote_identifier(request.column[list_place(ColumnList::key, i)]);
	});
	run_command(psprintf("CREATE%s TABLE %s AS SELECT %s FROM %s WITH NO DATA",
	                     price->rd_rel->relpersistence == RELPERSISTENCE_TEMP ? " TEMPORARY" : "",
	                     name, key, qualified_name(RelationGetRelid(price))));
	run_command(psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)", name, key));
	run_command(psprintf(
		"COMMENT ON TABLE %s IS %s", name,
		quote_literal_cstr(psprintf("the latest row of each key of \"%s\", kept by listing_stats",
	                                RelationGetRelationName(price)))));
	if (price->rd_rel->relowner != GetUserId())
		run_command(psprintf("ALTER TABLE %s OWNER TO %s", name,
		                     quote_identifier(GetUserNameFromId(price->rd_rel->relowner, false))));
}

// The table's OID; made if it is not there.
Oid
latest_table(text *table, Oid price_oid, Request *request)
{
	RangeVar *name = makeRangeVarFromNameList(textToQualifiedNameList(table));
	const Oid found = RangeVarGetRelid(name, NoLock, true);

	if (OidIsValid(found) && request->column[price_key] != nullptr)
		return found;
	lock_owned(price_oid, ShareRowExclusiveLock);
	Relation price = relation_open(price_oid, NoLock);
	if (request->column[price_key] == nullptr)
		find_key(price, request);
	if (OidIsValid(found))
	{
		relation_close(price, NoLock);
		return found;
	}
	const Oid schema = price->rd_rel->relpersistence == RELPERSISTENCE_TEMP
	                       ? price->rd_rel->relnamespace
	                       : RangeVarGetCreationNamespace(name);
	const char *qualified = quote_qualified_identifier(get_namespace_name(schema), name->relname);
	SPI_connect();
	create_table(qualified, price, *request);
	SPI_finish();
	relation_close(price, NoLock);
	CommandCounterIncrement();
	ereport(NOTICE, (errmsg("created table \"%s\"", name->relname)));
	return get_relname_relid(name->relname, schema);
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_keep_latest)
{
	InitMaterializedSRF(fcinfo, 0);
	check_can_attach();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("the tables of keep_latest() must not be NULL")));
	Request request = read_request(fcinfo);
	const Oid price = PG_GETARG_OID(0);
	const Oid listing = latest_table(PG_GETARG_TEXT_PP(1), price, &request);
	for (int i = 0; i < most_key_columns; ++i)
		request.column[list_place(ColumnList::listing_key, i)] =
			request.column[list_place(ColumnList::key, i)];
	request.own_rows = request.key_is_named = request.listing_key_is_named = true;
	if (request.column[last_price] == nullptr && request.column[last_price_at] == nullptr)
		request.column[last_price_at] = usual_last_price_at;
	if (request.column[last_price] == nullptr)
		request.column[last_price] = argument_name(last_price);
	open_tables(listing, price, &request);
	const Oid trigger = attach_tables(&request);
	put_attachment(reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo), price, trigger);
	PG_RETURN_NULL();
}
