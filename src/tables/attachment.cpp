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
#include "tables/condition.hpp"
#include "tables/distributed.hpp"

#include <algorithm>

namespace listing_stats {

namespace {

// The foreign key from these columns of price to listing, of several the one to the columns that
// were the key so far: sets the columns of listing that it refers to; InvalidOid: there is none.
Oid
find_foreign_key(Relation price, const AttrNumber *key, int columns, Oid listing,
                 const AttrNumber *so_far, AttrNumber *target)
{
	Oid found = InvalidOid;

	for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(price))
	{
		AttrNumber referenced[most_key_columns];
		if (foreign_key->confrelid != listing || !is_on(*foreign_key, key, columns, referenced) ||
		    (OidIsValid(found) && !std::equal(referenced, referenced + columns, so_far)))
			continue;
		found = foreign_key->conoid;
		std::copy_n(referenced, columns, target);
	}
	return found;
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

const char *
attach_hint(const Definition &definition, int column)
{
	return psprintf("Name the %s anew with SELECT %s, or stop keeping the columns with SELECT "
	                "listing_stats.detach(%s, %s).",
	                column == first_of_condition ? "condition" : "column",
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
	const RecordedColumn &record = definition.record[column];
	AttrNumber by_name = get_attnum(RelationGetRelid(relation), name);
	AttrNumber by_number = 0;

	if (by_name < 0)
		by_name = 0;
	if (recorded && record.attnum > 0 &&
	    get_atttype(RelationGetRelid(relation), record.attnum) == record.type)
		by_number = record.attnum;
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

// A type that is compared with another of its kind column by column.
bool
resolve_row_type(Attachment *attachment)
{
	MemoryContext old = MemoryContextSwitchTo(attachment->context);
	TupleDesc row = CreateTemplateTupleDesc(attachment->key_columns);

	for (int i = 0; i < attachment->key_columns; ++i)
	{
		const ComparedType &column = attachment->key_column[i];
		TupleDescInitEntry(row, static_cast<AttrNumber>(i + 1), nullptr, column.type, -1, 0);
		TupleDescInitEntryCollation(row, static_cast<AttrNumber>(i + 1), column.collation);
	}
	finish_description(row);
	attachment->key_row = BlessTupleDesc(row);
	MemoryContextSwitchTo(old);
	if (!resolve_compared_type(RECORDOID, InvalidOid, attachment->context, &attachment->key))
		return false;
	attachment->key.record = attachment->key_row->tdtypmod;
	return true;
}

bool
check_types(const Definition &definition, Attachment *attachment, Problem *problem)
{
	const ResolvedColumn *column = attachment->column;
	const Oid value = getBaseType(column[price_value].type);

	if (!check_key_types(attachment, problem))
		return false;
	if (column[price_total].attnum != 0 && (value == FLOAT8OID || value == FLOAT4OID))
		return fail(problem, ERRCODE_DATATYPE_MISMATCH,
		            psprintf("column \"%s\" of %s has type %s, of which no exact total can be kept",
		                     NameStr(column[price_value].name), definition.price,
		                     format_type_be(column[price_value].type)),
		            "Totals are of numeric and integers.");
	if (is_number(value))
		resolve_compared_type(value, InvalidOid, attachment->context, &attachment->value);
	else
		for (int i = previous_price; i <= price_total; ++i)
		{
			if (column[i].attnum != 0 && i != price_count)
				return fail(problem, ERRCODE_DATATYPE_MISMATCH,
				            psprintf("column \"%s\" of %s has type %s and no %s, which column "
				                     "\"%s\" of %s is to keep",
				                     NameStr(column[price_value].name), definition.price,
				                     format_type_be(column[price_value].type), argument_name(i),
				                     NameStr(column[i].name), definition.listing),
				            "A price is numeric, an integer, double precision or real.");
		}
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

// The columns of listing that the keys refer to: by the foreign key, which says it, or by name.
bool
resolve_keys(Definition *definition, Relation listing, Relation price, bool recorded,
             Attachment *result, Problem *problem)
{
	AttrNumber key[most_key_columns] = {};
	AttrNumber so_far[most_key_columns] = {};
	AttrNumber referenced[most_key_columns] = {};

	result->key_columns = count_list(definition->column, ColumnList::key);
	for (int i = 0; i < result->key_columns; ++i)
	{
		const int place = list_place(ColumnList::key, i);
		if (!resolve_column(*definition, place, price, recorded, &result->column[place], problem))
			return false;
		definition->column[place] = NameStr(result->column[place].name);
		key[i] = result->column[place].attnum;
		so_far[i] = get_attnum(RelationGetRelid(listing),
		                       definition->column[list_place(ColumnList::listing_key, i)]);
	}
	const Oid constraint = find_foreign_key(price, key, result->key_columns,
	                                        RelationGetRelid(listing), so_far, referenced);
	result->any_foreign_key = OidIsValid(constraint);
	result->foreign_key =
		OidIsValid(constraint) && !has_inheritance_children(price) && is_checked(price, constraint);
	for (int i = 0; i < result->key_columns; ++i)
	{
		const int place = list_place(ColumnList::listing_key, i);
		if (OidIsValid(constraint))
			result->column[place] = read_column(listing, referenced[i]);
		else if (!resolve_column(*definition, place, listing, recorded, &result->column[place],
		                         problem))
			return false;
	}
	return true;
}

// Reads the condition, whose columns are resolved, with the names that they had.
bool
resolve_condition(const Definition &definition, Relation price, Attachment *result,
                  Problem *problem)
{
	const char *reason = nullptr;
	const char **old_name = static_cast<const char **>(
		palloc0(sizeof(char *) * static_cast<Size>(RelationGetNumberOfAttributes(price))));

	for (int i = 0; i < most_condition_columns; ++i)
	{
		const int place = list_place(ColumnList::condition, i);
		if (definition.column[place] != nullptr)
			old_name[result->column[place].attnum - 1] = definition.column[place];
	}
	Node *condition =
		parse_condition(price, price->rd_rel->relowner, definition.condition, old_name, &reason);
	if (condition == nullptr)
		return fail(problem, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
		            psprintf("condition \"%s\" on table \"%s\", which listing_stats was attached "
		                     "with, means nothing any more: %s",
		                     definition.condition, RelationGetRelationName(price), reason),
		            attach_hint(definition, first_of_condition));
	const char *text = condition_text(price, condition);
	MemoryContext old = MemoryContextSwitchTo(result->context);
	result->condition = pstrdup(text);
	result->condition_tree = static_cast<Node *>(copyObjectImpl(condition));
	MemoryContextSwitchTo(old);
	return true;
}

bool
resolve_columns(Definition definition, Relation listing, Relation price, bool recorded,
                Attachment *result, Problem *problem)
{
	const Definition as_written = definition;

	// The keys first: the foreign key says what the listing's is.
	if (!resolve_keys(&definition, listing, price, recorded, result, problem))
		return false;
	result->set_options(definition);
	for (int i = 0; i < column_count; ++i)
	{
		if (definition.column[i] == nullptr || result->column[i].attnum != 0)
			continue;
		if (!resolve_column(definition, i, is_of_listing(i) ? listing : price, recorded,
		                    &result->column[i], problem))
			return false;
	}
	return definition.condition == nullptr || resolve_condition(as_written, price, result, problem);
}

// The table that the key of price refers to where the one that its trigger names does not exist, or
// is a shard: so it is with tables that Citus has, or has had for a while, and whose names it has
// changed.  InvalidOid: none.
Oid
referred_listing(const Definition &definition, Relation price, bool recorded)
{
	ResolvedColumn key = {};
	Problem problem = {};

	if ((OidIsValid(table_by_name(definition.listing)) &&
	     !is_distributed(RelationGetRelid(price))) ||
	    !resolve_column(definition, price_key, price, recorded, &key, &problem))
		return InvalidOid;
	for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(price))
	{
		if (foreign_key->nkeys == count_list(definition.column, ColumnList::key) &&
		    foreign_key->conkey[0] == key.attnum)
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
record_is_of(const Definition &definition, Relation relation, Side side)
{
	return RelationGetRelid(relation) ==
	       (side == Side::price ? definition.price_oid : definition.listing_oid);
}

bool
has_inheritance_children(Relation price)
{
	return price->rd_rel->relhassubclass && price->rd_rel->relkind != RELKIND_PARTITIONED_TABLE;
}

bool
is_checked(Relation price, Oid constraint)
{
	// Lookups come before the triggers are read, which they may free.
	const bool validated = is_validated(constraint);
	const Oid function = trigger_function(price_changed);
	const TriggerDesc *triggers = price->trigdesc;
	char checks = TRIGGER_DISABLED;
	bool only_here = true;

	if (!validated || triggers == nullptr)
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

bool
check_owner(Relation listing, Relation price, Problem *problem)
{
	if (listing->rd_rel->relowner == price->rd_rel->relowner)
		return true;
	return fail(problem, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
	            psprintf("table %s is owned by \"%s\" and table %s by \"%s\"",
	                     qualified_name(RelationGetRelid(listing)),
	                     GetUserNameFromId(listing->rd_rel->relowner, true),
	                     qualified_name(RelationGetRelid(price)),
	                     GetUserNameFromId(price->rd_rel->relowner, true)),
	            "Tables attached to each other need one owner: see ALTER TABLE ... OWNER TO.");
}

bool
check_key_types(Attachment *attachment, Problem *problem)
{
	for (int i = 0; i < attachment->key_columns; ++i)
	{
		const ResolvedColumn &listing = attachment->column[list_place(ColumnList::listing_key, i)];
		const ResolvedColumn &price = attachment->column[list_place(ColumnList::key, i)];
		const bool comparable =
			resolve_key_type(listing, price, attachment->context, &attachment->key_column[i]);
		const bool collations =
			listing.collation != price.collation && (comparable || listing.base == price.base);
		// Rows of its own and the prices are gone through together, in one order.
		if (comparable && !(collations && attachment->own_rows))
			continue;
		const char *what = collations ? psprintf("collations \"%s\" and \"%s\"",
		                                         get_collation_name(listing.collation),
		                                         get_collation_name(price.collation))
		                              : psprintf("types %s and %s", format_type_be(listing.type),
		                                         format_type_be(price.type));
		return fail(
			problem, collations ? ERRCODE_COLLATION_MISMATCH : ERRCODE_DATATYPE_MISMATCH,
			psprintf("columns \"%s\" of table \"%s\" and \"%s\" of table \"%s\" have %s",
		             NameStr(listing.name), get_rel_name(attachment->listing), NameStr(price.name),
		             get_rel_name(attachment->price), what),
			collations
				? "Give both columns one collation, so that they agree which texts are equal "
				  "and how they are ordered: ALTER TABLE ... ALTER COLUMN ... TYPE ... "
				  "COLLATE ..."
				: "Keys need one type, with a default btree operator class; arrays and rows "
				  "cannot be keys.");
	}
	attachment->key = attachment->key_column[0];
	return attachment->key_columns == 1 || resolve_row_type(attachment);
}

void
raise(const Problem &problem)
{
	ereport(ERROR, (errcode(problem.sqlstate), errmsg_internal("%s", problem.message),
	                errhint("%s", problem.hint)));
	pg_unreachable();
}

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
	const bool good = check_owner(listing, price, problem) &&
	                  resolve_columns(definition, listing, price, recorded, result, problem) &&
	                  check_types(definition, result, problem);
	relation_close(other_relation, AccessShareLock);
	return good;
}

Attachment *
attachment_now(Relation price, const Trigger *trigger)
{
	Attachment *attachment = static_cast<Attachment *>(palloc0(sizeof(Attachment)));
	Problem problem = {};

	attachment->context = CurrentMemoryContext;
	if (!resolve(price, trigger, Side::price, attachment, &problem))
		raise(problem);
	return attachment;
}

Node *
condition_on(const Attachment &attachment, Relation table)
{
	const char *problem = nullptr;
	Node *condition =
		parse_condition(table, attachment.owner, attachment.condition, nullptr, &problem);

	if (condition == nullptr)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("condition \"%s\" means nothing on table \"%s\": %s",
		                       attachment.condition, RelationGetRelationName(table), problem),
		                errhint("Attach the tables anew with another condition.")));
	return condition;
}

Definition
definition_of(const Attachment &attachment)
{
	Definition definition = {};

	definition.listing = qualified_name(attachment.listing);
	definition.price = qualified_name(attachment.price);
	definition.listing_oid = attachment.listing;
	definition.price_oid = attachment.price;
	for (int i = 0; i < column_count; ++i)
	{
		if (attachment.column[i].attnum == 0)
			continue;
		definition.column[i] = pstrdup(NameStr(attachment.column[i].name));
		definition.record[i] = {attachment.column[i].attnum, attachment.column[i].type};
	}
	definition.condition = attachment.condition;
	definition.set_options(attachment);
	return definition;
}

Definition
definition_now(Relation relation, const Trigger *trigger, Side side)
{
	Attachment attachment = {};
	Problem problem = {};

	attachment.context = CurrentMemoryContext;
	return resolve(relation, trigger, side, &attachment, &problem)
	           ? definition_of(attachment)
	           : parse_definition(relation, trigger);
}

List *
parents_of(Oid relation)
{
	List *parents = NIL;

	for_each_row(InheritsRelationId, InheritsRelidSeqnoIndexId, Anum_pg_inherits_inhrelid, relation,
	             nullptr, [&parents](HeapTuple row, TupleDesc) {
					 parents = lappend_oid(
						 parents, reinterpret_cast<Form_pg_inherits>(GETSTRUCT(row))->inhparent);
				 });
	return parents;
}

Oid
recorded_half(Relation relation, const Trigger *trigger, Side side)
{
	const Definition definition = parse_definition(relation, trigger);

	if (!record_is_of(definition, relation, side))
		return InvalidOid;
	return side == Side::price ? definition.listing_oid : definition.price_oid;
}

Oid
attached_root(Oid relation, const Trigger *trigger)
{
	for (const Oid parent : each<Oid>(parents_of(relation)))
	{
		if (find_trigger(parent, price_changed, trigger, true) != nullptr)
			return attached_root(parent, trigger);
	}
	return relation;
}

bool
is_stray(Relation relation, const Trigger *trigger)
{
	const Definition definition = parse_definition(relation, trigger);
	const Oid candidates[] = {definition.price_oid, table_by_name(definition.price)};

	for (const Oid candidate : candidates)
	{
		if (OidIsValid(candidate) && candidate != RelationGetRelid(relation) &&
		    find_trigger(candidate, price_changed, trigger, false) != nullptr)
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
	const char *function = side == Side::price ? listing_changed : price_changed;
	List *candidates = NIL;
	Oid found = InvalidOid;

	if (side == Side::price)
	{
		for (const ForeignKeyCacheInfo *foreign_key : foreign_keys(relation))
			candidates = list_append_unique_oid(candidates, foreign_key->confrelid);
	}
	if (record_is_of(definition, relation, side))
		candidates = list_append_unique_oid(candidates, side == Side::price ? definition.listing_oid
		                                                                    : definition.price_oid);
	candidates = list_append_unique_oid(
		candidates, table_by_name(side == Side::price ? definition.listing : definition.price));
	// Tables of another owner count only to be named in an error: anybody can copy arguments.
	Oid of_others = InvalidOid;
	int count = 0;
	for (const Oid candidate : each<Oid>(candidates))
	{
		if (!OidIsValid(candidate) || find_trigger(candidate, function, trigger, false) == nullptr)
			continue;
		if (relation_owner(candidate) != relation_owner(RelationGetRelid(relation)))
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

	for (Trigger *trigger : each<Trigger *>(our_triggers(RelationGetRelid(price))))
	{
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

ResolvedColumn
source_of(const Attachment &attachment, int target)
{
	if (target == price_count)
	{
		ResolvedColumn count = {0, INT8OID, -1, InvalidOid, true, {}};
		namestrcpy(&count.name, "count(*)");
		return count;
	}
	if (target == price_total)
	{
		// As exact as the values, and of any size: see column_fit().
		const ResolvedColumn &value = attachment.column[price_value];
		int32 typmod = value.typmod;
		const bool numeric = getBaseTypeAndTypmod(value.type, &typmod) == NUMERICOID;
		const Oid type = numeric ? static_cast<Oid>(NUMERICOID) : static_cast<Oid>(INT8OID);
		ResolvedColumn total = {0, type, numeric ? typmod : -1, InvalidOid, true, {}};
		namestrcpy(&total.name, "sum(*)");
		return total;
	}
	if (is_carried(target))
		return attachment.column[source_of_carried(target)];
	return attachment.column[target == last_price_at ? price_at : price_value];
}

char *
sql_list(const Attachment &attachment, ColumnList list, const char *prefix)
{
	return joined(attachment.key_columns, ", ", [&attachment, list, prefix](int i) {
		return psprintf("%s%s", prefix,
		                quote_identifier(NameStr(attachment.column[list_place(list, i)].name)));
	});
}

bool
keeps_values_of_rows(const Attachment &attachment)
{
	return first_kept(attachment, [](int target) { return !needs_all(target); }) < end_of_targets;
}

Datum
make_key(const Attachment &attachment, const Datum *column, const Oid *type)
{
	Datum held[most_key_columns];
	bool null[most_key_columns] = {};

	for (int i = 0; i < attachment.key_columns; ++i)
	{
		const bool widened = attachment.key_column[i].type == INT8OID;
		held[i] = column[i];
		if (widened && type[i] == INT4OID)
			held[i] = Int64GetDatum(DatumGetInt32(column[i]));
		else if (widened && type[i] == INT2OID)
			held[i] = Int64GetDatum(DatumGetInt16(column[i]));
	}
	if (attachment.key_row == nullptr)
		return held[0];
	return HeapTupleGetDatum(heap_form_tuple(attachment.key_row, held, null));
}

void
split_key(const Attachment &attachment, Datum key, Datum *column)
{
	bool null[most_key_columns];
	HeapTupleData tuple = {};

	if (attachment.key_row == nullptr)
	{
		column[0] = key;
		return;
	}
	tuple.t_data = DatumGetHeapTupleHeader(key);
	tuple.t_len = HeapTupleHeaderGetDatumLength(tuple.t_data);
	ItemPointerSetInvalid(&tuple.t_self);
	heap_deform_tuple(&tuple, attachment.key_row, column, null);
}

bool
same_listing_key(const Attachment &a, const Attachment &b)
{
	bool same = a.listing == b.listing && a.key_columns == b.key_columns;

	for (int i = 0; same && i < a.key_columns; ++i)
	{
		const int place = list_place(ColumnList::listing_key, i);
		same = a.column[place].attnum == b.column[place].attnum;
	}
	return same;
}

bool
is_kept_to_the_byte(const Attachment &attachment, int target)
{
	const Oid type = getBaseType(attachment.column[target].type);

	return is_carried(target) ||
	       !(is_number(type) || (target == last_price_at && is_time_type(type)));
}

const char *
source_name(const ResolvedColumn &source)
{
	return source.attnum == 0
	           ? (strcmp(NameStr(source.name), "sum(*)") == 0 ? "the total of prices"
	                                                          : "the number of prices")
	           : psprintf("column \"%s\"", NameStr(source.name));
}

bool
adds_inserted(const Attachment &attachment)
{
	const int target = first_kept(attachment, needs_history);

	return target < end_of_targets && !(attachment.keep_empty && target < price_count);
}

bool
same_attachment(const Attachment &a, const Attachment &b)
{
	bool same = a.listing == b.listing && a.price == b.price;

	for (int i = first_target; same && i < end_of_targets; ++i)
		same = a.column[i].attnum == b.column[i].attnum;
	return same;
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

char *
qualified_name(Oid relation)
{
	const char *schema = get_namespace_name(get_rel_namespace(relation));
	const char *name = get_rel_name(relation);

	if (schema == nullptr || name == nullptr)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
		                errmsg("relation with OID %u does not exist", relation)));
	return quote_qualified_identifier(schema, name);
}

}  // namespace listing_stats
