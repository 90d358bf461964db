#include "core/account_desk.h"

#include "base/err.h"
#include "base/mem.h"
#include "core/account_desk_priv.h"

#define MIN_PLAYER 8u
#define MIN_STAFF  12u

static const struct log_row log_changed = {LOG_INFO, "account.changed", "account changed by staff"};

bool account_desk_outranks(uint8_t level, uint8_t target)
{
    return level > target || (level == target && level == LEVEL_ADMIN);
}

int desk_fail(struct desk_job *j, int rc, const char *why, const char *mend)
{
    j->why = why;
    j->mend = mend;
    return rc;
}

/* ---- ending ---- */

static const char *text_of(int rc)
{
    switch (rc) {
    case E_NOENT: return "there is no such account";
    case E_EXISTS: return "it is there already";
    case E_REFUSED: return "this would leave no admin who can sign in";
    case E_STALE: return "somebody else changed it at the same moment";
    case E_AUTH: return "the password is wrong";
    case E_BUSY: return "the server is too busy";
    case E_STORE: return "the database failed; whether it was done is not known";
    case E_LIMIT: return "the answer would be too long";
    default: return err_text(rc);
    }
}

static const char *mend_of(int rc)
{
    switch (rc) {
    case E_REFUSED: return "make another account admin first";
    case E_STALE:
    case E_BUSY: return "try again";
    case E_STORE: return "look at the account, and try again when the database works";
    default: return NULL;
    }
}

static void job_free(struct desk_job *j)
{
    list_remove(&j->in);
    j->desk->live--;
    buf_fini_secret(&j->out);
    buf_fini(&j->nodes);
    mem_free_secret(j, j->size);
}

static void finish(struct desk_job *j, struct now now, int rc, bool audited)
{
    if (rc == 0 && j->out.failed)
        rc = E_LIMIT;
    struct desk_result r = {
        .rc = rc,
        .why = rc == 0  ? NULL
               : j->why ? j->why
                        : text_of(rc),
        .mend = rc == 0 || j->why ? j->mend : mend_of(rc),
        .json = rc == 0 ? buf_span(&j->out) : SPAN_NULL,
        .account = j->id,
        .level = j->level,
        .name = span_of(j->name, j->name_n),
        .audited = audited,
    };
    j->fn(j->ctx, now, &r);
    job_free(j);
}

/* ---- what a change brings about ---- */

static void details(const struct desk_job *j, struct buf *to)
{
    const struct desk_request *r = &j->r;
    (void)buf_append_str(to, j->row->word);
    switch (r->op) {
    case DESK_CREATE:
    case DESK_SET_LEVEL: (void)buf_printf(to, " %d", j->level); break;
    case DESK_SET_SUSPENDED:
    case DESK_SET_MUTED: (void)buf_append_str(to, r->on ? " on" : " off"); break;
    case DESK_GRANT:
    case DESK_REVOKE:
        (void)buf_append_byte(to, ' ');
        (void)buf_append_span(to, r->text);
        break;
    case DESK_SHOW:
    case DESK_LIST:
    case DESK_SET_EMAIL: /* personal: the trail must not keep what a deletion erases */
    case DESK_SET_DISPLAY:
    case DESK_SET_NOTES:
    case DESK_UNLOCK:
    case DESK_SET_PASSWORD:
    case DESK_DELETE:
    case DESK_EXPORT:
    case DESK_LOGOUT:
    case DESK_OTP_ENROL:
    case DESK_OTP_DISABLE:
    case DESK_OPS_N: break;
    }
    if (r->own)
        (void)buf_append_str(to, " (own)");
}

static void audit(struct desk_job *j, struct now now)
{
    const struct desk_actor *by = &j->r.by;
    char actor[24], target[24];
    struct buf text;
    buf_init(&text, 512);
    details(j, &text);
    struct audit_record record = {
        .type = j->row->type,
        .subtype = j->row->subtype,
        .game = by->game.n ? by->game : SPAN_LIT("server"),
        .account = by->account ? audit_account(by->account, actor) : by->name,
        .address = by->address,
        .target = audit_account(j->id, target),
        .details = buf_span(&text),
    };
    audit_log_add(j->desk->cfg.audit, now, &record);
    LOG(j->desk->cfg.log, &log_changed, LF_SPAN("by", by->name), LF_INT("account", j->id),
        LF_SPAN("what", buf_span(&text)));
    buf_fini(&text);
}

