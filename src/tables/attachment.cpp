// Resolving what triggers say to tables and columns, see attachment.hpp.
//
// Names can have gone stale: not every rename gets the trigger arguments rewritten.  A wrong column
// is never picked silently.  A column is found by name, or by the number recorded when it was
// attached if the name is gone and the record is of this very table; where both say something and
// differ, or neither does, it is an error that names the call to make.  Of the tables that the
// other one could be (by foreign key, by record, by name) the one counts which carries the other
// half: a trigger of ours with the same arguments.
#include "tables/attachment.hpp"

#include "server/roles.hpp"
#include "tables/distributed.hpp"
#include "tables/trigger_catalog.hpp"

namespace listing_stats {

namespace {

// Whether "relation" carries the other half of the attachment that "trigger" is of.
bool
carries_other_half(Oid relation, const Trigger *trigger, Side side)
{
	return OidIsValid(find_trigger(relation, side == Side::price ? listing_changed : price_changed,
	                               trigger, false));
}

// Not by RangeVarGetRelid(), which would ask whether the user may use the schema.
Oid
table_by_name(const char *name)
{
	const char *schema_name = nullptr;
	const char *table_name = nullptr;

	if (!split_name(name, &schema_name, &table_name))
		return InvalidOid;
	const Oid schema = get_namespace_oid(schema_name, true);
	return OidIsValid(schema) ? get_relname_relid(table_name, schema) : InvalidOid;
}

// Whether the record in the arguments is of these tables: not of those a dump was taken from.
bool
record_is_of(const Definition &definition, Relation relation, Side side)
{
	return definition.system_identifier == GetSystemIdentifier() &&
	       RelationGetRelid(relation) ==
	           (side == Side::price ? definition.price_oid : definition.listing_oid);
}

// The foreign key from the column of price to listing, of several the one to the column that was
// the key so far: the number of the column it refers to, or 0.
AttrNumber
foreign_key_target(Relation price, AttrNumber key, Oid listing, AttrNumber so_far, Oid *constraint)
{
	AttrNumber target = InvalidAttrNumber;
	ListCell *cell = nullptr;

	foreach (cell, RelationGetFKeyList(price))
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		if (foreign_key->nkeys == 1 && foreign_key->conkey[0] == key &&
		    foreign_key->confrelid == listing &&
		    (target == InvalidAttrNumber || foreign_key->confkey[0] == so_far))
		{
			*constraint = foreign_key->conoid;
			target = foreign_key->confkey[0];
		}
	}
	return target;
}

bool
is_validated(Oid constraint)
{
	HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	if (!HeapTupleIsValid(tuple))
		return false;
	const bool validated = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->convalidated;

	ReleaseSysCache(tuple);
	return validated;
}

// Whether the foreign key has been checked for all prices, and is wherever our triggers fire: not
// if it is not enforced, nor for what is replicated, nor in inheritance children.
bool
is_checked(Relation price, Oid constraint)
{
	// Lookups come before the triggers are read, which they may free.
	const bool validated = is_validated(constraint);
	const Oid function = trigger_function(price_changed);
	const TriggerDesc *triggers = price->trigdesc;
	char checks = TRIGGER_DISABLED;
	bool only_here = true;

	if (!validated || triggers == nullptr ||
	    (price->rd_rel->relhassubclass && price->rd_rel->relkind != RELKIND_PARTITIONED_TABLE))
		return false;
	for (int i = 0; i < triggers->numtriggers; ++i)
	{
		const Trigger &trigger = triggers->triggers[i];
		if (trigger.tgconstraint == constraint && TRIGGER_FOR_INSERT(trigger.tgtype))
			checks = trigger.tgenabled;
		else if (trigger.tgfoid == function && trigger.tgenabled != TRIGGER_FIRES_ON_ORIGIN)
			only_here = false;
	}
	return checks == TRIGGER_FIRES_ALWAYS || (checks == TRIGGER_FIRES_ON_ORIGIN && only_here);
}

const char *
attach_hint(const Definition &definition, int column)
{
	return psprintf("Name the column anew with SELECT %s, or stop keeping the columns with SELECT "
	                "listing_stats.detach(%s, %s).",
	                attach_call(definition, column), quote_literal_cstr(definition.listing),
	                quote_literal_cstr(definition.price));
}

bool
fail(Problem *problem, int sqlstate, const char *message, const char *hint)
{
	*problem = {sqlstate, message, hint};
	return false;
}

bool
resolve_column(const Definition &definition, int column, Relation relation, bool recorded,
               ResolvedColumn *result, Problem *problem)
{
	const char *name = definition.column[column];
	const Place &place = definition.place[column];
	AttrNumber by_name = get_attnum(RelationGetRelid(relation), name);
	AttrNumber by_number = 0;

	if (by_name < 0)
		by_name = 0;
	if (recorded && place.attnum > 0 && place.attnum <= RelationGetNumberOfAttributes(relation))
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), place.attnum - 1);
		if (!attribute->attisdropped && attribute->atttypid == place.type)
			by_number = place.attnum;
	}
	if (by_name != 0 && by_number != 0 && by_name != by_number)
		return fail(
			problem, ERRCODE_AMBIGUOUS_COLUMN,
			psprintf("column \"%s\" of table \"%s\" is not the one that listing_stats was attached "
		             "to, which is now named \"%s\"",
		             name, RelationGetRelationName(relation),
		             NameStr(TupleDescAttr(RelationGetDescr(relation), by_number - 1)->attname)),
			attach_hint(definition, column));
	if (by_name == 0 && by_number == 0)
		return fail(problem, ERRCODE_UNDEFINED_COLUMN,
		            psprintf("column \"%s\" of table \"%s\", which listing_stats was attached to, "
		                     "does not exist",
		                     name, RelationGetRelationName(relation)),
		            attach_hint(definition, column));
	*result = read_column(relation, by_name != 0 ? by_name : by_number);
	return true;
}

