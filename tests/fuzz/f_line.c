/* Line framing: the same lines whichever way the stream is cut, as a plain definition has them. */
#include "line_define.h"

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
            MUST(line_define(part, max, &want, &want_used) == 0);
            MUST(line.p == want.p && line.n == want.n && used == want_used);
            part = span_skip(part, used);
            start += used;
        }
        if (rc == E_LIMIT) {
            /* Only because the line is too long, and it stays so whatever comes. */
            struct span rest = span_skip(in, start);
            int whole = line_define(rest, max, &want, &want_used);
            MUST(whole == E_LIMIT || (whole == E_MORE && rest.n > max));
            free(copy);
            return 0;
        }
        MUST(rc == E_MORE && !memchr(part.p, '\n', part.n) && part.n <= max + 4);
        free(copy);
    }
    return 0;
}
