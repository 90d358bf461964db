/* Plausibility of positions: rules one by one, then simulated cars over the links of
 * client/profile.c. MOTION_SEEDS=n: that many times the usual count of seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/profile.h"
#include "core/motion.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define T0    (1000 * NSEC_PER_S)
#define LIMIT 200.0
#define STEP  (50 * NSEC_PER_MS)

static struct motion_policy policy(enum rule_mode mode)
{
    struct motion_policy p = motion_policy_default(LIMIT);
    p.mode = mode;
    return p;
}

/* A car on a straight line, each of its reports judged. */
struct straight {
    struct motion m;
    struct motion_policy p;
    struct motion_facts f;
    nsec now;
    double x;
    unsigned violations, offences;
    enum motion_verdict worst;
};

static struct straight straight(enum rule_mode mode)
{
    struct straight s = {.p = policy(mode), .now = T0};
    motion_init(&s.m, false);
    return s;
}

static enum motion_verdict at(struct straight *s, double x)
{
    float pos[3] = {(float)x, 0, 0};
    s->x = x;
    enum motion_verdict v = motion_report(&s->m, &s->p, s->now, pos, &s->f);
    s->violations += v != MOTION_FINE;
    s->offences += s->f.offence;
    s->worst = v > s->worst ? v : s->worst;
    if (v != MOTION_FINE)
        assert_true(s->f.speed > s->f.allowed);
    assert_true(s->f.drop == (v != MOTION_FINE && s->p.mode == RULE_ENFORCE && !s->m.exempt));
    return v;
}

/* Reports at 20 Hz; true once there was an offence. */
static bool drive(struct straight *s, double speed, nsec how_long)
{
    unsigned before = s->offences;
    for (nsec end = s->now + how_long; s->now < end && s->offences == before;) {
        s->now += STEP;
        (void)at(s, s->x + speed * 0.05);
    }
    return s->offences != before;
}

/* ---- rules ---- */

static void the_tolerated_speed_and_just_beyond(void **state)
{
    (void)state;
    struct straight s = straight(RULE_OBSERVE);
    (void)at(&s, 0);
    assert_false(drive(&s, LIMIT * 1.2, 600 * NSEC_PER_S));
    assert_int_equal(s.violations, 0);
    assert_true(drive(&s, LIMIT * 1.21, 120 * NSEC_PER_S)); /* 72 units at 2 a second */
    assert_int_equal(s.violations, 3);
    assert_false(s.f.teleport);
    assert_true(s.f.allowed == LIMIT * 1.2);
    assert_true(fabs(s.f.speed - LIMIT * 1.21) < 0.5);
    assert_true(fabs(s.f.distance / s.f.speed - (double)s.f.elapsed / 1e9) < 0.01);
}

static void teleport_at_and_beyond(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        struct straight s = straight(RULE_OBSERVE);
        s.p.tolerance = 1; /* 10 units each 50 ms, exactly */
        (void)at(&s, 0);
        s.now += STEP;
        assert_int_equal(at(&s, sign * 60), MOTION_FINE);
        s.now += 10 * NSEC_PER_S;
        (void)at(&s, sign * 60);
        (void)drive(&s, 0, 40 * NSEC_PER_S); /* the credit for silence has expired */
        s.now += 10 * NSEC_PER_S;
        (void)at(&s, sign * 2060); /* used up at once */
        s.now += STEP;
        assert_int_equal(at(&s, sign * 2120.01), MOTION_VIOLATION);
        assert_true(s.f.teleport && s.f.offence);
        assert_true(fabs(s.f.distance - 60.01) < 0.01);
        assert_true(s.f.elapsed == STEP);
        s.now += STEP;
        assert_int_equal(at(&s, sign * 2120), MOTION_FINE); /* measured from there */
    }
}

static void teleport_after_standing(void **state)
{
    (void)state;
    struct straight s = straight(RULE_OBSERVE);
    (void)at(&s, 0);
    assert_false(drive(&s, 0, 60 * NSEC_PER_S)); /* standing, and saying so, saves nothing up */
    s.now += STEP;
    assert_int_equal(at(&s, 63), MOTION_VIOLATION);
    s = straight(RULE_OBSERVE);
    (void)at(&s, 0);
    for (int i = 0; i < 400; i++) { /* nor does dancing on the spot */
        s.now += STEP;
        assert_int_equal(at(&s, i % 2 ? 1 : 0), MOTION_FINE);
    }
    s.now += STEP;
    assert_int_equal(at(&s, 70), MOTION_VIOLATION);
}

