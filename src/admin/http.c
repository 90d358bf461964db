#include "admin/http.h"

#include "base/err.h"

#include <netinet/in.h>
#include <stdlib.h>

#define BODY_IGNORED_MAX 4096u /* a longer one is not read, and ends the connection */
#define ANSWER_MAX       (4u << 20)

enum { M_2XX, M_4XX, M_5XX, METRICS_N };

static const struct metric_row metric_rows[METRICS_N] = {
    [M_2XX] = {"slipgate_http_requests_total", "code=\"2xx\"", METRIC_COUNTER,
               "Requests on the admin port by class of answer."},
    [M_4XX] = {"slipgate_http_requests_total", "code=\"4xx\"", METRIC_COUNTER, NULL},
    [M_5XX] = {"slipgate_http_requests_total", "code=\"5xx\"", METRIC_COUNTER, NULL},
};

static const struct log_row row_refused = {LOG_DEBUG, "admin.refused", "request refused"};

struct answer_text {
    unsigned status;
    const char *type;
    bool allow; /* name the methods that are allowed */
    struct buf body;
};

static const char type_text[] = "text/plain; charset=utf-8";
static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";
static const char type_problem[] = "application/problem+json";

int http_metrics_init(struct admin *a)
{
    int base = metrics_register(a->cfg.metrics, metric_rows, METRICS_N);
    a->metric_base = base < 0 ? 0 : (size_t)base;
    return base < 0 ? base : 0;
}

/* detail is a text of ours: nothing in it needs escaping. RFC 9457 section 3. */
static void problem(struct answer_text *t, unsigned status, const char *detail)
{
    t->status = status;
    t->type = type_problem;
    buf_clear(&t->body);
    (void)buf_printf(
        &t->body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\"}\n",
        MHD_get_reason_phrase_for(status), status, detail);
}

static void healthz(struct admin *a, struct answer_text *t)
{
    (void)a;
    (void)buf_append_str(&t->body, "ok\n");
}

static void readyz(struct admin *a, struct answer_text *t)
{
    struct buf why;
    buf_init(&why, 256);
    if (a->cfg.ready(a->cfg.ctx, &why)) {
        (void)buf_append_str(&t->body, "ready\n");
    } else {
        (void)buf_append_byte(&why, '\0');
        problem(t, MHD_HTTP_SERVICE_UNAVAILABLE, why.failed ? "not ready" : (const char *)why.p);
    }
    buf_fini(&why);
}

static void metrics(struct admin *a, struct answer_text *t)
{
    a->cfg.refresh(a->cfg.ctx);
    process_metrics_refresh(&a->process, a->cfg.loop->ops->now(a->cfg.loop));
    t->type = type_metrics;
    metrics_write(a->cfg.metrics, &t->body);
    if (t->body.failed)
        problem(t, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
}

static const struct {
    const char *path;
    void (*answer)(struct admin *, struct answer_text *);
} routes[] = {
    {"/healthz", healthz},
    {"/readyz", readyz},
    {"/metrics", metrics},
};

static void route(struct admin *a, const char *url, const char *method, struct answer_text *t)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (strcmp(routes[i].path, url) != 0)
            continue;
        t->allow = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
        if (t->allow)
            problem(t, MHD_HTTP_METHOD_NOT_ALLOWED, "use GET or HEAD");
        else
            routes[i].answer(a, t);
        return;
    }
    problem(t, MHD_HTTP_NOT_FOUND, "there are /healthz, /readyz and /metrics");
}

/* What the headers say about where a request comes from and goes to. */
struct origin {
    unsigned hosts_n;
    struct span host; /* the last one */
    bool forwarded;
};

static enum MHD_Result note_header(void *ctx, enum MHD_ValueKind kind, const char *key,
                                   const char *value)
{
    struct origin *o = ctx;
    struct span name = span_str(key);
    (void)kind;
    if (strcasecmp(key, "Host") == 0) {
        o->hosts_n++;
        o->host = value ? span_str(value) : SPAN_NULL;
    }
    o->forwarded = o->forwarded || guard_is_forwarding(name);
    return MHD_YES;
}

