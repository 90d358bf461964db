/* Datagram egress: grouping and order, packing to the byte, seals, a full socket and its backlog,
 * every ceiling. What comes out is opened with the openers of wire/seal.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sim/alloc_fault.h"
#include "wire/seal.h"

#include <stdio.h>

/* The module itself, so that its flush counter can be set and its sealing made to fail. */
static int seal_or_fail(struct sealer *s, const struct span *parts, size_t n, uint8_t *to,
                        size_t cap);
#define sealer_seal seal_or_fail
#include "core/egress.c"
#undef sealer_seal

static unsigned seals_to_fail;

static int seal_or_fail(struct sealer *s, const struct span *parts, size_t n, uint8_t *to,
                        size_t cap)
{
    if (seals_to_fail > 0) {
        seals_to_fail--;
        return E_CRYPTO;
    }
    return sealer_seal(s, parts, n, to, cap);
}

#define SENT_MAX 9000u

struct sent {
    struct path path;
    size_t n;
    uint8_t *bytes;
};

struct fixture {
    struct dgram_sink sink;
    struct entropy entropy;
    struct rng rng;
    struct egress *e;
    size_t room; /* datagrams the socket still takes */
    unsigned calls;
    struct sent sent[SENT_MAX];
    size_t sent_n;
};

static size_t sink_send(struct dgram_sink *sink, const struct dgram_out *v, size_t n)
{
    struct fixture *x = CONTAINER_OF(sink, struct fixture, sink);
    size_t i = 0;
    assert_in_range(n, 1, VEC_MAX);
    x->calls++;
    for (; i < n && x->room > 0; i++, x->room--) {
        assert_true(x->sent_n < SENT_MAX);
        struct sent *s = &x->sent[x->sent_n++];
        *s = (struct sent){.path = *v[i].path, .n = v[i].bytes.n};
        s->bytes = alloc_own(s->n ? s->n : 1);
        memcpy(s->bytes, v[i].bytes.p, s->n);
    }
    return i;
}

static void fill(struct entropy *e, void *to, size_t n)
{
    struct fixture *x = CONTAINER_OF(e, struct fixture, entropy);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = (uint8_t)rng_next(&x->rng);
}

static void forget(struct fixture *x)
{
    for (size_t i = 0; i < x->sent_n; i++)
        alloc_own_free(x->sent[i].bytes);
    x->sent_n = 0;
    x->calls = 0;
}

static void reopen(struct fixture *x, size_t queue, size_t backlog_cells, size_t pack)
{
    struct egress_cfg cfg = {queue, backlog_cells * CELL_BYTES, pack};
    egress_destroy(x->e);
    x->e = NULL;
    assert_int_equal(egress_create(&x->e, &cfg, &x->sink, &x->entropy), 0);
}

static int setup(void **state)
{
    struct fixture *x = alloc_own(sizeof *x);
    x->sink.send = sink_send;
    x->rng.state = 3;
    x->room = SIZE_MAX;
    entropy_init(&x->entropy, fill);
    reopen(x, 4096, 8, 1200);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    forget(x);
    egress_destroy(x->e);
    alloc_own_free(x);
    assert_int_equal(alloc_live_blocks(), 0);
    return 0;
}

static struct path path_to(unsigned host, uint16_t port)
{
    uint8_t ip[4] = {10, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host};
    struct path p = {.sock = 1, .peer = addr_v4(ip, port)};
    return p;
}

static int queue_to(struct fixture *x, const struct path *p, const char *text, struct seal_ref seal)
{
    return egress_queue(x->e, p, span_str(text), seal, DGRAM_EVENT, 0);
}

static void queue(struct fixture *x, unsigned host, const char *text)
{
    struct path p = path_to(host, 7);
    assert_int_equal(queue_to(x, &p, text, SEAL_REF_NONE), 0);
}

static void queue_latest(struct fixture *x, unsigned host, const char *text, uint64_t key)
{
    struct path p = path_to(host, 7);
    assert_int_equal(egress_queue(x->e, &p, span_str(text), SEAL_REF_NONE, DGRAM_LATEST, key), 0);
}

/* "host:text host:text ..." of everything that was sent in the clear; then forgets it. */
static void assert_sent(struct fixture *x, const char *want)
{
    static char got[65536];
    size_t n = 0;
    got[0] = '\0';
    for (size_t i = 0; i < x->sent_n; i++) {
        const struct sent *s = &x->sent[i];
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%u:%.*s", i ? " " : "",
                              (unsigned)s->path.peer.ip[14] << 8 | s->path.peer.ip[15], (int)s->n,
                              (const char *)s->bytes);
    }
    assert_string_equal(got, want);
    forget(x);
}

/* ---- sealing ---- */

