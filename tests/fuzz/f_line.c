/* Line framing: the same lines whichever way the stream is cut, as a plain definition has them. */
#include "fuzz.h"

#include "base/err.h"
#include "wire/line.h"

/* The definition, without care for speed or for a line that is not complete. */
static int define(struct span in, size_t max, struct span *line, size_t *used)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    size_t max = fuzz_byte(&in), step = 1u + fuzz_byte(&in), have = 0, start = 0;
    while (have < in.n) {
        have += step < in.n - have ? step : in.n - have;
        /* A block of exactly what has arrived. */
        uint8_t *copy = malloc(have - start + 1);
        MUST(copy);
        memcpy(copy, in.p + start, have - start);
        struct span part = span_of(copy, have - start), line, want;
        size_t used, want_used;
        int rc;
        while ((rc = line_next(part, max, &line, &used)) == 0) {
            MUST(define(part, max, &want, &want_used) == 0);
            MUST(line.p == want.p && line.n == want.n && used == want_used);
            part = span_skip(part, used);
            start += used;
        }
        if (rc == E_LIMIT) {
            /* Only because the line is too long, and it stays so whatever comes. */
            struct span rest = span_skip(in, start);
            int whole = define(rest, max, &want, &want_used);
            MUST(whole == E_LIMIT || (whole == E_MORE && rest.n > max));
            free(copy);
            return 0;
        }
        MUST(rc == E_MORE && !memchr(part.p, '\n', part.n) && part.n <= max + 4);
        free(copy);
    }
    return 0;
}
