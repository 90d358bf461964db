/* Lines as a plain definition has them, to hold line_next against. */
#ifndef SLIPGATE_TESTS_FUZZ_LINE_DEFINE_H
#define SLIPGATE_TESTS_FUZZ_LINE_DEFINE_H

#include "fuzz.h"

#include "base/buf.h"
#include "base/err.h"
#include "wire/line.h"

/* The definition, without care for speed or for a line that is not complete. */
static inline int line_define(struct span in, size_t max, struct span *line, size_t *used)
{
    size_t end = 0, start = 0;
    while (end < in.n && in.p[end] != '\n')
        end++;
    if (end == in.n)
        return E_MORE;
    *used = end + 1;
    if (end >= 3 && memcmp(in.p, "\xef\xbb\xbf", 3) == 0)
        start = 3;
    if (end > start && in.p[end - 1] == '\r')
        end--;
    *line = span_of(in.p + start, end - start);
    return line->n > max ? E_LIMIT : 0;
}

/* Reads the lines of a whole text both ways. */
static inline void line_compare(struct span in, size_t max)
{
    struct span line, want;
    size_t used, want_used;
    int rc;
    while ((rc = line_next(in, max, &line, &used)) == 0) {
        MUST(line_define(in, max, &want, &want_used) == 0);
        MUST(line.p == want.p && line.n == want.n && used == want_used);
        in = span_skip(in, used);
    }
    int whole = line_define(in, max, &want, &want_used);
    if (rc == E_LIMIT) /* only because the line is too long, whether or not its end is there */
        MUST(whole == E_LIMIT || (whole == E_MORE && in.n > max));
    else
        MUST(rc == E_MORE && whole == E_MORE && in.n <= max + 4);
}

#endif
