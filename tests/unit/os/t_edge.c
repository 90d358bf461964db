#include "fixture.h"

#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

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

static uint16_t tls_port(void)
{
    return server_port(f.server, f.id, 0);
}

/* --- handshakes ---------------------------------------------------------------------------------
 */

static void silent_peer_times_out(void **state)
{
    (void)state;
    f.cfg.handshake_max = 80 * NSEC_PER_MS;
    fx_start(&f);
    nsec start = fx_now();
    struct client *c = client_raw(&f, tls_port());
    fx_until(&f, c->eof);
    assert_true(fx_now() - start >= 80 * NSEC_PER_MS);
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_TIMEOUT), 1);
    assert_int_equal(f.service->opens, 0);
    assert_int_equal(server_links(f.server), 0);
}

/* Half a ClientHello, then silence. */
static void half_handshake_times_out(void **state)
{
    (void)state;
    f.cfg.handshake_max = 80 * NSEC_PER_MS;
    fx_start(&f);
    struct client *c = client_raw(&f, tls_port());
    static const uint8_t half[] = {0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3};
    assert_int_equal(send(c->fd, half, sizeof half, 0), sizeof half);
    fx_until(&f, c->eof);
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_TIMEOUT), 1);
}

/* A peer that trickles its handshake has no more time than a silent one, and is no hindrance. */
static void slow_handshakes_hold_nobody_up(void **state)
{
    (void)state;
    f.cfg.handshake_max = 300 * NSEC_PER_MS;
    fx_start(&f);
    struct client *slow[50];
    for (size_t i = 0; i < ARRAY_LEN(slow); i++)
        slow[i] = client_raw(&f, tls_port());
    struct client *c = client_open(&f, true);
    fx_until(&f, client_got(c, "hello\n"));
    fx_until(&f, fx_row(&f, ROW_HANDSHAKE_TIMEOUT) == ARRAY_LEN(slow));
    client_forget(c);
    client_send(c, "still\n");
    fx_until(&f, client_got(c, "still\n"));
}

static void plaintext_on_the_tls_port(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = client_raw(&f, tls_port());
    client_send(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    fx_until(&f, c->eof);
    assert_int_equal(c->got.n, 0); /* not a byte of answer */
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_NOT_TLS), 1);
    assert_string_equal(f.log.last_id, "link.handshake_failed");
}

static void random_bytes_as_handshake(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *good = client_open(&f, true);
    fx_until(&f, client_got(good, "hello\n"));
    for (unsigned seed = 0; seed < 60; seed++) {
        struct client *c = client_raw(&f, tls_port());
        uint8_t junk[300];
        for (size_t i = 0; i < sizeof junk; i++)
            junk[i] = (uint8_t)((seed * 2654435761u + i * 40503u) >> 7);
        junk[0] = 0x16;
        junk[1] = 3;
        junk[2] = (uint8_t)(seed % 5);
        junk[3] = 0;
        junk[4] = (uint8_t)(seed * 4);
        client_send_bytes(c, junk, sizeof junk);
        fx_until(&f, c->todo.n == 0 || c->broken);
        (void)shutdown(c->fd, SHUT_WR);
        fx_until(&f, c->eof || c->broken);
        client_close(&f, c);
    }
    fx_until(&f, server_links(f.server) == 1);
    assert_int_equal(f.service->opens, 1);
    client_forget(good);
    client_send(good, "fine\n");
    fx_until(&f, client_got(good, "fine\n"));
    assert_int_equal(ERR_peek_error(), 0);
}

static void versions(int min, int max, const char *ciphers, bool ok)
{
    struct client *c = client_open(&f, true);
    assert_int_equal(SSL_set_min_proto_version(c->ssl, min), 1);
    assert_int_equal(SSL_set_max_proto_version(c->ssl, max), 1);
    SSL_set_security_level(c->ssl, 0);
    if (ciphers)
        assert_int_equal(SSL_set_cipher_list(c->ssl, ciphers), 1);
    fx_until(&f, c->eof || client_got(c, "hello\n"));
    assert_int_equal(client_got(c, "hello\n"), ok);
    client_close(&f, c);
}

