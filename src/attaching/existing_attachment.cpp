// Which attachment a call changes, see existing_attachment.hpp.
#include "attaching/existing_attachment.hpp"

#include "tables/condition.hpp"

#include <initializer_list>

namespace listing_stats {

namespace {

// An attachment as it is now.
struct Existing
{
	const Trigger *trigger;
	Definition now;
};

// The attachments of the two tables, and those halves of which the other is gone.
List *
existing_attachments(const Request &request)
{
	const Oid listing = RelationGetRelid(request.listing);
	const Oid function = trigger_function(listing_changed);
	List *found = NIL;

	for (const Side side : {Side::price, Side::listing})
	{
		Relation relation = side == Side::price ? request.price : request.listing;
		for (const Trigger *trigger : each<Trigger *>(our_triggers(RelationGetRelid(relation))))
		{
			const bool is_of_request =
				side == Side::price
					? is_attachment(relation, trigger) &&
						  (other_half(relation, trigger, side) == listing ||
			               is_orphan_of(relation, trigger, side, listing))
					: trigger->tgfoid == function &&
						  is_orphan_of(relation, trigger, side, RelationGetRelid(request.price));
			if (!is_of_request)
				continue;
			Existing *existing = static_cast<Existing *>(palloc(sizeof(Existing)));
			*existing = {trigger, definition_now(relation, trigger, side)};
			found = lappend(found, existing);
		}
	}
	return found;
}

bool
keeps_named(const Request &request, const Definition &existing)
{
	for (int i = first_target; i < end_of_targets; ++i)
	{
		if (is_named(request.column[i]) && is_kept(existing.column, request.column[i]))
			return true;
	}
	return false;
}

bool
differs(const char *named, const char *now)
{
	return named != nullptr && (now == nullptr || strcmp(named, now) != 0);
}

// Whether the request does not name another key, time, value or condition than the attachment has.
bool
has_key(const Request &request, const Definition &existing)
{
	const int count = count_list(request.column, ColumnList::key);
	bool same = !request.key_is_named || count == count_list(existing.column, ColumnList::key);

	for (int i = price_key; same && request.key_is_named && i < price_key + count; ++i)
		same = has_name(existing.column, price_key, price_at, request.column[i]);
	return same;
}

bool
is_of_same_prices(const Request &request, const Definition &existing)
{
	const char *condition =
		request.condition == nullptr ? nullptr
		: strcmp(request.condition, no_column) == 0
			? no_column
			: condition_text(request.price, parse_new_condition(request.price, request.condition));

	// A column that the attachment has lost can be any.
	for (const int i :
	     {static_cast<int>(price_at), static_cast<int>(price_value), static_cast<int>(price_tie)})
	{
		if (differs(request.column[i], existing.column[i]) &&
		    get_attnum(RelationGetRelid(request.price), existing.column[i]) != InvalidAttrNumber)
			return false;
	}
	return !differs(condition, existing.condition == nullptr ? no_column : existing.condition);
}

// Whether the attachment has none of the columns that are named, or has lost them, so that it can
// take them.
bool
can_take_named(const Request &request, const Definition &existing)
{
	for (int i = first_target; i < first_carried; ++i)
	{
		if (is_named(request.column[i]) && existing.column[i] != nullptr &&
		    get_attnum(RelationGetRelid(request.listing), existing.column[i]) != InvalidAttrNumber)
			return false;
	}
	return true;
}

}  // namespace

const Trigger *
existing_attachment(Request *request)
{
	const Existing *found = nullptr;
	const Trigger *usual = nullptr;
	const char *columns[2] = {};
	int count = 0;
	List *all = existing_attachments(*request);
	List *of_key = NIL;

	for (Existing *existing : each<Existing *>(all))
	{
		const bool lost_key =
			request->key_is_named && list_length(all) == 1 &&
			get_attnum(RelationGetRelid(request->price), existing->now.column[price_key]) <= 0;
		if (keeps_named(*request, existing->now))
			return existing->trigger;
		if (has_key(*request, existing->now) || lost_key)
			of_key = lappend(of_key, existing);
	}
	for (const Existing *existing : each<Existing *>(of_key))
	{
		if ((request->targets_are_named || list_length(of_key) > 1) &&
		    (!is_of_same_prices(*request, existing->now) ||
		     !can_take_named(*request, existing->now)))
			continue;
		for (int i = first_target; i < end_of_targets; ++i)
		{
			if (existing->now.column[i] != nullptr && columns[Min(count, 1)] == nullptr)
				columns[Min(count, 1)] = existing->now.column[i];
		}
		// The column that is kept if none is named: so a call that has been made can be made again.
		if (!request->targets_are_named && existing->now.column[last_price] != nullptr &&
		    strcmp(existing->now.column[last_price], argument_name(last_price)) == 0)
			usual = existing->trigger;
		found = existing;
		++count;
	}
	// Two halves of one attachment that do not find each other are none that could be changed.
	if (count > 1 && columns[0] != nullptr && columns[1] != nullptr &&
	    strcmp(columns[0], columns[1]) == 0)
		return nullptr;
	if (usual != nullptr)
		return usual;
	if (count > 1)
		ereport(ERROR,
		        (errcode(ERRCODE_AMBIGUOUS_COLUMN),
		         errmsg("tables \"%s\" and \"%s\" have %d attachments that this could be of",
		                RelationGetRelationName(request->listing),
		                RelationGetRelationName(request->price), count),
		         errhint("Name a column that the one to change keeps, such as \"%s\" or \"%s\".",
		                 columns[0], columns[1])));
	return found == nullptr ? nullptr : found->trigger;
}

namespace {

// What is carried from now on: what was so far, except what the request calls 'none', and what it
// names.  What was carried already stays in its column.
void
merge_carried(Request *request, const char *const *kept)
{
	const char *merged[column_count] = {};
	int count = 0;

	for (int pass = request->carry_none ? 1 : 0; pass < 2; ++pass)
	{
		const char *const *from = pass == 0 ? kept : request->column;
		for (int i = 0; i < most_carried; ++i)
		{
			const int source = first_source + i;
			int place = 0;
			if (from[source] == nullptr)
				continue;
			while (place < count &&
			       strcmp(merged[first_carried + place], from[carried_by(source)]) != 0)
				++place;
			if (place == most_carried)
				ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
				                errmsg("more than %d columns to carry", most_carried)));
			merged[first_source + place] = from[source];
			merged[first_carried + place] = from[carried_by(source)];
			count = Max(count, place + 1);
		}
	}
	for (int i = 0; i < most_carried; ++i)
	{
		request->column[first_source + i] = merged[first_source + i];
		request->column[first_carried + i] = merged[first_carried + i];
	}
}

