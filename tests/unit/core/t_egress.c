/* Datagram egress: grouping and order, packing to the byte, seals, ceilings. What comes out is
 * opened with the openers of wire/seal.h. A full socket: t_egress_full.c. */
#include "fixture_egress.h"

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
        TEST(the_queue_has_a_ceiling),
        TEST(the_flush_counter_wraps),
        TEST(creation_needs_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
