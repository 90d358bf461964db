/* The racing service in this process: virtual time, asks and memory that fail on request. */
#include "back.h"

#include "base/check.h"
#include "base/err.h"
#include "games/racing/racing.h"
#include "sim/alloc_fault.h"
#include "sim/host_fake.h"

#include <stdio.h>
#include <stdlib.h>

#define NO_GEN     0u
#define SEND_PIECE 65536u
#define WAITING_MAX                                                              \
    (900u << 10) /* the fake holds a mebibyte beyond what a service may let wait \
                  */

struct sim_link {
    int slot;
    uint32_t gen; /* of the slot; NO_GEN: the link is over, what it said is in `left` */
    struct buf left;
};

struct sim {
    struct back back;
    struct fake *f;
    struct torment *torment;
    struct host_ops ops;
    const struct host_ops *real;
    struct sim_link links[BACK_CLIENTS_MAX];
    struct account_spec *accounts;
    struct buf log;
    uint16_t port;
    long blocks; /* live before the service was made */
};

static struct sim *sim_of(struct back *b)
{
    return CONTAINER_OF(b, struct sim, back);
}

/* ---- asks are counted on their way, and one may fail ---- */

static struct sim *sim_of_host(const struct host *h)
{
    return (struct sim *)((uintptr_t)h->ops - offsetof(struct sim, ops));
}

static int counted_ask(struct host *h, const struct ask *ask, uint64_t req)
{
    struct sim *s = sim_of_host(h);
    struct torment *t = s->torment;
    if (t && ++t->asks == t->ask_nth) {
        t->fired = true;
        ask_fake_fault(&s->f->asks, ask->kind, (enum ask_fault)t->ask_how, 1);
    }
    return s->real->ask(h, ask, req);
}

/* ---- life ---- */

static bool make(struct sim *s, const struct setup *setup, struct buf *why)
{
    char texts[64][1200];
    const char *settings[65];
    size_t n = setup->settings_n < 64 ? setup->settings_n : 64;
    int rc = 0;
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%s=%s", setup->settings[i].key,
                       setup->settings[i].value);
        settings[i] = texts[i];
    }
    settings[n] = NULL;
    const struct fake_cfg cfg = {.ops = &racing_ops, .settings = settings, .seed = 7, .why = why};
    s->f = fake_create(&cfg, &rc);
    if (!s->f) {
        if (why->n == 0)
            (void)buf_append_str(why, err_name(rc));
        return false;
    }
    s->real = s->f->host.ops;
    s->ops = *s->real;
    s->ops.ask = counted_ask;
    s->f->host.ops = &s->ops;
    return true;
}

static bool sim_start(struct back *b, const struct setup *setup, struct buf *why)
{
    struct sim *s = sim_of(b);
    struct torment *t = s->torment;
    s->blocks = alloc_live_blocks();
    if (t && t->memory_nth)
        (t->memory_from ? alloc_fault_from : alloc_fault_at)(t->memory_nth);
    if (!make(s, setup, why)) {
        if (t)
            t->no_service = true;
        return false;
    }
    for (size_t i = 0; i < setup->accounts_n; i++)
        ask_fake_account(&s->f->asks, setup->accounts[i].name, setup->accounts[i].password, 1,
                         setup->accounts[i].legacy);
    return true;
}

static struct fake_link *live_link(struct sim *s, unsigned who)
{
    const struct sim_link *l = &s->links[who];
    struct fake_link *f = &s->f->links[l->slot];
    return l->gen != NO_GEN && f->gen == l->gen && f->state != FAKE_FREE ? f : NULL;
}

/* What ended links said last is kept before their slots, or the whole fake, go. */
static void keep_words(struct sim *s, bool all)
{
    for (unsigned i = 0; i < BACK_CLIENTS_MAX; i++) {
        struct fake_link *f = live_link(s, i);
        if (!f || (!all && f->state != FAKE_CLOSED))
            continue;
        (void)buf_append_span(&s->links[i].left, buf_span(&f->read));
        s->links[i].gen = NO_GEN;
    }
}

static void keep_log(struct sim *s)
{
    (void)buf_append_span(&s->log, buf_span(&s->f->log_text));
    buf_clear(&s->f->log_text);
}

/* Everybody has gone: nothing may be left in the service, and nothing of it in memory. */
static bool check_end(struct sim *s, struct buf *why)
{
    struct fake *f = s->f;
    fake_answer_all(f);
    for (size_t i = 0; i < f->links_n; i++)
        if (f->links[i].state == FAKE_OPEN)
            fake_reset(f, (int)i);
    fake_answer_all(f);
    fake_advance(f, 2 * NSEC_PER_S);
    fake_answer_all(f);
    struct service_view v = fake_view(f);
    fake_destroy(f);
    s->f = NULL;
    long more = alloc_live_blocks() - s->blocks;
    if (v.sessions || v.rooms || v.players_in_rooms)
        (void)buf_printf(why, "everybody has gone, but there are %u sessions and %u rooms",
                         v.sessions, v.rooms);
    else if (more)
        (void)buf_printf(why, "%ld blocks of memory were not given back", more);
    return why->n == 0;
}

