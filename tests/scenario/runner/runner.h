/* The parts of the program `converse` behind its options (main.c). */
#ifndef SLIPGATE_SCENARIO_RUNNER_H
#define SLIPGATE_SCENARIO_RUNNER_H

#include "back.h"
#include "play.h"

struct counts {
    unsigned long scripts, steps, skipped, failed;
    unsigned skipped_scripts; /* for the other back end as a whole */
};

struct options {
    struct live_cfg live;
    const char *junit;
    const char *torture; /* "alloc", "ask", "all" */
    unsigned long runs;  /* torture: at most about so many of each kind for a script; 0: all */
    bool from;           /* torture: from the nth on everything fails, too */
    unsigned jobs;
    bool check, quiet;
};

/* Each: 0, or 1 when something failed. */
int run_sim(struct script *const *, size_t n, const struct options *);
int run_live(struct script *const *, size_t n, const struct options *);
int run_torture(struct script *const *, size_t n, const struct options *);

/* The result of one script: a line on standard output, a case in the report. */
struct report;
/* unit: what the steps of a result are. */
struct report *report_open(const char *junit, const char *suite, const char *unit);
void report_add(struct report *, const char *name, const struct result *, double seconds,
                struct span why);
void report_skip(struct report *, const char *name, const char *why);
/* Prints the counts; 0, or 1 when a script failed. */
int report_close(struct report *, double seconds);

double clock_s(void);
/* Says where it was when the process aborts or a sanitizer ends it. */
void crash_context(const char *script, const char *more);
void crash_line(unsigned at);
void crash_watch(void);

#endif
