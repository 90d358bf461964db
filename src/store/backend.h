/* What stands behind the store: it runs batches against one kind of database. SQLite's does so on a
 * thread of its own, PostgreSQL's on the loop, without waiting.
 *
 * Everything here is called on the loop's thread. After start the batch and its entries are the
 * back end's until it calls done, exactly once and never from within start. It runs the entries in
 * their order in one transaction (or none, where the batch only reads) as ask_sql.h says, and calls
 * done once that is committed, with batch->rc 0; or with the code of what went wrong and
 * batch->error, when nothing is known to be done. One batch is in flight at a time; only just
 * before close a second one may be started behind it.
 *
 * After a batch that failed the store calls probe now and then, until a batch that writes or a
 * probe succeeds. A probe tries whether the database takes writes, connecting again where that is
 * needed, and calls probed, exactly once. Batches may be started meanwhile. */
#ifndef SLIPGATE_STORE_BACKEND_H
#define SLIPGATE_STORE_BACKEND_H

#include "core/loop.h"
#include "store/entry.h"
#include "store/store.h"

struct backend;

struct backend_owner {
    void (*done)(void *ctx, struct now, struct batch *);
    void (*probed)(void *ctx, struct now, int rc, const char *error);
    /* The database went away while nothing was asked of it; not from within start or probe. */
    void (*down)(void *ctx, struct now, const char *error);
    void *ctx;
};

struct backend_ops {
    void (*start)(struct backend *, struct batch *);
    void (*probe)(struct backend *, int64_t unix_ms);
    /* Finishes what was started (blocks; done and probed are called before it returns), closes the
     * database, frees. */
    void (*close)(struct backend *);
};

struct backend {
    const struct backend_ops *ops;
    struct backend_owner owner;
};

/* One kind of database. Words in why and codes as store_create. */
struct backend_kind {
    const char *scheme; /* what its urls begin with, "sqlite:" */
    /* E_CONFIG; touches nothing. */
    int (*check)(const struct store_cfg *, struct buf *why);
    /* Blocks; the schema is brought up to date under a lock. cfg is borrowed until return, what it
     * points at lives longer but for url and data_dir. */
    int (*open)(struct backend **ret, struct loop *, const struct store_cfg *,
                const struct backend_owner *, struct buf *why);
    /* As store_schema. */
    int (*migrations)(const struct store_cfg *, bool up, int64_t unix_ms,
                      struct store_migration_list *, struct buf *why);
};

extern const struct backend_kind backend_sqlite, backend_postgresql, backend_postgres;

/* The kind a url names; NULL with why. */
const struct backend_kind *backend_find(const char *url, struct buf *why);

#endif