static void versions_and_suites(void **state)
{
    (void)state;
    fx_start(&f);
    versions(TLS1_3_VERSION, TLS1_3_VERSION, NULL, true);
    versions(TLS1_2_VERSION, TLS1_2_VERSION, NULL, true);
    versions(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true);
    versions(TLS1_VERSION, TLS1_1_VERSION, "ALL:@SECLEVEL=0", false);
    versions(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false); /* CBC */
    versions(TLS1_2_VERSION, TLS1_2_VERSION, "AES128-GCM-SHA256", false); /* no forward secrecy */
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_OK), 3);
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_FAILED), 3);
}

static void renegotiation_is_refused(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = client_open(&f, true);
    assert_int_equal(SSL_set_max_proto_version(c->ssl, TLS1_2_VERSION), 1);
    fx_until(&f, client_got(c, "hello\n"));
    assert_int_equal(SSL_renegotiate(c->ssl), 1);
    (void)SSL_do_handshake(c->ssl);
    fx_until(&f, c->eof || f.service->closes == 1);
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_OK), 1);
}

static void resumption_by_ticket(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = client_open(&f, true);
    fx_until(&f, client_got(c, "hello\n"));
    SSL_SESSION *session = SSL_get1_session(c->ssl);
    assert_true(SSL_SESSION_is_resumable(session));
    assert_int_equal(SSL_shutdown(c->ssl), 0); /* else the library spoils the session */
    client_close(&f, c);
    c = client_open(&f, true);
    assert_int_equal(SSL_set_session(c->ssl, session), 1);
    SSL_SESSION_free(session);
    fx_until(&f, client_got(c, "hello\n"));
    assert_true(SSL_session_reused(c->ssl));
}

/* Open links keep the certificate they began with; new ones get the new one. */
static void certificate_is_swapped(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *a = client_open(&f, true);
    fx_until(&f, client_got(a, "hello\n"));
    SSL_CTX *next = fx_server_context();
    server_set_tls(f.server, next);
    SSL_CTX_free(next);
    struct client *b = client_open(&f, true);
    fx_until(&f, client_got(b, "hello\n"));
    X509 *x = SSL_get0_peer_certificate(a->ssl), *y = SSL_get0_peer_certificate(b->ssl);
    assert_int_not_equal(X509_cmp(x, y), 0);
    client_forget(a);
    client_send(a, "old\n");
    fx_until(&f, client_got(a, "old\n"));
}

/* --- ceilings ------------------------------------------------------------------------------------
 */

static unsigned count_greeted(struct client **c, size_t n)
{
    unsigned greeted = 0;
    for (size_t i = 0; i < n; i++)
        greeted += client_got(c[i], "hello\n");
    return greeted;
}

static unsigned count_refused(struct client **c, size_t n)
{
    unsigned refused = 0;
    for (size_t i = 0; i < n; i++)
        refused += c[i]->eof && c[i]->got.n == 0;
    return refused;
}

static void links_of_one_address(void **state)
{
    (void)state;
    echo_specs[0].links_per_addr = echo_specs[1].links_per_addr = 3;
    fx_start(&f);
    struct client *c[5];
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        c[i] = client_open(&f, i % 2);
    fx_until(&f, count_greeted(c, 5) == 3 && count_refused(c, 5) == 2);
    assert_int_equal(fx_row(&f, ROW_REFUSED_ADDRESS), 2);
    /* One leaves, one may come. */
    client_close(&f, c[0]);
    fx_until(&f, server_links(f.server) == 2);
    c[0] = client_open(&f, true);
    fx_until(&f, client_got(c[0], "hello\n"));
    struct client *d = client_open(&f, true);
    fx_until(&f, d->eof);
    assert_int_equal(fx_row(&f, ROW_REFUSED_ADDRESS), 3);
}

static void exempt_addresses(void **state)
{
    (void)state;
    echo_specs[0].links_per_addr = 2;
    f.cfg.exempt.loopback = true;
    fx_start(&f);
    struct client *c[10];
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        c[i] = client_open(&f, true);
    fx_until(&f, count_greeted(c, 10) == 10);
    /* The policy changes under open links, which were not counted and stay so. */
    server_set_exempt(f.server, &(struct exempt){0});
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        client_close(&f, c[i]);
    fx_until(&f, server_links(f.server) == 0);
    for (size_t i = 0; i < 3; i++)
        c[i] = client_open(&f, true);
    fx_until(&f, count_greeted(c, 3) == 2 && count_refused(c, 3) == 1);
}

