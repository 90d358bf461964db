/* Who may come: bans, handshakes of one address, and connections through a trusted proxy, with real
 * sockets and real TLS. */
#include "fixture.h"

#include "base/err.h"
#include "core/ban_desk.h"
#include "os/clock.h"
#include "wire/proxy.h"

#include <errno.h>
#include <sys/socket.h>

static struct fx f;
static struct ban_desk *bans;
static struct metrics ban_metrics; /* fx_row counts from the server's own */

/* --- bans without a store: in force at once all the same */

static int refuse(struct ask_port *p, const struct ask *a, struct ask_owner owner)
{
    (void)p;
    (void)a;
    (void)owner;
    return E_BUSY;
}

static struct ask_port no_store = {.submit = refuse};

static void enforce(void *ctx, struct now now, const struct ban *b)
{
    struct notice n = {.kind = NOTICE_BAN, .u.ban = b};
    (void)ctx;
    (void)now;
    server_notice(f.server, &n);
}

static void wake(void *ctx, nsec deadline)
{
    (void)ctx;
    (void)deadline;
}

static void ban(const char *net, const char *game)
{
    struct ban b = {.author = SPAN_LIT("test"), .game = span_str(game)};
    assert_int_equal(ban_net_parse(&b, net), 0);
    assert_int_equal(ban_desk_add(bans, clock_now(), &b, true, NULL, NULL, NULL), 0);
    if (f.server)
        (void)ban_desk_time(bans, clock_now());
}

static int setup(void **state)
{
    (void)state;
    fx_init(&f);
    metrics_init(&ban_metrics);
    struct ban_desk_cfg cfg = {.store = &no_store,
                               .log = &f.log.log,
                               .metrics = &ban_metrics,
                               .seed = {1, 2},
                               .enforce = enforce,
                               .wake = wake};
    assert_int_equal(ban_desk_create(&bans, &cfg, clock_now()), 0);
    f.cfg.bans = bans;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_fini(&f);
    ban_desk_destroy(bans);
    metrics_fini(&ban_metrics);
    return 0;
}

static uint64_t refused(void)
{
    return fx_row(&f, ROW_REFUSED_ADDRESS) + fx_row(&f, ROW_REFUSED_BANNED) +
           fx_row(&f, ROW_REFUSED_HANDSHAKES) + fx_row(&f, ROW_REFUSED_PROXY);
}

static void trust_loopback(void)
{
    assert_int_equal(exempt_parse(&f.cfg.proxies, "127.0.0.1", NULL), 0);
}

static size_t header(uint8_t to[PROXY_MAX], enum proxy_kind kind, const char *client)
{
    struct proxy_header h = {.kind = kind};
    if (client) {
        assert_int_equal(addr_parse(&h.src, client), 0);
        assert_int_equal(addr_parse(&h.dst, strchr(client, ':') ? "2001:db8::1" : "198.51.100.1"),
                         0);
        h.src.port = 40000;
        h.dst.port = 443;
    }
    int n = proxy_write(&h, NULL, 0, to, PROXY_MAX);
    assert_true(n > 0);
    return (size_t)n;
}

/* At once, in front of whatever the client says by itself. */
static void put(struct client *c, const void *p, size_t n)
{
    assert_int_equal(send(c->fd, p, n, MSG_NOSIGNAL), n);
}

/* A connection by way of the proxy. */
static struct client *via(const char *client, bool tls)
{
    uint8_t h[PROXY_MAX];
    size_t n = header(h, PROXY_STREAM, client);
    struct client *c = client_open(&f, tls);
    put(c, h, n);
    return c;
}

static const struct link_info *last_info(void)
{
    assert_true(f.service->opens > 0);
    const struct link_info *info = NULL;
    for (size_t i = 0; i < ARRAY_LEN(f.service->links); i++)
        if (f.service->links[i].open)
            info = &f.service->links[i].info;
    assert_non_null(info);
    return info;
}

