/* Whole conversations with memory short at each single request, and from each request on: nothing
 * crashes, nothing leaks, every invariant holds after every step (host_fake.h looks), and what
 * still answers answers rightly. libcrypto's own memory fails too. */
#include "talk.h"

#include "base/check.h"
#include "base/err.h"
#include "games/racing/racing.h"
#include "sim/alloc_fault.h"
#include "wire/json.h"
#include "wire/text.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAYERS 7u

/* One player as the script sees him: whatever failed, the script goes on. */
struct actor {
    int link;
    char id[33];
    struct sealer *sealer;
};

static const char *const settings[] = {"racing.room_events=true",    "racing.commands_per_s=40",
                                       "racing.commands_burst=6",    "racing.udp_any_address=true",
                                       "racing.line_max_bytes=4096", NULL};

static void tell(struct fake *f, const struct actor *a, const char *format, ...) PRINTF_LIKE(3, 4);
static void tell(struct fake *f, const struct actor *a, const char *format, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    for (int i = 0; i < n; i++)
        text[i] = text[i] == '\'' ? '"' : text[i];
    if (a->link != FAKE_NO_LINK)
        fake_line(f, a->link, text);
}

/* The value of a string member in the last line that holds `mark`; false when there is none. */
static bool find_value(struct fake *f, const struct actor *a, const char *mark, const char *key,
                       char *to, size_t n)
{
    struct span s = fake_read(f, a->link);
    const uint8_t *line = s.n ? memmem(s.p, s.n, mark, strlen(mark)) : NULL;
    if (!line)
        return false;
    char quoted[40];
    (void)snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    const uint8_t *at = memmem(line, s.n - (size_t)(line - s.p), quoted, strlen(quoted));
    if (!at)
        return false;
    at += strlen(quoted);
    size_t len = 0;
    while (at + len < s.p + s.n && at[len] != '"')
        len++;
    if (len >= n)
        return false;
    memcpy(to, at, len);
    to[len] = '\0';
    return true;
}

static void close_sealer(struct actor *a)
{
    bool before = alloc_fault_suspend(true);
    sealer_destroy(a->sealer);
    a->sealer = NULL;
    (void)alloc_fault_suspend(before);
}

/* As a client: the keys of the reply, or the document's. */
static void take_keys(struct fake *f, struct actor *a)
{
    char alg[32], conn[20], c2s[100];
    uint8_t key[SEAL_CBC_HMAC_KEY];
    struct seal_cfg c = {.kind = SEAL_CBC, .key = span_of(key, SEAL_CBC_KEY)};
    bool before = alloc_fault_suspend(true);
    if (find_value(f, a, "udpAead", "alg", alg, sizeof alg) &&
        find_value(f, a, "udpAead", "connId", conn, sizeof conn) &&
        find_value(f, a, "udpAead", "c2s", c2s, sizeof c2s)) {
        c.kind = strcmp(alg, "aes-256-gcm") == 0 ? SEAL_GCM : SEAL_CBC_HMAC;
        c.key.n = c.kind == SEAL_GCM ? SEAL_GCM_KEY : SEAL_CBC_HMAC_KEY;
        CHECK(hex_decode(span_str(conn), c.conn_id, SEAL_CONN_ID) == 0);
        CHECK(base64_decode(span_str(c2s), key, sizeof key) == (int)c.key.n);
    } else {
        CHECK(seal_derive_cbc(span_of(a->id, 32), SPAN_LIT(TALK_SECRET), key) == 0);
    }
    sealer_destroy(a->sealer);
    CHECK(sealer_create(&a->sealer, &c, &f->entropy) == 0);
    (void)alloc_fault_suspend(before);
}

static void shoot(struct fake *f, struct actor *a, const char *ip, uint16_t port, const char *more)
{
    char text[600];
    uint8_t bytes[1000];
    struct path from = fake_path(ip, port);
    struct span t =
        text_in(text, sizeof text, "{'command':'UPDATE','sessionId':'%s'%s}", a->id, more);
    if (a->sealer) {
        bool before = alloc_fault_suspend(true);
        int n = sealer_seal(a->sealer, &t, 1, bytes, sizeof bytes);
        (void)alloc_fault_suspend(before);
        CHECK(n > 0);
        t = span_of(bytes, (size_t)n);
    }
    fake_dgram(f, &from, t);
}

static void arrive(struct fake *f, struct actor *a, unsigned i)
{
    static const char *const ips[] = {"203.0.113.1", "203.0.113.2", "2001:db8::1"};
    *a = (struct actor){.link = fake_open(f, ips[i % 3], (uint16_t)(100 + i))};
    struct span s = fake_read(f, a->link);
    if (s.n >= 43)
        memcpy(a->id, s.p + 10, 32);
}

