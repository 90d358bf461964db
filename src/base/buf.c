#include "base/buf.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define BUF_CAP_MIN 64

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    buf_init(b, b->max);
}

void buf_fini_secret(struct buf *b)
{
    mem_free_secret(b->p, b->cap);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

/* A block one byte larger than cap, so that a terminating NUL of vsnprintf never needs room of its
 * own. What the old block held is wiped: it may be a password. */
static bool grow(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : BUF_CAP_MIN;
    while (cap < need && cap <= b->max / 2)
        cap *= 2;
    if (cap < need || cap > b->max)
        cap = b->max;
    uint8_t *p = cap < SIZE_MAX ? mem_resize(NULL, cap + 1, 1) : NULL;
    if (!p)
        return false;
    if (b->p)
        memcpy(p, b->p, b->n);
    mem_free_secret(b->p, b->cap);
    b->p = p;
    b->cap = cap;
    return true;
}

/* Makes room for n bytes; 0 or why there is none. */
static int make_room(struct buf *b, size_t n)
{
    if (b->failed || n > b->max || b->n > b->max - n) {
        b->failed = true;
        return E_LIMIT;
    }
    if ((!b->p || b->cap - b->n < n) && !grow(b, b->n + n)) {
        b->failed = true;
        return E_NOMEM;
    }
    return 0;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    return make_room(b, n) ? NULL : b->p + b->n;
}

void buf_commit(struct buf *b, size_t n)
{
    CHECK(n <= b->cap - b->n);
    b->n += n;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
    int rc = make_room(b, n);
    if (rc)
        return rc;
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

int buf_append_span(struct buf *b, struct span s)
{
    return buf_append(b, s.p, s.n);
}

int buf_append_str(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

int buf_append_byte(struct buf *b, uint8_t c)
{
    return buf_append(b, &c, 1);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    int rc = make_room(b, n < 0 ? SIZE_MAX : (size_t)n);
    if (rc == 0) {
        va_start(ap, fmt);
        (void)vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, ap);
        va_end(ap);
        b->n += (size_t)n;
    }
    return rc;
}

void buf_consume(struct buf *b, size_t n)
{
    CHECK(n <= b->n);
    b->n -= n;
    if (b->n && n)
        memmove(b->p, b->p + n, b->n);
}

struct span buf_span(const struct buf *b)
{
    return span_of(b->p, b->n);
}
