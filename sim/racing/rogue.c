#include "sim/racing/rogue.h"

#include "base/err.h"
#include "base/mem.h"

static void on_login(struct bot *b)
{
    rogue_of(b)->signed_in = true;
}

static void on_answered(struct bot *b, enum request kind, bool ok, struct span message)
{
    struct rogue *r = rogue_of(b);
    (void)message;
    bool in = ok && r->signed_in;
    r->signed_in = false;
    if (kind != ASK_NAME || r->talk.loose)
        return;
    if (in && r->guessing)
        sim_find(b->sim, "bot-guess", "bot %u was let in with a wrong password", b->number);
    else if (in)
        b->claim->acknowledged++;
    r->guessing = false;
}

static void on_message(struct bot *b, struct span m)
{
    (void)b;
    (void)m;
}

static const struct listener listener = {
    .answered = on_answered, .login = on_login, .message = on_message};

/* ---- its connection ---- */

static void on_up(struct sim *s, struct peer *p)
{
    (void)s;
    struct rogue *r = rogue_of(peer_ctx(p));
    static const enum udp_wish wishes[] = {UDP_CLEAR, UDP_DOCUMENT, UDP_DOCUMENT, UDP_STRONG_ANY,
                                           UDP_STRONG_HMAC};
    r->connecting = r->logged_in = r->guessing = r->signed_in = false;
    r->half[0] = '\0';
    r->persists = r->waves = 0;
    r->talk.wish = wishes[bot_below(&r->b, ARRAY_LEN(wishes))];
    r->talk.pack = bot_below(&r->b, 2);
    talk_begin(&r->talk);
}

static void on_bytes(struct sim *s, struct peer *p, struct span bytes)
{
    (void)s;
    talk_bytes(&rogue_of(peer_ctx(p))->talk, bytes);
}

static void on_dgram(struct sim *s, struct peer *p, struct span d)
{
    (void)s;
    talk_dgram(&rogue_of(peer_ctx(p))->talk, d);
}

static void on_down(struct sim *s, struct peer *p, enum peer_end why)
{
    (void)s;
    (void)why;
    struct rogue *r = rogue_of(peer_ctx(p));
    memcpy(r->kept_id, r->b.id, sizeof r->kept_id);
    talk_end(&r->talk);
    r->connecting = false;
    bot_after_ms(&r->b, r->silent ? 0 : 50 + bot_below(&r->b, 2000));
}

static const struct peer_ops peer_ops = {
    .up = on_up, .bytes = on_bytes, .down = on_down, .dgram = on_dgram};

/* ---- turns ---- */

void rogue_drive(struct rogue *r)
{
    struct drive d;
    char text[DRIVE_TEXT_MAX];
    if (!r->talk.authenticated)
        return;
    drive_make(&d, r->b.number, false, ++r->b.said);
    talk_send(&r->talk, span_of(text, drive_text(&d, r->b.id, "", text)), false);
}

void rogue_behave(struct rogue *r)
{
    struct talk *t = &r->talk;
    const char *room;
    if (t->n >= 4)
        return;
    if (!r->logged_in) {
        r->logged_in = talk_ask(t, ASK_NAME, r->b.claim->name, r->b.claim->password);
        return;
    }
    switch (bot_below(&r->b, 10)) {
    case 0: (void)talk_ask(t, ASK_CREATE, "ours", NULL); break;
    case 1:
    case 2:
        if ((room = bots_any_room(r->b.all)))
            (void)talk_ask(t, ASK_JOIN, room, NULL);
        break;
    case 3: (void)talk_ask(t, ASK_LIST, NULL, NULL); break;
    case 4: (void)talk_ask(t, ASK_PLAYERS, NULL, NULL); break;
    case 5: (void)talk_ask(t, ASK_START, NULL, NULL); break;
    default: rogue_drive(r); break;
    }
}

static void turn(struct bot *b)
{
    struct rogue *r = rogue_of(b);
    if (r->silent) {
        if (r->talk.open || r->connecting) {
            peer_reset(b->sim, b->peer);
            bot_after_ms(b, 60000);
        } else {
            b->home = true;
        }
        return;
    }
    bot_after_ms(b, r->pace_ms / 2 + bot_below(b, r->pace_ms));
    if (r->talk.open) {
        if (b->id[0])
            r->act(r);
    } else if (!r->connecting) {
        r->connecting = true;
        peer_connect(b->sim, b->peer);
    }
}

static void silence(struct bot *b)
{
    rogue_of(b)->silent = true;
    bot_after_ms(b, bot_below(b, 200));
}

static void destroy(struct bot *b)
{
    struct rogue *r = rogue_of(b);
    bot_fini(b);
    talk_fini(&r->talk);
    mem_free(r);
}

static const struct bot_ops ops = {turn, silence, silence, destroy};

int rogue_create(struct bots *all, const char *ip, struct racing_claim *claim,
                 void (*act)(struct rogue *), struct bot **ret)
{
    struct rogue *r = claim ? mem_zalloc(1, sizeof *r) : NULL;
    if (!r)
        return E_NOMEM;
    r->b.ops = &ops;
    r->b.claim = claim;
    r->act = act;
    talk_init(&r->talk, &r->b, &listener);
    if (bot_init(&r->b, all, &peer_ops, ip)) {
        destroy(&r->b);
        return E_NOMEM;
    }
    r->pace_ms = 50 + (uint32_t)bot_below(&r->b, 300);
    bot_after_ms(&r->b, bot_below(&r->b, 3000));
    *ret = &r->b;
    return 0;
}
