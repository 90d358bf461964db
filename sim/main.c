/* slipgate-sim: runs simulated worlds by seed, and says which of them found something wrong.
 * docs/simulator.md. This file alone prints, reads the clock and starts processes. */
#include "sim/plan.h"
#include "sim/plants.h"
#include "sim/run.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX     64u
#define SEED_SECONDS 300u /* real ones; more is taken for a world that is stuck */

enum { EXIT_FINE, EXIT_FINDING, EXIT_USAGE };

struct options {
    const char *program, *plant;
    char without_text[512];
    uint32_t without;
    uint64_t first, last;
    double seconds; /* 0: no limit */
    unsigned jobs;
    bool single, trace, twice, keep_going, verbose;
};

struct totals {
    uint64_t seeds, findings, steps, events, fired[SIM_FAULTS_N];
    double began;
};

static double clock_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- what is said ---- */

static void print_event(struct sim *s, void *ctx, const char *what, uint64_t who, struct span bytes)
{
    (void)ctx;
    (void)printf("%" PRIu64 " %.6f %s %" PRIu64 " %zu ", s->step,
                 (double)(s->now.mono - SIM_START) * 1e-9, what, who, bytes.n);
    for (size_t i = 0; i < bytes.n && i < 300; i++)
        (void)putchar(bytes.p[i] >= ' ' && bytes.p[i] < 0x7f ? bytes.p[i] : '.');
    (void)putchar('\n');
}

static void print_again(const struct options *o, const struct sim_result *r)
{
    (void)printf("  again: %s --seed %" PRIu64 "%s%s%s%s%s\n", o->program, r->seed,
                 o->plant ? " --plant " : "", o->plant ? o->plant : "", o->twice ? " --twice" : "",
                 o->without ? " --without " : "", o->without_text);
}

static void print_finding(const struct options *o, const struct sim_result *r)
{
    (void)printf("FINDING %s: %s\n  seed %" PRIu64 ", step %" PRIu64 "\n", r->oracle, r->text,
                 r->seed, r->at);
    print_again(o, r);
}

static void print_seed(const struct sim_result *r)
{
    (void)printf("seed %" PRIu64 ": %" PRIu64 " steps, %" PRIu64
                 " events, %.1f s, digest %016" PRIx64 ", faults:",
                 r->seed, r->steps, r->events, (double)r->lasted * 1e-9, r->digest);
    bool any = false;
    for (int f = 0; f < SIM_FAULTS_N; f++)
        if (r->fired[f]) {
            (void)printf(" %s %" PRIu64, sim_fault_name((enum sim_fault)f), r->fired[f]);
            any = true;
        }
    (void)printf("%s\n", any ? "" : " none");
}

static void print_totals(const struct totals *t)
{
    double took = clock_s() - t->began;
    (void)printf("%" PRIu64 " seeds, %" PRIu64 " findings, %" PRIu64 " steps, %" PRIu64
                 " events in %.1f s: %.0f steps/s, %.0f events/s, %.0f events a seed\n",
                 t->seeds, t->findings, t->steps, t->events, took, (double)t->steps / took,
                 (double)t->events / took, t->seeds ? (double)t->events / (double)t->seeds : 0);
    if (t->seeds < 20) /* of few it says nothing */
        return;
    (void)printf("seeds in which each fault struck:\n");
    for (int f = 0; f < SIM_FAULTS_N; f++)
        (void)printf("  %-16s %5.1f %%\n", sim_fault_name((enum sim_fault)f),
                     t->seeds ? 100.0 * (double)t->fired[f] / (double)t->seeds : 0);
}

/* ---- a worker: every nth seed, each told before and after ---- */

struct word {
    bool done;
    struct sim_result r; /* before: only its seed */
};

static void run_one(const struct options *o, uint64_t seed, struct sim_result *r)
{
    struct sim_watcher w = {print_event, NULL};
    struct buf plan;
    const struct sim_world world = {sim_game_of(seed), seed, o->without};
    buf_init(&plan, 4096);
    if (o->twice)
        sim_run_twice(&world, r);
    else
        sim_run(&world, o->trace ? &w : NULL, r, &plan);
    if (o->single && plan.n)
        (void)printf("plan: %.*s\n", (int)plan.n, (const char *)plan.p);
    (void)fflush(stdout);
    buf_fini(&plan);
}

