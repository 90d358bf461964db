/* Torture: a test program run again and again, each time with another request for memory failing.
 *
 * Linked into a test program by slipgate_torture() (cmake/Slipgate.cmake), beside
 * sim/alloc_fault.c; nothing in the program changes. Started with SLIPGATE_TORTURE in its
 * environment, it runs each of its tests alone, in a process of its own, with the Nth request
 * failing, for N = 1, 2, ... until the test passes untouched. An assertion that does not hold is no
 * finding, because a test may insist on memory. These are findings:
 *   - a signal, a failed CHECK, a sanitizer's report, a test that does not end;
 *   - memory that is still held after a test that passed all the same.
 *
 *   SLIPGATE_TORTURE=1       the first Ns and some of the others
 *   SLIPGATE_TORTURE_FULL=1  beside it: every N; in tests that fill a table up to its ceiling,
 * which would take days, as many as fit into half a minute a test SLIPGATE_TORTURE=TEST:N  one run
 * in this process, to repeat a finding */
#include "sim/alloc_fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TESTS_MAX  128
#define NAME_MAX_  128
#define OUTPUT_MAX 65536
#define ALONE_S    30 /* a test that runs longer hangs */
#define RUNS       16 /* of a test, when not every N is wanted */
#define RUNS_LEAST 3
#define TEST_MS    600 /* fewer where they would take longer than this together */
#define RUNS_FULL  4096
#define FULL_MS    30000

struct outcome { /* written by the process that ran the test */
    int status;
    bool ended, fired;
    unsigned long requests;
    long blocks, ms;
};

static struct {
    char output[OUTPUT_MAX + 1];
    char tests[TESTS_MAX][NAME_MAX_];
    size_t tests_n;
    int output_fd;
    struct outcome *outcome; /* shared with the child */
    unsigned long runs, findings;
} torture;

static void say(const char *text)
{
    ssize_t n = write(STDOUT_FILENO, text, strlen(text));
    (void)n;
}

#ifdef SLIPGATE_COVERAGE
void __gcov_dump(void);
#endif

/* At the end of the test's process: what became of its memory. Nothing that exit would do besides
 * is worth its time, a walk for leaks least of all; only what counts lines must be written. */
static void note_end(int status, void *ctx)
{
    (void)ctx;
    (void)fflush(NULL);
    *torture.outcome = (struct outcome){.status = status,
                                        .ended = true,
                                        .fired = alloc_fault_fired(),
                                        .requests = alloc_requests(),
                                        .blocks = alloc_live_blocks()};
#ifdef SLIPGATE_COVERAGE
    __gcov_dump();
#endif
    _exit(status);
}

/* Runs this program with test alone, or all of it where test is NULL, and nth failing. True in the
 * process that is to go on into main. */
static bool run(const char *test, unsigned long nth)
{
    int status;
    torture.runs++;
    *torture.outcome = (struct outcome){.ended = false};
    (void)(ftruncate(torture.output_fd, 0) + lseek(torture.output_fd, 0, SEEK_SET));
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(torture.output_fd, STDOUT_FILENO);
        (void)dup2(torture.output_fd, STDERR_FILENO);
        (void)alarm(ALONE_S);
        if (test)
            cmocka_set_test_filter(test);
        (void)on_exit(note_end, NULL);
        if (nth)
            alloc_fault_at(nth);
        return true;
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        say("torture: no process to be had\n");
        _exit(1);
    }
    ssize_t n = pread(torture.output_fd, torture.output, OUTPUT_MAX, 0);
    torture.output[n < 0 ? 0 : n] = '\0';
    return false;
}

static const char *finding(const struct outcome *untouched)
{
    static const char *const reports[] = {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                                          "runtime error:", "Test failed with exception"};
    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++)
        if (strstr(torture.output, reports[i]))
            return reports[i];
    if (!torture.outcome->ended)
        return "it was ended by a signal";
    if (torture.outcome->status == 0 && torture.outcome->blocks > untouched->blocks)
        return "it passed, but memory is still held";
    return NULL;
}

static void report(const char *test, unsigned long nth, const char *what)
{
    char text[512];
    torture.findings++;
    say(torture.output);
    (void)snprintf(text, sizeof text, "torture: %s\ntorture: SLIPGATE_TORTURE=%s:%lu %s\n", what,
                   test, nth, program_invocation_name);
    say(text);
}

/* Every test's name, from what a run of all of them prints. */
static void list_tests(void)
{
    static const char mark[] = "[ RUN      ] ";
    for (const char *at = torture.output; (at = strstr(at, mark)) && torture.tests_n < TESTS_MAX;) {
        at += sizeof mark - 1;
        size_t n = strcspn(at, "\n");
        if (n < NAME_MAX_) {
            memcpy(torture.tests[torture.tests_n], at, n);
            torture.tests[torture.tests_n++][n] = '\0';
        }
    }
}

static long now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

/* True in a process that is to go on into main. */
static bool torture_test(const char *test, bool full)
{
    long began = now_ms();
    if (run(test, 0))
        return true;
    struct outcome untouched = *torture.outcome;
    untouched.ms = now_ms() - began;
    if (!untouched.ended || untouched.status) {
        report(test, 0, "the test fails untouched");
        return false;
    }
    /* The first ones, where things are made, and then some of all the others. */
    long runs = (full ? FULL_MS : TEST_MS) / (untouched.ms + 1), most = full ? RUNS_FULL : RUNS;
    runs = runs > most ? most : runs < RUNS_LEAST ? RUNS_LEAST : runs;
    bool every = full && untouched.requests <= (unsigned long)runs;
    unsigned long first = (unsigned long)runs / 2,
                  stride = 2 * untouched.requests / (unsigned long)runs + 1;
    for (unsigned long nth = 1; nth <= untouched.requests;) {
        if (run(test, nth))
            return true;
        const char *what = finding(&untouched);
        if (what)
            report(test, nth, what);
        nth += every || nth <= first ? 1 : stride;
    }
    return false;
}

static bool torture_all(bool full)
{
    char text[256];
    torture.output_fd = memfd_create("torture", MFD_CLOEXEC);
    torture.outcome = mmap(NULL, sizeof *torture.outcome, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (torture.output_fd < 0 || torture.outcome == MAP_FAILED)
        _exit(1);
    if (run(NULL, 0))
        return true;
    list_tests();
    for (size_t i = 0; i < torture.tests_n; i++)
        if (torture_test(torture.tests[i], full))
            return true;
    (void)snprintf(text, sizeof text, "torture: %zu tests, %lu runs, %lu findings\n",
                   torture.tests_n, torture.runs, torture.findings);
    say(text);
    _exit(torture.findings || torture.tests_n == 0 ? 1 : 0);
}

/* Before main, so that no test program has to know. */
__attribute__((constructor)) static void torture_begin(void)
{
    static char name[NAME_MAX_];
    const char *how = getenv("SLIPGATE_TORTURE");
    if (!how || !*how)
        return;
    const char *colon = strrchr(how, ':');
    if (!colon) {
        (void)torture_all(getenv("SLIPGATE_TORTURE_FULL") != NULL);
        return;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(colon - how), how);
    cmocka_set_test_filter(name);
    alloc_fault_at(strtoul(colon + 1, NULL, 10));
}