static bool sim_finish(struct back *b, struct buf *why)
{
    struct sim *s = sim_of(b);
    bool ok = !s->f || check_end(s, why);
    if (s->torment && s->torment->memory_nth)
        s->torment->fired |= alloc_fault_fired();
    alloc_fault_at(0);
    if (ok && alloc_live_blocks() != s->blocks) {
        (void)buf_printf(why, "%ld blocks of memory were not given back",
                         alloc_live_blocks() - s->blocks);
        ok = false;
    }
    for (unsigned i = 0; i < BACK_CLIENTS_MAX; i++)
        buf_fini(&s->links[i].left);
    buf_fini(&s->log);
    free(s);
    return ok;
}

static bool sim_restart(struct back *b, bool crash, const struct setup *setup, struct buf *why)
{
    struct sim *s = sim_of(b);
    struct ask_fake *kept = malloc(sizeof *kept);
    CHECK(kept);
    if (!crash)
        fake_drain(s->f, 0);
    if (!crash)
        fake_advance(s->f, 0);
    for (uint32_t i = 0; crash && i < s->f->asks.pending_n; i++)
        s->f->asks.pending[i].fault = ASK_FAILED; /* the work never began */
    keep_words(s, true);
    keep_log(s);
    fake_answer_all(s->f);
    *kept = s->f->asks;
    fake_destroy(s->f);
    s->f = NULL;
    bool ok = make(s, setup, why);
    if (ok) {
        memcpy(s->f->asks.accounts, kept->accounts, sizeof kept->accounts);
        s->f->asks.accounts_n = kept->accounts_n;
    } else if (s->torment) {
        s->torment->no_service = true;
    }
    free(kept);
    return ok;
}

/* ---- links ---- */

static bool sim_open(struct back *b, unsigned who, const char *ip, unsigned flags, struct buf *why)
{
    struct sim *s = sim_of(b);
    struct sim_link *l = &s->links[who];
    struct addr a;
    (void)flags;
    if (addr_parse(&a, ip) != 0) {
        (void)buf_printf(why, "%s is no address", ip);
        return false;
    }
    keep_words(s, false);
    buf_clear(&l->left);
    l->slot = fake_open(s->f, ip, ++s->port);
    CHECK(l->slot != FAKE_NO_LINK);
    l->gen = s->f->links[l->slot].gen;
    return true;
}

static bool sim_send(struct back *b, unsigned who, struct span bytes)
{
    struct sim *s = sim_of(b);
    while (bytes.n && live_link(s, who)) {
        size_t n = bytes.n < SEND_PIECE ? bytes.n : SEND_PIECE;
        if (s->f->links[s->links[who].slot].in.n > WAITING_MAX)
            return false;
        fake_bytes(s->f, s->links[who].slot, bytes.p, n);
        bytes = span_skip(bytes, n);
    }
    return true;
}

static void sim_end(struct back *b, unsigned who, enum ending how)
{
    struct sim *s = sim_of(b);
    if (!live_link(s, who))
        return;
    if (how == END_RESET)
        fake_reset(s->f, s->links[who].slot);
    else
        fake_hang_up(s->f, s->links[who].slot);
}

static void sim_stall(struct back *b, unsigned who, bool stalled)
{
    struct sim *s = sim_of(b);
    if (live_link(s, who))
        fake_stall(s->f, s->links[who].slot, stalled);
}

static bool sim_line(struct back *b, unsigned who, struct buf *to)
{
    struct sim *s = sim_of(b);
    struct fake_link *f = live_link(s, who);
    struct buf *from = f ? &f->read : &s->links[who].left;
    const uint8_t *lf = from->n ? memchr(from->p, '\n', from->n) : NULL;
    if (!lf)
        return false;
    size_t n = (size_t)(lf - from->p);
    (void)buf_append(to, from->p, n);
    buf_consume(from, n + 1);
    return true;
}

static bool sim_closed(struct back *b, unsigned who)
{
    struct sim *s = sim_of(b);
    struct fake_link *f = live_link(s, who);
    return !f || f->state == FAKE_CLOSED;
}

/* ---- datagrams ---- */

static uint16_t udp_port(unsigned who, unsigned port)
{
    return (uint16_t)(20000 + who * 10 + port);
}

static void sim_cast(struct back *b, unsigned who, const char *ip, unsigned port, struct span bytes)
{
    struct path path = fake_path(ip, udp_port(who, port));
    fake_dgram(sim_of(b)->f, &path, bytes);
}

