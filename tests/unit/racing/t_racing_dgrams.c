/* Datagrams: all forms in and out, whose they are, endpoints and how they move, the search for
 * unknown senders, rates, and that each one is counted exactly once (docs/protocol-racing.md,
 * "Datagrams"). */
#include "talk.h"

#include "base/err.h"
#include "games/racing/racing.h"
#include "sim/alloc_fault.h"
#include "wire/gzip.h"

#include <stdio.h>
#include <stdlib.h>

#define UPDATE(more)                                                       \
    "{'command':'UPDATE','sessionId':'%s','position':{'x':1,'y':2,'z':3}," \
    "'rotation':{'x':0,'y':0,'z':0,'w':1}" more "}"
#define INPUT \
    "{'command':'INPUT','sessionId':'%s','steering':0.5,'throttle':1,'brake':0,'timestamp':7}"

/* Seals bytes as the player does, and sends them. */
static void cast_bytes(struct player *p, struct span text)
{
    uint8_t bytes[20000];
    if (!p->sealer) {
        cast_raw(p, text);
        return;
    }
    int n = sealer_seal(p->sealer, &text, 1, bytes, sizeof bytes);
    assert_true(n > 0);
    cast_raw(p, span_of(bytes, (size_t)n));
}

/* ---- forms ---- */

static void each_form_reaches_each_form(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[FORMS];
    char r[33];
    uint8_t z[16384];
    char text[400];
    static const char *const names[] = {"clear", "document", "gcm", "hmac"};
    for (enum form i = 0; i < FORMS; i++) {
        enter_with(f, &p[i], names[i], i);
        if (i == 0)
            create_room(&p[i], r);
        else
            join_room(&p[i], r);
        cast_update(&p[i]);
        assert_outcome(f, M_DGRAM_ACCEPTED);
    }
    fake_forget_dgrams(f);
    for (enum form from = 0; from < FORMS; from++)
        for (int form = 0; form < 4; form++) {
            switch (form) {
            case 0: cast(&p[from], UPDATE(",'n':7"), p[from].id); break;
            case 1: cast(&p[from], " \n" UPDATE(",'n':7") "\r\n\n", p[from].id); break;
            case 2:
                cast_bytes(&p[from],
                           gzipped(text_in(text, sizeof text, UPDATE(",'n':7"), p[from].id), z));
                break;
            default:
                cast_bytes(
                    &p[from],
                    gzipped(text_in(text, sizeof text, UPDATE(",'n':7") "\n", p[from].id), z));
                break;
            }
            assert_outcome(f, M_DGRAM_ACCEPTED);
            for (enum form to = 0; to < FORMS; to++)
                if (to != from)
                    receive(&p[to], UPDATE(",'n':7"), p[from].id);
            receive_nothing(f);
        }
    assert_int_equal(fake_metric(f, M_DELIVERIES), 6 + 4 * 4 * 3);
    stop(f);
}

static void inputs_are_relayed(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[2];
    race(f, p, 2, DOCUMENT);
    cast(&p[0], INPUT, p[0].id);
    receive(&p[1], INPUT, p[0].id);
    cast(&p[0],
         "{'command':'input','sessionId':'%s','input':{'steering':1,'throttle':0,'brake':0,"
         "'timestamp':1.5},'client_id':'%s'}",
         p[0].id, p[0].id);
    receive(&p[1],
            "{'command':'input','sessionId':'%s','input':{'steering':1,'throttle':0,'brake':0,"
            "'timestamp':1.5},'client_id':'%s'}",
            p[0].id, p[0].id);
    /* written anew where something is missing */
    cast(&p[0], "{'command':'INPUT','sessionId':'%s','brake':1}", p[0].id);
    receive(&p[1],
            "{'command':'INPUT','sessionId':'%s','steering':0,'throttle':0,'brake':1,"
            "'timestamp':0}",
            p[0].id);
    cast(&p[0], "{'command':'UPDATE','sessionId':'%s'}", p[0].id);
    receive(&p[1],
            "{'command':'UPDATE','sessionId':'%s','position':{'x':0,'y':0,'z':0},"
            "'rotation':{'x':0,'y':0,'z':0,'w':1}}",
            p[0].id);
    receive_nothing(f);
    stop(f);
}