bool
check_types(const Definition &definition, Attachment *attachment, Problem *problem)
{
	const ResolvedColumn *column = attachment->column;

	if (!resolve_key_type(column[listing_key], column[price_key], attachment->context,
	                      &attachment->key))
		return fail(
			problem, ERRCODE_DATATYPE_MISMATCH,
			psprintf("key columns \"%s\" of %s and \"%s\" of %s have types %s and %s, which "
		             "listing_stats cannot compare",
		             NameStr(column[listing_key].name), definition.listing,
		             NameStr(column[price_key].name), definition.price,
		             format_type_be(column[listing_key].type),
		             format_type_be(column[price_key].type)),
			"Give both columns the same type.");
	if (!resolve_compared_type(getBaseType(column[price_value].type), InvalidOid,
	                           attachment->context, &attachment->value))
		return fail(problem, ERRCODE_DATATYPE_MISMATCH,
		            psprintf("column \"%s\" of %s has type %s, which has no order",
		                     NameStr(column[price_value].name), definition.price,
		                     format_type_be(column[price_value].type)),
		            "A price is numeric, an integer or double precision.");
	for (int i = first_target; i < end_of_targets; ++i)
	{
		const ResolvedColumn source = source_of(*attachment, i);
		if (column[i].attnum != 0 && column_fit(source, column[i]) >= Fit::rounded)
			return fail(
				problem, ERRCODE_DATATYPE_MISMATCH,
				psprintf(
					"column \"%s\" of %s has type %s and cannot keep %s of %s, which has type %s",
					NameStr(column[i].name), definition.listing,
					format_type_with_typemod(column[i].type, column[i].typmod), source_name(source),
					definition.price, format_type_with_typemod(source.type, source.typmod)),
				psprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s;", definition.listing,
			             quote_identifier(NameStr(column[i].name)),
			             format_type_with_typemod(source.type, source.typmod)));
	}
	return true;
}

bool
check_owner(const Definition &definition, Relation listing, Relation price, Problem *problem)
{
	if (listing->rd_rel->relowner == price->rd_rel->relowner)
		return true;
	return fail(problem, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
	            psprintf("table %s is owned by \"%s\" and table %s by \"%s\"", definition.listing,
	                     GetUserNameFromId(listing->rd_rel->relowner, true), definition.price,
	                     GetUserNameFromId(price->rd_rel->relowner, true)),
	            "Tables attached to each other need one owner: see ALTER TABLE ... OWNER TO.");
}

