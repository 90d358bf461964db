#include "fixture.h"

#include "base/err.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static struct fx f;

static int setup(void **state)
{
    (void)state;
    fx_init(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_fini(&f);
    return 0;
}

static struct client *joined(bool tls)
{
    struct client *c = client_open(&f, tls);
    fx_until(&f, client_got(c, "hello\n"));
    client_forget(c);
    return c;
}

static void echoes(bool tls)
{
    fx_start(&f);
    struct client *c = joined(tls);
    client_send(c, "one\ntwo\n");
    fx_until(&f, client_got(c, "one\ntwo\n"));
    const struct echo_link *l = &f.service->links[0];
    assert_int_equal(l->info.tls, tls);
    assert_int_equal(l->info.listener, tls ? 0 : 1);
    assert_int_equal(l->info.peer.port, c->port);
    assert_true(addr_is_loopback(&l->info.peer));
    assert_int_equal(l->info.local.port, server_port(f.server, f.id, tls ? 0 : 1));
    client_close(&f, c);
    fx_until(&f, f.service->closes == 1);
    assert_int_equal(l->why, CLOSE_BY_PEER);
    fx_until(&f, server_links(f.server) == 0);
    assert_int_equal(l->closes, 1);
    assert_int_equal(fx_row(&f, ROW_CLOSED + CLOSE_BY_PEER), 1);
    assert_int_equal(fx_row(&f, ROW_LINKS_OPEN), 0);
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_OK), tls);
}

static void tls_echoes(void **state)
{
    (void)state;
    echoes(true);
}

static void plaintext_echoes(void **state)
{
    (void)state;
    echoes(false);
}

/* Every size of write, from single bytes on, gives the same lines in the same order. */
static void splits(bool tls)
{
    fx_start(&f);
    static const char text[] = "alpha\nbeta\n\ngamma delta\nx\n";
    for (size_t size = 1; size <= sizeof text; size++) {
        struct client *c = joined(tls);
        c->write_max = size;
        client_send(c, text);
        fx_until(&f, client_got(c, text));
        client_close(&f, c);
    }
    fx_until(&f, server_links(f.server) == 0);
    assert_int_equal(f.service->opens, f.service->closes);
}

static void tls_any_split(void **state)
{
    (void)state;
    splits(true);
}

static void plaintext_any_split(void **state)
{
    (void)state;
    splits(false);
}

/* What is behind a pause waits, in order, and is delivered after it; so does what comes later. */
static void pause_keeps_order(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    client_send(c, "a\npause 30\nb\nc\n");
    fx_until(&f, c->got.n >= 2);
    assert_true(client_got(c, "a\n"));
    client_send(c, "d\npause 5\ne\n");
    fx_until(&f, client_got(c, "a\nb\nc\nd\ne\n"));
    assert_string_equal((buf_append_byte(&f.service->log, 0), (char *)f.service->log.p),
                        "a\npause 30\nb\nc\nd\npause 5\ne\n");
}

/* While it is paused, a link is read until there is something to keep; the rest stays in the
 * kernel. */
static void pause_stops_reading(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    client_send(c, "pause 300\n");
    fx_until(&f, f.service->links[0].resume_at != 0);
    uint64_t before = fx_row(&f, ROW_BYTES_IN);
    client_send(c, "0123456789012345678901234567890123456789\n");
    fx_until(&f, fx_row(&f, ROW_BYTES_IN) > before);
    before = fx_row(&f, ROW_BYTES_IN);
    for (int i = 1; i < 200; i++)
        client_send(c, "0123456789012345678901234567890123456789\n");
    fx_until(&f, c->todo.n == 0);
    fx_idle(&f, 10);
    assert_int_equal(fx_row(&f, ROW_BYTES_IN), before);
    fx_until(&f, c->got.n == 200 * 41);
}

/* Whoever leaves in a pause is not kept until its end: what is done for him can be given up. */
static void pause_ends_with_the_peer(void **state)
{
    (void)state;
    fx_start(&f);
    for (unsigned i = 0; i < 3; i++) {
        struct client *c = joined(i > 0);
        client_send(c, "pause 100000\n");
        fx_until(&f, f.service->links[0].resume_at != 0);
        if (i == 2) {
            struct linger at_once = {.l_onoff = 1, .l_linger = 0};
            assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        }
        client_close(&f, c);
        fx_until(&f, f.service->closes == i + 1);
        assert_int_equal(f.service->links[0].why, CLOSE_BY_PEER);
    }
}

