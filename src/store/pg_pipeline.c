#include "store/pg_pipeline.h"

#include "base/check.h"
#include "base/err.h"
#include "store/pg_error.h"

#include <poll.h>
#include <stdio.h>

static void start_range(struct pg_pipeline *p, struct now now);

static void watch_for(struct pg_pipeline *p, unsigned events)
{
    if (events != p->events && p->loop->ops->watch_set(p->watch, events) == 0)
        p->events = events;
}

/* --- the end of a batch */

static void set_deadline(struct pg_pipeline *p, nsec deadline)
{
    p->loop->ops->timer_set(p->timer, deadline);
}

static void end_rest(struct pg_pipeline *p, int rc)
{
    struct batch *b = p->batch;
    p->batch = NULL;
    if (!b)
        return;
    set_deadline(p, NSEC_NEVER);
    b->rc = rc;
    if (rc)
        memcpy(b->error, p->pg.error, sizeof b->error);
    for (struct entry *e = p->from; e; e = e->next) {
        ask_sql_begin(e);
        ask_sql_end(e, rc);
    }
    p->from = NULL;
}

static void lose(struct pg_pipeline *p, struct now now, int rc)
{
    char error[SQL_ERROR_MAX];
    if (!p->pg.error[0])
        pg_error_connection(p->pg.pq, p->pg.error);
    memcpy(error, p->pg.error, sizeof error);
    p->loop->ops->unwatch(p->watch);
    p->watch = NULL;
    pg_disconnect(&p->pg);
    end_rest(p, rc);
    p->owner->lost(p->ctx, now, rc, error);
}

static void finish_batch(struct pg_pipeline *p, struct now now, int rc)
{
    (void)PQexitPipelineMode(p->pg.pq);
    if (rc == E_IO || rc == E_FORMAT) {
        lose(p, now, rc);
        return;
    }
    end_rest(p, rc);
    p->owner->done(p->ctx, now);
}

/* --- sending */

static bool send_plain(struct pg_pipeline *p, const char *text)
{
    return PQsendQueryParams(p->pg.pq, text, 0, NULL, NULL, NULL, NULL, 0) == 1;
}

static bool send_entry(struct pg_pipeline *p, struct entry *e)
{
    struct ask_step step;
    struct pg_params params;
    char name[PG_NAME_MAX];
    size_t n = ask_sql_steps(e);
    ask_sql_begin(e);
    for (size_t i = 0; i < n; i++) {
        ask_sql_step(e, i, &step);
        CHECK(pg_params(&params, step.v, step.n) == 0); /* asks are checked when they are made */
        pg_name(name, step.statement);
        if (!PQsendQueryPrepared(p->pg.pq, name, (int)step.n, params.text, params.length,
                                 params.format, 0))
            return false;
    }
    return true;
}

static bool send_range(struct pg_pipeline *p)
{
    bool good = true;
    if (p->phase == PG_ROLLBACK)
        good = send_plain(p, "ROLLBACK");
    if (p->batch->writes)
        good = good && send_plain(p, "BEGIN");
    for (struct entry *e = p->from; e != p->until && good; e = e->next)
        good = send_entry(p, e);
    if (p->batch->writes)
        good = good && send_plain(p, "COMMIT");
    return good && PQpipelineSync(p->pg.pq) == 1;
}

static struct entry *range_end(const struct pg_pipeline *p)
{
    struct entry *e = p->from;
    if (e && e == p->alone)
        return e->next;
    for (size_t n = 0; e && e != p->alone && n < PG_TOGETHER; n++)
        e = e->next;
    return e;
}

/* From `at` on, the next step of an entry that has any. */
static void skip_empty(struct pg_pipeline *p)
{
    while (p->at != p->until && p->step >= ask_sql_steps(p->at)) {
        p->at = p->at->next;
        p->step = 0;
    }
    if (p->at == p->until)
        p->phase = p->batch->writes ? PG_COMMIT : PG_SYNC;
}

static void enter_steps(struct pg_pipeline *p)
{
    p->phase = PG_STEPS;
    p->at = p->from;
    p->step = 0;
    skip_empty(p);
}

