/* A connection to PostgreSQL on the loop: runs one batch of asks at a time in pipeline mode,
 * without waiting for one statement before the next is sent.
 *
 * A batch that writes is transactions of up to PG_TOGETHER asks: BEGIN, their statements, COMMIT
 * and one sync, so one round trip and one write to the server's disk. Nothing is ended as done
 * before COMMIT said so. Where one ask is refused the server undoes the whole transaction: then the
 * asks before it are run together once more, the refused one in a transaction of its own, and those
 * behind it together, so the order holds and nobody fails for another. What was undone for a
 * deadlock is done over, PG_TRIES times in all. Anything else fails the rest of the batch.
 *
 * A server that sends nothing for PG_REPLY_S while it owes something counts as lost.
 *
 * Threads: the loop's. */
#ifndef SLIPGATE_STORE_PG_PIPELINE_H
#define SLIPGATE_STORE_PG_PIPELINE_H

#include "core/loop.h"
#include "store/entry.h"
#include "store/pg_connect.h"

#define PG_TOGETHER 256u
#define PG_TRIES    4u

struct pg_pipeline;

/* Called from the loop, never from within pg_pipeline_run. */
struct pg_pipeline_owner {
    /* The batch is through, each entry ended (ask_sql_end); its rc and error say whether anything
     * but a refusal went wrong. The next may be run from here. */
    void (*done)(void *ctx, struct now);
    /* The connection is gone and closed, why is in `error`. The batch under way, if any, has been
     * ended too. Only pg_pipeline_fini may follow, from here or later. */
    void (*lost)(void *ctx, struct now, int rc, const char *error);
};

enum pg_phase { PG_ROLLBACK, PG_BEGIN, PG_STEPS, PG_COMMIT, PG_SYNC };

struct pg_pipeline {
    struct loop *loop;
    struct pg pg;
    const struct pg_pipeline_owner *owner;
    void *ctx;
    struct loop_watch *watch;
    struct loop_timer *timer;
    unsigned events;
    nsec heard; /* last time anything moved while something was owed */

    struct batch *batch;        /* NULL: nothing is under way */
    struct entry *from, *until; /* the transaction under way; until is behind its last */
    struct entry *alone;        /* was refused: gets a transaction of its own */
    struct entry *bad;          /* was refused in this one */
    int rc;                     /* what went wrong in this one */
    unsigned tries;
    bool sick; /* sending failed */

    /* Whose result comes next. */
    enum pg_phase phase;
    struct entry *at;
    size_t step;
    bool seen; /* and it has come, its end has not */
};

/* Takes over a connection made by pg_connect, ask_statements prepared, and closes it in the end,
 * also where this fails. owner and ctx must outlive the pipeline. E_NOMEM, E_IO. */
MUST_USE int pg_pipeline_init(struct pg_pipeline *, struct loop *, const struct pg *,
                              const struct pg_pipeline_owner *, void *ctx);
/* A batch under way is forgotten: end it first (pg_pipeline_finish). */
void pg_pipeline_fini(struct pg_pipeline *);

/* Runs a batch, which is the pipeline's until done or lost was called; none is under way. */
void pg_pipeline_run(struct pg_pipeline *, struct batch *, struct now);
/* Waits, without the loop, until the batch under way and those its owner starts from done are
 * through, for at most PG_REPLY_S without an answer. */
void pg_pipeline_finish(struct pg_pipeline *);

#endif
