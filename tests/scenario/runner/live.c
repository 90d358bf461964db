/* Scripts against real servers, several side by side: each in a process of its own, with a server
 * of its own. */
#include "runner.h"

#include "base/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct job {
    const struct script *script;
    unsigned number;
    pid_t pid;
    FILE *outcome; /* struct result, then the words */
    double start;
};

/* In a process of its own. */
static void play_and_exit(const struct job *j, const struct options *o)
{
    struct buf why;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN);
    buf_init(&why, 1u << 20);
    crash_context(j->script->path, "live");
    struct live_cfg cfg = o->live;
    cfg.number = j->number;
    struct result x = play(j->script, back_live(&cfg), false, &why);
    bool ok = fwrite(&x, sizeof x, 1, j->outcome) == 1 &&
              (why.n == 0 || fwrite(why.p, 1, why.n, j->outcome) == why.n) &&
              fflush(j->outcome) == 0;
    (void)fflush(stdout);
    _exit(ok ? 0 : 1);
}

static void begin(struct job *j, const struct options *o)
{
    j->outcome = tmpfile();
    CHECK(j->outcome);
    j->start = clock_s();
    (void)fflush(stdout);
    j->pid = fork();
    CHECK(j->pid >= 0);
    if (j->pid == 0)
        play_and_exit(j, o);
}

static void end(struct job *j, struct report *r, int status)
{
    static uint8_t bytes[1u << 20];
    struct result x = {.ok = false};
    rewind(j->outcome);
    size_t n = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && fread(&x, sizeof x, 1, j->outcome) == 1)
        n = fread(bytes, 1, sizeof bytes, j->outcome);
    else
        n = (size_t)snprintf((char *)bytes, sizeof bytes, "%s: the runner itself broke (%d)\n",
                             j->script->path, status);
    report_add(r, j->script->name, &x, clock_s() - j->start, span_of(bytes, n));
    (void)fclose(j->outcome);
    j->pid = 0;
}

/* Waits for one of the jobs. */
static void end_one(struct job *jobs, unsigned n, struct report *r)
{
    int status;
    pid_t pid = wait(&status);
    CHECK(pid > 0);
    for (unsigned i = 0; i < n; i++)
        if (jobs[i].pid == pid)
            end(&jobs[i], r, status);
}

int run_live(struct script *const *scripts, size_t n, const struct options *o)
{
    struct job jobs[64] = {0};
    unsigned running = 0;
    double start = clock_s();
    if (access(o->live.binary, X_OK) != 0) {
        fprintf(stderr, "converse: %s cannot be run\n", o->live.binary);
        return 2;
    }
    struct report *r = report_open(o->junit, "live", "steps");
    for (size_t i = 0; i < n; i++) {
        if (scripts[i]->sim_only) {
            report_skip(r, scripts[i]->name, "only for the simulated world");
            continue;
        }
        if (running == o->jobs) {
            end_one(jobs, o->jobs, r);
            running--;
        }
        unsigned slot = 0;
        while (jobs[slot].pid)
            slot++;
        jobs[slot].script = scripts[i];
        jobs[slot].number = (unsigned)i + 1;
        begin(&jobs[slot], o);
        running++;
    }
    for (; running; running--)
        end_one(jobs, o->jobs, r);
    return report_close(r, clock_s() - start);
}