static void tell(struct desk_job *j, struct now now)
{
    const struct account_desk_cfg *cfg = &j->desk->cfg;
    bool suspends = j->row->change == ACCOUNT_SUSPENDED;
    if (j->row->change >= 0 && (!suspends || j->r.on)) {
        struct notice n = {.kind = NOTICE_ACCOUNT};
        n.u.account.change = (enum account_change)j->row->change;
        n.u.account.id = j->id;
        n.u.account.except = j->r.op == DESK_DELETE ? SPAN_NULL : j->r.by.session;
        n.u.account.level = j->level;
        n.u.account.muted = j->muted;
        cfg->notice(cfg->ctx, now, &n);
    }
    if (j->row->tell >= 0) {
        struct cluster_message m = {.kind = (enum cluster_kind)j->row->tell, .id = j->id};
        cluster_tell(cfg->cluster, now, &m);
    }
}

static void on_safe(void *ctx, struct now now, int rc)
{
    finish(ctx, now, 0, rc == 0);
}

static void commit(struct desk_job *j, struct now now)
{
    audit(j, now);
    tell(j, now);
    if (j->desk->cfg.audit)
        audit_log_sync(j->desk->cfg.audit, now, on_safe, j);
    else
        finish(j, now, 0, false);
}

/* ---- going on ---- */

static void go_on(struct desk_job *j, struct now now, const struct answer *a)
{
    int rc = 0;
    while (rc == 0 && j->step < ARRAY_LEN(j->row->steps) && j->row->steps[j->step]) {
        rc = j->row->steps[j->step++](j, now, a);
        a = NULL;
    }
    if (rc == STEP_ASKED)
        return;
    if (rc >= 0 && j->row->changes) {
        commit(j, now);
        return;
    }
    if (rc < 0 && j->done) { /* made, though not all of it came to its end */
        audit(j, now);
        tell(j, now);
    }
    finish(j, now, rc < 0 ? rc : 0, true);
}

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    go_on(ctx, now, a);
}

int desk_send(struct desk_job *j, const struct ask *ask)
{
    const struct account_desk_cfg *cfg = &j->desk->cfg;
    struct ask_port *port = ask_destination(ask->kind) == ASK_TO_HASH ? cfg->hash : cfg->store;
    struct ask_owner owner = {on_answer, j, 0};
    int rc = port->submit(port, ask, owner);
    return rc ? rc : STEP_ASKED;
}

int desk_query(struct desk_job *j, enum query q, const struct value *v, size_t n)
{
    struct ask ask = query_ask(q, v, n);
    return desk_send(j, &ask);
}

/* ---- the desk ---- */

static struct span keep(uint8_t **at, struct span s)
{
    struct span kept = {*at, s.n};
    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return kept;
}

static struct desk_job *job_make(struct account_desk *d, const struct desk_request *r)
{
    size_t n = sizeof(struct desk_job) + r->name.n + r->text.n + r->password.n + r->old.n +
               r->by.name.n + r->by.address.n + r->by.game.n + r->by.session.n;
    struct desk_job *j = mem_zalloc(1, n);
    if (!j)
        return NULL;
    uint8_t *at = j->bytes;
    j->size = n;
    j->desk = d;
    j->r = *r;
    j->r.name = keep(&at, r->name);
    j->r.text = keep(&at, r->text);
    j->r.password = keep(&at, r->password);
    j->r.old = keep(&at, r->old);
    j->r.by.name = keep(&at, r->by.name);
    j->r.by.address = keep(&at, r->by.address);
    j->r.by.game = keep(&at, r->by.game);
    j->r.by.session = keep(&at, r->by.session);
    j->row = &desk_rows[r->op];
    buf_init(&j->out, DESK_OUT_MAX);
    buf_init(&j->nodes, 65536);
    list_push_back(&d->jobs, &j->in);
    d->live++;
    return j;
}

int account_desk_ask(struct account_desk *d, struct now now, const struct desk_request *r,
                     desk_fn fn, void *ctx)
{
    if (d->live >= DESK_REQUESTS_MAX)
        return E_BUSY;
    struct desk_job *j = job_make(d, r);
    if (!j)
        return E_NOMEM;
    j->fn = fn;
    j->ctx = ctx;
    go_on(j, now, NULL);
    return 0;
}

uint32_t account_desk_live(const struct account_desk *d)
{
    return d->live;
}

void account_desk_set_minimums(struct account_desk *d, uint32_t player, uint32_t staff)
{
    d->min_player = player;
    d->min_staff = staff;
}

int account_desk_create(struct account_desk **ret, const struct account_desk_cfg *cfg)
{
    struct account_desk *d = mem_zalloc(1, sizeof *d);
    if (!d)
        return E_NOMEM;
    d->cfg = *cfg;
    list_init(&d->jobs);
    account_desk_set_minimums(d, MIN_PLAYER, MIN_STAFF);
    *ret = d;
    return 0;
}

void account_desk_destroy(struct account_desk *d)
{
    struct list *n;
    if (!d)
        return;
    while ((n = list_first(&d->jobs)))
        job_free(CONTAINER_OF(n, struct desk_job, in));
    mem_free(d);
}
