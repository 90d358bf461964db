/* converse: plays conversation scripts. tests/scenario/README.md. */
#include "runner.h"

#include "base/check.h"
#include "sim/alloc_fault.h"

#include <getopt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "Usage: converse [OPTION]... SCRIPT...\n"
    "Plays conversation scripts (tests/scenario/README.md), by default with the racing service in "
    "this\n"
    "process on virtual time.\n"
    "\n"
    "  --live FILE         with the real server instead: the program slipgate, over TLS and UDP\n"
    "  --jobs N            so many scripts side by side with --live (2 for each processor)\n"
    "  --slowness X        multiplies the deadlines of --live, for valgrind and the like (1)\n"
    "  --keep              with --live: leave the folders with data and log\n"
    "  --store-url URL     with --live: where the servers keep their data, \"{}\" being the "
    "number\n"
    "                      of the script (with_postgresql.py makes what is needed)\n"
    "  --cache-url URL     likewise what they share\n"
    "  --torture KIND      plays each script again and again in this process, each time with "
    "another\n"
    "                      request for memory (alloc), another ask (ask) or both (all) failing\n"
    "  --runs N            with --torture: at most about N runs of each kind for a script, evenly\n"
    "                      spread over what could fail (all)\n"
    "  --from              with --torture alloc: also everything from some request on\n"
    "                      (with SLIPGATE_TORTURE_FULL in the environment: all runs, and --from)\n"
    "  --check             only reads the scripts and says what is wrong with them\n"
    "  --junit FILE        writes the results as JUnit XML\n"
    "  --help              this text\n"
    "\n"
    "Exit code: 0 when all went as scripted, 1 when not, 2 for wrong use or a script with a "
    "mistake.\n";

static int wrong_use(const char *text)
{
    fprintf(stderr, "converse: %s; converse --help says more\n", text);
    return 2;
}

static double play_one(const struct script *s, struct report *r)
{
    struct buf why;
    double start = clock_s();
    buf_init(&why, 1u << 20);
    crash_context(s->path, "");
    struct result x = play(s, back_sim(NULL), false, &why);
    report_add(r, s->name, &x, clock_s() - start, buf_span(&why));
    buf_fini(&why);
    return start;
}

int run_sim(struct script *const *scripts, size_t n, const struct options *o)
{
    struct report *r = report_open(o->junit, "in process", "steps");
    double start = clock_s();
    for (size_t i = 0; i < n; i++)
        if (scripts[i]->live_only)
            report_skip(r, scripts[i]->name, "only for the real server");
        else
            (void)play_one(scripts[i], r);
    return report_close(r, clock_s() - start);
}

/* ---- options ---- */

enum {
    OPT_LIVE = 256,
    OPT_JOBS,
    OPT_SLOWNESS,
    OPT_KEEP,
    OPT_STORE_URL,
    OPT_CACHE_URL,
    OPT_TORTURE,
    OPT_RUNS,
    OPT_FROM,
    OPT_CHECK,
    OPT_JUNIT,
    OPT_HELP
};

static const struct option options[] = {
    {"live", required_argument, NULL, OPT_LIVE},
    {"jobs", required_argument, NULL, OPT_JOBS},
    {"slowness", required_argument, NULL, OPT_SLOWNESS},
    {"keep", no_argument, NULL, OPT_KEEP},
    {"store-url", required_argument, NULL, OPT_STORE_URL},
    {"cache-url", required_argument, NULL, OPT_CACHE_URL},
    {"torture", required_argument, NULL, OPT_TORTURE},
    {"runs", required_argument, NULL, OPT_RUNS},
    {"from", no_argument, NULL, OPT_FROM},
    {"check", no_argument, NULL, OPT_CHECK},
    {"junit", required_argument, NULL, OPT_JUNIT},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static bool number(const char *text, unsigned long max, unsigned long *ret)
{
    char *end;
    *ret = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *ret >= 1 && *ret <= max;
}

/* -1: go on. */
static int take_option(int c, struct options *o)
{
    unsigned long v;
    switch (c) {
    case OPT_LIVE: o->live.binary = optarg; return -1;
    case OPT_KEEP: o->live.keep = true; return -1;
    case OPT_STORE_URL: o->live.store_url = optarg; return -1;
    case OPT_CACHE_URL: o->live.cache_url = optarg; return -1;
    case OPT_FROM: o->from = true; return -1;
    case OPT_CHECK: o->check = true; return -1;
    case OPT_JUNIT: o->junit = optarg; return -1;
    case OPT_JOBS:
        o->jobs = number(optarg, 64, &v) ? (unsigned)v : 0;
        return o->jobs ? -1 : wrong_use("--jobs is a number from 1 to 64");
    case OPT_RUNS:
        return number(optarg, 100000, &o->runs) ? -1 : wrong_use("--runs is a number from 1 on");
    case OPT_SLOWNESS:
        o->live.slowness = strtod(optarg, NULL);
        return o->live.slowness >= 1 && o->live.slowness <= 100
                   ? -1
                   : wrong_use("--slowness is a number from 1 to 100");
    case OPT_TORTURE:
        o->torture = optarg;
        return strcmp(optarg, "alloc") == 0 || strcmp(optarg, "ask") == 0 ||
                       strcmp(optarg, "all") == 0
                   ? -1
                   : wrong_use("--torture is alloc, ask or all");
    case OPT_HELP: (void)fputs(help, stdout); return 0;
    default: return wrong_use("an option is not known or lacks its value");
    }
}

/* ---- libcrypto's memory fails as the service's does ---- */

static void *crypto_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return alloc_library_malloc(n);
}

static void *crypto_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return alloc_library_realloc(p, n);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    alloc_library_free(p);
}

static int read_scripts(char *const *paths, size_t n, struct script **to)
{
    struct buf why;
    int rc = 0;
    buf_init(&why, 1u << 20);
    for (size_t i = 0; i < n; i++) {
        buf_clear(&why);
        to[i] = script_read(paths[i], &why);
        if (to[i])
            continue;
        fprintf(stderr, "%.*s\n", (int)why.n, (const char *)why.p);
        rc = 2;
    }
    buf_fini(&why);
    return rc;
}

static int run(struct script *const *scripts, size_t n, const struct options *o)
{
    if (o->check) {
        printf("%zu scripts are well formed\n", n);
        return 0;
    }
    return o->torture ? run_torture(scripts, n, o)
                      : (o->live.binary ? run_live : run_sim)(scripts, n, o);
}

int main(int argc, char **argv)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct options o = {.jobs = cpus > 0 && cpus < 32 ? 2 * (unsigned)cpus : 4};
    o.live.slowness = 1;
    (void)alloc_fault_suspend(true); /* memory is the runner's own, except in the service's calls */
    if (!CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free))
        return wrong_use("libcrypto has begun already");
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int rc = take_option(c, &o);
        if (rc >= 0)
            return rc;
    }
    if (getenv("SLIPGATE_TORTURE_FULL")) { /* make torture */
        o.runs = 0;
        o.from = true;
    }
    if (o.live.binary && o.torture)
        return wrong_use("--torture is for the simulated world, without --live");
    size_t n = (size_t)(argc - optind);
    if (n == 0)
        return wrong_use("which script");
    struct script **scripts = calloc(n, sizeof(struct script *));
    CHECK(scripts);
    crash_watch();
    int rc = read_scripts(argv + optind, n, scripts);
    if (rc == 0)
        rc = run(scripts, n, &o);
    for (size_t i = 0; i < n; i++)
        script_destroy(scripts[i]);
    free(scripts);
    return rc;
}
