#include "games/racing/sessions.h"

#include "base/check.h"
#include "base/err.h"
#include "base/plant.h"
#include "games/racing/replies.h"
#include "games/racing/rooms.h"
#include "wire/text.h"

/* Endpoints as map keys: bytes without padding. */
struct endpoint_key {
    uint8_t ip[16];
    uint32_t scope;
    uint16_t port, sock;
};

static struct endpoint_key endpoint_key_of(const struct path *p)
{
    struct endpoint_key k = {.scope = p->peer.scope, .port = p->peer.port, .sock = p->sock};
    memcpy(k.ip, p->peer.ip, sizeof k.ip);
    return k;
}

static struct session *from_map(const struct racing *g, const struct hmap *m, const void *key)
{
    uint64_t v;
    return hmap_get(m, key, &v) ? session_get(g, ref_unpack(v)) : NULL;
}

struct session *session_by_id(const struct racing *g, struct span id)
{
    return id.n == ID_LEN ? from_map(g, &g->by_id, id.p) : NULL;
}

struct session *session_by_endpoint(const struct racing *g, const struct path *p)
{
    struct endpoint_key k = endpoint_key_of(p);
    return from_map(g, &g->by_endpoint, &k);
}

struct session *session_by_conn(const struct racing *g, const uint8_t conn_id[SEAL_CONN_ID])
{
    return from_map(g, &g->by_conn, conn_id);
}

struct session *session_of_link(const struct racing *g, struct link_ref l)
{
    if (l.r.slot >= g->by_link_n)
        return NULL;
    struct session *s = session_get(g, g->by_link[l.r.slot]);
    return s && ref_eq(s->link.r, l.r) ? s : NULL;
}

/* ---- groups of one address ---- */

struct host_group *session_group(const struct racing *g, const struct addr *a)
{
    uint64_t v;
    return hmap_get(&g->by_ip, a->ip, &v) ? slots_get(&g->groups, ref_unpack(v)) : NULL;
}

static int group_add(struct racing *g, struct session *s)
{
    struct host_group *h = session_group(g, &s->peer);
    if (!h) {
        struct ref self;
        h = slots_add(&g->groups, &self);
        if (!h)
            return E_NOMEM;
        h->self = self;
        memcpy(h->ip, s->peer.ip, sizeof h->ip);
        list_init(&h->sessions);
        int rc = hmap_put(&g->by_ip, h->ip, ref_pack(self));
        if (rc) {
            slots_del(&g->groups, self);
            return rc;
        }
    }
    s->group = h;
    h->n++;
    /* New ones have no endpoint yet: they are the likely senders of unknown datagrams. */
    list_push_front(&h->sessions, &s->in_group);
    return 0;
}

static void group_remove(struct racing *g, struct session *s)
{
    struct host_group *h = s->group;
    if (!h)
        return;
    list_remove(&s->in_group);
    s->group = NULL;
    if (--h->n == 0) {
        (void)hmap_del(&g->by_ip, h->ip);
        slots_del(&g->groups, h->self);
    }
}

/* ---- who is signed in as whom ---- */

struct session *session_of_account(const struct racing *g, int64_t account,
                                   const struct session *except)
{
    struct session *s = from_map(g, &g->by_account, &account);
    if (!s || s != except)
        return s;
    return list_empty(&s->same_account)
               ? NULL
               : CONTAINER_OF(s->same_account.next, struct session, same_account);
}

void session_sign_out(struct racing *g, struct session *s)
{
    if (!s->authenticated)
        return;
    s->authenticated = s->resumable = false;
    logins_signed_out(g->logins, g->now, s->account, &s->peer);
    struct session *other = session_of_account(g, s->account, s);
    if (!other)
        (void)hmap_del(&g->by_account, &s->account);
    else
        CHECK(hmap_put(&g->by_account, &s->account, ref_pack(other->self)) == 0); /* replaces */
    list_remove(&s->same_account);
}

/* ---- life ---- */

static bool link_slot_room(struct racing *g, uint32_t slot)
{
    if (slot < g->by_link_n)
        return true;
    uint32_t n = slot + 256;
    struct ref *p = mem_resize(g->by_link, n, sizeof *p);
    if (!p)
        return false;
    memset(p + g->by_link_n, 0, (n - g->by_link_n) * sizeof *p);
    g->by_link = p;
    g->by_link_n = n;
    return true;
}

struct session *session_open(struct racing *g, struct now now, struct link_ref link,
                             const struct link_info *info)
{
    struct ref self;
    struct session *s = link_slot_room(g, link.r.slot) ? slots_add(&g->sessions, &self) : NULL;
    if (!s)
        return NULL;
    s->self = self;
    s->link = link;
    s->peer = info->peer;
    memcpy(s->name, "Anonymous", 9);
    s->name_n = 9;
    id_make(g->host, s->id);
    if (hmap_put(&g->by_id, s->id, ref_pack(self))) {
        slots_del(&g->sessions, self);
        return NULL;
    }
    if (group_add(g, s)) {
        (void)hmap_del(&g->by_id, s->id);
        if (!PLANTED(LEAK_WHEN_MEMORY_SHORT))
            slots_del(&g->sessions, self);
        return NULL;
    }
    g->by_link[link.r.slot] = self;
    s->active_at = now.mono;
    list_push_back(&g->by_activity, &s->by_activity);
    LOG(g->host->log, &log_session_open, LF_ADDR("peer", &s->peer),
        LF_SPAN("session", span_of(s->id, 8)));
    return s;
}

