#include "sim/host_fake_priv.h"

#include "base/check.h"
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

#define ADVANCE_TURNS 1000u
#define SETTLE_TURNS  100000u

/* Present only where alloc_fault.c is linked in. */
extern long alloc_live_blocks(void) __attribute__((weak));
extern long alloc_live_bytes(void) __attribute__((weak));

/* Whether a hook is to be called. */
#define HOOKED(f)       ((f)->hooks && !(f)->gone)
#define HOOK(f, m, ...) (HOOKED(f) ? (f)->hooks->m((f)->hooks_ctx, __VA_ARGS__) : (void)0)

static void broken(struct fake *f, const char *what, struct span detail)
{
    if (f->hooks) {
        HOOK(f, broken, what, detail);
        return;
    }
    (void)fprintf(stderr, "host_fake: %s: %.*s\n", what, (int)detail.n, (const char *)detail.p);
    abort();
}

static struct fake *fake_of(struct host *h)
{
    return CONTAINER_OF(h, struct fake, host);
}

/* ---- whose memory it is ---- */

static void own_begin(struct fake *f)
{
    if (!alloc_live_blocks)
        return;
    f->blocks_mark = alloc_live_blocks();
    f->bytes_mark = alloc_live_bytes();
}

static void own_end(struct fake *f)
{
    if (!alloc_live_blocks)
        return;
    f->blocks += alloc_live_blocks() - f->blocks_mark;
    f->bytes += alloc_live_bytes() - f->bytes_mark;
}

/* ---- the calls of the service ---- */

static void enter(struct fake *f)
{
    CHECK(!f->in_call);
    f->in_call = true;
    HOOK(f, call, true);
    own_begin(f);
    loud(false);
}

static void leave(struct fake *f)
{
    f->in_call = false;
    f->writable_wanted = egress_flush(f->host.egress);
    (void)quiet();
    own_end(f);
    HOOK(f, call, false);
    if (++f->calls < f->check_every)
        return;
    f->calls = 0;
    buf_clear(&f->why);
    if (f->svc && f->ops->check && f->ops->check(f->svc, &f->why))
        broken(f, "the service's check", buf_span(&f->why));
}

static void mark(struct fake *f, const struct fake_link *l)
{
    size_t slot = (size_t)(l - f->links);
    f->dirty[slot / 64] |= UINT64_C(1) << slot % 64;
}

static int slot_of(const struct fake *f, const struct fake_link *l)
{
    return (int)(l - f->links);
}

/* ---- what the service asks of its host ---- */

static struct fake_link *find(struct fake *f, struct link_ref ref)
{
    CHECK(f->in_call); /* effects are only for the length of a call */
    if (ref.r.slot >= FAKE_LINKS_MAX)
        return NULL;
    struct fake_link *l = &f->links[ref.r.slot];
    return l->state != FAKE_FREE && l->gen == ref.r.gen ? l : NULL;
}

static int do_send(struct host *h, struct link_ref ref, struct span bytes)
{
    struct fake *f = fake_of(h);
    struct fake_link *l = find(f, ref);
    if (!l || l->state != FAKE_OPEN)
        return E_STALE;
    size_t max = f->listeners[l->info.listener].out_max;
    if (bytes.n > max || l->out.n > max - bytes.n)
        return E_FULL;
    bool before = quiet();
    CHECK(buf_append_span(&l->out, bytes) == 0);
    HOOK(f, said, slot_of(f, l), bytes);
    loud(before);
    mark(f, l);
    return 0;
}

static void do_pause(struct host *h, struct link_ref ref)
{
    struct fake_link *l = find(fake_of(h), ref);
    if (l)
        l->paused = true;
}

static void do_resume(struct host *h, struct link_ref ref)
{
    struct fake *f = fake_of(h);
    struct fake_link *l = find(f, ref);
    if (!l || !l->paused)
        return;
    l->paused = false;
    l->resumed = true;
    l->resumed_turn = f->turn;
    mark(f, l);
}

static void end_link(struct fake *f, struct fake_link *l, enum close_why why)
{
    if (l->state != FAKE_OPEN)
        return;
    l->state = FAKE_ENDING;
    l->why = why;
    l->bye = why != CLOSE_SLOW && why != CLOSE_ERROR;
    mark(f, l);
}

