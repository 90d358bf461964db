#include "sim/desks.h"

#include "base/check.h"
#include "base/err.h"
#include "base/list.h"
#include "core/cache_memory.h"
#include "core/login.h"
#include "core/presence.h"
#include "sim/alloc_fault.h"
#include "sim/disk.h"
#include "sim/loop.h"
#include "sim/node_priv.h"

#define NODE_NAME  "sim"
#define SPOOL_MIN  (100 * NSEC_PER_MS / 1000)
#define SPOOL_MAX  (5 * NSEC_PER_MS)
#define SPOOL_ROOM (4u << 20)
#define LAST_TURNS 200u

/* An ask on its way. */
struct relayed {
    struct list in;
    struct relay *relay;
    struct ask_owner owner;
    struct store_note note;
};

/* A port that lets asks through, tells of them, and can be cut. */
struct relay {
    struct ask_port port, *inner;
    struct sim_desks *desks;
    struct list asks;
    bool mine; /* a desk's: its memory is the process's */
};

enum spool_op { SPOOL_IDLE, SPOOL_APPEND, SPOOL_READ, SPOOL_CLEAR };

struct spool {
    struct audit_spool port;
    struct sim_timer timer;
    enum spool_op op;
    struct span lines;
    bool keep;
    void (*done)(void *ctx, struct now, int rc);
    void (*done_read)(void *ctx, struct now, int rc, struct span);
    void *ctx;
    uint8_t *text;
};

struct sim_desks {
    struct sim *sim;
    bool dead, live; /* live: the service is there */
    struct relay service, own, hash, presence_relay;
    struct spool spool;
    struct sim_loop *loop;
    struct entropy entropy;
    struct log log;
    struct metrics metrics;
    struct audit_log *audit;
    struct cache_memory *cache;
    struct cluster *cluster;
    struct presence *presence;
    struct ban_desk *bans;
    struct login_guard *guard;
    struct account_desk *accounts;
    struct sim_timer audit_timer, bans_timer, guard_timer;
};

bool sim_desks_enter(void)
{
    return alloc_fault_suspend(false);
}

void sim_desks_leave(bool before)
{
    (void)alloc_fault_suspend(before);
}

/* ---- what is asked of the store ---- */

static void note_ask(struct store_note *n, const struct ask *a)
{
    *n = (struct store_note){.kind = a->kind};
    if (a->kind == ASK_ACCOUNT_FIND || a->kind == ASK_ACCOUNT_CREATE) {
        struct span name = a->kind == ASK_ACCOUNT_FIND ? a->u.find.name : a->u.create.name;
        n->text_n = name.n < sizeof n->text ? name.n : 0;
        if (n->text_n)
            memcpy(n->text, name.p, n->text_n);
    } else if (a->kind == ASK_QUERY) {
        n->query = (enum query)a->u.query.query;
        for (size_t i = 0; i < a->u.query.n; i++) {
            const struct value *v = &a->u.query.v[i];
            if (v->type == VALUE_INT && n->ints_n < ARRAY_LEN(n->ints))
                n->ints[n->ints_n++] = v->u.i;
            if (v->type != VALUE_TEXT || n->text_n || v->u.text.n > sizeof n->text)
                continue;
            n->text_n = v->u.text.n;
            if (n->text_n)
                memcpy(n->text, v->u.text.p, n->text_n);
        }
    }
}

static void relay_answer(void *ctx, struct now now, const struct answer *a)
{
    struct relayed *r = ctx;
    struct relay *relay = r->relay;
    struct sim *s = relay->desks->sim;
    struct ask_owner owner = r->owner;
    bool before = alloc_fault_suspend(true);
    list_remove(&r->in);
    if (!relay->desks->dead)
        TAP(s, stored, s, &r->note, a);
    alloc_own_free(r);
    if (!relay->desks->dead || relay->mine) {
        struct answer answer = *a;
        answer.req = owner.req;
        (void)alloc_fault_suspend(!relay->mine);
        owner.answer(owner.ctx, now, &answer);
    }
    (void)alloc_fault_suspend(before);
}

