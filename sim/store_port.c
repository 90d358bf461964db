#include "sim/store_priv.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "sim/alloc_fault.h"

#define ASKS_MAX   4096u
#define HOLD_MIN   (1 * NSEC_PER_MS)
#define HOLD_MAX   (1500 * NSEC_PER_MS)
#define INVENT_MAX (30 * NSEC_PER_MS)
#define DOWN_MAX   (65 * NSEC_PER_S) /* twice the longest time between two tries, and a bit */

struct store_ask {
    struct list in_store;
    struct sim_store *store;
    struct ask_owner owner;
    uint64_t number; /* what the inner store knows it by */
    enum ask_kind kind;
    bool inside; /* the inner store has it */
    bool lost;   /* it is done and will be reported as failed */
    struct sim_timer timer;
    struct answer answer;
    uint8_t *rows; /* of a query's answer: the store's own are gone when it is delivered late */
    struct ledger_ask note;
};

static void forget(struct store_ask *a)
{
    sim_stop(a->store->sim, &a->timer);
    list_remove(&a->in_store);
    a->store->asks_n--;
    alloc_own_free(a->rows);
    mem_wipe(a, sizeof *a);
    alloc_own_free(a);
}

/* ---- answers ---- */

static void record_event(struct sim *sim, uint64_t number, const struct answer *a)
{
    uint8_t bytes[13] = {(uint8_t)a->kind};
    uint32_t rc = (uint32_t)a->rc;
    bool has_id = a->rc == 0 && (a->kind == ASK_ACCOUNT_FIND || a->kind == ASK_ACCOUNT_CREATE);
    uint64_t id = has_id ? (uint64_t)a->u.account.id : 0;
    for (unsigned i = 0; i < 4; i++)
        bytes[1 + i] = (uint8_t)(rc >> 8 * i);
    for (unsigned i = 0; i < 8; i++)
        bytes[5 + i] = (uint8_t)(id >> 8 * i);
    sim_event(sim, false, "store", number, span_of(bytes, sizeof bytes));
}

static void deliver(struct store_ask *a)
{
    struct sim *sim = a->store->sim;
    struct ask_owner owner = a->owner;
    struct answer answer = a->answer;
    answer.req = owner.req;
    answer.kind = a->kind;
    record_event(sim, a->number, &answer);
    uint8_t *rows = a->rows;
    a->rows = NULL;
    forget(a);
    owner.answer(owner.ctx, sim->now, &answer);
    alloc_own_free(rows);
    mem_wipe(&answer, sizeof answer);
}

static void on_held(struct sim *sim, struct sim_timer *t)
{
    (void)sim;
    deliver(CONTAINER_OF(t, struct store_ask, timer));
}

static void hold(struct store_ask *a, nsec min, nsec max)
{
    struct sim *sim = a->store->sim;
    sim_after(sim, &a->timer, sim_between(sim, CHANCE_STORE, min, max));
}

static int failure(enum ask_kind kind)
{
    return ask_destination(kind) == ASK_TO_HASH ? E_CRYPTO : E_STORE;
}

static void fail_answer(struct store_ask *a, int rc)
{
    mem_wipe(&a->answer.u, sizeof a->answer.u);
    a->answer.rc = rc;
}

static bool is_an_answer(enum ask_kind kind, int rc)
{
    static const int known[][4] = {
        [ASK_ACCOUNT_FIND] = {E_NOENT, E_FORMAT, E_STORE},
        [ASK_ACCOUNT_CREATE] = {E_EXISTS, E_FORMAT, E_STORE},
        [ASK_ACCOUNT_SET_PASSWORD] = {E_STALE, E_STORE},
        [ASK_ACCOUNT_TOUCH] = {E_NOENT, E_STORE},
        [ASK_QUERY] = {E_NOENT, E_STALE, E_REFUSED, E_STORE},
        [ASK_HASH_MAKE] = {E_BUSY, E_RANGE, E_CRYPTO},
        [ASK_HASH_VERIFY] = {E_BUSY, E_AUTH, E_FORMAT, E_CRYPTO},
        [ASK_COMMAND] = {0},
    };
    for (size_t i = 0; i < 4; i++)
        if (rc == known[kind][i])
            return true;
    return rc == 0;
}