static void do_close(struct host *h, struct link_ref ref, enum close_why why)
{
    struct fake *f = fake_of(h);
    struct fake_link *l = find(f, ref);
    if (!l || l->state != FAKE_OPEN)
        return;
    bool before = quiet();
    HOOK(f, closing, slot_of(f, l), why);
    loud(before);
    end_link(f, l, why);
}

static void port_answered(void *ctx, struct now now, const struct answer *a);

static int ask_port(struct fake *f, struct ask_port *port, const struct ask *ask, uint64_t req)
{
    own_end(f);
    int rc = port->submit(port, ask, (struct ask_owner){port_answered, f, req});
    own_begin(f);
    f->asks_open += rc == 0;
    return rc;
}

static bool has_ports(const struct fake *f)
{
    return f->ask[ASK_TO_STORE] != NULL;
}

static int do_ask(struct host *h, const struct ask *ask, uint64_t req)
{
    struct fake *f = fake_of(h);
    CHECK(f->in_call);
    if (f->gone)
        return E_BUSY;
    bool before = quiet();
    struct ask_port *port = f->ask[ask_destination(ask->kind)];
    int rc = port           ? ask_port(f, port, ask, req)
             : has_ports(f) ? E_BUSY
                            : ask_fake_submit(&f->asks, f->now, ask, req);
    if (rc == 0)
        HOOK(f, asked, ask, req);
    else
        HOOK(f, refused, ask, req);
    loud(before);
    return rc;
}

static void do_cancel(struct host *h, uint64_t req)
{
    struct fake *f = fake_of(h);
    CHECK(f->in_call);
    if (f->gone)
        return;
    bool before = quiet();
    own_end(f);
    for (size_t i = 0; i < ASK_TO_N; i++)
        if (f->ask[i] && f->ask[i]->cancel)
            f->ask[i]->cancel(f->ask[i], f, req);
    own_begin(f);
    if (!has_ports(f))
        ask_fake_cancel(&f->asks, req);
    loud(before);
}

static void do_wake(struct host *h, nsec deadline)
{
    struct fake *f = fake_of(h);
    CHECK(f->in_call);
    if (deadline < f->deadline)
        f->deadline = deadline;
}

static const struct host_ops host_ops = {
    .send = do_send,
    .pause = do_pause,
    .resume = do_resume,
    .close = do_close,
    .ask = do_ask,
    .cancel = do_cancel,
    .wake = do_wake,
};

/* ---- settling: what was queued takes place ---- */

static struct link_ref ref_of(const struct fake *f, const struct fake_link *l)
{
    return (struct link_ref){{(uint32_t)(l - f->links), l->gen}};
}

static void peer_reads(struct fake *f, struct fake_link *l, bool last)
{
    if (l->stalled || (l->out.n == 0 && !(last && f->hooks)))
        return;
    if (f->hooks) {
        size_t n = 0;
        if (HOOKED(f))
            n = f->hooks->carry(f->hooks_ctx, slot_of(f, l), buf_span(&l->out), last);
        buf_consume(&l->out, n);
        return;
    }
    CHECK(buf_append_span(&l->read, buf_span(&l->out)) == 0);
    buf_clear(&l->out);
}

/* As the server: a peer that asks faster than it reads must read first. */
static bool is_behind(const struct fake *f, const struct fake_link *l)
{
    return l->out.n > f->listeners[l->info.listener].out_max / 4;
}

static void deliver(struct fake *f, struct fake_link *l)
{
    size_t used = 0;
    if (l->in.n) {
        /* A block of exactly that size, so that a sanitizer sees a read of one byte too many. */
        uint8_t *exact = malloc(l->in.n);
        CHECK(exact);
        memcpy(exact, l->in.p, l->in.n);
        struct span all = span_of(exact, l->in.n);
        enter(f);
        used = f->ops->on_bytes(f->svc, f->now, ref_of(f, l), all);
        leave(f);
        CHECK(used <= all.n);
        HOOK(f, consumed, slot_of(f, l), used);
        memset(exact, 0xee, all.n);
        free(exact);
    }
    if (l->state != FAKE_OPEN)
        used = l->in.n;
    buf_consume(&l->in, used);
    if (l->state != FAKE_OPEN || l->paused)
        return;
    if (l->in.n > f->listeners[l->info.listener].in_max + FAKE_IN_SLACK)
        end_link(f, l, CLOSE_PROTOCOL);
    else if (l->ended)
        end_link(f, l, CLOSE_BY_PEER);
}