static void each_mode_and_the_ladder(void **state)
{
    (void)state;
    static const enum motion_verdict want[4][5] = {
        [RULE_OFF] = {0},
        [RULE_OBSERVE] = {MOTION_VIOLATION, MOTION_VIOLATION, MOTION_VIOLATION, MOTION_VIOLATION,
                          MOTION_VIOLATION},
        [RULE_WARN] = {MOTION_ACT_WARN, MOTION_ACT_WARN, MOTION_ACT_WARN, MOTION_ACT_WARN,
                       MOTION_ACT_WARN},
        [RULE_ENFORCE] = {MOTION_ACT_CORRECT, MOTION_ACT_CORRECT, MOTION_ACT_CORRECT,
                          MOTION_ACT_DISCONNECT, MOTION_ACT_DISCONNECT},
    };
    for (int mode = RULE_OFF; mode <= RULE_ENFORCE; mode++) {
        struct straight s = straight((enum rule_mode)mode);
        (void)at(&s, 0);
        for (unsigned i = 0; i < 5; i++) {
            s.now += NSEC_PER_S;
            assert_int_equal(at(&s, s.x + 1000), want[mode][i]);
            assert_true(s.f.offence == (mode != RULE_OFF));
            assert_int_equal(s.f.action, mode < RULE_WARN ? 0 : i < 4 ? i + 1 : 4);
        }
    }
}

static void pause_holds_the_next_action(void **state)
{
    (void)state;
    struct straight s = straight(RULE_ENFORCE);
    (void)at(&s, 0);
    s.now += STEP;
    assert_int_equal(at(&s, 1000), MOTION_ACT_CORRECT);
    s.now += 750 * NSEC_PER_MS - 1;
    assert_int_equal(at(&s, 9000), MOTION_VIOLATION);
    assert_true(s.f.teleport && s.f.drop && !s.f.offence);
    s.now += 1;
    assert_int_equal(at(&s, 1000), MOTION_ACT_CORRECT);
    assert_int_equal(s.f.action, 2);
}

static void the_ladder_is_forgiven_step_by_step(void **state)
{
    (void)state;
    struct straight s = straight(RULE_ENFORCE);
    (void)at(&s, 0);
    for (unsigned i = 0; i < 3; i++, s.now += NSEC_PER_S)
        assert_int_equal(at(&s, s.x + 1000 * (i + 1)), MOTION_ACT_CORRECT);
    s.now = T0 + 120 * NSEC_PER_S - 1; /* one of three gone */
    assert_int_equal(at(&s, s.x + 99999), MOTION_ACT_CORRECT);
    assert_int_equal(s.f.action, 3);
    s.now += 1; /* a second one, but this is on time of the pause */
    s.now += 750 * NSEC_PER_MS;
    assert_int_equal(at(&s, s.x + 1000), MOTION_ACT_CORRECT);
    s.now += NSEC_PER_S;
    assert_int_equal(at(&s, s.x + 1000), MOTION_ACT_DISCONNECT);
    s.now += 3600 * NSEC_PER_S;
    assert_int_equal(at(&s, s.x + 9e6), MOTION_ACT_CORRECT);
    assert_int_equal(s.f.action, 1);
    s.p.decay_s = 0;
    s.now += 3600 * NSEC_PER_S;
    assert_int_equal(at(&s, s.x + 9e6), MOTION_ACT_CORRECT);
    assert_int_equal(s.f.action, 2);
    s.p.ladder = 0;
    s.now += NSEC_PER_S;
    assert_int_equal(at(&s, s.x + 1000), MOTION_ACT_DISCONNECT);
}

static void staff_is_observed(void **state)
{
    (void)state;
    struct straight s = straight(RULE_ENFORCE);
    motion_set_exempt(&s.m, true);
    (void)at(&s, 0);
    for (unsigned i = 0; i < 9; i++) {
        s.now += NSEC_PER_S;
        assert_int_equal(at(&s, s.x + 1000), MOTION_VIOLATION);
        assert_true(s.f.offence && s.f.exempt && !s.f.drop && s.f.action == 0);
    }
    motion_set_exempt(&s.m, false);
    s.now += NSEC_PER_S;
    assert_int_equal(at(&s, s.x + 1000), MOTION_ACT_CORRECT); /* starts at the first step */
    assert_int_equal(s.f.action, 1);
}

