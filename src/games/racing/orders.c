#include "games/racing/orders.h"

#include "base/err.h"
#include "games/racing/lines.h"
#include "games/racing/replies.h"
#include "games/racing/sessions.h"

#define TEXT_MAX 256u    /* bytes that a player who is kicked reads */
#define COPY_MAX 131072u /* of one message that is overheard */

static bool is_there(const struct session *s)
{
    return s && !s->ending && !list_linked(&s->doomed);
}

/* Messages of this kind hold no mark at which simple clients part a line. */
static void kick(struct racing *g, struct session *s, struct span text)
{
    char plain[TEXT_MAX];
    size_t n = text.n < sizeof plain ? text.n : sizeof plain - 1;
    while (n && n < text.n && (text.p[n] & 0xc0) == 0x80)
        n--;
    if (n)
        memcpy(plain, text.p, n);
    for (size_t i = 0; i < n; i++)
        if (strchr(",:\"", plain[i]))
            plain[i] = ' ';
    plain[n] = '\0';
    reply_message(g, s, "BYE_ADMIN", n ? plain : "Disconnected by administrator");
    session_doom(g, s, CLOSE_KICK);
}

static void tell_all(struct racing *g, struct span text)
{
    struct session *s;
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL));)
        if (is_there(s) && s->authenticated)
            reply_from_server(g, s, text);
}

static void snoop_none(struct racing *g)
{
    struct session *s;
    for (uint32_t at = 0; (s = slots_next(&g->sessions, &at, NULL));)
        s->snoop = (struct snoop){0};
}

static int snoop(struct racing *g, struct session *s, const struct order *o)
{
    const struct session *to = session_by_id(g, o->to);
    if (!o->on) {
        s->snoop = (struct snoop){0};
        return 0;
    }
    if (!is_there(to) || !to->authenticated)
        return E_NOENT;
    s->snoop = (struct snoop){.account = to->account, .level = to->level};
    memcpy(s->snoop.id, to->id, sizeof s->snoop.id);
    return 0;
}

void orders_overheard(struct racing *g, struct session *of, const struct session *from,
                      const struct session *to, struct span text)
{
    struct buf copy;
    struct session *by = of->snoop.id[0] ? session_by_id(g, span_of(of->snoop.id, ID_LEN)) : NULL;
    if (!is_there(by) || !by->authenticated || by->account != of->snoop.account ||
        by->level < of->snoop.level) {
        of->snoop = (struct snoop){0}; /* gone, or no longer who he was */
        return;
    }
    if (by == from || by == to)
        return; /* he has it */
    buf_init(&copy, COPY_MAX);
    (void)buf_append_str(&copy, "[Snoop] ");
    (void)buf_append_span(&copy, session_name(from));
    (void)buf_append_str(&copy, " > ");
    (void)buf_append_span(&copy, session_name(to));
    (void)buf_append_str(&copy, ": ");
    (void)buf_append_span(&copy, text);
    if (!copy.failed)
        reply_from_server(g, by, buf_span(&copy));
    buf_fini(&copy);
}

/* What needs no session. */
static bool to_everybody(struct racing *g, const struct order *o)
{
    if (o->session.n)
        return false;
    if (o->kind == ORDER_TELL)
        tell_all(g, o->text);
    else if (o->kind == ORDER_SHUT)
        g->shut = o->on;
    else if (o->kind == ORDER_SNOOP && !o->on)
        snoop_none(g);
    else
        return false;
    return true;
}

int orders_do(struct racing *g, const struct order *o)
{
    struct session *s = session_by_id(g, o->session);
    if (to_everybody(g, o))
        return 0;
    if (!is_there(s))
        return E_NOENT;
    switch (o->kind) {
    case ORDER_KICK: kick(g, s, o->text); return 0;
    case ORDER_TELL: reply_from_server(g, s, o->text); return 0;
    case ORDER_MUTE: s->silenced = o->on; return 0;
    case ORDER_SNOOP: return snoop(g, s, o);
    case ORDER_JUMP:
    case ORDER_SPEED:
    case ORDER_HEAL:
    case ORDER_GIVE:
    case ORDER_LEVEL:
    case ORDER_MONEY:
    case ORDER_CLEAR:
    case ORDER_SHUT: break;
    }
    return E_SUPPORT;
}

void orders_players(const struct racing *g, player_fn fn, void *ctx)
{
    const struct session *s;
    bool more = true;
    for (uint32_t at = 0; more && (s = slots_next(&g->sessions, &at, NULL));) {
        const struct room *r = room_get(g, s->room);
        struct player_view v = {
            .session = span_of(s->id, ID_LEN),
            .name = session_name(s),
            .place = r ? span_of(r->id, ID_LEN) : SPAN_NULL,
            .account = s->authenticated ? s->account : 0,
            .level = s->authenticated ? s->level : LEVEL_PLAYER,
            .muted = s->silenced || (s->authenticated && s->muted),
            .peer = s->peer,
        };
        if (is_there(s))
            more = fn(ctx, &v);
    }
}

void orders_rooms(const struct racing *g, room_fn fn, void *ctx)
{
    const struct room *r;
    bool more = true;
    for (uint32_t at = 0; more && (r = slots_next(&g->rooms, &at, NULL));) {
        struct room_view v = {
            .id = span_of(r->id, ID_LEN),
            .name = span_of(r->name, r->name_n),
            .host = span_of(session_get(g, r->host)->id, ID_LEN),
            .players = r->members_n,
            .active = r->active,
        };
        more = fn(ctx, &v);
    }
}

bool orders_command(struct racing *g, struct session *s, struct span text)
{
    char host[ADDR_TEXT_MAX];
    struct ask ask = {.kind = ASK_COMMAND};
    if (text.n == 0 || text.p[0] != '/')
        return false;
    ask.u.command.line = text;
    ask.u.command.game = span_of(g->host->game, strlen(g->host->game));
    ask.u.command.player = session_name(s);
    ask.u.command.session = span_of(s->id, ID_LEN);
    ask.u.command.account = s->account;
    ask.u.command.level = s->level;
    ask.u.command.account_name = session_name(s);
    ask.u.command.address = span_str(addr_host_text(&s->peer, host));
    if (host_ask(g->host, &ask, ref_pack(s->self)))
        return false;
    s->waiting = WAIT_COMMAND;
    host_pause(g->host, s->link);
    return true;
}

void orders_answer(struct racing *g, struct now now, const struct answer *a)
{
    struct session *s = session_get(g, ref_unpack(a->req));
    if (!s || s->ending || s->waiting != WAIT_COMMAND)
        return;
    session_touch(g, s, now);
    if (a->rc)
        reply_from_server(g, s, SPAN_LIT("The server is busy. Please try again."));
    else if (a->u.text.n)
        reply_from_server(g, s, a->u.text);
    reply_relay_ok(g, s, span_of(s->id, ID_LEN));
    lines_resume(g, s);
}