static void tell_closed(struct fake *f, struct fake_link *l)
{
    if (l->bye)
        peer_reads(f, l, true);
    l->state = FAKE_CLOSED;
    enter(f);
    f->ops->on_close(f->svc, f->now, ref_of(f, l), l->why);
    leave(f);
    HOOK(f, closed, slot_of(f, l), l->why);
    CHECK(++l->closes == 1 && l->opens == 1);
    buf_fini(&l->in);
    if (!l->stalled)
        buf_fini(&l->out);
}

static bool settle_link(struct fake *f, struct fake_link *l)
{
    if (l->state == FAKE_OPEN)
        peer_reads(f, l, false);
    if (l->state == FAKE_ENDING) {
        tell_closed(f, l);
        return true;
    }
    if (l->state != FAKE_OPEN || l->paused || !(l->resumed || l->held))
        return false;
    if (f->hooks && l->resumed && l->resumed_turn == f->turn) {
        f->later = true;
        return false;
    }
    l->resumed = false;
    l->held = is_behind(f, l);
    if (!l->held && (l->in.n > 0 || l->ended))
        deliver(f, l);
    return !l->held;
}

static void answered(struct fake *f, const struct answer *a)
{
    HOOK(f, answered, a);
    enter(f);
    f->ops->on_answer(f->svc, f->now, a);
    leave(f);
}

static bool answer_due(struct fake *f)
{
    for (uint32_t i = 0; i < f->asks.pending_n; i++)
        if (f->asks.pending[i].due <= f->now.mono) {
            struct answer a;
            ask_fake_take(&f->asks, f->now, i, &a);
            answered(f, &a);
            return true;
        }
    return false;
}

/* The first dirty link from this slot on; SIZE_MAX: none. */
static size_t next_dirty(const struct fake *f, size_t from)
{
    for (size_t w = from / 64; w < ARRAY_LEN(f->dirty); w++, from = w * 64) {
        uint64_t bits = f->dirty[w] >> from % 64;
        if (bits)
            return from + (size_t)__builtin_ctzll(bits);
    }
    return SIZE_MAX;
}

static bool settle_links(struct fake *f)
{
    bool more = false;
    for (size_t i = 0; (i = next_dirty(f, i)) != SIZE_MAX; i++) {
        f->dirty[i / 64] &= ~(UINT64_C(1) << i % 64);
        if (f->links[i].state == FAKE_FREE || !settle_link(f, &f->links[i]))
            continue;
        mark(f, &f->links[i]);
        more = true;
    }
    return more;
}

/* What was resumed in the last turn gets its own now. */
static void next_turn(struct fake *f)
{
    f->turn++;
    if (!f->later)
        return;
    f->later = false;
    for (size_t i = 0; i < f->links_n; i++)
        if (f->links[i].state == FAKE_OPEN && f->links[i].resumed)
            mark(f, &f->links[i]);
}

static void settle(struct fake *f)
{
    unsigned long turns = 0;
    next_turn(f);
    for (bool more = true; more;) {
        if (++turns > SETTLE_TURNS) {
            broken(f, "the service keeps its host busy without end", SPAN_NULL);
            return;
        }
        more = answer_due(f);
        more |= settle_links(f);
    }
}

static void port_answered(void *ctx, struct now now, const struct answer *a)
{
    struct fake *f = ctx;
    CHECK(f->asks_open > 0);
    f->asks_open--;
    f->now = now;
    bool before = quiet();
    answered(f, a);
    settle(f);
    loud(before);
}

/* ---- datagrams out ---- */

static void keep_dgram(struct fake *f, const struct dgram_out *d)
{
    CHECK(d->bytes.n <= FAKE_DGRAM_BYTES);
    if (f->dgrams_n == FAKE_DGRAMS_MAX) {
        f->dgrams_lost++;
        return;
    }
    struct fake_dgram *k = &f->dgrams[f->dgrams_n++];
    *k = (struct fake_dgram){.path = *d->path, .n = d->bytes.n, .bytes = malloc(d->bytes.n + 1)};
    CHECK(k->bytes);
    memcpy(k->bytes, d->bytes.p, d->bytes.n);
}

