/* The admin port over real sockets: a client and the server in one loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/err.h"
#include "os/uvloop.h"

#define ANSWER_TIMEOUT (20 * NSEC_PER_S)

struct fixture {
    struct uvloop *uv;
    struct loop *loop;
    struct log log;
    struct metrics metrics;
    struct config *config;
    struct admin *admin;
    struct buf why;
    uint16_t port;
    bool ready;
    unsigned refreshed;
};

static void drop_record(struct log *log, const struct log_row *row, const struct log_field *fields,
                        size_t n)
{
    (void)log;
    (void)row;
    (void)fields;
    (void)n;
}

static bool is_ready(void *ctx, struct buf *why)
{
    struct fixture *f = ctx;
    if (!f->ready)
        (void)buf_append_str(why, "draining");
    return f->ready;
}

static void refresh(void *ctx)
{
    struct fixture *f = ctx;
    f->refreshed++;
}

static void set(struct fixture *f, const char *key, const char *value)
{
    assert_int_equal(config_set(f->config, span_str(key), span_str(value), CONFIG_FILE, &f->why),
                     0);
}

static int open_admin(struct fixture *f)
{
    struct admin_cfg cfg = {f->loop, &f->log, &f->metrics, f, is_ready, refresh};
    buf_clear(&f->why);
    return admin_create(&f->admin, &cfg, f->config, &f->why);
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
    close(fd);
    return ntohs(in.sin_port);
}

static int setup_with(void **state, const char *bind_to)
{
    static const struct config_table table = {admin_config, ARRAY_LEN(admin_config)};
    static struct fixture f;
    f = (struct fixture){.ready = true, .log = {LOG_DEBUG, drop_record}};
    *state = &f;
    buf_init(&f.why, 1024);
    metrics_init(&f.metrics);
    assert_int_equal(uvloop_create(&f.uv), 0);
    f.loop = uvloop_loop(f.uv);
    assert_int_equal(config_create(&f.config, &table, 1), 0);
    set(&f, "admin.bind", bind_to);
    set(&f, "admin.timeout_s", "2");
    set(&f, "admin.max_connections", "4");
    for (int i = 0; i < 20 && !f.admin; i++) {
        char text[8];
        f.port = free_port();
        snprintf(text, sizeof text, "%u", f.port);
        set(&f, "admin.port", text);
        if (open_admin(&f)) { /* somebody else took it: metrics were registered, start anew */
            metrics_fini(&f.metrics);
            f.admin = NULL;
        }
    }
    assert_non_null(f.admin);
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, "127.0.0.1");
}

static int setup_any(void **state)
{
    return setup_with(state, "::");
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    admin_destroy(f->admin);
    config_destroy(f->config);
    metrics_fini(&f->metrics);
    uvloop_destroy(f->uv);
    buf_fini(&f->why);
    return 0;
}

/* ---- a client */

struct client {
    struct fixture *f;
    int fd;
    struct loop_watch *watch;
    char text[262144]; /* all that came, NUL-terminated */
    size_t n;
    bool ended;
};

static void client_read(void *ctx, struct now now, unsigned events)
{
    struct client *c = ctx;
    (void)now;
    (void)events;
    ssize_t n = recv(c->fd, c->text + c->n, sizeof c->text - 1 - c->n, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    c->ended = n <= 0;
    c->n += n > 0 ? (size_t)n : 0;
    c->text[c->n] = '\0';
    if (c->ended)
        (void)c->f->loop->ops->watch_set(c->watch, 0);
    uvloop_stop(c->f->uv);
}

static void client_open(struct client *c, struct fixture *f)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->f = f;
    c->n = 0;
    c->ended = false;
    c->text[0] = '\0';
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(f->loop->ops->watch(f->loop, c->fd, LOOP_READ, client_read, c, &c->watch), 0);
}

static void client_close(struct client *c)
{
    c->f->loop->ops->unwatch(c->watch);
    close(c->fd);
}

