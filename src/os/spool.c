#include "os/spool.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct log_row row_cut = {LOG_WARN, "spool.cut",
                                       "a line that was not written to its end is cut off"};
static const struct log_row row_aside = {LOG_WARN, "spool.aside", "the spool is put aside"};
static const struct log_row row_failed = {LOG_ERROR, "spool.failed", "the spool's file fails"};

enum op { IDLE, APPEND, READ, CLEAR };

struct spool {
    struct audit_spool port;
    struct loop *loop;
    struct loop_pool *pool;
    struct log *log;
    struct job job;
    uint64_t bytes_max;
    int fd;
    char path[PATH_MAX];

    /* of the call under way; the pool's thread's while the job is */
    enum op op;
    struct span lines;
    bool keep;
    int rc, error; /* error: errno */
    char aside[PATH_MAX + 32];
    void (*done)(void *ctx, struct now, int rc);
    void (*done_read)(void *ctx, struct now, int rc, struct span);
    void *ctx;

    uint64_t size; /* whole lines */
    bool dirty;    /* behind them is something else */
    uint8_t *text; /* of the last read */
};

/* ---- on the pool's thread */

static int env(struct spool *s)
{
    s->error = errno;
    return E_IO;
}

static int write_at(struct spool *s, struct span bytes, uint64_t at)
{
    while (bytes.n) {
        ssize_t n = pwrite(s->fd, bytes.p, bytes.n, (off_t)at);
        if (n < 0 && errno != EINTR)
            return env(s);
        if (n > 0) {
            bytes = span_skip(bytes, (size_t)n);
            at += (uint64_t)n;
        }
    }
    return 0;
}

static int append(struct spool *s)
{
    if (s->lines.n > s->bytes_max || s->size > s->bytes_max - s->lines.n)
        return E_FULL;
    if (s->dirty && ftruncate(s->fd, (off_t)s->size) != 0)
        return env(s);
    s->dirty = true;
    int rc = write_at(s, s->lines, s->size);
    if (rc == 0 && fdatasync(s->fd) != 0)
        rc = env(s);
    if (rc == 0)
        s->size += s->lines.n;
    s->dirty = rc != 0 && ftruncate(s->fd, (off_t)s->size) != 0;
    return rc;
}

