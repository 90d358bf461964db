/* An ask over a driver that waits (sql.h). */
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "store/ask_sql.h"
#include "store/entry.h"

struct reading {
    struct entry *entry;
    size_t step;
};

static int on_row(void *ctx, const struct value *v, size_t n)
{
    struct reading *r = ctx;
    ask_sql_row(r->entry, r->step, v, n);
    return 0;
}

static int run_steps(struct sql *db, struct entry *e, size_t steps)
{
    struct ask_step step;
    int rc = 0;
    for (size_t i = 0; i < steps && rc == 0; i++) {
        struct reading r = {e, i};
        ask_sql_step(e, i, &step);
        rc = sql_run(db, step.statement, step.v, step.n, on_row, &r);
    }
    mem_wipe(&step, sizeof step);
    return rc;
}

/* Whole or not at all: what is one statement is so by itself. */
static int run_guarded(struct sql *db, struct entry *e, size_t steps)
{
    int rc = sql_script(db, "SAVEPOINT ask");
    if (rc == 0)
        rc = run_steps(db, e, steps);
    if (rc && rc != E_REFUSED)
        return rc;
    bool back = rc || (PLANTED(TOKEN_REDEEMED_TWICE) && e->op == (int)QUERY_TOKEN_REDEEM);
    int end = sql_script(db, back ? "ROLLBACK TO ask; RELEASE ask" : "RELEASE ask");
    return end ? end : rc;
}

int ask_sql_run(struct sql *db, struct entry *e)
{
    size_t steps = ask_sql_steps(e);
    ask_sql_begin(e);
    int rc = steps > 1 || PLANTED(TOKEN_REDEEMED_TWICE) ? run_guarded(db, e, steps)
                                                        : run_steps(db, e, steps);
    ask_sql_end(e, rc);
    return rc == E_REFUSED ? 0 : rc;
}
