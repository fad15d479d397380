// Reading and writing of the trigger arguments, see trigger_arguments.hpp.
#include "tables/trigger_arguments.hpp"

#include "tables/trigger_catalog.hpp"

#include <initializer_list>

namespace listing_stats {

namespace {

struct ListArgument
{
	ColumnList list;
	const char *name;
	int first;  // place
	int capacity;
};

constexpr ListArgument list_arguments[] = {
	{ColumnList::listing_key, "listing_key", listing_key, most_key_columns},
	{ColumnList::key, "key", price_key, most_key_columns},
	{ColumnList::carried, "carry", first_source, most_carried},
	{ColumnList::condition, "condition_columns", first_of_condition, most_condition_columns},
};

const ListArgument &
argument_of(ColumnList list)
{
	return list_arguments[static_cast<int>(list)];
}

// The list that has a place; nullptr: none.
const ListArgument *
list_of(int place)
{
	for (const ListArgument &list : list_arguments)
	{
		if (place >= list.first && place < list.first + list.capacity)
			return &list;
	}
	return nullptr;
}

// The argument that names the column alone; nullptr: there is none.
const char *
fixed_name(int column)
{
	for (const FixedColumn &fixed : fixed_columns)
	{
		if (fixed.column == column)
			return fixed.name;
	}
	return nullptr;
}

// What the record calls the column in a place: of a list, the first by the list's name and the
// others with their number; columns that carry others by "last_" and that of their source.
const char *
place_name(int column)
{
	if (is_carried(column))
		return psprintf("last_%s", place_name(source_of_carried(column)));
	const ListArgument *list = list_of(column);
	if (list == nullptr)
		return fixed_name(column);
	return column == list->first ? list->name
	                             : psprintf("%s%d", list->name, column - list->first + 1);
}

// Splits "name:attnum:type" of the record, which is of columns that the arguments before it name;
// what is not of that form is left out.
void
parse_place(const char *word, Definition *definition)
{
	const char *colon = strchr(word, ':');
	int attnum = 0;
	Oid type = InvalidOid;

	if (colon == nullptr || sscanf(colon, ":%d:%u", &attnum, &type) != 2 || attnum <= 0 ||
	    attnum > MaxHeapAttributeNumber)
		return;
	const char *name = pnstrdup(word, static_cast<Size>(colon - word));
	for (int i = 0; i < column_count; ++i)
	{
		if (definition->column[i] != nullptr && strcmp(name, place_name(i)) == 0)
			definition->record[i] = {static_cast<AttrNumber>(attnum), type};
	}
}

constexpr const char *record_name = "found";

void
parse_record(const char *record, Definition *definition)
{
	int length = 0;

	if (record == nullptr || sscanf(record, "found=%u %u%n", &definition->listing_oid,
	                                &definition->price_oid, &length) != 2)
		return;
	char *words = pstrdup(record + length);
	char *rest = nullptr;
	for (const char *word = strtok_r(words, " ", &rest); word != nullptr;
	     word = strtok_r(nullptr, " ", &rest))
		parse_place(word, definition);
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
	// The record, of dumps from before the release: it is of other tables.
	if (strcmp(name, record_name) == 0)
		return true;
	if (strcmp(name, "null_value") == 0)
		return parse_word(null_value_words, text, &definition->skip_null);
	if (strcmp(name, "guard") == 0)
		return parse_word(guard_words, text, &definition->guard);
	if (strcmp(name, "empty") == 0)
		return parse_word(empty_words, text, &definition->keep_empty);
	if (strcmp(name, "rows") == 0)
	{
		definition->own_rows = strcmp(text, "own") == 0;
		return definition->own_rows;
	}
	if (strcmp(name, "condition") == 0)
	{
		definition->condition = text;
		return true;
	}
	for (const ListArgument &list : list_arguments)
	{
		if (strcmp(name, list.name) == 0)
			return parse_list(text, list.list, definition->column) == nullptr;
	}
	for (const FixedColumn &fixed : fixed_columns)
	{
		if (strcmp(name, fixed.name) == 0)
		{
			definition->column[fixed.column] = text;
			return true;
		}
	}
	return false;
}

// The next item of a list up to a comma that is not within quotes; nullptr: there is none.
char *
next_item(char **rest)
{
	char *item = *rest;
	bool quoted = false;

	if (item == nullptr)
		return nullptr;
	for (char *c = item;; ++c)
	{
		if (*c == '"')
			quoted = !quoted;
		if (*c == '\0' || (*c == ',' && !quoted))
		{
			*rest = *c == '\0' ? nullptr : c + 1;
			*c = '\0';
			return item;
		}
	}
}

char *
trimmed(char *text)
{
	while (scanner_isspace(*text))
		++text;
	char *end = text + strlen(text);
	while (end > text && scanner_isspace(end[-1]))
		--end;
	*end = '\0';
	return text;
}

// A name without its quotes; nullptr: it is none.
const char *
unquoted(char *text)
{
	StringInfoData out;

	text = trimmed(text);
	if (*text != '"')
		return *text == '\0' ? nullptr : text;
	initStringInfo(&out);
	for (++text; *text != '\0'; ++text)
	{
		if (*text == '"' && *++text != '"')
			return *text == '\0' && out.len > 0 ? out.data : nullptr;
		appendStringInfoChar(&out, *text);
	}
	return nullptr;
}

// As the server has a name that is too long.
const char *
as_identifier(const char *name)
{
	char *cut = pstrdup(name);

	truncate_identifier(cut, static_cast<int>(strlen(cut)), false);
	return cut;
}

// Where " as " begins that is not within quotes; nullptr: nowhere.
char *
find_as(char *item)
{
	bool quoted = false;

	for (char *c = item; *c != '\0'; ++c)
	{
		if (*c == '"')
			quoted = !quoted;
		if (!quoted && scanner_isspace(*c) && pg_strncasecmp(c + 1, "as", 2) == 0 &&
		    scanner_isspace(c[3]))
			return c;
	}
	return nullptr;
}

bool
needs_quotes(const char *name)
{
	return strpbrk(name, ",\"") != nullptr || scanner_isspace(*name) ||
	       scanner_isspace(name[strlen(name) - 1]) || find_as(psprintf("%s ", name)) != nullptr;
}

void
append_name(StringInfo out, const char *name)
{
	if (!needs_quotes(name))
	{
		appendStringInfoString(out, name);
		return;
	}
	appendStringInfoChar(out, '"');
	for (; *name != '\0'; ++name)
	{
		if (*name == '"')
			appendStringInfoChar(out, '"');
		appendStringInfoChar(out, *name);
	}
	appendStringInfoChar(out, '"');
}

void
append_argument(StringInfo out, const char *name, const char *text)
{
	appendStringInfo(out, "%s=%s", name, text);
	appendStringInfoChar(out, '\0');
}

void
append_list(StringInfo out, const Definition &definition, ColumnList list)
{
	const char *text = format_list(definition.column, list);

	if (text != nullptr)
		append_argument(out, argument_of(list).name, text);
}

}  // namespace

int
find_word(const char *const *words, const char *text)
{
	for (int i = 0; words[i] != nullptr; ++i)
	{
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -1;
}

const char *
argument_name(int column)
{
	const ListArgument *list = list_of(is_carried(column) ? source_of_carried(column) : column);

	if (list == nullptr)
		return fixed_name(column);
	return list->list == ColumnList::condition ? "condition" : list->name;
}

int
list_place(ColumnList list, int number)
{
	return argument_of(list).first + number;
}

int
list_capacity(ColumnList list)
{
	return argument_of(list).capacity;
}

int
count_list(const char *const *column, ColumnList list)
{
	int count = 0;

	for (int i = 0; i < list_capacity(list); ++i)
		count += column[list_place(list, i)] != nullptr ? 1 : 0;
	return count;
}

const char *
parse_list(const char *text, ColumnList list, const char **column)
{
	char *rest = pstrdup(text);
	int count = 0;

	for (char *item = next_item(&rest); item != nullptr; item = next_item(&rest))
	{
		item = trimmed(item);
		char *as = list == ColumnList::carried ? find_as(item) : nullptr;
		if (as != nullptr)
			*as = '\0';
		if (count == list_capacity(list))
			return psprintf("There are more than %d columns.", list_capacity(list));
		const char *name = unquoted(item);
		const char *target = as == nullptr ? nullptr : unquoted(as + 4);
		if (name == nullptr || (as != nullptr && target == nullptr))
			return "A name is missing, or its quotes.";
		if (list == ColumnList::carried)
			target = as_identifier(target == nullptr ? psprintf("last_%s", name) : target);
		// One column can be carried twice, into two others.
		for (int i = 0; i < count; ++i)
		{
			const int place = list_place(list, i);
			const bool same = target == nullptr ? strcmp(column[place], name) == 0
			                                    : strcmp(column[carried_by(place)], target) == 0;
			if (same)
				return psprintf("Column \"%s\" is named twice.", target == nullptr ? name : target);
		}
		const int place = list_place(list, count++);
		column[place] = name;
		if (target != nullptr)
			column[carried_by(place)] = target;
	}
	return nullptr;
}

char *
format_list(const char *const *column, ColumnList list)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < list_capacity(list); ++i)
	{
		const int place = list_place(list, i);
		if (column[place] == nullptr)
			continue;
		if (out.len > 0)
			appendStringInfoString(&out, ", ");
		append_name(&out, column[place]);
		if (list == ColumnList::carried)
		{
			appendStringInfoString(&out, " AS ");
			append_name(&out, column[carried_by(place)]);
		}
	}
	return out.len == 0 ? nullptr : out.data;
}