static void who_hears_it(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[3], other, mute, roomless;
    char r[33];
    race(f, p, 3, DOCUMENT);
    enter_with(f, &other, "other", DOCUMENT);
    create_room(&other, r);
    cast_update(&other);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    enter_with(f, &roomless, "roomless", DOCUMENT);
    cast_update(&roomless); /* in no room: heard, registered, relayed to nobody */
    assert_outcome(f, M_DGRAM_ACCEPTED);
    receive_nothing(f);
    enter_with(f, &mute, "mute", DOCUMENT);
    join_room(&mute, r); /* without an endpoint */
    cast_update(&other);
    receive_nothing(f);
    cast_update(&p[1]);
    receive_update_of(&p[0], &p[1]);
    receive_update_of(&p[2], &p[1]);
    receive_nothing(f);
    say(&p[0], "{'command':'START_GAME'}"); /* running or not makes no difference */
    cast_update(&p[1]);
    receive_update_of(&p[0], &p[1]);
    receive_update_of(&p[2], &p[1]);
    say(&p[0], "{'command':'LEAVE_ROOM'}");
    cast_update(&p[1]);
    receive_update_of(&p[2], &p[1]);
    receive_nothing(f);
    fake_hang_up(f, p[2].link);
    cast_update(&p[1]);
    receive_nothing(f);
    cast_update(&p[2]); /* gone: a stranger */
    receive_nothing(f);
    stop(f);
}

static void rooms_named_in_datagrams(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[2];
    char r[33];
    enter_with(f, &p[0], "a", DOCUMENT);
    enter_with(f, &p[1], "b", DOCUMENT);
    cast(&p[0], UPDATE(",'roomId':'0123456789abcdef0123456789abcdef'"), p[0].id);
    assert_outcome(f, M_DGRAM_ROOM); /* in no room */
    cast(&p[0], UPDATE(",'roomId':null"), p[0].id);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    create_room(&p[0], r);
    join_room(&p[1], r);
    cast_update(&p[1]);
    fake_forget_dgrams(f);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    static const char *const wrong[] = {
        "'0123456789abcdef0123456789abcdef'", "''", "5", "[]", "{}", "true"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        cast(&p[0],
             "{'command':'UPDATE','sessionId':'%s','position':{'x':1,'y':2,'z':3},"
             "'rotation':{'x':0,'y':0,'z':0,'w':1},'roomId':%s}",
             p[0].id, wrong[i]);
        assert_outcome(f, M_DGRAM_ROOM);
        receive_nothing(f);
    }
    char text[400];
    (void)snprintf(text, sizeof text, UPDATE(",'roomId':'%s'"), p[0].id, r);
    cast(&p[0], "%s", text);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    receive(&p[1], "%s", text);
    stop(f);
}

/* ---- what is refused ---- */

static void what_is_malformed(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    uint8_t bytes[1600] = {0}, z[16384];
    enter_with(f, &p, "a", CLEAR);
    cast_update(&p);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    cast_raw(&p, SPAN_NULL);
    assert_outcome(f, M_DGRAM_MALFORMED);
    static const char *const texts[] = {"x",
                                        "{",
                                        "{}",
                                        " ",
                                        "\n",
                                        "[]",
                                        "\x1f\x8b",
                                        "\x1f\x8b\x08",
                                        "MPG1",
                                        "null",
                                        "{\"command\":\"PING\"}",
                                        "\xff",
                                        "\x10\0\0\0"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        cast_raw(&p, span_str(texts[i]));
        assert_outcome(f, M_DGRAM_MALFORMED);
    }
    for (size_t n = 1471; n <= 1473; n++) { /* blanks may follow, up to the largest datagram */
        char text[1600];
        size_t head = text_in(text, sizeof text, UPDATE(""), p.id).n;
        memset(text + head, ' ', sizeof text - head);
        cast_raw(&p, span_of(text, n));
        assert_outcome(f, n <= 1472 ? M_DGRAM_ACCEPTED : M_DGRAM_MALFORMED);
    }
    /* gzip: at 8 KiB inflated, past it, cut, with a tail, of something else */
    static char big[9000];
    for (size_t n = 8192; n <= 8193; n++) {
        size_t head =
            text_in(big, sizeof big, "{'command':'UPDATE','sessionId':'%s','x':'", p.id).n;
        memset(big + head, 'x', n - head - 2);
        memcpy(big + n - 2, "\"}", 2);
        cast_raw(&p, gzipped(span_of(big, n), z));
        assert_outcome(f, n == 8192 ? M_DGRAM_ACCEPTED : M_DGRAM_MALFORMED);
    }
    struct span good = gzipped(text_in(big, sizeof big, UPDATE(""), p.id), z);
    for (size_t n = 2; n < good.n; n += 7) {
        cast_raw(&p, span_of(z, n));
        assert_outcome(f, M_DGRAM_MALFORMED);
    }
    z[good.n] = 0;
    cast_raw(&p, span_of(z, good.n + 1));
    assert_outcome(f, M_DGRAM_MALFORMED);
    cast_raw(&p, gzipped(SPAN_LIT("hello"), z));
    assert_outcome(f, M_DGRAM_MALFORMED);
    for (size_t n = 1; n < sizeof bytes; n += 13) {
        for (size_t i = 0; i < n; i++)
            bytes[i] = (uint8_t)(rng_next(&f->rng) | 0x80);
        cast_raw(&p, span_of(bytes, n));
        assert_outcome(f, M_DGRAM_MALFORMED);
    }
    receive_nothing(f);
    stop(f);
}

