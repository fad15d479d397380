// Reading the arguments of attach(), see attach_request.hpp.
#include "attaching/attach_request.hpp"

namespace listing_stats {

namespace {

// What the function was called with, by the names that its declaration gives its arguments.
struct Arguments
{
	FunctionCallInfo fcinfo;
	char **name;
	int count;
};

Arguments
read_arguments(FunctionCallInfo fcinfo)
{
	Arguments arguments = {fcinfo, nullptr, 0};
	bool is_null = false;
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
	const Datum names = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargnames, &is_null);
	if (!is_null)
		arguments.count =
			get_func_input_arg_names(names, PointerGetDatum(nullptr), &arguments.name);
	ReleaseSysCache(tuple);
	return arguments;
}

// NULL too where the function has no such argument.
NullableDatum
value_of(const Arguments &arguments, const char *name)
{
	for (int i = 0; i < Min(arguments.count, arguments.fcinfo->nargs); ++i)
	{
		if (strcmp(arguments.name[i], name) == 0)
			return arguments.fcinfo->args[i];
	}
	return {0, true};
}

const char *
text_of(const Arguments &arguments, const char *name)
{
	const NullableDatum value = value_of(arguments, name);

	return value.isnull ? nullptr : TextDatumGetCString(value.value);
}

void
read_list(const char *text, ColumnList list, const char **column)
{
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
	const int word = find_word(firing_words, text);

	if (word >= 0 && firing[word] != TRIGGER_DISABLED)
		return firing[word];
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
read_request(FunctionCallInfo fcinfo)
{
	const Arguments arguments = read_arguments(fcinfo);
	Request request = {};

	for (const FixedColumn &fixed : fixed_columns)
	{
		const NullableDatum value = value_of(arguments, fixed.name);
		if (value.isnull)
			continue;
		const char *name = pstrdup(NameStr(*DatumGetName(value.value)));
		if (name[0] == '\0')
			ereport(ERROR, (errcode(ERRCODE_INVALID_NAME),
			                errmsg("%s => '' is not the name of a column", fixed.name),
			                errhint("Leave it out, or name a column.")));
		request.column[fixed.column] = name;
		request.targets_are_named =
			request.targets_are_named || (is_target(fixed.column) && is_named(name));
	}
	read_list(text_of(arguments, "key"), ColumnList::key, request.column);
	read_list(text_of(arguments, "listing_key"), ColumnList::listing_key, request.column);
	const char *carry = text_of(arguments, "carry");
	request.carry_none = carry != nullptr && strcmp(carry, no_column) == 0;
	if (!request.carry_none)
		read_list(carry, ColumnList::carried, request.column);
	request.key_is_named = request.column[price_key] != nullptr;
	request.listing_key_is_named = request.column[listing_key] != nullptr;
	request.targets_are_named =
		request.targets_are_named || request.column[first_source] != nullptr;
	request.condition = text_of(arguments, "condition");
	request.empty = text_of(arguments, "empty");
	request.null_value = text_of(arguments, "null_value");
	request.guard = text_of(arguments, "guard");
	const char *replication = text_of(arguments, "replication");
	if (replication != nullptr)
		request.replication = parse_replication(replication);
	const NullableDatum backfill = value_of(arguments, "backfill");
	request.backfill = backfill.isnull || DatumGetBool(backfill.value);
	return request;
}

void
read_options(const Request &request, Attachment *attachment)
{
	if (request.null_value != nullptr &&
	    !parse_word(null_value_words, request.null_value, &attachment->skip_null))
		unknown_option("null_value", request.null_value,
		               "It is 'keep' (a NULL price is the latest) or 'skip' (the last known price "
		               "counts).");
	if (request.guard != nullptr && !parse_word(guard_words, request.guard, &attachment->guard))
		unknown_option("guard", request.guard,
		               "It is 'keep' (what an application writes is put right), 'error' or 'off'.");
	if (request.empty != nullptr &&
	    !parse_word(empty_words, request.empty, &attachment->keep_empty))
		unknown_option("empty", request.empty,
		               "It is 'null' (a listing without prices has NULL) or 'keep' (it keeps what "
		               "the application wrote).");
}

}  // namespace listing_stats