static const uint8_t key_bytes[SEAL_CBC_HMAC_KEY] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static struct seal_cfg seal_cfg(enum seal_kind kind, uint8_t id)
{
    static const size_t sizes[] = {
        [SEAL_CBC] = SEAL_CBC_KEY, [SEAL_GCM] = SEAL_GCM_KEY, [SEAL_CBC_HMAC] = SEAL_CBC_HMAC_KEY};
    struct seal_cfg c = {.kind = kind};
    if (kind != SEAL_PLAIN_LF && kind != SEAL_PLAIN)
        c.key = span_of(key_bytes, sizes[kind]);
    memset(c.conn_id, id, sizeof c.conn_id);
    return c;
}

static struct seal_ref seal(struct fixture *x, enum seal_kind kind, uint8_t id, bool pack)
{
    struct seal_cfg c = seal_cfg(kind, id);
    struct seal_ref ref;
    assert_int_equal(egress_seal_open(x->e, &c, pack, &ref), 0);
    return ref;
}

static void assert_opens(struct opener *o, const struct sent *s, struct span want)
{
    uint8_t *to = alloc_own(s->n);
    int n = opener_open(o, span_of(s->bytes, s->n), to, s->n);
    assert_int_equal(n, want.n);
    assert_memory_equal(to, want.p, want.n);
    alloc_own_free(to);
}

/* ---- in order, grouped ---- */

static void an_idle_egress_sends_at_once(void **state)
{
    struct fixture *x = *state;
    assert_false(egress_flush(x->e));
    assert_int_equal(x->calls, 0);
    queue(x, 1, "a");
    assert_int_equal(x->sent_n, 0); /* not before the flush */
    assert_false(egress_flush(x->e));
    assert_sent(x, "1:a");
    assert_false(egress_flush(x->e));
    assert_sent(x, "");
    egress_destroy(NULL);
}

static void destinations_stand_together_in_order(void **state)
{
    struct fixture *x = *state;
    queue(x, 1, "a");
    queue(x, 2, "b");
    queue(x, 1, "c");
    queue(x, 3, "d");
    queue(x, 2, "e");
    queue(x, 1, "f");
    assert_false(egress_flush(x->e));
    assert_int_equal(x->calls, 1);
    assert_sent(x, "1:a 1:c 1:f 2:b 2:e 3:d");
    assert_int_equal(egress_stats(x->e)->messages, 6);
    assert_int_equal(egress_stats(x->e)->datagrams, 6);
    assert_int_equal(egress_stats(x->e)->bytes, 6);
    assert_int_equal(egress_stats(x->e)->packed, 0);
}

static void what_makes_a_destination(void **state)
{
    struct fixture *x = *state;
    struct path a = path_to(1, 7), other_port = path_to(1, 8), other_sock = a, other_local = a;
    other_sock.sock = 2;
    other_local.local = path_to(99, 1).peer;
    struct seal_ref s = seal(x, SEAL_PLAIN, 0, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(queue_to(x, &a, i ? "2" : "1", s), 0);
        assert_int_equal(queue_to(x, &other_port, i ? "4" : "3", s), 0);
        assert_int_equal(queue_to(x, &other_sock, i ? "6" : "5", s), 0);
        assert_int_equal(queue_to(x, &a, i ? "8" : "7", SEAL_REF_NONE), 0);
    }
    assert_int_equal(queue_to(x, &other_local, "9", s), 0); /* the same, by another door */
    assert_false(egress_flush(x->e));
    assert_sent(x, "1:1\n2\n9 1:3\n4 1:5\n6 1:7 1:8");
}

static void many_destinations_and_more_than_one_vector(void **state)
{
    struct fixture *x = *state;
    char text[2000][8];
    for (unsigned i = 0; i < 4000; i++) {
        (void)snprintf(text[i % 2000], sizeof text[0], "%u", i % 2000);
        queue(x, i % 2000, text[i % 2000]);
    }
    assert_false(egress_flush(x->e));
    assert_int_equal(x->sent_n, 4000);
    assert_int_equal(x->calls, (4000 + VEC_MAX - 1) / VEC_MAX);
    for (unsigned i = 0; i < 4000; i++) {
        unsigned host = i / 2;
        assert_int_equal(x->sent[i].path.peer.ip[14] << 8 | x->sent[i].path.peer.ip[15], host);
        assert_int_equal(x->sent[i].n, strlen(text[host]));
        assert_memory_equal(x->sent[i].bytes, text[host], x->sent[i].n);
    }
}