void
remove_carried(Definition *definition, int number)
{
	for (const int first : {static_cast<int>(first_carried), static_cast<int>(first_source)})
	{
		for (int i = first + number; i < first + most_carried; ++i)
		{
			const bool last = i == first + most_carried - 1;
			definition->column[i] = last ? nullptr : definition->column[i + 1];
			definition->record[i] = last ? RecordedColumn{} : definition->record[i + 1];
		}
	}
}

bool
has_name(const char *const *column, int first, int end, const char *name)
{
	for (int i = first; i < end; ++i)
	{
		if (column[i] != nullptr && strcmp(column[i], name) == 0)
			return true;
	}
	return false;
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
	for (const int needed :
	     {static_cast<int>(listing_key), static_cast<int>(price_key), static_cast<int>(price_at),
	      static_cast<int>(price_tie), static_cast<int>(price_value)})
	{
		if (definition->column[needed] == nullptr)
			return psprintf("Argument \"%s\" is missing.", argument_name(needed));
	}
	if (count_list(definition->column, ColumnList::listing_key) !=
	    count_list(definition->column, ColumnList::key))
		return "The keys have different numbers of columns.";
	bool any = false;
	for (int i = first_target; i < end_of_targets; ++i)
		any = any || definition->column[i] != nullptr;
	if (!any)
		return "No column to keep is named.";
	if (definition->listing == nullptr || definition->price == nullptr)
		return "Argument \"listing\" or \"price\" is missing.";
	parse_record(record_of(trigger->tgoid), definition);
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

TriggerArguments
definition_arguments(const Definition &definition)
{
	StringInfoData out;
	StringInfoData found;

	initStringInfo(&out);
	initStringInfo(&found);
	appendStringInfo(&found, "%u %u", definition.listing_oid, definition.price_oid);
	append_argument(&out, "listing", definition.listing);
	append_list(&out, definition, ColumnList::listing_key);
	for (const FixedColumn &fixed : fixed_columns)
	{
		if (fixed.column == price_at)
		{
			append_argument(&out, "price", definition.price);
			append_list(&out, definition, ColumnList::key);
		}
		if (definition.column[fixed.column] != nullptr)
			append_argument(&out, fixed.name, definition.column[fixed.column]);
	}
	append_list(&out, definition, ColumnList::carried);
	if (definition.condition != nullptr)
		append_argument(&out, "condition", definition.condition);
	append_list(&out, definition, ColumnList::condition);
	if (definition.skip_null)
		append_argument(&out, "null_value", null_value_words[1]);
	if (definition.guard != Guard::keep)
		append_argument(&out, "guard", guard_words[static_cast<int>(definition.guard)]);
	if (definition.keep_empty)
		append_argument(&out, "empty", empty_words[1]);
	if (definition.own_rows)
		append_argument(&out, "rows", "own");
	for (int i = 0; i < column_count; ++i)
	{
		if (definition.column[i] != nullptr)
			appendStringInfo(&found, " %s:%d:%u", place_name(i), definition.record[i].attnum,
			                 definition.record[i].type);
	}
	int count = 0;
	for (int i = 0; i < out.len; ++i)
		count += out.data[i] == '\0' ? 1 : 0;
	append_argument(&out, record_name, found.data);
	return {out.data, out.len, count};
}

TriggerArguments
arguments_of(const Trigger *trigger)
{
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < trigger->tgnargs; ++i)
		appendBinaryStringInfo(&out, trigger->tgargs[i],
		                       static_cast<int>(strlen(trigger->tgargs[i]) + 1));
	const char *record = record_of(trigger->tgoid);
	if (record != nullptr)
		appendBinaryStringInfo(&out, record, static_cast<int>(strlen(record) + 1));
	return {out.data, out.len, trigger->tgnargs};
}