static void sign_in(struct fake *f, struct actor *a, unsigned i)
{
    static const char *const offers[] = {"", ",'udpAead':['aes-256-gcm'],'udpPack':true",
                                         ",'udpAead':['aes-256-cbc-hmac-sha256']"};
    if (i % 2)
        tell(f, a, "{'command':'NAME','name':'p%u','password':'pw'%s}", i, offers[i % 3]);
    else
        tell(f, a,
             "{'command':'BATCH','messages':[{'command':'NAME','name':'p%u'},"
             "{'command':'AUTHENTICATE','password':'pw'%s},{'command':'PING'}]}",
             i, offers[i % 3]);
    fake_advance(f, NSEC_PER_S);
    take_keys(f, a);
}

static void make_rooms(struct fake *f, struct actor *a)
{
    char room[40] = "0123456789abcdef0123456789abcdef";
    tell(f, &a[0], "{'command':'CREATE_ROOM','name':'first'}");
    (void)find_value(f, &a[0], "ROOM_CREATED", "roomId", room, sizeof room);
    for (unsigned i = 1; i < PLAYERS; i++)
        tell(f, &a[i], "{'command':'JOIN_ROOM','roomId':'%s'}", room);
    tell(f, &a[1], "{'command':'CREATE_ROOM','name':'second'}");
    tell(f, &a[1], "{'command':'CREATE_ROOM','name':null}");
    tell(f, &a[1], "{'command':'JOIN_ROOM','roomId':'%s'}", room);
    tell(f, &a[2], "{'command':'LIST_ROOMS'}");
    tell(f, &a[2], "{'command':'GET_ROOM_PLAYERS'}");
    tell(f, &a[2], "{'command':'PLAYER_INFO'}");
    tell(f, &a[2], "{'command':'RELAY_MESSAGE','targetId':'%s','message':'hello'}", a[3].id);
    tell(f, &a[0], "{'command':'START_GAME'}");
    fake_advance(f, NSEC_PER_S);
}

static void drive(struct fake *f, struct actor *a)
{
    static const char complete[] =
        ",'position':{'x':1,'y':2,'z':3},'rotation':{'x':0,'y':0,'z':0,'w':1}";
    char text[400];
    uint8_t z[16384];
    for (unsigned i = 0; i < PLAYERS; i++)
        shoot(f, &a[i], i % 3 == 2 ? "2001:db8::1" : "203.0.113.1", (uint16_t)(500 + i), complete);
    for (unsigned i = 0; i < PLAYERS; i++)
        shoot(f, &a[i], "198.51.100.9", (uint16_t)(600 + i), ",'position':{'x':5}");
    struct path from = fake_path("203.0.113.1", 500);
    fake_dgram(
        f, &from,
        gzipped(text_in(text, sizeof text, "{'command':'UPDATE','sessionId':'%s'}", a[0].id), z));
    fake_socket_room(f, 2);
    for (unsigned i = 0; i < PLAYERS; i++)
        shoot(f, &a[i], "203.0.113.1", (uint16_t)(700 + i), complete);
    fake_writable(f, SIZE_MAX);
    for (unsigned i = 0; i < 30; i++) {
        char ip[32];
        (void)snprintf(ip, sizeof ip, "198.51.101.%u", i);
        struct path stranger = fake_path(ip, 1);
        fake_dgram(f, &stranger, SPAN_LIT("\x10\0\0\0abcdefghijklmnop"));
    }
    fake_forget_dgrams(f);
}

static void the_rest(struct fake *f, struct actor *a)
{
    static const char *const changed[] = {"racing.room_size=5", "racing.single_login=refuse",
                                          "racing.udp_require_aead=true",
                                          "racing.line_max_bytes=4096", NULL};
    struct actor twin, guesser;
    arrive(f, &twin, 1);
    tell(f, &twin, "{'command':'NAME','name':'p1','password':'pw'}");
    fake_advance(f, NSEC_PER_S);
    arrive(f, &guesser, 2);
    for (int i = 0; i < 6; i++)
        tell(f, &guesser, "{'command':'NAME','name':'p2','password':'no'}");
    tell(f, &guesser, "{'command':'NAME','name':'imported','password':'pw'}");
    fake_advance(f, 6 * NSEC_PER_S);
    (void)fake_configure(f, changed);
    tell(f, &a[3], "{'command':'NAME','name':'other','password':'pw','udpAead':['aes-256-gcm']}");
    tell(f, &a[4], "{'command':'NAME','name':'p5','password':'pw'}");
    tell(f, &a[4], "{'command':'nonsense'}");
    tell(f, &a[4], "{");
    fake_advance(f, NSEC_PER_S);
    if (a[5].link != FAKE_NO_LINK) {
        char line[5000];
        memset(line, 'x', sizeof line);
        fake_bytes(f, a[5].link, line, sizeof line);
    }
    f->asks.delay = NSEC_NEVER;
    tell(f, &a[6], "{'command':'NAME','name':'late','password':'pw'}");
    fake_hang_up(f, a[2].link);
    fake_drain(f, 3 * NSEC_PER_S);
    f->asks.delay = 0;
    fake_answer_all(f);
    fake_advance(f, 4 * NSEC_PER_S);
    close_sealer(&twin);
    close_sealer(&guesser);
}