static void links_in_all(void **state)
{
    (void)state;
    f.cfg.links_max = 4;
    fx_start(&f);
    struct client *c[6];
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        c[i] = client_open(&f, true);
    fx_until(&f, count_greeted(c, 6) == 4 && count_refused(c, 6) == 2);
    assert_int_equal(fx_row(&f, ROW_REFUSED_FULL), 2);
    assert_int_equal(fx_row(&f, ROW_ACCEPTED), 6);
}

/* While others are at it, newcomers wait in the backlog and are served in their turn. */
static void handshakes_at_once(void **state)
{
    (void)state;
    f.cfg.handshakes_max = 4;
    f.cfg.handshake_max = 400 * NSEC_PER_MS;
    fx_start(&f);
    struct client *silent[4];
    for (size_t i = 0; i < ARRAY_LEN(silent); i++)
        silent[i] = client_raw(&f, tls_port());
    fx_until(&f, server_links(f.server) == 4);
    struct client *c = client_open(&f, true), *d = client_open(&f, false);
    fx_until(&f, client_got(c, "hello\n") && client_got(d, "hello\n"));
    assert_true(fx_row(&f, ROW_HANDSHAKE_TIMEOUT) >= 1);
    assert_int_equal(fx_row(&f, ROW_REFUSED_FULL), 0);
}

/* With a long limit, whoever has dawdled for two seconds makes room. */
static void dawdlers_make_room(void **state)
{
    (void)state;
    f.cfg.handshakes_max = 2;
    f.cfg.handshake_max = 60 * NSEC_PER_S;
    fx_start(&f);
    struct client *a = client_raw(&f, tls_port()), *b = client_raw(&f, tls_port());
    fx_until(&f, server_links(f.server) == 2);
    struct client *c = client_open(&f, true);
    fx_until(&f, client_got(c, "hello\n"));
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_CROWDED), 1);
    assert_true(a->eof != b->eof);
}

static void no_descriptors_left(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *before = client_open(&f, true);
    fx_until(&f, client_got(before, "hello\n"));
    struct client *c[3];
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        c[i] = client_open(&f, true);
    struct rlimit was, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    int next = dup(0); /* the lowest free descriptor */
    assert_true(next >= 0);
    (void)close(next);
    now = was;
    now.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    fx_until(&f, count_refused(c, 3) == 3);
    assert_int_equal(fx_row(&f, ROW_REFUSED_DESCRIPTORS), 3);
    /* The others go on, and the loop rests instead of turning in circles. */
    client_forget(before);
    client_send(before, "on\n");
    fx_until(&f, client_got(before, "on\n"));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    struct client *after = client_open(&f, true);
    fx_until(&f, client_got(after, "hello\n"));
}

static void opened_and_dropped(void **state)
{
    (void)state;
    fx_start(&f);
    for (int i = 0; i < 500; i++) {
        struct client *c = client_raw(&f, tls_port());
        if (i % 2)
            client_close(&f, c);
        else
            fx_turn(&f);
        if (i % 2 == 0)
            client_close(&f, c);
    }
    fx_until(&f, server_links(f.server) == 0 && fx_row(&f, ROW_ACCEPTED) == 500);
    assert_int_equal(f.service->opens, 0);
    assert_int_equal(fx_row(&f, ROW_LINKS_HANDSHAKE), 0);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(silent_peer_times_out),
        T(half_handshake_times_out),
        T(slow_handshakes_hold_nobody_up),
        T(plaintext_on_the_tls_port),
        T(random_bytes_as_handshake),
        T(versions_and_suites),
        T(renegotiation_is_refused),
        T(resumption_by_ticket),
        T(certificate_is_swapped),
        T(links_of_one_address),
        T(exempt_addresses),
        T(links_in_all),
        T(handshakes_at_once),
        T(dawdlers_make_room),
        T(no_descriptors_left),
        T(opened_and_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
