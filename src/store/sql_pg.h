/* PostgreSQL behind the driver port (sql.h), waiting for every answer, as far as migrations need
 * it: everything but sql_run. What the server does is done on the loop (pg_pipeline.h). */
#ifndef SLIPGATE_STORE_SQL_PG_H
#define SLIPGATE_STORE_SQL_PG_H

#include "store/pg_connect.h"

struct sql_pg {
    struct sql sql;
    struct pg *pg;
};

/* Over a connection that stays the caller's, as does the memory; sql_close does nothing. */
struct sql *sql_pg_borrow(struct sql_pg *, struct pg *);

#endif