static bool tell(int fd, const struct word *w)
{
    const char *p = (const char *)w;
    for (size_t n = sizeof *w; n > 0;) {
        ssize_t r = write(fd, p, n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        p += r;
        n -= (size_t)r;
    }
    return true;
}

static void work(const struct options *o, unsigned worker, int fd, double end)
{
    for (uint64_t seed = o->first + worker; seed >= o->first && seed <= o->last; seed += o->jobs) {
        struct word w = {.r.seed = seed};
        if ((o->seconds > 0 && clock_s() >= end) || !tell(fd, &w))
            return;
        (void)alarm(SEED_SECONDS);
        run_one(o, seed, &w.r);
        (void)alarm(0);
        w.done = true;
        if (!tell(fd, &w) || seed > UINT64_MAX - o->jobs)
            return;
    }
}

/* ---- the parent ---- */

struct worker {
    pid_t pid;
    int fd;
    struct word last; /* what it said last */
    size_t got;
    struct word half;
};

static bool start_worker(const struct options *o, unsigned i, struct worker *w, double end)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    (void)fflush(stdout);
    w->pid = fork();
    if (w->pid == 0) {
        (void)close(ends[0]);
        work(o, i, ends[1], end);
        exit(EXIT_FINE);
    }
    (void)close(ends[1]);
    w->fd = ends[0];
    w->last.done = true;
    return w->pid > 0;
}

static void count(const struct options *o, struct totals *t, const struct sim_result *r)
{
    t->seeds++;
    t->steps += r->steps;
    t->events += r->events;
    for (int f = 0; f < SIM_FAULTS_N; f++)
        t->fired[f] += r->fired[f] > 0;
    if (o->single || o->verbose)
        print_seed(r);
    if (r->found) {
        t->findings++;
        print_finding(o, r);
    }
    (void)fflush(stdout);
}

/* It ended; if not in order, that is a finding too. */
static void bury(const struct options *o, struct totals *t, struct worker *w)
{
    int status = 0;
    (void)close(w->fd);
    w->fd = -1;
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    w->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    struct sim_result *r = &w->last.r;
    r->found = true;
    (void)snprintf(r->oracle, sizeof r->oracle, "crash");
    if (WIFSIGNALED(status))
        (void)snprintf(r->text, sizeof r->text, "the process was ended by signal %d (%s)%s",
                       WTERMSIG(status), strsignal(WTERMSIG(status)),
                       WTERMSIG(status) == SIGALRM ? ": it took too long" : "");
    else
        (void)snprintf(r->text, sizeof r->text, "the process ended with %d%s", WEXITSTATUS(status),
                       w->last.done ? ", after its last seed" : "");
    count(o, t, r);
}

static void listen_to(const struct options *o, struct totals *t, struct worker *w)
{
    ssize_t n = read(w->fd, (char *)&w->half + w->got, sizeof w->half - w->got);
    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0) {
        bury(o, t, w);
        return;
    }
    w->got += (size_t)n;
    if (w->got < sizeof w->half)
        return;
    w->got = 0;
    w->last = w->half;
    if (w->last.done)
        count(o, t, &w->last.r);
}

static void end_workers(struct worker *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (w[i].pid > 0)
            (void)kill(w[i].pid, SIGKILL);
    for (unsigned i = 0; i < n; i++)
        if (w[i].pid > 0)
            (void)waitpid(w[i].pid, NULL, 0);
}

static int run_all(const struct options *o)
{
    static struct worker workers[JOBS_MAX];
    struct totals t = {.began = clock_s()};
    struct pollfd fds[JOBS_MAX];
    for (unsigned i = 0; i < o->jobs; i++)
        if (!start_worker(o, i, &workers[i], t.began + o->seconds)) {
            perror("slipgate-sim");
            end_workers(workers, i);
            return EXIT_FINDING;
        }
    for (bool any = true; any && (t.findings == 0 || o->keep_going);) {
        any = false;
        for (unsigned i = 0; i < o->jobs; i++) {
            fds[i] = (struct pollfd){.fd = workers[i].fd, .events = POLLIN};
            any |= workers[i].fd >= 0;
        }
        if (!any || poll(fds, o->jobs, -1) < 0)
            continue;
        for (unsigned i = 0; i < o->jobs; i++)
            if (fds[i].revents)
                listen_to(o, &t, &workers[i]);
    }
    end_workers(workers, o->jobs);
    if (!o->single)
        print_totals(&t);
    return t.findings ? EXIT_FINDING : EXIT_FINE;
}