static void sealed_ones_that_are_tampered_with(void **state)
{
    (void)state;
    for (enum form form = DOCUMENT; form < FORMS; form++) {
        struct fake *f = SERVE("racing.strangers_per_s=100000");
        struct player p[2];
        uint8_t good[400], bad[400];
        race(f, p, 2, form);
        char text[300];
        struct span part = text_in(text, sizeof text, UPDATE(""), p[0].id);
        uint64_t accepted = fake_metric(f, M_DGRAM_ACCEPTED), sent = 0;
        size_t n = sealed(&p[0], part, good, sizeof good).n;
        for (size_t i = 0; i < n; i++) {
            memcpy(bad, good, n);
            bad[i] ^= 0x40;
            cast_raw(&p[0], span_of(bad, n));
            cast_raw(&p[0], span_of(good, i)); /* cut short */
            sent += 2;
            fake_advance(f, NSEC_PER_S / 50);
        }
        /* The document's cipher has no integrity, and a flipped bit may leave a valid message;
         * never one of somebody else. The others refuse everything. */
        if (form != DOCUMENT)
            assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), accepted);
        uint64_t all = 0;
        for (size_t row = M_DGRAM_ACCEPTED; row <= M_DGRAM_ROOM; row++)
            all += fake_metric(f, row);
        assert_int_equal(all, 2 + sent); /* each counted once */
        fake_forget_dgrams(f);
        cast_raw(&p[0], span_of(good, n));
        assert_int_equal(f->dgrams_n, 1);
        receive(&p[1], UPDATE(""), p[0].id);
        stop(f);
    }
}

static void replays(void **state)
{
    (void)state;
    for (enum form form = DOCUMENT; form < FORMS; form++) {
        struct fake *f = SERVE(NULL);
        struct player p[2];
        race(f, p, 2, form);
        uint8_t bytes[3][400];
        struct span d[3];
        char text[300];
        struct span part = text_in(text, sizeof text, UPDATE(""), p[0].id);
        for (int i = 0; i < 3; i++)
            d[i] = sealed(&p[0], part, bytes[i], sizeof bytes[i]);
        static const int order[] = {2, 0, 1}; /* late ones are fine */
        for (int i = 0; i < 3; i++) {
            cast_raw(&p[0], d[order[i]]);
            assert_outcome(f, M_DGRAM_ACCEPTED);
        }
        for (int i = 0; i < 3; i++) {
            cast_raw(&p[0], d[i]);
            assert_outcome(f, form == DOCUMENT ? M_DGRAM_ACCEPTED : M_DGRAM_REPLAYED);
        }
        stop(f);
    }
}

/* Under one's own key, another's id: for every form, and whether or not the endpoint is known. */
static void another_ones_id(void **state)
{
    (void)state;
    for (enum form form = CLEAR; form < FORMS; form++)
        for (int known = 0; known < 2; known++) {
            struct fake *f = SERVE(NULL);
            struct player p[3];
            race(f, p, 3, form);
            if (!known)
                p[0].udp_port += 500;
            cast(&p[0], UPDATE(""), p[1].id);
            /* In the clear the id names the session, and that one's endpoint is elsewhere. */
            assert_outcome(f, form == CLEAR      ? M_DGRAM_MOVED
                              : form == DOCUMENT ? M_DGRAM_UNKNOWN
                                                 : M_DGRAM_FORGED);
            cast(&p[0], UPDATE(""), "0123456789abcdef0123456789abcdef");
            assert_outcome(f, form == CLEAR || form == DOCUMENT ? M_DGRAM_UNKNOWN : M_DGRAM_FORGED);
            receive_nothing(f);
            stop(f);
        }
}

