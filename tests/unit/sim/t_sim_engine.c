/* The simulator's machine, proven with a service that says everything back: streams stay whole and
 * in order whatever happens to them, every fault strikes, the same seed is the same world, and each
 * of the machine's own oracles notices what it is for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "core/host.h"
#include "sim/peer.h"
#include "sim/plan.h"
#include "sim/run.h"

#include <stdio.h>
#include <stdlib.h>

enum plant plant_set = PLANT_NONE;

static enum { SOUND, LEAKS, CHECK_FAILS, NEVER_SLEEPS, SWALLOWS, FORGETS, PLAYS_DICE } service_is;
static unsigned dice;

/* ---- the service ---- */

struct service {
    struct host *host;
    uint32_t links;
    unsigned long calls;
    void *lost[4096];
    size_t lost_n;
};

static const struct metric_row metric = {"echo", "", METRIC_COUNTER, "Nothing."};

static size_t listeners(const struct config *c, struct listener_spec *ret, size_t cap)
{
    (void)c;
    assert_true(cap >= 2);
    ret[0] = (struct listener_spec){.kind = LISTEN_TLS, .in_max = 4096, .out_max = 65536};
    ret[1] = (struct listener_spec){.kind = LISTEN_UDP};
    return 2;
}

static int create(struct service **ret, struct host *host, const struct config *c, struct now now)
{
    (void)c;
    (void)now;
    *ret = mem_zalloc(1, sizeof **ret);
    if (!*ret)
        return E_NOMEM;
    (*ret)->host = host;
    return 0;
}

static void destroy(struct service *sv)
{
    for (size_t i = 0; i < sv->lost_n; i++)
        mem_free(sv->lost[i]);
    mem_free(sv);
}

static void on_open(struct service *sv, struct now now, struct link_ref l,
                    const struct link_info *info)
{
    (void)now;
    (void)l;
    (void)info;
    sv->links++;
    if (service_is == LEAKS && sv->lost_n < ARRAY_LEN(sv->lost))
        sv->lost[sv->lost_n++] = mem_zalloc(1, 100);
}

static size_t on_bytes(struct service *sv, struct now now, struct link_ref l, struct span bytes)
{
    (void)now;
    sv->calls++;
    if (service_is == SWALLOWS)
        return bytes.n;
    /* Sometimes less than all, and a turn later the rest. */
    size_t n = bytes.n > 10 && sv->calls % 3 == 0 ? bytes.n / 2 : bytes.n;
    if (service_is == PLAYS_DICE && ++dice % 1000 == 0)
        n = bytes.n > 1 ? 1 : n;
    if (host_send(sv->host, l, span_of(bytes.p, n)) != 0) {
        host_close(sv->host, l, CLOSE_SLOW);
        return bytes.n;
    }
    if (n < bytes.n) {
        host_pause(sv->host, l);
        host_resume(sv->host, l);
    }
    return n;
}

static void on_close(struct service *sv, struct now now, struct link_ref l, enum close_why why)
{
    (void)now;
    (void)l;
    (void)why;
    if (service_is != FORGETS || sv->links % 5)
        sv->links--;
}

static void on_dgrams(struct service *sv, struct now now, uint16_t listener, const struct dgram *d,
                      size_t n)
{
    (void)now;
    assert_int_equal(listener, 1);
    for (size_t i = 0; i < n; i++)
        (void)host_dgram(sv->host, &d[i].path, d[i].bytes, SEAL_REF_NONE, DGRAM_EVENT, 0);
}

static void on_answer(struct service *sv, struct now now, const struct answer *a)
{
    (void)sv;
    (void)now;
    (void)a;
}

static void on_notice(struct service *sv, struct now now, const struct notice *n)
{
    (void)sv;
    (void)now;
    (void)n;
}

static nsec on_time(struct service *sv, struct now now)
{
    (void)sv;
    return service_is == NEVER_SLEEPS ? now.mono : now.mono + NSEC_PER_S;
}

static void view(const struct service *sv, struct service_view *v)
{
    *v = (struct service_view){.sessions = sv->links};
}

static int check(const struct service *sv, struct buf *why)
{
    if (service_is != CHECK_FAILS || sv->calls < 500)
        return 0;
    (void)buf_append_str(why, "as planned");
    return E_STALE;
}

static const struct service_ops echo_ops = {
    .name = "echo",
    .metrics = &metric,
    .metrics_n = 1,
    .listeners = listeners,
    .create = create,
    .destroy = destroy,
    .on_open = on_open,
    .on_bytes = on_bytes,
    .on_close = on_close,
    .on_dgrams = on_dgrams,
    .on_answer = on_answer,
    .on_notice = on_notice,
    .on_time = on_time,
    .view = view,
    .check = check,
};

/* ---- the clients ---- */

#define EVENING_BYTES 1000u

struct client {
    struct sim_timer think;
    struct peer *peer;
    uint64_t sent, got, life;
    bool done, home;
};