static void large_ones_fill_the_slab(void **state)
{
    struct fixture *x = *state;
    uint8_t *text = alloc_own(EGRESS_TEXT_MAX + 1);
    struct path p = path_to(1, 7);
    struct seal_ref s = seal(x, SEAL_CBC_HMAC, 1, true);
    struct seal_cfg c = seal_cfg(SEAL_CBC_HMAC, 1);
    struct opener *o;
    assert_int_equal(opener_create(&o, &c), 0);
    memset(text, 'x', EGRESS_TEXT_MAX + 1);
    struct span most = span_of(text, EGRESS_TEXT_MAX);
    for (int i = 0; i < 40; i++)
        assert_int_equal(egress_queue(x->e, &p, most, s, DGRAM_EVENT, 0), 0);
    assert_int_equal(egress_queue(x->e, &p, span_of(text, EGRESS_TEXT_MAX + 1), s, DGRAM_EVENT, 0),
                     E_FULL);
    assert_false(egress_flush(x->e));
    assert_int_equal(x->sent_n, 40);
    assert_int_equal(egress_stats(x->e)->dropped, 1);
    for (int i = 0; i < 40; i++)
        assert_opens(o, &x->sent[i], most);
    opener_destroy(o);
    alloc_own_free(text);
}

static void empty_messages(void **state)
{
    struct fixture *x = *state;
    struct path p = path_to(1, 7);
    struct seal_ref s = seal(x, SEAL_PLAIN, 0, true);
    assert_int_equal(egress_queue(x->e, &p, SPAN_NULL, SEAL_REF_NONE, DGRAM_EVENT, 0), 0);
    assert_int_equal(egress_queue(x->e, &p, SPAN_NULL, s, DGRAM_EVENT, 0), 0);
    assert_int_equal(egress_queue(x->e, &p, SPAN_NULL, s, DGRAM_EVENT, 0), 0);
    x->room = 0;
    assert_true(egress_flush(x->e));
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    assert_sent(x, "1: 1:\n");
}

/* ---- packing ---- */

static void packed_messages_share_a_datagram(void **state)
{
    struct fixture *x = *state;
    struct path p = path_to(1, 7);
    struct seal_ref s = seal(x, SEAL_GCM, 1, true);
    struct seal_cfg c = seal_cfg(SEAL_GCM, 1);
    struct opener *o;
    assert_int_equal(opener_create(&o, &c), 0);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(queue_to(x, &p, "{\"a\":1}", s), 0);
        assert_int_equal(queue_to(x, &p, "{}", s), 0);
        assert_int_equal(queue_to(x, &p, "{\"b\":2}", s), 0);
        assert_false(egress_flush(x->e));
        assert_int_equal(x->sent_n, 1);
        assert_opens(o, &x->sent[0], SPAN_LIT("{\"a\":1}\n{}\n{\"b\":2}"));
        assert_int_equal(x->sent[0].bytes[19], round); /* the sequence goes on */
        forget(x);
    }
    assert_int_equal(egress_stats(x->e)->messages, 9);
    assert_int_equal(egress_stats(x->e)->datagrams, 3);
    assert_int_equal(egress_stats(x->e)->packed, 9);
    opener_destroy(o);
}

static void packing_stops_at_its_limit_to_the_byte(void **state)
{
    struct fixture *x = *state;
    static const struct {
        enum seal_kind kind;
        size_t most; /* text of a datagram of 1200 bytes or just below */
    } rows[] = {
        {SEAL_PLAIN, 1200},    {SEAL_PLAIN_LF, 1199}, {SEAL_CBC, 1183}, /* 4 + 1184 */
        {SEAL_GCM, 1164},                                               /* 20 + 16 */
        {SEAL_CBC_HMAC, 1135},                                          /* 20 + 16 + 1136 + 16 */
    };
    char text[1201];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct path p = path_to(1, 7);
        struct seal_ref s = seal(x, rows[i].kind, 1, true);
        size_t first = rows[i].most - 101;
        for (size_t more = 0; more < 2; more++) {
            assert_int_equal(egress_queue(x->e, &p, span_of(text, first), s, DGRAM_EVENT, 0), 0);
            assert_int_equal(egress_queue(x->e, &p, span_of(text, 100 + more), s, DGRAM_EVENT, 0),
                             0);
            assert_false(egress_flush(x->e));
            if (x->sent_n != 1 + more)
                fail_msg("kind %d: %zu datagrams with %zu more", rows[i].kind, x->sent_n, more);
            assert_true(x->sent[0].n <= 1200);
            forget(x);
        }
        egress_seal_close(x->e, s);
    }
}

