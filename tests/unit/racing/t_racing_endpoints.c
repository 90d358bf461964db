/* Where datagrams may come from: plaintext and its rules, endpoints and how they move, addresses,
 * the search for unknown senders, rates (docs/protocol-racing.md, "Datagrams in the clear",
 * "Datagram messages"). */
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

/* ---- in the clear ---- */

static void plaintext_by_policy(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        enum racing_metric before, after; /* the first sealed one */
    } rows[] = {{"off", M_DGRAM_PLAIN, M_DGRAM_PLAIN},
                {"until_encrypted", M_DGRAM_ACCEPTED, M_DGRAM_PLAIN},
                {"on", M_DGRAM_ACCEPTED, M_DGRAM_ACCEPTED}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char setting[64];
        (void)snprintf(setting, sizeof setting, "racing.udp_plaintext=%s", rows[i].policy);
        struct fake *f = SERVE(setting);
        struct player p, sealed;
        enter_with(f, &p, "a", CLEAR);
        cast_update(&p);
        assert_outcome(f, rows[i].before);
        sealed = p;
        use_document_keys(&sealed);
        cast_update(&sealed);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        cast_update(&p);
        assert_outcome(f, rows[i].after);
        bool before = alloc_fault_suspend(true);
        sealer_destroy(sealed.sealer);
        opener_destroy(sealed.opener);
        (void)alloc_fault_suspend(before);
        stop(f);
    }
}

/* Who has only ever sent in the clear gets it so; from the first sealed one on, sealed. */
static void answers_are_sealed_as_ones_own(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[2];
    race(f, p, 2, CLEAR);
    cast_update(&p[0]);
    receive_update_of(&p[1], &p[0]);
    use_document_keys(&p[1]);
    cast_update(&p[1]);
    receive_update_of(&p[0], &p[1]);
    cast_update(&p[0]);
    receive_update_of(&p[1], &p[0]); /* opens under his key */
    static const char *const off[] = {"racing.udp_plaintext=off", NULL};
    assert_int_equal(fake_configure(f, off), 0);
    cast_update(&p[1]); /* nothing leaves in the clear any more */
    receive_nothing(f);
    stop(f);
}

static void plaintext_never_moves_an_endpoint(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.udp_plaintext=on");
    struct player p[2];
    race(f, p, 2, CLEAR);
    cast_from(&p[0], HERE, (uint16_t)(p[0].udp_port + 7), UPDATE(""), p[0].id);
    assert_outcome(f, M_DGRAM_MOVED);
    cast_from(&p[0], "203.0.113.99", p[0].udp_port, UPDATE(""), p[0].id);
    assert_outcome(f, M_DGRAM_MOVED);
    cast_from(&p[0], "2001:db8::1", p[0].udp_port, UPDATE(""), p[0].id);
    assert_outcome(f, M_DGRAM_MOVED);
    struct path sock = fake_path(HERE, p[0].udp_port);
    char text[300];
    struct span part = text_in(text, sizeof text, UPDATE(""), p[0].id);
    sock.sock = 3; /* the other socket of ours */
    fake_dgram(f, &sock, part);
    assert_outcome(f, M_DGRAM_MOVED);
    receive_nothing(f);
    cast_update(&p[1]);
    receive_update_of(&p[0], &p[1]); /* still where he was */
    assert_outcome(f, M_DGRAM_ACCEPTED);
    /* A first one must come from the address of the connection, too. */
    struct player late;
    enter_with(f, &late, "late", CLEAR);
    cast_from(&late, "203.0.113.99", 7, UPDATE(""), late.id);
    assert_outcome(f, M_DGRAM_MOVED);
    cast_update(&late);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    stop(f);
}

static void plaintext_takes_no_endpoint_from_who_has_proved_himself(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[2], thief;
    race(f, p, 2, DOCUMENT);
    enter_with(f, &thief, "thief", CLEAR); /* behind the same address */
    cast_from(&thief, HERE, p[0].udp_port, UPDATE(""), thief.id);
    assert_outcome(f, M_DGRAM_MOVED);
    cast_update(&p[1]);
    receive_update_of(&p[0], &p[1]);
    stop(f);
}