static void grace_after_being_moved(void **state)
{
    (void)state;
    struct straight s = straight(RULE_ENFORCE);
    (void)at(&s, 0);
    motion_moved(&s.m, &s.p, s.now);
    s.now += 100 * NSEC_PER_MS;
    assert_int_equal(at(&s, 5000), MOTION_FINE);
    s.now += 1400 * NSEC_PER_MS - 1;
    assert_int_equal(at(&s, 0), MOTION_FINE);
    s.now += 1;
    assert_int_equal(at(&s, 51), MOTION_ACT_CORRECT);
}

static void moved_while_its_machine_loads(void **state)
{
    (void)state;
    struct straight s = straight(RULE_ENFORCE);
    (void)at(&s, 0);
    motion_moved(&s.m, &s.p, s.now);
    s.now += 20 * NSEC_PER_S; /* says nothing for longer than the grace */
    assert_int_equal(at(&s, 1e6), MOTION_FINE);
    s.now += STEP;
    assert_int_equal(at(&s, 1e6 + 100), MOTION_ACT_CORRECT);
}

static void without_a_speed_only_teleports(void **state)
{
    (void)state;
    struct straight s = straight(RULE_ENFORCE);
    s.p.max_speed = 0;
    (void)at(&s, 0);
    (void)drive(&s, 1e6, NSEC_PER_S);
    assert_int_equal(s.violations, 0); /* nothing is known: nothing is judged */
    s = straight(RULE_ENFORCE);
    s.p.max_speed = 0;
    s.p.any_speed = 500; /* 30 units each 50 ms, and 50 */
    (void)at(&s, 0);
    assert_false(drive(&s, 1500, 60 * NSEC_PER_S)); /* far too fast, in steps that may be */
    assert_int_equal(s.violations, 0);
    double x = s.x;
    s.now += STEP;
    assert_int_equal(at(&s, x + 79.9), MOTION_FINE);
    s.now += STEP;
    assert_int_equal(at(&s, x + 79.9 + 80.1), MOTION_ACT_CORRECT);
    assert_true(s.f.teleport && s.f.allowed == 600);
    s.now += NSEC_PER_S; /* losses make longer steps */
    assert_int_equal(at(&s, s.x + 640), MOTION_FINE);
    motion_set_speed(&s.m, &s.p, s.now, 10); /* a limit of one's own is judged all the same */
    s.now += 5 * NSEC_PER_S;
    (void)at(&s, s.x);
    assert_true(drive(&s, 100, 5 * NSEC_PER_S));
}

static void own_speed_and_its_grace(void **state)
{
    (void)state;
    struct straight s = straight(RULE_OBSERVE);
    (void)at(&s, 0);
    motion_set_speed(&s.m, &s.p, s.now, 2 * LIMIT);
    assert_false(drive(&s, 2 * LIMIT, 60 * NSEC_PER_S));
    motion_set_speed(&s.m, &s.p, s.now, 0);
    assert_false(drive(&s, 2 * LIMIT, 1500 * NSEC_PER_MS));
    assert_int_equal(s.violations, 0);
    assert_true(drive(&s, 2 * LIMIT, 2 * NSEC_PER_S));
    motion_set_speed(&s.m, &s.p, s.now, LIMIT / 2);
    assert_false(drive(&s, LIMIT * 0.9, 1500 * NSEC_PER_MS)); /* the old limit for a while */
    assert_true(drive(&s, LIMIT * 0.9, 3 * NSEC_PER_S));
}

static void a_stall_then_a_bunch(void **state)
{
    (void)state;
    struct straight s = straight(RULE_ENFORCE);
    (void)at(&s, 0);
    for (unsigned stall = 1; stall <= 40; stall++) { /* 50 ms to 2 s, at each rate of draining */
        for (nsec gap = 0; gap <= 25 * NSEC_PER_MS; gap += 5 * NSEC_PER_MS) {
            assert_false(drive(&s, LIMIT * 0.95, 10 * NSEC_PER_S));
            s.now += stall * STEP;
            for (nsec owed = stall * STEP; owed < UINT64_MAX / 2 && owed > 0; owed -= STEP - gap) {
                (void)at(&s, s.x + LIMIT * 0.95 * 0.05);
                s.now += gap;
                if (owed < STEP)
                    break;
            }
        }
    }
    assert_int_equal(s.violations, 0);
}

