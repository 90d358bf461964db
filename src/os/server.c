#include "os/server_priv.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "os/clock.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <unistd.h>

#define LINKS_MAX      16384u
#define HANDSHAKES_MAX 1024u
#define HANDSHAKE_MAX  (10 * NSEC_PER_S)
#define LINGER_MAX     (5 * NSEC_PER_S)
#define STALL_MAX      (10 * NSEC_PER_S)
#define UDP_BUFFER     (4u << 20)
#define EGRESS_QUEUE   16384u
#define EGRESS_BACKLOG (1u << 20)
#define EGRESS_PACK    1200u
#define LOOK_EVERY     (NSEC_PER_MS / 10)

static const struct log_row log_listen = {LOG_INFO, "server.listen", "listening"};
static const struct log_row log_drain = {LOG_INFO, "server.drain", "draining"};
static const struct log_row log_drained = {LOG_INFO, "server.drained", "drained"};

/* --- small things ------------------------------------------------------------------------------
 */

struct now server_now(struct server *s)
{
    return s->loop->ops->now(s->loop);
}

bool log_gate_pass(struct log_gate *g, nsec now, uint32_t max, uint64_t *left_out)
{
    if (now - g->second >= NSEC_PER_S) {
        g->second = now;
        g->n = 0;
    }
    if (g->n >= max) {
        g->left_out++;
        return false;
    }
    g->n++;
    *left_out = g->left_out;
    g->left_out = 0;
    return true;
}

size_t server_raise_descriptors(size_t want)
{
    struct rlimit r;
    CHECK(getrlimit(RLIMIT_NOFILE, &r) == 0);
    if (r.rlim_cur < want) {
        rlim_t before = r.rlim_cur;
        r.rlim_cur = want < r.rlim_max ? want : r.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &r) != 0)
            r.rlim_cur = before;
    }
    return r.rlim_cur;
}

/* --- calling services --------------------------------------------------------------------------
 */

void server_enter(struct server *s)
{
    CHECK(!s->in_call);
    s->in_call = true;
}

static void count_egress(struct bound *b)
{
    const struct egress_stats *e = egress_stats(b->egress);
    struct egress_stats *told = &b->told;
    const struct rows *r = &b->s->rows;
    rows_add(r, ROW_EGRESS_MESSAGES, e->messages - told->messages);
    rows_add(r, ROW_EGRESS_PACKED, e->packed - told->packed);
    rows_add(r, ROW_EGRESS_DELAYED, e->delayed - told->delayed);
    rows_add(r, ROW_EGRESS_REPLACED, e->replaced - told->replaced);
    rows_add(r, ROW_EGRESS_DROPPED, e->dropped - told->dropped);
    rows_add(r, ROW_EGRESS_SEAL_FAILED, e->seal_failed - told->seal_failed);
    *told = *e;
}

void server_leave(struct bound *b)
{
    b->s->in_call = false;
    (void)egress_flush(b->egress); /* what stays is sent when its socket is writable */
    count_egress(b);
}

static void list_move(struct list *to, struct list *from)
{
    list_init(to);
    if (list_empty(from))
        return;
    *to = *from;
    to->next->prev = to->prev->next = to;
    list_init(from);
}

void server_look(struct server *s, struct now now)
{
    if (s->in_call || s->looking || s->dying || clock_now().mono - s->looked < LOOK_EVERY)
        return;
    s->looking = true;
    for (size_t i = 0; i < s->bound_n; i++)
        for (size_t k = 0; k < s->bound[i]->listeners_n; k++)
            if (s->bound[i]->listeners[k].udp)
                udp_look(s->bound[i]->listeners[k].udp, now);
    s->looking = false;
    s->looked = clock_now().mono;
}