/* ---- endpoints ---- */

static void a_sealed_one_moves_the_endpoint(void **state)
{
    (void)state;
    for (enum form form = DOCUMENT; form < FORMS; form++) {
        struct fake *f = SERVE(NULL);
        struct player p[2];
        race(f, p, 2, form);
        p[0].udp_port += 300;
        cast_update(&p[0]);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        receive_update_of(&p[1], &p[0]);
        cast_update(&p[1]);
        receive_update_of(&p[0], &p[1]); /* at the new one, not at the old one */
        receive_nothing(f);
        stop(f);
    }
}

static void addresses_a_sealed_one_may_come_from(void **state)
{
    (void)state;
    static const struct {
        const char *tcp, *udp;
        bool any, allowed;
    } rows[] = {
        {"203.0.113.10", "203.0.113.10", false, true},
        {"203.0.113.10", "203.0.113.11", false, false},
        {"203.0.113.10", "203.0.113.11", true, true},
        {"203.0.113.10", "2001:db8::10", false, true},
        {"2001:db8::10", "203.0.113.10", false, true},
        {"2001:db8::10", "2001:db8::11", false, false},
        {"2001:db8::10", "2001:db8::11", true, true},
        {"::1", "127.0.0.1", false, true},
        {"127.0.0.1", "::1", false, true},
        {"203.0.113.10", "::ffff:203.0.113.10", false, true},
        {"203.0.113.10", "::ffff:203.0.113.11", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (enum form form = DOCUMENT; form < FORMS; form++) {
            struct fake *f = SERVE(rows[i].any ? "racing.udp_any_address=true" : "racing.port=443");
            struct player p;
            char line[65536];
            enter(f, &p, rows[i].tcp);
            say(&p, "{'command':'NAME','name':'a','password':'pw'%s}",
                form == GCM        ? ",'udpAead':['aes-256-gcm']"
                : form == CBC_HMAC ? ",'udpAead':['aes-256-cbc-hmac-sha256']"
                                   : "");
            (void)listen_to(&p, line);
            if (form == DOCUMENT)
                use_document_keys(&p);
            else
                use_aead_keys(&p, line);
            (void)snprintf(p.ip, sizeof p.ip, "%s", rows[i].udp);
            cast_update(&p);
            assert_outcome(f, rows[i].allowed    ? M_DGRAM_ACCEPTED
                              : form == DOCUMENT ? M_DGRAM_UNKNOWN
                                                 : M_DGRAM_MOVED);
            stop(f);
        }
}

static void a_second_address_is_pinned(void **state)
{
    (void)state;
    for (enum form form = DOCUMENT; form < FORMS; form++) {
        struct fake *f = SERVE(NULL);
        struct player p;
        enter_with(f, &p, "a", form);
        (void)snprintf(p.ip, sizeof p.ip, "2001:db8::1");
        cast_update(&p);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        (void)snprintf(p.ip, sizeof p.ip, "2001:db8::2"); /* a third one */
        cast_update(&p);
        assert_outcome(f, form == DOCUMENT ? M_DGRAM_UNKNOWN : M_DGRAM_MOVED);
        (void)snprintf(p.ip, sizeof p.ip, "2001:db8::1");
        p.udp_port++;
        cast_update(&p);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        (void)snprintf(p.ip, sizeof p.ip, HERE); /* the connection's is always right */
        cast_update(&p);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        (void)snprintf(p.ip, sizeof p.ip, "2001:db8::1");
        cast_update(&p);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        stop(f);
    }
}

/* Everybody in a room knows its ids, and with the document's secret its keys. */
static void who_was_heard_at_home_is_not_taken_over(void **state)
{
    (void)state;
    for (enum form form = DOCUMENT; form < FORMS; form++) {
        struct fake *f = SERVE(NULL);
        struct player p[2];
        race(f, p, 2, form);
        struct player thief = p[0];
        (void)snprintf(thief.ip, sizeof thief.ip, "2001:db8::bad");
        cast_update(&thief);
        assert_outcome(f, form == DOCUMENT ? M_DGRAM_UNKNOWN : M_DGRAM_MOVED);
        receive_nothing(f);
        cast_update(&p[1]);
        receive_update_of(&p[0], &p[1]); /* still at home */
        stop(f);
    }
}

/* A client that lost its connection signs in anew and goes on from the same port. */
static void a_port_changes_hands(void **state)
{
    (void)state;
    for (enum form form = CLEAR; form < FORMS; form++) {
        struct fake *f = SERVE("racing.single_login=allow");
        struct player old, again, third;
        char r[33];
        enter_with(f, &old, "a", form);
        create_room(&old, r);
        cast_update(&old);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        enter_with(f, &third, "c", DOCUMENT);
        join_room(&third, r);
        cast_update(&third);
        fake_forget_dgrams(f);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        enter_with(f, &again, "a", form);
        join_room(&again, r);
        again.udp_port = old.udp_port;
        cast_update(&again);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        receive_update_of(&third, &again);
        cast_update(&third);
        receive_update_of(&again, &third); /* the port is his; the old session gets nothing */
        receive_nothing(f);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        if (form != CLEAR) { /* until it is heard again */
            old.udp_port += 100;
            cast_update(&old);
            assert_outcome(f, M_DGRAM_ACCEPTED);
        }
        stop(f);
    }
}

static void a_new_secret_is_for_new_logins(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player a, b;
    enter_with(f, &a, "a", DOCUMENT);
    cast_update(&a);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    static const char *const other[] = {"racing.udp_shared_secret=another", NULL};
    assert_int_equal(fake_configure(f, other), 0);
    cast_update(&a);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    enter_with(f, &b, "b", DOCUMENT);
    cast_update(&b);
    assert_outcome(f, M_DGRAM_UNKNOWN);
    uint8_t key[SEAL_CBC_KEY], bytes[400];
    struct sealer *s;
    assert_int_equal(seal_derive_cbc(span_of(b.id, 32), SPAN_LIT("another"), key), 0);
    struct seal_cfg c = {.kind = SEAL_CBC, .key = span_of(key, sizeof key)};
    char text[300];
    struct span part = text_in(text, sizeof text, UPDATE(""), b.id);
    assert_int_equal(sealer_create(&s, &c, NULL), 0);
    int n = sealer_seal(s, &part, 1, bytes, sizeof bytes);
    sealer_destroy(s);
    cast_raw(&b, span_of(bytes, (size_t)n));
    assert_outcome(f, M_DGRAM_ACCEPTED);
    stop(f);
}

static void nothing_but_aead_where_it_is_required(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.udp_require_aead=true", "racing.udp_plaintext=on");
    struct player strong[2], weak, clear;
    char r[33];
    enter_with(f, &weak, "weak", DOCUMENT);
    cast_update(&weak);
    assert_outcome(f, M_DGRAM_PLAIN);
    enter_with(f, &clear, "clear", CLEAR);
    cast_update(&clear);
    assert_outcome(f, M_DGRAM_PLAIN);
    enter_with(f, &strong[0], "s0", GCM);
    enter_with(f, &strong[1], "s1", CBC_HMAC);
    create_room(&strong[0], r);
    join_room(&strong[1], r);
    join_room(&weak, r);
    cast_update(&strong[0]);
    assert_outcome(f, M_DGRAM_ACCEPTED);
    cast_update(&strong[1]);
    receive_update_of(&strong[0], &strong[1]);
    receive_nothing(f);
    /* Demanded later, it also ends what went to who had been heard in a weaker form. */
    static const char *const lax[] = {"racing.udp_require_aead=false", NULL};
    static const char *const strict[] = {"racing.udp_require_aead=true", NULL};
    assert_int_equal(fake_configure(f, lax), 0);
    /* It signed in when there was nothing for it: only a new login gives it the document's keys. */
    ask(&weak, "{'command':'AUTHENTICATE','password':'pw'}", "{'command':'AUTH_OK','name':'weak'}");
    cast_update(&weak);
    receive_update_of(&strong[0], &weak);
    receive_update_of(&strong[1], &weak);
    cast_update(&strong[0]);
    receive_update_of(&strong[1], &strong[0]);
    receive_update_of(&weak, &strong[0]);
    assert_int_equal(fake_configure(f, strict), 0);
    cast_update(&strong[0]);
    receive_update_of(&strong[1], &strong[0]);
    receive_nothing(f);
    stop(f);
}

/* ---- the search for unknown senders ---- */

static void one_of_many_behind_one_address(void **state)
{
    (void)state;
    enum { MANY = 150 };
    struct fake *f = SERVE("limits.exempt=" HERE);
    static struct player p[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%u", i);
        enter_with(f, &p[i], name, DOCUMENT);
    }
    for (unsigned i = 0; i < MANY; i++) { /* all from one address at once: over 10,000 trials */
        cast_update(&p[i]);
        assert_outcome(f, M_DGRAM_ACCEPTED);
        fake_advance(f, 10 * NSEC_PER_MS); /* 100 strangers a second */
    }
    uint64_t trials = fake_metric(f, M_TRIALS);
    assert_in_range(trials, MANY, MANY * (MANY + 1) / 2);
    for (unsigned i = 0; i < MANY; i++)
        cast_update(&p[i]); /* known now: no trial more */
    assert_int_equal(fake_metric(f, M_TRIALS), trials);
    assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), 2 * MANY);
    stop(f);
}

