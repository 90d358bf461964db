#include "fixture.h"

#include "base/err.h"
#include "os/clock.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fx f;
static struct buf why;

static int setup(void **state)
{
    (void)state;
    fx_init(&f);
    buf_init(&why, 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_fini(&f);
    buf_fini(&why);
    return 0;
}

static int add(void)
{
    uint16_t id = 0;
    if (!f.server)
        assert_int_equal(server_create(&f.server, &f.cfg), 0);
    buf_clear(&why);
    int rc = server_add(f.server, &echo_ops, NULL, &id, &why);
    assert_int_equal(buf_append_byte(&why, 0), 0);
    return rc;
}

static void says(const char *part)
{
    if (!strstr((const char *)why.p, part))
        fail_msg("\"%s\" is not in \"%s\"", part, (const char *)why.p);
}

/* --- opening
 * --------------------------------------------------------------------------------------- */

static void service_that_is_off(void **state)
{
    (void)state;
    echo_specs_n = 0;
    assert_int_equal(add(), E_NOENT);
    assert_int_equal(server_services(f.server), 0);
    echo_specs_n = 2;
    assert_int_equal(add(), 0);
    assert_int_equal(server_services(f.server), 1);
    assert_string_equal(server_service_name(f.server, 0), "echo");
    assert_int_equal(server_port(f.server, 0, 2), 0);
    assert_int_equal(server_port(f.server, 1, 0), 0);
}

static void service_that_fails(void **state)
{
    (void)state;
    echo_create_rc = E_NOMEM;
    assert_int_equal(add(), E_NOMEM);
    says("echo cannot start: out of memory");
    assert_int_equal(server_services(f.server), 0);
}

static void port_in_use(void **state)
{
    (void)state;
    assert_int_equal(add(), 0);
    echo_specs[0].port = server_port(f.server, 0, 1);
    assert_int_equal(add(), E_CONFIG);
    char port[16];
    (void)snprintf(port, sizeof port, "%u", echo_specs[0].port);
    says("127.0.0.1");
    says(port);
    says("echo.port");
    says("another program uses it");
    says("ss -tnp");
    assert_null(strchr((const char *)why.p, '\n'));
    assert_int_equal(server_services(f.server), 1);
}

static void udp_port_in_use(void **state)
{
    (void)state;
    echo_specs[0].kind = LISTEN_UDP;
    assert_int_equal(add(), 0);
    echo_specs[0].port = server_port(f.server, 0, 0);
    assert_int_equal(add(), E_CONFIG);
    says("UDP");
    says("ss -unp");
}

static void no_such_address(void **state)
{
    (void)state;
    (void)snprintf(echo_specs[1].bind, sizeof echo_specs[1].bind, "192.0.2.99");
    assert_int_equal(add(), E_CONFIG);
    says("192.0.2.99");
    says("no such address");
    (void)snprintf(echo_specs[1].bind, sizeof echo_specs[1].bind, "localhost");
    assert_int_equal(add(), E_CONFIG);
    says("not an IP address");
}

/* A privileged port without the privilege: tried as another user, in a child. */
static void port_below_1024(void **state)
{
    (void)state;
    if (geteuid() == 0 && seteuid(65534) != 0)
        skip();
    echo_specs[0].port = 444;
    int rc = add();
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    if (rc == 0)
        skip(); /* net.ipv4.ip_unprivileged_port_start allows it */
    assert_int_equal(rc, E_CONFIG);
    if (strstr((const char *)why.p, "another program"))
        skip();
    says("port 444 (echo.port)");
    says("sudo setcap cap_net_bind_service=+ep /");
    says("t_server");
    says("or set echo.port to 1024 or more");
}

static int v6_client(uint16_t port)
{
    struct sockaddr_in6 to = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static void both_families(void **state)
{
    (void)state;
    (void)snprintf(echo_specs[1].bind, sizeof echo_specs[1].bind, "::");
    if (add() != 0)
        skip(); /* no IPv6 here */
    f.service = server_service(f.server, 0);
    struct client *c = client_open(&f, false);
    int fd = v6_client(server_port(f.server, 0, 1));
    assert_true(fd >= 0);
    fx_until(&f, f.service->opens == 2);
    unsigned six = 0, four = 0;
    for (size_t i = 0; i < 2; i++) {
        const struct link_info *info = &f.service->links[i].info;
        assert_true(addr_is_loopback(&info->peer));
        six += info->peer.family == ADDR_V6;
        four += info->peer.family == ADDR_V4;
    }
    assert_int_equal(six, 1);
    assert_int_equal(four, 1);
    fx_until(&f, client_got(c, "hello\n"));
    (void)close(fd);
}

static void any_four_is_four_only(void **state)
{
    (void)state;
    (void)snprintf(echo_specs[1].bind, sizeof echo_specs[1].bind, "0.0.0.0");
    assert_int_equal(add(), 0);
    f.service = server_service(f.server, 0);
    assert_int_equal(v6_client(server_port(f.server, 0, 1)), -1);
    struct client *c = client_open(&f, false);
    fx_until(&f, client_got(c, "hello\n"));
}

/* --- time, asks, notices
 * ----------------------------------------------------------------------------- */

static void on_time_comes_once(void **state)
{
    (void)state;
    fx_start(&f);
    assert_int_equal(f.service->times, 0); /* not from within server_add */
    fx_until(&f, f.service->times == 1);
    fx_idle(&f, 5);
    assert_int_equal(f.service->times, 1);
}

struct slow_port {
    struct ask_port port;
    struct ask_owner owner;
    unsigned asked;
    int rc;
};

static int slow_submit(struct ask_port *p, const struct ask *a, struct ask_owner owner)
{
    struct slow_port *s = CONTAINER_OF(p, struct slow_port, port);
    assert_int_equal(a->kind, ASK_ACCOUNT_FIND);
    s->asked++;
    s->owner = owner;
    return s->rc;
}

static void answer(struct slow_port *s, int rc)
{
    struct answer a = {.req = s->owner.req, .kind = ASK_ACCOUNT_FIND, .rc = rc};
    s->owner.answer(s->owner.ctx, clock_now(), &a);
}

static void asks_are_answered(void **state)
{
    (void)state;
    struct slow_port store = {.port.submit = slow_submit};
    f.cfg.ask[ASK_TO_STORE] = &store.port;
    fx_start(&f);
    struct client *c = client_open(&f, true);
    client_send(c, "ask\n");
    fx_until(&f, client_got(c, "hello\nasked 0\n"));
    answer(&store, E_NOENT);
    fx_until(&f, client_got(c, "hello\nasked 0\nanswer -10\n"));
    /* An answer to somebody who left finds nobody. */
    client_send(c, "ask\n");
    fx_until(&f, store.asked == 2);
    client_close(&f, c);
    fx_until(&f, server_links(f.server) == 0);
    answer(&store, 0);
    store.rc = E_BUSY;
    c = client_open(&f, true);
    client_send(c, "ask\n");
    fx_until(&f, client_got(c, "hello\nasked -12\n"));
}

static void asks_without_a_port(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *c = client_open(&f, true);
    client_send(c, "ask\n");
    fx_until(&f, client_got(c, "hello\nasked -12\n"));
}

static void configuration_moves_ceilings(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *old = client_open(&f, false);
    fx_until(&f, client_got(old, "hello\n"));
    echo_specs[1].links_per_addr = 2;
    echo_specs[1].in_max = 100;
    struct notice n = {.kind = NOTICE_CONFIG};
    server_notice(f.server, &n);
    assert_int_equal(f.service->notices, 1);
    struct client *a = client_open(&f, false);
    fx_until(&f, client_got(a, "hello\n"));
    char line[300];
    memset(line, 'x', sizeof line);
    client_send_bytes(a, line, sizeof line);
    client_send_bytes(old, line, sizeof line);
    fx_until(&f, a->eof);
    client_send(old, "\n");
    fx_until(&f, old->got.n > 100); /* it keeps what it began with */
}

/* --- the end
 * ------------------------------------------------------------------------------------------ */

static void on_drained(void *ctx, struct now now, uint32_t cut)
{
    struct fx *x = ctx;
    (void)now;
    assert_false(x->drained);
    x->drained = true;
    x->cut = cut;
}

static bool is_refused(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool refused = connect(fd, (struct sockaddr *)&to, sizeof to) != 0;
    (void)close(fd);
    return refused;
}

static void drain_waits_for_the_last(void **state)
{
    (void)state;
    fx_start(&f);
    uint16_t port = server_port(f.server, f.id, 0);
    struct client *a = client_open(&f, true), *b = client_open(&f, false);
    fx_until(&f, client_got(a, "hello\n") && client_got(b, "hello\n"));
    struct client *silent = client_raw(&f, port);
    fx_until(&f, server_links(f.server) == 3);
    server_drain(f.server, fx_now() + WAIT_S * NSEC_PER_S, on_drained, &f);
    assert_int_equal(f.service->drains, 1);
    assert_false(server_accepting(f.server));
    assert_true(is_refused(port));
    fx_until(&f, silent->eof); /* a handshake is not waited for */
    client_send(b, "bye\n");
    fx_until(&f, b->eof);
    client_close(&f, b);
    fx_until(&f, server_links(f.server) == 1);
    assert_false(f.drained);
    client_close(&f, a);
    fx_until(&f, f.drained);
    assert_int_equal(f.cut, 0);
    assert_int_equal(server_links(f.server), 0);
}

static void drain_ends(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *a = client_open(&f, true), *b = client_open(&f, false);
    fx_until(&f, client_got(a, "hello\n") && client_got(b, "hello\n"));
    nsec deadline = fx_now() + 3600 * NSEC_PER_S;
    server_drain(f.server, deadline, on_drained, &f);
    deadline = fx_now() + 50 * NSEC_PER_MS;
    server_drain(f.server, deadline, on_drained, &f); /* sooner */
    assert_int_equal(f.service->drains, 1);
    fx_until(&f, f.drained);
    assert_true(fx_now() >= deadline);
    assert_int_equal(f.cut, 2);
    assert_int_equal(f.service->closes, 2);
    assert_int_equal(f.service->links[0].why, CLOSE_DRAIN);
    fx_until(&f, a->eof && b->eof);
    assert_true(a->clean);
    assert_false(b->broken);
}

static void drain_of_nobody(void **state)
{
    (void)state;
    fx_start(&f);
    server_drain(f.server, fx_now() + 3600 * NSEC_PER_S, on_drained, &f);
    assert_false(f.drained); /* from the loop, not from within */
    fx_until(&f, f.drained);
}

static void close_all_says_goodbye(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *a = client_open(&f, true);
    fx_until(&f, client_got(a, "hello\n"));
    server_close_all(f.server);
    assert_int_equal(f.service->closes, 1);
    fx_until(&f, a->eof);
    assert_true(a->clean);
    client_close(&f, a);
    fx_until(&f, server_links(f.server) == 0);
    assert_true(server_accepting(f.server)); /* it only ends what is there */
    a = client_open(&f, true);
    fx_until(&f, client_got(a, "hello\n"));
}

static void looking_in(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *a = client_open(&f, true);
    fx_until(&f, client_got(a, "hello\n"));
    struct service_view v;
    server_view(f.server, f.id, &v);
    assert_int_equal(v.sessions, 1);
    struct buf text;
    buf_init(&text, 1 << 16);
    metrics_write(&f.metrics, &text);
    assert_int_equal(buf_append_byte(&text, 0), 0);
    assert_non_null(strstr((char *)text.p, "slipgate_links{state=\"open\"} 1\n"));
    assert_non_null(strstr((char *)text.p, "slipgate_tls_handshakes_total{result=\"ok\"} 1\n"));
    assert_null(strstr((char *)text.p, "(null)"));
    buf_fini(&text);
}

static void descriptors(void **state)
{
    (void)state;
    struct rlimit was, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    now = (struct rlimit){100, was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(server_raise_descriptors(50), 100);
    assert_int_equal(server_raise_descriptors(120), 120);
    assert_int_equal(server_raise_descriptors(SIZE_MAX / 2), was.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

/* Every way out of the middle leaves nothing behind; the sanitizer counts. */
static void destroyed_in_the_middle(void **state)
{
    (void)state;
    fx_start(&f);
    struct client *a = client_open(&f, true), *b = client_open(&f, false);
    (void)client_raw(&f, server_port(f.server, f.id, 0));
    fx_until(&f, client_got(a, "hello\n") && client_got(b, "hello\n"));
    client_send(a, "pause 100000\nx\n");
    client_send(b, "bye\n");
    fx_until(&f, f.service->closes == 1);
    (void)client_open(&f, true);
    fx_turn(&f);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(service_that_is_off),
        T(service_that_fails),
        T(port_in_use),
        T(udp_port_in_use),
        T(no_such_address),
        T(port_below_1024),
        T(both_families),
        T(any_four_is_four_only),
        T(on_time_comes_once),
        T(asks_are_answered),
        T(asks_without_a_port),
        T(configuration_moves_ceilings),
        T(drain_waits_for_the_last),
        T(drain_ends),
        T(drain_of_nobody),
        T(close_all_says_goodbye),
        T(looking_in),
        T(descriptors),
        T(destroyed_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
