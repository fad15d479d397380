// attach(): makes what is missing of columns, index and triggers, and fills the columns.
#include "attaching/attach_request.hpp"
#include "attaching/attach_triggers.hpp"
#include "attaching/attachments_view.hpp"
#include "server/roles.hpp"
#include "tables/price_index.hpp"
#include "tracking/flush.hpp"

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

// The prices of an attachment other than "own" that keeps its values in this column, as its
// triggers name them; nullptr: there is none.
const char *
kept_by_another(Relation listing, const char *name, const Trigger *own)
{
	const Oid function = trigger_function(listing_changed);
	ListCell *cell = nullptr;

	foreach (cell, our_triggers(listing))
	{
		const Trigger *trigger = static_cast<Trigger *>(lfirst(cell));
		if (trigger->tgfoid != function || (own != nullptr && same_arguments(trigger, own)))
			continue;
		const Definition definition = parse_definition(listing, trigger);
		for (int target = first_target; target < end_of_targets; ++target)
		{
			if (definition.column[target] != nullptr &&
			    strcmp(definition.column[target], name) == 0)
				return definition.price;
		}
	}
	return nullptr;
}

bool
in_unique_index(Relation listing, AttrNumber attnum)
{
	ListCell *cell = nullptr;
	bool found = false;

	foreach (cell, RelationGetIndexList(listing))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		for (int i = 0; index->rd_index->indisunique && i < index->rd_index->indnkeyatts; ++i)
			found = found || index->rd_index->indkey.values[i] == attnum;
		index_close(index, AccessShareLock);
	}
	return found;
}

void
check_target(const Request &request, const ResolvedColumn &target, const ResolvedColumn &source,
             const Trigger *own)
{
	const char *table = RelationGetRelationName(request.listing);
	const char *name = NameStr(target.name);

	if (TupleDescAttr(RelationGetDescr(request.listing), target.attnum - 1)->attgenerated != '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		                errmsg("column \"%s\" of table \"%s\" is a generated column", name, table),
		                errhint("Name another column, which attach() creates if it is missing.")));
	if (target.not_null)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
		     errmsg("column \"%s\" of table \"%s\" is NOT NULL", name, table),
		     source.attnum == 0 ? 0 : errdetail("It is NULL for a listing without prices."),
		     errhint("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL;",
		             qualified_name(RelationGetRelid(request.listing)), quote_identifier(name))));
	if (in_unique_index(request.listing, target.attnum))
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
	if (column_fit(source, target) != Fit::exact)
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

// A change of the table's shape cannot wait for trigger events, nor they for it.
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

	check_no_pending_events(request->listing);
	close_tables(*request);
	run_command(psprintf(
		"ALTER TABLE %s ADD COLUMN %s %s", table, quote_identifier(name),
		format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY)));
	run_command(psprintf(
		"COMMENT ON COLUMN %s.%s IS %s", table, quote_identifier(name),
		quote_literal_cstr(psprintf("%s from \"%s\", kept by listing_stats", argument_name[target],
	                                get_rel_name(attachment.price)))));
	reopen_tables(attachment, request);
	ereport(NOTICE, (errmsg("created column \"%s\" of table \"%s\"", name, listing)));
}

void
check_named_once(const Request &request, int target)
{
	for (int i = first_target; i < target; ++i)
	{
		if (request.column[i] != nullptr && strcmp(request.column[i], request.column[target]) == 0)
			ereport(ERROR,
			        (errcode(ERRCODE_DUPLICATE_COLUMN),
			         errmsg("column \"%s\" cannot keep two values", request.column[target])));
	}
}

// A column that is kept so far and will not be, though nobody has said 'none'.
void
check_replaced(const Request &request, const Attachment &attachment, int target)
{
	const char *kept = request.kept[target];
	const char *table = RelationGetRelationName(request.listing);

	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (kept == nullptr ||
		    (request.column[i] != nullptr && strcmp(request.column[i], kept) == 0))
			return;
	}
	// As one would to keep a second value.
	if (request.keeps_other)
		ereport(
			ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
		     errmsg("column \"%s\" of table \"%s\" would no longer be kept", kept, table),
		     errdetail("Table \"%s\" is attached by key \"%s\" already, and keeps one value by "
		               "one key.",
		               RelationGetRelationName(request.price),
		               NameStr(attachment.column[price_key].name)),
		     errhint("Another value needs another key, which can be a generated column; to keep "
		             "it instead of this one, call listing_stats.detach() first.")));
	ereport(NOTICE, (errmsg("column \"%s\" of table \"%s\" is no longer kept", kept, table)));
}