static struct store_ask *find(struct sim_store *s, uint64_t number)
{
    LIST_EACH (node, &s->asks) {
        struct store_ask *a = CONTAINER_OF(node, struct store_ask, in_store);
        if (a->number == number)
            return a;
    }
    return NULL;
}

static bool others_inside(const struct store_ask *a, const struct answer *got)
{
    int64_t id = a->kind == ASK_ACCOUNT_FIND && got->rc == 0 ? got->u.account.id : a->note.id;
    LIST_EACH (node, &a->store->asks) {
        const struct store_ask *b = CONTAINER_OF(node, struct store_ask, in_store);
        if (b != a && b->inside && b->kind == ASK_ACCOUNT_SET_PASSWORD && b->note.id == id)
            return true;
    }
    return false;
}

/* The disk is in trouble, or was a while ago: the database is tried again only now and then. */
static bool may_fail(const struct sim_store *s)
{
    const struct sim_disk *d = s->disk;
    return s->dead || s->closing || d->dead || sim_strength(s->sim, FAULT_ALLOC) > 0 ||
           (d->troubled_at && s->sim->now.mono - d->troubled_at < DOWN_MAX);
}

static void keep(struct store_ask *a, const struct answer *got)
{
    a->answer = *got;
    if (got->kind != ASK_QUERY || got->rc || got->u.rows.n == 0)
        return;
    a->rows = alloc_own(got->u.rows.n);
    memcpy(a->rows, got->u.rows.p, got->u.rows.n);
    a->answer.u.rows.p = a->rows;
}

static void take(struct sim_store *s, const struct answer *got)
{
    struct store_ask *a = find(s, got->req);
    if (!a || !a->inside) {
        sim_find(s->sim, "store", "ask %llu was answered more than once",
                 (unsigned long long)got->req);
        return;
    }
    if (got->kind != a->kind || !is_an_answer(a->kind, got->rc))
        sim_find(s->sim, "store", "ask %llu of kind %d was answered %s as of kind %d",
                 (unsigned long long)got->req, (int)a->kind, err_name(got->rc), (int)got->kind);
    a->inside = false;
    bool no_account = a->note.adds_ban; /* of which one may be meant that is not there any more */
    if (got->rc == E_STORE && !may_fail(s) && !no_account)
        sim_find(s->sim, "store", "ask %llu of kind %d failed, and nothing is wrong with the disk",
                 (unsigned long long)got->req, (int)a->kind);
    if (s->dead) {
        forget(a);
        return;
    }
    ledger_answer(s->disk, &a->note, got, others_inside(a, got));
    keep(a, got);
    if (a->lost)
        fail_answer(a, E_STORE);
    if (!s->closing && sim_fault(s->sim, FAULT_STORE_ORDER))
        hold(a, HOLD_MIN, HOLD_MAX);
    else
        deliver(a);
}

void store_ports_answer(void *store, struct now now, const struct answer *answer)
{
    (void)now;
    bool before = alloc_fault_suspend(true);
    take(store, answer);
    (void)alloc_fault_suspend(before);
}

/* ---- asks ---- */

static struct store_ask *make(struct sim_store *s, const struct ask *ask, struct ask_owner owner)
{
    struct store_ask *a = alloc_own(sizeof *a);
    *a = (struct store_ask){.store = s,
                            .owner = owner,
                            .number = ++s->numbers,
                            .kind = ask->kind,
                            .timer.fire = on_held};
    ledger_note(&a->note, ask);
    ledger_doom(s->disk, &a->note);
    list_push_back(&s->asks, &a->in_store);
    s->asks_n++;
    return a;
}

