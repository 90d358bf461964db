/* What both targets of the reader of bans share: what holds of whatever it takes, and of what it
 * says about the rest. */
#ifndef SLIPGATE_TESTS_FUZZ_BAN_PLAIN_H
#define SLIPGATE_TESTS_FUZZ_BAN_PLAIN_H

#include "fuzz.h"

#include "base/err.h"
#include "base/utf8.h"
#include "core/ban_text.h"

#define BAN_T0 INT64_C(1700000000000)

static inline bool same_ban(const struct ban *a, const struct ban *b)
{
    return a->kind == b->kind && a->created == b->created && a->expires == b->expires &&
           (a->kind == BAN_ACCOUNT ? a->account == b->account
                                   : a->bits == b->bits && memcmp(a->ip, b->ip, 16) == 0) &&
           span_eq(a->game, b->game) && span_eq(a->reason, b->reason) &&
           span_eq(a->author, b->author) && span_eq(a->evidence, b->evidence);
}

/* Written and read again it is the same. */
static inline void same_again(const struct ban *b)
{
    struct buf text, why;
    struct ban_reader r;
    struct ban back;
    buf_init(&text, BAN_LINE_MAX + 1);
    buf_init(&why, 4096);
    ban_write(&text, b);
    MUST(!text.failed && text.p[text.n - 1] == '\n');
    ban_reader_init(&r, buf_span(&text), SPAN_LIT("other"), 0, true);
    MUST(ban_read(&r, &back, &why) == 1 && same_ban(b, &back) && why.n == 0);
    MUST(ban_read(&r, &back, &why) == 0);
    buf_fini(&text);
    buf_fini(&why);
}

/* By the bits, one after another. */
static inline bool bits_equal(const uint8_t a[16], const uint8_t b[16], unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
            return false;
    return true;
}

static inline void is_safe(const struct ban *b)
{
    static const uint8_t loop6[16] = {[15] = 1}, zero[16] = {0},
                         loop4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127};
    bool v4 = bits_equal(b->ip, loop4, 0, 96);
    MUST(b->bits >= (v4 ? 104 : 16) && bits_equal(b->ip, zero, b->bits, 128));
    MUST(!bits_equal(b->ip, v4 ? loop4 : loop6, 0, v4 ? 104 : b->bits));
}

/* Reads text to its end; every ban goes into a list that has to take it. Returns how many. */
static inline uint32_t read_all(struct span text, bool force)
{
    static const uint64_t seed[2] = {1, 2};
    struct ban_reader r;
    struct bans *list;
    struct ban b;
    struct buf why;
    int rc;
    size_t left = text.n + 1;
    buf_init(&why, 4096);
    MUST(bans_create(&list, seed) == 0);
    ban_reader_init(&r, text, SPAN_LIT("importer"), BAN_T0, force);
    while ((rc = ban_read(&r, &b, &why)) != 0) {
        MUST(r.left.n < left);
        left = r.left.n;
        if (rc == 1) {
            const char *field;
            MUST(why.n == 0 && b.id == 0 && !ban_wrong(&b, force, &field));
            if (b.kind == BAN_NET && !force)
                is_safe(&b);
            same_again(&b);
            b.id = r.bans;
            MUST(bans_add(list, &b) == 0);
            continue;
        }
        MUST(rc == E_FORMAT || rc == E_LIMIT || rc == E_RANGE);
        char line[32];
        int n = snprintf(line, sizeof line, "line %u: ", r.line);
        MUST(why.n > (size_t)n && memcmp(why.p, line, (size_t)n) == 0 && !why.failed);
        MUST(utf8_valid(buf_span(&why)));
        buf_clear(&why);
    }
    uint32_t bans = bans_live(list);
    MUST(bans == r.bans);
    buf_fini(&why);
    bans_destroy(list);
    return bans;
}

#endif
