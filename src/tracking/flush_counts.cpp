// Counters of flushes, see flush_counts.hpp.
//
// They are in memory that all sessions share, a place for each attachment that a flush was counted
// of, until the server stops.  Places are taken without a lock, and never given back: where two
// sessions take one for the same attachment at once it has two, and the view adds them up.
#include "tracking/flush_counts.hpp"

#include <initializer_list>

namespace listing_stats {

namespace {

enum State : uint32
{
	unused,
	being_taken,
	taken
};

struct Counts
{
	pg_atomic_uint32 state;
	Oid database;
	Oid listing;
	Oid price;
	AttrNumber kept;  // the first column, which tells attachments of two tables apart
	pg_atomic_uint64 flushes;
	pg_atomic_uint64 locked;
	pg_atomic_uint64 written;
	pg_atomic_uint64 nanoseconds;
	pg_atomic_uint64 verified;  // see pack_verify(); 0: never
};

constexpr int most_counts = 2048;
constexpr Size memory_size = sizeof(Counts) * most_counts;

bool enabled = false;
SharedMemory memory = {"listing_stats counts of attachments", memory_size, nullptr, false};

Counts *
all_counts()
{
	return static_cast<Counts *>(shared_memory(&memory));
}

bool
is_of(const Counts &counts, const Attachment &attachment, AttrNumber kept)
{
	return counts.database == MyDatabaseId && counts.listing == attachment.listing &&
	       counts.price == attachment.price && counts.kept == kept;
}

// nullptr: all are taken.
Counts *
counts_of(const Attachment &attachment)
{
	const AttrNumber kept = attachment.column[first_kept(attachment, is_target)].attnum;

	for (Counts *counts = all_counts(); counts < all_counts() + most_counts; ++counts)
	{
		uint32 state = pg_atomic_read_u32(&counts->state);
		if (state == unused && pg_atomic_compare_exchange_u32(&counts->state, &state, being_taken))
		{
			counts->database = MyDatabaseId;
			counts->listing = attachment.listing;
			counts->price = attachment.price;
			counts->kept = kept;
			pg_write_barrier();
			pg_atomic_write_u32(&counts->state, taken);
			return counts;
		}
		pg_read_barrier();
		if (state == taken && is_of(*counts, attachment, kept))
			return counts;
	}
	return nullptr;
}

// Calls "use" with all places of this database.
template <typename Use>
void
with_counts(Use use)
{
	for (Counts *counts = all_counts(); counts < all_counts() + most_counts; ++counts)
	{
		if (pg_atomic_read_u32(&counts->state) != taken)
			continue;
		pg_read_barrier();
		if (counts->database == MyDatabaseId)
			use(counts);
	}
}

// When verify() last looked, in seconds since 2000, and how many differences it found: one word, so
// that the two belong together.
uint64
pack_verify(TimestampTz when, uint64 differences)
{
	return static_cast<uint64>(when / USECS_PER_SEC) << 32 | Min(differences, PG_UINT32_MAX);
}

// False also if it is gone.
bool
may_read(Oid table)
{
	bool is_missing = false;

	return pg_class_aclcheck_ext(table, GetUserId(), ACL_SELECT, &is_missing) == ACLCHECK_OK &&
	       !is_missing;
}

}  // namespace

void
define_flush_counts_setting()
{
	DefineCustomBoolVariable(
		"listing_stats.count_flushes",
		"Counts for each attachment how often its columns were kept, and how long that took.",
		"The counts are in the view listing_stats.flush_counts.", &enabled, false, PGC_USERSET, 0,
		nullptr, nullptr, nullptr);
	request_shared_memory(&memory);
}

FlushClock
start_flush_clock()
{
	FlushClock clock = {};

	if (enabled)
	{
		clock.running = true;
		INSTR_TIME_SET_CURRENT(clock.start);
	}
	return clock;
}

uint64
time_since(const FlushClock &clock)
{
	instr_time now;

	if (!clock.running)
		return 0;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, clock.start);
	return Max(static_cast<uint64>(INSTR_TIME_GET_DOUBLE(now) * 1e9), 1);
}

void
count_flush(Attachment *attachment, uint64 locked, uint64 written, uint64 nanoseconds)
{
	if (nanoseconds == 0)
		return;
	Counts *counts = static_cast<Counts *>(attachment->counts);
	if (counts == nullptr)
		attachment->counts = counts = counts_of(*attachment);
	if (counts == nullptr)
		return;
	pg_atomic_fetch_add_u64(&counts->flushes, 1);
	pg_atomic_fetch_add_u64(&counts->locked, static_cast<int64>(locked));
	pg_atomic_fetch_add_u64(&counts->written, static_cast<int64>(written));
	pg_atomic_fetch_add_u64(&counts->nanoseconds, static_cast<int64>(nanoseconds));
}

void
note_verify(const Attachment &attachment, TimestampTz when, uint64 differences)
{
	Counts *counts = counts_of(attachment);

	if (counts != nullptr)
		pg_atomic_write_u64(&counts->verified, pack_verify(when, differences));
}

void
forget_verify(Oid table)
{
	with_counts([table](Counts *counts) {
		if (counts->listing == table || counts->price == table)
			pg_atomic_write_u64(&counts->verified, 0);
	});
}

}  // namespace listing_stats

using namespace listing_stats;

// What verify() has found is for those who may read both tables.
LISTING_STATS_FUNCTION(listing_stats_flush_counts)
{
	InitMaterializedSRF(fcinfo, 0);
	const ReturnSetInfo *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);

	with_counts([result](Counts *counts) {
		const double milliseconds =
			static_cast<double>(pg_atomic_read_u64(&counts->nanoseconds)) / 1e6;
		const uint64 verified = pg_atomic_read_u64(&counts->verified);
		Datum value[] = {
			ObjectIdGetDatum(counts->listing),
			ObjectIdGetDatum(counts->price),
			Int16GetDatum(counts->kept),
			UInt64GetDatum(pg_atomic_read_u64(&counts->flushes)),
			UInt64GetDatum(pg_atomic_read_u64(&counts->locked)),
			UInt64GetDatum(pg_atomic_read_u64(&counts->written)),
			Float8GetDatum(milliseconds),
			TimestampTzGetDatum(static_cast<TimestampTz>(verified >> 32) * USECS_PER_SEC),
			UInt64GetDatum(verified & PG_UINT32_MAX),
			BoolGetDatum(memory.shared)};
		bool null[lengthof(value)] = {};
		null[7] = null[8] = verified == 0 || !may_read(counts->listing) || !may_read(counts->price);
		tuplestore_putvalues(result->setResult, result->setDesc, value, null);
	});
	PG_RETURN_NULL();
}

// Of this database.
LISTING_STATS_FUNCTION(listing_stats_reset_flush_counts)
{
	with_counts([](Counts *counts) {
		for (pg_atomic_uint64 *counter :
		     {&counts->flushes, &counts->locked, &counts->written, &counts->nanoseconds})
			pg_atomic_write_u64(counter, 0);
	});
	PG_RETURN_VOID();
}
