/* Datagrams in: who sent one, whether it counts, and what it changes ("Datagrams"). */
#include "sim/racing/oracle_model.h"

#include "base/check.h"
#include "base/err.h"
#include "games/racing/tables.h"
#include "sim/node.h"

#include <inttypes.h>

#define UNSURE_FOR (2 * NSEC_PER_S) /* after a want of memory, of what is counted by address */

struct endpoint { /* a map's key: no padding */
    uint8_t ip[16];
    uint32_t scope;
    uint16_t port, sock;
};

struct arrival { /* the datagram at hand */
    const struct path *path;
    struct span bytes;
    uint8_t opened[DGRAM_N], inflated[INFLATED_N];
    struct o_message message;
};

static struct endpoint endpoint_of(const struct path *p)
{
    struct endpoint e = {.scope = p->peer.scope, .port = p->peer.port, .sock = p->sock};
    memcpy(e.ip, p->peer.ip, sizeof e.ip);
    return e;
}

uint32_t o_link_by_path(const struct racing_oracle *o, const struct path *p)
{
    struct endpoint e = endpoint_of(p);
    uint64_t v;
    return hmap_get(&o->by_endpoint, &e, &v) ? (uint32_t)v : NOBODY;
}

static bool same_endpoint(const struct path *a, const struct path *b)
{
    return a->sock == b->sock && addr_eq(&a->peer, &b->peer);
}

void o_path_drop(struct racing_oracle *o, struct o_link *l)
{
    struct endpoint e = endpoint_of(&l->path);
    if (l->has_path && o_link_by_path(o, &l->path) == o_index(o, l))
        (void)hmap_del(&o->by_endpoint, &e);
    l->has_path = false;
}

static void path_set(struct racing_oracle *o, struct o_link *l, const struct path *p)
{
    if (l->has_path && same_endpoint(&l->path, p)) {
        l->path = *p;
        return;
    }
    uint32_t other = o_link_by_path(o, p);
    struct endpoint e = endpoint_of(p);
    l->old_path = l->path;
    l->had_path = l->has_path;
    o_path_drop(o, l);
    if (other != NOBODY) { /* the port is another's now */
        o->links[other].has_path = false;
        o_heard_from(o, other);
    }
    CHECK(hmap_put(&o->by_endpoint, &e, o_index(o, l)) == 0);
    l->path = *p;
    l->has_path = true;
}

void o_keys_drop(struct racing_oracle *o, struct o_link *l)
{
    if (l->aead)
        (void)hmap_del(&o->by_conn, o_keys_conn(l->in_keys));
    o_keys_free(l->in_keys);
    if (l->out_keys != l->in_keys)
        o_keys_free(l->out_keys);
    l->in_keys = l->out_keys = NULL;
    l->keys_made++;
    l->aead = l->pack = false;
}

/* ---- reading one ---- */

static struct span inflated(struct racing_oracle *o, struct arrival *a, struct span plain)
{
    if (!gzip_is(plain))
        return plain;
    int n = gzip_inflate(o->gzip, plain, a->inflated, sizeof a->inflated);
    return n > 0 ? span_of(a->inflated, (size_t)n) : SPAN_NULL;
}

/* Opens it with the session's keys; *seq is of the authenticated ciphers. */
static enum o_drop open_as(struct racing_oracle *o, struct arrival *a, struct o_link *l,
                           uint64_t *seq)
{
    int n = o_keys_open(l->in_keys, a->bytes, a->opened, seq);
    if (n < 0)
        return n == E_AUTH ? DROP_FORGED : DROP_MALFORMED;
    if (l->aead) {
        bool fresh = o_seq_fresh(l->in_keys, *seq);
        o_seq_mark(l->in_keys, *seq); /* whatever it holds: it is authentic */
        if (!fresh && !l->unsure)
            return DROP_REPLAYED;
    }
    if (o_message_read(inflated(o, a, span_of(a->opened, (size_t)n)), &a->message))
        return DROP_MALFORMED;
    return span_eq(a->message.session_id, span_of(l->id, ID_N)) ? DROP_NONE : DROP_FORGED;
}

static bool has_document_keys(const struct o_link *l)
{
    return l->auth && l->in_keys && !l->aead;
}

/* ---- counting it ---- */

static bool rate_takes(struct racing_oracle *o, struct o_link *l)
{
    return o_rate_take(&l->dgram_bucket, &o->set.datagrams, o_now(o)) || l->unsure;
}