struct crowd {
    struct client *v;
    uint32_t n;
    uint64_t opened, closed, heard, consumed;
};

static struct crowd *crowd(const struct sim *s)
{
    return s->game_state;
}

static uint8_t byte_at(const struct client *c, uint64_t i)
{
    return (uint8_t)(i * 7 + c->life * 31 + i / 251);
}

static void up(struct sim *s, struct peer *p)
{
    struct client *c = peer_ctx(p);
    (void)s;
    c->life++;
    c->sent = c->got = 0;
}

static void bytes(struct sim *s, struct peer *p, struct span b)
{
    struct client *c = peer_ctx(p);
    for (size_t i = 0; i < b.n; i++)
        if (c->got >= c->sent || b.p[i] != byte_at(c, c->got++))
            sim_find(s, "stream", "byte %llu of client %llu is another", (unsigned long long)c->got,
                     (unsigned long long)peer_number(p));
    if (s->phase == PHASE_CALM && c->got >= EVENING_BYTES)
        c->done = true;
}

static void down(struct sim *s, struct peer *p, enum peer_end end)
{
    (void)s;
    assert_false(peer_is_up(p));
    assert_in_range(end, PEER_REFUSED, PEER_LOST);
}

/* Whose it is: the number before the colon, of what somebody in the crowd may have said; else 0. */
static unsigned long long dgram_of(const struct sim *s, struct span b)
{
    char text[64] = "", again[64];
    unsigned long long number, sent;
    if (b.n == 0 || b.n >= sizeof text)
        return 0;
    memcpy(text, b.p, b.n);
    if (sscanf(text, "%20llu:%20llu", &number, &sent) != 2 || number > crowd(s)->n)
        return 0;
    int n = snprintf(again, sizeof again, "%llu:%llu", number, sent);
    return n == (int)b.n && memcmp(again, text, b.n) == 0 ? number : 0;
}

/* Damaged, it may say anything; where routers swap ports it may be another's. */
static void dgram(struct sim *s, struct peer *p, struct span b)
{
    const double *x = s->plan->strength;
    unsigned long long from = dgram_of(s, b);
    if (x[FAULT_CORRUPT] > 0 || from == peer_number(p) || (from && x[FAULT_ADDRESS] > 0))
        return;
    sim_find(s, "dgram", "client %llu gets %.*s", (unsigned long long)peer_number(p), (int)b.n,
             (const char *)b.p);
}

static const struct peer_ops ops = {up, bytes, down, dgram};

static void think(struct sim *s, struct sim_timer *t)
{
    struct client *c = CONTAINER_OF(t, struct client, think);
    uint8_t b[700];
    char text[64];
    if (s->phase == PHASE_LEAVE) {
        peer_reset(s, c->peer);
        c->home = true;
        return;
    }
    if (!peer_is_up(c->peer)) {
        peer_connect(s, c->peer);
    } else {
        size_t n = sim_between(s, CHANCE_BOTS, 1, sizeof b);
        for (size_t i = 0; i < n; i++)
            b[i] = byte_at(c, c->sent + i);
        c->sent += n;
        peer_send(s, c->peer, span_of(b, n));
    }
    int n = snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)peer_number(c->peer),
                     (unsigned long long)c->sent);
    peer_dgram(s, c->peer, span_of(text, (size_t)n));
    sim_after(s, t, sim_between(s, CHANCE_BOTS, 1, 300) * NSEC_PER_MS);
}

/* ---- the game ---- */

static int open_game(struct sim *s)
{
    struct crowd *c = calloc(1, sizeof *c);
    assert_non_null(c);
    s->game_state = c;
    c->n = s->plan->honest;
    c->v = calloc(c->n, sizeof *c->v);
    assert_non_null(c->v);
    for (uint32_t i = 0; i < c->n; i++) {
        char ip[40];
        (void)snprintf(ip, sizeof ip, i % 4 ? "198.51.100.%u" : "2001:db8::%u", i % 250 + 1);
        c->v[i].think.fire = think;
        c->v[i].peer = peer_create(s, &ops, &c->v[i], ip);
        assert_non_null(c->v[i].peer);
        sim_after(s, &c->v[i].think, i * NSEC_PER_MS);
    }
    return 0;
}

static void close_game(struct sim *s)
{
    struct crowd *c = crowd(s);
    for (uint32_t i = 0; i < c->n; i++) {
        sim_stop(s, &c->v[i].think);
        peer_destroy(s, c->v[i].peer);
    }
    free(c->v);
    free(c);
}

static void begin_evening(struct sim *s)
{
    for (uint32_t i = 0; i < crowd(s)->n; i++)
        peer_reset(s, crowd(s)->v[i].peer);
}

static bool evening_done(const struct sim *s)
{
    for (uint32_t i = 0; i < crowd(s)->n; i++)
        if (!crowd(s)->v[i].done)
            return false;
    return true;
}

static void begin_leaving(struct sim *s)
{
    (void)s;
}