static size_t sink_send(struct dgram_sink *sink, const struct dgram_out *v, size_t n)
{
    struct fake *f = CONTAINER_OF(sink, struct fake, sink);
    bool before = quiet();
    size_t i = 0;
    for (; i < n && f->sink_room > 0; i++) {
        f->sink_room -= f->sink_room != SIZE_MAX;
        if (f->hooks)
            HOOK(f, dgram, v[i].path, v[i].bytes);
        else
            keep_dgram(f, &v[i]);
    }
    loud(before);
    return i;
}

long fake_take_dgram(struct fake *f, struct path *path, void *to, size_t cap)
{
    if (f->dgrams_n == 0)
        return -1;
    bool before = quiet();
    struct fake_dgram d = f->dgrams[0];
    memmove(f->dgrams, f->dgrams + 1, --f->dgrams_n * sizeof f->dgrams[0]);
    CHECK(d.n <= cap);
    memcpy(to, d.bytes, d.n);
    if (path)
        *path = d.path;
    free(d.bytes);
    loud(before);
    return (long)d.n;
}

void fake_socket_room(struct fake *f, size_t n)
{
    f->sink_room = n;
}

void fake_writable(struct fake *f, size_t room)
{
    f->sink_room = room;
    f->writable_wanted = egress_flush(f->host.egress);
    CHECK(!f->writable_wanted || f->sink_room == 0);
}

/* ---- making and ending one ---- */

static int make_parts(struct fake *f, const struct fake_cfg *cfg)
{
    struct egress_cfg e = cfg->egress;
    e.queue_max = e.queue_max ? e.queue_max : 2048;
    e.backlog_bytes_max = e.backlog_bytes_max ? e.backlog_bytes_max : 65536;
    e.pack_bytes_max = e.pack_bytes_max ? e.pack_bytes_max : 1200;
    int rc = fake_make_config(f, cfg->settings, &f->config, cfg->why ? cfg->why : &f->why);
    if (rc)
        return rc;
    f->listeners_n = f->ops->listeners(f->config, f->listeners, ARRAY_LEN(f->listeners));
    int base = metrics_register(&f->metrics, f->ops->metrics, f->ops->metrics_n);
    CHECK(f->listeners_n > 0 && base >= 0);
    f->host.metric_base = (size_t)base;
    enter(f);
    rc = egress_create(&f->host.egress, &e, &f->sink, &f->entropy);
    if (rc == 0)
        rc = f->ops->create(&f->svc, &f->host, f->config, f->now);
    f->in_call = false;
    (void)quiet();
    own_end(f);
    HOOK(f, call, false);
    return rc;
}

static void free_fake(struct fake *f)
{
    own_begin(f);
    loud(false);
    egress_destroy(f->host.egress);
    (void)quiet();
    own_end(f);
    if (f->hooks && !f->shares_memory && f->blocks != 0)
        f->hooks->broken(f->hooks_ctx, "memory is left when the process has ended", SPAN_NULL);
    fake_forget_dgrams(f);
    config_destroy(f->config);
    metrics_fini(&f->metrics);
    entropy_fini(&f->entropy);
    buf_fini(&f->log_text);
    buf_fini(&f->why);
    for (size_t i = 0; i < f->links_n; i++) {
        buf_fini(&f->links[i].in);
        buf_fini(&f->links[i].out);
        buf_fini(&f->links[i].read);
    }
    free(f);
}

