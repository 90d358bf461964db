/* The certificate's life within the server: opened at the start, shown to new connections, watched.
 */
#include "base/err.h"
#include "bin/app.h"
#include "bin/rows_tls.h"
#include "os/tls.h"

#include <openssl/ssl.h>

#define LOOK_EVERY   (1 * NSEC_PER_S)
#define REPORT_EVERY (24 * 3600 * NSEC_PER_S)

static const struct log_row row_failed = {LOG_ERROR, "certificate.reload_failed",
                                          "the certificate in use stays"};
static const struct log_row row_reloaded = {LOG_INFO, "certificate.reloaded",
                                            "new connections get the new certificate"};

int app_cert_open(struct app *a, struct buf *why)
{
    struct cert_setup setup;
    bool made;
    int64_t unix_s = a->loop->ops->now(a->loop).unix_ms / 1000;
    rows_tls_setup(a->config, &setup);
    int rc = cert_open(&a->cert, &setup, unix_s, &made, why);
    if (rc == 0)
        cert_report(a->cert, &setup, unix_s, a->log);
    return rc;
}

/* The DNS names in "DNS:localhost, IP:127.0.0.1", separated by blanks. */
static void dns_names(struct span all, struct buf *ret)
{
    while (all.n) {
        const uint8_t *comma = memchr(all.p, ',', all.n);
        struct span name = {all.p, comma ? (size_t)(comma - all.p) : all.n};
        all = span_skip(all, name.n + 2);
        if (name.n > 4 && memcmp(name.p, "DNS:", 4) == 0) {
            (void)buf_append_span(ret, span_skip(name, 4));
            (void)buf_append_byte(ret, ' ');
        }
    }
    (void)buf_append_byte(ret, '\0');
}

static int tell_admin(struct app *a)
{
    struct buf all, names;
    if (!a->admin)
        return 0;
    buf_init(&all, 1u << 20);
    buf_init(&names, 1u << 20);
    int rc = cert_names(a->cert, &all);
    dns_names(buf_span(&all), &names);
    if (rc == 0)
        rc = names.failed ? E_NOMEM : admin_set_names(a->admin, (const char *)names.p);
    buf_fini(&all);
    buf_fini(&names);
    return rc;
}

int app_cert_use(struct app *a, struct buf *why)
{
    SSL_CTX *tls;
    int rc = tls_context_create(&tls, a->cert->leaf, a->cert->key, a->cert->chain, why);
    if (rc)
        return rc;
    server_set_tls(a->server, tls);
    SSL_CTX_free(tls);
    return tell_admin(a);
}

void app_cert_reload(struct app *a)
{
    struct cert_setup setup;
    struct buf why;
    buf_init(&why, 2048);
    rows_tls_setup(a->config, &setup);
    int rc = cert_reload(&a->cert, &setup, &why);
    if (rc == 0)
        rc = app_cert_use(a, &why);
    if (rc) {
        LOG(a->log, &row_failed, LF_SPAN("reason", buf_span(&why)), LF_STR("error", err_name(rc)));
    } else {
        LOG(a->log, &row_reloaded, LF_STR("path", a->cert->path));
        cert_report(a->cert, &setup, a->loop->ops->now(a->loop).unix_ms / 1000, a->log);
    }
    buf_fini(&why);
}

static void look(void *ctx, struct now now)
{
    struct app *a = ctx;
    struct cert_setup setup;
    if (cert_changed(a->cert))
        app_cert_reload(a);
    if (now.mono - a->cert_reported >= REPORT_EVERY) {
        a->cert_reported = now.mono;
        rows_tls_setup(a->config, &setup);
        cert_report(a->cert, &setup, now.unix_ms / 1000, a->log);
    }
    a->loop->ops->timer_set(a->cert_timer, now.mono + LOOK_EVERY);
}

int app_cert_watch(struct app *a)
{
    struct now now = a->loop->ops->now(a->loop);
    int rc = a->loop->ops->timer_open(a->loop, look, a, &a->cert_timer);
    if (rc)
        return rc;
    a->cert_reported = now.mono;
    a->loop->ops->timer_set(a->cert_timer, now.mono + LOOK_EVERY);
    return tell_admin(a);
}