/* Two ids in one message: the last counts, and receivers are told that one alone. */
static void two_ids(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[2];
    race(f, p, 2, DOCUMENT);
    cast(&p[0],
         "{'sessionId':'%s','command':'UPDATE','\\u0073essionId':'%s','position':{'x':1},"
         "'client_id':'%s'}",
         p[1].id, p[0].id, p[1].id);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    receive(&p[1],
            "{'command':'UPDATE','sessionId':'%s','position':{'x':1,'y':0,'z':0},"
            "'rotation':{'x':0,'y':0,'z':0,'w':1},'client_id':'%s'}",
            p[0].id, p[0].id);
    cast(&p[0], "{'sessionId':'%s','command':'UPDATE','sessionId':'%s'}", p[0].id, p[1].id);
    assert_outcome(f, M_DGRAM_UNKNOWN);
    stop(f);
}

static void before_signing_in(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.udp_plaintext=on");
    struct player p;
    enter(f, &p, HERE);
    cast_update(&p);
    assert_outcome(f, M_DGRAM_UNKNOWN);
    ask(&p, "{'command':'NAME','name':'a'}",
        "{'command':'NAME_OK','name':'a','authenticated':false,'udpEncryption':false}");
    cast_update(&p);
    assert_outcome(f, M_DGRAM_UNKNOWN);
    use_document_keys(&p);
    cast_update(&p);
    assert_outcome(f, M_DGRAM_UNKNOWN);
    ask(&p, "{'command':'AUTHENTICATE','password':'pw'}", "{'command':'AUTH_OK','name':'a'}");
    cast_update(&p); /* the key is made by AUTHENTICATE too */
    assert_outcome(f, M_DGRAM_ACCEPTED);
    /* and of no use when one is nobody again */
    ask(&p, "{'command':'NAME','name':'b'}",
        "{'command':'NAME_OK','name':'b','authenticated':false,'udpEncryption':false}");
    cast_update(&p);
    assert_outcome(f, M_DGRAM_FORGED);
    stop(f);
}

/* ---- batches, packing ---- */

/* The largest batch of the largest messages, each opened, inflated and written anew: all of them
 * fit. */
static void a_whole_batch_of_the_largest(void **state)
{
    (void)state;
    static uint8_t bytes[64][1500], z[16384];
    static char text[8300];
    struct dgram d[64];
    struct fake *f = SERVE(NULL);
    struct player p[2];
    race(f, p, 2, DOCUMENT);
    size_t head =
        text_in(text, sizeof text, "{'command':'UPDATE','sessionId':'%s','x':'", p[0].id).n;
    memset(text + head, 'x', 8192 - head - 2);
    memcpy(text + 8190, "\"}", 2);
    struct span packed = gzipped(span_of(text, 8192), z);
    for (int i = 0; i < 64; i++) {
        d[i].path = fake_path(p[0].ip, p[0].udp_port);
        d[i].bytes = sealed(&p[0], packed, bytes[i], sizeof bytes[i]);
    }
    uint64_t before = fake_metric(f, M_DELIVERIES);
    fake_dgrams(f, d, 64);
    assert_int_equal(fake_metric(f, M_DELIVERIES) - before, 64);
    assert_int_equal(f->dgrams_n, 64);
    stop(f);
}

/* A batch larger than was reckoned with: what finds no room is dropped and counted, nothing else
 * happens, and the next batch begins anew. */