static void strangers_are_limited(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    uint8_t noise[20] = {16, 0, 0, 0};
    for (unsigned i = 0; i < 150; i++) {
        struct path from = fake_path("198.51.100.1", (uint16_t)(1000 + i));
        fake_dgram(f, &from, span_of(noise, sizeof noise));
    }
    assert_int_equal(fake_metric(f, M_DGRAM_UNKNOWN), 100);
    assert_int_equal(fake_metric(f, M_DGRAM_RATE), 50);
    struct path other = fake_path("198.51.100.2", 5);
    fake_dgram(f, &other, span_of(noise, sizeof noise));
    assert_int_equal(fake_metric(f, M_DGRAM_UNKNOWN), 101);
    for (unsigned i = 0; i < 150; i++) { /* who is exempt is not limited by address */
        struct path from = fake_path("127.0.0.1", (uint16_t)(1000 + i));
        fake_dgram(f, &from, span_of(noise, sizeof noise));
    }
    assert_int_equal(fake_metric(f, M_DGRAM_UNKNOWN), 251);
    receive_nothing(f);
    assert_int_equal(f->dgrams_lost, 0);
    stop(f);
}

/* However many strangers there are, looking for them has a price per second, and does not use up
 * what is set aside for the players' own addresses. */
static void the_search_has_a_budget(void **state)
{
    (void)state;
    enum { MANY = 300 };
    struct fake *f = SERVE("racing.udp_any_address=true", "limits.exempt=" HERE);
    static struct player p[MANY];
    uint8_t noise[36] = {32, 0, 0, 0, 5};
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%u", i);
        enter_with(f, &p[i], name, DOCUMENT);
    }
    uint64_t before = fake_metric(f, M_TRIALS);
    for (unsigned i = 0; i < 5000; i++) {
        char ip[32];
        (void)snprintf(ip, sizeof ip, "198.51.%u.%u", i / 200, i % 200);
        struct path from = fake_path(ip, 9);
        noise[5] = (uint8_t)i;
        noise[6] = (uint8_t)(i >> 8);
        fake_dgram(f, &from, span_of(noise, sizeof noise));
    }
    assert_in_range(fake_metric(f, M_TRIALS) - before, 1, 20000);
    cast_update(&p[7]); /* while that goes on, a player is found */
    assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), 1);
    receive_nothing(f);
    stop(f);
}

