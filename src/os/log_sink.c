#include "os/log_sink.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCH_MAX 65536u /* bytes written at once to a regular file */
/* To anything else: what a pipe that polls writable takes without blocking. */
#define BATCH_PIPE PIPE_BUF
#define JOIN_MS    500u /* for a writer that was told to give up */

_Static_assert(LOG_SINK_RECORD_MAX <= PIPE_BUF, "a whole record fits every batch");

struct log_sink {
    struct log log; /* first: emit gets it */
    _Atomic(enum log_sink_format) format;
    char *path; /* NULL: the fd is the caller's */

    pthread_t thread;
    pthread_mutex_t lock; /* guards all down to the next empty line */
    pthread_cond_t more;  /* for the writer: something to do */
    pthread_cond_t idle;  /* from the writer: nothing left */
    char *ring;
    size_t cap, head, n;
    uint64_t dropped, unreported;
    int next_fd; /* to go on with, or -1 */
    bool writing, broken, stopping;

    /* The writer's alone. */
    int fd, give_up; /* give_up: an eventfd that ends its waiting */
    bool torn;       /* a record was cut by a failed write */
    char batch[BATCH_MAX];
};

static const struct log_row row_dropped = {LOG_WARN, "log.dropped",
                                           "records lost: what reads the log is too slow or fails"};

static void ring_put(struct log_sink *s, const char *p, size_t n)
{
    size_t at = (s->head + s->n) % s->cap;
    size_t first = n < s->cap - at ? n : s->cap - at;
    memcpy(s->ring + at, p, first);
    memcpy(s->ring, p + first, n - first);
    s->n += n;
}

/* Moves whole records into the batch. There is one: the ring is not empty. */
static size_t ring_take(struct log_sink *s, size_t max)
{
    size_t n = s->n < max ? s->n : max;
    size_t first = n < s->cap - s->head ? n : s->cap - s->head;
    memcpy(s->batch, s->ring + s->head, first);
    memcpy(s->batch + first, s->ring, n - first);
    while (n > 0 && s->batch[n - 1] != '\n')
        n--;
    CHECK(n > 0);
    s->head = (s->head + n) % s->cap;
    s->n -= n;
    return n;
}

static void put_dropped(struct log_sink *s)
{
    char line[LOG_SINK_RECORD_MAX];
    const struct log_field fields[] = {LF_UINT("records", s->unreported),
                                       LF_UINT("since_start", s->dropped)};
    size_t n = log_sink_format(line, atomic_load(&s->format), clock_now().unix_ms, &row_dropped,
                               fields, ARRAY_LEN(fields));
    ring_put(s, line, n);
    s->unreported = 0;
}

/* After a loss, records are let in again only when half of the ring is free, so that one report
 * stands for a whole burst. */
static bool has_room(const struct log_sink *s, enum log_level level, size_t n)
{
    size_t cap = level <= LOG_WARN ? s->cap : s->cap - s->cap / 8;
    return s->n + n <= cap && (level <= LOG_WARN || s->unreported == 0 || s->n <= s->cap / 2);
}

static void emit(struct log *log, const struct log_row *row, const struct log_field *fields,
                 size_t fields_n)
{
    struct log_sink *s = CONTAINER_OF(log, struct log_sink, log);
    char line[LOG_SINK_RECORD_MAX];
    size_t n =
        log_sink_format(line, atomic_load(&s->format), clock_now().unix_ms, row, fields, fields_n);
    pthread_mutex_lock(&s->lock);
    if (s->unreported && !s->broken && s->n <= s->cap / 2 &&
        s->n + n + LOG_SINK_RECORD_MAX <= s->cap)
        put_dropped(s);
    if (has_room(s, row->level, n)) {
        ring_put(s, line, n);
        pthread_cond_signal(&s->more);
    } else {
        s->dropped++;
        s->unreported++;
    }
    pthread_mutex_unlock(&s->lock);
}

/* Waits until fd can take bytes; false when told to give up. */
static bool wait_writable(struct log_sink *s)
{
    struct pollfd fds[] = {{.fd = s->fd, .events = POLLOUT}, {.fd = s->give_up, .events = POLLIN}};
    while (poll(fds, ARRAY_LEN(fds), -1) < 0)
        if (errno != EINTR)
            return false;
    return !(fds[1].revents & POLLIN);
}

/* Returns how many of the bytes went out. */
static size_t write_bytes(struct log_sink *s, const char *p, size_t n)
{
    size_t done = 0;
    while (done < n && wait_writable(s)) {
        ssize_t wrote = write(s->fd, p + done, n - done);
        if (wrote < 0 && errno != EINTR && errno != EAGAIN)
            break;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return done;
}

/* Writes n bytes of the batch; returns how many records were lost. */
static uint64_t write_batch(struct log_sink *s, size_t n)
{
    if (s->torn)
        s->torn = write_bytes(s, "\n", 1) == 0;
    size_t done = s->torn ? 0 : write_bytes(s, s->batch, n);
    if (done > 0)
        s->torn = s->batch[done - 1] != '\n';
    uint64_t lost = 0;
    for (size_t i = done; i < n; i++)
        lost += s->batch[i] == '\n';
    return lost;
}

static void take_next_fd(struct log_sink *s)
{
    int old = s->fd;
    s->fd = s->next_fd;
    s->next_fd = -1;
    s->broken = false;
    s->torn = false;
    if (s->path)
        close(old);
}

static bool is_idle(const struct log_sink *s)
{
    return s->n == 0 && !s->writing && s->next_fd < 0 && (s->unreported == 0 || s->broken);
}

/* One turn of the writer; the lock is held, and let go for the write itself. */
static void write_some(struct log_sink *s)
{
    if (s->next_fd >= 0)
        take_next_fd(s);
    if (s->n == 0 && s->unreported && !s->broken)
        put_dropped(s);
    if (s->n == 0)
        return;
    struct stat st;
    bool regular = fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode);
    size_t n = ring_take(s, regular ? BATCH_MAX : BATCH_PIPE);
    s->writing = true;
    pthread_mutex_unlock(&s->lock);
    uint64_t lost = write_batch(s, n);
    pthread_mutex_lock(&s->lock);
    s->writing = false;
    s->broken = lost > 0;
    s->dropped += lost;
    s->unreported += lost;
}