static bool everybody_left(const struct sim *s)
{
    for (uint32_t i = 0; i < crowd(s)->n; i++)
        if (!crowd(s)->v[i].home)
            return false;
    return true;
}

static void unfinished(const struct sim *s, struct buf *to)
{
    for (uint32_t i = 0; i < crowd(s)->n; i++)
        if (!crowd(s)->v[i].done)
            (void)buf_printf(to, "client %u ", i);
}

static bool an_operator(struct sim *s, struct notice *n)
{
    (void)s;
    *n = (struct notice){.kind = NOTICE_KICK};
    return true;
}

/* ---- what the tap must tell ---- */

static void tap_opened(struct sim *s, uint64_t link, const struct link_info *info)
{
    (void)link;
    assert_true(info->tls);
    crowd(s)->opened++;
}

static void tap_closed(struct sim *s, uint64_t link, enum close_why why)
{
    (void)link;
    (void)why;
    crowd(s)->closed++;
}

static void tap_heard(struct sim *s, uint64_t link, struct span b)
{
    (void)link;
    crowd(s)->heard += b.n;
}

static void tap_consumed(struct sim *s, uint64_t link, size_t n)
{
    (void)link;
    crowd(s)->consumed += n;
    if (crowd(s)->consumed > crowd(s)->heard)
        sim_find(s, "tap", "more was consumed than heard");
}

static void tap_stopped(struct sim *s, bool died)
{
    struct crowd *c = crowd(s);
    if (!died && c->opened != c->closed)
        sim_find(s, "tap", "%llu links were opened and %llu closed", (unsigned long long)c->opened,
                 (unsigned long long)c->closed);
    c->opened = c->closed = 0;
}

static const struct sim_game game = {
    .name = "echo",
    .ops = &echo_ops,
    .tap = {.opened = tap_opened,
            .closed = tap_closed,
            .heard = tap_heard,
            .consumed = tap_consumed,
            .stopped = tap_stopped},
    .open = open_game,
    .close = close_game,
    .calm = begin_evening,
    .evening_done = evening_done,
    .leave = begin_leaving,
    .everybody_left = everybody_left,
    .unfinished = unfinished,
    .operator_notice = an_operator,
};

/* ---- tests ---- */

static struct sim_result r;

static const struct sim_world *world(uint64_t seed)
{
    static struct sim_world w;
    w = (struct sim_world){.game = &game, .seed = seed};
    return &w;
}

static void streams_stay_whole_and_every_fault_strikes(void **state)
{
    static const enum sim_fault others[] = {FAULT_STORE_SLOW, FAULT_STORE_FAIL, FAULT_STORE_ORDER,
                                            FAULT_STORE_LOST, FAULT_STORE_BUSY, FAULT_DISK,
                                            FAULT_CONFUSED,   FAULT_HOSTILE};
    uint64_t fired[SIM_FAULTS_N] = {0};
    (void)state;
    service_is = SOUND;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        sim_run(world(seed), NULL, &r, NULL);
        if (r.found)
            fail_msg("seed %llu: %s: %s", (unsigned long long)seed, r.oracle, r.text);
        assert_true(r.events > 1000);
        for (int f = 0; f < SIM_FAULTS_N; f++)
            fired[f] += r.fired[f] > 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        fired[others[i]] = 1; /* not this service's, which asks nothing */
    for (int f = 0; f < SIM_FAULTS_N; f++)
        if (!fired[f] && f != FAULT_ALLOC)
            fail_msg("%s never struck", sim_fault_name((enum sim_fault)f));
}

static void the_same_seed_is_the_same_world(void **state)
{
    (void)state;
    service_is = SOUND;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        sim_run_twice(world(seed), &r);
        assert_false(r.found);
    }
    uint64_t digest = r.digest;
    sim_run(world(9), NULL, &r, NULL);
    assert_int_not_equal(r.digest, digest);
}

/* Within a few seeds, this oracle and no other. */
static void noticed_by(const char *oracle)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        if (service_is == PLAYS_DICE)
            sim_run_twice(world(seed), &r);
        else
            sim_run(world(seed), NULL, &r, NULL);
        if (!r.found)
            continue;
        assert_string_equal(r.oracle, oracle);
        assert_true(r.at > 0);
        return;
    }
    fail_msg("not noticed by %s", oracle);
}

static void oracles_notice(void **state)
{
    static const char *const oracles[] = {
        [LEAKS] = "memory",     [CHECK_FAILS] = "check", [NEVER_SLEEPS] = "busy",
        [SWALLOWS] = "evening", [FORGETS] = "handles",   [PLAYS_DICE] = "twice",
    };
    (void)state;
    for (int i = LEAKS; i <= PLAYS_DICE; i++) {
        service_is = i;
        noticed_by(oracles[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_stay_whole_and_every_fault_strikes),
        cmocka_unit_test(the_same_seed_is_the_same_world),
        cmocka_unit_test(oracles_notice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
