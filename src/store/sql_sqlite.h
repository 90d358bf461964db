/* SQLite behind the driver port (sql.h): WAL, synchronous FULL, foreign keys, untrusted schema. The
 * file is marked as ours by its application id, so that another program's database is not taken
 * over. */
#ifndef SLIPGATE_STORE_SQL_SQLITE_H
#define SLIPGATE_STORE_SQL_SQLITE_H

#include "store/sql.h"

/* Opens a file that exists (an empty one becomes a database). vfs: the name of a registered SQLite
 * VFS, NULL for SQLite's own. statements must outlive the connection. E_SUPPORT: another program's
 * database; or as in sql.h; E_NOMEM. why then has the words. */
MUST_USE int sql_sqlite_open(struct sql **ret, const char *path, const char *vfs,
                             const struct sql_statement *statements, size_t n, struct buf *why);

/* For a look: nothing is written. Beside a server that is running, too. Otherwise as above. */
MUST_USE int sql_sqlite_open_reading(struct sql **ret, const char *path,
                                     const struct sql_statement *statements, size_t n,
                                     struct buf *why);

#endif