static int relay_submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    struct relay *relay = CONTAINER_OF(port, struct relay, port);
    struct sim *s = relay->desks->sim;
    if (relay->desks->dead || !relay->inner)
        return E_BUSY;
    bool before = alloc_fault_suspend(true);
    struct relayed *r = alloc_own(sizeof *r);
    *r = (struct relayed){.relay = relay, .owner = owner};
    note_ask(&r->note, ask);
    r->note.serial = ++s->disk->asks;
    struct store_note note = r->note;
    list_push_back(&relay->asks, &r->in);
    (void)alloc_fault_suspend(!relay->mine && relay != &relay->desks->presence_relay);
    int rc =
        relay->inner->submit(relay->inner, ask, (struct ask_owner){relay_answer, r, owner.req});
    (void)alloc_fault_suspend(true);
    if (rc) {
        list_remove(&r->in);
        alloc_own_free(r);
    } else {
        TAP(s, storing, s, &note);
    }
    (void)alloc_fault_suspend(before);
    return rc;
}

static void relay_init(struct relay *r, struct sim_desks *d, struct ask_port *inner, bool mine)
{
    *r = (struct relay){.port.submit = relay_submit, .inner = inner, .desks = d, .mine = mine};
    list_init(&r->asks);
}

/* Nobody will answer: those who count on it are told, the others are gone themselves. */
static void relay_cut(struct relay *r)
{
    for (struct list *node; (node = list_first(&r->asks));) {
        struct relayed *x = CONTAINER_OF(node, struct relayed, in);
        struct answer none = {.req = x->owner.req, .kind = x->note.kind, .rc = E_STORE};
        relay_answer(x, r->desks->sim->now, &none);
    }
}

/* ---- the spool ---- */

static int spool_append(struct sim_desks *d)
{
    struct sim_disk *disk = d->sim->disk;
    if (disk->spool.n + d->spool.lines.n > SPOOL_ROOM)
        return E_FULL;
    disk_draw_trouble(disk);
    if (disk_refuses(disk))
        return E_IO;
    disk_bytes_put(&disk->spool, d->spool.lines.p, d->spool.lines.n, disk->spool.n);
    return 0;
}

static int spool_read(struct sim_desks *d)
{
    struct sim_disk *disk = d->sim->disk;
    alloc_own_free(d->spool.text);
    d->spool.text = alloc_own(disk->spool.n + 1);
    if (disk->spool.n)
        memcpy(d->spool.text, disk->spool.p, disk->spool.n);
    d->spool.lines = span_of(d->spool.text, disk->spool.n);
    return 0;
}

static int spool_clear(struct sim_desks *d)
{
    struct sim_disk *disk = d->sim->disk;
    if (d->spool.keep)
        sim_find(d->sim, "audit", "a spool of %zu bytes is put aside", disk->spool.n);
    disk_bytes_cut(&disk->spool, 0);
    return 0;
}

static void spool_do(struct sim_desks *d)
{
    struct spool *p = &d->spool;
    enum spool_op op = p->op;
    bool before = alloc_fault_suspend(true);
    sim_stop(d->sim, &p->timer);
    int rc = d->dead              ? E_IO
             : op == SPOOL_APPEND ? spool_append(d)
             : op == SPOOL_READ   ? spool_read(d)
                                  : spool_clear(d);
    p->op = SPOOL_IDLE;
    sim_event(d->sim, false, "spool", (uint64_t)op, span_of(&rc, sizeof rc));
    (void)alloc_fault_suspend(false);
    if (op == SPOOL_READ)
        p->done_read(p->ctx, d->sim->now, rc, rc ? SPAN_NULL : p->lines);
    else
        p->done(p->ctx, d->sim->now, rc);
    (void)alloc_fault_suspend(before);
}

static void on_spool(struct sim *s, struct sim_timer *t)
{
    (void)s;
    spool_do(CONTAINER_OF(t, struct sim_desks, spool.timer));
}

static void spool_begin(struct audit_spool *port, enum spool_op op, void *ctx)
{
    struct sim_desks *d = CONTAINER_OF(port, struct sim_desks, spool.port);
    CHECK(d->spool.op == SPOOL_IDLE);
    d->spool.op = op;
    d->spool.ctx = ctx;
    if (!d->dead)
        sim_after(d->sim, &d->spool.timer, sim_loop_takes(d->sim, SPOOL_MIN, SPOOL_MAX));
}