struct fake *fake_create(const struct fake_cfg *cfg, int *rc_ret)
{
    bool before = quiet();
    struct fake *f = calloc(1, sizeof *f);
    CHECK(f);
    f->ops = cfg->ops;
    f->rng.state = cfg->seed;
    f->now = (struct now){.mono = 1000 * NSEC_PER_S, .unix_ms = INT64_C(1750000000000)};
    if (cfg->now.mono)
        f->now = cfg->now;
    f->hooks = cfg->hooks;
    f->hooks_ctx = cfg->hooks_ctx;
    memcpy(f->ask, cfg->ask, sizeof f->ask);
    f->check_every = cfg->check_every;
    f->shares_memory = cfg->shares_memory;
    f->deadline = f->now.mono; /* on_time once after creation */
    f->log = (struct log){cfg->hooks ? LOG_ERROR : LOG_DEBUG, fake_log_emit};
    f->sink.send = sink_send;
    f->sink_room = SIZE_MAX;
    buf_init(&f->log_text, 1u << 20);
    buf_init(&f->why, 4096);
    metrics_init(&f->metrics);
    entropy_init(&f->entropy, fake_fill);
    f->host = (struct host){
        .ops = &host_ops,
        .log = &f->log,
        .metrics = &f->metrics,
        .entropy = &f->entropy,
        .game = f->ops->name,
        .audit = cfg->audit,
        .bans = cfg->bans,
        .guard = cfg->guard,
        .secrets = cfg->secrets,
        .presence = cfg->presence || cfg->ask[ASK_TO_PRESENCE],
    };
    int rc = make_parts(f, cfg);
    if (rc_ret)
        *rc_ret = rc;
    if (rc) {
        free_fake(f);
        f = NULL;
    } else if (!cfg->hooks) {
        fake_advance(f, 0);
    }
    loud(before);
    return f;
}

static void destroy_service(struct fake *f)
{
    f->gone = f->in_call = true;
    own_begin(f);
    loud(false);
    f->ops->destroy(f->svc);
    (void)quiet();
    own_end(f);
    free_fake(f);
}

void fake_close_all(struct fake *f)
{
    bool before = quiet();
    for (size_t i = 0; i < f->links_n; i++)
        end_link(f, &f->links[i], CLOSE_DRAIN);
    settle(f);
    loud(before);
}

void fake_destroy(struct fake *f)
{
    if (!f)
        return;
    bool before = quiet();
    fake_answer_all(f);
    fake_close_all(f);
    fake_answer_all(f);
    destroy_service(f);
    loud(before);
}

void fake_crash(struct fake *f)
{
    bool before = quiet();
    destroy_service(f);
    loud(before);
}

/* ---- links from outside ---- */

int fake_free_slot(const struct fake *f)
{
    int slot = 0;
    while (slot < (int)FAKE_LINKS_MAX && f->links[slot].state != FAKE_FREE &&
           f->links[slot].state != FAKE_CLOSED)
        slot++;
    return slot == (int)FAKE_LINKS_MAX ? FAKE_NO_LINK : slot;
}

int fake_open_at(struct fake *f, uint16_t listener, const struct addr *peer)
{
    CHECK(listener < f->listeners_n);
    const struct listener_spec *spec = &f->listeners[listener];
    int slot = fake_free_slot(f);
    if (slot == FAKE_NO_LINK)
        return slot;
    bool before = quiet();
    struct fake_link *l = &f->links[slot];
    if (f->links_n <= (size_t)slot)
        f->links_n = (size_t)slot + 1;
    uint32_t gen = l->gen + 1;
    buf_fini(&l->out);
    buf_fini(&l->read);
    *l = (struct fake_link){.state = FAKE_OPEN, .gen = gen, .opens = 1};
    l->info = (struct link_info){.listener = listener, .tls = true, .peer = *peer};
    buf_init(&l->in, spec->in_max + FAKE_IN_SLACK + (1u << 20));
    buf_init(&l->out, spec->out_max);
    buf_init(&l->read, 64u << 20);
    enter(f);
    f->ops->on_open(f->svc, f->now, ref_of(f, l), &l->info);
    leave(f);
    mark(f, l);
    settle(f);
    loud(before);
    return slot;
}

bool fake_wants_input(const struct fake *f, int link)
{
    const struct fake_link *l = link_at(f, link);
    if (l->state != FAKE_OPEN || l->resumed || l->held || is_behind(f, l))
        return false;
    return l->paused ? l->in.n == 0 : !l->ended;
}

void fake_pull(struct fake *f, int link)
{
    bool before = quiet();
    mark(f, link_at(f, link));
    settle(f);
    loud(before);
}

void fake_bytes(struct fake *f, int link, const void *p, size_t n)
{
    struct fake_link *l = link_at(f, link);
    if (l->state != FAKE_OPEN || l->ended)
        return;
    bool before = quiet();
    CHECK(buf_append(&l->in, p, n) == 0);
    l->held |= is_behind(f, l);
    mark(f, l);
    if (!l->paused && !l->resumed && !l->held)
        deliver(f, l);
    settle(f);
    loud(before);
}

