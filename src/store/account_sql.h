/* Accounts as SQL: for each ask one statement, how its values are bound and how its row is read. */
#ifndef SLIPGATE_STORE_ACCOUNT_SQL_H
#define SLIPGATE_STORE_ACCOUNT_SQL_H

#include "core/ask.h"
#include "store/sql.h"

/* The statement table a connection is opened with. */
extern const struct sql_statement account_statements[];
extern const size_t account_statements_n;

/* Whether the ask can be one at all: E_FORMAT for a name that no account can have. A kind that the
 * store does not answer is a bug (here and below). */
int account_sql_check(const struct ask *);
/* Whether it changes the database. */
bool account_sql_writes(const struct ask *);
/* Runs it and fills the answer: 0 when answered (answer->rc says how), or an error that the
 * transaction did not survive (sql.h). */
MUST_USE int account_sql_run(struct sql *, const struct ask *, struct answer *);

#endif