static bool stranger_takes(struct racing_oracle *o, const struct addr *from)
{
    uint8_t key[16];
    uint64_t full_at = 0;
    if (exempt_has(&o->set.exempt, from))
        return true;
    o_neighbourhood(from, key);
    (void)hmap_get(&o->strangers, key, &full_at);
    if (!o_rate_take(&full_at, &o->set.strangers, o_now(o)))
        return false;
    CHECK(hmap_put(&o->strangers, key, full_at) == 0);
    return true;
}

static bool is_unsure(const struct racing_oracle *o)
{
    return o_now(o) < o->unsure_until;
}

/* ---- accepting it ---- */

static bool address_allowed(const struct racing_oracle *o, const struct o_link *l,
                            const struct addr *from)
{
    if (addr_same_host(from, &l->peer) || o->set.any_address)
        return true;
    if (l->pinned)
        return addr_same_host(from, &l->pin);
    return !addr_same_family(from, &l->peer);
}

static bool in_other_room(struct racing_oracle *o, const struct o_link *l,
                          const struct json_val *room_id)
{
    const struct o_room *r = o_room_of(o, l);
    if (room_id->type == JSON_ABSENT || room_id->type == JSON_NULL)
        return false;
    return !r || !o_span_is(o, room_id, span_of(r->id, ID_N));
}

static enum o_drop accept(struct racing_oracle *o, struct arrival *a, struct o_link *l)
{
    o_heard_from(o, o_index(o, l));
    if (in_other_room(o, l, &a->message.room_id))
        return DROP_ROOM;
    path_set(o, l, a->path);
    o->accepted++;
    l->touched = l->active = o_now(o);
    o_relay(o, l, &a->message);
    return DROP_NONE;
}

static enum o_drop accept_sealed(struct racing_oracle *o, struct arrival *a, struct o_link *l)
{
    if (!address_allowed(o, l, &a->path->peer))
        return DROP_MOVED;
    if (!l->pinned || !addr_same_host(&a->path->peer, &l->peer))
        l->pin = a->path->peer;
    l->pinned = true;
    l->sealed_seen = true;
    return accept(o, a, l);
}

/* ---- the three forms ---- */

static enum o_drop aead_in(struct racing_oracle *o, struct arrival *a, const uint8_t *conn)
{
    uint64_t v, seq;
    if (!hmap_get(&o->by_conn, conn, &v)) {
        (void)stranger_takes(o, &a->path->peer);
        return DROP_UNKNOWN;
    }
    struct o_link *l = &o->links[v];
    if (!rate_takes(o, l))
        return DROP_RATE;
    if (!l->auth)
        return DROP_FORGED;
    enum o_drop d = open_as(o, a, l, &seq);
    return d ? d : accept_sealed(o, a, l);
}

/* The only one who can have sealed it, among those it may be from; NULL. */
static struct o_link *sealer_of(struct racing_oracle *o, struct arrival *a, bool same_host)
{
    uint64_t seq;
    uint32_t tried = 0;
    struct o_link *found = NULL;
    for (uint32_t i = 0; i < o->links_n && !found; i++) {
        struct o_link *l = &o->links[i];
        if (!l->used || l->mute || !has_document_keys(l) ||
            addr_same_host(&l->peer, &a->path->peer) != same_host ||
            (!same_host && !address_allowed(o, l, &a->path->peer)))
            continue;
        tried++;
        if (open_as(o, a, l, &seq) == DROP_NONE)
            found = l;
    }
    /* The service may have looked at any number of them, and has a budget. */
    struct o_rate budget = {10000, 20000 * UINT64_C(10000)};
    while (tried--)
        if (!o_rate_take(&o->trials, &budget, o_now(o)))
            o->unsure_until = o_now(o) + UNSURE_FOR;
    return found;
}

static enum o_drop find_sealer(struct racing_oracle *o, struct arrival *a)
{
    struct o_rate scans = {NSEC_PER_S / 200, NSEC_PER_S};
    struct o_link *l = sealer_of(o, a, true);
    if (!l && (o_rate_take(&o->scans, &scans, o_now(o)) || is_unsure(o)))
        l = sealer_of(o, a, false);
    if (!l)
        return DROP_UNKNOWN;
    return rate_takes(o, l) ? accept_sealed(o, a, l) : DROP_RATE;
}