static void forget_path(struct racing *g, struct session *s)
{
    if (!s->has_path)
        return;
    struct endpoint_key k = endpoint_key_of(&s->path);
    if (session_by_endpoint(g, &s->path) == s)
        (void)hmap_del(&g->by_endpoint, &k);
    s->has_path = false;
}

static void forget_keys(struct racing *g, struct session *s)
{
    if (s->aead)
        (void)hmap_del(&g->by_conn, s->conn_id);
    s->aead = s->pack = false;
    opener_destroy(s->opener);
    s->opener = NULL;
    egress_seal_close(g->host->egress, s->seal);
    s->seal = SEAL_REF_NONE;
}

void session_leave_room(struct racing *g, struct session *s)
{
    struct room *r = room_get(g, s->room);
    if (!r)
        return;
    struct ref room = r->self;
    room_leave(g, s);
    r = room_get(g, room);
    if (r)
        reply_room_event(g, r, s, "PLAYER_LEFT");
}

static void count_end(struct racing *g, enum close_why why)
{
    static const enum racing_metric rows[] = {
        [CLOSE_BY_PEER] = M_ENDED_PEER, [CLOSE_BYE] = M_ENDED_BYE,
        [CLOSE_IDLE] = M_ENDED_IDLE,    [CLOSE_PROTOCOL] = M_ENDED_PROTOCOL,
        [CLOSE_SLOW] = M_ENDED_SLOW,    [CLOSE_KICK] = M_ENDED_KICK,
        [CLOSE_DRAIN] = M_ENDED_DRAIN,  [CLOSE_ERROR] = M_ENDED_ERROR,
    };
    host_count(g->host, rows[why], 1);
}

/* Everything but the slot: from here on nobody finds it. */
static void detach(struct racing *g, struct session *s, enum close_why why)
{
    s->ending = true;
    count_end(g, why);
    LOG(g->host->log, &log_session_end, LF_SPAN("session", span_of(s->id, 8)),
        LF_SPAN("player", session_name(s)), LF_STR("reason", close_why_text(why)));
    login_cancel(g->logins, s->login);
    s->waiting = WAIT_NOTHING;
    if (!PLANTED(TIMER_NOT_CANCELLED))
        timerq_cancel(&g->resumes, &s->resume);
    session_leave_room(g, s);
    session_sign_out(g, s);
    forget_path(g, s);
    forget_keys(g, s);
    group_remove(g, s);
    list_remove(&s->by_activity);
    list_remove(&s->doomed);
    (void)hmap_del(&g->by_id, s->id);
}

void session_end(struct racing *g, struct session *s, enum close_why why)
{
    if (s->ending)
        return;
    detach(g, s, why);
    host_close(g->host, s->link, why);
}

void session_doom(struct racing *g, struct session *s, enum close_why why)
{
    if (s->ending || list_linked(&s->doomed))
        return;
    s->doom = why;
    list_push_back(&g->doomed, &s->doomed);
}

void sessions_reap(struct racing *g)
{
    struct list *node;
    while ((node = list_first(&g->doomed))) {
        struct session *s = CONTAINER_OF(node, struct session, doomed);
        list_remove(node);
        session_end(g, s, s->doom);
    }
}

void session_closed(struct racing *g, struct session *s, enum close_why why)
{
    if (!s->ending)
        detach(g, s, why);
    g->by_link[s->link.r.slot] = REF_NONE;
    if ((PLANTED(LEAK_ON_HALF_OPEN) && !s->named) ||
        (PLANTED(TIMER_NOT_CANCELLED) && s->resume.set))
        return;
    slots_del(&g->sessions, s->self);
}

void session_touch(struct racing *g, struct session *s, struct now now)
{
    s->active_at = now.mono;
    list_remove(&s->by_activity);
    list_push_back(&g->by_activity, &s->by_activity);
}

/* ---- datagrams ---- */

bool session_has_path(const struct session *s, const struct path *p)
{
    return s->has_path && s->path.sock == p->sock && addr_eq(&s->path.peer, &p->peer);
}

int session_set_path(struct racing *g, struct session *s, const struct path *p)
{
    struct endpoint_key k = endpoint_key_of(p);
    struct session *old = session_by_endpoint(g, p);
    int rc = hmap_put(&g->by_endpoint, &k, ref_pack(s->self));
    if (rc)
        return rc;
    if (old && old != s) { /* its port belongs to s now: a client that signed in again */
        old->has_path = false;
        list_remove(&old->in_group);
        list_push_front(&old->group->sessions, &old->in_group);
    }
    struct endpoint_key before = endpoint_key_of(&s->path);
    if (s->has_path && memcmp(&before, &k, sizeof k) != 0)
        forget_path(g, s);
    s->path = *p;
    s->has_path = true;
    list_remove(&s->in_group);
    list_push_back(&s->group->sessions, &s->in_group);
    LOG(g->host->log, &log_moved, LF_SPAN("session", span_of(s->id, 8)),
        LF_ADDR("endpoint", &p->peer));
    return 0;
}

