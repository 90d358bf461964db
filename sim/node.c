#include "sim/node_priv.h"

#include "base/check.h"
#include "base/err.h"
#include "sim/alloc_fault.h"
#include "sim/net.h"
#include "sim/plan.h"
#include "sim/store.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY        (NSEC_PER_S / 2) /* after a start that failed */
#define EGRESS_QUEUE 16384u
#define DEAD_NOTICED (NSEC_PER_S / 10)
#define DARK_NOTICED (20 * NSEC_PER_S) /* a machine without power sends no reset */
/* One spare chunk of each slab, the records of its slots, maps at their smallest, the reply buffer:
 * what a service that has been used keeps. */
#define KEPT_BLOCKS 48
#define KEPT_BYTES  400000

/* ---- round every call of the fake ---- */

static struct fake *enter(struct sim *s)
{
    s->node->inside = true;
    fake_set_now(s->node->f, s->now);
    return s->node->f;
}

static void leave(struct sim *s)
{
    struct sim_node *n = s->node;
    n->inside = false;
    sim_at(s, &n->tick, fake_next(n->f));
    net_unblock(s);
    if (n->draining && n->links_n == 0 && n->in_n == 0)
        sim_at(s, &n->drained, s->now.mono);
}

static void fire_tick(struct sim *s, struct sim_timer *t)
{
    (void)t;
    if (!s->node->f)
        return;
    fake_advance(enter(s), 0);
    leave(s);
}

/* ---- a process begins ---- */

static void settings_of(struct sim *s, char text[SIM_SETTINGS_MAX][96],
                        const char *ret[SIM_SETTINGS_MAX + 1])
{
    size_t n = s->game->settings ? s->game->settings(s, text) : 0;
    for (size_t i = 0; i < n; i++)
        ret[i] = text[i];
    ret[n] = NULL;
}

static void find_listeners(struct sim_node *n)
{
    for (size_t i = n->f->listeners_n; i-- > 0;) {
        if (n->f->listeners[i].kind == LISTEN_UDP)
            n->dgram_listener = (uint16_t)i;
        else
            n->stream_listener = (uint16_t)i;
    }
}

static void try_later(struct sim *s)
{
    struct sim_node *n = s->node;
    if (n->store)
        sim_store_close(n->store);
    if (n->desks)
        sim_desks_destroy(n->desks);
    n->desks = NULL;
    n->store = NULL;
    sim_after(s, &n->start, RETRY);
}

static struct fake *make_fake(struct sim *s, int *rc)
{
    struct sim_node *n = s->node;
    char text[SIM_SETTINGS_MAX][96];
    const char *settings[SIM_SETTINGS_MAX + 1];
    settings_of(s, text, settings);
    struct fake_cfg cfg = {
        .ops = s->game->ops,
        .settings = settings,
        .seed = rng_next(&s->chance[CHANCE_NODE]),
        .egress = {.queue_max = EGRESS_QUEUE},
        .hooks = &node_hooks,
        .hooks_ctx = n,
        .ask = {[ASK_TO_STORE] = sim_store_port(n->store), [ASK_TO_HASH] = sim_hash_port(n->store)},
        .now = s->now,
        .check_every = s->plan->check_every,
    };
    if (n->desks)
        sim_desks_fill(n->desks, &cfg);
    return fake_create(&cfg, rc);
}

static void start(struct sim *s, struct sim_timer *t)
{
    struct sim_node *n = s->node;
    int rc;
    (void)t;
    if (sim_store_open(s, s->disk, &n->store) != 0) {
        n->store = NULL;
        try_later(s);
        return;
    }
    if (s->game->desks)
        (void)sim_desks_open(s, n->store, &n->desks);
    n->f = make_fake(s, &rc);
    if (!n->f) {
        if (rc == E_CONFIG || rc == E_RANGE || rc == E_NOENT || rc == E_FORMAT)
            sim_find(s, "settings", "the configuration is refused: %s", err_text(rc));
        try_later(s);
        return;
    }
    find_listeners(n);
    if (n->desks)
        sim_desks_config(n->desks, n->f->config);
    sim_event(s, true, "start", 0, SPAN_NULL);
    TAP(s, started, s, n->f->config);
    fake_advance(enter(s), 0);
    n->blocks = n->f->blocks;
    n->bytes = n->f->bytes;
    n->view = fake_view(n->f);
    n->seals = egress_stats(n->f->host.egress)->seals;
    leave(s);
}

