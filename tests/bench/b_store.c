/* What grouping registrations into one commit is worth: one at a time, each waiting for its answer,
 * against 64 under way at once, beside what the disk itself does (a 4 KiB write and fdatasync), all
 * in turns in one run; on SQLite, or on a PostgreSQL of its own (b_store postgresql). Figures move
 * from run to run and from disk to disk, ratios hardly. */
#include "base/check.h"
#include "store_kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS   7
#define ROUND_S  0.4
#define TOGETHER 64
#define RECORD   "$2b$12$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct {
    struct kit kit;
    unsigned names, done, under_way;
    double end;
} at;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_answer(void *ctx, struct now now, const struct answer *a);

static void register_one(void)
{
    char name[24];
    struct password_record r = kit_record(RECORD);
    struct ask_port *port = store_port(at.kit.store);
    (void)snprintf(name, sizeof name, "player-%u", at.names++);
    struct ask ask = {ASK_ACCOUNT_CREATE, {.create = {span_str(name), true, &r, 1, 1}}};
    CHECK(port->submit(port, &ask, (struct ask_owner){on_answer, NULL, 0}) == 0);
    at.under_way++;
}

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    (void)ctx;
    (void)now;
    CHECK(a->rc == 0);
    at.done++;
    at.under_way--;
    if (now_s() < at.end)
        register_one();
    else if (at.under_way == 0)
        uvloop_stop(at.kit.uv);
}

/* Registrations per second with n under way at all times. */
static double registrations(unsigned n)
{
    double start = now_s();
    at.done = 0;
    at.end = start + ROUND_S;
    for (unsigned i = 0; i < n; i++)
        register_one();
    (void)uvloop_run(at.kit.uv, NSEC_NEVER);
    return at.done / (now_s() - start);
}

static double disk(void)
{
    char path[96];
    static const char block[4096] = {1};
    (void)snprintf(path, sizeof path, "%s/raw", at.kit.dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    double start = now_s(), took;
    unsigned n = 0;
    do {
        CHECK(pwrite(fd, block, sizeof block, (off_t)(n++ % 1000) * 4096) == sizeof block);
        CHECK(fdatasync(fd) == 0);
        took = now_s() - start;
    } while (took < ROUND_S);
    close(fd);
    return n / took;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "postgresql") == 0) {
        if (!pg_cluster_installed())
            return 0;
        CHECK(setenv("KIT_POSTGRES", "durable", 1) == 0);
    }
    double raw[ROUNDS], single[ROUNDS], grouped[ROUNDS];
    kit_open(&at.kit);
    CHECK(kit_start(&at.kit) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        raw[i] = disk();
        single[i] = registrations(1);
        grouped[i] = registrations(TOGETHER);
    }
    double r = median(raw), s = median(single), g = median(grouped);
    printf("%-34s %9s %12s %8s\n", "", "/s", "of the disk", "ratio");
    printf("%-34s %9.0f %12.2f\n", "4 KiB write and fdatasync", r, 1.0);
    printf("%-34s %9.0f %12.2f %8.1f\n", "registrations, one at a time", s, s / r, 1.0);
    printf("registrations, %2d under way %8s %9.0f %12.2f %8.1f\n", TOGETHER, "", g, g / r, g / s);
    kit_close(&at.kit);
    return 0;
}
