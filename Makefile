# The extension, built by PGXS.  CMakeLists.txt builds the core alone, with its tests.
EXTENSION  = listing_stats
MODULE_big = listing_stats
DATA       = listing_stats--1.0.sql
EXTENSION_VERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(srcdir)/listing_stats.control)

CORE = src/core/decimal.o src/core/distribution.o src/core/division.o src/core/ranking.o \
       src/core/stored_form.o \
       src/core/decimal_form.o src/core/history.o src/core/history_questions.o
PG   = src/pg/module.o \
       src/pg/column.o src/pg/distributed.o src/pg/definition.o src/pg/trigger_catalog.o \
       src/pg/attachment.o src/pg/attachment_cache.o \
       src/pg/queries.o src/pg/price_index.o src/pg/pending.o src/pg/late_keys.o src/pg/direct_path.o src/pg/flush.o src/pg/statement.o src/pg/triggers.o \
       src/pg/attach_request.o src/pg/attach_triggers.o src/pg/attach.o src/pg/detach.o \
       src/pg/attachments.o src/pg/replaced_tables.o src/pg/verify.o src/pg/refresh.o src/pg/refresh_progress.o \
       src/pg/price_table.o src/pg/price_queries.o src/pg/leaf_reader.o src/pg/key_reader.o src/pg/heap_reader.o src/pg/latest_prices.o src/pg/latest_prices_support.o \
       src/pg/json_text.o src/pg/price_history_json.o src/pg/read_history.o \
       src/pg/ddl_event.o src/pg/follow_changes.o src/pg/follow_renames.o src/pg/follow_partitions.o src/pg/follow_drops.o \
       src/pg/numerics.o src/pg/distribution_state.o src/pg/statistics.o src/pg/summary.o \
       src/pg/aggregates.o src/pg/accessors.o src/pg/histogram.o \
       src/pg/distribution_io.o src/pg/distribution_order.o \
       src/pg/history_state.o src/pg/history_io.o src/pg/history_aggregates.o \
       src/pg/history_questions.o src/pg/history_windows.o src/pg/latest_value.o
OBJS = $(CORE) $(PG)

# Nothing here can unwind: no exceptions, no run-time types, no guarded statics.  A longjmp out of
# ereport() therefore crosses only frames without destructors.
DIALECT      = -std=c++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics -fvisibility=hidden
# -isystem: the server's headers are not ours to lint.
PG_CPPFLAGS  = -I$(srcdir)/src -isystem $(shell $(PG_CONFIG) --includedir-server) \
               -DLISTING_STATS_VERSION='"$(EXTENSION_VERSION)"'
PG_CXXFLAGS  = $(DIALECT) -Wextra -Wold-style-cast -Wno-register -Wno-unused-parameter \
               $(EXTRA_CXXFLAGS)
PG_LDFLAGS  += $(EXTRA_LDFLAGS)

# What keeps columns; tools/check runs it twice, directly and by SQL.
TRACKING       = attach blog tracking targets interference own_write before_triggers write_paths partitions types names follow_ddl follow_partitions replaced_tables citus roles errors refresh
REGRESS        = setup surface $(TRACKING) price_summary price_stats latest_prices price_history_json price_history
ISOLATION      = races order locks attach late unlocked unchecked renames drops snapshots verify partitions savepoints
ISOLATION_OPTS = --inputdir=$(srcdir)/test/isolation --load-extension=listing_stats
TAP_TESTS      = 1
PROVE_TESTS    = test/tap/*.pl

# JIT bitcode of C++ gains nothing, and would need clang.
override with_llvm = no
# Debian builds PostgreSQL without dependency tracking: a changed header would rebuild nothing.
override autodepend = yes

PG_CONFIG ?= pg_config
PGXS      := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

ifdef VPATH
$(OBJS): | vpath-dirs
.PHONY: vpath-dirs
vpath-dirs:
	$(MKDIR_P) src/core src/pg
endif

# The module needs libc alone, exports what SQL calls and nothing else, and constructs nothing when
# it is loaded.
SQL_SYMBOLS = $(shell grep -oE "'MODULE_PATHNAME', '[a-z0-9_]+'" $(srcdir)/listing_stats--1.0.sql | cut -d"'" -f4 | paste -sd'|')
.PHONY: check-symbols
check-symbols: $(shlib)
	@! nm -uD $(shlib) | grep -E ' (U|w) (_Z|__cxa_[^f]|__gxx_|_Unwind)'
	@! nm -D --defined-only $(shlib) | awk '{print $$3}' | grep -vxE '(pg_finfo_)?($(SQL_SYMBOLS))|Pg_magic_func|_PG_init'
	@! nm $(shlib) | grep _GLOBAL__sub_I