void server_settle(struct server *s, struct now now)
{
    if (s->in_call || s->settling)
        return;
    s->settling = true;
    /* What is resumed from here on waits for the next turn of the loop, so that a service that
     * pauses and resumes for ever does not stop it. */
    struct list *n, turn;
    list_move(&turn, &s->ready);
    do {
        while ((n = list_first(&s->dirty))) {
            list_remove(n);
            link_settle(CONTAINER_OF(n, struct link, dirty), now);
        }
        n = list_first(&turn);
        if (n) {
            list_remove(n);
            link_ready(CONTAINER_OF(n, struct link, ready), now);
        }
    } while (n);
    s->settling = false;
    if (!list_empty(&s->ready))
        s->loop->ops->timer_set(s->soon, now.mono);
    if (s->drained && s->links.live == 0)
        s->loop->ops->timer_set(s->drain, now.mono);
    rows_set(&s->rows, ROW_LINKS_HANDSHAKE, s->handshakes_n);
    rows_set(&s->rows, ROW_LINKS_OPEN, s->open_n);
    rows_set(&s->rows, ROW_LINKS_CLOSING, s->closing_n);
    server_look(s, now);
}

static void on_answer(void *ctx, struct now now, const struct answer *a)
{
    struct bound *b = ctx;
    CHECK(b->asks > 0);
    b->asks--;
    server_enter(b->s);
    b->ops->on_answer(b->svc, now, a);
    server_leave(b);
    server_settle(b->s, now);
}

static void on_time(void *ctx, struct now now)
{
    struct bound *b = ctx;
    b->deadline = NSEC_NEVER;
    server_enter(b->s);
    nsec next = b->ops->on_time(b->svc, now);
    server_leave(b);
    if (next < b->deadline) /* host_wake may have asked for an earlier one */
        b->deadline = next;
    b->s->loop->ops->timer_set(b->timer, b->deadline);
    server_settle(b->s, now);
}

void server_on_batch(void *ctx, struct now now, const struct dgram *v, size_t n)
{
    struct listener *l = ctx;
    struct bound *b = l->b;
    server_enter(b->s);
    b->ops->on_dgrams(b->svc, now, l->index, v, n);
    server_leave(b);
    b->s->looked = clock_now().mono;
    server_settle(b->s, now);
}

void server_on_writable(void *ctx, struct now now)
{
    struct bound *b = ((struct listener *)ctx)->b;
    (void)now;
    (void)egress_flush(b->egress);
    count_egress(b);
}

/* --- the host ----------------------------------------------------------------------------------
 */

static struct bound *bound_of(struct host *h)
{
    return CONTAINER_OF(h, struct bound, host);
}

static struct link *find(struct host *h, struct link_ref ref)
{
    struct bound *b = bound_of(h);
    struct link *l = slots_get(&b->s->links, ref.r);
    return l && l->from->b == b ? l : NULL;
}

static int do_send(struct host *h, struct link_ref ref, struct span bytes)
{
    struct link *l = find(h, ref);
    return l ? link_send(l, bytes) : E_STALE;
}

static void do_pause(struct host *h, struct link_ref ref)
{
    struct link *l = find(h, ref);
    if (l)
        link_pause(l);
}

static void do_resume(struct host *h, struct link_ref ref)
{
    struct link *l = find(h, ref);
    if (l)
        link_resume(l);
}

static void do_close(struct host *h, struct link_ref ref, enum close_why why)
{
    struct link *l = find(h, ref);
    if (l)
        link_end(l, why);
}

static int do_ask(struct host *h, const struct ask *ask, uint64_t req)
{
    struct bound *b = bound_of(h);
    const struct server_cfg *cfg = &b->s->cfg;
    struct ask_port *port = cfg->ask[ask_destination(ask->kind)];
    if (!port || b->s->dying)
        return E_BUSY;
    int rc = port->submit(port, ask, (struct ask_owner){on_answer, b, req});
    b->asks += rc == 0;
    return rc;
}

static void do_cancel(struct host *h, uint64_t req)
{
    struct bound *b = bound_of(h);
    struct ask_port *const *ports = b->s->cfg.ask;
    for (size_t i = 0; i < ASK_TO_N; i++)
        if (ports[i] && ports[i]->cancel)
            ports[i]->cancel(ports[i], b, req);
}

