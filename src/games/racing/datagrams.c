/* A datagram is opened by whoever it may be from: the session of its endpoint; for the negotiated
 * cipher the session of its connection id; for one in the clear the session it names; and else,
 * within a budget, sessions whose TCP peer has the same address, those without an endpoint first.
 * Whoever opened it must also be named in it. Nothing invalid is ever answered. */
#include "games/racing/datagrams.h"

#include "base/err.h"
#include "base/plant.h"
#include "games/racing/cheat.h"
#include "games/racing/rooms.h"
#include "games/racing/sessions.h"
#include "games/racing/update.h"

#define INFLATED_MAX 8192u
#define DATAGRAM_MAX 1472u

/* What looking for an unknown sender may cost, whoever causes it: first blocks tried per second,
 * and walks over sessions of other addresses per second. Trials within the sender's own address
 * have a budget of their own, which strangers from elsewhere cannot use up. */
#define TRIALS_PER_S 100000u
#define TRIALS_BURST 20000u
#define SCANS_PER_S  200u
#define SCANS_BURST  200u

/* Packed datagrams in the clear that are inflated for senders without an endpoint, per second. */
#define INFLATIONS_PER_S 2000u
#define INFLATIONS_BURST 1000u

static void count(struct racing *g, enum racing_metric row)
{
    host_count(g->host, row, 1);
}

/* The JSON text of a plaintext: itself, or what it inflates to. Empty when it is neither. */
static struct span json_text(struct racing *g, struct span plain)
{
    if (!gzip_is(plain))
        return plain;
    uint8_t *to = arena_take(&g->batch, INFLATED_MAX);
    int n = to ? gzip_inflate(g->gzip, plain, to, INFLATED_MAX) : E_FULL;
    if (to)
        arena_give(&g->batch, INFLATED_MAX - (n > 0 ? (size_t)n : 0));
    return n > 0 ? span_of(to, (size_t)n) : SPAN_NULL;
}

static int read_sealed(struct racing *g, struct session *s, const struct dgram *d, struct update *u)
{
    uint8_t *to = arena_take(&g->batch, d->bytes.n);
    if (!to)
        return E_FULL;
    int n = opener_open(s->opener, d->bytes, to, d->bytes.n);
    arena_give(&g->batch, d->bytes.n - (n > 0 ? (size_t)n : 0));
    if (n < 0)
        return n;
    g->opened = true;
    int rc = update_parse(json_text(g, span_of(to, (size_t)n)), u);
    if (rc)
        return rc;
    return span_eq(u->session_id, span_of(s->id, ID_LEN)) ? 0 : E_AUTH;
}

/* Opens with the session's key and reads the message, which then lies in the arena. 0, or why not.
 */
static int open_sealed(struct racing *g, struct session *s, const struct dgram *d, struct update *u)
{
    size_t before = g->batch.n;
    int rc = read_sealed(g, s, d, u);
    if (rc)
        arena_give(&g->batch, g->batch.n - before);
    return rc;
}

/* ---- rates ---- */

/* aead: it has the form and the connection id of an authenticated cipher. What comes in another
 * form from where such a session sends may be anybody's, and is not held against it. */
static bool rate_allows(struct racing *g, struct now now, struct session *s, bool aead)
{
    bool allowed = bucket_take(&s->datagrams, &g->set.datagrams, now.mono);
    if (aead || !s->aead)
        cheat_datagram(g, now, s, !allowed);
    if (!allowed)
        count(g, M_DGRAM_RATE);
    return allowed;
}

static bool stranger_allowed(struct racing *g, struct now now, const struct addr *from)
{
    if (exempt_has(&g->exempt, from) ||
        addr_limit_take(&g->strangers, from, &g->set.strangers, now.mono))
        return true;
    cheat_stranger(g, now, from);
    count(g, M_DGRAM_RATE);
    return false;
}

/* No message came from where a session sends. With an authenticated cipher that is held against it
 * only if its keys prove that it did: everybody can forge a source address. */
static void invalid(struct racing *g, struct now now, struct session *known)
{
    if (known && !known->aead)
        cheat_invalid(g, now, known);
}

/* ---- accepting ---- */

/* The message written anew, in the arena; empty when there is no room. */
static struct span rewritten(struct racing *g, const struct session *s, const struct update *u)
{
    size_t room = u->text.n + 512;
    uint8_t *to = arena_take(&g->batch, room);
    struct buf b = {.p = to, .cap = room - 1, .max = room - 1};
    if (!to)
        return SPAN_NULL;
    update_rewrite(u, span_of(s->id, ID_LEN), &b);
    arena_give(&g->batch, room - b.n);
    return b.failed ? SPAN_NULL : buf_span(&b);
}

