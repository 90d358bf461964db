/* One connection to PostgreSQL, made and set up by calls that wait: for the start of the program,
 * and for a thread of its own later, because finding a host's address waits however it is asked.
 * Once set up it is handed to the loop (pg_pipeline.h).
 *
 * Every wait has an end (PG_CONNECT_S, PG_REPLY_S, PG_LOCK_S), and pg_stop of another thread ends
 * all of them early.
 *
 * The session: UTF-8 both ways, statements of at most PG_STATEMENT_S, locks waited for
 * PG_LOCK_WAIT_S, transactions that stand still ended after PG_IDLE_S, commits that wait for the
 * disk, a peer that went away noticed after about PG_PEER_S, and no read-only server. What the URL
 * says of application_name, keepalives, tcp_user_timeout and target_session_attrs goes before. */
#ifndef SLIPGATE_STORE_PG_CONNECT_H
#define SLIPGATE_STORE_PG_CONNECT_H

#include "store/sql.h"

#include <libpq-fe.h>

#define PG_CONNECT_S   10
#define PG_REPLY_S     15
#define PG_MIGRATE_S   600
#define PG_LOCK_S      60
#define PG_STATEMENT_S 10
#define PG_LOCK_WAIT_S 5
#define PG_IDLE_S      20
#define PG_PEER_S      20

struct pg {
    PGconn *pq;
    int stop; /* descriptor that becomes readable when waiting is to end; -1: none */
    int reply_s;
    char error[SQL_ERROR_MAX]; /* of the last failure */
};

/* Whether it is a URL at all: E_CONFIG. why never repeats it. */
MUST_USE int pg_url_check(const char *url, struct buf *why);

/* Connects and sets the session up; pg->stop is the caller's. E_SUPPORT (not UTF-8, too old),
 * E_CONFIG (the URL), E_IO, E_NOMEM; pg->error has the words. */
MUST_USE int pg_connect(struct pg *, const char *url);
void pg_disconnect(struct pg *); /* one that is not connected is fine */

/* One lock for all programs on this database, held till pg_unlock or the connection's end. E_BUSY
 * after PG_LOCK_S, or as below. */
MUST_USE int pg_lock(struct pg *);
void pg_unlock(struct pg *);

/* Waits for the next result; NULL at the end of a statement, and where waiting failed (*rc, error).
 * The caller clears it. */
PGresult *pg_result(struct pg *, int *rc);
/* Waits for all results of what was sent and gives rows to `row`. The code of the first failure. */
MUST_USE int pg_results(struct pg *, sql_row_fn row, void *ctx);
/* Statements without parameters. */
MUST_USE int pg_exec(struct pg *, const char *text, sql_row_fn row, void *ctx);

/* A row's columns as values, borrowed from the result; at most SQL_VALUES_MAX. */
void pg_row(const PGresult *, int row, struct value v[SQL_VALUES_MAX]);

/* Parameters as libpq wants them: texts as they are, integers written out. */
struct pg_params {
    const char *text[SQL_VALUES_MAX];
    int length[SQL_VALUES_MAX], format[SQL_VALUES_MAX];
    char digits[SQL_VALUES_MAX][24];
};
/* E_REFUSED: a text that PostgreSQL cannot hold (NUL). */
MUST_USE int pg_params(struct pg_params *, const struct value *, size_t n);

/* "s7" for statement 7. */
#define PG_NAME_MAX 24
void pg_name(char to[PG_NAME_MAX], size_t statement);
/* Prepares all statements of a table in one go; the error names the one that was refused. types
 * writes 'i' or 't' for each parameter of a statement and gives their number: left to itself the
 * server takes a parameter that meets a small number for a small one. */
typedef size_t (*pg_types_fn)(size_t statement, char types[SQL_VALUES_MAX + 1]);
MUST_USE int pg_prepare_all(struct pg *, const struct sql_statement *, size_t n, pg_types_fn types);

#endif