static void port_append(struct audit_spool *port, struct span lines,
                        void (*done)(void *ctx, struct now, int rc), void *ctx)
{
    struct sim_desks *d = CONTAINER_OF(port, struct sim_desks, spool.port);
    d->spool.lines = lines;
    d->spool.done = done;
    spool_begin(port, SPOOL_APPEND, ctx);
}

static void port_read(struct audit_spool *port,
                      void (*done)(void *ctx, struct now, int rc, struct span lines), void *ctx)
{
    CONTAINER_OF(port, struct sim_desks, spool.port)->spool.done_read = done;
    spool_begin(port, SPOOL_READ, ctx);
}

static void port_clear(struct audit_spool *port, bool keep,
                       void (*done)(void *ctx, struct now, int rc), void *ctx)
{
    struct sim_desks *d = CONTAINER_OF(port, struct sim_desks, spool.port);
    d->spool.keep = keep;
    d->spool.done = done;
    spool_begin(port, SPOOL_CLEAR, ctx);
}

/* The process dies: of what was being written, some lines are there. A line that was cut off the
 * next process cuts away. */
static void spool_die(struct sim_desks *d)
{
    struct spool *p = &d->spool;
    struct sim_disk *disk = d->sim->disk;
    size_t n = 0;
    sim_stop(d->sim, &p->timer);
    if (p->op == SPOOL_CLEAR && sim_below(d->sim, CHANCE_STORE, 2))
        disk_bytes_cut(&disk->spool, 0);
    if (p->op != SPOOL_APPEND)
        return;
    size_t most = (size_t)sim_below(d->sim, CHANCE_STORE, p->lines.n + 1);
    for (size_t i = 0; i < most; i++)
        if (p->lines.p[i] == '\n')
            n = i + 1;
    if (n)
        disk_bytes_put(&disk->spool, p->lines.p, n, disk->spool.n);
}

/* ---- deadlines ---- */

static void at(struct sim_desks *d, struct sim_timer *t, nsec deadline, bool earlier)
{
    bool before = alloc_fault_suspend(true);
    if (!d->dead && (!earlier || !t->t.set || deadline < t->t.deadline))
        sim_at(d->sim, t, deadline);
    (void)alloc_fault_suspend(before);
}

static void audit_wake(void *ctx, nsec deadline)
{
    struct sim_desks *d = ctx;
    at(d, &d->audit_timer, deadline, false);
}

static void bans_wake(void *ctx, nsec deadline)
{
    struct sim_desks *d = ctx;
    at(d, &d->bans_timer, deadline, true);
}

static void guard_wake(void *ctx, nsec deadline)
{
    struct sim_desks *d = ctx;
    at(d, &d->guard_timer, deadline, true);
}

static void on_audit(struct sim *s, struct sim_timer *t)
{
    struct sim_desks *d = CONTAINER_OF(t, struct sim_desks, audit_timer);
    bool before = sim_desks_enter();
    nsec next = audit_log_time(d->audit, s->now);
    at(d, t, next, false);
    sim_desks_leave(before);
}

static void on_bans(struct sim *s, struct sim_timer *t)
{
    struct sim_desks *d = CONTAINER_OF(t, struct sim_desks, bans_timer);
    bool before = sim_desks_enter();
    at(d, t, ban_desk_time(d->bans, s->now), true);
    sim_desks_leave(before);
}

static void on_guard(struct sim *s, struct sim_timer *t)
{
    struct sim_desks *d = CONTAINER_OF(t, struct sim_desks, guard_timer);
    bool before = sim_desks_enter();
    at(d, t, login_guard_time(d->guard, s->now), true);
    sim_desks_leave(before);
}

/* ---- what they tell the service ---- */

static void to_service(struct sim_desks *d, const struct notice *n)
{
    bool before = alloc_fault_suspend(true);
    if (!d->dead && d->live)
        node_notice(d->sim, n);
    (void)alloc_fault_suspend(before);
}

static void enforce(void *ctx, struct now now, const struct ban *ban)
{
    const struct notice n = {.kind = NOTICE_BAN, .u.ban = ban};
    (void)now;
    to_service(ctx, &n);
}

static void account_notice(void *ctx, struct now now, const struct notice *n)
{
    (void)now;
    to_service(ctx, n);
}