static void peer_is(const char *text, uint16_t port)
{
    struct addr want;
    assert_int_equal(addr_parse(&want, text), 0);
    want.port = port;
    assert_true(addr_eq(&last_info()->peer, &want));
}

/* --- the proxy ---------------------------------------------------------------------------------
 */

static void client_behind_a_proxy(void **state)
{
    (void)state;
    static const char *const clients[] = {"203.0.113.9", "2001:db8:1::9"};
    trust_loopback();
    fx_start(&f);
    for (size_t i = 0; i < 4; i++) {
        struct client *c = via(clients[i / 2], i % 2);
        client_send(c, "one\n");
        fx_until(&f, client_got(c, "hello\none\n"));
        peer_is(clients[i / 2], 40000);
        assert_int_equal(last_info()->tls, i % 2);
        client_close(&f, c);
        fx_until(&f, server_links(f.server) == 0);
    }
    assert_int_equal(refused(), 0);
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_OK), 2);
}

static void byte_by_byte(void **state)
{
    (void)state;
    trust_loopback();
    fx_start(&f);
    for (unsigned tls = 0; tls < 2; tls++) {
        uint8_t h[PROXY_MAX];
        size_t n = header(h, PROXY_STREAM, "203.0.113.9");
        struct client *c = client_raw(&f, server_port(f.server, f.id, tls ? 0 : 1));
        for (size_t i = 0; i < n; i++) {
            uint64_t before = fx_row(&f, ROW_BYTES_IN);
            put(c, h + i, 1);
            fx_until(&f, fx_row(&f, ROW_BYTES_IN) == before + 1);
            assert_int_equal(f.service->opens, tls + (!tls && i + 1 == n));
        }
        if (tls) {
            c->ssl = SSL_new(f.client_tls);
            assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
            SSL_set_connect_state(c->ssl);
        }
        client_send(c, "one\n");
        c->write_max = 1;
        fx_until(&f, client_got(c, "hello\none\n"));
        peer_is("203.0.113.9", 40000);
        client_close(&f, c);
        fx_until(&f, server_links(f.server) == 0);
    }
}

/* Each of these is refused and counted. */
static void no_header(void **state)
{
    (void)state;
    static const char *const texts[] = {"GET / HTTP/1.1\r\n\r\n",
                                        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "\r\n\r\n\1"};
    uint8_t h[PROXY_MAX];
    trust_loopback();
    fx_start(&f);
    for (size_t i = 0; i < 7; i++) {
        struct client *c =
            i == 6 ? client_open(&f, true) : client_raw(&f, server_port(f.server, f.id, i % 2));
        if (i < ARRAY_LEN(texts))
            put(c, texts[i], strlen(texts[i]));
        else if (i < 5)
            put(c, h, header(h, i == 3 ? PROXY_UNSPEC : PROXY_DGRAM, "203.0.113.9"));
        else if (i == 5) {
            size_t n = header(h, PROXY_STREAM, "203.0.113.9");
            put(c, h, n - 1);
            assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
        }
        fx_until(&f, c->eof && fx_row(&f, ROW_REFUSED_PROXY) == i + 1);
        client_close(&f, c);
    }
    assert_int_equal(f.service->opens, 0);
    assert_int_equal(server_links(f.server), 0);
}

static void header_too_late(void **state)
{
    (void)state;
    uint8_t h[PROXY_MAX];
    trust_loopback();
    f.cfg.handshake_max = 100 * NSEC_PER_MS;
    fx_start(&f);
    struct client *a = client_raw(&f, server_port(f.server, f.id, 0));
    struct client *b = client_raw(&f, server_port(f.server, f.id, 1));
    put(b, h, header(h, PROXY_STREAM, "203.0.113.9") - 1);
    fx_until(&f, a->eof && b->eof);
    assert_int_equal(fx_row(&f, ROW_REFUSED_PROXY), 2);
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_TIMEOUT), 0);
    assert_int_equal(server_links(f.server), 0);
}

