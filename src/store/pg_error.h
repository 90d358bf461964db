/* What PostgreSQL's refusals mean here, and their words in one line. Never in them: the connection
 * URL, the DETAIL of a message (it repeats values of rows). */
#ifndef SLIPGATE_STORE_PG_ERROR_H
#define SLIPGATE_STORE_PG_ERROR_H

#include "store/sql.h"

#include <libpq-fe.h>

/* The class of a SQLSTATE, as in sql.h; E_AGAIN: the transaction was rolled back for the sake of
 * others (deadlock, serialization) and may be done over. NULL: the connection was lost, E_IO. */
int pg_error_class(const char *sqlstate);
/* Of a result that failed: its class, its words in `to`. */
int pg_error_result(const PGresult *, char to[SQL_ERROR_MAX]);
/* Of a connection that failed. */
void pg_error_connection(const PGconn *, char to[SQL_ERROR_MAX]);

#endif