/* A resume in the same call is honoured from the loop, which stays alive meanwhile. */
static void spinning_service_leaves_the_loop_alive(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *a = joined(true), *b = joined(true);
    client_send(a, "spin 4000000000\nafter\n");
    fx_until(&f, f.service->links[0].spins > 0);
    client_send(b, "ping\n");
    fx_until(&f, client_got(b, "ping\n"));
    assert_int_equal(a->got.n, 0);
    f.service->links[0].spins = 1;
    fx_until(&f, client_got(a, "after\n"));
}

static void pause_in_flight_end(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    client_send(c, "pause 20\nlast\n");
    fx_until(&f, f.service->links[0].resume_at != 0 && c->todo.n == 0);
    assert_int_equal(SSL_shutdown(c->ssl), 0); /* behind what is paused */
    fx_until(&f, f.service->closes == 1);
    assert_int_equal(f.service->links[0].why, CLOSE_BY_PEER);
    fx_until(&f, c->eof);
    assert_true(client_got(c, "last\n"));
}

/* The peer ends its direction and still gets every answer, then close_notify. */
static void half_close(bool tls)
{
    fx_start(&f);
    struct client *c = joined(tls);
    client_send(c, "one\nsend 50000\ntwo\n");
    fx_until(&f, c->todo.n == 0);
    if (tls)
        assert_int_equal(SSL_shutdown(c->ssl), 0);
    else
        assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
    fx_until(&f, c->eof);
    assert_int_equal(c->got.n, 4 + 50000 + 4);
    assert_false(c->broken);
    if (tls)
        assert_true(c->clean);
    assert_int_equal(f.service->links[0].why, CLOSE_BY_PEER);
    fx_until(&f, f.service->closes == 1);
    client_close(&f, c);
    fx_until(&f, server_links(f.server) == 0);
}

static void tls_half_close(void **state)
{
    (void)state;
    half_close(true);
}

static void plaintext_half_close(void **state)
{
    (void)state;
    half_close(false);
}

/* An end by TCP alone, without close_notify, in one direction. */
static void tls_half_close_by_tcp(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    client_send(c, "one\ntwo\nincomplete");
    fx_until(&f, c->todo.n == 0);
    assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
    fx_until(&f, c->eof);
    assert_true(client_got(c, "one\ntwo\n"));
    assert_true(c->clean);
    assert_int_equal(f.service->links[0].calls, 1); /* the end brings nothing new to look at */
}

static void bye(bool tls)
{
    fx_start(&f);
    struct client *c = joined(tls);
    client_send(c, "send 60000\nbye\nnever answered\n");
    fx_until(&f, c->eof);
    assert_int_equal(c->got.n, 60004);
    assert_memory_equal(c->got.p + 60000, "bye\n", 4);
    assert_false(c->broken);
    assert_int_equal(c->clean, tls);
    assert_int_equal(f.service->links[0].why, CLOSE_BYE);
    assert_int_equal(f.service->links[0].closes, 1);
    client_close(&f, c);
    fx_until(&f, server_links(f.server) == 0);
}

static void tls_bye_is_flushed(void **state)
{
    (void)state;
    bye(true);
}

static void plaintext_bye_is_flushed(void **state)
{
    (void)state;
    bye(false);
}

/* Input that nobody wants any more must not reset the connection under the last answer. */
static void bye_with_unread_input(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    c->deaf = true;
    client_send(c, "send 60000\nbye\n");
    fx_until(&f, f.service->closes == 1);
    for (int i = 0; i < 100; i++)
        client_send(c, "more that nobody reads, sent behind the end of the connection\n");
    fx_idle(&f, 20);
    c->deaf = false;
    fx_until(&f, c->eof);
    assert_int_equal(c->got.n, 60004);
    assert_true(c->clean);
}

