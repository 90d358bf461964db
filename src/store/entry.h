/* One ask with its own copy of everything it pointed at, from submit to its answer; and the batch
 * of asks that go to the database together. Wiped when freed: passwords' records, secrets and
 * tokens pass through. Threads: whoever has it. */
#ifndef SLIPGATE_STORE_ENTRY_H
#define SLIPGATE_STORE_ENTRY_H

#include "base/buf.h"
#include "core/ask.h"
#include "store/ask_sql.h"

/* Rows of all answers of a batch together: past it answers are E_STORE. */
#define BATCH_ROWS_BYTES_MAX ((size_t)32u << 20)

struct entry {
    struct entry *next;
    struct ask_owner owner;
    enum ask_kind kind;
    enum ask_op op;
    int refused;     /* why it is no ask at all, or 0 */
    int64_t unix_ms; /* when it was made */
    struct answer answer;
    struct buf rows;   /* of a query's answer */
    size_t rows_n;     /* of whatever it is */
    size_t *rows_room; /* bytes left to its batch, tries that failed included; NULL: any */
    size_t size;
    size_t n;
    struct value v[]; /* parameters; their texts behind them */
};

/* NULL: no memory. */
MUST_USE struct entry *entry_make(const struct ask *, struct ask_owner, int64_t unix_ms);
void entry_free(struct entry *); /* NULL is fine */
/* Forgets what was answered. */
void entry_clear(struct entry *);

struct batch {
    struct entry *first; /* in the order they are to be run */
    bool writes;
    int rc;                    /* of the whole, set by who ran it, as is */
    char error[SQL_ERROR_MAX]; /* what the database said */
    size_t rows_room;
};

#endif