char *
format_arguments(const TriggerArguments &arguments)
{
	const char *argument = arguments.text;
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < arguments.count; ++i, argument += strlen(argument) + 1)
		appendStringInfo(&out, "%s%s", i == 0 ? "" : ", ", quote_literal_cstr(argument));
	return out.data;
}

namespace {

// The first kept column as an argument, which says which one of several attachments is meant.
const char *
kept_argument(const Definition &definition)
{
	for (int i = first_target; i < first_carried; ++i)
	{
		if (definition.column[i] != nullptr)
			return psprintf(", %s => %s", argument_name(i),
			                quote_literal_cstr(definition.column[i]));
	}
	return psprintf(", carry => %s",
	                quote_literal_cstr(format_list(definition.column, ColumnList::carried)));
}

}  // namespace

char *
attach_call(const Definition &definition, int column, bool one_of_several)
{
	StringInfoData call;

	initStringInfo(&call);
	appendStringInfo(&call, "listing_stats.attach(%s, %s", quote_literal_cstr(definition.listing),
	                 quote_literal_cstr(definition.price));
	if (strcmp(argument_name(column), "key") != 0)
		appendStringInfo(&call, ", key => %s",
		                 quote_literal_cstr(format_list(definition.column, ColumnList::key)));
	if (one_of_several || column == first_of_condition)
		appendStringInfoString(&call, kept_argument(definition));
	if (column != listing_key)
		appendStringInfo(&call, ", %s => '...'", argument_name(column));
	appendStringInfoChar(&call, ')');
	return call.data;
}

}  // namespace listing_stats