static void close_then_send(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    client_send(c, "close-first\nx\n");
    fx_until(&f, c->eof);
    assert_true(client_got(c, ""));
    assert_true(c->clean);
    assert_int_equal(f.service->links[0].why, CLOSE_KICK);
}

static void close_on_open(void **state)
{
    (void)state;
    fx_start(&f);
    f.service->close_on_open = true;
    struct client *c = client_open(&f, true), *d = client_open(&f, false);
    fx_until(&f, c->eof && d->eof);
    assert_true(client_got(c, "hello\n"));
    assert_true(client_got(d, "hello\n"));
    assert_int_equal(f.service->closes, 2);
}

/* A line without end: nothing consumed, nothing paused, past in_max. */
static void line_too_long(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    char line[8192];
    memset(line, 'y', sizeof line);
    client_send_bytes(c, line, echo_specs[0].in_max);
    fx_until(&f, f.service->links[0].most == echo_specs[0].in_max);
    fx_idle(&f, 5);
    assert_int_equal(f.service->closes, 0); /* a line of the full length may still end */
    client_send_bytes(c, line, 17);
    fx_until(&f, f.service->closes == 1);
    assert_int_equal(f.service->links[0].why, CLOSE_PROTOCOL);
    fx_until(&f, c->eof);
}

static void full_line_is_fine(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    char line[4096 + 2];
    memset(line, 'y', sizeof line);
    line[4096] = '\r';
    line[4097] = '\n';
    c->write_max = 1000;
    client_send_bytes(c, line, sizeof line);
    fx_until(&f, c->got.n > 0);
    assert_int_equal(f.service->closes, 0);
}

/* A flood of a peer costs no more than one read beyond the ceiling. */
static void flood_is_bounded(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(false);
    static char mb[4 << 20];
    memset(mb, 'z', sizeof mb);
    client_send_bytes(c, mb, sizeof mb);
    fx_until(&f, f.service->closes == 1);
    assert_true(f.service->links[0].most <= 4096 + 16 + 65536);
    assert_int_equal(f.service->links[0].why, CLOSE_PROTOCOL);
    fx_until(&f, server_links(f.server) == 0);
}

static void peer_that_never_reads(bool tls)
{
    f.cfg.linger_max = 50 * NSEC_PER_MS;
    f.cfg.stall_max = 100 * NSEC_PER_MS;
    fx_start(&f);
    struct client *c = joined(tls);
    c->deaf = true;
    int small = 4096;
    assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    while (f.service->closes == 0) {
        for (int i = 0; i < 400 && c->todo.n < (8u << 20); i++)
            client_send(c, "0123456789012345678901234567890123456789\n");
        fx_turn(&f);
    }
    fx_until(&f, f.service->closes == 1);
    assert_int_equal(f.service->links[0].why, CLOSE_SLOW);
    fx_until(&f, server_links(f.server) == 0);
}

static void plaintext_never_reads(void **state)
{
    (void)state;
    peer_that_never_reads(false);
}

static void tls_never_reads(void **state)
{
    (void)state;
    peer_that_never_reads(true);
}

/* Said goodbye to, but it never reads: gone after linger_max all the same. */
static void never_reads_its_goodbye(void **state)
{
    (void)state;
    f.cfg.linger_max = 100 * NSEC_PER_MS;
    fx_start(&f);
    struct client *c = joined(true);
    c->deaf = true;
    nsec start = fx_now();
    client_send(c, "bye\n");
    fx_until(&f, f.service->closes == 1);
    assert_int_equal(server_links(f.server), 1);
    fx_until(&f, server_links(f.server) == 0);
    assert_true(fx_now() - start >= 100 * NSEC_PER_MS);
}

static void reset_by_peer(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    struct linger at_once = {1, 0};
    assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    client_close(&f, c);
    fx_until(&f, f.service->closes == 1);
    assert_int_equal(f.service->links[0].why, CLOSE_BY_PEER);
    fx_until(&f, server_links(f.server) == 0);
}

