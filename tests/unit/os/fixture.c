#include "fixture.h"

#include "base/mem.h"
#include "os/cert.h"
#include "os/clock.h"
#include "os/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void emit(struct log *log, const struct log_row *row, const struct log_field *f, size_t n)
{
    struct fx_log *l = CONTAINER_OF(log, struct fx_log, log);
    l->n++;
    (void)snprintf(l->last_id, sizeof l->last_id, "%s", row->id);
    size_t at = (size_t)snprintf(l->last_text, sizeof l->last_text, "%s %s", row->id, row->text);
    char addr[ADDR_TEXT_MAX];
    for (size_t i = 0; i < n && at < sizeof l->last_text - 1; i++) {
        char *to = l->last_text + at;
        size_t room = sizeof l->last_text - at;
        switch (f[i].type) {
        case LOG_TYPE_INT:
            at += (size_t)snprintf(to, room, " %s=%lld", f[i].key, (long long)f[i].v.i);
            break;
        case LOG_TYPE_UINT:
            at += (size_t)snprintf(to, room, " %s=%llu", f[i].key, (unsigned long long)f[i].v.u);
            break;
        case LOG_TYPE_SPAN:
            at += (size_t)snprintf(to, room, " %s=%.*s", f[i].key, (int)f[i].v.s.n,
                                   (const char *)f[i].v.s.p);
            break;
        case LOG_TYPE_ADDR:
            at += (size_t)snprintf(to, room, " %s=%s", f[i].key, addr_text(f[i].v.a, addr));
            break;
        }
    }
    if (getenv("FX_LOG"))
        (void)fprintf(stderr, "%s\n", l->last_text);
}

nsec fx_now(void)
{
    return clock_now().mono;
}

SSL_CTX *fx_server_context(void)
{
    struct cert_setup setup = {"/nonexistent", "",          "",           "", "",
                               "localhost",    "127.0.0.1", CERT_KEY_P256};
    struct cert *cert = NULL;
    struct buf why;
    SSL_CTX *ret = NULL;
    buf_init(&why, 1024);
    assert_int_equal(cert_make(&cert, &setup, clock_now().unix_ms / 1000, &why), 0);
    assert_int_equal(tls_context_create(&ret, cert->leaf, cert->key, cert->chain, &why), 0);
    cert_destroy(cert);
    buf_fini(&why);
    return ret;
}

static void spec(struct listener_spec *l, enum listener_kind kind)
{
    *l = (struct listener_spec){.kind = kind,
                                .bind = "127.0.0.1",
                                .in_max = 4096,
                                .out_max = 65536,
                                .port_key = "echo.port"};
}

void fx_specs(void)
{
    spec(&echo_specs[0], LISTEN_TLS);
    spec(&echo_specs[1], LISTEN_TCP);
    echo_specs_n = 2;
    echo_create_rc = 0;
}

void fx_init(struct fx *f)
{
    *f = (struct fx){0};
    fx_specs();
    f->log.log = (struct log){.level = LOG_DEBUG, .emit = emit};
    metrics_init(&f->metrics);
    clock_entropy_init(&f->entropy);
    assert_int_equal(uvloop_create(&f->loop), 0);
    assert_int_equal(uvloop_metrics(f->loop, &f->metrics), 0);
    f->server_tls = fx_server_context();
    f->client_tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_options(f->client_tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    f->cfg = (struct server_cfg){
        .loop = uvloop_loop(f->loop),
        .log = &f->log.log,
        .metrics = &f->metrics,
        .entropy = &f->entropy,
        .tls = f->server_tls,
    };
}

void fx_start(struct fx *f)
{
    struct buf why;
    buf_init(&why, 1024);
    assert_int_equal(server_create(&f->server, &f->cfg), 0);
    int rc = server_add(f->server, &echo_ops, NULL, &f->id, &why);
    if (rc)
        fail_msg("server_add: %d %.*s", rc, (int)why.n, (const char *)why.p);
    f->service = server_service(f->server, f->id);
    buf_fini(&why);
}

void fx_fini(struct fx *f)
{
    while (f->clients)
        client_close(f, f->clients);
    server_destroy(f->server);
    SSL_CTX_free(f->server_tls);
    SSL_CTX_free(f->client_tls);
    uvloop_destroy(f->loop);
    metrics_fini(&f->metrics);
    entropy_fini(&f->entropy);
}

void fx_turn(struct fx *f)
{
    (void)uvloop_run(f->loop, fx_now());
    for (struct client *c = f->clients; c; c = c->next)
        client_step(c);
    (void)usleep(100); /* a turn, not a wait: the conditions decide */
}

void fx_idle(struct fx *f, unsigned ms)
{
    for (nsec end = fx_now() + ms * NSEC_PER_MS; fx_now() < end;)
        fx_turn(f);
}

uint64_t fx_row(const struct fx *f, enum server_row row)
{
    /* The server registers after the loop and before its services. */
    size_t base = f->metrics.tables[0].n;
    return f->metrics.values[base + row];
}