static void one_that_is_too_large_to_pack_goes_alone(void **state)
{
    struct fixture *x = *state;
    char text[1400];
    struct path p = path_to(1, 7);
    struct seal_ref s = seal(x, SEAL_PLAIN, 0, true);
    memset(text, 'x', sizeof text);
    assert_int_equal(queue_to(x, &p, "a", s), 0);
    assert_int_equal(queue_to(x, &p, "b", s), 0);
    assert_int_equal(egress_queue(x->e, &p, span_of(text, sizeof text), s, DGRAM_EVENT, 0), 0);
    assert_int_equal(queue_to(x, &p, "c", s), 0);
    assert_int_equal(queue_to(x, &p, "d", s), 0);
    assert_false(egress_flush(x->e));
    assert_int_equal(x->sent_n, 3);
    assert_int_equal(x->sent[0].n, 3);
    assert_int_equal(x->sent[1].n, sizeof text);
    assert_int_equal(x->sent[2].n, 3);
}

static void a_datagram_holds_no_more_than_its_parts(void **state)
{
    struct fixture *x = *state;
    struct path p = path_to(1, 7);
    struct seal_ref s = seal(x, SEAL_PLAIN, 0, true);
    for (int i = 0; i < 70; i++)
        assert_int_equal(queue_to(x, &p, "m", s), 0);
    assert_false(egress_flush(x->e));
    assert_int_equal(x->sent_n, 3);
    assert_int_equal(x->sent[0].n, 63); /* 32 messages, 31 separators */
    assert_int_equal(x->sent[1].n, 63);
    assert_int_equal(x->sent[2].n, 11);
    assert_int_equal(egress_stats(x->e)->messages, 70);
}

static void who_did_not_ask_gets_them_one_by_one(void **state)
{
    struct fixture *x = *state;
    struct path p = path_to(1, 7);
    static const enum seal_kind kinds[] = {SEAL_PLAIN, SEAL_PLAIN_LF, SEAL_CBC, SEAL_GCM,
                                           SEAL_CBC_HMAC};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct seal_ref s = seal(x, kinds[i], 1, false);
        assert_int_equal(queue_to(x, &p, "a", s), 0);
        assert_int_equal(queue_to(x, &p, "b", s), 0);
        assert_false(egress_flush(x->e));
        assert_int_equal(x->sent_n, 2);
        if (kinds[i] == SEAL_PLAIN_LF)
            assert_memory_equal(x->sent[1].bytes, "b\n", 2);
        forget(x);
    }
}

/* ---- seals that close ---- */

static void what_waits_under_a_closed_seal_is_dropped(void **state)
{
    struct fixture *x = *state;
    struct path p = path_to(1, 7), q = path_to(2, 7);
    struct seal_ref s = seal(x, SEAL_PLAIN, 0, true), t = seal(x, SEAL_PLAIN, 0, true);
    assert_int_equal(queue_to(x, &p, "gone", s), 0);
    assert_int_equal(queue_to(x, &q, "stays", t), 0);
    assert_int_equal(queue_to(x, &p, "gone too", s), 0);
    uint32_t open = egress_stats(x->e)->seals;
    egress_seal_close(x->e, s);
    assert_int_equal(egress_stats(x->e)->seals, open - 1);
    egress_seal_close(x->e, s);                           /* stale: fine */
    egress_seal_close(x->e, SEAL_REF_NONE);               /* fine */
    struct seal_ref again = seal(x, SEAL_PLAIN, 0, true); /* same slot, another seal */
    assert_int_equal(again.r.slot, s.r.slot);
    assert_int_equal(queue_to(x, &p, "new", again), 0);
    assert_false(egress_flush(x->e));
    assert_sent(x, "2:stays 1:new");
    assert_int_equal(queue_to(x, &p, "late", s), 0);
    assert_false(egress_flush(x->e));
    assert_sent(x, "");
}

static void sealing_that_fails_is_counted(void **state)
{
    struct fixture *x = *state;
    struct path p = path_to(1, 7), q = path_to(2, 7);
    struct seal_ref s = seal(x, SEAL_PLAIN, 0, true), t = seal(x, SEAL_PLAIN, 0, false);
    seals_to_fail = 1;
    assert_int_equal(queue_to(x, &p, "a", s), 0);
    assert_int_equal(queue_to(x, &p, "b", s), 0);
    assert_int_equal(queue_to(x, &q, "c", t), 0);
    assert_false(egress_flush(x->e));
    assert_sent(x, "2:c");
    assert_int_equal(egress_stats(x->e)->seal_failed, 2);
    assert_int_equal(egress_stats(x->e)->messages, 1);
}

