#include "games/racing/kick.h"
#include "base/plant.h"

#include "games/racing/replies.h"
#include "games/racing/rooms.h"
#include "games/racing/sessions.h"

static void kick(struct racing *g, struct session *s, const char *message)
{
    if (s->ending)
        return;
    reply_message(g, s, "BYE_ADMIN", message);
    session_doom(g, s, CLOSE_KICK);
}

void kick_players(struct racing *g, struct span session_id)
{
    struct session *s;
    if (session_id.n) {
        s = session_by_id(g, session_id);
        if (s)
            kick(g, s, "Disconnected by administrator");
        return;
    }
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL));)
        kick(g, s, "Server is closing all connections");
}

void kick_banned(struct racing *g, const struct ban *b)
{
    struct session *s;
    struct span game = span_of(g->host->game, strlen(g->host->game));
    if (b->kind == BAN_ACCOUNT) {
        logins_overtake(g->logins, b->account);
        logins_drop_tokens(g->logins, b->account);
    }
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL));)
        if (!PLANTED(BAN_NOT_ENFORCED_LIVE) &&
            ban_covers(b, s->authenticated ? s->account : 0, &s->peer, game))
            kick(g, s, "You are banned from this server");
}

static const char *const account_texts[] = {
    [ACCOUNT_SIGNED_IN] = "Signed in from another connection",
    [ACCOUNT_SIGNED_OUT] = "Signed out",
    [ACCOUNT_SUSPENDED] = "This account is suspended",
    [ACCOUNT_STANDING] = NULL,
};

/* Nobody goes; what his account is now holds from here on. */
static void stand(struct racing *g, const struct notice *n)
{
    struct session *s;
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL));)
        if (s->authenticated && s->account == n->u.account.id) {
            s->level = n->u.account.level;
            s->muted = n->u.account.muted;
        }
}

void kick_account(struct racing *g, const struct notice *n)
{
    const char *text = account_texts[n->u.account.change];
    struct span game = n->u.account.game, mine = span_of(g->host->game, strlen(g->host->game));
    struct session *s;
    if (n->u.account.change != ACCOUNT_SIGNED_IN)
        logins_overtake(g->logins, n->u.account.id);
    if (n->u.account.change == ACCOUNT_SUSPENDED ||
        (n->u.account.change == ACCOUNT_SIGNED_OUT && !PLANTED(TOKEN_KEPT_AFTER_PASSWORD_CHANGE)))
        logins_drop_tokens(g->logins, n->u.account.id); /* those made meanwhile, too */
    if (n->u.account.change == ACCOUNT_STANDING)
        stand(g, n);
    if (!text || (game.n && !span_eq(game, mine)))
        return;
    if (n->u.account.change == ACCOUNT_SIGNED_IN)
        logins_lost(g->logins, n->u.account.id);
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL));)
        if (s->authenticated && s->account == n->u.account.id &&
            !span_eq(span_of(s->id, ID_LEN), n->u.account.except))
            kick(g, s, text);
}

/* The room goes with its last member. */
static void close_room(struct racing *g, struct room *r)
{
    char id[ID_LEN + 1];
    memcpy(id, r->id, sizeof id);
    for (uint32_t n = r->members_n; n--;) {
        struct session *s = room_member(r->members.next);
        room_leave(g, s);
        reply_room_closed(g, s, id);
    }
}

void kick_rooms(struct racing *g, struct span room_id)
{
    struct room *r;
    if (room_id.n) {
        r = room_find(g, room_id);
        if (r)
            close_room(g, r);
        return;
    }
    for (uint32_t at = 0; (r = slots_next(&g->rooms, &at, NULL));)
        close_room(g, r);
}