static void *writer(void *ctx)
{
    struct log_sink *s = ctx;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        if (is_idle(s)) {
            pthread_cond_broadcast(&s->idle);
            if (s->stopping)
                break;
            pthread_cond_wait(&s->more, &s->lock);
            continue;
        }
        write_some(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int open_path(const char *path, struct buf *why)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    if (fd < 0)
        (void)buf_printf(why, "cannot open %s: %s; set log.file to a file the server may write",
                         path, strerror(errno));
    return fd < 0 ? E_IO : fd;
}

/* Signals are for the loop's thread: the writer must not take them, nor die of SIGPIPE. */
static int start_thread(struct log_sink *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&s->thread, NULL, writer, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err ? E_NOMEM : 0;
}

static void init_locks(struct log_sink *s)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, &attr);
    pthread_cond_init(&s->idle, &attr);
    pthread_condattr_destroy(&attr);
}

static void sink_free(struct log_sink *s)
{
    pthread_cond_destroy(&s->idle);
    pthread_cond_destroy(&s->more);
    pthread_mutex_destroy(&s->lock);
    if (s->path && s->fd >= 0)
        close(s->fd);
    if (s->next_fd >= 0)
        close(s->next_fd);
    if (s->give_up >= 0)
        close(s->give_up);
    mem_free(s->ring);
    mem_free(s->path);
    mem_free(s);
}

static int sink_open(struct log_sink *s, const struct log_sink_options *options, struct buf *why)
{
    if (options->path && *options->path) {
        size_t size = strlen(options->path) + 1;
        s->path = mem_zalloc(size, 1);
        if (!s->path)
            return E_NOMEM;
        memcpy(s->path, options->path, size);
        s->fd = open_path(s->path, why);
        if (s->fd < 0)
            return E_IO;
    } else {
        s->fd = options->fd;
    }
    s->ring = mem_zalloc(s->cap, 1);
    s->give_up = eventfd(0, EFD_CLOEXEC);
    if (!s->ring || s->give_up < 0)
        return E_NOMEM;
    return start_thread(s);
}

int log_sink_create(struct log_sink **ret, const struct log_sink_options *options, struct buf *why)
{
    struct log_sink *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return E_NOMEM;
    s->log = (struct log){options->level, emit};
    atomic_init(&s->format, options->format);
    s->cap = options->ring_bytes ? options->ring_bytes : LOG_SINK_RING_BYTES;
    CHECK(s->cap >= (size_t)2 * LOG_SINK_RECORD_MAX);
    s->fd = s->next_fd = s->give_up = -1;
    init_locks(s);
    int err = sink_open(s, options, why);
    if (err) {
        if (why->n == 0)
            (void)buf_append_str(why, err_text(err));
        sink_free(s);
        return err;
    }
    *ret = s;
    return 0;
}

static struct timespec deadline_in(clockid_t clock, unsigned ms)
{
    struct timespec t;
    clock_gettime(clock, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

bool log_sink_flush(struct log_sink *s, unsigned timeout_ms)
{
    struct timespec deadline = deadline_in(CLOCK_MONOTONIC, timeout_ms);
    pthread_mutex_lock(&s->lock);
    int err = 0;
    while (!is_idle(s) && err != ETIMEDOUT)
        err = pthread_cond_timedwait(&s->idle, &s->lock, &deadline);
    bool done = is_idle(s);
    pthread_mutex_unlock(&s->lock);
    return done;
}

void log_sink_destroy(struct log_sink *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    if (!log_sink_flush(s, LOG_SINK_FLUSH_MS))
        (void)eventfd_write(s->give_up, 1);
    struct timespec deadline = deadline_in(CLOCK_REALTIME, JOIN_MS);
    /* A terminal that was stopped holds the writer inside write: then all stays as it is, for the
     * process is about to end. */
    if (pthread_timedjoin_np(s->thread, NULL, &deadline) == 0)
        sink_free(s);
}

struct log *log_sink_log(struct log_sink *s)
{
    return &s->log;
}

void log_sink_set_format(struct log_sink *s, enum log_sink_format format)
{
    atomic_store(&s->format, format);
}

int log_sink_reopen(struct log_sink *s, struct buf *why)
{
    if (!s->path)
        return 0;
    int fd = open_path(s->path, why);
    if (fd < 0)
        return E_IO;
    pthread_mutex_lock(&s->lock);
    int unused = s->next_fd;
    s->next_fd = fd;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    if (unused >= 0)
        close(unused);
    return 0;
}

uint64_t log_sink_dropped(struct log_sink *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t n = s->dropped;
    pthread_mutex_unlock(&s->lock);
    return n;
}