static struct addr from_sys(const struct sockaddr *sa)
{
    uint8_t ip[16];
    if (sa && sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        memcpy(ip, &in.sin_addr, 4);
        return addr_v4(ip, ntohs(in.sin_port));
    }
    if (sa && sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, sa, sizeof in);
        memcpy(ip, &in.sin6_addr, 16);
        return addr_v6(ip, ntohs(in.sin6_port), in.sin6_scope_id);
    }
    return (struct addr){.family = ADDR_NONE};
}

static struct addr peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return from_sys(info ? info->client_addr : NULL);
}

enum MHD_Result http_accept(void *ctx, const struct sockaddr *from, socklen_t n)
{
    struct admin *a = ctx;
    struct addr peer = from_sys(from);
    (void)n;
    return guard_source_allowed(&peer, a->auth) ? MHD_YES : MHD_NO;
}

/* An HTTP/1.0 request without Host comes from a probe, never from a browser. */
static void check_host(struct admin *a, const struct origin *o, const char *version,
                       struct answer_text *t)
{
    struct span name;
    if (o->hosts_n == 0 && strcmp(version, "HTTP/1.0") == 0)
        return;
    if (o->hosts_n != 1 || guard_host_name(o->host, &name))
        problem(t, MHD_HTTP_BAD_REQUEST, "one Host header is needed");
    else if (!guard_host_known(name, a->hosts) && !guard_host_known(name, a->names))
        problem(t, MHD_HTTP_FORBIDDEN,
                "unknown Host; use the address, or put the name into admin.hosts");
}

/* t->status stays 0 for a request that may be answered. */
static void check_access(struct admin *a, struct MHD_Connection *connection, const char *version,
                         struct answer_text *t)
{
    struct origin o = {0};
    struct addr peer = peer_of(connection);
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, note_header, &o);
    if (!guard_source_allowed(&peer, a->auth))
        problem(t, MHD_HTTP_FORBIDDEN, "admin.auth does not allow this address");
    else if (o.forwarded)
        problem(t, MHD_HTTP_FORBIDDEN, "requests through a proxy are not served");
    else
        check_host(a, &o, version, t);
    if (t->status)
        LOG(a->cfg.log, &row_refused, LF_ADDR("peer", &peer), LF_UINT("status", t->status),
            LF_SPAN("host", o.host));
}

static bool add_headers(struct MHD_Response *r, const struct answer_text *t, bool last)
{
    bool good = MHD_add_response_header(r, "Content-Type", t->type) == MHD_YES &&
                MHD_add_response_header(r, "Cache-Control", "no-store") == MHD_YES &&
                MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") == MHD_YES;
    if (good && t->allow)
        good = MHD_add_response_header(r, "Allow", "GET, HEAD") == MHD_YES;
    if (good && last)
        good = MHD_add_response_header(r, "Connection", "close") == MHD_YES;
    return good;
}

static enum MHD_Result send_answer(struct admin *a, struct MHD_Connection *connection,
                                   const struct answer_text *t, bool last)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(t->body.n, t->body.p, MHD_RESPMEM_MUST_COPY);
    if (!r)
        return MHD_NO;
    enum MHD_Result sent = MHD_NO;
    if (add_headers(r, t, last))
        sent = MHD_queue_response(connection, t->status, r);
    MHD_destroy_response(r);
    size_t row = t->status < 400 ? M_2XX : t->status < 500 ? M_4XX : M_5XX;
    metrics_add(a->cfg.metrics, a->metric_base + row, 1);
    return sent;
}

static bool has_long_body(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding"))
        return true;
    return length && strtoull(length, NULL, 10) > BODY_IGNORED_MAX;
}

/* Called when the headers are there, then for each piece of the body, then at its end. */
enum MHD_Result http_answer(void *ctx, struct MHD_Connection *connection, const char *url,
                            const char *method, const char *version, const char *upload,
                            size_t *upload_n, void **request)
{
    struct admin *a = ctx;
    struct answer_text t = {.type = type_text};
    bool first = !*request, long_body = first && has_long_body(connection);
    (void)upload;
    *request = a; /* anything but NULL: not the first call any more */
    if (!long_body && (first || *upload_n > 0)) {
        *upload_n = 0;
        return MHD_YES;
    }
    buf_init(&t.body, ANSWER_MAX);
    check_access(a, connection, version, &t);
    if (!t.status) {
        t.status = MHD_HTTP_OK;
        route(a, url, method, &t);
    }
    enum MHD_Result sent = send_answer(a, connection, &t, long_body);
    buf_fini(&t.body);
    return sent;
}