static void losses_reordering_and_copies(void **state)
{
    (void)state;
    struct straight s = straight(RULE_ENFORCE);
    struct rng rng = {7};
    double step = LIMIT * 0.95 * 0.05, x = 0;
    (void)at(&s, 0);
    for (unsigned i = 0; i < 20000; i++, x += 5 * step, s.now += 5 * STEP) {
        static const uint8_t orders[][5] = {{1, 3, 2, 4, 5}, {1, 4, 2, 3, 5}, {2, 1, 2, 4, 3},
                                            {1, 2, 2, 1, 5}, {5, 5, 5, 5, 5}, {3, 2, 4, 3, 5}};
        const uint8_t *order = orders[rng_below(&rng, ARRAY_LEN(orders))];
        for (unsigned k = 0; k < 5; k++)
            (void)at(&s, x + order[k] * step);
    }
    assert_int_equal(s.violations, 0);
}

static void evidence(void **state)
{
    (void)state;
    struct motion_point got[MOTION_TRAIL_MAX + 1];
    struct straight s = straight(RULE_OBSERVE);
    assert_int_equal(motion_trail(&s.m, s.now, got, ARRAY_LEN(got)), 0);
    (void)at(&s, 0);
    assert_false(drive(&s, 100, 60 * NSEC_PER_S));
    assert_int_equal(motion_trail(&s.m, s.now, got, ARRAY_LEN(got)), MOTION_TRAIL_MAX);
    assert_in_range(got[0].age_ms, 7500, 8500);
    for (unsigned i = 1; i < MOTION_TRAIL_MAX; i++) {
        assert_in_range(got[i - 1].age_ms - got[i].age_ms, 100, 150);
        assert_true(got[i].pos[0] > got[i - 1].pos[0]);
    }
    double before = s.x;
    s.now += STEP;
    (void)at(&s, -500);
    assert_true(s.f.offence);
    assert_int_equal(motion_trail(&s.m, s.now, got, 2), 2);
    assert_true(got[0].pos[0] == (float)before && got[0].age_ms == 50);
    assert_true(got[1].pos[0] == -500 && got[1].age_ms == 0);
    assert_int_equal(motion_trail(&s.m, s.now, got, 0), 0);
}

static void anything_is_safe(void **state)
{
    (void)state;
    static const float odd[] = {0, -1, 1e30F, 3e38F, -3e38F, 1e-45F, NAN, INFINITY, -INFINITY, 60};
    static const double speeds[] = {0, -1, 1, 200, 1e300, (double)NAN, (double)INFINITY};
    struct rng rng = {3};
    for (unsigned round = 0; round < 200; round++) {
        struct motion m;
        struct motion_facts f;
        struct motion_policy p = policy((enum rule_mode)rng_below(&rng, 4));
        motion_init(&m, rng_below(&rng, 2));
        p.max_speed = speeds[rng_below(&rng, ARRAY_LEN(speeds))];
        p.teleport = speeds[rng_below(&rng, ARRAY_LEN(speeds))];
        p.tolerance = speeds[rng_below(&rng, ARRAY_LEN(speeds))];
        p.burst_n = rng_below(&rng, 2) ? (uint32_t)rng_below(&rng, 30) : UINT32_MAX;
        p.burst_ms = rng_below(&rng, 2) ? UINT32_MAX : 0;
        p.slack_ms = rng_below(&rng, 2) ? UINT32_MAX : 0;
        p.ladder = rng_below(&rng, 2) ? UINT32_MAX : 1;
        for (unsigned i = 0; i < 200; i++) {
            nsec now = rng_below(&rng, 2) ? T0 : rng_below(&rng, 4 * T0);
            float pos[3];
            for (unsigned k = 0; k < 3; k++)
                pos[k] = odd[rng_below(&rng, ARRAY_LEN(odd))];
            enum motion_verdict v = motion_report(&m, &p, now, pos, &f);
            assert_in_range(v, MOTION_FINE, MOTION_ACT_DISCONNECT);
            if (!isfinite(pos[0] + pos[1] + pos[2]) && fabsf(pos[0]) < 1 && fabsf(pos[1]) < 1)
                assert_int_equal(v, MOTION_FINE);
            assert_false(isnan(m.excess) || isinf(m.excess));
            assert_true(m.burst_n <= MOTION_BURST_MAX && m.trail_n <= MOTION_TRAIL_MAX);
        }
    }
    assert_true(sizeof(struct motion) <= 1536);
}

/* ---- cars over links ---- */

#define FLYING_MAX   256u
#define UPDATE_BYTES 160u