static long sim_catch(struct back *b, unsigned who, unsigned port, uint8_t to[BACK_DGRAM_MAX])
{
    struct fake *f = sim_of(b)->f;
    for (size_t i = 0; i < f->dgrams_n; i++) {
        struct fake_dgram d = f->dgrams[i];
        if (d.path.peer.port != udp_port(who, port))
            continue;
        memmove(&f->dgrams[i], &f->dgrams[i + 1], (--f->dgrams_n - i) * sizeof d);
        memcpy(to, d.bytes, d.n);
        free(d.bytes);
        return (long)d.n;
    }
    return -1;
}

/* ---- time ---- */

static void sim_settle(struct back *b)
{
    (void)b; /* whatever is sent is handled at once */
}

static bool sim_wait(struct back *b, nsec *left)
{
    struct fake *f = sim_of(b)->f;
    nsec due = ask_fake_due(&f->asks), next = f->deadline < due ? f->deadline : due;
    nsec by = next > f->now.mono ? next - f->now.mono : 1;
    if (*left == 0)
        return false;
    if (by > *left)
        by = *left;
    fake_advance(f, by);
    *left -= by;
    return true;
}

static void sim_advance(struct back *b, nsec by)
{
    fake_advance(sim_of(b)->f, by);
}

/* ---- the rest ---- */

static bool sim_configure(struct back *b, const struct setup *setup, struct buf *why)
{
    char texts[64][1200];
    const char *settings[65];
    size_t n = setup->settings_n < 64 ? setup->settings_n : 64;
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%s=%s", setup->settings[i].key,
                       setup->settings[i].value);
        settings[i] = texts[i];
    }
    settings[n] = NULL;
    struct fake *f = sim_of(b)->f;
    int rc = fake_configure(f, settings);
    if (rc)
        (void)buf_append_span(why, f->why.n ? buf_span(&f->why) : span_str(err_name(rc)));
    return rc == 0;
}

static bool sim_drain(struct back *b, nsec after, struct buf *why)
{
    (void)why;
    fake_drain(sim_of(b)->f, after);
    return true;
}

static bool sim_metric(struct back *b, const char *name, const char *labels, double *ret)
{
    const struct fake *f = sim_of(b)->f;
    for (size_t i = 0; i < f->ops->metrics_n; i++) {
        const struct metric_row *row = &f->ops->metrics[i];
        if (strcmp(row->name, name) != 0 || strcmp(row->labels, labels) != 0)
            continue;
        *ret = (double)fake_metric(f, i);
        return true;
    }
    return false;
}

static struct span sim_log(struct back *b)
{
    struct sim *s = sim_of(b);
    if (s->f)
        keep_log(s);
    return buf_span(&s->log);
}

static void sim_fault(struct back *b, const struct step *x)
{
    struct sim *s = sim_of(b);
    struct fake *f = s->f;
    if (x->kind == STEP_FAIL_MEMORY) {
        if (!s->torment)
            alloc_fault_at(x->n);
    } else if (x->kind == STEP_SLOW) {
        f->asks.delay = x->n;
    } else if (x->kind == STEP_ANSWER) {
        for (uint64_t i = 0; (x->n == 0 || i < x->n) && fake_answer(f);)
            i++;
    } else {
        for (unsigned kind = 0; kind < ASK_FAKE_KINDS; kind++)
            if (x->n & (1u << kind))
                ask_fake_fault(&f->asks, (enum ask_kind)kind, (enum ask_fault)x->m,
                               (uint32_t)x->times);
    }
}

static void sim_kick(struct back *b, const char *id)
{
    fake_moderate(sim_of(b)->f, NOTICE_KICK, id);
}

static void sim_close_room(struct back *b, const char *id)
{
    fake_moderate(sim_of(b)->f, NOTICE_CLOSE_ROOM, id);
}

struct back *back_sim(struct torment *t)
{
    static const struct back_ops ops = {
        .name = "sim",
        .only = ONLY_SIM,
        .start = sim_start,
        .finish = sim_finish,
        .open = sim_open,
        .send = sim_send,
        .end = sim_end,
        .stall = sim_stall,
        .line = sim_line,
        .closed = sim_closed,
        .cast = sim_cast,
        .catch = sim_catch,
        .settle = sim_settle,
        .wait = sim_wait,
        .advance = sim_advance,
        .configure = sim_configure,
        .drain = sim_drain,
        .restart = sim_restart,
        .metric = sim_metric,
        .log = sim_log,
        .fault = sim_fault,
        .kick = sim_kick,
        .close_room = sim_close_room,
    };
    struct sim *s = calloc(1, sizeof *s);
    CHECK(s);
    s->back.ops = &ops;
    s->torment = t;
    s->port = 30000;
    s->blocks = alloc_live_blocks();
    for (unsigned i = 0; i < BACK_CLIENTS_MAX; i++)
        buf_init(&s->links[i].left, 64u << 20);
    buf_init(&s->log, 256u << 20);
    return &s->back;
}
