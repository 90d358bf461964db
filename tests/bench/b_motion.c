/* What judging a position adds to a datagram: a car's updates opened and read, as each datagram is,
 * beside the same with every position judged, in turns; and a judgement alone. Medians, and the
 * median of the ratios of each turn. The judge's limit is 100 ns. */
#include "base/entropy.h"
#include "base/err.h"
#include "core/motion.h"
#include "games/racing/update.h"
#include "wire/seal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CARS   512u /* so that what is kept of each is not always in the cache */
#define EACH   8u
#define ROUNDS 51
#define STEP   (50 * NSEC_PER_MS)

static struct {
    struct motion motion[CARS];
    struct motion_policy policy;
    struct opener *opener[CARS];
    struct {
        uint8_t bytes[512];
        size_t n;
        float pos[3];
    } sent[EACH];
    nsec now;
    unsigned blamed;
    volatile double sink;
} at;

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "b_motion: %s failed\n", what);
        exit(1);
    }
}

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 7, n);
}

static void make(void)
{
    static const char id[] = "0123456789abcdef0123456789abcdef";
    uint8_t key[SEAL_CBC_KEY];
    struct entropy e = {fill};
    struct sealer *sealer;
    must(seal_derive_cbc(span_str(id), SPAN_LIT("secret"), key) == 0, "key");
    struct seal_cfg cfg = {.kind = SEAL_CBC, .key = span_of(key, sizeof key)};
    must(sealer_create(&sealer, &cfg, &e) == 0, "sealer");
    for (unsigned i = 0; i < CARS; i++) {
        must(opener_create(&at.opener[i], &cfg) == 0, "opener");
        motion_init(&at.motion[i], false);
    }
    for (unsigned i = 0; i < EACH; i++) {
        char text[400];
        int n = snprintf(text, sizeof text,
                         "{\"command\":\"UPDATE\",\"sessionId\":\"%s\",\"position\":{\"x\":%.4f,"
                         "\"y\":-2.0,\"z\":%.4f},\"rotation\":{\"x\":0,\"y\":0.7071,\"z\":0,"
                         "\"w\":0.7071},\"timestamp\":1700000000%03u}",
                         id, 2.85 * i + 0.1234, 6.0 + i * 0.01, i);
        struct span s = span_of(text, (size_t)n);
        n = sealer_seal(sealer, &s, 1, at.sent[i].bytes, sizeof at.sent[i].bytes);
        must(n > 0, "seal");
        at.sent[i].n = (size_t)n;
    }
    sealer_destroy(sealer);
    at.policy = motion_policy_default(60);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void judge(unsigned car, const float pos[3])
{
    struct motion_facts f;
    at.blamed += motion_report(&at.motion[car], &at.policy, at.now, pos, &f) != MOTION_FINE;
}

/* A second of driving there and back of each car; nanoseconds a datagram. */
static double datagrams(bool judged)
{
    double start = now_ns(), sum = 0;
    for (unsigned k = 0; k < 2 * EACH; k++, at.now += STEP)
        for (unsigned car = 0; car < CARS; car++) {
            unsigned i = k < EACH ? k : 2 * EACH - 1 - k;
            uint8_t plain[512];
            struct update u;
            int n = opener_open(at.opener[car], span_of(at.sent[i].bytes, at.sent[i].n), plain,
                                sizeof plain);
            must(n > 0 && update_parse(span_of(plain, (size_t)n), &u) == 0, "open");
            if (judged)
                judge(car, u.position);
            sum += (double)u.position[0];
            memcpy(at.sent[i].pos, u.position, sizeof u.position);
        }
    at.sink = sum;
    return (now_ns() - start) / (2 * EACH * CARS);
}

static double judgements(void)
{
    double start = now_ns();
    for (unsigned k = 0; k < 2 * EACH; k++, at.now += STEP)
        for (unsigned car = 0; car < CARS; car++)
            judge(car, at.sent[k < EACH ? k : 2 * EACH - 1 - k].pos);
    return (now_ns() - start) / (2 * EACH * CARS);
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

int main(void)
{
    double without[ROUNDS], with[ROUNDS], ratio[ROUNDS], alone[ROUNDS];
    make();
    at.now = 1000 * NSEC_PER_S;
    for (unsigned i = 0; i < ROUNDS; i++) {
        without[i] = datagrams(false);
        with[i] = datagrams(true);
        ratio[i] = with[i] / without[i];
        alone[i] = judgements();
    }
    must(at.blamed == 0, "honest driving");
    printf("a datagram opened and read       %7.1f ns\n", median(without));
    printf("the same with its position judged %6.1f ns, ratio %.3f\n", median(with), median(ratio));
    printf("a judgement alone                %7.1f ns of 100\n", median(alone));
    printf("kept of each player              %7zu bytes\n", sizeof(struct motion));
    for (unsigned i = 0; i < CARS; i++)
        opener_destroy(at.opener[i]);
    return 0;
}