static void do_wake(struct host *h, nsec deadline)
{
    struct bound *b = bound_of(h);
    if (deadline >= b->deadline)
        return;
    b->deadline = deadline;
    b->s->loop->ops->timer_set(b->timer, deadline);
}

static const struct host_ops host_ops = {
    .send = do_send,
    .pause = do_pause,
    .resume = do_resume,
    .close = do_close,
    .ask = do_ask,
    .cancel = do_cancel,
    .wake = do_wake,
};

/* One egress serves all sockets of a service; path.sock says which. */
static size_t sink_send(struct dgram_sink *sink, const struct dgram_out *v, size_t n)
{
    struct bound *b = CONTAINER_OF(sink, struct bound, sink);
    size_t done = 0;
    while (done < n) {
        uint16_t sock = v[done].path->sock;
        size_t run = 1;
        while (done + run < n && v[done + run].path->sock == sock)
            run++;
        struct udp *u = sock < b->listeners_n ? b->listeners[sock].udp : NULL;
        if (!u)
            rows_add(&b->s->rows, ROW_SEND_OTHER, run);
        size_t dealt = u ? udp_send(u, v + done, run) : run;
        done += dealt;
        if (dealt < run)
            break;
    }
    return done;
}

/* --- adding a service ---------------------------------------------------------------------------
 */

static void bound_destroy(struct bound *b)
{
    CHECK(b->asks == 0);
    for (size_t i = 0; i < b->listeners_n; i++)
        edge_close(&b->listeners[i]);
    if (b->svc)
        b->ops->destroy(b->svc);
    egress_destroy(b->egress);
    b->s->loop->ops->timer_close(b->timer);
    mem_free(b);
}

static int bound_create(struct bound **ret, struct server *s, const struct service_ops *ops)
{
    struct bound *b = mem_zalloc(1, sizeof *b);
    if (!b)
        return E_NOMEM;
    b->s = s;
    b->ops = ops;
    b->id = (uint16_t)s->bound_n;
    b->sink.send = sink_send;
    b->deadline = NSEC_NEVER;
    b->host = (struct host){
        .ops = &host_ops,
        .log = s->log,
        .metrics = s->cfg.metrics,
        .entropy = s->cfg.entropy,
        .game = ops->name,
        .audit = s->cfg.audit,
        .bans = s->cfg.bans,
        .guard = s->cfg.guard,
        .secrets = s->cfg.secrets,
        .presence = s->cfg.ask[ASK_TO_PRESENCE] != NULL,
    };
    int base = ops->metrics_n ? metrics_register(s->cfg.metrics, ops->metrics, ops->metrics_n) : 0;
    int rc = base < 0 ? base : s->loop->ops->timer_open(s->loop, on_time, b, &b->timer);
    if (!rc)
        rc = egress_create(&b->egress, &s->cfg.egress, &b->sink, s->cfg.entropy);
    if (rc) {
        bound_destroy(b);
        return rc;
    }
    b->host.metric_base = (size_t)base;
    b->host.egress = b->egress;
    *ret = b;
    return 0;
}

static void log_listener(const struct listener *l)
{
    static const char *const kinds[] = {"tls", "tcp", "udp"};
    uint32_t receive = 0, send = 0;
    if (l->udp)
        udp_buffers(l->udp, &receive, &send);
    LOG(l->b->s->log, &log_listen, LF_STR("service", l->b->ops->name),
        LF_STR("transport", kinds[l->spec.kind]), LF_STR("address", l->spec.bind),
        LF_UINT("port", l->port), LF_UINT("receive_buffer_bytes", receive),
        LF_UINT("send_buffer_bytes", send));
}