static int pass_on(struct store_ask *a, struct ask_port *inner, const struct ask *ask)
{
    struct ask_owner me = {store_ports_answer, a->store, a->number};
    a->inside = true;
    bool before = alloc_fault_suspend(false);
    int rc = inner->submit(inner, ask, me);
    (void)alloc_fault_suspend(before);
    if (rc == 0)
        return 0;
    if (rc != E_BUSY)
        sim_find(a->store->sim, "store", "an ask was refused with %s", err_name(rc));
    forget(a);
    return E_BUSY;
}

/* The model takes names that can be one for granted. */
static bool is_malformed(const struct sim_store *s, const struct ask *ask)
{
    if (!s->disk->model || (ask->kind != ASK_ACCOUNT_FIND && ask->kind != ASK_ACCOUNT_CREATE))
        return false;
    struct span n = ask->kind == ASK_ACCOUNT_FIND ? ask->u.find.name : ask->u.create.name;
    return n.n < 1 || n.n > ACCOUNT_NAME_MAX || !utf8_valid(n) || memchr(n.p, '\0', n.n);
}

static int submit_own(struct store_port *p, const struct ask *ask, struct ask_owner owner)
{
    struct sim_store *s = p->store;
    if (s->closing || s->dead || s->asks_n >= ASKS_MAX)
        return E_BUSY;
    int invented = 0;
    if (sim_fault(s->sim, FAULT_STORE_BUSY)) {
        if (sim_below(s->sim, CHANCE_STORE, 2))
            return E_BUSY;
        invented = E_BUSY;
    } else if (sim_fault(s->sim, FAULT_STORE_FAIL)) {
        invented = failure(ask->kind);
    } else if (is_malformed(s, ask)) {
        invented = E_FORMAT;
    }
    struct store_ask *a = make(s, ask, owner);
    if (invented) {
        fail_answer(a, invented);
        hold(a, 1, INVENT_MAX);
        return 0;
    }
    a->lost = ask_destination(ask->kind) == ASK_TO_STORE && sim_fault(s->sim, FAULT_STORE_LOST);
    return pass_on(a, p->inner, ask);
}

static int submit(struct ask_port *port, const struct ask *ask, struct ask_owner owner)
{
    bool before = alloc_fault_suspend(true);
    int rc = submit_own(CONTAINER_OF(port, struct store_port, port), ask, owner);
    (void)alloc_fault_suspend(before);
    return rc;
}

static void cancel(struct ask_port *port, const void *ctx, uint64_t req)
{
    struct store_port *p = CONTAINER_OF(port, struct store_port, port);
    if (!p->inner->cancel)
        return;
    LIST_EACH (node, &p->store->asks) {
        struct store_ask *a = CONTAINER_OF(node, struct store_ask, in_store);
        if (a->owner.ctx == ctx && a->owner.req == req && a->inside &&
            ask_destination(a->kind) == ASK_TO_HASH)
            p->inner->cancel(p->inner, p->store, a->number);
    }
}

void store_ports_init(struct sim_store *s)
{
    list_init(&s->asks);
    for (size_t i = 0; i < ARRAY_LEN(s->ports); i++)
        s->ports[i].store = s;
    s->ports[ASK_TO_STORE].port = (struct ask_port){.submit = submit};
    s->ports[ASK_TO_HASH].port = (struct ask_port){.submit = submit, .cancel = cancel};
    s->ports[ASK_TO_HASH].inner = sim_hash_inner(s->hash);
}

void store_ports_drain(struct sim_store *s)
{
    for (struct list *node; (node = list_first(&s->asks));) {
        struct store_ask *a = CONTAINER_OF(node, struct store_ask, in_store);
        if (a->inside && !s->dead) {
            sim_find(s->sim, "store", "ask %llu of kind %d was never answered",
                     (unsigned long long)a->number, (int)a->kind);
            fail_answer(a, failure(a->kind));
        }
        if (s->dead)
            forget(a);
        else
            deliver(a);
    }
}

void store_ports_die(struct sim_store *s)
{
    s->dead = true;
    LIST_EACH (node, &s->asks) {
        const struct store_ask *a = CONTAINER_OF(node, struct store_ask, in_store);
        if (a->inside)
            ledger_unsure(s->disk, &a->note);
    }
}