/* In this process, for a debugger. */
static int run_here(const struct options *o)
{
    struct totals t = {.began = clock_s()};
    for (uint64_t seed = o->first; seed <= o->last && (t.findings == 0 || o->keep_going); seed++) {
        static struct sim_result r;
        run_one(o, seed, &r);
        count(o, &t, &r);
        if (seed == o->last || (o->seconds > 0 && clock_s() >= t.began + o->seconds))
            break;
    }
    if (!o->single)
        print_totals(&t);
    return t.findings ? EXIT_FINDING : EXIT_FINE;
}

/* ---- the command line ---- */

static void usage(void)
{
    (void)fputs(
        "usage: slipgate-sim --seed N | --seeds A-B | --fresh [options]\n"
        "  --seed N         one world; prints its plan and what happened to it\n"
        "  --seeds A-B      one after the other\n"
        "  --fresh          seeds nobody has seen before, until --seconds or interrupted\n"
        "  --seconds S      begin no further seed after so long\n"
        "  --jobs N         worlds side by side, in processes of their own; 0: in this one\n"
        "  --twice          each seed twice, comparing every event\n"
        "  --keep-going     after a finding too\n"
        "  --verbose        a line for every seed\n"
        "  --trace          every event on standard output\n"
        "  --plant NAME     with one deliberate defect; list names them\n"
        "  --without NAMES  leave these faults out, separated by commas; all: fair weather\n"
        "  --faults list    names what can go wrong\n"
        "exit status: 0 nothing found, 1 a finding, 2 wrong usage\n",
        stdout);
}

static void list_faults(void)
{
#define SIM_FAULT(id, name, text) (void)printf("%-16s %s\n", name, text);
#include "sim/faults.def"
#undef SIM_FAULT
}

static void list_plants(void)
{
    char name[64];
    const struct plant_row *r;
    for (size_t i = 1; (r = plant_row(i)); i++)
        (void)printf("%-28s %-12s %s\n", plant_name(r, name), r->fault, r->text);
}

static bool number(const char *text, const char *end_at, uint64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && errno == 0 && strchr(end_at, *end) && (*end || !*end_at);
}

static bool range(const char *text, struct options *o)
{
    const char *dash = strchr(text, '-');
    return dash && number(text, "-", &o->first) && number(dash + 1, "", &o->last) &&
           o->first <= o->last;
}

static bool fresh(struct options *o)
{
    if (getrandom(&o->first, sizeof o->first, 0) != sizeof o->first)
        return false;
    o->first >>= 12; /* easy to type, far from the end */
    o->last = UINT64_MAX;
    (void)printf("fresh seeds from %" PRIu64 "\n", o->first);
    return true;
}

/* Says what is wrong and what to give; for every option that returns false. */
static bool wrong(const struct options *o, const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", o->program, what);
    return false;
}

static bool leave_out(const char *name, size_t n, struct options *o)
{
    if (n == 3 && memcmp(name, "all", n) == 0) {
        o->without = (UINT32_C(1) << SIM_FAULTS_N) - 1;
        return true;
    }
    for (int f = 0; f < SIM_FAULTS_N; f++) {
        const char *known = sim_fault_name((enum sim_fault)f);
        if (strlen(known) == n && memcmp(name, known, n) == 0) {
            o->without |= UINT32_C(1) << f;
            return true;
        }
    }
    (void)fprintf(stderr, "%s: no fault is called %.*s; --faults list names them\n", o->program,
                  (int)n, name);
    return false;
}

static bool without(const char *names, struct options *o)
{
    (void)snprintf(o->without_text, sizeof o->without_text, "%s", names);
    for (; *names; names += *names == ',') {
        size_t n = strcspn(names, ",");
        if (!leave_out(names, n, o))
            return false;
        names += n;
    }
    return o->without != 0 || wrong(o, "--without: give faults; --faults list names them");
}