static int read_all(struct spool *s)
{
    size_t got = 0, size = (size_t)s->size;
    if (size == 0)
        return 0;
    s->text = mem_zalloc(size, 1);
    if (!s->text)
        return E_NOMEM;
    while (got < size) {
        ssize_t n = pread(s->fd, s->text + got, size - got, (off_t)got);
        if (n == 0)
            errno = EIO; /* somebody made it shorter */
        if (n == 0 || (n < 0 && errno != EINTR))
            return env(s);
        got += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int open_file(struct spool *s)
{
    s->fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->fd < 0)
        return env(s);
    if (flock(s->fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    int rc = errno == EWOULDBLOCK ? E_BUSY : env(s);
    close(s->fd);
    s->fd = -1;
    return rc;
}

static int put_aside(struct spool *s)
{
    struct spool fresh = {.fd = -1};
    (void)snprintf(s->aside, sizeof s->aside, "%s.aside-%" PRId64, s->path, clock_now().unix_ms);
    (void)snprintf(fresh.path, sizeof fresh.path, "%s", s->path);
    if (rename(s->path, s->aside) != 0)
        return env(s);
    int rc = open_file(&fresh);
    s->error = fresh.error;
    if (rc)
        return E_IO;
    close(s->fd);
    s->fd = fresh.fd;
    s->size = 0;
    s->dirty = false;
    return 0;
}

static int clear(struct spool *s)
{
    if (s->keep && s->size)
        return put_aside(s);
    if (ftruncate(s->fd, 0) != 0)
        return env(s);
    s->size = 0;
    s->dirty = false;
    return fdatasync(s->fd) != 0 ? env(s) : 0;
}

static void work(struct job *job)
{
    struct spool *s = CONTAINER_OF(job, struct spool, job);
    mem_free(s->text);
    s->text = NULL;
    s->error = 0;
    s->aside[0] = '\0';
    s->rc = s->op == APPEND ? append(s) : s->op == READ ? read_all(s) : clear(s);
}

/* ---- on the loop's thread */

static void done(struct job *job, struct now now)
{
    struct spool *s = CONTAINER_OF(job, struct spool, job);
    enum op op = s->op;
    s->op = IDLE;
    if (s->error)
        LOG(s->log, &row_failed, LF_STR("path", s->path), LF_STR("error", strerror(s->error)));
    else if (s->aside[0])
        LOG(s->log, &row_aside, LF_STR("path", s->aside));
    if (op == READ)
        s->done_read(s->ctx, now, s->rc,
                     s->rc ? SPAN_NULL : span_of(s->text, s->text ? (size_t)s->size : 0));
    else
        s->done(s->ctx, now, s->rc);
}

static struct spool *begin(struct audit_spool *port, enum op op, void *ctx)
{
    struct spool *s = CONTAINER_OF(port, struct spool, port);
    CHECK(s->op == IDLE);
    s->op = op;
    s->ctx = ctx;
    return s;
}

static void port_append(struct audit_spool *port, struct span lines,
                        void (*fn)(void *ctx, struct now, int rc), void *ctx)
{
    struct spool *s = begin(port, APPEND, ctx);
    s->lines = lines;
    s->done = fn;
    s->loop->ops->pool_submit(s->pool, &s->job);
}

static void port_read(struct audit_spool *port,
                      void (*fn)(void *ctx, struct now, int rc, struct span lines), void *ctx)
{
    struct spool *s = begin(port, READ, ctx);
    s->done_read = fn;
    s->loop->ops->pool_submit(s->pool, &s->job);
}

static void port_clear(struct audit_spool *port, bool keep,
                       void (*fn)(void *ctx, struct now, int rc), void *ctx)
{
    struct spool *s = begin(port, CLEAR, ctx);
    s->keep = keep;
    s->done = fn;
    s->loop->ops->pool_submit(s->pool, &s->job);
}

/* ---- opening */

/* Where the last line end is, from the back; 0 where there is none. */
static int whole_lines(struct spool *s, uint64_t size, uint64_t *ret)
{
    uint8_t block[4096];
    while (size) {
        size_t want = size < sizeof block ? (size_t)size : sizeof block;
        ssize_t n = pread(s->fd, block, want, (off_t)(size - want));
        if (n != (ssize_t)want)
            return n < 0 ? env(s) : E_IO;
        const uint8_t *end = memrchr(block, '\n', want);
        if (end) {
            *ret = size - want + (uint64_t)(end - block) + 1;
            return 0;
        }
        size -= want;
    }
    *ret = 0;
    return 0;
}

static int cut_off(struct spool *s)
{
    struct stat st;
    if (fstat(s->fd, &st) != 0)
        return env(s);
    int rc = whole_lines(s, (uint64_t)st.st_size, &s->size);
    if (rc || s->size == (uint64_t)st.st_size)
        return rc;
    LOG(s->log, &row_cut, LF_STR("path", s->path),
        LF_UINT("bytes", (uint64_t)st.st_size - s->size));
    return ftruncate(s->fd, (off_t)s->size) != 0 || fdatasync(s->fd) != 0 ? env(s) : 0;
}

/* The name is on disk only when the folder is. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    (void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
                   slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

static int open_all(struct spool *s, const char *path, struct buf *why)
{
    int n = snprintf(s->path, sizeof s->path, "%s", path);
    if (n < 0 || n >= (int)sizeof s->path) {
        (void)buf_append_str(why, "the spool's path is too long");
        return E_IO;
    }
    int rc = open_file(s);
    if (rc == 0)
        rc = cut_off(s);
    if (rc == E_BUSY)
        (void)buf_printf(why, "%s is in use by another process", path);
    else if (rc)
        (void)buf_printf(why, "cannot use %s: %s", path, strerror(s->error ? s->error : EIO));
    if (rc)
        return rc;
    sync_folder(path);
    rc = s->loop->ops->pool_open(s->loop, "spool", 1, 0, &s->pool);
    if (rc)
        (void)buf_printf(why, "cannot start the spool's thread: %s", err_text(rc));
    return rc;
}

int spool_open(struct spool **ret, struct loop *loop, const char *path, uint64_t bytes_max,
               struct log *log, struct buf *why)
{
    struct spool *s = mem_zalloc(1, sizeof *s);
    if (!s) {
        (void)buf_append_str(why, err_text(E_NOMEM));
        return E_NOMEM;
    }
    s->port = (struct audit_spool){port_append, port_read, port_clear};
    s->job = (struct job){work, done, NULL};
    s->loop = loop;
    s->log = log;
    s->bytes_max = bytes_max;
    s->fd = -1;
    int rc = open_all(s, path, why);
    if (rc) {
        spool_close(s);
        return rc;
    }
    *ret = s;
    return 0;
}

struct audit_spool *spool_port(struct spool *s)
{
    return &s->port;
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    if (s->pool)
        s->loop->ops->pool_close(s->pool);
    if (s->fd >= 0)
        close(s->fd);
    mem_free(s->text);
    mem_free(s);
}
