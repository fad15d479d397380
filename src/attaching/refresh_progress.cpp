// How far refresh() is, see refresh_progress.hpp.
#include "attaching/refresh_progress.hpp"

#include "server/roles.hpp"

namespace listing_stats {

namespace {

constexpr const char *write_statement =
	"INSERT INTO listing_stats._refresh_progress AS p"
	" (listing, price, kept, key, started, updated, done, total, changed, finished)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
	" ON CONFLICT (listing, price, kept) DO UPDATE"
	" SET (key, started, updated, done, total, changed, finished) = ROW(excluded.key,"
	" excluded.started, excluded.updated, excluded.done, excluded.total, excluded.changed, "
	"excluded.finished)";

constexpr int parameters = 10;

constexpr const char *forget_statement =
	"DELETE FROM listing_stats._refresh_progress WHERE listing OPERATOR(pg_catalog.=) $1 AND price"
	" OPERATOR(pg_catalog.=) $2 AND kept OPERATOR(pg_catalog.=) $3";

// Nobody else may write it.
void
run_as_owner_of_progress(const char *statement, int count, Oid *type, Datum *value, int expected)
{
	const Oid schema = get_namespace_oid("listing_stats", false);
	const Actor before = act_as(relation_owner(get_relname_relid("_refresh_progress", schema)));

	SPI_connect();
	const int result = SPI_execute_with_args(statement, count, type, value, nullptr, false, 0);
	if (result != expected)
		elog(ERROR, "a statement of listing_stats failed: %s", SPI_result_code_string(result));
	SPI_finish();
	resume_as(before);
}

// "2 h 5 min", "5 min 10 s", "10 s"
const char *
duration(double seconds)
{
	const int64 whole = static_cast<int64>(rint(seconds));
	const int hours = static_cast<int>(whole / 3600);
	const int minutes = static_cast<int>(whole / 60 % 60);

	if (hours > 0)
		return psprintf("%d h %d min", hours, minutes);
	if (minutes > 0)
		return psprintf("%d min %d s", minutes, static_cast<int>(whole % 60));
	return psprintf("%d s", static_cast<int>(whole));
}

// "table "listing" from table "price" by "listing_id"", of which any may have been dropped since.
const char *
what(const Progress &progress)
{
	const char *listing = get_rel_name(progress.listing);
	const char *price = get_rel_name(progress.price);
	const char *key = get_attname(progress.price, progress.key, true);

	return psprintf("table \"%s\" from table \"%s\" by \"%s\"", listing == nullptr ? "?" : listing,
	                price == nullptr ? "?" : price, key == nullptr ? "?" : key);
}

}  // namespace

void
write_progress(const Progress &progress)
{
	Oid type[parameters] = {OIDOID,         OIDOID,  INT2OID, INT2OID, TIMESTAMPTZOID,
	                        TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, BOOLOID};
	Datum value[parameters] = {
		ObjectIdGetDatum(progress.listing),    ObjectIdGetDatum(progress.price),
		Int16GetDatum(progress.kept),          Int16GetDatum(progress.key),
		TimestampTzGetDatum(progress.started), TimestampTzGetDatum(progress.updated),
		Int64GetDatum(progress.done),          Int64GetDatum(progress.total),
		Int64GetDatum(progress.changed),       BoolGetDatum(progress.finished),
	};

	run_as_owner_of_progress(write_statement, parameters, type, value, SPI_OK_INSERT);
}

void
forget_progress(const Progress &progress, AttrNumber kept)
{
	Oid type[] = {OIDOID, OIDOID, INT2OID};
	Datum value[] = {ObjectIdGetDatum(progress.listing), ObjectIdGetDatum(progress.price),
	                 Int16GetDatum(kept)};

	run_as_owner_of_progress(forget_statement, lengthof(type), type, value, SPI_OK_DELETE);
}

double
seconds_taken(const Progress &progress)
{
	return static_cast<double>(progress.updated - progress.started) / USECS_PER_SEC;
}

void
tell_progress(const Progress &progress)
{
	const double rate = static_cast<double>(progress.done) / seconds_taken(progress);

	ereport(NOTICE,
	        (errmsg("refreshing %s: %lld of %lld listings (%d %%), %.0f per second, %s to go",
	                what(progress), static_cast<long long>(progress.done),
	                static_cast<long long>(progress.total),
	                static_cast<int>(100 * progress.done / Max(progress.total, 1)), rate,
	                duration(static_cast<double>(progress.total - progress.done) / rate))));
}

void
tell_end(const Progress &progress)
{
	ereport(NOTICE, (errmsg("refreshed %s: %lld listings, %lld changed", what(progress),
	                        static_cast<long long>(progress.done),
	                        static_cast<long long>(progress.changed)),
	                 errdetail("It took %.1f s.", seconds_taken(progress))));
}

}  // namespace listing_stats