static bool plant(const char *name, struct options *o, bool *list)
{
    o->plant = name;
    *list = strcmp(name, "list") == 0;
    if (*list || plant_choose(name))
        return true;
    (void)fprintf(stderr, "%s: no defect is called %s; --plant list names them\n", o->program,
                  name);
    return false;
}

enum {
    OPT_SEED = 1,
    OPT_SEEDS,
    OPT_FRESH,
    OPT_SECONDS,
    OPT_JOBS,
    OPT_TRACE,
    OPT_TWICE,
    OPT_PLANT,
    OPT_WITHOUT,
    OPT_FAULTS,
    OPT_KEEP_GOING,
    OPT_VERBOSE,
    OPT_HELP
};

static const struct option longs[] = {
    {"seed", required_argument, NULL, OPT_SEED},
    {"seeds", required_argument, NULL, OPT_SEEDS},
    {"fresh", no_argument, NULL, OPT_FRESH},
    {"seconds", required_argument, NULL, OPT_SECONDS},
    {"jobs", required_argument, NULL, OPT_JOBS},
    {"trace", no_argument, NULL, OPT_TRACE},
    {"twice", no_argument, NULL, OPT_TWICE},
    {"plant", required_argument, NULL, OPT_PLANT},
    {"without", required_argument, NULL, OPT_WITHOUT},
    {"faults", required_argument, NULL, OPT_FAULTS},
    {"keep-going", no_argument, NULL, OPT_KEEP_GOING},
    {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

struct parsed {
    bool which, list_plants, list_faults, help;
};

/* False: it is wrong, and standard error says what. */
static bool option(int c, struct options *o, struct parsed *p)
{
    uint64_t n;
    if (p->which && (c == OPT_SEED || c == OPT_SEEDS || c == OPT_FRESH))
        return wrong(o, "give one of --seed, --seeds and --fresh");
    switch (c) {
    case OPT_SEED:
        p->which = o->single = number(optarg, "", &o->first);
        o->last = o->first;
        return p->which || wrong(o, "--seed: give a number");
    case OPT_SEEDS:
        p->which = range(optarg, o);
        return p->which || wrong(o, "--seeds: give two numbers in order, such as 1-500");
    case OPT_FRESH:
        p->which = fresh(o);
        return p->which || wrong(o, "--fresh: the system has no entropy; give --seeds");
    case OPT_SECONDS:
        if (!number(optarg, "", &n) || n == 0)
            return wrong(o, "--seconds: give a whole number, at least 1");
        o->seconds = (double)n;
        return true;
    case OPT_JOBS:
        if (!number(optarg, "", &n) || n > JOBS_MAX)
            return wrong(o, "--jobs: give 0 to 64");
        o->jobs = (unsigned)n;
        return true;
    case OPT_TRACE: return o->trace = true;
    case OPT_TWICE: return o->twice = true;
    case OPT_KEEP_GOING: return o->keep_going = true;
    case OPT_VERBOSE: return o->verbose = true;
    case OPT_PLANT: return plant(optarg, o, &p->list_plants);
    case OPT_WITHOUT: return without(optarg, o);
    case OPT_FAULTS:
        p->list_faults = strcmp(optarg, "list") == 0;
        return p->list_faults || wrong(o, "--faults: give list");
    case OPT_HELP: return p->help = true;
    default: return false; /* getopt said it */
    }
}

static bool together(const struct options *o, const struct parsed *p, int more)
{
    if (more)
        return wrong(o, "it takes options only");
    if (!p->which)
        return wrong(o, "give one of --seed, --seeds and --fresh");
    return !o->trace || (o->single && !o->twice) || wrong(o, "--trace goes with --seed alone");
}

int main(int argc, char **argv)
{
    struct options o = {.program = argv[0], .jobs = 1};
    struct parsed p = {0};
    bool fine = true;
    for (int c; fine && (c = getopt_long(argc, argv, "", longs, NULL)) != -1;)
        fine = option(c, &o, &p);
    if (fine && p.list_plants) {
        list_plants();
    } else if (fine && p.list_faults) {
        list_faults();
    } else if (fine && p.help) {
        usage();
    } else if (fine && together(&o, &p, argc - optind)) {
        return o.jobs ? run_all(&o) : run_here(&o);
    } else {
        (void)fprintf(stderr, "%s --help lists the options\n", o.program);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}
