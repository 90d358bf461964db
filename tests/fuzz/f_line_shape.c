/* Lines built whole, with every end and mark a writer may put there, of lengths round the limit:
 * each comes out as it went in, the first that is too long stops the reader. Then one byte is
 * damaged and the plain definition says what the lines are. */
#include "line_define.h"

struct made {
    size_t at, n; /* where the line's own text is */
};

static void put_line(struct span *in, struct buf *to, size_t max, struct made *made)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    uint8_t form = fuzz_byte(in);
    size_t n = form & 4 ? max - 2 + fuzz_below(in, 6) : fuzz_below(in, max + 1);
    if (form & 1)
        (void)buf_append(to, mark, sizeof mark);
    *made = (struct made){to->n, n};
    for (size_t i = 0; i < n; i++) {
        uint8_t b = fuzz_byte(in);
        /* What begins a mark or ends a line would not be the line's own. */
        bool edge = b == '\n' || (i == 0 && b == 0xef) || (i + 1 == n && b == '\r');
        (void)buf_append_byte(to, edge ? 'x' : b);
    }
    if (form & 2)
        (void)buf_append_byte(to, '\r');
    (void)buf_append_byte(to, '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size), line;
    struct made made[8];
    struct buf text;
    size_t max = 4 + fuzz_below(&in, 28), n = 1 + fuzz_below(&in, ARRAY_LEN(made)), used;
    buf_init(&text, 4096);
    for (size_t i = 0; i < n; i++)
        put_line(&in, &text, max, &made[i]);
    MUST(!text.failed);
    uint8_t *exact = fuzz_copy(buf_span(&text));
    struct span rest = span_of(exact, text.n);
    for (size_t i = 0; i < n; i++) {
        int rc = line_next(rest, max, &line, &used);
        MUST(rc == (made[i].n > max ? E_LIMIT : 0));
        if (rc)
            break;
        MUST(line.p == exact + made[i].at && line.n == made[i].n);
        rest = span_skip(rest, used);
    }
    struct span bad = fuzz_damage(&in, span_of(exact, text.n));
    line_compare(bad, max);
    fuzz_free(bad);
    free(exact);
    buf_fini(&text);
    return 0;
}
