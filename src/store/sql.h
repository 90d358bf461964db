/* The driver port: what the store needs from an SQL database. Repositories and migrations are
 * written once, over this; behind it stands SQLite (sql_sqlite.h) and room for another.
 *
 * The SQL they may use is what both families read alike: BIGINT and TEXT columns, parameters $1 to
 * $16, each first named behind those of lower numbers, ON CONFLICT DO NOTHING and DO UPDATE,
 * RETURNING, CASE, EXISTS, row values. Where no common word exists, the driver gives its own
 * (id_column,
 * text_column).
 *
 * Texts of parameters are borrowed until sql_run returns, those of columns until the callback does.
 *
 * Error classes, the same from every call; sql_error then has the words:
 *
 *   E_REFUSED: this statement alone failed (a constraint, a value too large), the transaction is as
 * it was before it. With others the transaction is lost and must be rolled back:
 *
 *   E_FULL (disk full), E_BUSY (locked out): later it may work on this connection;
 *
 *   E_IO (anything else): the connection is to be closed and opened again;
 *
 *   E_FORMAT: the database file is damaged: likewise, and it is to be verified when opened again.
 *
 * Threads: one at a time. */
#ifndef SLIPGATE_STORE_SQL_H
#define SLIPGATE_STORE_SQL_H

#include "base/buf.h"
#include "base/types.h"
#include "base/value.h"

#define SQL_VALUES_MAX 16u
#define SQL_ERROR_MAX  160u

/* One statement of a fixed table; prepared once per connection, on first use. */
struct sql_statement {
    const char *text; /* NULL: nothing has this number */
    bool write;
    bool answers;    /* its rows are an ask's answer, and */
    const char *map; /* which of the ask's parameters it takes (ask_sql.h) */
};

/* Called for each row; a negative return ends the statement and comes back from sql_run. */
typedef int (*sql_row_fn)(void *ctx, const struct value *columns, size_t n);

struct sql;

struct sql_ops {
    const char *id_column;    /* type of a primary key the database numbers itself, never twice */
    const char *text_column;  /* what migrations get for TEXT: compared and sorted byte by byte */
    const char *has_versions; /* query: how many tables are named schema_version, 0 or 1 */
    int (*run)(struct sql *, size_t statement, const struct value *, size_t n, sql_row_fn,
               void *ctx);
    int (*script)(struct sql *, const char *text);
    int (*query)(struct sql *, const char *text, sql_row_fn, void *ctx);
    int (*begin)(struct sql *);
    int (*commit)(struct sql *);
    void (*rollback)(struct sql *);
    int (*verify)(struct sql *);
    void (*close)(struct sql *);
};

struct sql {
    const struct sql_ops *ops;
    char error[SQL_ERROR_MAX]; /* of the last failure */
};

/* Runs statement number `statement` of the table the connection was opened with. */
static inline int sql_run(struct sql *db, size_t statement, const struct value *v, size_t n,
                          sql_row_fn row, void *ctx)
{
    return db->ops->run(db, statement, v, n, row, ctx);
}

/* Statements separated by semicolons, without parameters or rows. */
static inline int sql_script(struct sql *db, const char *text)
{
    return db->ops->script(db, text);
}

/* One statement that is not worth keeping prepared. */
static inline int sql_query(struct sql *db, const char *text, sql_row_fn row, void *ctx)
{
    return db->ops->query(db, text, row, ctx);
}

/* A transaction that writes; no other writer gets in between. */
static inline int sql_begin(struct sql *db)
{
    return db->ops->begin(db);
}

/* 0: what was written survives the loss of process and power. */
static inline int sql_commit(struct sql *db)
{
    return db->ops->commit(db);
}

static inline void sql_rollback(struct sql *db)
{
    db->ops->rollback(db);
}

/* Reads the whole database for damage. */
static inline int sql_verify(struct sql *db)
{
    return db->ops->verify(db);
}

static inline const char *sql_error(const struct sql *db)
{
    return db->error;
}

static inline void sql_close(struct sql *db)
{
    if (db)
        db->ops->close(db);
}

#endif