bool
resolve_columns(Definition definition, Relation listing, Relation price, bool recorded,
                Attachment *result, Problem *problem)
{
	Oid constraint = InvalidOid;

	// The key of price first: the foreign key on it says what the listing's key is.
	if (!resolve_column(definition, price_key, price, recorded, &result->column[price_key],
	                    problem))
		return false;
	definition.column[price_key] = NameStr(result->column[price_key].name);
	const AttrNumber referenced = foreign_key_target(
		price, result->column[price_key].attnum, RelationGetRelid(listing),
		get_attnum(RelationGetRelid(listing), definition.column[listing_key]), &constraint);
	result->foreign_key = referenced != 0 && is_checked(price, constraint);
	result->skip_null = definition.skip_null;
	result->guard = definition.guard;
	for (int i = 0; i < column_count; ++i)
	{
		if (i == price_key || definition.column[i] == nullptr)
			continue;
		if (i == listing_key && referenced != 0)
			result->column[i] = read_column(listing, referenced);
		else if (!resolve_column(definition, i, is_of_listing(i) ? listing : price, recorded,
		                         &result->column[i], problem))
			return false;
	}
	return true;
}

Trigger *
copy_trigger(const Trigger *trigger)
{
	Trigger *copy = static_cast<Trigger *>(palloc(sizeof(Trigger)));

	*copy = *trigger;
	copy->tgname = pstrdup(trigger->tgname);
	copy->tgargs =
		static_cast<char **>(palloc(sizeof(char *) * static_cast<Size>(Max(trigger->tgnargs, 1))));
	for (int i = 0; i < trigger->tgnargs; ++i)
		copy->tgargs[i] = pstrdup(trigger->tgargs[i]);
	return copy;
}

// Whether one role owns both relations.
bool
same_owner(Oid a, Oid b)
{
	return relation_owner(a) == relation_owner(b);
}

// The table that the key of price refers to where the one that its trigger names does not exist, or
// is a shard: so it is with tables that Citus has, or has had for a while, and whose names it has
// changed.  InvalidOid: none.
Oid
referred_listing(const Definition &definition, Relation price, bool recorded)
{
	ResolvedColumn key = {};
	Problem problem = {};
	ListCell *cell = nullptr;

	if ((OidIsValid(table_by_name(definition.listing)) &&
	     !is_distributed(RelationGetRelid(price))) ||
	    !resolve_column(definition, price_key, price, recorded, &key, &problem))
		return InvalidOid;
	foreach (cell, RelationGetFKeyList(price))
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		if (foreign_key->nkeys == 1 && foreign_key->conkey[0] == key.attnum)
			return foreign_key->confrelid;
	}
	return InvalidOid;
}

// What to do where the other half is missing.
const char *
lost_half_hint(Definition definition, Relation relation, Side side)
{
	const char *name = qualified_name(RelationGetRelid(relation));
	const Oid referred = side == Side::price
	                         ? referred_listing(definition, relation,
	                                            record_is_of(definition, relation, Side::price))
	                         : InvalidOid;

	(side == Side::price ? definition.price : definition.listing) = name;
	if (OidIsValid(referred))
		definition.listing = qualified_name(referred);
	const char *detach =
		psprintf("SELECT listing_stats.detach(%s, %s)", quote_literal_cstr(definition.listing),
	             quote_literal_cstr(definition.price));
	if (is_distributed(RelationGetRelid(relation)))
		return psprintf("It is a table of Citus, whose rows are in shards. Make both tables "
		                "ordinary ones with undistribute_table(), clean up with %s, and attach "
		                "them anew with SELECT %s.",
		                detach, attach_call(definition));
	if (OidIsValid(referred))
		return psprintf("Clean up with %s, and attach them anew with SELECT %s.", detach,
		                attach_call(definition));
	return psprintf("Attach it anew with SELECT %s, or clean up with SELECT "
	                "listing_stats.detach(%s).",
	                attach_call(definition), quote_literal_cstr(name));
}

}  // namespace

