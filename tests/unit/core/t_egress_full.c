/* Datagram egress with a full socket: what waits in the backlog, in which order, and what gives
 * way. */
#include "fixture_egress.h"

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

/* ---- everything at once, against what must hold ---- */

enum { HOSTS = 5, SEALS = 3 };

struct expect {          /* of one destination */
    uint64_t last_event; /* events must come in rising order */
};

/* Messages are "kind number": each arrives at most once, events of a destination in order, and what
 * was queued is sent, replaced or dropped. */
static void nothing_comes_twice_or_out_of_order(void **state)
{
    struct fixture *x = *state;
    struct seal_ref seals[SEALS];
    static char texts[64][24];
    struct expect expect[HOSTS][SEALS + 1] = {0};
    uint64_t number = 0;
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
    assert_int_equal(st->messages + st->replaced + st->dropped, number);
    assert_true(st->replaced > 100 && st->dropped > 100 && st->packed > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        TEST(nothing_comes_twice_or_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