static void more_than_a_batch_holds(void **state)
{
    (void)state;
    enum { MANY = 400 };
    static uint8_t bytes[MANY][300], z[16384];
    static char text[8300];
    static struct dgram d[MANY];
    struct fake *f = SERVE("racing.datagrams_per_s=0");
    struct player p[2], packed;
    char line[65536], r[33];
    race(f, p, 2, DOCUMENT);
    enter(f, &packed, HERE);
    say(&packed,
        "{'command':'NAME','name':'q','password':'pw','udpAead':['aes-256-gcm'],'udpPack':true}");
    use_aead_keys(&packed, listen_to(&packed, line));
    say(&p[0], "{'command':'PLAYER_INFO'}");
    (void)listen_to(&p[0], line);
    memcpy(r, strstr(line, "currentRoomId") + 16, 32);
    r[32] = '\0';
    join_room(&packed, r);
    cast_update(&packed);
    fake_forget_dgrams(f);
    size_t head =
        text_in(text, sizeof text, "{'command':'UPDATE',\n'sessionId':'%s','x':'", p[0].id).n;
    memset(text + head, 'x', 8192 - head - 2);
    memcpy(text + 8190, "\"}", 2);
    struct span zipped = gzipped(span_of(text, 8192), z);
    for (unsigned i = 0; i < MANY; i++) {
        d[i].path = fake_path(p[0].ip, p[0].udp_port);
        d[i].bytes = sealed(&p[0], zipped, bytes[i], sizeof bytes[i]);
    }
    uint64_t all = 0;
    fake_dgrams(f, d, MANY);
    for (size_t row = M_DGRAM_ACCEPTED; row <= M_DGRAM_ROOM; row++)
        all += fake_metric(f, row);
    assert_int_equal(all, 3 + MANY);
    assert_in_range(f->dgrams_n, 2 * 60, 2 * MANY - 2);
    fake_forget_dgrams(f);
    cast_update(&p[0]);
    assert_int_equal(f->dgrams_n, 2);
    stop(f);
}

/* What is refused in a batch leaves its room to what follows. */
static void refused_ones_use_nothing_up(void **state)
{
    (void)state;
    static uint8_t bomb[16384], large[16384];
    static char blanks[8192], text[8192];
    static struct dgram d[400];
    struct fake *f = SERVE("racing.strangers_per_s=1000000");
    struct player p[2];
    uint8_t good[400];
    race(f, p, 2, DOCUMENT);
    memset(blanks, ' ', sizeof blanks);
    struct span b = gzipped(span_of(blanks, sizeof blanks), bomb);
    size_t n = text_in(text, sizeof text, UPDATE(""), p[0].id).n;
    memset(text + n, ' ', sizeof text - n); /* it needs as much room as each of those before it */
    struct span last = sealed(&p[0], gzipped(span_of(text, sizeof text), large), good, sizeof good);
    for (unsigned i = 0; i < 400; i++) {
        bool mine = i == 399;
        d[i].path = mine ? fake_path(p[0].ip, p[0].udp_port) : fake_path(HERE, 4);
        d[i].bytes = mine ? last : b;
    }
    fake_dgrams(f, d, 400);
    receive_update_of(&p[1], &p[0]);
    stop(f);
}

/* A small datagram that inflates to 8 KiB is a dear one, and its sender may be forged. */
static void what_strangers_packed_has_a_price(void **state)
{
    (void)state;
    static uint8_t bomb[16384], blanks[8192];
    struct fake *f = SERVE("racing.strangers_per_s=1000000");
    struct player p;
    enter_with(f, &p, "a", CLEAR);
    memset(blanks, ' ', sizeof blanks);
    struct span b = gzipped(span_of(blanks, sizeof blanks), bomb);
    for (unsigned i = 0; i < 10; i++) { /* from where no player is: not looked at */
        struct path from = fake_path("198.51.100.3", (uint16_t)(1000 + i));
        fake_dgram(f, &from, b);
    }
    assert_int_equal(fake_metric(f, M_DGRAM_UNKNOWN), 10);
    assert_int_equal(fake_metric(f, M_DGRAM_MALFORMED), 0);
    for (unsigned i = 0; i < 1500; i++) {
        struct path from = fake_path(HERE, (uint16_t)(1000 + i));
        fake_dgram(f, &from, b);
    }
    assert_int_equal(fake_metric(f, M_DGRAM_MALFORMED), 1000);
    assert_int_equal(fake_metric(f, M_DGRAM_UNKNOWN), 510);
    fake_advance(f, NSEC_PER_S);
    char text[300];
    struct span good = text_in(text, sizeof text, UPDATE(""), p.id);
    cast_raw(&p, gzipped(good, bomb));
    assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), 1);
    stop(f);
}