void fake_hang_up(struct fake *f, int link)
{
    struct fake_link *l = link_at(f, link);
    if (l->state != FAKE_OPEN || l->ended)
        return;
    bool before = quiet();
    l->ended = true;
    if ((!l->paused && !l->resumed) || l->held)
        end_link(f, l, CLOSE_BY_PEER);
    settle(f);
    loud(before);
}

void fake_end(struct fake *f, int link, enum close_why why)
{
    bool before = quiet();
    end_link(f, link_at(f, link), why);
    settle(f);
    loud(before);
}

void fake_reset(struct fake *f, int link)
{
    fake_end(f, link, CLOSE_BY_PEER);
}

void fake_stall(struct fake *f, int link, bool stalled)
{
    bool before = quiet();
    struct fake_link *l = link_at(f, link);
    l->stalled = stalled;
    peer_reads(f, l, false);
    mark(f, l);
    settle(f);
    loud(before);
}

bool fake_is_open(const struct fake *f, int link)
{
    return link_at(f, link)->state == FAKE_OPEN;
}

/* ---- datagrams from outside ---- */

void fake_dgrams(struct fake *f, const struct dgram *d, size_t n)
{
    bool before = quiet();
    enter(f);
    f->ops->on_dgrams(f->svc, f->now, d[0].path.sock, d, n);
    leave(f);
    settle(f);
    loud(before);
}

/* ---- time, answers, notices ---- */

static void call_on_time(struct fake *f)
{
    f->deadline = NSEC_NEVER;
    if (HOOKED(f))
        f->hooks->timed(f->hooks_ctx);
    enter(f);
    nsec next = f->ops->on_time(f->svc, f->now);
    leave(f);
    if (next < f->deadline)
        f->deadline = next;
}

static void move_clock(struct fake *f, nsec to)
{
    f->now.unix_ms += (int64_t)((to - f->now.mono) / NSEC_PER_MS);
    f->now.mono = to;
}

void fake_set_now(struct fake *f, struct now now)
{
    f->now = now;
}

nsec fake_next(const struct fake *f)
{
    nsec due = ask_fake_due(&f->asks);
    return f->later ? f->now.mono : f->deadline < due ? f->deadline : due;
}

void fake_advance(struct fake *f, nsec by)
{
    bool before = quiet();
    nsec end = f->now.mono + by;
    unsigned long turns = 0, turns_max = ADVANCE_TURNS + by / NSEC_PER_MS;
    if (f->later)
        settle(f);
    for (;;) {
        nsec due = ask_fake_due(&f->asks), next = f->deadline < due ? f->deadline : due;
        if (next > end)
            break;
        if (++turns > turns_max) {
            broken(f, "the service wants to be woken without end", SPAN_NULL);
            break;
        }
        if (next > f->now.mono)
            move_clock(f, next);
        if (f->deadline <= f->now.mono)
            call_on_time(f);
        settle(f);
    }
    move_clock(f, end);
    loud(before);
}

bool fake_answer(struct fake *f)
{
    if (f->asks.pending_n == 0)
        return false;
    bool before = quiet();
    f->asks.pending[0].due = f->now.mono;
    (void)answer_due(f);
    settle(f);
    loud(before);
    return true;
}

int fake_configure(struct fake *f, const char *const *settings)
{
    struct config *c;
    bool before = quiet();
    buf_clear(&f->why);
    int rc = fake_make_config(f, settings, &c, &f->why);
    if (rc == 0) {
        struct notice n = {.kind = NOTICE_CONFIG, .u.config = c};
        f->listeners_n = f->ops->listeners(c, f->listeners, ARRAY_LEN(f->listeners));
        HOOK(f, noticed, &n);
        enter(f);
        f->ops->on_notice(f->svc, f->now, &n);
        leave(f);
        config_destroy(f->config);
        f->config = c;
        settle(f);
    }
    loud(before);
    return rc;
}

void fake_notice(struct fake *f, const struct notice *n)
{
    bool before = quiet();
    HOOK(f, noticed, n);
    enter(f);
    f->ops->on_notice(f->svc, f->now, n);
    leave(f);
    settle(f);
    loud(before);
}

uint64_t fake_metric(const struct fake *f, size_t row)
{
    return f->metrics.values[f->host.metric_base + row];
}

struct service_view fake_view(const struct fake *f)
{
    struct service_view v;
    f->ops->view(f->svc, &v);
    return v;
}