bool
resolve(Relation relation, const Trigger *trigger, Side side, Attachment *result, Problem *problem)
{
	Definition definition = parse_definition(relation, trigger);
	const Oid other = other_half(relation, trigger, side);
	const char *name = qualified_name(RelationGetRelid(relation));

	// Errors name what there is as it is called now.
	(side == Side::price ? definition.price : definition.listing) = name;
	Relation other_relation =
		OidIsValid(other) ? try_relation_open(other, AccessShareLock) : nullptr;
	if (other_relation == nullptr)
		return fail(problem, ERRCODE_UNDEFINED_TABLE,
		            psprintf("table %s, attached to table \"%s\" by listing_stats, does not exist "
		                     "or has lost its trigger",
		                     side == Side::price ? definition.listing : definition.price,
		                     RelationGetRelationName(relation)),
		            lost_half_hint(definition, relation, side));

	Relation listing = side == Side::listing ? relation : other_relation;
	Relation price = side == Side::price ? relation : other_relation;
	result->listing = RelationGetRelid(listing);
	result->price = RelationGetRelid(price);
	namestrcpy(&result->listing_name, RelationGetRelationName(listing));
	namestrcpy(&result->price_name, RelationGetRelationName(price));
	result->owner = listing->rd_rel->relowner;
	(side == Side::price ? definition.listing : definition.price) = qualified_name(other);
	const bool recorded =
		record_is_of(definition, relation, side) &&
		other == (side == Side::price ? definition.listing_oid : definition.price_oid);
	const bool good = check_owner(definition, listing, price, problem) &&
	                  resolve_columns(definition, listing, price, recorded, result, problem) &&
	                  check_types(definition, result, problem);
	relation_close(other_relation, AccessShareLock);
	return good;
}

List *
our_triggers(Relation relation)
{
	// Looked up first: nothing from here to the end may read a catalogue.
	const Oid functions[] = {trigger_function(price_changed), trigger_function(listing_changed),
	                         trigger_function(price_truncated)};
	List *found = NIL;

	for (int i = 0; relation->trigdesc != nullptr && i < relation->trigdesc->numtriggers; ++i)
	{
		const Trigger *trigger = &relation->trigdesc->triggers[i];
		if (trigger->tgfoid == functions[0] || trigger->tgfoid == functions[1] ||
		    trigger->tgfoid == functions[2])
			found = lappend(found, copy_trigger(trigger));
	}
	return found;
}

bool
same_arguments(const Trigger *a, const Trigger *b)
{
	if (a->tgnargs != b->tgnargs)
		return false;
	for (int i = 0; i < a->tgnargs; ++i)
	{
		if (strcmp(a->tgargs[i], b->tgargs[i]) != 0)
			return false;
	}
	return true;
}

// The catalogue is asked: to open the table would wait for whoever has it locked exclusively.
Oid
find_trigger(Oid relation, const char *function, const Trigger *like, bool clones)
{
	const Oid function_oid = trigger_function(function);
	Oid found = InvalidOid;
	ListCell *cell = nullptr;

	foreach (cell, triggers_of(relation, nullptr))
	{
		const Trigger *candidate = static_cast<Trigger *>(lfirst(cell));
		if (candidate->tgfoid == function_oid && (clones || !candidate->tgisclone) &&
		    same_arguments(candidate, like))
			found = candidate->tgoid;
	}
	return found;
}

List *
parents_of(Oid relation)
{
	Relation catalog = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData scan_key;
	List *parents = NIL;

	ScanKeyInit(&scan_key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
	            ObjectIdGetDatum(relation));
	SysScanDesc scan =
		systable_beginscan(catalog, InheritsRelidSeqnoIndexId, true, nullptr, 1, &scan_key);
	for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple);
	     tuple = systable_getnext(scan))
		parents =
			lappend_oid(parents, reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return parents;
}

Oid
attached_root(Oid relation, const Trigger *trigger)
{
	ListCell *cell = nullptr;

	foreach (cell, parents_of(relation))
	{
		if (OidIsValid(find_trigger(lfirst_oid(cell), price_changed, trigger, true)))
			return attached_root(lfirst_oid(cell), trigger);
	}
	return relation;
}

bool
is_stray(Relation relation, const Trigger *trigger)
{
	const Definition definition = parse_definition(relation, trigger);
	const Oid candidates[] = {
		definition.system_identifier == GetSystemIdentifier() ? definition.price_oid : InvalidOid,
		table_by_name(definition.price)};

	for (const Oid candidate : candidates)
	{
		if (OidIsValid(candidate) && candidate != RelationGetRelid(relation) &&
		    OidIsValid(find_trigger(candidate, price_changed, trigger, false)))
			return true;
	}
	return false;
}

bool
is_attachment(Relation relation, const Trigger *trigger)
{
	return trigger->tgfoid == trigger_function(price_changed) && !trigger->tgisclone &&
	       attached_root(RelationGetRelid(relation), trigger) == RelationGetRelid(relation) &&
	       !is_stray(relation, trigger);
}