/* ---- and ends ---- */

static void forget_process(struct sim *s)
{
    struct sim_node *n = s->node;
    struct sim_timer *timers[] = {&n->tick, &n->drained, &n->full, &n->batch};
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        sim_stop(s, timers[i]);
    for (size_t i = 0; i < n->in_n; i++)
        free((void *)(uintptr_t)n->in[i].bytes.p);
    for (size_t i = 0; i < FAKE_LINKS_MAX; i++) {
        sim_stop(s, &n->links[i].slow);
        n->links[i] = (struct node_link){0};
    }
    n->f = NULL;
    n->store = NULL;
    n->draining = n->inside = false;
    n->asks = n->links_n = 0;
    n->in_n = 0;
}

/* In order, as the program does: links, then the store with its answers, then the service. */
static void stop(struct sim *s)
{
    struct sim_node *n = s->node;
    fake_close_all(enter(s));
    if (n->desks)
        sim_desks_close(n->desks);
    sim_store_close(n->store);
    if (n->f->asks_open)
        sim_find(s, "handles", "%u asks without an answer when the store was closed",
                 n->f->asks_open);
    fake_destroy(n->f);
    n->f = NULL;
    if (n->desks)
        sim_desks_destroy(n->desks);
    n->desks = NULL;
    sim_event(s, true, "stop", 0, SPAN_NULL);
    TAP(s, stopped, s, false);
    forget_process(s);
    if (!n->leaving)
        sim_after(s, &n->start, sim_between(s, CHANCE_NODE, 10, 3000) * NSEC_PER_MS);
}

void node_crash(struct sim *s, bool power)
{
    struct sim_node *n = s->node;
    if (!n->f)
        return;
    sim_event(s, true, power ? "power" : "crash", 0, SPAN_NULL);
    if (n->desks)
        sim_desks_die(n->desks);
    sim_store_crash(n->store, power);
    fake_crash(n->f);
    n->f = NULL;
    net_server_died(s, power ? DARK_NOTICED : DEAD_NOTICED);
    TAP(s, stopped, s, true);
    if (n->desks)
        sim_desks_bury(n->desks);
    n->desks = NULL;
    forget_process(s);
    sim_after(s, &n->start, sim_between(s, CHANCE_NODE, 10, 5000) * NSEC_PER_MS);
}

static void fire_drained(struct sim *s, struct sim_timer *t)
{
    (void)t;
    stop(s);
}

void node_drain(struct sim *s, nsec within)
{
    struct sim_node *n = s->node;
    if (!n->f)
        return;
    struct notice notice = {.kind = NOTICE_DRAIN, .u.deadline = s->now.mono + within};
    n->draining = true;
    sim_at(s, &n->drained, notice.u.deadline);
    node_notice(s, &notice);
}

/* ---- while it serves ---- */

void node_notice(struct sim *s, const struct notice *notice)
{
    if (!s->node->f)
        return;
    fake_notice(enter(s), notice);
    leave(s);
}

void node_reload(struct sim *s)
{
    char text[SIM_SETTINGS_MAX][96];
    const char *settings[SIM_SETTINGS_MAX + 1];
    if (!s->node->f)
        return;
    settings_of(s, text, settings);
    int rc = fake_configure(enter(s), settings);
    if (rc)
        sim_find(s, "settings", "the configuration is refused: %s", err_text(rc));
    else if (s->node->desks)
        sim_desks_config(s->node->desks, s->node->f->config);
    leave(s);
}

static void fire_full(struct sim *s, struct sim_timer *t)
{
    bool some = s->phase == PHASE_STORM && sim_below(s, CHANCE_FAULTS, 2);
    fake_writable(enter(s), some ? 1 + sim_below(s, CHANCE_FAULTS, 20) : SIZE_MAX);
    leave(s);
    if (some) /* and more later */
        sim_after(s, t, sim_between(s, CHANCE_FAULTS, 1, 500) * NSEC_PER_MS);
}