/* Garbage inside one session ends that session and no other. */
static void broken_record(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *a = joined(true), *b = joined(true);
    static const uint8_t bad[] = {0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8,
                                  9,    0, 1, 2, 3,  4, 5, 6, 7, 8, 9, 0};
    assert_int_equal(send(a->fd, bad, sizeof bad, MSG_NOSIGNAL), sizeof bad);
    fx_until(&f, f.service->closes == 1);
    assert_int_equal(f.service->links[0].why, CLOSE_PROTOCOL);
    client_send(b, "still here\n");
    fx_until(&f, client_got(b, "still here\n"));
    fx_until(&f, server_links(f.server) == 1);
}

/* A peer may ask for new keys at any time, and many times. */
static void key_updates(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    assert_int_equal(SSL_version(c->ssl), TLS1_3_VERSION);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        client_forget(c);
        client_send(c, "again\n");
        fx_until(&f, client_got(c, "again\n"));
    }
}

/* A peer that makes TLS itself answer, again and again, and reads nothing of it. */
static void key_updates_unread(void **state)
{
    (void)state;
    f.cfg.linger_max = 50 * NSEC_PER_MS;
    f.cfg.stall_max = 100 * NSEC_PER_MS;
    fx_start(&f);
    struct client *c = joined(true);
    int small = 4096;
    assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    c->deaf = true;
    for (unsigned n = 0; f.service->closes == 0; n++) {
        if (n < 200000) {
            (void)SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED);
            (void)SSL_do_handshake(c->ssl);
        }
        if (n % 64 == 0)
            fx_turn(&f);
    }
    fx_until(&f, server_links(f.server) == 0);
    assert_int_equal(f.service->links[0].why, CLOSE_SLOW);
    assert_true(fx_row(&f, ROW_BYTES_OUT) < (8u << 20));
}

static void big_transfer(void **state)
{
    (void)state;
    echo_specs[0].out_max = 1u << 20;
    fx_start(&f);
    struct client *c = joined(true);
    client_send(c, "send 1000000\nend\n");
    fx_until(&f, c->got.n == 1000004);
    assert_memory_equal(c->got.p + 1000000, "end\n", 4);
    for (size_t i = 0; i < 1000000; i++)
        if (c->got.p[i] != 'x')
            fail_msg("byte %zu", i);
}

/* The service's answers within one call share a TLS record. */
static void answers_share_a_record(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = joined(true);
    uint64_t before = fx_row(&f, ROW_BYTES_OUT);
    client_send(c, "a\nb\nc\nd\n");
    fx_until(&f, client_got(c, "a\nb\nc\nd\n"));
    assert_true(fx_row(&f, ROW_BYTES_OUT) - before <= 8 + 22);
}

static void many_links(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c[60];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
            c[i] = client_open(&f, i % 3 != 0);
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
            client_send(c[i], i % 2 ? "x\nbye\n" : "x\n");
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
            fx_until(&f, client_got(c[i], i % 2 ? "hello\nx\nbye\n" : "hello\nx\n"));
        for (size_t i = 0; i < ARRAY_LEN(c); i++)
            client_close(&f, c[i]);
        fx_until(&f, server_links(f.server) == 0);
    }
    assert_int_equal(f.service->closes, 3 * ARRAY_LEN(c));
    assert_int_equal(fx_row(&f, ROW_LINKS_OPEN) + fx_row(&f, ROW_LINKS_CLOSING) +
                         fx_row(&f, ROW_LINKS_HANDSHAKE),
                     0);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(tls_echoes),
        T(plaintext_echoes),
        T(tls_any_split),
        T(plaintext_any_split),
        T(pause_keeps_order),
        T(pause_stops_reading),
        T(pause_ends_with_the_peer),
        T(spinning_service_leaves_the_loop_alive),
        T(pause_in_flight_end),
        T(tls_half_close),
        T(plaintext_half_close),
        T(tls_half_close_by_tcp),
        T(tls_bye_is_flushed),
        T(plaintext_bye_is_flushed),
        T(bye_with_unread_input),
        T(close_then_send),
        T(close_on_open),
        T(line_too_long),
        T(full_line_is_fine),
        T(flood_is_bounded),
        T(plaintext_never_reads),
        T(tls_never_reads),
        T(never_reads_its_goodbye),
        T(reset_by_peer),
        T(broken_record),
        T(key_updates),
        T(key_updates_unread),
        T(big_transfer),
        T(answers_share_a_record),
        T(many_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
