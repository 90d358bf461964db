/* An address held against 50,000 bans, beside one lookup in a map of as many keys, in turns: the
 * medians, and the median of the ratios of each turn. Ratios hardly move from machine to machine.
 */
#include "base/err.h"
#include "base/hmap.h"
#include "base/rng.h"
#include "core/ban.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BANS   50000u
#define PROBES 4096u
#define ROUNDS 31
#define T0     INT64_C(1700000000000)

static struct {
    struct bans *single, *mixed; /* addresses alone; with networks of 12 lengths and one game's */
    struct hmap map;
    struct addr stranger[PROBES], banned[PROBES];
    volatile uint64_t sink;
} at;

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "b_ban: %s failed\n", what);
        exit(1);
    }
}

static struct addr random_addr(struct rng *r, uint8_t first)
{
    uint64_t x = rng_next(r);
    uint8_t ip[4] = {first, (uint8_t)(x >> 16), (uint8_t)(x >> 8), (uint8_t)x};
    return addr_v4(ip, 0);
}

static struct ban ban_of(const struct addr *a, unsigned bits, int64_t id)
{
    struct ban b = {.id = id, .kind = BAN_NET, .bits = (uint8_t)(96 + bits), .created = T0};
    memcpy(b.ip, a->ip, 16);
    for (unsigned i = 96 + bits; i < 128; i++)
        b.ip[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
    b.author = SPAN_LIT("bench");
    return b;
}

static void fill(const uint64_t seed[2])
{
    struct rng r = {1};
    must(bans_create(&at.single, seed) == 0 && bans_create(&at.mixed, seed) == 0, "create");
    hmap_init(&at.map, 16, seed, BANS);
    for (uint32_t i = 0; i < BANS; i++) {
        struct addr a = random_addr(&r, 9);
        struct ban one = ban_of(&a, 32, i + 1), net = ban_of(&a, 32 - i % 12, i + 1);
        if (i % 7 == 0)
            net.game = SPAN_LIT("other");
        must(bans_add(at.single, &one) == 0 && bans_add(at.mixed, &net) == 0, "add");
        must(hmap_put(&at.map, a.ip, i) == 0, "put");
        at.banned[i % PROBES] = a;
    }
    for (uint32_t i = 0; i < PROBES; i++)
        at.stranger[i] = random_addr(&r, 11);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double lookups(const struct addr *who)
{
    uint64_t sum = 0, v = 0;
    double start = now_ns();
    for (uint32_t i = 0; i < PROBES; i++)
        sum += hmap_get(&at.map, who[i].ip, &v) + v;
    at.sink = sum;
    return (now_ns() - start) / PROBES;
}

static double matches(const struct bans *b, const struct addr *who)
{
    uint64_t sum = 0;
    double start = now_ns();
    for (uint32_t i = 0; i < PROBES; i++)
        sum += bans_match_addr(b, &who[i], SPAN_LIT("racer"), T0) != NULL;
    at.sink = sum;
    return (now_ns() - start) / PROBES;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double v[ROUNDS])
{
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

static void row(const char *name, const struct bans *b, const struct addr *who)
{
    double ours[ROUNDS], map[ROUNDS], ratio[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = matches(b, who);
        map[i] = lookups(who);
        ratio[i] = ours[i] / map[i];
    }
    printf("%-40s %8.1f  %8.1f  %6.2f\n", name, median(ours), median(map), median(ratio));
}

int main(void)
{
    static const uint64_t seed[2] = {0x0123456789abcdef, 0xfedcba9876543210};
    fill(seed);
    printf("%u bans; ns                               match    lookup   ratio\n", BANS);
    row("addresses, a stranger", at.single, at.stranger);
    row("addresses, a banned one", at.single, at.banned);
    row("12 prefix lengths, 2 scopes, a stranger", at.mixed, at.stranger);
    row("12 prefix lengths, 2 scopes, a banned one", at.mixed, at.banned);
    bans_destroy(at.single);
    bans_destroy(at.mixed);
    hmap_fini(&at.map);
    return 0;
}