static void messages_to_one_are_packed_where_he_wants_it(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[3], packed;
    char line[65536], r[33];
    race(f, p, 3, DOCUMENT);
    enter(f, &packed, HERE);
    say(&packed, "{'command':'NAME','name':'packed','password':'pw','udpAead':['aes-256-gcm'],"
                 "'udpPack':true}");
    use_aead_keys(&packed, listen_to(&packed, line));
    say(&p[0], "{'command':'PLAYER_INFO'}");
    (void)listen_to(&p[0], line);
    memcpy(r, strstr(line, "currentRoomId") + 16, 32);
    r[32] = '\0';
    join_room(&packed, r);
    cast_update(&packed);
    fake_forget_dgrams(f);
    uint8_t bytes[3][600];
    struct dgram d[3];
    char texts[3][400];
    for (int i = 0; i < 3; i++) {
        /* the second one has line ends inside, which would split it for him */
        int n = snprintf(
            texts[i], sizeof texts[i],
            i == 1 ? "{\n\"command\":\"UPDATE\",\n \"sessionId\":\"%s\",\"position\":{\"x\":1,"
                     "\"y\":2,\"z\":3},\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1}\n}"
                   : "{\"command\":\"UPDATE\",\"sessionId\":\"%s\",\"position\":{\"x\":1,\"y\":2,"
                     "\"z\":3},\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1}}",
            p[i].id);
        d[i].path = fake_path(p[i].ip, p[i].udp_port);
        d[i].bytes = sealed(&p[i], span_of(texts[i], (size_t)n), bytes[i], sizeof bytes[i]);
    }
    fake_dgrams(f, d, 3);
    assert_int_equal(f->dgrams_n, 7); /* two for each of the three, one for him */
    char want[1300];
    (void)snprintf(want, sizeof want, "%s\n%s\n%s", texts[0], texts[1], texts[2]);
    for (char *at = strstr(want, texts[1]), *end = at + strlen(texts[1]); at < end; at++)
        *at = *at == '\n' ? ' ' : *at;
    static uint8_t raw[FAKE_DGRAM_BYTES], got[FAKE_DGRAM_BYTES];
    struct path path;
    unsigned seen = 0, whole = 0;
    for (long n; (n = fake_take_dgram(f, &path, raw, sizeof raw)) >= 0;) {
        if (path.peer.port == packed.udp_port) {
            int m = opener_open(packed.opener, span_of(raw, (size_t)n), got, sizeof got);
            assert_int_equal(m, strlen(want));
            assert_memory_equal(got, want, (size_t)m);
            seen++;
            continue;
        }
        for (int i = 0; i < 3; i++)
            if (path.peer.port == p[i].udp_port) {
                int m = opener_open(p[i].opener, span_of(raw, (size_t)n), got, sizeof got);
                /* the others get it byte for byte */
                whole += (size_t)m == strlen(texts[1]) && memcmp(got, texts[1], (size_t)m) == 0;
            }
    }
    assert_int_equal(seen, 1);
    assert_int_equal(whole, 2);
    stop(f);
}

static void a_newer_update_replaces_an_older_one_when_the_socket_is_full(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[3];
    race(f, p, 3, GCM);
    fake_socket_room(f, 0);
    for (int i = 0; i < 3; i++) {
        cast(&p[0], UPDATE(",'n':%d"), p[0].id, i);
        cast(&p[0], INPUT, p[0].id);
        cast(&p[1], UPDATE(""), p[1].id);
    }
    receive_nothing(f);
    assert_true(f->writable_wanted);
    fake_writable(f, SIZE_MAX);
    assert_int_equal(f->dgrams_n, 6); /* the last of each kind and sender, for each recipient */
    receive(&p[1], UPDATE(",'n':2"), p[0].id);
    receive(&p[1], INPUT, p[0].id);
    receive(&p[2], UPDATE(",'n':2"), p[0].id);
    receive(&p[2], INPUT, p[0].id);
    receive(&p[2], UPDATE(""), p[1].id);
    receive(&p[0], UPDATE(""), p[1].id);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_reaches_each_form),
        cmocka_unit_test(inputs_are_relayed),
        cmocka_unit_test(who_hears_it),
        cmocka_unit_test(rooms_named_in_datagrams),
        cmocka_unit_test(what_is_malformed),
        cmocka_unit_test(sealed_ones_that_are_tampered_with),
        cmocka_unit_test(replays),
        cmocka_unit_test(another_ones_id),
        cmocka_unit_test(two_ids),
        cmocka_unit_test(before_signing_in),
        cmocka_unit_test(a_whole_batch_of_the_largest),
        cmocka_unit_test(more_than_a_batch_holds),
        cmocka_unit_test(refused_ones_use_nothing_up),
        cmocka_unit_test(what_strangers_packed_has_a_price),
        cmocka_unit_test(messages_to_one_are_packed_where_he_wants_it),
        cmocka_unit_test(a_newer_update_replaces_an_older_one_when_the_socket_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
