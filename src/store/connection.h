/* The store's one database: the claimed file and the connection to it, which is closed when it
 * broke and opened again when the database is probed. Threads: one at a time. */
#ifndef SLIPGATE_STORE_CONNECTION_H
#define SLIPGATE_STORE_CONNECTION_H

#include "store/sql.h"
#include "store/sqlite_file.h"

struct connection {
    struct sqlite_file file;
    const char *vfs;           /* NULL: SQLite's own */
    struct sql *db;            /* NULL while broken */
    bool read_only;            /* nothing is claimed or written */
    bool damaged;              /* to be verified before it is used again */
    int64_t from, version;     /* schema before and after opening */
    char error[SQL_ERROR_MAX]; /* of the last failure */
};

/* vfs as in store_cfg, borrowed until connection_close. Errors as store_create. */
MUST_USE int connection_open(struct connection *, const char *path, const char *vfs,
                             int64_t unix_ms, struct buf *why);
/* For a look, as store_cfg.read_only says. */
MUST_USE int connection_open_reading(struct connection *, const char *path, struct buf *why);
/* Notes a failure; closes what is to be opened again. */
void connection_failed(struct connection *, int rc);
/* 0 when the database takes writes (opened again if it was broken, verified if it was damaged). */
MUST_USE int connection_probe(struct connection *, int64_t unix_ms);
void connection_close(struct connection *);

#endif