static int open_listeners(struct bound *b, const struct listener_spec *specs, size_t n,
                          struct buf *why)
{
    for (size_t i = 0; i < n; i++) {
        struct listener *l = &b->listeners[b->listeners_n++];
        *l = (struct listener){.b = b, .index = (uint16_t)i, .spec = specs[i], .fd = -1};
        int rc = edge_listen(l, why);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < n; i++)
        log_listener(&b->listeners[i]);
    return 0;
}

int server_add(struct server *s, const struct service_ops *ops, const struct config *config,
               uint16_t *id, struct buf *why)
{
    struct listener_spec specs[SERVER_LISTENERS_MAX];
    size_t n = ops->listeners(config, specs, SERVER_LISTENERS_MAX);
    if (n == 0)
        return E_NOENT;
    if (s->bound_n == SERVER_SERVICES_MAX || n > SERVER_LISTENERS_MAX)
        return E_FULL;
    struct now now = server_now(s);
    struct bound *b = NULL;
    int rc = bound_create(&b, s, ops);
    if (rc)
        return rc;
    server_enter(s);
    rc = ops->create(&b->svc, &b->host, config, now);
    server_leave(b);
    if (rc && why->n == 0)
        (void)buf_printf(why, "%s cannot start: %s", ops->name, err_text(rc));
    if (!rc)
        rc = open_listeners(b, specs, n, why);
    if (rc) {
        bound_destroy(b);
        return rc;
    }
    s->bound[s->bound_n++] = b;
    *id = b->id;
    do_wake(&b->host, now.mono);
    server_settle(s, now);
    return 0;
}

/* --- the server --------------------------------------------------------------------------------
 */

static void on_ages(void *ctx, struct now now)
{
    struct server *s = ctx;
    s->loop->ops->timer_set(s->ages, link_ages(s, now));
    server_settle(s, now);
}

static void on_soon(void *ctx, struct now now)
{
    server_settle(ctx, now);
}

static void end_all(struct server *s, struct now now)
{
    struct link *l;
    for (uint32_t at = 0; (l = slots_next(&s->links, &at, NULL));) {
        if (l->state == LINK_HANDSHAKE)
            link_release(l, true);
        else
            link_end(l, CLOSE_DRAIN);
    }
    server_settle(s, now);
}

static void on_drain(void *ctx, struct now now)
{
    struct server *s = ctx;
    if (!s->drained)
        return;
    if (s->links.live > 0 && now.mono < s->drain_deadline) {
        s->loop->ops->timer_set(s->drain, s->drain_deadline);
        return;
    }
    server_drained_fn fn = s->drained;
    uint32_t cut = s->links.live;
    s->drained = NULL;
    end_all(s, now);
    LOG(s->log, &log_drained, LF_UINT("links_cut", cut));
    fn(s->drained_ctx, now, cut);
}

static void set_defaults(struct server_cfg *c)
{
    c->links_max = c->links_max ? c->links_max : LINKS_MAX;
    c->handshakes_max = c->handshakes_max ? c->handshakes_max : HANDSHAKES_MAX;
    c->handshake_max = c->handshake_max ? c->handshake_max : HANDSHAKE_MAX;
    c->linger_max = c->linger_max ? c->linger_max : LINGER_MAX;
    c->stall_max = c->stall_max ? c->stall_max : STALL_MAX;
    c->udp_buffer_bytes = c->udp_buffer_bytes ? c->udp_buffer_bytes : UDP_BUFFER;
    struct egress_cfg *e = &c->egress;
    e->queue_max = e->queue_max ? e->queue_max : EGRESS_QUEUE;
    e->backlog_bytes_max = e->backlog_bytes_max ? e->backlog_bytes_max : EGRESS_BACKLOG;
    e->pack_bytes_max = e->pack_bytes_max ? e->pack_bytes_max : EGRESS_PACK;
}

