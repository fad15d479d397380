# The extension, built by PGXS.  CMakeLists.txt builds the core alone, with its tests.
EXTENSION  = listing_stats
MODULE_big = listing_stats
DATA       = listing_stats--1.0.sql
EXTENSION_VERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(srcdir)/listing_stats.control)

# A folder for each room of the house, from the ground floor up; see HACKING.md.
CORE_OBJS      = src/core/decimal.o src/core/decimal_form.o src/core/distribution.o src/core/division.o \
                 src/core/history.o src/core/step_questions.o src/core/ranking.o \
                 src/core/stored_form.o
SERVER_OBJS    = src/server/column.o src/server/numeric.o src/server/roles.o src/server/subtransaction.o \
                 src/server/text_reader.o
TABLES_OBJS    = src/tables/attachment.o src/tables/condition.o src/tables/distributed.o src/tables/partitions.o src/tables/price_index.o \
                 src/tables/price_table.o src/tables/trigger_arguments.o src/tables/trigger_catalog.o
STATISTICS_OBJS = src/statistics/accessors.o src/statistics/aggregates.o \
                 src/statistics/distribution_order.o src/statistics/distribution_state.o \
                 src/statistics/distribution_text.o src/statistics/histogram.o \
                 src/statistics/statistics.o src/statistics/summary.o
READING_OBJS   = src/reading/direct_reader.o src/reading/given_keys.o src/reading/heap_reader.o src/reading/json_text.o \
                 src/reading/latest_prices.o src/reading/latest_prices_support.o \
                 src/reading/leaf_reader.o src/reading/price_history_json.o src/reading/price_reader.o \
                 src/reading/reading_sql.o
HISTORY_OBJS   = src/history/history_aggregates.o src/history/history_questions.o \
                 src/history/history_state.o src/history/history_text.o src/history/history_windows.o \
                 src/history/latest_aggregate.o src/history/read_history.o
TRACKING_OBJS  = src/tracking/attachment_cache.o src/tracking/collected_keys.o src/tracking/direct_path.o src/tracking/direct_way.o \
                 src/tracking/flush.o src/tracking/flush_counts.o src/tracking/index_lookup.o \
                 src/tracking/late_keys.o src/tracking/maintenance_sql.o src/tracking/price_lookup.o src/tracking/run_statement.o \
                 src/tracking/statement.o src/tracking/triggers.o
ATTACHING_OBJS = src/attaching/attach.o src/attaching/attach_request.o src/attaching/attach_triggers.o \
                 src/attaching/complete_request.o src/attaching/existing_attachment.o \
                 src/attaching/find_columns.o src/attaching/find_key.o src/attaching/open_tables.o \
                 src/attaching/attachments_view.o src/attaching/ddl_event.o src/attaching/detach.o src/attaching/keep_latest.o \
                 src/attaching/follow_changes.o src/attaching/follow_conditions.o src/attaching/follow_drops.o \
                 src/attaching/follow_partitions.o src/attaching/follow_renames.o src/attaching/refresh.o \
                 src/attaching/refresh_progress.o src/attaching/verify.o
OBJS           = $(CORE_OBJS) $(SERVER_OBJS) $(TABLES_OBJS) $(STATISTICS_OBJS) $(READING_OBJS) \
                 $(HISTORY_OBJS) $(TRACKING_OBJS) $(ATTACHING_OBJS) src/module.o

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
TRACKING       = attach blog tracking targets any_history conditions keep_latest latest_tables interference own_write before_triggers write_paths partitions many_partitions types names follow_ddl follow_partitions replaced_tables check citus roles errors refresh flush_counts
REGRESS        = setup surface $(TRACKING) price_summary price_stats latest_prices latest_rows composite_keys price_history_json price_history
ISOLATION      = races arrivals order order_of_columns keep_latest locks attach late guess unlocked unchecked renames drops snapshots verify partitions children maintenance savepoints
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

# What a user reads, in a directory of its own with the folders that the links in it name.
GUIDE    = README.md CHANGELOG.md SECURITY.md HACKING.md LICENSE \
           $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/docs/*.md)) \
           bench/RESULTS.md bench/chart.svg bench/summary.svg examples/data/README.md examples/data/stocks.csv \
           examples/django/README.md examples/node/README.md
guidedir = $(DESTDIR)$(docdir)/extension/$(EXTENSION)
.PHONY: install-guide uninstall-guide
install: install-guide
install-guide:
	$(MKDIR_P) $(addprefix '$(guidedir)'/,$(sort $(dir $(GUIDE))))
	@$(foreach file,$(GUIDE),$(INSTALL_DATA) '$(srcdir)/$(file)' '$(guidedir)/$(file)' &&) true
uninstall: uninstall-guide
uninstall-guide:
	rm -rf '$(guidedir)'

# The archive that PGXN takes, of what is committed.
DISTRIBUTION = $(EXTENSION)-$(shell sed -n 's/^    "version": "\(.*\)",/\1/p' META.json)
.PHONY: dist
dist:
	git archive --format=zip --prefix=$(DISTRIBUTION)/ -o $(DISTRIBUTION).zip HEAD

ifdef VPATH
$(OBJS): | vpath-dirs
.PHONY: vpath-dirs
vpath-dirs:
	$(MKDIR_P) $(sort $(dir $(OBJS)))
endif

# The module needs libc alone, exports what SQL calls and nothing else, and constructs nothing when
# it is loaded.
SQL_SYMBOLS = $(shell grep -ohE "'MODULE_PATHNAME', '[a-z0-9_]+'" $(addprefix $(srcdir)/,$(DATA)) | cut -d"'" -f4 | paste -sd'|')
.PHONY: check-symbols
check-symbols: $(shlib)
	@symbols=$$(nm -uD $(shlib)) && ! echo "$$symbols" | grep -E ' (U|w) (_Z|__cxa_[^f]|__gxx_|_Unwind)'
	@symbols=$$(nm -D --defined-only $(shlib)) && ! echo "$$symbols" | awk '{print $$3}' | grep -vxE '(pg_finfo_)?($(SQL_SYMBOLS))|Pg_magic_func|_PG_init'
	@symbols=$$(nm $(shlib)) && ! echo "$$symbols" | grep _GLOBAL__sub_I
