#include "games/racing/check.h"

#include "base/err.h"
#include "games/racing/rooms.h"
#include "games/racing/sessions.h"

static int broken(struct buf *why, const char *what, const char *id)
{
    (void)buf_printf(why, "%s (%s)", what, id);
    return E_EXISTS;
}

static int check_room(const struct racing *g, const struct room *r, struct buf *why)
{
    uint32_t n = 0;
    bool host = false;
    LIST_EACH (node, &r->members) {
        const struct session *m = room_member(node);
        if (!ref_eq(m->room, r->self))
            return broken(why, "a member does not know its room", m->id);
        if (m->ending || !m->authenticated)
            return broken(why, "a member is ending or not authenticated", m->id);
        host |= ref_eq(r->host, m->self);
        n++;
    }
    if (n == 0 || n != r->members_n)
        return broken(why, "members were miscounted or the room is empty", r->id);
    if (!host)
        return broken(why, "the host is no member", r->id);
    if (room_find(g, span_of(r->id, ID_LEN)) != r)
        return broken(why, "a room is not found by its id", r->id);
    return 0;
}

static int check_session(const struct racing *g, const struct session *s, struct buf *why)
{
    if (session_of_link(g, s->link) != s)
        return broken(why, "a session is not found by its link", s->id);
    if (s->ending)
        return !ref_is_none(s->room) || s->has_path || s->group || s->opener
                   ? broken(why, "an ending session still holds something", s->id)
                   : 0;
    if (session_by_id(g, span_of(s->id, ID_LEN)) != s)
        return broken(why, "a session is not found by its id", s->id);
    if (!ref_is_none(s->room) && !room_get(g, s->room))
        return broken(why, "a session is in a room that is gone", s->id);
    if (s->has_path && session_by_endpoint(g, &s->path) != s)
        return broken(why, "an endpoint does not lead to its session", s->id);
    if (s->aead && (session_by_conn(g, s->conn_id) != s || !s->opener))
        return broken(why, "a connection id does not lead to its session", s->id);
    if (!s->group || session_group(g, &s->peer) != s->group)
        return broken(why, "a session is not in its address's group", s->id);
    return 0;
}

int check_state(const struct racing *g, struct buf *why)
{
    const struct session *s;
    const struct room *r;
    uint32_t live = 0, aead = 0, paths = 0;
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL)); live += !s->ending) {
        int rc = check_session(g, s, why);
        if (rc)
            return rc;
        aead += s->aead;
        paths += s->has_path;
    }
    for (uint32_t at = 0; (r = slots_next(&g->rooms, &at, NULL));) {
        int rc = check_room(g, r, why);
        if (rc)
            return rc;
    }
    if (g->by_id.live != live || g->by_conn.live != aead || g->by_endpoint.live != paths ||
        g->room_by_id.live != g->rooms.live)
        return broken(why, "a map holds entries of what is gone", "maps");
    return 0;
}
