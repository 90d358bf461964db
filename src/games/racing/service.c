#include "base/err.h"
#include "base/plant.h"
#include "games/racing/auth.h"
#include "games/racing/check.h"
#include "games/racing/datagrams.h"
#include "games/racing/kick.h"
#include "games/racing/lines.h"
#include "games/racing/orders.h"
#include "games/racing/racing.h"
#include "games/racing/replies.h"
#include "games/racing/rooms.h"
#include "games/racing/sessions.h"

#define SESSIONS_MAX  65536u
#define STRANGERS_MAX 65536u
#define FLOODS_TOLD   256u  /* addresses of strangers in the audit a minute */
#define ROOMS_MAX     1001u /* racing.max_rooms at most, and a new one before the old one is left */
#define SWEEP_EVERY   NSEC_PER_S
/* A batch of 64 of the largest datagrams, each opened, inflated, written anew and put on one line;
 * of a larger one a message that finds no room is dropped. */
#define BATCH_BYTES (64u * (1472u + 3u * (8192u + 512u)))

struct service {
    struct racing g;
};

static void listener(struct listener_spec *l, enum listener_kind kind, const struct config *c,
                     const char *key)
{
    *l =
        (struct listener_spec){.kind = kind, .port = (uint16_t)config_int(c, key), .port_key = key};
    size_t n = strnlen(config_text(c, "racing.bind"), sizeof l->bind - 1);
    memcpy(l->bind, config_text(c, "racing.bind"), n);
    if (kind == LISTEN_TLS) {
        /* LF, CR and a byte order mark come on top; one byte more tells "too long" from "not yet".
         */
        l->in_max = (uint32_t)config_int(c, "racing.line_max_bytes") + 8;
        l->out_max = RACING_OUT_MAX;
        l->links_per_addr = (uint32_t)config_int(c, "racing.links_per_address");
    }
}

static size_t racing_listeners(const struct config *c, struct listener_spec *ret, size_t cap)
{
    static const char *const keys[] = {"racing.port", "racing.extra_port"};
    size_t n = 0;
    if (config_int(c, keys[0]) == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(keys) && n + 2 <= cap; i++) {
        if (config_int(c, keys[i]) == 0)
            continue;
        listener(&ret[n++], LISTEN_TLS, c, keys[i]);
        listener(&ret[n++], LISTEN_UDP, c, keys[i]);
    }
    return n;
}

static void configure(struct racing *g, const struct config *c)
{
    struct login_policy p = {.auto_register = true};
    struct buf why;
    if (PLANTED(RELOAD_HALF) && g->set.line_max != 0) {
        enum single_login before = g->set.single_login;
        settings_load(&g->set, c);
        g->set.single_login = before;
    } else {
        settings_load(&g->set, c);
    }
    buf_init(&why, 256);
    if (exempt_parse(&g->exempt, config_text(c, "limits.exempt"), &why))
        g->exempt = (struct exempt){0}; /* checked at the start already; spare nobody */
    buf_fini(&why);
    p.fold_names = g->set.fold_names;
    p.password_min = g->set.password_min;
    p.single = (enum login_single)g->set.single_login;
    p.exempt = g->exempt;
    p.registrations = rate_per(3600 * NSEC_PER_S, g->set.registrations_per_hour);
    login_policy_load(&p, c);
    logins_set_policy(g->logins, &p);
    if (strcmp(config_text(c, "racing.udp_shared_secret"), "RacingServerUDP2024!") == 0)
        LOG0(g->host->log, &log_default_secret);
}

static void racing_destroy(struct service *sv)
{
    struct racing *g;
    struct session *s;
    if (!sv)
        return;
    g = &sv->g;
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL));) {
        opener_destroy(s->opener);
        egress_seal_close(g->host->egress, s->seal);
    }
    egress_seal_close(g->host->egress, g->plain_seal);
    logins_destroy(g->logins);
    gzip_destroy(g->gzip);
    arena_fini(&g->batch);
    buf_fini_secret(&g->out);
    addr_limit_fini(&g->strangers);
    addr_count_fini(&g->room_makers);
    addr_limit_fini(&g->strangers_told);
    hmap_fini(&g->by_id);
    hmap_fini(&g->by_endpoint);
    hmap_fini(&g->by_conn);
    hmap_fini(&g->by_ip);
    hmap_fini(&g->by_account);
    hmap_fini(&g->room_by_id);
    slots_fini(&g->sessions);
    slots_fini(&g->rooms);
    slots_fini(&g->groups);
    mem_free(g->by_link);
    mem_free_secret(sv, sizeof *sv);
}