/* With enough memory the script does what it is written for. */
static void assert_all_was_done(const struct fake *f)
{
    assert_true(fake_metric(f, M_LOGINS_CREATED) >= PLAYERS);
    assert_true(fake_metric(f, M_LOGINS_OK) >= 2);
    assert_true(fake_metric(f, M_LOGINS_WRONG) >= 5);
    assert_int_equal(f->asks.asked[ASK_ACCOUNT_SET_PASSWORD], 1);
    assert_int_equal(fake_metric(f, M_RACES_STARTED), 1);
    assert_int_equal(fake_metric(f, M_ROOMS_CREATED), 3);
    assert_int_equal(fake_metric(f, M_RELAYED_MESSAGES), 1);
    assert_true(fake_metric(f, M_DGRAM_ACCEPTED) >= 3 * PLAYERS - 1);
    assert_true(fake_metric(f, M_DELIVERIES) >= 50);
    assert_int_equal(fake_metric(f, M_ENDED_PROTOCOL), 1);
    assert_true(fake_metric(f, M_ENDED_KICK) >= 1);
    assert_true(fake_metric(f, M_ENDED_DRAIN) >= 1);
}

/* The whole of it; false when not even the service could be made. */
static bool conversation(void)
{
    const struct fake_cfg cfg = {.ops = &racing_ops, .settings = settings, .seed = 4};
    int rc;
    struct fake *f = fake_create(&cfg, &rc);
    if (!f) {
        assert_true(rc == E_NOMEM || rc == E_CRYPTO);
        return false;
    }
    struct actor a[PLAYERS];
    bool before = alloc_fault_suspend(true);
    ask_fake_account(&f->asks, "imported", "pw", 1, true);
    (void)alloc_fault_suspend(before);
    for (unsigned i = 0; i < PLAYERS; i++)
        arrive(f, &a[i], i);
    for (unsigned i = 0; i < PLAYERS; i++)
        sign_in(f, &a[i], i);
    make_rooms(f, a);
    drive(f, a);
    the_rest(f, a);
    for (unsigned i = 0; i < PLAYERS; i++)
        close_sealer(&a[i]);
    if (!alloc_fault_fired())
        assert_all_was_done(f);
    fake_destroy(f);
    return true;
}

static void each_request_fails_once(void **state)
{
    (void)state;
    (void)conversation(); /* libcrypto takes what it takes once and for all */
    long blocks = alloc_live_blocks();
    unsigned long without = 0, nth = 1;
    for (;; nth++) {
        alloc_fault_at(nth);
        without += !conversation();
        bool fired = alloc_fault_fired();
        alloc_fault_at(0);
        if (alloc_live_blocks() != blocks)
            fail_msg("request %lu failed: %ld blocks too many", nth, alloc_live_blocks() - blocks);
        if (!fired)
            break;
    }
    print_message("%lu requests failed one by one, %lu of them ended the creation\n", nth - 1,
                  without);
    assert_true(nth > 200 && without > 10);
}

static void everything_fails_from_some_request_on(void **state)
{
    (void)state;
    (void)conversation();
    long blocks = alloc_live_blocks();
    for (unsigned long nth = 1;; nth += 3) {
        alloc_fault_from(nth);
        (void)conversation();
        bool fired = alloc_fault_fired();
        alloc_fault_at(0);
        if (alloc_live_blocks() != blocks)
            fail_msg("from request %lu on: %ld blocks too many", nth, alloc_live_blocks() - blocks);
        if (!fired)
            break;
    }
}

static void *crypto_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return alloc_library_malloc(n);
}

static void *crypto_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return alloc_library_realloc(p, n);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    alloc_library_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_fails_once),
        cmocka_unit_test(everything_fails_from_some_request_on),
    };
    if (!CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
