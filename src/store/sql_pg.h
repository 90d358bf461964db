/* PostgreSQL behind the driver port (sql.h), waiting for every answer: for migrations and tools.
 * What the server does is done on the loop (pg_pipeline.h). In a transaction a savepoint stands
 * around each statement, because PostgreSQL undoes everything where one is refused. */
#ifndef SLIPGATE_STORE_SQL_PG_H
#define SLIPGATE_STORE_SQL_PG_H

#include "store/pg_connect.h"

/* Connects. statements must outlive the connection; each is prepared when it is first used. Codes
 * as pg_connect; why has the words, never the URL. */
MUST_USE int sql_pg_open(struct sql **ret, const char *url, const struct sql_statement *statements,
                         size_t n, struct buf *why);

/* The same over a connection that stays the caller's, for sql_script and sql_query alone. */
struct sql_pg {
    struct sql sql;
    struct pg *pg;
    struct pg own;
    const struct sql_statement *statements;
    size_t n;
    bool *prepared;
};
struct sql *sql_pg_borrow(struct sql_pg *, struct pg *);

#endif
