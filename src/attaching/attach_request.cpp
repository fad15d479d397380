// Reading the arguments of attach(), see attach_request.hpp.
#include "attaching/attach_request.hpp"

namespace listing_stats {

namespace {

bool
is_null(const Arguments &arguments, Argument which)
{
	const int place = arguments.place[static_cast<int>(which)];

	return place < 0 || arguments.fcinfo->args[place].isnull;
}

Datum
value_of(const Arguments &arguments, Argument which)
{
	return arguments.fcinfo->args[arguments.place[static_cast<int>(which)]].value;
}

const char *
text_of(const Arguments &arguments, Argument which)
{
	return is_null(arguments, which) ? nullptr : TextDatumGetCString(value_of(arguments, which));
}

void
read_list(const Arguments &arguments, Argument which, ColumnList list, const char **column)
{
	const char *text = text_of(arguments, which);
	const char *problem = text == nullptr ? nullptr : parse_list(text, list, column);

	if (problem != nullptr)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
		                errmsg("%s => '%s' is not a list of columns",
		                       argument_name(list_place(list, 0)), text),
		                errdetail_internal("%s", problem),
		                list == ColumnList::carried
		                    ? errhint("It is a list such as 'currency, url AS last_url'.")
		                    : errhint("It is a list such as 'tenant_id, listing_id'.")));
}

[[noreturn]] void
unknown_option(const char *name, const char *text, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	                errmsg("%s => '%s' is not known", name, text), errhint("%s", hint)));
	pg_unreachable();
}

char
parse_replication(const char *text)
{
	if (strcmp(text, "origin") == 0)
		return TRIGGER_FIRES_ON_ORIGIN;
	if (strcmp(text, "replica") == 0)
		return TRIGGER_FIRES_ON_REPLICA;
	if (strcmp(text, "always") == 0)
		return TRIGGER_FIRES_ALWAYS;
	unknown_option("replication", text,
	               "It is 'origin' (changes made here), 'replica' (changes that are replicated "
	               "here) or 'always'.");
}

}  // namespace

bool
is_named(const char *name)
{
	return name != nullptr && strcmp(name, no_column) != 0;
}

Request
read_request(const Arguments &arguments)
{
	struct NamedColumn
	{
		Column column;
		Argument argument;
	};
	constexpr NamedColumn named[] = {{last_price, Argument::last_price},
	                                 {last_price_at, Argument::last_price_at},
	                                 {previous_price, Argument::previous_price},
	                                 {lowest_price, Argument::lowest_price},
	                                 {highest_price, Argument::highest_price},
	                                 {price_count, Argument::price_count},
	                                 {price_total, Argument::price_total},
	                                 {first_price, Argument::first_price},
	                                 {price_at, Argument::at},
	                                 {price_tie, Argument::tie},
	                                 {price_value, Argument::value}};
	Request request = {};

	for (const NamedColumn &one : named)
	{
		if (is_null(arguments, one.argument))
			continue;
		const char *name = pstrdup(NameStr(*DatumGetName(value_of(arguments, one.argument))));
		if (name[0] == '\0')
			ereport(ERROR,
			        (errcode(ERRCODE_INVALID_NAME),
			         errmsg("%s => '' is not the name of a column", argument_name(one.column)),
			         errhint("Leave it out, or name a column.")));
		request.column[one.column] = name;
		request.targets_are_named =
			request.targets_are_named || (is_target(one.column) && is_named(name));
	}
	read_list(arguments, Argument::key, ColumnList::key, request.column);
	read_list(arguments, Argument::listing_key, ColumnList::listing_key, request.column);
	const char *carry = text_of(arguments, Argument::carry);
	request.carry_none = carry != nullptr && strcmp(carry, no_column) == 0;
	if (!request.carry_none)
		read_list(arguments, Argument::carry, ColumnList::carried, request.column);
	request.key_is_named = request.column[price_key] != nullptr;
	request.listing_key_is_named = request.column[listing_key] != nullptr;
	request.targets_are_named =
		request.targets_are_named || request.column[first_source] != nullptr;
	request.condition = text_of(arguments, Argument::condition);
	request.empty = text_of(arguments, Argument::empty);
	request.null_value = text_of(arguments, Argument::null_value);
	request.guard = text_of(arguments, Argument::guard);
	if (!is_null(arguments, Argument::replication))
		request.replication = parse_replication(text_of(arguments, Argument::replication));
	request.backfill = is_null(arguments, Argument::backfill) ||
	                   DatumGetBool(value_of(arguments, Argument::backfill));
	return request;
}

void
read_options(const Request &request, Attachment *attachment)
{
	if (request.null_value != nullptr &&
	    !parse_null_value(request.null_value, &attachment->skip_null))
		unknown_option("null_value", request.null_value,
		               "It is 'keep' (a NULL price is the latest) or 'skip' (the last known price "
		               "counts).");
	if (request.guard != nullptr && !parse_guard(request.guard, &attachment->guard))
		unknown_option("guard", request.guard,
		               "It is 'keep' (what an application writes is put right), 'error' or 'off'.");
	if (request.empty != nullptr && !parse_empty(request.empty, &attachment->keep_empty))
		unknown_option("empty", request.empty,
		               "It is 'null' (a listing without prices has NULL) or 'keep' (it keeps what "
		               "the application wrote).");
}

}  // namespace listing_stats