static void presence_lost(void *ctx, struct now now, int64_t account, struct span game)
{
    struct notice n = {.kind = NOTICE_ACCOUNT};
    (void)now;
    n.u.account.change = ACCOUNT_SIGNED_IN;
    n.u.account.id = account;
    n.u.account.game = game;
    to_service(ctx, &n);
}

/* ---- life ---- */

static void say_nothing(struct log *log, const struct log_row *row, const struct log_field *fields,
                        size_t n)
{
    (void)log;
    (void)row;
    (void)fields;
    (void)n;
}

static void fill(struct entropy *e, void *to, size_t n)
{
    struct sim_desks *d = CONTAINER_OF(e, struct sim_desks, entropy);
    uint8_t *p = to;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)sim_below(d->sim, CHANCE_NODE, 256);
}

static int open_audit(struct sim_desks *d)
{
    struct audit_log_cfg cfg = {.store = &d->own.port,
                                .spool = &d->spool.port,
                                .node = SPAN_LIT(NODE_NAME),
                                .key = {1, 2, 3},
                                .log = &d->log,
                                .metrics = &d->metrics,
                                .wake = audit_wake,
                                .ctx = d};
    d->spool.port = (struct audit_spool){port_append, port_read, port_clear};
    return audit_log_create(&d->audit, &cfg, d->sim->now);
}

static int open_presence(struct sim_desks *d)
{
    struct cache_memory_cfg cache = {.loop = sim_loop(d->loop), .entropy = &d->entropy};
    int rc = cache_memory_create(&d->cache, &cache);
    if (rc)
        return rc;
    struct cluster_cfg cluster = {.cache = cache_memory_port(d->cache),
                                  .node = SPAN_LIT(NODE_NAME),
                                  .log = &d->log,
                                  .metrics = &d->metrics};
    rc = cluster_create(&d->cluster, &cluster);
    if (rc)
        return rc;
    struct presence_cfg cfg = {.loop = sim_loop(d->loop),
                               .cache = cache_memory_port(d->cache),
                               .cluster = d->cluster,
                               .node = SPAN_LIT(NODE_NAME),
                               .log = &d->log,
                               .metrics = &d->metrics,
                               .entropy = &d->entropy,
                               .lost = presence_lost,
                               .ctx = d};
    rc = presence_create(&d->presence, &cfg);
    if (rc == 0)
        relay_init(&d->presence_relay, d, presence_port(d->presence), false);
    return rc;
}

static int open_rest(struct sim_desks *d)
{
    struct ban_desk_cfg bans = {.store = &d->own.port,
                                .cluster = d->cluster,
                                .audit = d->audit,
                                .log = &d->log,
                                .metrics = &d->metrics,
                                .enforce = enforce,
                                .wake = bans_wake,
                                .ctx = d};
    entropy_get(&d->entropy, bans.seed, sizeof bans.seed);
    int rc = ban_desk_create(&d->bans, &bans, d->sim->now);
    struct login_guard_cfg guard = {.store = &d->own.port,
                                    .bans = d->bans,
                                    .audit = d->audit,
                                    .log = &d->log,
                                    .wake = guard_wake,
                                    .ctx = d};
    entropy_get(&d->entropy, guard.seed, sizeof guard.seed);
    if (rc == 0)
        rc = login_guard_create(&d->guard, &guard);
    struct account_desk_cfg accounts = {.store = &d->own.port,
                                        .hash = &d->hash.port,
                                        .cluster = d->cluster,
                                        .audit = d->audit,
                                        .log = &d->log,
                                        .entropy = &d->entropy,
                                        .notice = account_notice,
                                        .ctx = d};
    return rc ? rc : account_desk_create(&d->accounts, &accounts);
}

int sim_desks_open(struct sim *s, struct sim_store *store, struct sim_desks **ret)
{
    struct sim_desks *d = alloc_own(sizeof *d);
    d->sim = s;
    d->log = (struct log){LOG_ERROR, say_nothing};
    d->audit_timer.fire = on_audit;
    d->bans_timer.fire = on_bans;
    d->guard_timer.fire = on_guard;
    d->spool.timer.fire = on_spool;
    relay_init(&d->service, d, sim_store_port(store), false);
    relay_init(&d->own, d, sim_store_port(store), true);
    relay_init(&d->hash, d, sim_hash_port(store), true);
    d->loop = sim_loop_create(s, &(struct sim_loop_cfg){1, 1, NULL, NULL});
    bool before = sim_desks_enter();
    metrics_init(&d->metrics);
    entropy_init(&d->entropy, fill);
    int rc = open_audit(d);
    if (rc == 0)
        rc = open_presence(d);
    if (rc == 0)
        rc = open_rest(d);
    sim_desks_leave(before);
    CHECK(rc == 0); /* nothing fails here but memory, and that not yet */
    *ret = d;
    return 0;
}