static void from_an_address_nobody_is_connected_from(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p[3];
    for (int i = 0; i < 3; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%d", i);
        enter_with(f, &p[i], name, DOCUMENT);
        (void)snprintf(p[i].ip, sizeof p[i].ip, "2001:db8::%d", i + 1);
    }
    for (int i = 0; i < 3; i++) {
        cast_update(&p[i]);
        assert_outcome(f, M_DGRAM_ACCEPTED);
    }
    stop(f);
}

static void sessions_have_a_datagram_rate(void **state)
{
    (void)state;
    for (enum form form = CLEAR; form < FORMS; form++) {
        struct fake *f = SERVE("racing.datagrams_per_s=10", "racing.datagrams_burst=5");
        struct player p;
        enter_with(f, &p, "a", form);
        for (int i = 0; i < 8; i++)
            cast_update(&p);
        assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), 5);
        assert_int_equal(fake_metric(f, M_DGRAM_RATE), 3);
        fake_advance(f, 100 * NSEC_PER_MS);
        cast_update(&p);
        cast_update(&p);
        assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), 6);
        assert_int_equal(fake_metric(f, M_DGRAM_RATE), 4);
        /* moving about does not help */
        for (int i = 0; i < 5; i++) {
            p.udp_port++;
            cast_update(&p);
        }
        assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), 6);
        stop(f);
    }
}

