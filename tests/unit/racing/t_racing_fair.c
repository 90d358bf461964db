/* The rules as the server configures them, over every link: cars at 95 % of the limit are never
 * blamed, and cheats are caught in time. The cars are those of `slipgate bots`, time is virtual,
 * the table is printed. FAIR_SEEDS=n: that many times the usual count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "bin/cmd_bots_track.h"
#include "client/profile.h"
#include "games/racing/cheat.h"

#include <stdio.h>
#include <stdlib.h>

#define T0         (1000 * NSEC_PER_S)
#define STEP       (50 * NSEC_PER_MS)
#define LIMIT      60
#define BYTES      200u /* of an UPDATE as it travels */
#define FLYING_MAX 256u

static const char *const links[] = {"clean", "wifi", "4g", "bad-dsl", "satellite"};

static struct settings configured(const char *mode)
{
    const struct config_table tables[] = {{racing_config, RACING_CONFIG_ROWS}};
    struct config *c;
    struct settings s = {0};
    struct buf why;
    char limit[16];
    (void)snprintf(limit, sizeof limit, "%d", LIMIT);
    buf_init(&why, 256);
    assert_int_equal(config_create(&c, tables, 1), 0);
    assert_int_equal(
        config_set(c, SPAN_LIT("racing.max_speed"), span_str(limit), CONFIG_OPTION, &why), 0);
    assert_int_equal(
        config_set(c, SPAN_LIT("racing.anticheat"), span_str(mode), CONFIG_OPTION, &why), 0);
    cheat_load(&s, c);
    config_destroy(c);
    buf_fini(&why);
    return s;
}

static struct impair_profile uplink(const char *name)
{
    struct sgc_profile p = {0};
    char why[256];
    if (strcmp(name, "clean") != 0)
        assert_int_equal(sgc_profile_read(&p, name, why, sizeof why), 0);
    return p.up;
}

/* One car's way through the link to the judge. */
struct car {
    struct impair link;
    struct bots_drive drive;
    size_t slot;
    float garage[3];
    struct {
        nsec at;
        float pos[3];
    } flying[FLYING_MAX]; /* by arrival */
    unsigned flying_n;
    struct motion motion;
    unsigned blamed, actions;
    nsec first, ended; /* the first action, the disconnect; 0: none */
};

static void car_init(struct car *c, const struct impair_profile *link, uint64_t seed,
                     const struct bots_drive *drive)
{
    *c = (struct car){.drive = *drive, .slot = seed % 20};
    impair_init(&c->link, link, seed);
    bots_track_garage(c->slot, c->garage);
    motion_init(&c->motion, false);
}

static void car_send(struct car *c, nsec now)
{
    nsec when[IMPAIR_COPIES_MAX];
    struct bots_pose p =
        bots_track_drive(c->slot, c->garage, (int64_t)((now - T0) / NSEC_PER_MS), &c->drive);
    unsigned n = impair_decide(&c->link, now, BYTES, when);
    for (unsigned i = 0; i < n; i++) {
        assert_true(c->flying_n < FLYING_MAX);
        unsigned k = c->flying_n++;
        for (; k > 0 && c->flying[k - 1].at > when[i]; k--)
            c->flying[k] = c->flying[k - 1];
        c->flying[k].at = when[i];
        memcpy(c->flying[k].pos, p.position, sizeof p.position);
    }
}

static void car_arrive(struct car *c, const struct settings *set, nsec now)
{
    unsigned n = 0;
    for (; n < c->flying_n && c->flying[n].at <= now && !c->ended; n++) {
        struct motion_facts f;
        enum motion_verdict v =
            motion_report(&c->motion, &set->motion, c->flying[n].at, c->flying[n].pos, &f);
        c->blamed += v != MOTION_FINE;
        c->actions += f.offence;
        if (f.offence && !c->first)
            c->first = c->flying[n].at;
        if (v == MOTION_ACT_DISCONNECT)
            c->ended = c->flying[n].at;
    }
    c->flying_n -= n;
    memmove(c->flying, c->flying + n, c->flying_n * sizeof c->flying[0]);
}

/* Sends at the first frame of a 60 Hz display after each 50 ms. */
static void drive(struct car *c, const struct settings *set, uint64_t seed, nsec how_long)
{
    struct rng rng = {seed * 31 + 7};
    for (nsec t = T0; t < T0 + how_long && !c->ended; t += STEP) {
        nsec now = t + rng_below(&rng, NSEC_PER_S / 60);
        car_arrive(c, set, now);
        car_send(c, now);
    }
}

