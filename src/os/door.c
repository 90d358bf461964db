/* Who may come: bans, what one address may have at once, and whom a trusted proxy speaks for. */
#include "os/server_priv.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/proxy.h"

#include <sys/socket.h>

#define REFUSED_LOGS 5u /* records a second */

static const struct log_row log_refused = {LOG_INFO, "edge.refused", "connection refused"};

/* --- links of one address -----------------------------------------------------------------------
 */

struct addr_key {
    uint8_t bytes[ADDR_KEY_BYTES];
};

static struct addr_key key_of(const struct bound *b, const struct addr *a)
{
    struct addr_key k;
    memcpy(k.bytes, &b->id, 2);
    addr_limit_key(a, k.bytes + 2);
    return k;
}

/* False past the limit. */
static bool count_link(struct listener *l, const struct addr *a, bool *counted)
{
    struct server *s = l->b->s;
    if (l->spec.links_per_addr == 0)
        return true;
    struct addr_key k = key_of(l->b, a);
    uint64_t n = 0;
    (void)hmap_get(&s->per_addr, k.bytes, &n);
    *counted = n < l->spec.links_per_addr && hmap_put(&s->per_addr, k.bytes, n + 1) == 0;
    return *counted;
}

static void uncount_link(struct bound *b, const struct addr *a)
{
    struct addr_key k = key_of(b, a);
    uint64_t n = 0;
    (void)hmap_get(&b->s->per_addr, k.bytes, &n);
    if (n <= 1 || hmap_put(&b->s->per_addr, k.bytes, n - 1) != 0)
        (void)hmap_del(&b->s->per_addr, k.bytes);
}

static bool count_handshake(struct listener *l, const struct addr *a, bool *counted)
{
    struct server *s = l->b->s;
    if (s->cfg.handshakes_per_addr == 0 || l->spec.kind != LISTEN_TLS)
        return true;
    *counted = addr_count_take(&s->handshaking, a, s->cfg.handshakes_per_addr);
    return *counted;
}

void door_forget_handshake(struct server *s, const struct addr *peer, struct admission *a)
{
    if (a->handshake)
        addr_count_give(&s->handshaking, peer);
    a->handshake = false;
}

void door_forget(struct bound *b, const struct addr *peer, struct admission *a)
{
    door_forget_handshake(b->s, peer, a);
    if (a->link)
        uncount_link(b, peer);
    a->link = false;
}

void door_refuse(struct listener *l, const struct addr *peer, struct now now, enum server_row row,
                 const char *reason)
{
    struct server *s = l->b->s;
    uint64_t left_out;
    rows_add(&s->rows, row, 1);
    if (log_gate_pass(&s->gate_refused, now.mono, REFUSED_LOGS, &left_out))
        LOG(s->log, &log_refused, LF_STR("service", l->b->ops->name), LF_ADDR("peer", peer),
            LF_STR("reason", reason), LF_UINT("left_out", left_out));
}

/* A ban is meant: exempt sources are not spared by it. */
static bool banned(const struct listener *l, const struct addr *peer, struct now now)
{
    const struct ban_desk *bans = l->b->s->cfg.bans;
    return bans && ban_desk_addr(bans, now, peer, span_str(l->b->ops->name));
}

bool door_admit(struct listener *l, const struct addr *peer, struct now now, struct admission *ret)
{
    *ret = (struct admission){0};
    if (banned(l, peer, now)) {
        door_refuse(l, peer, now, ROW_REFUSED_BANNED, "banned");
        return false;
    }
    if (exempt_has(&l->b->s->cfg.exempt, peer))
        return true;
    if (!count_link(l, peer, &ret->link)) {
        door_refuse(l, peer, now, ROW_REFUSED_ADDRESS, "too many from its address");
        return false;
    }
    if (!count_handshake(l, peer, &ret->handshake)) {
        door_refuse(l, peer, now, ROW_REFUSED_HANDSHAKES, "too many handshakes from its address");
        door_forget(l->b, peer, ret);
        return false;
    }
    return true;
}

/* --- the header of a proxy ---------------------------------------------------------------------
 */

void door_drop_header(struct link *l, struct now now, const char *reason)
{
    door_refuse(l->from, &l->peer, now, ROW_REFUSED_PROXY, reason);
    link_release(l, true);
}

/* The proxy looks whether we are up. */
static void end_check(struct link *l)
{
    rows_add(&l->s->rows, ROW_PROXY_CHECKS, 1);
    (void)shutdown(l->fd, SHUT_WR);
    link_release(l, false);
}

enum door_step door_header(struct link *l, struct span *in, struct now now)
{
    struct proxy_header h;
    size_t used = 0;
    int rc = proxy_feed(l->header, *in, &used, &h);
    if (rc == E_MORE)
        return DOOR_MORE;
    if (rc || h.kind == PROXY_UNSPEC || h.kind == PROXY_DGRAM) {
        door_drop_header(l, now, rc ? h.why : "a PROXY header that names no TCP client");
        return DOOR_GONE;
    }
    if (h.kind == PROXY_LOCAL) {
        end_check(l);
        return DOOR_GONE;
    }
    mem_free(l->header);
    l->header = NULL;
    l->peer = h.src;
    *in = span_skip(*in, used);
    if (door_admit(l->from, &l->peer, now, &l->counted))
        return DOOR_DONE;
    link_release(l, false);
    return DOOR_GONE;
}

/* --- bans --------------------------------------------------------------------------------------
 */

void door_ban(struct server *s, const struct ban *ban, struct now now)
{
    struct link *l;
    if (ban->kind != BAN_NET)
        return;
    for (uint32_t at = 0; (l = slots_next(&s->links, &at, NULL));) {
        if (l->header || !ban_covers(ban, 0, &l->peer, span_str(l->from->b->ops->name)))
            continue;
        if (l->state == LINK_HANDSHAKE) {
            door_refuse(l->from, &l->peer, now, ROW_REFUSED_BANNED, "banned");
            link_release(l, true);
        } else {
            link_end(l, CLOSE_KICK);
        }
    }
}
