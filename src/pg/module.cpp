// The module's magic block.
#include "pg/pg.hpp"

extern "C" {
__attribute__((visibility("default"))) const Pg_magic_struct *Pg_magic_func(void);
PG_MODULE_MAGIC;
}
