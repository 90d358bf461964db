/* Any bytes as canonical audit records, as lines of an export, and as signed heads: what is taken
 * is written again as the same bytes, or as a line that reads the same. */
#include "fuzz.h"

#include "core/audit.h"

static void as_bytes(struct span in)
{
    struct audit_record r;
    uint8_t bytes[AUDIT_BYTES_MAX];
    struct buf why;
    buf_init(&why, 256);
    int rc = audit_decode(&r, in, &why);
    MUST((rc == 0) == (why.n == 0) && !why.failed);
    if (rc == 0)
        MUST(audit_encode(&r, bytes, sizeof bytes) == (int)in.n && !memcmp(bytes, in.p, in.n));
    buf_fini(&why);
}

static void as_line(struct span in)
{
    struct audit_record r, again;
    struct chain_link link, link_again;
    struct audit_room room, room_again;
    struct buf why, line;
    uint8_t a[AUDIT_BYTES_MAX], b[AUDIT_BYTES_MAX];
    buf_init(&why, 256);
    buf_init(&line, AUDIT_LINE_MAX);
    int rc = audit_line_read(&r, &link, &room, in, &why);
    MUST((rc == 0) == (why.n == 0) && !why.failed);
    if (rc == 0) {
        audit_line_write(&line, &r, &link);
        MUST(!line.failed);
        MUST(audit_line_read(&again, &link_again, &room_again, buf_span(&line), NULL) == 0);
        int n = audit_encode(&r, a, sizeof a);
        MUST(n > 0 && audit_encode(&again, b, sizeof b) == n && !memcmp(a, b, (size_t)n));
        MUST(!memcmp(&link, &link_again, sizeof link));
    }
    buf_fini(&line);
    buf_fini(&why);
}

static void as_head(struct span in)
{
    struct chain_head h, again;
    struct buf why, line;
    buf_init(&why, 256);
    buf_init(&line, CHAIN_LINE_MAX);
    int rc = chain_head_read(&h, in, &why);
    MUST((rc == 0) == (why.n == 0) && !why.failed);
    if (rc == 0) {
        chain_head_write(&line, &h);
        MUST(!line.failed && chain_head_line(buf_span(&line)));
        MUST(chain_head_read(&again, buf_span(&line), NULL) == 0);
        MUST(h.kind == again.kind && h.seq == again.seq && h.at_ms == again.at_ms);
        MUST(!memcmp(&h.hash, &again.hash, CHAIN_HASH));
        MUST(!memcmp(h.signature, again.signature, CHAIN_SIGNATURE));
    }
    buf_fini(&line);
    buf_fini(&why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    uint8_t *exact = fuzz_copy(in);
    in.p = exact;
    as_bytes(in);
    as_line(in);
    as_head(in);
    free(exact);
    return 0;
}