static int open_keys(struct racing *g, struct session *s, const struct seal_cfg *in,
                     const struct seal_cfg *out, bool pack)
{
    struct opener *opener;
    struct seal_ref seal;
    int rc = opener_create(&opener, in);
    if (rc)
        return rc;
    rc = egress_seal_open(g->host->egress, out, pack, &seal);
    if (rc) {
        opener_destroy(opener);
        return rc;
    }
    forget_keys(g, s);
    s->opener = opener;
    s->seal = seal;
    return 0;
}

static int set_document_keys(struct racing *g, struct session *s)
{
    uint8_t key[SEAL_CBC_KEY] = {0};
    struct seal_cfg cfg = {.kind = SEAL_CBC, .key = span_of(key, sizeof key)};
    int rc = seal_derive_cbc(span_of(s->id, ID_LEN), span_of(g->set.secret, g->set.secret_n), key);
    if (rc == 0)
        rc = open_keys(g, s, &cfg, &cfg, false);
    mem_wipe(key, sizeof key);
    return rc;
}

static void put_key(struct buf *to, const char *name, struct span key)
{
    char text[BASE64_LEN(SEAL_CBC_HMAC_KEY) + 1];
    base64_encode(key.p, key.n, text);
    (void)buf_printf(to, ",\"%s\":\"%s\"", name, text);
    mem_wipe(text, sizeof text);
}

/* Fresh random keys for each direction and login, told inside TLS. */
static int set_aead_keys(struct racing *g, struct session *s, const struct offer *offer,
                         struct buf *text)
{
    uint8_t keys[2][SEAL_CBC_HMAC_KEY], conn_id[SEAL_CONN_ID];
    char conn_text[2 * SEAL_CONN_ID + 1];
    size_t n = offer->gcm ? SEAL_GCM_KEY : SEAL_CBC_HMAC_KEY;
    enum seal_kind kind = offer->gcm ? SEAL_GCM : SEAL_CBC_HMAC;
    do
        host_entropy(g->host, conn_id, sizeof conn_id);
    while (session_by_conn(g, conn_id));
    host_entropy(g->host, keys, sizeof keys);
    struct seal_cfg in = {.kind = kind, .key = span_of(keys[0], n)}, out = in;
    memcpy(in.conn_id, conn_id, sizeof conn_id);
    memcpy(out.conn_id, conn_id, sizeof conn_id);
    out.key.p = keys[1];
    int rc = hmap_put(&g->by_conn, conn_id, ref_pack(s->self));
    if (rc == 0 && (rc = open_keys(g, s, &in, &out, offer->pack)) != 0)
        (void)hmap_del(&g->by_conn, conn_id);
    if (rc == 0) {
        s->aead = true;
        s->pack = offer->pack;
        memcpy(s->conn_id, conn_id, sizeof conn_id);
        hex_encode(conn_id, sizeof conn_id, conn_text);
        (void)buf_printf(text, "{\"alg\":\"%s\",\"connId\":\"%s\"",
                         offer->gcm ? "aes-256-gcm" : "aes-256-cbc-hmac-sha256", conn_text);
        put_key(text, "c2s", in.key);
        put_key(text, "s2c", out.key);
        (void)buf_append_str(text, offer->pack ? ",\"pack\":true}" : "}");
    }
    mem_wipe(keys, sizeof keys);
    return rc;
}

static int set_keys(struct racing *g, struct session *s, const struct offer *offer,
                    struct buf *text)
{
    if (offer->gcm || offer->cbc_hmac)
        return set_aead_keys(g, s, offer, text);
    if (s->aead || g->set.require_aead)
        return 0; /* once negotiated, nothing weaker */
    return set_document_keys(g, s);
}

int session_sign_in(struct racing *g, struct session *s, int64_t account, const struct offer *offer,
                    struct buf *text)
{
    struct session *first = from_map(g, &g->by_account, &account);
    /* Everything that may fail comes before anything changes. */
    int rc = buf_reserve(text, AEAD_TEXT_MAX) ? 0 : E_NOMEM;
    if (rc == 0 && !first)
        rc = hmap_put(&g->by_account, &account, ref_pack(s->self));
    if (rc)
        return rc;
    rc = set_keys(g, s, offer, text);
    if (rc) {
        if (!first)
            (void)hmap_del(&g->by_account, &account);
        return rc;
    }
    if (s->authenticated && s->account == account) {
        logins_signed_out(g->logins, g->now, account, NULL); /* one session, two results */
        return 0;
    }
    session_sign_out(g, s);
    if (first)
        list_push_back(&first->same_account, &s->same_account);
    else
        list_init(&s->same_account);
    s->account = account;
    s->authenticated = true;
    return 0;
}