void sim_desks_fill(struct sim_desks *d, struct fake_cfg *cfg)
{
    cfg->ask[ASK_TO_STORE] = &d->service.port;
    cfg->ask[ASK_TO_PRESENCE] = &d->presence_relay.port;
    cfg->audit = d->audit;
    cfg->bans = d->bans;
    cfg->guard = d->guard;
    cfg->shares_memory = true;
    d->live = true;
}

void sim_desks_config(struct sim_desks *d, const struct config *c)
{
    struct login_guard_policy policy;
    login_guard_policy_load(&policy, c);
    login_guard_set_policy(d->guard, &policy);
    account_desk_set_minimums(d->accounts, 8, 12);
}

static void close_presence(struct sim_desks *d)
{
    presence_close(d->presence);
    cache_memory_close(d->cache);
}

static void free_all(struct sim_desks *d)
{
    struct sim_timer *timers[] = {&d->audit_timer, &d->bans_timer, &d->guard_timer,
                                  &d->spool.timer};
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        sim_stop(d->sim, timers[i]);
    bool before = sim_desks_enter();
    account_desk_destroy(d->accounts);
    login_guard_destroy(d->guard);
    ban_desk_destroy(d->bans);
    audit_log_destroy(d->audit);
    presence_destroy(d->presence);
    cluster_destroy(d->cluster);
    cache_memory_destroy(d->cache);
    metrics_fini(&d->metrics);
    entropy_fini(&d->entropy);
    sim_desks_leave(before);
    sim_loop_destroy(d->loop);
    alloc_own_free(d->spool.text);
    alloc_own_free(d);
}

void sim_desks_close(struct sim_desks *d)
{
    bool before = sim_desks_enter();
    audit_log_close(d->audit, d->sim->now);
    (void)audit_log_time(d->audit, d->sim->now);
    close_presence(d);
    sim_desks_leave(before);
}

void sim_desks_destroy(struct sim_desks *d)
{
    d->live = false;
    bool before = sim_desks_enter();
    /* What the store did not take any more goes to the spool, at once as far as the clock goes. */
    d->own.inner = d->hash.inner = d->service.inner = NULL;
    for (unsigned i = 0; i < LAST_TURNS && (d->spool.op || !audit_log_quiet(d->audit)); i++) {
        if (d->spool.op)
            spool_do(d);
        (void)audit_log_time(d->audit, d->sim->now);
    }
    sim_desks_leave(before);
    spool_die(d);
    d->dead = true;
    for (unsigned i = 0; i < LAST_TURNS && d->spool.op; i++)
        spool_do(d);
    free_all(d);
}

void sim_desks_die(struct sim_desks *d)
{
    spool_die(d);
    d->dead = true;
}

void sim_desks_bury(struct sim_desks *d)
{
    bool before = sim_desks_enter();
    close_presence(d);
    relay_cut(&d->service);
    relay_cut(&d->presence_relay);
    relay_cut(&d->hash);
    for (unsigned i = 0; i < LAST_TURNS && (d->spool.op || list_first(&d->own.asks)); i++) {
        relay_cut(&d->own);
        if (d->spool.op)
            spool_do(d);
    }
    sim_desks_leave(before);
    free_all(d);
}

/* ---- for the game ---- */

static const struct sim_desks *desks_of(const struct sim *s)
{
    const struct sim_desks *d = s->node ? s->node->desks : NULL;
    return d && d->live && !d->dead ? d : NULL;
}

struct ban_desk *sim_bans(const struct sim *s)
{
    const struct sim_desks *d = desks_of(s);
    return d ? d->bans : NULL;
}

struct audit_log *sim_audit(const struct sim *s)
{
    const struct sim_desks *d = desks_of(s);
    return d ? d->audit : NULL;
}

struct account_desk *sim_account_desk(const struct sim *s)
{
    const struct sim_desks *d = desks_of(s);
    return d ? d->accounts : NULL;
}
