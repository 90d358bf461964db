#include "wire/gzip.h"

#include "base/err.h"
#include "base/mem.h"

#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

/* zlib's window sizes, with 16 added for the gzip wrapper. A reader must take the largest; what we
 * write is small, so less memory does. */
#define READ_WINDOW_BITS  (15 + 16)
#define WRITE_WINDOW_BITS (13 + 16)
#define WRITE_MEMORY      6

struct gzip {
    z_stream in, out;
};

int gzip_create(struct gzip **ret)
{
    struct gzip *g = mem_zalloc(1, sizeof *g);
    if (!g)
        return E_NOMEM;
    if (inflateInit2(&g->in, READ_WINDOW_BITS) != Z_OK) {
        mem_free(g);
        return E_NOMEM;
    }
    if (deflateInit2(&g->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WRITE_WINDOW_BITS, WRITE_MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        (void)inflateEnd(&g->in);
        mem_free(g);
        return E_NOMEM;
    }
    *ret = g;
    return 0;
}

void gzip_destroy(struct gzip *g)
{
    if (!g)
        return;
    (void)inflateEnd(&g->in);
    (void)deflateEnd(&g->out);
    mem_free(g);
}

bool gzip_is(struct span in)
{
    return in.n >= 2 && in.p[0] == 0x1f && in.p[1] == 0x8b;
}

/* Points the stream at its input and output; false when zlib could not count them. */
static bool aim(z_stream *z, struct span in, void *to, size_t *cap)
{
    if (in.n > INT32_MAX)
        return false;
    if (*cap > INT32_MAX)
        *cap = INT32_MAX;
    z->next_in = in.p;
    z->avail_in = (uInt)in.n;
    z->next_out = to;
    z->avail_out = (uInt)*cap;
    return true;
}

int gzip_inflate(struct gzip *g, struct span in, void *to, size_t cap)
{
    Bytef past; /* where a byte beyond cap would land */
    if (!gzip_is(in) || inflateReset(&g->in) != Z_OK)
        return E_FORMAT;
    if (cap == 0)
        to = &past;
    if (!aim(&g->in, in, to, &cap))
        return E_LIMIT;
    int rc = inflate(&g->in, Z_FINISH);
    size_t size = cap - g->in.avail_out;
    if (rc == Z_BUF_ERROR && g->in.avail_out == 0) {
        g->in.next_out = &past;
        g->in.avail_out = 1;
        rc = inflate(&g->in, Z_FINISH);
        if (g->in.avail_out == 0)
            return E_LIMIT;
    }
    return rc == Z_STREAM_END && g->in.avail_in == 0 ? (int)size : E_FORMAT;
}

int gzip_deflate(struct gzip *g, struct span in, void *to, size_t cap)
{
    Bytef past;
    if (deflateReset(&g->out) != Z_OK || !aim(&g->out, in, cap ? to : &past, &cap))
        return E_LIMIT;
    return deflate(&g->out, Z_FINISH) == Z_STREAM_END ? (int)(cap - g->out.avail_out) : E_LIMIT;
}
