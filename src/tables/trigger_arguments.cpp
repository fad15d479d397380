// Reading and writing of the trigger arguments, see trigger_arguments.hpp.
#include "tables/trigger_arguments.hpp"

namespace listing_stats {

const char *const argument_name[column_count] = {
	"listing_key",  "last_price",    "last_price_at", "previous_price",
	"lowest_price", "highest_price", "price_count",   "key",
	"at",           "tie",           "value",
};

namespace {

// Splits "name:attnum:type" of the found argument; false if it is not of that form.
bool
parse_place(const char *word, Definition *definition)
{
	for (int i = 0; i < column_count; ++i)
	{
		const size_t length = strlen(argument_name[i]);
		int attnum = 0;
		Oid type = InvalidOid;

		if (strncmp(word, argument_name[i], length) != 0 || word[length] != ':')
			continue;
		if (sscanf(word + length, ":%d:%u", &attnum, &type) != 2 || attnum <= 0 ||
		    attnum > MaxHeapAttributeNumber)
			return false;
		definition->place[i] = {static_cast<AttrNumber>(attnum), type};
		return true;
	}
	return false;
}

bool
parse_found(const char *text, Definition *definition)
{
	char *words = pstrdup(text);
	char *rest = nullptr;

	for (int i = 0;; ++i, words = nullptr)
	{
		const char *word = strtok_r(words, " ", &rest);
		if (word == nullptr)
			return i >= 3;
		if (i == 0)
			definition->system_identifier = strtou64(word, nullptr, 10);
		else if (i == 1)
			definition->listing_oid = static_cast<Oid>(strtoul(word, nullptr, 10));
		else if (i == 2)
			definition->price_oid = static_cast<Oid>(strtoul(word, nullptr, 10));
		else if (!parse_place(word, definition))
			return false;
	}
}

bool
parse_table(const char *text, const char **table)
{
	const char *schema = nullptr;
	const char *name = nullptr;

	*table = text;
	return split_name(text, &schema, &name);
}

// Stores "name=text" where it belongs; false if there is no such name, or not such a text.
bool
parse_argument(const char *argument, Definition *definition)
{
	const char *equals = strchr(argument, '=');
	if (equals == nullptr)
		return false;
	const char *text = pstrdup(equals + 1);
	const char *name = pnstrdup(argument, static_cast<Size>(equals - argument));

	if (strcmp(name, "listing") == 0)
		return parse_table(text, &definition->listing);
	if (strcmp(name, "price") == 0)
		return parse_table(text, &definition->price);
	if (strcmp(name, "found") == 0)
		return parse_found(text, definition);
	if (strcmp(name, "null_value") == 0)
		return parse_null_value(text, &definition->skip_null);
	if (strcmp(name, "guard") == 0)
		return parse_guard(text, &definition->guard);
	for (int i = 0; i < column_count; ++i)
	{
		if (strcmp(name, argument_name[i]) == 0)
		{
			definition->column[i] = text;
			return true;
		}
	}
	return false;
}

void
append_argument(StringInfo out, const char *name, const char *text)
{
	appendStringInfo(out, "%s=%s", name, text);
	appendStringInfoChar(out, '\0');
}

}  // namespace

bool
parse_null_value(const char *text, bool *skip_null)
{
	*skip_null = strcmp(text, "skip") == 0;
	return *skip_null || strcmp(text, "keep") == 0;
}

bool
parse_guard(const char *text, Guard *guard)
{
	if (strcmp(text, "keep") == 0)
		*guard = Guard::keep;
	else if (strcmp(text, "error") == 0)
		*guard = Guard::error;
	else if (strcmp(text, "off") == 0)
		*guard = Guard::off;
	else
		return false;
	return true;
}

bool
split_name(const char *text, const char **schema, const char **table)
{
	List *names = NIL;

	if (!SplitIdentifierString(pstrdup(text), '.', &names) || list_length(names) != 2)
		return false;
	*schema = static_cast<const char *>(linitial(names));
	*table = static_cast<const char *>(lsecond(names));
	return true;
}

const char *
read_definition(const Trigger *trigger, Definition *definition)
{
	*definition = {};
	for (int i = 0; i < trigger->tgnargs; ++i)
	{
		if (!parse_argument(trigger->tgargs[i], definition))
			return psprintf("Argument \"%s\" is not understood.", trigger->tgargs[i]);
	}
	for (int i = 0; i < column_count; ++i)
	{
		if (definition->column[i] == nullptr && !is_target(i))
			return psprintf("Argument \"%s\" is missing.", argument_name[i]);
	}
	bool any = false;
	for (int i = first_target; i < end_of_targets; ++i)
		any = any || definition->column[i] != nullptr;
	if (!any)
		return "No column to keep is named.";
	if (definition->listing == nullptr || definition->price == nullptr)
		return "Argument \"listing\" or \"price\" is missing.";
	return nullptr;
}

Definition
parse_definition(Relation relation, const Trigger *trigger)
{
	Definition definition;
	const char *problem = read_definition(trigger, &definition);

	if (problem != nullptr)
		ereport(ERROR,
		        (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		         errmsg("trigger \"%s\" on table \"%s\" has wrong arguments for listing_stats",
		                trigger->tgname, RelationGetRelationName(relation)),
		         errdetail_internal("%s", problem),
		         errhint("Drop the trigger and call listing_stats.attach(), which makes it.")));
	return definition;
}

Arguments
definition_arguments(const Definition &definition)
{
	StringInfoData out;
	StringInfoData found;

	initStringInfo(&out);
	initStringInfo(&found);
	appendStringInfo(&found, UINT64_FORMAT " %u %u", definition.system_identifier,
	                 definition.listing_oid, definition.price_oid);
	for (int i = 0; i < column_count; ++i)
	{
		if (i == 0)
			append_argument(&out, "listing", definition.listing);
		if (i == first_of_price)
			append_argument(&out, "price", definition.price);
		if (definition.column[i] == nullptr)
			continue;
		append_argument(&out, argument_name[i], definition.column[i]);
		appendStringInfo(&found, " %s:%d:%u", argument_name[i], definition.place[i].attnum,
		                 definition.place[i].type);
	}
	if (definition.skip_null)
		append_argument(&out, "null_value", "skip");
	if (definition.guard != Guard::keep)
		append_argument(&out, "guard", definition.guard == Guard::error ? "error" : "off");
	append_argument(&out, "found", found.data);
	Arguments arguments = {out.data, out.len, 0};
	for (int i = 0; i < out.len; ++i)
		arguments.count += out.data[i] == '\0' ? 1 : 0;
	return arguments;
}

char *
format_definition(const Definition &definition)
{
	const Arguments arguments = definition_arguments(definition);
	const char *argument = arguments.text;
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < arguments.count; ++i, argument += strlen(argument) + 1)
		appendStringInfo(&out, "%s%s", i == 0 ? "" : ", ", quote_literal_cstr(argument));
	return out.data;
}

char *
attach_call(const Definition &definition, int column)
{
	StringInfoData call;

	initStringInfo(&call);
	appendStringInfo(&call, "listing_stats.attach(%s, %s", quote_literal_cstr(definition.listing),
	                 quote_literal_cstr(definition.price));
	if (column != price_key)
		appendStringInfo(&call, ", key => %s", quote_literal_cstr(definition.column[price_key]));
	if (column != listing_key)
		appendStringInfo(&call, ", %s => '...'", argument_name[column]);
	appendStringInfoChar(&call, ')');
	return call.data;
}

}  // namespace listing_stats