static void seals_have_a_ceiling_and_need_memory(void **state)
{
    struct fixture *x = *state;
    struct seal_cfg c = seal_cfg(SEAL_PLAIN, 0), bad = seal_cfg(SEAL_GCM, 0);
    struct seal_ref ref;
    bad.key.n--;
    assert_int_equal(egress_seal_open(x->e, &bad, false, &ref), E_RANGE);
    for (unsigned long nth = 1;; nth++) {
        alloc_fault_at(nth);
        int rc = egress_seal_open(x->e, &c, false, &ref);
        bool fired = alloc_fault_fired();
        alloc_fault_at(0);
        assert_int_equal(rc, fired ? E_NOMEM : 0);
        if (!fired)
            break;
    }
    for (unsigned i = 1; i < SEALS_MAX; i++)
        assert_int_equal(egress_seal_open(x->e, &c, false, &ref), 0);
    assert_int_equal(egress_seal_open(x->e, &c, false, &ref), E_NOMEM);
}

/* ---- a full socket ---- */

static void the_backlog_goes_first_and_in_order(void **state)
{
    struct fixture *x = *state;
    x->room = 0;
    queue(x, 1, "a");
    queue(x, 2, "b");
    queue(x, 1, "c");
    assert_true(egress_flush(x->e));
    assert_sent(x, "");
    queue(x, 1, "d");
    queue(x, 3, "e");
    assert_true(egress_flush(x->e));
    assert_true(egress_flush(x->e)); /* nothing new, still full */
    queue(x, 2, "f");
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    assert_sent(x, "1:a 1:c 1:d 2:b 2:f 3:e");
    const struct egress_stats *s = egress_stats(x->e);
    assert_int_equal(s->delayed, 5);
    assert_int_equal(s->messages, 6);
    assert_int_equal(s->dropped + s->replaced, 0);
}

static void the_texts_are_copied(void **state)
{
    struct fixture *x = *state;
    char text[] = "borrowed";
    x->room = 0;
    queue(x, 1, text);
    assert_true(egress_flush(x->e));
    memset(text, '?', sizeof text - 1);
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    assert_sent(x, "1:borrowed");
}

static size_t place_of(const struct fixture *x, char text)
{
    size_t i = 0;
    while (i < x->sent_n && x->sent[i].bytes[0] != (uint8_t)text)
        i++;
    return i;
}

static void it_goes_on_where_the_socket_stopped(void **state)
{
    struct fixture *x = *state;
    for (size_t room = 0; room <= 5; room++) {
        x->room = room;
        queue(x, 1, "a");
        queue(x, 2, "b");
        queue(x, 1, "c");
        queue(x, 2, "d");
        queue(x, 3, "e");
        assert_int_equal(egress_flush(x->e), room < 5);
        assert_int_equal(x->sent_n, room);
        for (int i = 0; i < 2 && room < 5; i++) { /* a little at a time */
            x->room = 1;
            bool waits = egress_flush(x->e);
            assert_int_equal(waits, x->sent_n < 5);
        }
        x->room = SIZE_MAX;
        assert_false(egress_flush(x->e));
        /* Every one once, and each destination's in its order. */
        assert_int_equal(x->sent_n, 5);
        assert_true(place_of(x, 'a') < place_of(x, 'c') && place_of(x, 'c') < 5);
        assert_true(place_of(x, 'b') < place_of(x, 'd') && place_of(x, 'd') < 5);
        assert_true(place_of(x, 'e') < 5);
        forget(x);
    }
}

/* More than one vector holds, for a socket that is full in the first: no later one is tried in that
 * flush, and everybody gets his once it takes more. */
static void a_socket_that_is_full_before_the_last_vector(void **state)
{
    struct fixture *x = *state;
    enum { HOSTS = 2 * VEC_MAX + 10 };
    reopen(x, 4096, HOSTS, 1200);
    for (int sealed = 0; sealed < 2; sealed++) {
        struct seal_ref s = sealed ? seal(x, SEAL_GCM, 1, false) : SEAL_REF_NONE;
        bool got[HOSTS] = {false};
        for (unsigned i = 0; i < HOSTS; i++) {
            struct path p = path_to(i, 7);
            assert_int_equal(queue_to(x, &p, "text", s), 0);
        }
        x->room = 100;
        assert_true(egress_flush(x->e));
        assert_int_equal(x->sent_n, 100);
        assert_int_equal(x->calls, 1);
        x->room = SIZE_MAX;
        assert_false(egress_flush(x->e));
        assert_int_equal(x->sent_n, HOSTS);
        for (unsigned i = 0; i < HOSTS; i++) {
            unsigned host = x->sent[i].path.peer.ip[14] << 8 | x->sent[i].path.peer.ip[15];
            assert_false(got[host]);
            got[host] = true;
        }
        forget(x);
    }
    assert_int_equal(egress_stats(x->e)->dropped, 0);
}