void
attach_targets(Request *request, Attachment *attachment, const Trigger *existing)
{
	int kept = 0;

	for (int i = first_target; i < end_of_targets; ++i)
	{
		const char *name = request->column[i];
		if (name != nullptr && strcmp(name, no_column) == 0)
			name = request->column[i] = nullptr;
		if (name == nullptr)
			continue;
		check_named_once(*request, i);
		check_replaced(*request, *attachment, i);
		if (get_attnum(attachment->listing, name) == InvalidAttrNumber)
			add_target_column(request, *attachment, i);
		attachment->column[i] =
			read_column(request->listing, find_column(request->listing, name, argument_name[i]));
		check_target(*request, attachment->column[i], source_of(*attachment, i), existing);
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
	const bool include =
		!is_virtual(TupleDescAttr(RelationGetDescr(request->price), value.attnum - 1));
	close_tables(*request);
	run_command(psprintf(
		"CREATE INDEX ON %s (%s)%s", qualified_name(attachment.price), index_columns(attachment),
		include ? psprintf(" INCLUDE (%s)", quote_identifier(NameStr(value.name))) : ""));
	reopen_tables(attachment, request);
	const Oid index = fitting_index(attachment);
	ereport(NOTICE, (errmsg("created index \"%s\" on table \"%s\"",
	                        OidIsValid(index) ? get_rel_name(index) : "?",
	                        RelationGetRelationName(request->price))));
}

// The triggers of attachments of these two tables, on price; and those on listing of which the half
// on price is gone.
List *
existing_attachments(const Request &request)
{
	const Oid listing = RelationGetRelid(request.listing);
	const Oid function = trigger_function(listing_changed);
	List *found = NIL;
	ListCell *cell = nullptr;

	foreach (cell, our_triggers(request.price))
	{
		const Trigger *trigger = static_cast<Trigger *>(lfirst(cell));
		if (is_attachment(request.price, trigger) &&
		    (other_half(request.price, trigger, Side::price) == listing ||
		     is_orphan_of(request.price, trigger, Side::price, listing)))
			found = lappend(found, lfirst(cell));
	}
	foreach (cell, our_triggers(request.listing))
	{
		const Trigger *trigger = static_cast<Trigger *>(lfirst(cell));
		if (trigger->tgfoid == function &&
		    is_orphan_of(request.listing, trigger, Side::listing, RelationGetRelid(request.price)))
			found = lappend(found, lfirst(cell));
	}
	return found;
}

// That of the key named, or the only one whose key is gone; if none is named, the only one, and
// then the key is its.  nullptr: none.
const Trigger *
existing_attachment(Request *request)
{
	const char *key = request->column[price_key];
	const Trigger *found = nullptr;
	const char *found_key = nullptr;
	ListCell *cell = nullptr;
	int count = 0;

	foreach (cell, existing_attachments(*request))
	{
		const Trigger *trigger = static_cast<Trigger *>(lfirst(cell));
		const char *its_key = key_of_price(request->price, trigger);
		if (key != nullptr && its_key != nullptr && strcmp(its_key, key) == 0)
			return trigger;
		if (key != nullptr && its_key != nullptr)
			continue;
		found = trigger;
		found_key = its_key;
		++count;
	}
	if (count != 1)
		return nullptr;
	if (key == nullptr)
		request->column[price_key] = found_key;
	return found;
}

// Where one table has taken the place of another, the old one is to be detached.
void
tell_of_other_listing(const Request &request, const Attachment &attachment)
{
	ListCell *cell = nullptr;

	foreach (cell, our_triggers(request.price))
	{
		const Trigger *trigger = static_cast<Trigger *>(lfirst(cell));
		if (!is_attachment(request.price, trigger))
			continue;
		const char *key = key_of_price(request.price, trigger);
		const Oid other = other_half(request.price, trigger, Side::price);
		if (key == nullptr || strcmp(key, NameStr(attachment.column[price_key].name)) != 0 ||
		    !OidIsValid(other) || other == attachment.listing)
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

Oid
attach(FunctionCallInfo fcinfo)
{
	if (creating_extension)
		ereport(ERROR,
		        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		         errmsg("cannot attach tables inside an extension script"),
		         errdetail("The triggers would belong to the extension and not be dumped.")));
	Request request = read_request(fcinfo);
	const Trigger *existing = existing_attachment(&request);
	Attachment attachment = complete_request(&request, existing);

	SPI_connect();
	attach_targets(&request, &attachment, existing);
	create_index(&request, attachment);
	if (existing == nullptr)
		tell_of_other_listing(request, attachment);
	close_tables(request);
	const Oid trigger = create_triggers(attachment, existing, request.replication);
	SPI_finish();
	if (!request.backfill)
		return trigger;
	warn_of_publications(attachment.listing);
	Attachment *attached = attachment_of(attachment.price, trigger, Side::price);
	const Actor before = restrict_to(attached->owner);
	recompute_all(attached);
	resume_as(before);
	return trigger;
}

}  // namespace

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_attach)
{
	InitMaterializedSRF(fcinfo, 0);
	const Oid trigger = attach(fcinfo);
	put_attachment(reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo), PG_GETARG_OID(1),
	               trigger);
	PG_RETURN_NULL();
}