/* The text with each LF, which in JSON can only be white space, made a blank; in the arena. Empty
 * when there is no room. */
static struct span one_line(struct racing *g, struct span text)
{
    uint8_t *to = arena_take(&g->batch, text.n);
    if (!to)
        return SPAN_NULL;
    for (size_t i = 0; i < text.n; i++)
        to[i] = text.p[i] == '\n' ? ' ' : text.p[i];
    return span_of(to, text.n);
}

/* How datagrams to the session are sealed: as its own last one was. False where nothing that the
 * configuration allows would reach it. */
static bool seal_for(const struct racing *g, const struct session *m, struct seal_ref *ret)
{
    bool sealed = m->aead || m->sealed_seen;
    *ret = sealed ? m->seal : g->plain_seal;
    if (g->set.require_aead)
        return m->aead;
    return sealed || g->set.plaintext != PLAINTEXT_OFF;
}

static void relay(struct racing *g, struct session *s, const struct update *u, const struct room *r)
{
    struct span text = u->rewrite ? rewritten(g, s, u) : u->text, line = SPAN_NULL;
    bool one = !text.n || !memchr(text.p, '\n', text.n);
    uint32_t sender = PLANTED(LATEST_OF_ANOTHER) ? 0 : s->self.slot;
    uint64_t key = (uint64_t)sender << 1 | (u->kind == UPDATE_INPUT);
    LIST_EACH (node, &r->members) {
        struct session *m = room_member(node);
        struct seal_ref seal;
        if (m == s || !m->has_path || !seal_for(g, m, &seal))
            continue;
        if (m->pack && !one && !line.n)
            line = one_line(g, text);
        struct span t = m->pack && !one ? line : text;
        if (t.n == 0 || host_dgram(g->host, &m->path, t, seal, DGRAM_LATEST, key))
            continue;
        count(g, M_DELIVERIES);
        g->relayed = true;
    }
}

static bool wrong_room(const struct update *u, const struct room *r)
{
    if (u->room_id.type == JSON_ABSENT || u->room_id.type == JSON_NULL)
        return false;
    uint8_t scratch[ID_LEN];
    struct span id;
    return !r || json_string_view(&u->room_id, scratch, sizeof scratch, &id) < 0 ||
           !span_eq(id, span_of(r->id, ID_LEN));
}

/* s is verified to be the sender. */
static void accept(struct racing *g, struct now now, struct session *s, const struct dgram *d,
                   const struct update *u)
{
    const struct room *r = room_get(g, s->room);
    if (wrong_room(u, r)) {
        count(g, M_DGRAM_ROOM);
        if (!PLANTED(RELAY_TO_FORMER_ROOM))
            return;
        uint8_t scratch[ID_LEN];
        struct span id;
        r = json_string_view(&u->room_id, scratch, sizeof scratch, &id) < 0 ? NULL
                                                                            : room_find(g, id);
    }
    if (session_has_path(s, &d->path) || session_set_path(g, s, &d->path) == 0)
        s->path = d->path; /* the same, but perhaps by another address of ours */
    count(g, M_DGRAM_ACCEPTED);
    LOG(g->host->log, &log_datagram, LF_SPAN("session", span_of(s->id, 8)),
        LF_ADDR("endpoint", &d->path.peer), LF_UINT("bytes", d->bytes.n),
        LF_STR("message", u->kind == UPDATE_INPUT ? "INPUT" : "UPDATE"));
    session_touch(g, s, now);
    /* Outside a room nobody sees where it is, and nobody told it where to be. A message without any
     * position says nothing about it. */
    if (r && u->kind == UPDATE_POSITION && u->part[0].raw.n &&
        !cheat_position(g, now, s, u->position))
        return;
    if (u->kind == UPDATE_POSITION) {
        memcpy(s->position, u->position, sizeof s->position);
        memcpy(s->rotation, u->rotation, sizeof s->rotation);
    }
    if (r)
        relay(g, s, u, r);
}

/* Whether a sealed datagram of s may come from there. */
static bool address_allowed(const struct racing *g, const struct session *s,
                            const struct addr *from)
{
    if (addr_same_host(from, &s->peer) || g->set.any_address)
        return true;
    if (s->udp_host.family != ADDR_NONE)
        return addr_same_host(from, &s->udp_host);
    return !addr_same_family(from, &s->peer);
}