struct car {
    struct rng rng;
    double x, z, heading, turn, pace; /* pace: of the limit */
    struct impair link;
    struct {
        nsec at;
        float pos[3];
    } flying[FLYING_MAX]; /* by arrival */
    unsigned flying_n;
    struct motion m;
    struct motion_policy p;
    unsigned violations;
    nsec caught; /* the first offence */
};

static void car_init(struct car *c, const struct impair_profile *link, uint64_t seed)
{
    *c = (struct car){.rng = {seed * 77 + 5}, .p = policy(RULE_ENFORCE), .pace = 0.95};
    impair_init(&c->link, link, seed);
    motion_init(&c->m, false);
}

static void move(struct car *c, double s)
{
    if (rng_unit(&c->rng) < s) /* another bend about each second; back where the world ends */
        c->turn = 3 * rng_unit(&c->rng) - 1.5;
    double from_middle = c->x * c->x + c->z * c->z;
    if (from_middle > 900.0 * 900.0 && c->x * cos(c->heading) + c->z * sin(c->heading) > 0)
        c->turn = 1.5;
    c->heading += c->turn * s;
    c->x += c->pace * LIMIT * s * cos(c->heading);
    c->z += c->pace * LIMIT * s * sin(c->heading);
}

static void send(struct car *c, nsec now)
{
    nsec when[IMPAIR_COPIES_MAX];
    unsigned n = impair_decide(&c->link, now, UPDATE_BYTES, when);
    for (unsigned i = 0; i < n; i++) {
        assert_true(c->flying_n < FLYING_MAX);
        unsigned k = c->flying_n++;
        for (; k > 0 && c->flying[k - 1].at > when[i]; k--)
            c->flying[k] = c->flying[k - 1];
        c->flying[k].at = when[i];
        c->flying[k].pos[0] = (float)c->x;
        c->flying[k].pos[1] = 0;
        c->flying[k].pos[2] = (float)c->z;
    }
}

static void arrive(struct car *c, nsec now)
{
    unsigned n = 0;
    struct motion_facts f;
    for (; n < c->flying_n && c->flying[n].at <= now; n++) {
        nsec when = c->flying[n].at;
        c->violations += motion_report(&c->m, &c->p, when, c->flying[n].pos, &f) != MOTION_FINE;
        if (f.offence && !c->caught)
            c->caught = when;
    }
    c->flying_n -= n;
    memmove(c->flying, c->flying + n, c->flying_n * sizeof c->flying[0]);
}

/* Sends at the first frame of a 60 Hz display after each multiple of the interval. */
static nsec run_car(struct car *c, nsec from, nsec how_long, unsigned hz)
{
    nsec interval = NSEC_PER_S / hz, t = from;
    while (t < from + how_long && !c->caught) {
        nsec next = t / interval * interval + interval + rng_below(&c->rng, NSEC_PER_S / 60);
        move(c, (double)(next - t) / 1e9);
        t = next;
        arrive(c, t);
        send(c, t);
    }
    return t;
}

static const char *const links[] = {"wifi", "4g", "bad-dsl", "satellite"};
static const unsigned rates[] = {20, 5};

static unsigned seeds(unsigned n)
{
    const char *times = getenv("MOTION_SEEDS");
    return times ? n * (unsigned)strtoul(times, NULL, 10) : n;
}

static struct impair_profile uplink(const char *name)
{
    struct sgc_profile p;
    char why[256];
    assert_int_equal(sgc_profile_read(&p, name, why, sizeof why), 0);
    return p.up;
}

static void honest_cars(void **state)
{
    (void)state;
    for (unsigned l = 0; l < ARRAY_LEN(links); l++) {
        struct impair_profile link = uplink(links[l]);
        for (unsigned r = 0; r < ARRAY_LEN(rates); r++)
            for (unsigned seed = 0; seed < seeds(8); seed++) {
                struct car c;
                car_init(&c, &link, seed);
                nsec end = run_car(&c, T0, 1800 * NSEC_PER_S, rates[r]);
                if (c.violations)
                    print_error("%s, %u Hz, seed %u: %u violations\n", links[l], rates[r], seed,
                                c.violations);
                assert_int_equal(c.violations, 0);
                assert_true(end >= T0 + 1800 * NSEC_PER_S);
            }
    }
}

/* Worse than any named link: delays that vary as much as they last, one in ten lost, overtaking all
 * the time. */
