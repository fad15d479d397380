// The module's magic block, and what it registers when it is loaded.
#include "tracking/direct_way.hpp"
#include "tracking/flush.hpp"
#include "tracking/flush_counts.hpp"
#include "tracking/statement.hpp"

extern "C" {
__attribute__((visibility("default"))) const Pg_magic_struct *Pg_magic_func(void);
LISTING_STATS_MODULE_MAGIC;

__attribute__((visibility("default"))) void _PG_init(void);
}

void
_PG_init(void)
{
	listing_stats::define_flush_counts_setting();
	listing_stats::define_direct_path_setting();
	listing_stats::follow_statements();
	listing_stats::register_transaction_callbacks();
}