void node_socket_full(struct sim *s, size_t room, nsec how_long)
{
    if (!s->node->f)
        return;
    /* One that is full already has no room again before it is writable. */
    if (s->node->f->sink_room > room)
        fake_socket_room(s->node->f, room);
    sim_after(s, &s->node->full, how_long);
}

bool node_serves(const struct sim *s)
{
    return s->node->f != NULL;
}

static uint32_t links_of_host(const struct sim_node *n, const struct addr *peer)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n->f->links_n; i++)
        count += n->links[i].stream && addr_same_host(&n->links[i].peer, peer);
    return count;
}

static void fire_slow(struct sim *s, struct sim_timer *t)
{
    struct node_link *l = CONTAINER_OF(t, struct node_link, slow);
    fake_end(enter(s), (int)(l - s->node->links), CLOSE_SLOW);
    leave(s);
}

int node_accept(struct sim *s, struct net_stream *st, uint64_t number, const struct addr *peer)
{
    struct sim_node *n = s->node;
    uint32_t max = n->f->listeners[n->stream_listener].links_per_addr;
    bool spared = addr_is_loopback(peer) || addr_is_private(peer);
    int slot = fake_free_slot(n->f);
    if (n->draining || slot < 0 || (max > 0 && !spared && links_of_host(n, peer) >= max))
        return E_REFUSED;
    struct addr from = *peer;
    from.port = (uint16_t)(1024 + number % 60000);
    struct link_info info = {.listener = n->stream_listener, .tls = true, .peer = from};
    n->links[slot] = (struct node_link){st, number, from, .slow.fire = fire_slow};
    n->links_n++;
    st->link = slot;
    TAP(s, opened, s, number, &info);
    CHECK(fake_open_at(enter(s), n->stream_listener, &from) == slot);
    leave(s);
    return 0;
}

bool node_wants(const struct sim *s, int link)
{
    return fake_wants_input(s->node->f, link);
}

void node_bytes(struct sim *s, int link, struct span bytes)
{
    TAP(s, heard, s, s->node->links[link].number, bytes);
    fake_bytes(enter(s), link, bytes.p, bytes.n);
    leave(s);
}

void node_fin(struct sim *s, int link)
{
    sim_event(s, true, "fin", s->node->links[link].number, SPAN_NULL);
    fake_hang_up(enter(s), link);
    leave(s);
}

void node_reset(struct sim *s, int link)
{
    sim_event(s, true, "reset", s->node->links[link].number, SPAN_NULL);
    fake_reset(enter(s), link);
    leave(s);
}

void node_room(struct sim *s, int link)
{
    if (s->node->f->links[link].out.n == 0)
        return;
    fake_pull(enter(s), link);
    leave(s);
}

/* ---- datagrams, as the socket hands them over: together what came together ---- */

static void fire_batch(struct sim *s, struct sim_timer *t)
{
    struct sim_node *n = s->node;
    (void)t;
    for (size_t i = 0; i < n->in_n; i++)
        TAP(s, dgram_in, s, &n->in[i].path, n->in[i].bytes);
    fake_dgrams(enter(s), n->in, n->in_n);
    for (size_t i = 0; i < n->in_n; i++)
        free((void *)(uintptr_t)n->in[i].bytes.p);
    n->in_n = 0;
    leave(s);
}

void node_dgram(struct sim *s, const struct addr *from, struct span bytes)
{
    struct sim_node *n = s->node;
    struct path path = {.sock = n->dgram_listener, .peer = *from};
    CHECK(addr_parse(&path.local, from->family == ADDR_V6 ? "2001:db8::1" : "192.0.2.1") == 0);
    uint8_t *p = malloc(bytes.n ? bytes.n : 1);
    CHECK(p);
    if (bytes.n)
        memcpy(p, bytes.p, bytes.n);
    n->in[n->in_n++] = (struct dgram){path, span_of(p, bytes.n)};
    nsec wait = s->plan->batch_us ? sim_below(s, CHANCE_NODE, s->plan->batch_us) * 1000 : 0;
    if (n->in_n == NODE_BATCH_MAX)
        sim_at(s, &n->batch, s->now.mono);
    else if (n->in_n == 1)
        sim_after(s, &n->batch, wait);
    if (n->in_n == NODE_BATCH_MAX)
        fire_batch(s, &n->batch);
}

/* ---- for run.c ---- */

