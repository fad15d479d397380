// attach(): makes what is missing of columns, index and triggers, and fills the columns.
#include "attaching/attach.hpp"

#include "attaching/attach_triggers.hpp"
#include "attaching/attachments_view.hpp"
#include "attaching/complete_request.hpp"
#include "attaching/existing_attachment.hpp"
#include "attaching/find_columns.hpp"
#include "attaching/open_tables.hpp"
#include "server/roles.hpp"
#include "tables/condition.hpp"
#include "tables/price_index.hpp"
#include "tracking/flush.hpp"
#include "tracking/maintenance_sql.hpp"

namespace listing_stats {

namespace {

// DDL refuses a table that is open elsewhere in the session: the tables are closed meanwhile, and
// stay locked.
void
close_tables(const Request &request)
{
	relation_close(request.price, NoLock);
	relation_close(request.listing, NoLock);
}

void
reopen_tables(const Attachment &attachment, Request *request)
{
	CommandCounterIncrement();
	request->listing = relation_open(attachment.listing, NoLock);
	request->price = relation_open(attachment.price, NoLock);
}

// Finds another attachment than "own" that keeps the column of this name or, without a name, the
// rows of listing.  Returns its price table as its triggers name it; nullptr: there is none.
const char *
kept_by_another(Relation listing, const char *name, const Trigger *own)
{
	const Oid function = trigger_function(listing_changed);

	for (const Trigger *trigger : each<Trigger *>(our_triggers(RelationGetRelid(listing))))
	{
		if (trigger->tgfoid != function || (own != nullptr && same_arguments(trigger, own)))
			continue;
		const Definition definition = definition_now(listing, trigger, Side::listing);
		if (name == nullptr ? definition.own_rows : is_kept(definition.column, name))
			return definition.price;
	}
	return nullptr;
}

void
check_target(const Request &request, const ResolvedColumn &target, const ResolvedColumn &source,
             const Options &options, const Trigger *own)
{
	const char *table = RelationGetRelationName(request.listing);
	const char *name = NameStr(target.name);

	if (TupleDescAttr(RelationGetDescr(request.listing), target.attnum - 1)->attgenerated != '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		                errmsg("column \"%s\" of table \"%s\" is a generated column", name, table),
		                errhint("Name another column, which attach() creates if it is missing.")));
	if (target.not_null && source.attnum != 0 && !options.keep_empty && !options.own_rows)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		     errmsg("column \"%s\" of table \"%s\" is NOT NULL", name, table),
		     errdetail("It is NULL for a listing without prices."),
		     errhint("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL; or have such a listing keep "
		             "what it has, attach(..., empty => 'keep'): \"Keep what the application "
		             "wrote\" in docs/fitting-your-tables.md.",
		             qualified_name(RelationGetRelid(request.listing)), quote_identifier(name))));
	if (bms_is_member(target.attnum - FirstLowInvalidHeapAttributeNumber,
	                  RelationGetIndexAttrBitmap(request.listing, INDEX_ATTR_BITMAP_KEY)))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		     errmsg("column \"%s\" of table \"%s\" is in a unique index", name, table),
		     errdetail("Each new price would then lock the listing against its foreign keys.")));
	if (const char *other = kept_by_another(request.listing, name, own); other != nullptr)
		ereport(ERROR,
		        (errcode(ERRCODE_DUPLICATE_OBJECT),
		         errmsg("column \"%s\" of table \"%s\" is kept by another attachment", name, table),
		         errdetail("It is that of table %s.", other),
		         errhint("Name another column, attach(..., last_price => '...'), or call "
		                 "listing_stats.detach(%s, %s) first.",
		                 quote_literal_cstr(qualified_name(RelationGetRelid(request.listing))),
		                 quote_literal_cstr(other))));
	// A count may be an integer, which PostgreSQL says is out of range if it ever is.
	if (column_fit(source, target) != Fit::exact &&
	    !(source.attnum == 0 && column_fit(source, target) == Fit::narrower))
		ereport(ERROR,
		        (errcode(ERRCODE_DATATYPE_MISMATCH),
		         errmsg("column \"%s\" of table \"%s\" has type %s and cannot keep every value "
		                "of type %s of %s of table \"%s\"",
		                name, table, format_type_with_typemod(target.type, target.typmod),
		                format_type_with_typemod(source.type, source.typmod), source_name(source),
		                RelationGetRelationName(request.price)),
		         errhint("ALTER TABLE %s ALTER COLUMN %s TYPE %s;",
		                 qualified_name(RelationGetRelid(request.listing)), quote_identifier(name),
		                 format_type_with_typemod(source.type, source.typmod))));
}