static int open_parts(struct server *s)
{
    struct loop *loop = s->loop;
    int base = metrics_register(s->cfg.metrics, server_rows, SERVER_ROWS);
    if (base < 0)
        return base;
    s->rows = (struct rows){s->cfg.metrics, (size_t)base};
    int rc = tls_port_create(&s->tls_port);
    if (!rc)
        rc = udp_io_create(&s->udp_io);
    if (!rc)
        rc = loop->ops->timer_open(loop, on_ages, s, &s->ages);
    if (!rc)
        rc = loop->ops->timer_open(loop, on_soon, s, &s->soon);
    if (!rc)
        rc = loop->ops->timer_open(loop, edge_on_retry, s, &s->retry);
    if (!rc)
        rc = loop->ops->timer_open(loop, on_drain, s, &s->drain);
    s->rx = mem_zalloc(1, RX_BYTES);
    bool room = s->rx && buf_reserve(&s->clear, CLEAR_BYTES) && buf_reserve(&s->wire, WIRE_BYTES);
    return rc ? rc : room ? 0 : E_NOMEM;
}

int server_create(struct server **ret, const struct server_cfg *cfg)
{
    struct server *s = mem_zalloc(1, sizeof *s);
    if (!s)
        return E_NOMEM;
    s->cfg = *cfg;
    set_defaults(&s->cfg);
    s->loop = cfg->loop;
    s->log = cfg->log;
    s->accepting = true;
    uint64_t seed[2];
    entropy_get(cfg->entropy, seed, sizeof seed);
    slots_init(&s->links, sizeof(struct link), s->cfg.links_max);
    hmap_init(&s->per_addr, ADDR_KEY_BYTES, seed, s->cfg.links_max);
    addr_count_init(&s->handshaking, seed, s->cfg.links_max);
    list_init(&s->handshakes);
    list_init(&s->stalled);
    list_init(&s->closing);
    list_init(&s->dirty);
    list_init(&s->ready);
    buf_init(&s->clear, CLEAR_BYTES);
    buf_init(&s->wire, WIRE_BYTES);
    s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    server_set_tls(s, cfg->tls);
    int rc = open_parts(s);
    if (rc) {
        server_destroy(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void server_destroy(struct server *s)
{
    if (!s)
        return;
    s->dying = true;
    s->drained = NULL;
    if (s->links.live > 0)
        end_all(s, server_now(s));
    struct link *l;
    for (uint32_t at = 0; (l = slots_next(&s->links, &at, NULL));)
        link_release(l, false);
    for (size_t i = 0; i < s->bound_n; i++)
        bound_destroy(s->bound[i]);
    struct loop_timer *timers[] = {s->ages, s->soon, s->retry, s->drain};
    for (size_t i = 0; i < ARRAY_LEN(timers); i++)
        s->loop->ops->timer_close(timers[i]);
    if (s->reserve >= 0)
        (void)close(s->reserve);
    slots_fini(&s->links);
    hmap_fini(&s->per_addr);
    addr_count_fini(&s->handshaking);
    mem_free_secret(s->rx, s->rx ? RX_BYTES : 0);
    buf_fini_secret(&s->clear);
    buf_fini_secret(&s->wire);
    udp_io_destroy(s->udp_io);
    tls_port_destroy(s->tls_port);
    SSL_CTX_free(s->tls);
    mem_free(s);
}

void server_set_tls(struct server *s, SSL_CTX *tls)
{
    if (tls)
        CHECK(SSL_CTX_up_ref(tls) == 1);
    SSL_CTX_free(s->tls);
    s->tls = tls;
}

void server_set_exempt(struct server *s, const struct exempt *exempt)
{
    s->cfg.exempt = *exempt;
}

void server_set_proxies(struct server *s, const struct exempt *proxies)
{
    s->cfg.proxies = *proxies;
}

void server_set_handshakes_per_addr(struct server *s, uint32_t n)
{
    s->cfg.handshakes_per_addr = n;
}

/* The ceilings of listeners that are still the same. */
static void follow_config(struct bound *b, const struct config *config)
{
    struct listener_spec specs[SERVER_LISTENERS_MAX];
    size_t n = b->ops->listeners(config, specs, SERVER_LISTENERS_MAX);
    for (size_t i = 0; i < n && i < b->listeners_n; i++) {
        struct listener_spec *have = &b->listeners[i].spec;
        if (have->kind != specs[i].kind)
            return;
        have->in_max = specs[i].in_max;
        have->out_max = specs[i].out_max;
        have->links_per_addr = specs[i].links_per_addr;
    }
}

void server_notice(struct server *s, const struct notice *notice)
{
    struct now now = server_now(s);
    for (size_t i = 0; i < s->bound_n; i++) {
        struct bound *b = s->bound[i];
        if (notice->kind == NOTICE_CONFIG)
            follow_config(b, notice->u.config);
        server_enter(s);
        b->ops->on_notice(b->svc, now, notice);
        server_leave(b);
    }
    if (notice->kind == NOTICE_BAN)
        door_ban(s, notice->u.ban, now); /* behind the services, which say goodbye */
    server_settle(s, now);
}

int server_order(struct server *s, uint16_t id, const struct order *order)
{
    struct bound *b = s->bound[id];
    struct now now = server_now(s);
    if (!b->ops->on_order)
        return E_SUPPORT;
    server_enter(s);
    int rc = b->ops->on_order(b->svc, now, order);
    server_leave(b);
    server_settle(s, now);
    return rc;
}

void server_stop_accepting(struct server *s)
{
    s->accepting = false;
    for (size_t i = 0; i < s->bound_n; i++)
        for (size_t k = 0; k < s->bound[i]->listeners_n; k++)
            if (s->bound[i]->listeners[k].fd >= 0)
                edge_close(&s->bound[i]->listeners[k]);
}

void server_drain(struct server *s, nsec deadline, server_drained_fn fn, void *ctx)
{
    struct now now = server_now(s);
    bool first = !s->drained;
    s->drain_deadline = deadline;
    s->drained = fn;
    s->drained_ctx = ctx;
    s->loop->ops->timer_set(s->drain, deadline);
    if (!first)
        return;
    LOG(s->log, &log_drain, LF_UINT("links", s->links.live));
    server_stop_accepting(s);
    struct list *n;
    while ((n = list_first(&s->handshakes)))
        link_release(CONTAINER_OF(n, struct link, age), true);
    struct notice notice = {.kind = NOTICE_DRAIN, .u.deadline = deadline};
    server_notice(s, &notice);
    server_settle(s, now);
}

void server_close_all(struct server *s)
{
    end_all(s, server_now(s));
}

/* --- looking in ---------------------------------------------------------------------------------
 */

bool server_accepting(const struct server *s)
{
    return s->accepting;
}

uint32_t server_links(const struct server *s)
{
    return s->links.live;
}

uint32_t server_links_peak(struct server *s)
{
    uint32_t peak = s->links_peak;
    s->links_peak = s->links.live;
    return peak;
}

uint16_t server_port(const struct server *s, uint16_t id, uint16_t listener)
{
    if (id >= s->bound_n || listener >= s->bound[id]->listeners_n)
        return 0;
    return s->bound[id]->listeners[listener].port;
}

size_t server_services(const struct server *s)
{
    return s->bound_n;
}

const char *server_service_name(const struct server *s, uint16_t id)
{
    return s->bound[id]->ops->name;
}

struct service *server_service(const struct server *s, uint16_t id)
{
    return s->bound[id]->svc;
}

void server_view(const struct server *s, uint16_t id, struct service_view *ret)
{
    *ret = (struct service_view){0};
    s->bound[id]->ops->view(s->bound[id]->svc, ret);
}

void server_players(const struct server *s, uint16_t id, player_fn fn, void *ctx)
{
    if (s->bound[id]->ops->players)
        s->bound[id]->ops->players(s->bound[id]->svc, fn, ctx);
}

void server_rooms(const struct server *s, uint16_t id, room_fn fn, void *ctx)
{
    if (s->bound[id]->ops->rooms)
        s->bound[id]->ops->rooms(s->bound[id]->svc, fn, ctx);
}