static void accept_sealed(struct racing *g, struct now now, struct session *s,
                          const struct dgram *d, const struct update *u)
{
    if (!address_allowed(g, s, &d->path.peer)) {
        count(g, M_DGRAM_MOVED);
        return;
    }
    /* Pinned: where the first one came from is, besides the connection's own, the only address of
     * this session. A room knows its members' ids and with them the document's keys, so a player
     * who was heard at home must not be taken over from the other family. */
    if (s->udp_host.family == ADDR_NONE || !addr_same_host(&d->path.peer, &s->peer))
        s->udp_host = d->path.peer;
    s->sealed_seen = true;
    accept(g, now, s, d, u);
}

static void refuse_sealed(struct racing *g, int rc)
{
    count(g, rc == E_AUTH ? M_DGRAM_FORGED : rc == E_REPLAY ? M_DGRAM_REPLAYED : M_DGRAM_MALFORMED);
}

/* ---- finding the sender ---- */

static bool can_open_document(const struct session *s)
{
    return s->authenticated && s->opener && !s->aead;
}

/* Whether a first block looks like the start of a message: JSON, or gzip. Wrong keys give noise. */
static bool looks_like_text(const uint8_t b[16])
{
    return b[0] == '{' || (b[0] == 0x1f && b[1] == 0x8b) || b[0] == ' ' || b[0] == '\n' ||
           b[0] == '\r' || b[0] == '\t';
}

/* Tries one candidate; true when it is the sender (and was dealt with). */
static bool try_candidate(struct racing *g, struct now now, struct session *s,
                          const struct dgram *d)
{
    uint8_t first[16];
    struct update u;
    count(g, M_TRIALS);
    if (opener_peek(s->opener, d->bytes, first) || !looks_like_text(first) ||
        open_sealed(g, s, d, &u))
        return false;
    if (rate_allows(g, now, s, false))
        accept_sealed(g, now, s, d, &u);
    return true;
}

static bool trial_allowed(struct bucket *b, struct now now)
{
    struct rate r = rate_of(TRIALS_PER_S, TRIALS_BURST);
    return bucket_take(b, &r, now.mono);
}

/* Tries the sessions of the sender's address; true when one of them sent it. */
static bool find_in_group(struct racing *g, struct now now, const struct host_group *h,
                          const struct dgram *d)
{
    LIST_EACH (node, &h->sessions) {
        struct session *s = CONTAINER_OF(node, struct session, in_group);
        if (!can_open_document(s))
            continue;
        if (!trial_allowed(&g->group_trials, now))
            return false;
        if (try_candidate(g, now, s, d))
            return true;
    }
    return false;
}

/* Tries everybody else whose datagrams may come from there. */
static bool find_anywhere(struct racing *g, struct now now, const struct host_group *but,
                          const struct dgram *d)
{
    struct rate scans = rate_of(SCANS_PER_S, SCANS_BURST);
    if (!bucket_take(&g->scans, &scans, now.mono))
        return false;
    LIST_EACH (node, &g->by_activity) {
        struct session *s = CONTAINER_OF(node, struct session, by_activity);
        if (s->group == but || !can_open_document(s) || !address_allowed(g, s, &d->path.peer))
            continue;
        if (!trial_allowed(&g->scan_trials, now))
            return false;
        if (try_candidate(g, now, s, d))
            return true;
    }
    return false;
}

/* A sealed datagram whose endpoint is new: same address first, then, where the address may differ,
 * everybody else. False: nobody sent it. */
static bool find_sender(struct racing *g, struct now now, const struct dgram *d)
{
    const struct host_group *h = session_group(g, &d->path.peer);
    if ((h && find_in_group(g, now, h, d)) || find_anywhere(g, now, h, d))
        return true;
    count(g, M_DGRAM_UNKNOWN);
    return false;
}

/* ---- the three forms ---- */

static void aead_in(struct racing *g, struct now now, const struct dgram *d, struct session *s)
{
    struct update u;
    int rc = s->authenticated || PLANTED(HEARD_WHEN_SIGNED_OUT) ? open_sealed(g, s, d, &u) : E_AUTH;
    if (rc == 0) {
        accept_sealed(g, now, s, d, &u);
        return;
    }
    refuse_sealed(g, rc);
    if (g->opened)
        cheat_invalid(g, now, s);
}