// As ALTER TABLE does: events that are still to fire hold rows of the table's old shape.
void
check_no_pending_events(Relation relation)
{
	if (AfterTriggerPendingOnRel(RelationGetRelid(relation)))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
		                errmsg("cannot attach \"%s\" because it has pending trigger events",
		                       RelationGetRelationName(relation)),
		                errhint("Run SET CONSTRAINTS ALL IMMEDIATE first, or attach in a "
		                        "transaction of its own.")));
}

void
add_target_column(Request *request, const Attachment &attachment, int target)
{
	const char *name = request->column[target];
	const ResolvedColumn source = source_of(attachment, target);
	const char *table = qualified_name(attachment.listing);
	const char *listing = get_rel_name(attachment.listing);
	int32 typmod = source.typmod;
	const Oid type = getBaseTypeAndTypmod(source.type, &typmod);

	// A total can have more digits than a price.
	if (target == price_total)
		typmod = -1;
	check_no_pending_events(request->listing);
	close_tables(*request);
	run_command(psprintf("ALTER TABLE %s ADD COLUMN %s %s", table, quote_identifier(name),
	                     qualified_type(type, typmod)));
	run_command(psprintf("COMMENT ON COLUMN %s.%s IS %s", table, quote_identifier(name),
	                     quote_literal_cstr(psprintf("%s from \"%s\", kept by listing_stats",
	                                                 is_carried(target) ? NameStr(source.name)
	                                                                    : argument_name(target),
	                                                 get_rel_name(attachment.price)))));
	reopen_tables(attachment, request);
	ereport(NOTICE, (errmsg("created column \"%s\" of table \"%s\"", name, listing)));
}

void
check_named_once(const Request &request, int target)
{
	if (has_name(request.column, first_target, target, request.column[target]))
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN),
		                errmsg("column \"%s\" cannot keep two values", request.column[target])));
}

bool
is_listing_key(const Attachment &attachment, AttrNumber attnum)
{
	for (int i = 0; i < attachment.key_columns; ++i)
	{
		if (attachment.column[list_place(ColumnList::listing_key, i)].attnum == attnum)
			return true;
	}
	return false;
}

void
check_is_not_key(const Attachment &attachment, int target)
{
	const ResolvedColumn &column = attachment.column[target];

	if (is_listing_key(attachment, column.attnum))
		ereport(ERROR, (errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
		                errmsg("column \"%s\" is the listing's key and cannot keep a value",
		                       NameStr(column.name)),
		                errhint("Name another column.")));
}

void
attach_targets(Request *request, Attachment *attachment, const Trigger *existing)
{
	int kept = 0;

	// A new attachment that names none, or only others, keeps the latest price too, unless
	// another one does so already.
	if (existing == nullptr && request->column[last_price] == nullptr &&
	    (!request->targets_are_named ||
	     kept_by_another(request->listing, argument_name(last_price), nullptr) == nullptr))
		request->column[last_price] = argument_name(last_price);
	for (int i = first_target; i < end_of_targets; ++i)
	{
		const char *name = request->column[i];
		if (name != nullptr && strcmp(name, no_column) == 0)
			name = request->column[i] = nullptr;
		if (name == nullptr)
			continue;
		check_named_once(*request, i);
		if (get_attnum(attachment->listing, name) == InvalidAttrNumber)
			add_target_column(request, *attachment, i);
		attachment->column[i] =
			read_column(request->listing, find_column(request->listing, name, argument_name(i)));
		check_is_not_key(*attachment, i);
		check_target(*request, attachment->column[i], source_of(*attachment, i), *attachment,
		             existing);
		++kept;
	}
	if (kept == 0)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no column is left to keep"),
		         errhint("Call listing_stats.detach() to keep none.")));
}

