/* The store: answers the ASK_ACCOUNT_* asks and ASK_QUERY from a database.
 *
 * Asks are collected on the loop. When no batch is in flight, everything that waits becomes one
 * batch: one transaction, one commit, so that writes that arrive together share the cost of one
 * write to disk. No ask is answered before the commit that holds it;
 * a commit that fails answers its whole batch E_STORE. Asks run in the order they were submitted.
 *
 * Limits: a queue of queue_max entries and queue_bytes_max bytes, past which submit says E_BUSY.
 * Rows of a query's answer are the store's until the answer was taken.
 * Threads: everything here is called on the loop's thread. Not to be called from within an answer:
 * store_close, store_destroy. */
#ifndef SLIPGATE_STORE_STORE_H
#define SLIPGATE_STORE_STORE_H

#include "base/buf.h"
#include "base/log.h"
#include "base/metric.h"
#include "core/ask.h"
#include "core/config.h"
#include "core/loop.h"

struct store;

struct store_cfg {
    const char *url;      /* "sqlite:PATH"; "sqlite:" alone is slipgate.db in data_dir */
    const char *data_dir; /* may be NULL when url names a path */
    struct log *log;
    struct metrics *metrics;
    size_t queue_max, queue_bytes_max; /* 0: 8192 entries, 16 MiB */
    /* NULL, or the name of an SQLite VFS the caller has registered (a disk in memory) and keeps
     * until the store is closed. The file is then his: it exists, the path is given to the VFS as
     * it is, and nothing is made or claimed on the system's disk. No configuration leads here. */
    const char *vfs;
    /* For a look, beside a server that may be running: nothing is made, claimed or brought up to
     * date (E_SUPPORT where that is wanted), and asks that write are answered E_STORE. */
    bool read_only;
};

/* Configuration rows: store.url. */
extern const struct config_row store_config[1];

/* Whether the url of cfg names a database this program can open; touches nothing. E_CONFIG with why
 * in one line. */
MUST_USE int store_check(const struct store_cfg *cfg, struct buf *why);

/* A step of the schema, and whether the database has it. */
struct store_migration {
    int64_t version;
    char name[64];
    bool known; /* false: a newer program's */
    bool applied;
    int64_t applied_ms; /* unix; 0 where not applied */
};

#define STORE_MIGRATIONS_MAX 256u

struct store_migration_list {
    size_t n; /* by version */
    struct store_migration v[STORE_MIGRATIONS_MAX];
};

/* What the schema is made of; up: after what is missing was applied, as store_create would, or not,
 * and then nothing is made or changed, and a server may be running. Blocks. Codes and words as
 * store_create; E_BUSY: a server has the database (up only). */
MUST_USE int store_schema(const struct store_cfg *cfg, bool up, int64_t unix_ms,
                          struct store_migration_list *ret, struct buf *why);

/* Opens the database, making its file (mode 0600) and the last folder of its path (0700) where they
 * are missing, claims it for this process until store_close, and brings its schema up to date.
 * Blocks: for the start of the program. cfg and its texts are borrowed until return, but log,
 * metrics, vfs and loop must outlive the store. E_CONFIG (the url), E_BUSY (another process has the
 * database), E_SUPPORT (it is newer than this program, or not ours), E_STORE, E_NOMEM; why then
 * says what is wrong in one line without a full stop. */
MUST_USE int store_create(struct store **ret, struct loop *, const struct store_cfg *,
                          struct buf *why);

/* Where asks go; lives as long as the store. Besides the codes in core/ask.h an answer may be
 * E_FORMAT: a name that is not 1 to ACCOUNT_NAME_MAX bytes of UTF-8 without NUL. With fold, FIND
 * prefers the exact name and then the oldest account that differs in letter case only. */
struct ask_port *store_port(struct store *);

/* False from a failure of the database (disk full, I/O error, corruption, locked out) until it
 * takes writes again. Asks are still tried meanwhile, because reading often goes on. */
bool store_ready(const struct store *);

/* Answers every ask that was accepted (before it returns) and closes the file. The port stays and
 * says E_BUSY from now on, so that what answers lead to may still be asked, in whatever order ports
 * are closed. NULL and a second call are fine. */
void store_close(struct store *);

/* store_close, then frees. NULL is fine. */
void store_destroy(struct store *);

#endif