/* known: the session of the endpoint, or NULL. */
static void document_in(struct racing *g, struct now now, const struct dgram *d,
                        struct session *known)
{
    struct update u;
    int rc = E_AUTH;
    if (g->set.require_aead) {
        count(g, M_DGRAM_PLAIN);
        return;
    }
    if (known && can_open_document(known)) {
        rc = open_sealed(g, known, d, &u);
        if (rc == 0) {
            accept_sealed(g, now, known, d, &u);
            return;
        }
    }
    /* A client that signed in again may use its old port: others of its address are tried too. */
    if (known && (known->group->n == 1 || PLANTED(NEIGHBOURS_PORT_KEPT)) &&
        addr_same_host(&known->peer, &d->path.peer))
        refuse_sealed(g, rc);
    else if (find_sender(g, now, d))
        return;
    invalid(g, now, known);
}

/* Sixty bytes can inflate to the full 8 KiB, and a sender's address may be forged. So whom no
 * player is connected from is not read at all, and all others without an endpoint share a budget.
 */
static bool inflation_allowed(struct racing *g, struct now now, const struct addr *from)
{
    struct rate r = rate_of(INFLATIONS_PER_S, INFLATIONS_BURST);
    return session_group(g, from) && bucket_take(&g->inflations, &r, now.mono);
}

/* In the clear: the session is the one named, and only that session's rules count. */
static void plain_in(struct racing *g, struct now now, const struct dgram *d, struct session *known)
{
    struct update u;
    if (!known && gzip_is(d->bytes) && !inflation_allowed(g, now, &d->path.peer)) {
        count(g, M_DGRAM_UNKNOWN);
        return;
    }
    if (update_parse(json_text(g, d->bytes), &u)) {
        count(g, M_DGRAM_MALFORMED);
        invalid(g, now, known);
        return;
    }
    struct session *s = session_by_id(g, u.session_id);
    if (!s || !s->authenticated) {
        count(g, M_DGRAM_UNKNOWN);
        return;
    }
    bool over = g->set.plaintext == PLAINTEXT_OFF || s->aead || g->set.require_aead ||
                (g->set.plaintext == PLAINTEXT_UNTIL_ENCRYPTED && s->sealed_seen &&
                 !PLANTED(PLAINTEXT_AFTER_SEALED));
    /* It proves nothing, so it moves no endpoint and takes none from who has proved himself there.
     */
    bool elsewhere = !addr_same_host(&d->path.peer, &s->peer) ||
                     (s->has_path && !session_has_path(s, &d->path)) ||
                     (known && known != s && (known->aead || known->sealed_seen));
    if (over || (elsewhere && !PLANTED(ENDPOINT_TAKEN_IN_CLEAR))) {
        count(g, over ? M_DGRAM_PLAIN : M_DGRAM_MOVED);
        return;
    }
    if (known != s && !rate_allows(g, now, s, false))
        return;
    accept(g, now, s, d, &u);
}

static bool looks_plain(struct span b)
{
    return b.p[0] == '{' || b.p[0] <= ' ' || gzip_is(b);
}

static void datagram_in(struct racing *g, struct now now, const struct dgram *d)
{
    const uint8_t *conn_id = NULL;
    if (d->bytes.n == 0 || d->bytes.n > DATAGRAM_MAX) {
        count(g, M_DGRAM_MALFORMED);
        return;
    }
    struct session *s = session_by_endpoint(g, &d->path);
    if (seal_is_aead(d->bytes, &conn_id)) {
        /* Found by its connection id, which only its owner and the server were told. */
        s = session_by_conn(g, conn_id);
    }
    if (s ? !rate_allows(g, now, s, conn_id != NULL) : !stranger_allowed(g, now, &d->path.peer))
        return;
    if (conn_id && s)
        aead_in(g, now, d, s);
    else if (conn_id)
        count(g, M_DGRAM_UNKNOWN);
    else if (seal_is_cbc(d->bytes))
        document_in(g, now, d, s);
    else if (looks_plain(d->bytes))
        plain_in(g, now, d, s);
    else {
        count(g, M_DGRAM_MALFORMED);
        invalid(g, now, s);
    }
}

void datagrams_in(struct racing *g, struct now now, const struct dgram *d, size_t n)
{
    arena_reset(&g->batch);
    for (size_t i = 0; i < n; i++) {
        size_t before = g->batch.n;
        g->relayed = g->opened = false;
        datagram_in(g, now, &d[i]);
        if (!g->relayed) /* nobody needs what it left there */
            arena_give(&g->batch, g->batch.n - before);
    }
}
