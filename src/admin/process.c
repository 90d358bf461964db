#include "admin/process.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { P_BUILD, P_CPU, P_RESIDENT, P_THREADS, P_FDS, P_FDS_MAX, P_START, P_UPTIME, ROWS_N };

static const struct metric_row rows[ROWS_N] = {
    [P_BUILD] = {"slipgate_build_info", "version=\"" SLIPGATE_VERSION "\"", METRIC_GAUGE,
                 "Always 1; its label is the version."},
    [P_CPU] = {"slipgate_process_cpu_seconds_total", "", METRIC_COUNTER_NS,
               "Processor time used, user and system."},
    [P_RESIDENT] = {"slipgate_process_resident_memory_bytes", "", METRIC_GAUGE, "Memory in RAM."},
    [P_THREADS] = {"slipgate_process_threads", "", METRIC_GAUGE, "Threads."},
    [P_FDS] = {"slipgate_process_open_fds", "", METRIC_GAUGE, "Open file descriptors."},
    [P_FDS_MAX] = {"slipgate_process_max_fds", "", METRIC_GAUGE,
                   "Most file descriptors that may be open."},
    [P_START] = {"slipgate_process_start_time_seconds", "", METRIC_GAUGE_NS,
                 "When the process started, in Unix time."},
    [P_UPTIME] = {"slipgate_uptime_seconds", "", METRIC_GAUGE_NS, "Time since the start."},
};

int process_metrics_init(struct process_metrics *p, struct metrics *m, struct now now)
{
    int base = metrics_register(m, rows, ROWS_N);
    if (base < 0)
        return base;
    *p = (struct process_metrics){m, (size_t)base, now.mono, now.unix_ms};
    return 0;
}

/* The number after name in /proc/self/status, 0 when it cannot be had. */
static int64_t status_number(const char *status, const char *name)
{
    const char *at = strstr(status, name);
    return at ? strtoll(at + strlen(name), NULL, 10) : 0;
}

/* Asks poll which of all possible descriptors are open: reading /proc/self/fd instead would hold
 * the loop for tens of milliseconds when there are many. */
static int64_t count_descriptors(int64_t table_size)
{
    struct pollfd fds[512];
    int64_t open_n = 0;
    for (int64_t at = 0; at < table_size; at += (int64_t)ARRAY_LEN(fds)) {
        int64_t left = table_size - at;
        nfds_t n = left < (int64_t)ARRAY_LEN(fds) ? (nfds_t)left : ARRAY_LEN(fds);
        for (nfds_t i = 0; i < n; i++)
            fds[i] = (struct pollfd){.fd = (int)at + (int)i};
        if (poll(fds, n, 0) < 0)
            return 0;
        for (nfds_t i = 0; i < n; i++)
            open_n += !(fds[i].revents & POLLNVAL);
    }
    return open_n;
}

static void refresh_status(struct process_metrics *p)
{
    char status[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, status, sizeof status - 1);
    close(fd);
    if (n <= 0)
        return;
    status[n] = '\0';
    metrics_set(p->metrics, p->base + P_RESIDENT, status_number(status, "\nVmRSS:") * 1024);
    metrics_set(p->metrics, p->base + P_THREADS, status_number(status, "\nThreads:"));
    metrics_set(p->metrics, p->base + P_FDS, count_descriptors(status_number(status, "\nFDSize:")));
}

static int64_t timeval_ns(struct timeval t)
{
    return (int64_t)t.tv_sec * (int64_t)NSEC_PER_S + (int64_t)t.tv_usec * 1000;
}

void process_metrics_refresh(struct process_metrics *p, struct now now)
{
    struct rusage usage;
    struct rlimit limit;
    metrics_set(p->metrics, p->base + P_BUILD, 1);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        metrics_set(p->metrics, p->base + P_CPU,
                    timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime));
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        metrics_set(p->metrics, p->base + P_FDS_MAX, (int64_t)limit.rlim_cur);
    metrics_set(p->metrics, p->base + P_START, p->start_unix_ms * (int64_t)NSEC_PER_MS);
    metrics_set(p->metrics, p->base + P_UPTIME, (int64_t)(now.mono - p->start));
    refresh_status(p);
}