/* Whose endpoint went to another session may register a new one in the clear, within his rate. */
static void a_lost_endpoint_and_the_rate(void **state)
{
    (void)state;
    struct fake *f =
        SERVE("racing.udp_plaintext=on", "racing.datagrams_per_s=1", "racing.datagrams_burst=2");
    struct player a, b;
    enter_with(f, &a, "a", CLEAR);
    cast_update(&a);
    cast_update(&a);
    assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), 2);
    enter_with(f, &b, "b", DOCUMENT);
    b.udp_port = a.udp_port;
    fake_advance(f, NSEC_PER_S); /* the endpoint is a's, and pays for the datagram too */
    cast_update(&b);
    assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), 3);
    a.udp_port += 50;
    cast_update(&a);
    assert_int_equal(fake_metric(f, M_DGRAM_RATE), 1);
    fake_advance(f, 2 * NSEC_PER_S);
    cast_update(&a);
    assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), 4);
    stop(f);
}

/* Behind one crowded address too, the search has a price. */
static void a_crowded_address_has_a_budget(void **state)
{
    (void)state;
    enum { MANY = 300 };
    struct fake *f = SERVE("racing.strangers_per_s=1000000", "limits.exempt=" HERE);
    static struct player p[MANY];
    uint8_t noise[36] = {32};
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%u", i);
        enter_with(f, &p[i], name, DOCUMENT);
    }
    for (unsigned i = 0; i < 1000; i++) {
        struct path from = fake_path(HERE, (uint16_t)(60000 + i));
        noise[5] = (uint8_t)i;
        fake_dgram(f, &from, span_of(noise, sizeof noise));
    }
    assert_int_equal(fake_metric(f, M_TRIALS), 20000);
    assert_int_equal(fake_metric(f, M_DGRAM_UNKNOWN), 1000);
    fake_advance(f, NSEC_PER_S); /* and comes back */
    cast_update(&p[7]);
    assert_int_equal(fake_metric(f, M_DGRAM_ACCEPTED), 1);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plaintext_by_policy),
        cmocka_unit_test(answers_are_sealed_as_ones_own),
        cmocka_unit_test(plaintext_never_moves_an_endpoint),
        cmocka_unit_test(plaintext_takes_no_endpoint_from_who_has_proved_himself),
        cmocka_unit_test(a_sealed_one_moves_the_endpoint),
        cmocka_unit_test(addresses_a_sealed_one_may_come_from),
        cmocka_unit_test(a_second_address_is_pinned),
        cmocka_unit_test(who_was_heard_at_home_is_not_taken_over),
        cmocka_unit_test(a_port_changes_hands),
        cmocka_unit_test(a_new_secret_is_for_new_logins),
        cmocka_unit_test(nothing_but_aead_where_it_is_required),
        cmocka_unit_test(one_of_many_behind_one_address),
        cmocka_unit_test(strangers_are_limited),
        cmocka_unit_test(the_search_has_a_budget),
        cmocka_unit_test(from_an_address_nobody_is_connected_from),
        cmocka_unit_test(sessions_have_a_datagram_rate),
        cmocka_unit_test(a_lost_endpoint_and_the_rate),
        cmocka_unit_test(a_crowded_address_has_a_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