static void enter_transaction(struct pg_pipeline *p)
{
    if (p->batch->writes)
        p->phase = PG_BEGIN;
    else
        enter_steps(p);
}

static void write_more(struct pg_pipeline *p)
{
    int left = PQflush(p->pg.pq);
    if (left < 0)
        p->sick = true; /* what the server said last may still be read */
    watch_for(p, left == 1 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static void start_range(struct pg_pipeline *p, struct now now)
{
    bool in_error = PQtransactionStatus(p->pg.pq) != PQTRANS_IDLE;
    p->until = range_end(p);
    p->bad = NULL;
    p->rc = 0;
    p->seen = false;
    p->pg.error[0] = '\0';
    p->heard = now.mono;
    if (in_error)
        p->phase = PG_ROLLBACK;
    else
        enter_transaction(p);
    if (!send_range(p))
        p->sick = true;
    else
        write_more(p);
    set_deadline(p, p->sick ? now.mono : now.mono + (nsec)p->pg.reply_s * NSEC_PER_S);
}

void pg_pipeline_run(struct pg_pipeline *p, struct batch *b, struct now now)
{
    CHECK(!p->batch && b->first);
    p->batch = b;
    p->from = b->first;
    p->alone = NULL;
    p->tries = 0;
    b->rc = 0;
    if (!PQenterPipelineMode(p->pg.pq)) {
        p->sick = true;
        set_deadline(p, now.mono);
        return;
    }
    start_range(p, now);
}

/* --- results */

static void next_range(struct pg_pipeline *p, struct now now)
{
    if (p->from == p->alone)
        p->alone = NULL;
    p->from = p->until;
    p->tries = 0;
    if (p->from)
        start_range(p, now);
    else
        finish_batch(p, now, 0);
}

static void end_range(struct pg_pipeline *p, struct now now)
{
    bool lone = p->bad && p->bad == p->from && p->bad->next == p->until;
    if (p->rc == 0) {
        for (struct entry *e = p->from; e != p->until; e = e->next)
            ask_sql_end(e, 0);
        next_range(p, now);
    } else if (p->rc == E_REFUSED && lone) {
        ask_sql_end(p->bad, E_REFUSED);
        next_range(p, now);
    } else if (p->rc == E_REFUSED && p->bad) {
        p->alone = p->bad;
        start_range(p, now);
    } else if (p->rc == E_AGAIN && ++p->tries < PG_TRIES) {
        start_range(p, now);
    } else {
        finish_batch(p, now, p->rc == E_AGAIN || p->rc == E_REFUSED ? E_BUSY : p->rc);
    }
}

static void take_rows(struct pg_pipeline *p, const PGresult *r)
{
    struct value v[SQL_VALUES_MAX];
    if (PQnfields(r) > (int)SQL_VALUES_MAX) {
        p->rc = E_IO;
        return;
    }
    for (int i = 0; i < PQntuples(r); i++) {
        pg_row(r, i, v);
        ask_sql_row(p->at, p->step, v, (size_t)PQnfields(r));
    }
}

static void take_failure(struct pg_pipeline *p, const PGresult *r)
{
    if (p->rc)
        return; /* the first is the reason of all others */
    p->rc = pg_error_result(r, p->pg.error);
    if (p->phase == PG_STEPS)
        p->bad = p->at;
}

static void take_result(struct pg_pipeline *p, const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    bool tuples = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    p->seen = true;
    if (!tuples)
        take_failure(p, r);
    else if (p->phase == PG_STEPS && p->rc == 0)
        take_rows(p, r);
    else if (p->phase == PG_COMMIT && strcmp(PQcmdStatus((PGresult *)(uintptr_t)r), "COMMIT") != 0)
        take_failure(p, r); /* a COMMIT that rolled back is no error to PostgreSQL */
}

static void next_result(struct pg_pipeline *p)
{
    p->seen = false;
    switch (p->phase) {
    case PG_ROLLBACK: enter_transaction(p); return;
    case PG_BEGIN: enter_steps(p); return;
    case PG_STEPS:
        p->step++;
        skip_empty(p);
        return;
    case PG_COMMIT: p->phase = PG_SYNC; return;
    case PG_SYNC: return;
    }
    UNREACHABLE();
}

/* False: nothing more to be had, or nothing of this transaction. */
static bool take_next(struct pg_pipeline *p, struct now now)
{
    if (PQisBusy(p->pg.pq))
        return false;
    PGresult *r = PQgetResult(p->pg.pq);
    if (!r) {
        bool went = p->seen;
        if (went)
            next_result(p);
        return went;
    }
    bool sync = PQresultStatus(r) == PGRES_PIPELINE_SYNC;
    if (!sync && p->phase == PG_SYNC)
        take_failure(p, r);
    else if (!sync)
        take_result(p, r);
    else if (p->phase != PG_SYNC && p->rc == 0)
        p->rc = E_IO; /* not as many results as statements */
    PQclear(r);
    if (sync)
        end_range(p, now);
    return !sync;
}

static void on_event(void *ctx, struct now now, unsigned events)
{
    struct pg_pipeline *p = ctx;
    bool good = !(events & LOOP_READ) || PQconsumeInput(p->pg.pq) == 1;
    p->heard = now.mono;
    if (p->batch && good && !p->sick)
        write_more(p);
    if (p->batch)
        while (take_next(p, now))
            ;
    else
        (void)PQisBusy(p->pg.pq); /* reads notices, of a shutdown for one */
    /* libpq closes the descriptor of a connection that broke: no other event would come. */
    if (p->watch && (!good || p->sick || PQstatus(p->pg.pq) == CONNECTION_BAD))
        lose(p, now, E_IO);
}

static void on_timer(void *ctx, struct now now)
{
    struct pg_pipeline *p = ctx;
    nsec end = p->heard + (nsec)p->pg.reply_s * NSEC_PER_S;
    if (!p->sick && now.mono < end) {
        set_deadline(p, end);
        return;
    }
    if (!p->sick)
        snprintf(p->pg.error, sizeof p->pg.error, "the server does not answer in time");
    lose(p, now, E_IO);
}

void pg_pipeline_finish(struct pg_pipeline *p)
{
    while (p->batch) {
        bool more = p->events & LOOP_WRITE;
        struct pollfd fd = {PQsocket(p->pg.pq), more ? POLLIN | POLLOUT : POLLIN, 0};
        int n = p->sick ? 0 : poll(&fd, 1, p->pg.reply_s * 1000);
        struct now now = p->loop->ops->now(p->loop);
        if (n > 0)
            on_event(p, now, LOOP_READ);
        else if (n == 0)
            lose(p, now, E_IO);
    }
}

static void take_notice(void *ctx, const PGresult *r)
{
    struct pg_pipeline *p = ctx;
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity && strcmp(severity, "FATAL") == 0)
        (void)pg_error_result(r, p->pg.error);
}

int pg_pipeline_init(struct pg_pipeline *p, struct loop *loop, const struct pg *pg,
                     const struct pg_pipeline_owner *owner, void *ctx)
{
    *p = (struct pg_pipeline){.loop = loop, .pg = *pg, .owner = owner, .ctx = ctx};
    p->pg.error[0] = '\0';
    int rc = loop->ops->timer_open(loop, on_timer, p, &p->timer);
    if (rc == 0)
        rc = loop->ops->watch(loop, PQsocket(p->pg.pq), LOOP_READ, on_event, p, &p->watch);
    if (rc) {
        pg_pipeline_fini(p);
        return rc;
    }
    p->events = LOOP_READ;
    (void)PQsetNoticeReceiver(p->pg.pq, take_notice, p);
    return 0;
}

void pg_pipeline_fini(struct pg_pipeline *p)
{
    p->loop->ops->unwatch(p->watch);
    if (p->timer)
        p->loop->ops->timer_close(p->timer);
    p->watch = NULL;
    p->timer = NULL;
    pg_disconnect(&p->pg);
}