static uint32_t links_of_host(const struct racing_oracle *o, const struct addr *a)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->links_n; i++) {
        const struct o_link *l = &o->links[i];
        n += l->used && !l->mute && l->welcomed && addr_same_host(&l->peer, a);
    }
    return n;
}

static enum o_drop document_in(struct racing_oracle *o, struct arrival *a, struct o_link *known)
{
    uint64_t seq;
    enum o_drop d = DROP_FORGED;
    if (o->set.require_aead)
        return DROP_PLAIN;
    if (known && has_document_keys(known)) {
        d = open_as(o, a, known, &seq);
        if (d == DROP_NONE)
            return accept_sealed(o, a, known);
    }
    if (known && addr_same_host(&known->peer, &a->path->peer) &&
        links_of_host(o, &known->peer) == 1)
        return d;
    return find_sealer(o, a);
}

static enum o_drop plain_in(struct racing_oracle *o, struct arrival *a, struct o_link *known)
{
    if (!known && gzip_is(a->bytes)) {
        struct o_rate budget = {NSEC_PER_S / 2000, NSEC_PER_S / 2};
        if (links_of_host(o, &a->path->peer) == 0 ||
            !o_rate_take(&o->inflations, &budget, o_now(o)))
            return DROP_UNKNOWN;
    }
    if (o_message_read(inflated(o, a, a->bytes), &a->message))
        return DROP_MALFORMED;
    struct o_link *l = o_link(o, o_link_by_id(o, a->message.session_id));
    if (!l || l->mute || !l->auth)
        return DROP_UNKNOWN;
    if (o->set.plain == O_PLAIN_OFF || l->aead || o->set.require_aead ||
        (o->set.plain == O_PLAIN_UNTIL && l->sealed_seen))
        return DROP_PLAIN;
    if (!addr_same_host(&a->path->peer, &l->peer) ||
        (l->has_path && !same_endpoint(&l->path, a->path) && !l->unsure) ||
        (known && known != l && (known->aead || known->sealed_seen)))
        return DROP_MOVED;
    if (known != l && !rate_takes(o, l))
        return DROP_RATE;
    return accept(o, a, l);
}

static enum o_drop arrival_in(struct racing_oracle *o, struct arrival *a)
{
    const uint8_t *conn;
    if (a->bytes.n == 0 || a->bytes.n > DGRAM_N)
        return DROP_MALFORMED;
    if (o_is_aead(a->bytes, &conn))
        return aead_in(o, a, conn);
    struct o_link *known = o_link(o, o_link_by_path(o, a->path));
    if (known ? !rate_takes(o, known) : !stranger_takes(o, &a->path->peer) && !is_unsure(o))
        return DROP_RATE;
    if (o_is_cbc(a->bytes))
        return document_in(o, a, known);
    if (a->bytes.p[0] == '{' || a->bytes.p[0] <= ' ' || gzip_is(a->bytes))
        return plain_in(o, a, known);
    return DROP_MALFORMED;
}

const char *o_oracle_for(enum o_drop d)
{
    switch (d) {
    case DROP_FORGED: return "forged";
    case DROP_REPLAYED: return "replay";
    case DROP_PLAIN: return "plaintext";
    case DROP_MOVED:
    case DROP_UNKNOWN: return "endpoint";
    case DROP_RATE: return "rate";
    case DROP_NONE:
    case DROP_MALFORMED:
    case DROP_ROOM: break;
    }
    return "relay";
}

void o_accepted_judge(struct racing_oracle *o)
{
    uint64_t counted = sim_node_metric(o->sim, M_DGRAM_ACCEPTED);
    if (o->kind == CALL_DGRAMS && !o->ever_short && !is_unsure(o) && counted != o->accepted)
        o_suspect(o, o_oracle_for(o->last_drop),
                  "%" PRIu64 " datagrams were accepted; there should be %" PRIu64, counted,
                  o->accepted);
    o->accepted = counted;
}

void oracle_dgram_in(struct sim *s, const struct path *path, struct span bytes)
{
    struct racing_oracle *o = oracle_of(s);
    struct arrival a = {.path = path, .bytes = bytes};
    if (o->kind != CALL_DGRAMS || o->dgrams_sent)
        o_call_dgrams(o);
    enum o_drop d = arrival_in(o, &a);
    if (d != DROP_NONE) {
        o->stats.rejects++;
        o->last_drop = d;
    }
}
