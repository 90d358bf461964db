#include "wire/line.h"

#include "base/err.h"

static const uint8_t bom[3] = {0xef, 0xbb, 0xbf};

int line_next(struct span in, size_t max, struct span *line, size_t *used)
{
    size_t skip = in.n < sizeof bom ? in.n : sizeof bom;
    if (skip == 0)
        return E_MORE;
    if (memcmp(in.p, bom, skip) != 0)
        skip = 0;
    else if (skip < sizeof bom)
        return E_MORE;
    struct span text = span_skip(in, skip);
    /* Nothing beyond max bytes, CR and LF can make the line acceptable: look no further. */
    size_t window = text.n > 2 && text.n - 2 > max ? max + 2 : text.n;
    const uint8_t *lf = window ? memchr(text.p, '\n', window) : NULL;
    if (!lf) {
        bool cr_last = text.n > 0 && text.p[text.n - 1] == '\r';
        return text.n - cr_last > max ? E_LIMIT : E_MORE;
    }
    size_t n = (size_t)(lf - text.p);
    if (n > 0 && text.p[n - 1] == '\r')
        n--;
    if (n > max)
        return E_LIMIT;
    *line = span_of(text.p, n);
    *used = skip + (size_t)(lf - text.p) + 1;
    return 0;
}
