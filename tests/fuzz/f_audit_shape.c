/* Audit records of any texts made clean, encoded, written as a line and read back as they were;
 * then the bytes and the line are damaged: refused, or the chain sees another record. */
#include "fuzz.h"

#include "base/utf8.h"
#include "core/audit.h"

/* The plain definition: UTF-8 without control characters, never over the ceiling. */
static void must_be_clean(const struct audit_record *r)
{
    for (size_t f = 0; f < AUDIT_FIELDS_N; f++) {
        struct span s = audit_field_get(r, (enum audit_field)f);
        MUST(utf8_is_name(s, audit_field_min((enum audit_field)f),
                          audit_field_max((enum audit_field)f)));
    }
    MUST(audit_check(r, NULL) == 0);
}

static struct audit_record make(struct span *in)
{
    static const uint16_t kinds[][2] = {
        {AUDIT_ACCOUNT, AUDIT_SUB_ACCOUNT_LOGIN},
        {AUDIT_GM_COMMAND, AUDIT_SUB_NONE},
        {AUDIT_SECURITY, AUDIT_SUB_SPEED_HACK},
        {AUDIT_SECURITY, AUDIT_SUB_SECOND_FACTOR},
        {AUDIT_ITEM, AUDIT_SUB_NONE},
    };
    const uint16_t *kind = kinds[fuzz_below(in, ARRAY_LEN(kinds))];
    struct audit_record r = {.seq = 1 + fuzz_number(in, 2),
                             .at_ms = (int64_t)fuzz_number(in, 5),
                             .type = kind[0],
                             .subtype = kind[1],
                             .game = SPAN_LIT("server")};
    struct span *texts[] = {&r.account, &r.player, &r.address, &r.target};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = fuzz_take(in, fuzz_byte(in));
    r.details = fuzz_take(in, fuzz_below(in, 3000));
    return r;
}

/* A damaged record never passes for the one that was hashed. */
static void must_differ(struct chain_hasher *h, const struct chain *before, struct span was,
                        struct span bad, const struct chain_link *link)
{
    struct chain c = *before;
    struct chain_link other;
    MUST(chain_append(&c, h, bad, &other) == 0);
    MUST(span_eq(was, bad) == !memcmp(&other, link, sizeof other));
}

static void damage(struct span *in, struct chain_hasher *h, const struct chain *before,
                   struct span bytes, struct span line, const struct chain_link *link)
{
    struct audit_record r;
    struct audit_room room;
    struct chain_link read;
    uint8_t again[AUDIT_BYTES_MAX];
    struct span bad = fuzz_damage(in, bytes);
    if (audit_decode(&r, bad, NULL) == 0) {
        must_be_clean(&r);
        must_differ(h, before, bytes, bad, link);
    }
    fuzz_free(bad);
    bad = fuzz_damage(in, line);
    if (audit_line_read(&r, &read, &room, bad, NULL) == 0) {
        must_be_clean(&r);
        int n = audit_encode(&r, again, sizeof again);
        MUST(n > 0);
        must_differ(h, before, bytes, span_of(again, (size_t)n), link);
    }
    fuzz_free(bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct audit_record raw = make(&in), r, back;
    struct audit_room room, other;
    struct chain_hasher *h = NULL;
    struct chain before, c;
    struct chain_link link, read;
    struct buf line;
    uint8_t bytes[AUDIT_BYTES_MAX], again[AUDIT_BYTES_MAX];
    MUST(audit_clean(&r, &room, &raw) >= 0);
    must_be_clean(&r);
    int n = audit_encode(&r, bytes, sizeof bytes);
    MUST(n > 0 && audit_decode(&back, span_of(bytes, (size_t)n), NULL) == 0);
    MUST(audit_encode(&back, again, sizeof again) == n && !memcmp(bytes, again, (size_t)n));
    MUST(chain_hasher_create(&h) == 0 && chain_begin(&before, h, SPAN_LIT("fuzz")) == 0);
    c = before;
    MUST(chain_append(&c, h, span_of(bytes, (size_t)n), &link) == 0);
    buf_init(&line, AUDIT_LINE_MAX);
    audit_line_write(&line, &r, &link);
    MUST(!line.failed);
    MUST(audit_line_read(&back, &read, &other, buf_span(&line), NULL) == 0);
    MUST(audit_encode(&back, again, sizeof again) == n && !memcmp(bytes, again, (size_t)n));
    MUST(!memcmp(&read, &link, sizeof link));
    damage(&in, h, &before, span_of(bytes, (size_t)n), buf_span(&line), &link);
    buf_fini(&line);
    chain_hasher_destroy(h);
    return 0;
}