// Nothing that is kept stops being kept because another column is named for the same.
void
check_stays_kept(const Request &request, const Definition &now)
{
	for (int i = first_target; i < first_carried; ++i)
	{
		const char *kept = now.column[i];
		if (kept != nullptr && is_named(request.column[i]) && !is_kept(request.column, kept) &&
		    get_attnum(RelationGetRelid(request.listing), kept) != InvalidAttrNumber)
			ereport(ERROR,
			        (errcode(ERRCODE_DUPLICATE_OBJECT),
			         errmsg("column \"%s\" of table \"%s\" would no longer be kept", kept,
			                RelationGetRelationName(request.listing)),
			         errhint("Stop keeping it first, with attach(..., %s => 'none'), or keep the "
			                 "same in two columns by naming \"%s\" in a call of its own.",
			                 argument_name(i), request.column[i])));
	}
}

}  // namespace

const char *
take_from_existing(Request *request, const Trigger *trigger, Attachment *attachment)
{
	Definition now = {};

	if (trigger != nullptr)
	{
		const bool on_price = trigger->tgfoid == trigger_function(price_changed);
		now = definition_now(on_price ? request->price : request->listing, trigger,
		                     on_price ? Side::price : Side::listing);
		attachment->set_options(now);
	}
	check_stays_kept(*request, now);
	merge_carried(request, now.column);
	for (int i = first_target; i < first_source; ++i)
	{
		const bool is_of_key = i >= price_key && i < price_at;
		if (!is_of_key && !is_carried(i) && request->column[i] == nullptr)
			request->column[i] = now.column[i];
	}
	for (const ColumnList list : {ColumnList::key, ColumnList::listing_key})
	{
		const bool named = request->key_is_named ||
		                   (list == ColumnList::listing_key && request->listing_key_is_named);
		for (int i = 0; !named && i < most_key_columns; ++i)
			request->column[list_place(list, i)] = now.column[list_place(list, i)];
	}
	return now.condition;
}

// Most often key and time are those of the first one.
void
take_from_others(Request *request)
{
	List *others = existing_attachments(*request);

	if (others == NIL || request->listing_key_is_named)
		return;
	const Existing *other = static_cast<Existing *>(linitial(others));
	if (request->key_is_named && !has_key(*request, other->now))
		return;
	for (int i = 0; i < most_key_columns; ++i)
	{
		for (const ColumnList list : {ColumnList::key, ColumnList::listing_key})
			request->column[list_place(list, i)] = other->now.column[list_place(list, i)];
	}
	for (const int i : {static_cast<int>(price_at), static_cast<int>(price_tie)})
	{
		if (request->column[i] == nullptr)
			request->column[i] = other->now.column[i];
	}
}

}  // namespace listing_stats