int sim_node_create(struct sim *s)
{
    struct sim_node *n = calloc(1, sizeof *n);
    if (!n)
        return E_NOMEM;
    n->sim = s;
    s->node = n;
    n->tick.fire = fire_tick;
    n->start.fire = start;
    n->drained.fire = fire_drained;
    n->full.fire = fire_full;
    n->batch.fire = fire_batch;
    s->disk = sim_disk_create(s, s->plan->model);
    n->faults = node_faults_create(s);
    if (!s->disk || !n->faults)
        return E_NOMEM;
    sim_at(s, &n->start, s->now.mono);
    return 0;
}

void sim_node_destroy(struct sim *s)
{
    struct sim_node *n = s->node;
    if (!n)
        return;
    n->leaving = true;
    if (n->f)
        stop(s);
    sim_stop(s, &n->start);
    node_faults_destroy(s, n->faults);
    if (s->disk)
        sim_disk_destroy(s->disk);
    s->disk = NULL;
    free(n);
    s->node = NULL;
}

void sim_node_calm(struct sim *s)
{
    struct sim_node *n = s->node;
    node_faults_destroy(s, n->faults);
    n->faults = NULL;
    if (n->full.t.set)
        sim_at(s, &n->full, s->now.mono);
    if (n->start.t.set)
        sim_at(s, &n->start, s->now.mono);
    /* The world it serves from here on is the one its game wants to see calm. */
    node_reload(s);
}

static bool has_nothing(const struct sim_node *n, const struct service_view *v)
{
    return n->links_n == 0 && n->asks == 0 && v->sessions == n->view.sessions &&
           v->rooms == n->view.rooms && v->players_in_rooms == n->view.players_in_rooms;
}

bool sim_node_is_idle(const struct sim *s)
{
    const struct sim_node *n = s->node;
    if (!n->f || n->draining)
        return false;
    struct service_view v = fake_view(n->f);
    return has_nothing(n, &v);
}

void sim_node_text(const struct sim *s, struct buf *to)
{
    const struct sim_node *n = s->node;
    if (!n->f) {
        (void)buf_append_str(to, "no process");
        return;
    }
    struct service_view v = fake_view(n->f);
    (void)buf_printf(to, "%u links, %u asks, %u sessions, %u rooms, %u players in rooms%s",
                     n->links_n, n->asks, v.sessions, v.rooms, v.players_in_rooms,
                     n->draining ? ", draining" : "");
}

bool sim_node_view(const struct sim *s, struct service_view *ret)
{
    if (s->node->f)
        *ret = fake_view(s->node->f);
    return s->node->f != NULL;
}

bool sim_node_socket_full(const struct sim *s)
{
    return s->node->f && s->node->f->sink_room == 0;
}

bool sim_node_socket_waits(const struct sim *s)
{
    return s->node->f && s->node->f->writable_wanted;
}

const struct egress_stats *sim_node_egress(const struct sim *s)
{
    return s->node->f ? egress_stats(s->node->f->host.egress) : NULL;
}

uint64_t sim_node_metric(const struct sim *s, size_t row)
{
    return s->node->f ? fake_metric(s->node->f, row) : 0;
}

size_t sim_node_unsent(const struct sim *s, uint64_t link)
{
    const struct sim_node *n = s->node;
    for (size_t i = 0; n->f && i < n->f->links_n; i++)
        if (n->links[i].stream && n->links[i].number == link)
            return n->f->links[i].out.n;
    return 0;
}

void sim_node_compare(struct sim *s)
{
    const struct sim_node *n = s->node;
    long blocks = n->f->blocks - n->blocks, bytes = n->f->bytes - n->bytes;
    if (!n->desks && (blocks > KEPT_BLOCKS || bytes > KEPT_BYTES))
        sim_find(s, "memory", "%ld blocks and %ld bytes more than when the process had started",
                 blocks, bytes);
    uint32_t seals = egress_stats(n->f->host.egress)->seals;
    if (seals != n->seals)
        sim_find(s, "handles", "%u seals are open, %u when the process had started", seals,
                 n->seals);
    struct buf why;
    buf_init(&why, 4096);
    if (n->f->ops->check && n->f->ops->check(n->f->svc, &why))
        sim_find(s, "check", "%.*s", (int)why.n, (const char *)why.p);
    buf_fini(&why);
}