static void client_send(struct client *c, const char *text, size_t n)
{
    assert_int_equal(send(c->fd, text, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* Runs the loop until the connection has ended or `until` stands in what came. */
static void client_wait(struct client *c, const char *until)
{
    nsec deadline = c->f->loop->ops->now(c->f->loop).mono + ANSWER_TIMEOUT;
    while (!c->ended && !(until && strstr(c->text, until)))
        if (!uvloop_run(c->f->uv, deadline))
            fail_msg("no answer in time, only \"%s\"", c->text);
}

static struct client client; /* for one request at a time */

/* Sends a request as it is, with "Connection: close" among its headers, and returns all that came.
 */
static const char *ask(struct fixture *f, const char *request)
{
    client_open(&client, f);
    client_send(&client, request, strlen(request));
    client_wait(&client, NULL);
    client_close(&client);
    return client.text;
}

#define HEAD_OF(method, path) \
    method " " path " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
#define GET(path) HEAD_OF("GET", path) "\r\n"

static void expect_status(const char *answer, const char *status)
{
    if (strncmp(answer, "HTTP/1.", 7) != 0 || strncmp(answer + 9, status, strlen(status)) != 0)
        fail_msg("expected %s: %s", status, answer);
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static void expect_problem(const char *answer, const char *status)
{
    expect_status(answer, status);
    assert_non_null(strstr(answer, "\r\nContent-Type: application/problem+json\r\n"));
    assert_non_null(strstr(body_of(answer), "\"type\":\"about:blank\""));
    assert_non_null(strstr(body_of(answer), status));
}

/* ---- tests */

static void probes(void **state)
{
    struct fixture *f = *state;
    const char *answer = ask(f, GET("/healthz"));
    expect_status(answer, "200");
    assert_string_equal(body_of(answer), "ok\n");
    assert_non_null(strstr(answer, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
    expect_status(ask(f, GET("/readyz")), "200");
    f->ready = false;
    answer = ask(f, GET("/readyz"));
    expect_problem(answer, "503");
    assert_non_null(strstr(answer, "\"detail\":\"draining\""));
    expect_status(ask(f, GET("/healthz")), "200");
}

static void heads(void **state)
{
    struct fixture *f = *state;
    const char *answer = ask(f, HEAD_OF("HEAD", "/healthz") "\r\n");
    expect_status(answer, "200");
    assert_non_null(strstr(answer, "Content-Length: 3"));
    assert_string_equal(body_of(answer), "");
}

static void metrics_text(void **state)
{
    struct fixture *f = *state;
    const char *answer = ask(f, GET("/metrics"));
    expect_status(answer, "200");
    assert_int_equal(f->refreshed, 1);
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    static const char *const lines[] = {
        "\nslipgate_build_info{version=\"" SLIPGATE_VERSION "\"} 1\n",
        "\n# TYPE slipgate_process_cpu_seconds_total counter\n",
        "\n# TYPE slipgate_process_resident_memory_bytes gauge\n",
        "\nslipgate_http_requests_total{code=\"2xx\"} 0\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (!strstr(answer, lines[i]))
            fail_msg("no%sin%s", lines[i], answer);
    const char *fds = strstr(answer, "\nslipgate_process_open_fds ");
    const char *resident = strstr(answer, "\nslipgate_process_resident_memory_bytes ");
    assert_in_range(strtol(strchr(fds, ' '), NULL, 10), 5, 64);
    assert_in_range(strtol(strchr(resident, ' '), NULL, 10), 1 << 20, INT64_C(1) << 40);
    assert_non_null(strstr(ask(f, GET("/metrics")), "requests_total{code=\"2xx\"} 1\n"));
}

static void what_is_not_there(void **state)
{
    struct fixture *f = *state;
    expect_problem(ask(f, GET("/")), "404");
    expect_problem(ask(f, GET("/healthz/")), "404");
    expect_problem(ask(f, GET("/HEALTHZ")), "404");
    expect_problem(ask(f, GET("http://evil.example/healthz")), "404");
    expect_status(ask(f, GET("/healthz?a=b")), "200");
    const char *answer = ask(f, HEAD_OF("DELETE", "/metrics") "\r\n");
    expect_problem(answer, "405");
    assert_non_null(strstr(answer, "\r\nAllow: GET, HEAD\r\n"));
    expect_problem(ask(f, HEAD_OF("OPTIONS", "/metrics") "\r\n"), "405");
    expect_problem(ask(f, HEAD_OF("get", "/metrics") "\r\n"), "405");
}

static void bodies_are_ignored(void **state)
{
    struct fixture *f = *state;
    expect_problem(ask(f, HEAD_OF("POST", "/readyz") "Content-Length: 5\r\n\r\nhello"), "405");
    expect_status(ask(f, HEAD_OF("GET", "/readyz") "Content-Length: 5\r\n\r\nhello"), "200");
    /* Nobody waits for a body that is too long, and what follows is no request. */
    client_open(&client, f);
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Length: 4097\r\n\r\nGET /healthz HTTP/1.1\r\n";
    client_send(&client, request, sizeof request - 1);
    client_wait(&client, NULL);
    client_close(&client);
    expect_status(client.text, "200");
    assert_null(strstr(client.text + 1, "HTTP/1."));
    expect_problem(ask(f, HEAD_OF("POST", "/readyz") "Transfer-Encoding: chunked\r\n\r\n"), "405");
}

static void one_connection_takes_several_requests(void **state)
{
    struct fixture *f = *state;
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"
                                  "GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" GET("/readyz");
    const char *answer = ask(f, request);
    expect_status(answer, "200");
    assert_non_null(strstr(answer, "ok\nHTTP/1.1 404"));
    assert_non_null(strstr(answer, "}\nHTTP/1.1 200"));
}

static void hosts(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *host, *status;
    } cases[] = {
        {"Host: localhost\r\n", "200"},
        {"Host: LOCALHOST:8080\r\n", "200"},
        {"Host: 203.0.113.1\r\n", "200"},
        {"Host: admin.example\r\n", "200"},
        {"Host: a.cert.example:1\r\n", "200"},
        {"Host: evil.example\r\n", "403"},
        {"Host: cert.example\r\n", "403"},
        {"Host: \r\n", "400"},
        {"", "400"},
        {"Host: localhost\r\nHost: localhost\r\n", "400"},
        {"Host: localhost:x\r\n", "400"},
        {"Host: localhost\r\nX-Forwarded-For: 127.0.0.1\r\n", "403"},
        {"Host: localhost\r\nforwarded: for=127.0.0.1\r\n", "403"},
        {"Host: localhost\r\nVia: 1.1 proxy\r\n", "403"},
    };
    set(f, "admin.hosts", "admin.example");
    assert_int_equal(admin_set_config(f->admin, f->config), 0);
    assert_int_equal(admin_set_names(f->admin, "*.cert.example localhost"), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char request[512];
        snprintf(request, sizeof request, "GET /healthz HTTP/1.1\r\n%sConnection: close\r\n\r\n",
                 cases[i].host);
        expect_status(ask(f, request), cases[i].status);
    }
    expect_status(ask(f, "GET /healthz HTTP/1.0\r\n\r\n"), "200");
    expect_status(ask(f, "GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n"), "403");
}

static void nonsense(void **state)
{
    struct fixture *f = *state;
    static char long_request[65536];
    memset(long_request, 'a', sizeof long_request - 1);
    memcpy(long_request, "GET /", 5);
    client_open(&client, f);
    client_send(&client, long_request, sizeof long_request - 1);
    client_wait(&client, NULL);
    client_close(&client);
    if (client.n)
        expect_status(client.text, "4");
    (void)ask(f, "nonsense\r\n\r\n");
    (void)ask(f, "\r\n\r\n\r\n\r\nGET\r\n\r\n");
    expect_status(ask(f, GET("/healthz")), "200");
}

static void silence_ends_a_connection(void **state)
{
    struct fixture *f = *state;
    static const char half[] = "GET /healthz HTTP/1.1\r\nHost: loc";
    client_open(&client, f);
    client_send(&client, half, sizeof half - 1);
    nsec start = f->loop->ops->now(f->loop).mono;
    client_wait(&client, NULL);
    client_close(&client);
    assert_true(f->loop->ops->now(f->loop).mono - start >= NSEC_PER_S);
}

/* A connection past the ceiling waits in the kernel's queue and is served when others have gone. */
static void the_ceiling_of_connections(void **state)
{
    struct fixture *f = *state;
    static struct client idle[4];
    static const char kept[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (size_t i = 0; i < ARRAY_LEN(idle); i++) {
        client_open(&idle[i], f);
        client_send(&idle[i], kept, sizeof kept - 1);
        client_wait(&idle[i], "ok\n");
        assert_false(idle[i].ended);
    }
    client_open(&client, f);
    client_send(&client, GET("/healthz"), strlen(GET("/healthz")));
    for (size_t i = 0; i < ARRAY_LEN(idle); i++)
        client_close(&idle[i]);
    client_wait(&client, NULL);
    client_close(&client);
    expect_status(client.text, "200");
}

static void every_address_is_served(void **state)
{
    struct fixture *f = *state;
    expect_status(ask(f, GET("/healthz")), "200"); /* by IPv4 to a socket of both families */
}

static void a_busy_port_is_named(void **state)
{
    struct fixture *f = *state;
    struct admin *first = f->admin;
    assert_int_equal(open_admin(f), E_CONFIG);
    (void)buf_append_byte(&f->why, '\0');
    assert_non_null(strstr((char *)f->why.p, "admin.port: cannot listen on 127.0.0.1 port "));
    assert_non_null(strstr((char *)f->why.p, "in use"));
    f->admin = first;
}

static void port_zero_is_off(void **state)
{
    struct fixture *f = *state;
    struct admin *first = f->admin;
    set(f, "admin.port", "0");
    assert_int_equal(open_admin(f), E_NOENT);
    f->admin = first;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(probes, setup, teardown),
        cmocka_unit_test_setup_teardown(heads, setup, teardown),
        cmocka_unit_test_setup_teardown(metrics_text, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(bodies_are_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(one_connection_takes_several_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(hosts, setup, teardown),
        cmocka_unit_test_setup_teardown(nonsense, setup, teardown),
        cmocka_unit_test_setup_teardown(silence_ends_a_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(the_ceiling_of_connections, setup, teardown),
        cmocka_unit_test_setup_teardown(every_address_is_served, setup_any, teardown),
        cmocka_unit_test_setup_teardown(a_busy_port_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(port_zero_is_off, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