static void sealed_anew_with_the_next_sequence(void **state)
{
    struct fixture *x = *state;
    struct path p = path_to(1, 7);
    struct seal_ref s = seal(x, SEAL_GCM, 1, false);
    struct seal_cfg c = seal_cfg(SEAL_GCM, 1);
    struct opener *o;
    assert_int_equal(opener_create(&o, &c), 0);
    x->room = 1;
    assert_int_equal(queue_to(x, &p, "a", s), 0);
    assert_int_equal(queue_to(x, &p, "b", s), 0);
    assert_int_equal(queue_to(x, &p, "c", s), 0);
    assert_true(egress_flush(x->e));
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    assert_int_equal(x->sent_n, 3);
    assert_opens(o, &x->sent[0], SPAN_LIT("a"));
    assert_opens(o, &x->sent[1], SPAN_LIT("b"));
    assert_opens(o, &x->sent[2], SPAN_LIT("c"));
    assert_int_equal(x->sent[0].bytes[19], 0);
    assert_true(x->sent[1].bytes[19] > 2); /* no sequence is used twice under one key */
    opener_destroy(o);
}

static void a_newer_one_replaces_what_waits(void **state)
{
    struct fixture *x = *state;
    x->room = 0;
    queue_latest(x, 1, "old5", 5);
    queue(x, 1, "event");
    queue_latest(x, 1, "old6", 6);
    queue_latest(x, 2, "old5", 5);
    assert_true(egress_flush(x->e));
    queue_latest(x, 1, "new5", 5);
    queue_latest(x, 1, "newer5", 5); /* keeps the turn of the first */
    queue(x, 1, "event");            /* events are never replaced */
    queue_latest(x, 1, "7", 7);
    assert_true(egress_flush(x->e));
    assert_int_equal(egress_stats(x->e)->replaced, 2);
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    assert_sent(x, "1:newer5 1:event 1:old6 1:event 1:7 2:old5");
    /* What was sent is not waiting any more, so nothing is replaced now. */
    x->room = 0;
    queue_latest(x, 1, "x", 5);
    assert_true(egress_flush(x->e));
    assert_int_equal(egress_stats(x->e)->replaced, 2);
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    assert_sent(x, "1:x");
}

static void only_the_same_recipient_is_replaced(void **state)
{
    struct fixture *x = *state;
    struct path a = path_to(1, 7), port = path_to(1, 8), sock = a, scope = a;
    struct seal_ref s = seal(x, SEAL_PLAIN, 0, false);
    sock.sock = 2;
    scope.peer.scope = 3;
    x->room = 0;
    for (int i = 0; i < 2; i++) {
        const struct path *paths[] = {&a, &port, &sock, &scope};
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(
                egress_queue(x->e, paths[k], SPAN_LIT("m"), SEAL_REF_NONE, DGRAM_LATEST, 1), 0);
        assert_int_equal(egress_queue(x->e, &a, SPAN_LIT("s"), s, DGRAM_LATEST, 1), 0);
        assert_true(egress_flush(x->e));
        assert_int_equal(egress_stats(x->e)->replaced, i * 5);
    }
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    assert_int_equal(x->sent_n, 5);
}

static void past_its_bound_the_oldest_goes(void **state)
{
    struct fixture *x = *state;
    static const char *const texts[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
    x->room = 0;
    for (unsigned i = 0; i < 11; i++) /* 8 cells */
        queue_latest(x, 1, texts[i], i);
    assert_true(egress_flush(x->e));
    assert_int_equal(egress_stats(x->e)->dropped, 3);
    queue_latest(x, 1, "again", 0); /* 0 was pushed out and is nowhere to be replaced */
    queue_latest(x, 1, "five", 5);
    assert_true(egress_flush(x->e));
    assert_int_equal(egress_stats(x->e)->dropped, 4);
    assert_int_equal(egress_stats(x->e)->replaced, 1);
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    assert_sent(x, "1:4 1:five 1:6 1:7 1:8 1:9 1:10 1:again");
}

static void cells_whose_seal_closed_are_dead(void **state)
{
    struct fixture *x = *state;
    struct path p = path_to(1, 7);
    struct seal_ref s = seal(x, SEAL_PLAIN, 0, false), t = seal(x, SEAL_PLAIN, 0, false);
    x->room = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(egress_queue(x->e, &p, SPAN_LIT("s"), s, DGRAM_LATEST, 1), 0);
        assert_int_equal(egress_queue(x->e, &p, SPAN_LIT("t"), t, DGRAM_EVENT, 1), 0);
        assert_true(egress_flush(x->e));
    }
    egress_seal_close(x->e, s);
    x->room = 2;
    assert_true(egress_flush(x->e));
    assert_sent(x, "1:t 1:t");
    egress_seal_close(x->e, t);
    assert_false(egress_flush(x->e)); /* all dead: nothing waits */
    x->room = SIZE_MAX;
    queue(x, 2, "z");
    assert_false(egress_flush(x->e));
    assert_sent(x, "2:z");
}