static void honest_cars_over_worse(void **state)
{
    (void)state;
    static const char *const worse[] = {
        "delay_ms = 150\njitter_ms = 120\nloss_percent = 10\nburst_every = 100\nburst_length = "
        "30\n",
        "delay_ms = 60\njitter_ms = 50\nreorder_percent = 5\nreorder_ms = 150\n"
        "duplicate_percent = 5\n",
    };
    for (unsigned l = 0; l < ARRAY_LEN(worse); l++) {
        struct impair_profile link = uplink(worse[l]);
        for (unsigned r = 0; r < ARRAY_LEN(rates); r++)
            for (unsigned seed = 0; seed < seeds(4); seed++) {
                struct car c;
                car_init(&c, &link, seed);
                (void)run_car(&c, T0, 1800 * NSEC_PER_S, rates[r]);
                if (c.violations)
                    print_error("worse %u, %u Hz, seed %u: %u violations\n", l, rates[r], seed,
                                c.violations);
                assert_int_equal(c.violations, 0);
            }
    }
}

struct cheat {
    const char *name;
    double pace, jump;
    nsec within;
};

/* From the cheat at the player's to the verdict at the server, the way between included. */
static nsec catch_one(const struct cheat *k, const struct impair_profile *link, unsigned hz,
                      uint64_t seed)
{
    struct car c;
    car_init(&c, link, seed);
    nsec t = run_car(&c, T0, 5 * NSEC_PER_S + rng_below(&c.rng, 20 * NSEC_PER_S), hz);
    nsec start = t + rng_below(&c.rng, NSEC_PER_S / hz); /* anywhere between two reports */
    assert_int_equal(c.violations, 0);
    move(&c, (double)(start - t) / 1e9);
    if (k->pace > 0)
        c.pace = k->pace;
    double where = 6.283185 * rng_unit(&c.rng);
    c.x += k->jump * cos(where);
    c.z += k->jump * sin(where);
    (void)run_car(&c, start, 2 * k->within, hz);
    return c.caught ? c.caught - start : NSEC_NEVER;
}

static int compare(const void *a, const void *b)
{
    nsec x = *(const nsec *)a, y = *(const nsec *)b;
    return (x > y) - (x < y);
}

static void cheats_are_caught(void **state)
{
    (void)state;
    static const struct cheat cheats[] = {
        {"teleport", 0, 400, 1 * NSEC_PER_S},
        {"2x", 2, 0, 3 * NSEC_PER_S},
        {"1.3x", 1.3, 0, 10 * NSEC_PER_S},
    };
    unsigned n = seeds(500);
    nsec *took = test_malloc(n * sizeof *took);
    for (unsigned i = 0; i < ARRAY_LEN(cheats) * ARRAY_LEN(links) * ARRAY_LEN(rates); i++) {
        const struct cheat *k = &cheats[i / (ARRAY_LEN(links) * ARRAY_LEN(rates))];
        const char *name = links[i / ARRAY_LEN(rates) % ARRAY_LEN(links)];
        unsigned hz = rates[i % ARRAY_LEN(rates)], late = 0;
        struct impair_profile link = uplink(name);
        for (unsigned seed = 0; seed < n; seed++) {
            took[seed] = catch_one(k, &link, hz, seed);
            late += took[seed] > k->within;
        }
        qsort(took, n, sizeof *took, compare);
        nsec median = took[n / 2], most = took[n * 99 / 100];
        print_message("%-8s %-9s %2u Hz: median %.2f s, 99 %% %.2f s, %u of %u late\n", k->name,
                      name, hz, (double)median / 1e9, (double)most / 1e9, late, n);
        assert_true(late * 100 <= n);
    }
    test_free(took);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tolerated_speed_and_just_beyond),
        cmocka_unit_test(teleport_at_and_beyond),
        cmocka_unit_test(teleport_after_standing),
        cmocka_unit_test(each_mode_and_the_ladder),
        cmocka_unit_test(pause_holds_the_next_action),
        cmocka_unit_test(the_ladder_is_forgiven_step_by_step),
        cmocka_unit_test(staff_is_observed),
        cmocka_unit_test(grace_after_being_moved),
        cmocka_unit_test(moved_while_its_machine_loads),
        cmocka_unit_test(without_a_speed_only_teleports),
        cmocka_unit_test(own_speed_and_its_grace),
        cmocka_unit_test(a_stall_then_a_bunch),
        cmocka_unit_test(losses_reordering_and_copies),
        cmocka_unit_test(evidence),
        cmocka_unit_test(anything_is_safe),
        cmocka_unit_test(honest_cars),
        cmocka_unit_test(honest_cars_over_worse),
        cmocka_unit_test(cheats_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
