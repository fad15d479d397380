// Signs that another table has taken the place of one that is attached, see replaced_tables.hpp.
//
// Triggers stay with their table when it is renamed.  Tools that change a table by filling a new
// one and swapping the names leave them on the old one, which nobody writes to any more; and a
// table that has become a partition of another has only a part of the prices.
#include "attaching/replaced_tables.hpp"

namespace listing_stats {

namespace {

char *
name_for(Oid table)
{
	return quote_literal_cstr(qualified_name(table));
}

// Ends the sentence that says why.
char *
swap_calls(const char *sentence, const Attachment &attachment, Oid listing, Oid price)
{
	return psprintf("%s: SELECT listing_stats.detach(%s, %s), then attach(%s, %s)", sentence,
	                name_for(attachment.listing), name_for(attachment.price), name_for(listing),
	                name_for(price));
}

// Whether the table has the columns that "table" has as its part of the attachment, by name.
bool
has_columns_of(Oid table, const Attachment &attachment, Side side)
{
	for (int i = 0; i < column_count; ++i)
	{
		if (is_of_listing(i) == (side == Side::listing) && attachment.column[i].attnum != 0 &&
		    get_attnum(table, NameStr(attachment.column[i].name)) == InvalidAttrNumber)
			return false;
	}
	return true;
}

// nullptr: somebody else has locked it, or it is gone.  A view is not to wait for what it only
// looks at in passing.
Relation
open_if_free(Oid table)
{
	if (!ConditionalLockRelationOid(table, AccessShareLock))
		return nullptr;
	Relation relation = try_relation_open(table, NoLock);
	if (relation == nullptr)
		UnlockRelationOid(table, AccessShareLock);
	return relation;
}

bool
is_part_of(Oid table, Oid whole)
{
	return list_member_oid(find_all_inheritors(whole, NoLock, nullptr), table);
}

// The table that the key of price refers to, if it is another one than the listing and has nothing
// to do with it; InvalidOid: none.
Oid
referenced_instead(const Attachment &attachment)
{
	const AttrNumber key = attachment.column[listing_key].attnum;
	Relation price = relation_open(attachment.price, AccessShareLock);
	Relation listing = relation_open(attachment.listing, AccessShareLock);
	Oid instead = InvalidOid;
	bool related = false;
	ListCell *cell = nullptr;

	foreach (cell, RelationGetFKeyList(price))
	{
		const ForeignKeyCacheInfo *foreign_key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
		const Oid table = foreign_key->confrelid;
		if (foreign_key->nkeys != 1 ||
		    foreign_key->conkey[0] != attachment.column[price_key].attnum)
			continue;
		Relation other = open_if_free(table);
		related = related || other == nullptr || is_part_of(table, attachment.listing) ||
		          is_part_of(attachment.listing, table) ||
		          refers_to(listing, key, table, foreign_key->confkey[0]) ||
		          refers_to(other, foreign_key->confkey[0], attachment.listing, key);
		if (other != nullptr)
			relation_close(other, AccessShareLock);
		instead = table;
	}
	relation_close(listing, AccessShareLock);
	relation_close(price, AccessShareLock);
	return related ? InvalidOid : instead;
}

// A table that refers to the listing as price does, with columns of the same names, and has a name
// that was made into that of price: price_old, of price.
Oid
namesake(const Attachment &attachment)
{
	Relation listing = relation_open(attachment.listing, AccessShareLock);
	List *tables = NIL;
	ListCell *cell = nullptr;
	Oid found = InvalidOid;

	for (int i = 0; listing->trigdesc != nullptr && i < listing->trigdesc->numtriggers; ++i)
	{
		const Trigger &trigger = listing->trigdesc->triggers[i];
		if (RI_FKey_trigger_type(trigger.tgfoid) == RI_TRIGGER_PK)
			tables = list_append_unique_oid(tables, trigger.tgconstrrelid);
	}
	relation_close(listing, AccessShareLock);
	foreach (cell, tables)
	{
		const Oid table = lfirst_oid(cell);
		const char *name = get_rel_name(table);
		if (name == nullptr || table == attachment.price ||
		    strstr(NameStr(attachment.price_name), name) == nullptr ||
		    !has_columns_of(table, attachment, Side::price) ||
		    is_part_of(table, attachment.price) || is_part_of(attachment.price, table))
			continue;
		Relation relation = open_if_free(table);
		if (relation == nullptr)
			continue;
		if (attachments_to(attachment.listing, relation) == NIL)
			found = table;
		relation_close(relation, AccessShareLock);
	}
	return found;
}

// The table that one of the attached tables is a part of.
Oid
whole_of(Oid table, const Attachment &attachment, Side side)
{
	ListCell *cell = nullptr;

	foreach (cell, parents_of(table))
	{
		const Oid parent = lfirst_oid(cell);
		const Oid above = whole_of(parent, attachment, side);
		if (OidIsValid(above))
			return above;
		if (has_columns_of(parent, attachment, side))
			return parent;
	}
	return InvalidOid;
}

}  // namespace

List *
replaced_tables(const Attachment &attachment)
{
	const char *listing = NameStr(attachment.listing_name);
	const char *price = NameStr(attachment.price_name);
	List *warnings = NIL;

	if (const Oid other = referenced_instead(attachment); OidIsValid(other))
		warnings = lappend(
			warnings,
			swap_calls(psprintf("column \"%s\" of table \"%s\" refers to table \"%s\" and not to "
		                        "table \"%s\", whose columns are kept",
		                        NameStr(attachment.column[price_key].name), price,
		                        get_rel_name(other), listing),
		               attachment, other, attachment.price));
	if (const Oid other = namesake(attachment); OidIsValid(other))
		warnings = lappend(
			warnings,
			swap_calls(psprintf("table \"%s\" refers to table \"%s\" and is not attached: if it "
		                        "has taken the place of table \"%s\"",
		                        get_rel_name(other), listing, price),
		               attachment, attachment.listing, other));
	if (const Oid whole = whole_of(attachment.price, attachment, Side::price); OidIsValid(whole))
		warnings = lappend(
			warnings, swap_calls(psprintf("table \"%s\" is a part of table \"%s\", whose other "
		                                  "prices are not seen",
		                                  price, get_rel_name(whole)),
		                         attachment, attachment.listing, whole));
	if (const Oid whole = whole_of(attachment.listing, attachment, Side::listing);
	    OidIsValid(whole))
		warnings = lappend(
			warnings, swap_calls(psprintf("table \"%s\" is a part of table \"%s\", whose other "
		                                  "rows are not kept",
		                                  listing, get_rel_name(whole)),
		                         attachment, whole, attachment.price));
	return warnings;
}

}  // namespace listing_stats