/* Cells leave in another order than they came when destinations interleave: dead ones in the middle
 * must neither be sent again nor be counted as dropped when they are pushed out. */
static void holes_in_the_ring(void **state)
{
    struct fixture *x = *state;
    static const char *const texts[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    x->room = 0;
    for (unsigned i = 0; i < 8; i++)
        queue_latest(x, i % 2 + 1, texts[i], i);
    assert_true(egress_flush(x->e));
    x->room = 5; /* all of host 1, one of host 2: cells 0 1 2 4 6 have gone */
    assert_true(egress_flush(x->e));
    assert_sent(x, "1:a 1:c 1:e 1:g 2:b");
    x->room = 0;
    queue_latest(x, 3, "i", 100);
    queue_latest(x, 2, "D", 3);
    queue_latest(x, 3, "j", 101);
    queue_latest(x, 3, "k", 102);
    queue_latest(x, 3, "l", 103); /* the ring is full again: cell 3 is the oldest */
    assert_true(egress_flush(x->e));
    assert_int_equal(egress_stats(x->e)->dropped, 1);
    assert_int_equal(egress_stats(x->e)->replaced, 1);
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    assert_sent(x, "2:f 2:h 3:i 3:j 3:k 3:l");
}

static void what_no_cell_can_hold_is_dropped_when_full(void **state)
{
    struct fixture *x = *state;
    char text[CELL_BYTES + 1];
    struct path p = path_to(1, 7);
    memset(text, 'x', sizeof text);
    x->room = 0;
    assert_int_equal(
        egress_queue(x->e, &p, span_of(text, CELL_BYTES + 1), SEAL_REF_NONE, DGRAM_EVENT, 0), 0);
    assert_false(egress_flush(x->e)); /* nothing is left to wait for */
    assert_int_equal(egress_stats(x->e)->dropped, 1);
    assert_int_equal(
        egress_queue(x->e, &p, span_of(text, CELL_BYTES), SEAL_REF_NONE, DGRAM_EVENT, 0), 0);
    assert_true(egress_flush(x->e));
    x->room = SIZE_MAX;
    assert_int_equal(
        egress_queue(x->e, &p, span_of(text, CELL_BYTES + 1), SEAL_REF_NONE, DGRAM_EVENT, 0), 0);
    assert_false(egress_flush(x->e));
    assert_int_equal(x->sent_n, 2);
    assert_int_equal(x->sent[0].n, CELL_BYTES);
    assert_int_equal(x->sent[1].n, CELL_BYTES + 1);
}

static void without_a_backlog(void **state)
{
    struct fixture *x = *state;
    reopen(x, 16, 0, 1200);
    x->room = 1;
    queue(x, 1, "a");
    queue_latest(x, 1, "b", 1);
    assert_false(egress_flush(x->e));
    assert_sent(x, "1:a");
    assert_int_equal(egress_stats(x->e)->dropped, 1);
}

/* ---- ceilings ---- */

static void the_queue_has_a_ceiling(void **state)
{
    struct fixture *x = *state;
    struct path p = path_to(1, 7);
    reopen(x, 4, 2, 1200);
    x->room = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            assert_int_equal(queue_to(x, &p, "m", SEAL_REF_NONE), 0);
        assert_int_equal(queue_to(x, &p, "m", SEAL_REF_NONE), E_FULL);
        assert_true(egress_flush(x->e));
    }
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    assert_int_equal(x->sent_n, 2);
    assert_int_equal(egress_stats(x->e)->dropped, 3 + 10);
}

static void the_flush_counter_wraps(void **state)
{
    struct fixture *x = *state;
    x->e->stamp = UINT32_MAX - 3;
    for (int i = 0; i < 8; i++) {
        queue(x, 1, "a");
        queue(x, 2, "b");
        queue(x, 1, "c");
        assert_false(egress_flush(x->e));
        assert_sent(x, "1:a 1:c 2:b");
        assert_true(x->e->stamp != 0);
    }
    assert_true(x->e->stamp < 8);
}

static void creation_needs_memory(void **state)
{
    struct fixture *x = *state;
    struct egress_cfg cfg = {16, 4 * CELL_BYTES, 1200};
    for (unsigned long nth = 1;; nth++) {
        struct egress *e = NULL;
        long before = alloc_live_blocks();
        alloc_fault_at(nth);
        int rc = egress_create(&e, &cfg, &x->sink, &x->entropy);
        bool fired = alloc_fault_fired();
        alloc_fault_at(0);
        assert_int_equal(rc, fired ? E_NOMEM : 0);
        if (!fired)
            egress_destroy(e);
        assert_int_equal(alloc_live_blocks(), before);
        if (!fired)
            break;
    }
}

