/* Lists of valid bans, written here in all the ways JSON allows, read back, matched beside a plain
 * walk over them, and then damaged. */
#include "ban_plain.h"

#define BANS 12u

struct made {
    struct ban bans[BANS];
    uint32_t n;
};

static const struct span texts[] = {{NULL, 0},
                                    {(const uint8_t *)"x", 1},
                                    {(const uint8_t *)"said \"no\" \\ \xc3\xa9", 14},
                                    {(const uint8_t *)"\xf0\x9f\x8e\xae", 4}};
static const struct span games[] = {
    {NULL, 0}, {(const uint8_t *)"arena", 5}, {(const uint8_t *)"w_1", 3}};

static void clear_bits(uint8_t ip[16], unsigned from)
{
    for (unsigned i = from; i < 128; i++)
        ip[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

static struct addr some_addr(struct span *in)
{
    uint8_t b = fuzz_byte(in);
    uint8_t ip[16] = {0x20, 1, [7] = b & 1, [15] = b >> 4 & 7},
            v4[4] = {9, 0, b & 0x80, b >> 4 & 7};
    return b & 2 ? addr_v6(ip, 0, 0) : addr_v4(v4, 0);
}

static struct ban some_ban(struct span *in)
{
    uint8_t how = fuzz_byte(in), what = fuzz_byte(in);
    struct ban b = {.kind = how & 1 ? BAN_NET : BAN_ACCOUNT};
    b.account = 1 + what % 4;
    if (b.kind == BAN_NET) {
        struct addr a = some_addr(in);
        bool v4 = a.family == ADDR_V4;
        memcpy(b.ip, a.ip, 16);
        b.bits = (uint8_t)(how & 2 ? 128 : v4 ? 104 + what % 25 : 16 + what % 113);
        clear_bits(b.ip, b.bits);
    }
    b.game = games[how / 4 % ARRAY_LEN(games)];
    b.reason = texts[how / 16 % ARRAY_LEN(texts)];
    b.evidence = texts[how / 64 % ARRAY_LEN(texts)];
    b.author = texts[1 + what / 8 % 3];
    b.created = fuzz_byte(in);
    b.expires = what & 128 ? b.created + 1 + fuzz_byte(in) : 0;
    return b;
}

/* The line of a ban, sometimes with the first letter of each name escaped and with spaces. */
static void put_line(struct span *in, struct buf *to, const struct ban *b)
{
    struct buf plain;
    uint8_t how = fuzz_byte(in);
    buf_init(&plain, BAN_LINE_MAX);
    ban_write(&plain, b);
    for (size_t i = 0; i < plain.n - 1; i++) {
        uint8_t c = plain.p[i];
        bool name =
            i > 1 && plain.p[i - 1] == '"' && (plain.p[i - 2] == '{' || plain.p[i - 2] == ',');
        if (name && how & 1)
            (void)buf_printf(to, "\\u%04x", c);
        else
            (void)buf_append_byte(to, c);
        if (c == '{' && how & 2)
            (void)buf_append_str(to, " \t");
    }
    (void)buf_append_str(to, how & 4 ? "\r\n" : how & 8 ? "\n\n" : "\n");
    buf_fini(&plain);
}

static bool longer(const struct ban *a, const struct ban *b)
{
    if (a->expires != b->expires)
        return a->expires == 0 || (b->expires && a->expires > b->expires);
    return a->game.n && !b->game.n;
}

/* A walk over all of them. */
static int64_t plain_match(const struct made *m, int64_t account, const struct addr *a,
                           struct span game, int64_t date)
{
    const struct ban *best = NULL;
    for (uint32_t i = 0; i < m->n; i++) {
        const struct ban *b = &m->bans[i];
        bool hit =
            b->kind == BAN_NET ? a && bits_equal(a->ip, b->ip, 0, b->bits) : b->account == account;
        if (!hit || (b->game.n && !span_eq(b->game, game)) || (b->expires && b->expires <= date))
            continue;
        if (!best || b->bits > best->bits || (b->bits == best->bits && longer(b, best)))
            best = b;
    }
    return best ? best->id : 0;
}

static void match(struct span *in, const struct made *m, const struct bans *list)
{
    for (int i = 0; i < 6; i++) {
        struct addr a = some_addr(in);
        uint8_t how = fuzz_byte(in);
        struct span game = games[how % ARRAY_LEN(games)];
        int64_t account = how / 4 % 6, date = fuzz_byte(in) * 2;
        const struct ban *b = bans_match_addr(list, &a, game, date);
        MUST((b ? b->id : 0) == plain_match(m, 0, &a, game, date));
        b = bans_match_account(list, account, game, date);
        MUST((b ? b->id : 0) == plain_match(m, account, NULL, game, date));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t seed[2] = {1, 2};
    struct span in = span_of(data, size);
    struct made m = {.n = (uint32_t)fuzz_below(&in, BANS + 1)};
    struct ban_reader r;
    struct bans *list;
    struct buf text, why;
    buf_init(&text, 65536);
    buf_init(&why, 4096);
    MUST(bans_create(&list, seed) == 0);
    for (uint32_t i = 0; i < m.n; i++) {
        m.bans[i] = some_ban(&in);
        m.bans[i].id = i + 1;
        put_line(&in, &text, &m.bans[i]);
    }
    MUST(!text.failed);
    ban_reader_init(&r, buf_span(&text), SPAN_LIT("other"), BAN_T0, false);
    for (uint32_t i = 0; i < m.n; i++) {
        struct ban b;
        MUST(ban_read(&r, &b, &why) == 1 && same_ban(&b, &m.bans[i]));
        b.id = i + 1;
        MUST(bans_add(list, &b) == 0);
    }
    MUST(ban_read(&r, &(struct ban){0}, &why) == 0);
    match(&in, &m, list);
    struct span bad = fuzz_damage(&in, buf_span(&text));
    (void)read_all(bad, fuzz_byte(&in) & 1);
    fuzz_free(bad);
    buf_fini(&text);
    buf_fini(&why);
    bans_destroy(list);
    return 0;
}
