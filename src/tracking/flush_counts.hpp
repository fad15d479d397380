// How often the columns of each attachment were kept, how many listings that locked and wrote, and
// how long it took, where the setting listing_stats.count_flushes is on; and when verify() last
// looked at it, always.
#pragma once

#include "tables/attachment.hpp"

namespace listing_stats {

void define_flush_counts_setting();

// A time that is measured while the setting is on.
struct FlushClock
{
	bool running;
	instr_time start;
};
FlushClock start_flush_clock();

// In nanoseconds; 0: it was not measured.
uint64 time_since(const FlushClock &clock);

// What one flush did for an attachment: nothing is counted where the time was not measured.
void count_flush(Attachment *attachment, uint64 locked, uint64 written, uint64 nanoseconds);

// That verify() has come to its end, as of which moment, and how many differences it found in the
// attachment's columns.
void note_verify(const Attachment &attachment, TimestampTz when, uint64 differences);

// Forgets that for all attachments of this table, which change or end.
void forget_verify(Oid table);

}  // namespace listing_stats