/* Health checks: with a header that says so, or by a connection alone. */
static void proxy_looks_whether_we_are_up(void **state)
{
    (void)state;
    uint8_t h[PROXY_MAX];
    trust_loopback();
    fx_start(&f);
    for (uint16_t i = 0; i < 2; i++) {
        struct client *c = client_raw(&f, server_port(f.server, f.id, i));
        put(c, h, header(h, PROXY_LOCAL, NULL));
        fx_until(&f, c->eof);
        assert_false(c->broken);
        c = client_raw(&f, server_port(f.server, f.id, i));
        fx_until(&f, server_links(f.server) == 1);
        client_close(&f, c);
        fx_until(&f, server_links(f.server) == 0);
    }
    assert_int_equal(fx_row(&f, ROW_PROXY_CHECKS), 2);
    assert_int_equal(refused(), 0);
    assert_int_equal(f.service->opens, 0);
}

/* Whoever is not trusted may claim what he likes. */
static void header_of_a_stranger(void **state)
{
    (void)state;
    assert_int_equal(exempt_parse(&f.cfg.proxies, "192.0.2.1", NULL), 0);
    fx_start(&f);
    struct client *c = via("203.0.113.9", true);
    fx_until(&f, c->eof);
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_NOT_TLS), 1);
    (void)via("203.0.113.9", false);
    fx_until(&f, f.service->opens == 1);
    assert_true(addr_is_loopback(&last_info()->peer));
}

static void trust_is_replaced(void **state)
{
    (void)state;
    struct exempt none = {0};
    trust_loopback();
    fx_start(&f);
    struct client *a = via("203.0.113.9", true);
    fx_until(&f, client_got(a, "hello\n"));
    server_set_proxies(f.server, &none);
    struct client *b = client_open(&f, true);
    fx_until(&f, client_got(b, "hello\n"));
    client_send(a, "still\n");
    fx_until(&f, client_got(a, "hello\nstill\n"));
}

static void limits_count_the_client(void **state)
{
    (void)state;
    trust_loopback();
    f.cfg.exempt.loopback = true; /* the proxy's own address counts for nothing */
    echo_specs[0].links_per_addr = 2;
    fx_start(&f);
    struct client *a = via("203.0.113.9", true), *b = via("203.0.113.9", true);
    fx_until(&f, client_got(a, "hello\n") && client_got(b, "hello\n"));
    struct client *c = via("203.0.113.9", true);
    fx_until(&f, c->eof);
    assert_int_equal(fx_row(&f, ROW_REFUSED_ADDRESS), 1);
    struct client *d = via("203.0.113.10", true);
    fx_until(&f, client_got(d, "hello\n"));
    client_close(&f, a);
    fx_until(&f, server_links(f.server) == 2);
    a = via("203.0.113.9", true);
    fx_until(&f, client_got(a, "hello\n"));
    /* An IPv6 client has its /64. */
    (void)via("2001:db8::1", true);
    (void)via("2001:db8::2:0:0:2", true);
    fx_until(&f, f.service->opens == 6);
    c = via("2001:db8::3", true);
    fx_until(&f, c->eof);
    assert_int_equal(fx_row(&f, ROW_REFUSED_ADDRESS), 2);
}

/* --- bans --------------------------------------------------------------------------------------
 */

static void banned_address(void **state)
{
    (void)state;
    f.cfg.exempt.loopback = true; /* spares from limits, not from bans */
    fx_start(&f);
    ban("127.0.0.1", "other");
    struct client *c = client_open(&f, true);
    fx_until(&f, client_got(c, "hello\n"));
    client_close(&f, c);
    ban("127.0.0.1", "echo");
    struct client *a = client_open(&f, true), *b = client_open(&f, false);
    fx_until(&f, a->eof && b->eof);
    assert_int_equal(fx_row(&f, ROW_REFUSED_BANNED), 2);
    assert_int_equal(f.service->opens, 1);
}

