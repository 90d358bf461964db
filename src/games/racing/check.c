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

static bool is_found_by_account(const struct racing *g, const struct session *s)
{
    const struct session *first = session_of_account(g, s->account, NULL), *o = first;
    do {
        if (!o || o->account != s->account || !o->authenticated)
            return false;
        if (o == s)
            return true;
        o = CONTAINER_OF(o->same_account.next, struct session, same_account);
    } while (o != first);
    return false;
}

/* Oldest first, and everybody once. */
static int check_activity(const struct racing *g, uint32_t live, struct buf *why)
{
    nsec last = 0;
    uint32_t n = 0;
    LIST_EACH (node, &g->by_activity) {
        const struct session *s = CONTAINER_OF(node, struct session, by_activity);
        if (s->active_at < last || ++n > live)
            return broken(why, "sessions are not in order of activity", s->id);
        last = s->active_at;
    }
    return n == live ? 0 : broken(why, "a session is missed by the idle timeout", "activity");
}

static int check_groups(const struct racing *g, uint32_t live, struct buf *why)
{
    const struct host_group *h;
    uint32_t all = 0;
    for (uint32_t at = 0; (h = slots_next(&g->groups, &at, NULL));) {
        uint32_t n = 0;
        LIST_EACH (node, &h->sessions)
            n += CONTAINER_OF(node, struct session, in_group)->group == h;
        if (n == 0 || n != h->n)
            return broken(why, "sessions of an address were miscounted", "group");
        all += n;
    }
    if (all != live || g->by_ip.live != g->groups.live)
        return broken(why, "a session is in no group", "groups");
    return 0;
}

static int check_session(const struct racing *g, const struct session *s, struct buf *why)
{
    if (session_of_link(g, s->link) != s)
        return broken(why, "a session is not found by its link", s->id);
    if (s->ending)
        return !ref_is_none(s->room) || s->has_path || s->group || s->opener || s->authenticated ||
                       s->resume.set || list_linked(&s->by_activity)
                   ? broken(why, "an ending session still holds something", s->id)
                   : 0;
    if (list_linked(&s->doomed))
        return broken(why, "a doomed session was not ended", s->id);
    if (s->waiting != WAIT_NOTHING && s->resume.set)
        return broken(why, "a session waits for two things", s->id);
    if (ref_is_none(s->room) != !list_linked(&s->in_room))
        return broken(why, "a session's room does not list it", s->id);
    if (s->authenticated != list_linked(&s->same_account) || (s->authenticated && !s->named))
        return broken(why, "a session is half signed in", s->id);
    if (s->authenticated && !is_found_by_account(g, s))
        return broken(why, "a session is not found by its account", s->id);
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
    uint32_t live = 0, aead = 0, paths = 0, accounts = 0;
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL)); live += !s->ending) {
        int rc = check_session(g, s, why);
        if (rc)
            return rc;
        aead += s->aead;
        paths += s->has_path;
        accounts += s->authenticated && session_of_account(g, s->account, NULL) == s;
    }
    for (uint32_t at = 0; (r = slots_next(&g->rooms, &at, NULL));) {
        int rc = check_room(g, r, why);
        if (rc)
            return rc;
    }
    if (g->by_id.live != live || g->by_conn.live != aead || g->by_endpoint.live != paths ||
        g->room_by_id.live != g->rooms.live || g->by_account.live != accounts)
        return broken(why, "a map holds entries of what is gone", "maps");
    int rc = check_activity(g, live, why);
    return rc ? rc : check_groups(g, live, why);
}