static void init_tables(struct racing *g)
{
    uint64_t seed[2];
    host_entropy(g->host, seed, sizeof seed);
    slots_init(&g->sessions, sizeof(struct session), SESSIONS_MAX);
    slots_init(&g->rooms, sizeof(struct room), ROOMS_MAX);
    slots_init(&g->groups, sizeof(struct host_group), SESSIONS_MAX);
    hmap_init(&g->by_id, ID_LEN, seed, SESSIONS_MAX);
    hmap_init(&g->by_endpoint, 24, seed, SESSIONS_MAX);
    hmap_init(&g->by_conn, SEAL_CONN_ID, seed, SESSIONS_MAX);
    hmap_init(&g->by_ip, 16, seed, SESSIONS_MAX);
    hmap_init(&g->by_account, sizeof(int64_t), seed, SESSIONS_MAX);
    hmap_init(&g->room_by_id, ID_LEN, seed, ROOMS_MAX);
    addr_limit_init(&g->strangers, seed, STRANGERS_MAX);
    addr_count_init(&g->room_makers, seed, ROOMS_MAX);
    addr_limit_init(&g->strangers_told, seed, FLOODS_TOLD);
    list_init(&g->by_activity);
    list_init(&g->doomed);
    timerq_init(&g->resumes);
    buf_init(&g->out, 2 * RACING_OUT_MAX);
}

static int racing_create(struct service **ret, struct host *host, const struct config *c,
                         struct now now)
{
    static const struct seal_cfg plain = {.kind = SEAL_PLAIN_LF};
    struct service *sv = mem_zalloc(1, sizeof *sv);
    if (!sv)
        return E_NOMEM;
    struct racing *g = &sv->g;
    g->host = host;
    g->now = now;
    g->next_sweep = now.mono + SWEEP_EVERY;
    g->drain_deadline = NSEC_NEVER;
    init_tables(g);
    int rc = arena_init(&g->batch, BATCH_BYTES) ? gzip_create(&g->gzip) : E_NOMEM;
    if (rc == 0)
        rc = logins_create(&g->logins, host, SESSIONS_MAX);
    if (rc == 0)
        rc = egress_seal_open(host->egress, &plain, false, &g->plain_seal);
    if (rc) {
        racing_destroy(sv);
        return rc;
    }
    configure(g, c);
    *ret = sv;
    return 0;
}

static void racing_on_open(struct service *sv, struct now now, struct link_ref link,
                           const struct link_info *info)
{
    sv->g.now = now;
    struct session *s = session_open(&sv->g, now, link, info);
    if (!s) {
        host_close(sv->g.host, link, CLOSE_ERROR);
        return;
    }
    reply_welcome(&sv->g, s);
    sessions_reap(&sv->g);
}

static size_t racing_on_bytes(struct service *sv, struct now now, struct link_ref link,
                              struct span bytes)
{
    sv->g.now = now;
    struct session *s = session_of_link(&sv->g, link);
    if (!s || s->ending)
        return bytes.n;
    size_t used = lines_in(&sv->g, now, s, bytes);
    sessions_reap(&sv->g);
    return used;
}

static void racing_on_close(struct service *sv, struct now now, struct link_ref link,
                            enum close_why why)
{
    sv->g.now = now;
    struct session *s = session_of_link(&sv->g, link);
    if (PLANTED(GHOST_AFTER_DISCONNECT) && s && why == CLOSE_BY_PEER && !ref_is_none(s->room))
        return;
    if (s)
        session_closed(&sv->g, s, why);
    sessions_reap(&sv->g);
}

static void racing_on_dgrams(struct service *sv, struct now now, uint16_t listener_index,
                             const struct dgram *d, size_t n)
{
    (void)listener_index;
    sv->g.now = now;
    datagrams_in(&sv->g, now, d, n);
    sessions_reap(&sv->g);
}

static void racing_on_answer(struct service *sv, struct now now, const struct answer *a)
{
    struct login_result r;
    sv->g.now = now;
    if (a->kind == ASK_COMMAND)
        orders_answer(&sv->g, now, a);
    else if (login_answer(sv->g.logins, now, a, &r))
        auth_result(&sv->g, now, &r);
    sessions_reap(&sv->g);
}

/* ---- drain ---- */

static void say_goodbye(struct racing *g, struct session *s)
{
    if (s->ending)
        return;
    reply_message(g, s, "BYE_ADMIN", "Server is shutting down");
    session_doom(g, s, CLOSE_DRAIN);
}