void
create_index(Request *request, const Attachment &attachment)
{
	const ResolvedColumn &value = attachment.column[price_value];

	if (OidIsValid(fitting_index(attachment)))
		return;
	check_no_pending_events(request->price);
	// Values of any length do not belong into an index.
	const bool include = is_number(getBaseType(value.type));
	const bool covers =
		include && !is_virtual(TupleDescAttr(RelationGetDescr(request->price), value.attnum - 1));
	close_tables(*request);
	// To read the condition again runs what it ran before, see condition.cpp.
	Actor before = {};
	if (attachment.condition != nullptr)
		before = act_as(attachment.owner, SECURITY_RESTRICTED_OPERATION);
	const int guc_level = begin_safe_settings();
	run_command(psprintf(
		"CREATE INDEX ON %s (%s)%s%s", qualified_name(attachment.price), index_columns(attachment),
		covers ? psprintf(" INCLUDE (%s)", quote_identifier(NameStr(value.name))) : "",
		attachment.condition == nullptr ? "" : psprintf(" WHERE %s", attachment.condition)));
	end_safe_settings(guc_level);
	if (attachment.condition != nullptr)
		resume_as(before);
	reopen_tables(attachment, request);
	const Oid index = fitting_index(attachment);
	ereport(NOTICE, (errmsg("created index \"%s\" on table \"%s\"",
	                        OidIsValid(index) ? get_rel_name(index) : "?",
	                        RelationGetRelationName(request->price))));
}

void
check_unique_key(const Attachment &attachment)
{
	if (!OidIsValid(listing_key_index(attachment)))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		         errmsg("table \"%s\" has no unique index of its key",
		                get_rel_name(attachment.listing)),
		         errhint("Make the columns of the key its primary key, or name a table that is not "
		                 "there yet.")));
}

// Rows of its own are inserted with their key alone, and filled then.
void
check_insertable(const Request &request, const Attachment &attachment)
{
	const char *table = RelationGetRelationName(request.listing);
	const TupleDesc description = RelationGetDescr(request.listing);

	for (int i = 0; i < description->natts; ++i)
	{
		const FormData_pg_attribute *column = TupleDescAttr(description, i);
		const char *name = NameStr(column->attname);
		const bool is_key = is_listing_key(attachment, column->attnum);
		if (is_key && (column->attidentity == ATTRIBUTE_IDENTITY_ALWAYS || column->attgenerated))
			ereport(ERROR,
			        (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			         errmsg("column \"%s\" of table \"%s\" is always generated", name, table),
			         errdetail("Rows are inserted with the keys that prices have."),
			         errhint("Name a table whose key is an ordinary column.")));
		if (!is_key && column->attnotnull && !column->atthasdef && column->attidentity == '\0')
			ereport(ERROR,
			        (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			         errmsg("column \"%s\" of table \"%s\" is NOT NULL and has no default", name,
			                table),
			         errdetail("Rows are inserted with their key alone, and filled then."),
			         errhint("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT ...; or DROP NOT NULL.",
			                 qualified_name(attachment.listing), quote_identifier(name))));
	}
}