/* ---- everything at once, against what must hold ---- */

enum { HOSTS = 5, SEALS = 3 };

struct expect {          /* of one destination */
    uint64_t last_event; /* events must come in rising order */
};

/* Messages are "kind number": each arrives at most once, events of a destination in order, and what
 * was queued is sent, replaced, dropped or died with its seal. */
static void nothing_comes_twice_or_out_of_order(void **state)
{
    struct fixture *x = *state;
    struct seal_ref seals[SEALS];
    static char texts[64][24];
    struct expect expect[HOSTS][SEALS + 1] = {0};
    uint64_t number = 0, dead = 0;
    for (unsigned i = 0; i < SEALS; i++)
        seals[i] = seal(x, SEAL_PLAIN, 0, i == 0);
    unsigned long requests = alloc_requests();
    for (unsigned round = 0; round < 20000; round++) {
        unsigned n = (unsigned)rng_below(&x->rng, 12);
        for (unsigned i = 0; i < n; i++) {
            unsigned host = (unsigned)rng_below(&x->rng, HOSTS);
            unsigned s = (unsigned)rng_below(&x->rng, SEALS + 1);
            bool event = rng_below(&x->rng, 2);
            struct path p = path_to(host, (uint16_t)(s + 1));
            (void)snprintf(texts[i], sizeof texts[i], "%c%llu", event ? 'e' : 'l',
                           (unsigned long long)++number);
            assert_int_equal(egress_queue(x->e, &p, span_str(texts[i]),
                                          s == SEALS ? SEAL_REF_NONE : seals[s],
                                          event ? DGRAM_EVENT : DGRAM_LATEST, i % 3),
                             0);
        }
        x->room = rng_below(&x->rng, 3) ? rng_below(&x->rng, 12) : SIZE_MAX;
        bool waits = egress_flush(x->e);
        assert_true(waits || x->e->cells_n == 0);
        assert_true(x->e->latest.live <= x->e->cells_n);
        for (size_t i = 0; i < x->sent_n; i++) {
            const struct sent *d = &x->sent[i];
            struct expect *to = &expect[d->path.peer.ip[15]][d->path.peer.port - 1];
            char copy[1201];
            memcpy(copy, d->bytes, d->n);
            copy[d->n] = '\0';
            for (char *at = copy, *line; (line = strsep(&at, "\n"));) {
                unsigned long long v;
                assert_int_equal(sscanf(line + 1, "%llu", &v), 1);
                if (line[0] != 'e')
                    continue;
                assert_true(v > to->last_event);
                to->last_event = v;
            }
        }
        forget(x);
        for (unsigned i = 0; i < 64; i++)
            memset(texts[i], '?', sizeof texts[i] - 1); /* nobody looks at them any more */
    }
    assert_int_equal(alloc_requests(), requests); /* nothing was allocated on the way */
    x->room = SIZE_MAX;
    assert_false(egress_flush(x->e));
    const struct egress_stats *st = egress_stats(x->e);
    assert_int_equal(st->messages + st->replaced + st->dropped + dead, number);
    assert_true(st->replaced > 100 && st->dropped > 100 && st->packed > 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_egress_sends_at_once),
        TEST(destinations_stand_together_in_order),
        TEST(what_makes_a_destination),
        TEST(many_destinations_and_more_than_one_vector),
        TEST(large_ones_fill_the_slab),
        TEST(empty_messages),
        TEST(packed_messages_share_a_datagram),
        TEST(packing_stops_at_its_limit_to_the_byte),
        TEST(one_that_is_too_large_to_pack_goes_alone),
        TEST(a_datagram_holds_no_more_than_its_parts),
        TEST(who_did_not_ask_gets_them_one_by_one),
        TEST(what_waits_under_a_closed_seal_is_dropped),
        TEST(sealing_that_fails_is_counted),
        TEST(seals_have_a_ceiling_and_need_memory),
        TEST(the_backlog_goes_first_and_in_order),
        TEST(the_texts_are_copied),
        TEST(it_goes_on_where_the_socket_stopped),
        TEST(a_socket_that_is_full_before_the_last_vector),
        TEST(sealed_anew_with_the_next_sequence),
        TEST(a_newer_one_replaces_what_waits),
        TEST(only_the_same_recipient_is_replaced),
        TEST(past_its_bound_the_oldest_goes),
        TEST(cells_whose_seal_closed_are_dead),
        TEST(holes_in_the_ring),
        TEST(what_no_cell_can_hold_is_dropped_when_full),
        TEST(without_a_backlog),
        TEST(the_queue_has_a_ceiling),
        TEST(the_flush_counter_wraps),
        TEST(creation_needs_memory),
        TEST(nothing_comes_twice_or_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
