/* Asks as SQL: what every back end runs for an ask, and what it makes of the rows.
 *
 * An ask is an operation with parameters: a query of core/query.def, or one of the accounts' own
 * below. An operation is one to ASK_STEPS_MAX statements, run in their order within one
 * transaction, all of them whatever the one before gave: conditions are in the SQL, so that they
 * may be sent without waiting. Each takes some of the operation's parameters, as its map says
 * (ask_sql.c). Where processes share a database, what must see all others of its kind first writes
 * to the row of store_lock, and so waits for them.
 *
 * Per entry (entry.h), in this order: ask_sql_begin; then for each step ask_sql_step, run it, and
 * ask_sql_row for each row that comes back; ask_sql_end. After a transaction that was lost the same
 * may be done again from ask_sql_begin. A step that fails alone (E_REFUSED of sql.h) undoes the
 * steps before it. */
#ifndef SLIPGATE_STORE_ASK_SQL_H
#define SLIPGATE_STORE_ASK_SQL_H

#include "core/query.h"
#include "store/sql.h"

#define ASK_STEPS_MAX  2u
#define ASK_FOLD_MAX   ACCOUNT_NAME_MAX /* bytes of a text that is compared without letter case */
#define ASK_TYPES_SIZE (SQL_VALUES_MAX + 1u)

struct entry;

/* Operations; those below QUERY_N are queries. */
enum ask_op {
    ASK_OP_FIND = QUERY_N,
    ASK_OP_FIND_FOLD,
    ASK_OP_FIND_EMAIL,
    ASK_OP_FIND_EMAIL_FOLD,
    ASK_OP_FIND_ID,
    ASK_OP_CREATE,
    ASK_OP_CREATE_FOLD,
    ASK_OP_SET_PASSWORD,
    ASK_OP_TOUCH,
    ASK_OPS_N
};

/* The table a connection is opened with: statement op * ASK_STEPS_MAX + step. */
#define ASK_STATEMENTS_N ((size_t)ASK_OPS_N * ASK_STEPS_MAX)
extern const struct sql_statement ask_statements[ASK_STATEMENTS_N];

/* The types of a statement's parameters in their order, 'i' or 't' each; their number. */
size_t ask_sql_types(size_t statement, char types[ASK_TYPES_SIZE]);

/* One step with its parameters; texts are borrowed from the entry and the step. */
struct ask_step {
    size_t statement;
    size_t n;
    struct value v[SQL_VALUES_MAX];
    uint8_t fold[ASK_FOLD_MAX];
};

/* The operation an ask is and its parameters, borrowed from the ask. E_FORMAT, E_RANGE, E_LIMIT: it
 * cannot be one. A kind that the store does not answer is a bug. */
MUST_USE int ask_sql_parameters(const struct ask *, enum ask_op *op, struct value v[QUERY_VALUES],
                                size_t *n);
/* Whether any step changes the database. */
bool ask_sql_writes(const struct entry *);
/* How many steps there are; 0 for what was refused when it was made. */
size_t ask_sql_steps(const struct entry *);

void ask_sql_begin(struct entry *);
void ask_sql_step(const struct entry *, size_t step, struct ask_step *ret);
/* A row of that step; copied. What is wrong with it or too much is noted in the answer, and the
 * other rows may be left away or handed in all the same. */
void ask_sql_row(struct entry *, size_t step, const struct value *, size_t n);
/* rc: 0, or what the last step that was run failed with; its answer is then E_STORE. */
void ask_sql_end(struct entry *, int rc);
/* All of that over a driver that waits: 0 when it was answered (answer.rc says how), or an error
 * that the transaction did not survive (sql.h). */
MUST_USE int ask_sql_run(struct sql *, struct entry *);

#endif