static unsigned seeds(unsigned n)
{
    const char *times = getenv("FAIR_SEEDS");
    return times ? n * (unsigned)strtoul(times, NULL, 10) : n;
}

static void nobody_honest_is_blamed(void **state)
{
    (void)state;
    struct settings set = configured("enforce");
    const struct bots_drive honest = {.limit = LIMIT};
    for (unsigned l = 0; l < ARRAY_LEN(links); l++) {
        struct impair_profile link = uplink(links[l]);
        for (uint64_t seed = 0; seed < seeds(10); seed++) {
            struct car c;
            car_init(&c, &link, seed, &honest);
            drive(&c, &set, seed, 600 * NSEC_PER_S);
            if (c.blamed)
                print_error("%s, seed %u: blamed %u times\n", links[l], (unsigned)seed, c.blamed);
            assert_int_equal(c.blamed, 0);
        }
    }
}

/* As racing.max_speed is by default: not even twice the speed, nor cars as fast as anything. */
static void without_a_limit_nobody_who_drives_is_blamed(void **state)
{
    (void)state;
    struct settings set = configured("enforce");
    set.motion.max_speed = 0;
    for (unsigned l = 0; l < ARRAY_LEN(links); l++) {
        struct impair_profile link = uplink(links[l]);
        for (uint64_t seed = 0; seed < seeds(10); seed++) {
            struct car c;
            const struct bots_drive fast = {.limit = 100 * (double)(seed % 4 + 1)};
            car_init(&c, &link, seed, &fast);
            drive(&c, &set, seed, 120 * NSEC_PER_S);
            assert_int_equal(c.blamed, 0);
        }
    }
}

static int compare(const void *a, const void *b)
{
    nsec x = *(const nsec *)a, y = *(const nsec *)b;
    return (x > y) - (x < y);
}

static const struct cheat {
    const char *name;
    struct bots_drive drive;
    nsec within;
} cheats[] = {
    {"teleport", {.limit = LIMIT, .jump = 400}, 1 * NSEC_PER_S},
    {"2x", {.limit = LIMIT, .pace = 2}, 3 * NSEC_PER_S},
    {"1.3x", {.limit = LIMIT, .pace = 1.3}, 10 * NSEC_PER_S},
};

static nsec catch_one(const struct cheat *k, const struct impair_profile *link,
                      const struct settings *set, uint64_t seed, nsec *ended)
{
    struct rng rng = {seed * 101 + 3};
    struct bots_drive d = k->drive;
    struct car c;
    d.cheat_ms = 15000 + (int64_t)rng_below(&rng, 20000);
    nsec from = T0 + (nsec)d.cheat_ms * NSEC_PER_MS;
    car_init(&c, link, seed, &d);
    drive(&c, set, seed, (nsec)d.cheat_ms * NSEC_PER_MS + 8 * k->within + 10 * NSEC_PER_S);
    assert_true(c.first == 0 || c.first >= from);
    *ended = c.ended ? c.ended - from : NSEC_NEVER;
    return c.first ? c.first - from : NSEC_NEVER;
}

static void cheats_are_caught(void **state)
{
    (void)state;
    struct settings set = configured("enforce");
    unsigned n = seeds(100), middle = n / 2;
    nsec *took = test_malloc(2 * n * sizeof *took), *ended = took + n;
    print_message("%-9s %-9s  %-22s  %-22s\n", "cheat", "link", "caught: median, longest",
                  "out: median, longest");
    for (unsigned i = 0; i < ARRAY_LEN(cheats) * ARRAY_LEN(links); i++) {
        const struct cheat *k = &cheats[i / ARRAY_LEN(links)];
        const char *name = links[i % ARRAY_LEN(links)];
        struct impair_profile link = uplink(name);
        for (unsigned seed = 0; seed < n; seed++)
            took[seed] = catch_one(k, &link, &set, seed, &ended[seed]);
        qsort(took, n, sizeof *took, compare);
        qsort(ended, n, sizeof *took, compare);
        print_message("%-9s %-9s  %6.2f s %12.2f s  %6.2f s %12.2f s\n", k->name, name,
                      (double)took[middle] / 1e9, (double)took[n - 1] / 1e9,
                      (double)ended[middle] / 1e9, (double)ended[n - 1] / 1e9);
        assert_true(took[n - 1] <= k->within);
        assert_true(ended[n - 1] != NSEC_NEVER);
    }
    test_free(took);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_honest_is_blamed),
        cmocka_unit_test(without_a_limit_nobody_who_drives_is_blamed),
        cmocka_unit_test(cheats_are_caught),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
