// The event trigger for commands that make and change tables, see follow_changes.hpp.  It works
// command by command, since ALTER EXTENSION and CREATE SCHEMA have several.
#include "attaching/follow_changes.hpp"

#include "tables/attachment.hpp"

namespace listing_stats {

char *
refresh_call(Oid listing, Oid price, Oid only_in)
{
	const char *tables = psprintf("%s, %s", quote_literal_cstr(qualified_name(listing)),
	                              quote_literal_cstr(qualified_name(price)));

	if (!OidIsValid(only_in))
		return psprintf("CALL listing_stats.refresh(%s);", tables);
	return psprintf("CALL listing_stats.refresh(%s, only_in => %s);", tables,
	                quote_literal_cstr(qualified_name(only_in)));
}

void
warn_of_gone_prices(Oid listing, Oid price, const char *table, int tables, Oid detached)
{
	ereport(WARNING,
	        (errmsg("prices of table \"%s\" have gone with table \"%s\"%s: its columns may still "
	                "show them",
	                get_rel_name(listing), table,
	                tables == 1 ? "" : psprintf(" and %d more", tables - 1)),
	         errhint("%s", refresh_call(listing, price, detached))));
}

}  // namespace listing_stats

using namespace listing_stats;

LISTING_STATS_FUNCTION(listing_stats_follow_changes)
{
	for (const CollectedCommand *command : each<CollectedCommand *>(ddl_commands()))
	{
		// A GRANT has none.
		if (command->parsetree == nullptr)
			continue;
		follow_renames(*command);
		follow_conditions(*command);
		follow_partitions(*command);
	}
	PG_RETURN_VOID();
}