static void banned_behind_a_proxy(void **state)
{
    (void)state;
    trust_loopback();
    ban("203.0.113.0/24", "");
    ban("127.0.0.1", ""); /* the proxy itself is nobody's client */
    fx_start(&f);
    struct client *a = via("203.0.113.9", true), *b = via("203.0.114.9", true);
    fx_until(&f, a->eof && client_got(b, "hello\n"));
    assert_int_equal(fx_row(&f, ROW_REFUSED_BANNED), 1);
    assert_int_equal(fx_row(&f, ROW_HANDSHAKE_OK), 1); /* before TLS */
}

static void links_end(void **state)
{
    (void)state;
    trust_loopback();
    fx_start(&f);
    struct client *a = via("203.0.113.9", true), *b = via("203.0.114.9", false);
    fx_until(&f, client_got(a, "hello\n") && client_got(b, "hello\n"));
    uint8_t h[PROXY_MAX];
    struct client *shaking = client_raw(&f, server_port(f.server, f.id, 0));
    put(shaking, h, header(h, PROXY_STREAM, "203.0.113.10"));
    struct client *reading = client_raw(&f, server_port(f.server, f.id, 0));
    uint64_t before = fx_row(&f, ROW_BYTES_IN);
    put(reading, h, 5);
    fx_until(&f, fx_row(&f, ROW_BYTES_IN) >= before + 5 && server_links(f.server) == 4);
    ban("203.0.113.0/24", "");
    fx_until(&f, a->eof && shaking->eof);
    assert_int_equal(f.service->closes, 1);
    assert_int_equal(fx_row(&f, ROW_CLOSED + CLOSE_KICK), 1);
    client_send(b, "still\n");
    fx_until(&f, client_got(b, "hello\nstill\n"));
    assert_false(reading->eof);
}

/* --- handshakes of one address -----------------------------------------------------------------
 */

static void handshakes_of_one_address(void **state)
{
    (void)state;
    f.cfg.handshakes_per_addr = 2;
    fx_start(&f);
    struct client *c[8];
    for (size_t i = 0; i < ARRAY_LEN(c); i++) { /* one after the other: none is too many */
        c[i] = client_open(&f, true);
        fx_until(&f, client_got(c[i], "hello\n"));
    }
    struct client *a = client_raw(&f, server_port(f.server, f.id, 0));
    struct client *b = client_raw(&f, server_port(f.server, f.id, 0));
    fx_until(&f, server_links(f.server) == 10);
    struct client *d = client_open(&f, true);
    fx_until(&f, d->eof);
    assert_int_equal(fx_row(&f, ROW_REFUSED_HANDSHAKES), 1);
    struct client *plain = client_open(&f, false);
    fx_until(&f, client_got(plain, "hello\n"));
    client_close(&f, a);
    fx_until(&f, server_links(f.server) == 10); /* one went, the plaintext one came */
    d = client_open(&f, true);
    fx_until(&f, client_got(d, "hello\n"));
    /* What fails is forgotten too. */
    put(b, "\x16\x03\x01\x00\x05xxxxx", 10);
    fx_until(&f, b->eof);
    server_set_handshakes_per_addr(f.server, 1);
    d = client_open(&f, true);
    fx_until(&f, client_got(d, "hello\n"));
    assert_int_equal(fx_row(&f, ROW_REFUSED_HANDSHAKES), 1);
}

static void handshakes_of_exempt_addresses(void **state)
{
    (void)state;
    f.cfg.handshakes_per_addr = 1;
    f.cfg.exempt.loopback = true;
    fx_start(&f);
    for (size_t i = 0; i < 5; i++)
        (void)client_raw(&f, server_port(f.server, f.id, 0));
    struct client *c = client_open(&f, true);
    fx_until(&f, client_got(c, "hello\n"));
    assert_int_equal(refused(), 0);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(client_behind_a_proxy),
        T(byte_by_byte),
        T(no_header),
        T(header_too_late),
        T(proxy_looks_whether_we_are_up),
        T(header_of_a_stranger),
        T(trust_is_replaced),
        T(limits_count_the_client),
        T(banned_address),
        T(banned_behind_a_proxy),
        T(links_end),
        T(handshakes_of_one_address),
        T(handshakes_of_exempt_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