// An error if the table, whose rows become the attachment's own, has a row of a key without prices:
// it would be deleted.  Asked as the owner, since the condition can call functions of his.
void
check_rows(const Attachment &attachment)
{
	const Actor before =
		act_as(attachment.owner, SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	const int guc_level = begin_safe_settings();

	SPI_connect();
	SPI_execute(unpriced_query(attachment), true, 1);
	const bool found = SPI_processed > 0;
	SPI_finish();
	end_safe_settings(guc_level);
	resume_as(before);
	if (found)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("table \"%s\" has rows of which table \"%s\" has no price",
		                NameStr(attachment.listing_name), NameStr(attachment.price_name)),
		         errdetail("keep_latest() would delete them."),
		         errhint("Delete them first; or attach() keeps columns of rows that are there.")));
}

// Two attachments that insert and delete rows of one table would undo each other's work.
void
check_rows_are_free(const Request &request, const Trigger *own)
{
	if (const char *other = kept_by_another(request.listing, nullptr, own); other != nullptr)
		ereport(ERROR,
		        (errcode(ERRCODE_DUPLICATE_OBJECT),
		         errmsg("rows of table \"%s\" are kept by another attachment",
		                RelationGetRelationName(request.listing)),
		         errdetail("It is that of table %s.", other),
		         errhint("Name another table, or keep more columns of its rows with attach().")));
}

// Where one table has taken the place of another, the old one is to be detached.
void
tell_of_other_listing(const Request &request, const Attachment &attachment)
{
	for (const Trigger *trigger : each<Trigger *>(our_triggers(RelationGetRelid(request.price))))
	{
		if (!is_attachment(request.price, trigger))
			continue;
		// Its tables' names are those in the arguments: another listing is not waited for.
		const char *key =
			format_list(parse_definition(request.price, trigger).column, ColumnList::key);
		const Oid other = other_half(request.price, trigger, Side::price);
		if (strcmp(key, key_list(attachment)) != 0 || !OidIsValid(other) ||
		    other == attachment.listing)
			continue;
		ereport(
			NOTICE,
			(errmsg("table \"%s\" is attached to table \"%s\" by key \"%s\" as well",
		            RelationGetRelationName(request.price), get_rel_name(other), key),
		     errhint("If table \"%s\" has taken its place: SELECT listing_stats.detach(%s, %s);",
		             RelationGetRelationName(request.listing),
		             quote_literal_cstr(qualified_name(other)),
		             quote_literal_cstr(qualified_name(attachment.price)))));
	}
}

}  // namespace

void
check_can_attach()
{
	if (creating_extension)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("cannot attach tables inside an extension script"),
		         errdetail("The triggers would belong to the extension and not be dumped.")));
}

Oid
attach_tables(Request *request)
{
	const Trigger *existing = existing_attachment(request);
	// Rows that are the attachment's own already need no check.
	const bool had_own_rows =
		existing != nullptr && parse_definition(request->listing, existing).own_rows;
	Attachment attachment = complete_request(request, existing);

	SPI_connect();
	attach_targets(request, &attachment, existing);
	if (attachment.own_rows)
		check_insertable(*request, attachment);
	create_index(request, attachment);
	if (attachment.own_rows)
	{
		check_unique_key(attachment);
		check_rows_are_free(*request, existing);
	}
	else if (existing == nullptr)
		tell_of_other_listing(*request, attachment);
	close_tables(*request);
	const Oid trigger = create_triggers(attachment, existing, request->replication);
	SPI_finish();
	Attachment *attached = attachment_of(attachment.price, trigger, Side::price);
	if (attachment.own_rows && !had_own_rows)
		check_rows(*attached);
	if (!request->backfill)
		return trigger;
	warn_of_publications(attachment.listing);
	const Actor before = restrict_unless_owner(attached->owner);
	recompute_all(attached);
	resume_as(before);
	return trigger;
}

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_attach)
{
	InitMaterializedSRF(fcinfo, 0);
	check_can_attach();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		                errmsg("the tables to attach must not be NULL")));
	Request request = read_request(fcinfo);
	open_tables(PG_GETARG_OID(0), PG_GETARG_OID(1), &request);
	const Oid trigger = attach_tables(&request);
	put_attachment(reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo), PG_GETARG_OID(1),
	               trigger);
	PG_RETURN_NULL();
}