Oid
other_half(Relation relation, const Trigger *trigger, Side side)
{
	const Definition definition = parse_definition(relation, trigger);
	List *candidates = NIL;
	ListCell *cell = nullptr;
	Oid found = InvalidOid;

	if (side == Side::price)
	{
		foreach (cell, RelationGetFKeyList(relation))
			candidates = list_append_unique_oid(
				candidates, static_cast<ForeignKeyCacheInfo *>(lfirst(cell))->confrelid);
	}
	if (record_is_of(definition, relation, side))
		candidates = list_append_unique_oid(candidates, side == Side::price ? definition.listing_oid
		                                                                    : definition.price_oid);
	candidates = list_append_unique_oid(
		candidates, table_by_name(side == Side::price ? definition.listing : definition.price));
	// Tables of another owner count only to be named in an error: anybody can copy arguments.
	Oid of_others = InvalidOid;
	int count = 0;
	foreach (cell, candidates)
	{
		const Oid candidate = lfirst_oid(cell);
		if (!OidIsValid(candidate) || !carries_other_half(candidate, trigger, side))
			continue;
		if (!same_owner(candidate, RelationGetRelid(relation)))
			of_others = candidate;
		else if (++count == 1)
			found = candidate;
	}
	if (count > 1)
		return InvalidOid;
	return OidIsValid(found) ? found : of_others;
}

List *
attachments_to(Oid listing, Relation price)
{
	List *found = NIL;
	ListCell *cell = nullptr;

	foreach (cell, our_triggers(price))
	{
		Trigger *trigger = static_cast<Trigger *>(lfirst(cell));
		if (is_attachment(price, trigger) && other_half(price, trigger, Side::price) == listing)
			found = lappend(found, trigger);
	}
	return found;
}

void
not_attached(Oid listing, Oid price)
{
	Relation relation = relation_open(listing, NoLock);
	const bool reversed = attachments_to(price, relation) != NIL;

	relation_close(relation, NoLock);
	ereport(ERROR,
	        (errcode(ERRCODE_UNDEFINED_OBJECT),
	         errmsg("table \"%s\" is not attached to table \"%s\"", get_rel_name(price),
	                get_rel_name(listing)),
	         reversed ? errhint("The table of listings comes first, that of prices second.")
	                  : errhint("The view listing_stats.attachments lists what is attached.")));
	pg_unreachable();
}

bool
is_orphan_of(Relation relation, const Trigger *trigger, Side side, Oid other)
{
	const Definition definition = parse_definition(relation, trigger);

	if (OidIsValid(other_half(relation, trigger, side)))
		return false;
	return table_by_name(side == Side::price ? definition.listing : definition.price) == other ||
	       (side == Side::price &&
	        referred_listing(definition, relation,
	                         record_is_of(definition, relation, Side::price)) == other);
}

const char *
key_of_price(Relation price, const Trigger *trigger)
{
	const Definition definition = parse_definition(price, trigger);
	ResolvedColumn column = {};
	Problem problem = {};

	if (!resolve_column(definition, price_key, price, record_is_of(definition, price, Side::price),
	                    &column, &problem))
		return nullptr;
	return pstrdup(NameStr(column.name));
}

ResolvedColumn
source_of(const Attachment &attachment, int target)
{
	if (target == price_count)
	{
		ResolvedColumn count = {0, INT8OID, -1, InvalidOid, true, {}};
		namestrcpy(&count.name, "count(*)");
		return count;
	}
	return attachment.column[target == last_price_at ? price_at : price_value];
}

const char *
source_name(const ResolvedColumn &source)
{
	return source.attnum == 0 ? "the number of prices"
	                          : psprintf("column \"%s\"", NameStr(source.name));
}

bool
keeps_history(const Attachment &attachment)
{
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (needs_history(i) && attachment.column[i].attnum != 0)
			return true;
	}
	return false;
}

bool
same_attachment(const Attachment &a, const Attachment &b)
{
	return a.listing == b.listing && a.price == b.price &&
	       a.column[price_key].attnum == b.column[price_key].attnum;
}

Oid
trigger_function(const char *name)
{
	const Oid schema = get_namespace_oid("listing_stats", false);
	const Oid function =
		GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
	                    PointerGetDatum(buildoidvector(nullptr, 0)), ObjectIdGetDatum(schema));

	if (!OidIsValid(function))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
		                errmsg("function listing_stats.%s() does not exist", name)));
	return function;
}

char *
qualified_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)),
	                                  get_rel_name(relation));
}

}  // namespace listing_stats