/* Whoever is not in a running race goes at once; races may finish until the deadline. */
static void drain_some(struct racing *g, struct now now, bool first)
{
    struct session *s;
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL));) {
        const struct room *r = room_get(g, s->room);
        if (!r || !r->active || now.mono >= g->drain_deadline)
            say_goodbye(g, s);
        else if (first)
            reply_server_closing(g, s, (g->drain_deadline - now.mono) / NSEC_PER_S);
    }
}

static void racing_on_notice(struct service *sv, struct now now, const struct notice *n)
{
    struct racing *g = &sv->g;
    g->now = now;
    switch (n->kind) {
    case NOTICE_CONFIG: configure(g, n->u.config); break;
    case NOTICE_KICK: kick_players(g, n->u.id); break;
    case NOTICE_CLOSE_ROOM: kick_rooms(g, n->u.id); break;
    case NOTICE_BAN: kick_banned(g, n->u.ban); break;
    case NOTICE_ACCOUNT: kick_account(g, n); break;
    case NOTICE_DRAIN:
        /* A second before the host cuts what is left, so that everybody hears why. */
        g->drain_deadline = n->u.deadline > NSEC_PER_S ? n->u.deadline - NSEC_PER_S : 0;
        drain_some(g, now, !g->draining);
        g->draining = true;
        host_wake(g->host, now.mono);
        break;
    }
    sessions_reap(g);
}

/* ---- time ---- */

static void end_idle(struct racing *g, struct now now)
{
    struct list *node;
    while ((node = list_first(&g->by_activity))) {
        struct session *s = CONTAINER_OF(node, struct session, by_activity);
        if (now.mono - s->active_at <= g->set.idle)
            return;
        if (!PLANTED(IDLE_WHILE_WAITING) && (s->waiting != WAIT_NOTHING || s->resume.set))
            session_touch(g, s, now); /* it waits for us, not we for it */
        else
            session_end(g, s, CLOSE_IDLE);
    }
}

static nsec earlier(nsec a, nsec b)
{
    return a < b ? a : b;
}

static nsec racing_on_time(struct service *sv, struct now now)
{
    struct racing *g = &sv->g;
    struct login_result r;
    g->now = now;
    while (login_due(g->logins, now, &r))
        auth_result(g, now, &r);
    lines_due(g, now);
    if (now.mono >= g->next_sweep) {
        g->next_sweep = now.mono + SWEEP_EVERY;
        end_idle(g, now);
        addr_limit_sweep(&g->strangers, now.mono);
        addr_limit_sweep(&g->strangers_told, now.mono);
        if (g->draining)
            drain_some(g, now, false);
    }
    sessions_reap(g);
    return earlier(g->next_sweep, earlier(login_deadline(g->logins), timerq_deadline(&g->resumes)));
}

static void racing_view(const struct service *sv, struct service_view *v)
{
    const struct racing *g = &sv->g;
    const struct session *s;
    const struct room *r;
    *v = (struct service_view){.sessions = g->sessions.live, .rooms = g->rooms.live};
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL));)
        v->authenticated += s->authenticated && !s->ending;
    for (uint32_t at = 0; (r = slots_next(&g->rooms, &at, NULL));) {
        v->rooms_active += r->active;
        v->players_in_rooms += r->members_n;
    }
}

static int racing_on_order(struct service *sv, struct now now, const struct order *o)
{
    sv->g.now = now;
    int rc = orders_do(&sv->g, o);
    sessions_reap(&sv->g);
    return rc;
}

static void racing_players(const struct service *sv, player_fn fn, void *ctx)
{
    orders_players(&sv->g, fn, ctx);
}

static void racing_rooms(const struct service *sv, room_fn fn, void *ctx)
{
    orders_rooms(&sv->g, fn, ctx);
}

static int racing_check(const struct service *sv, struct buf *why)
{
    return check_state(&sv->g, why);
}

const struct service_ops racing_ops = {
    .name = "racing",
    .config = {racing_config, RACING_CONFIG_ROWS},
    .limits = &racing_limits,
    .metrics = racing_metrics,
    .metrics_n = M_ROWS,
    .listeners = racing_listeners,
    .create = racing_create,
    .destroy = racing_destroy,
    .on_open = racing_on_open,
    .on_bytes = racing_on_bytes,
    .on_close = racing_on_close,
    .on_dgrams = racing_on_dgrams,
    .on_answer = racing_on_answer,
    .on_notice = racing_on_notice,
    .on_time = racing_on_time,
    .view = racing_view,
    .on_order = racing_on_order,
    .players = racing_players,
    .rooms = racing_rooms,
    .check = racing_check,
};
