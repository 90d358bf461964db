#include "sim/racing/honest.h"

#include "base/err.h"
#include "base/mem.h"

#define PATIENCE (45 * NSEC_PER_S)

/* ---- voice ---- */

bool honest_ask(struct honest *h, enum request kind, const char *a, const char *b)
{
    return h->b.library ? library_ask(&h->lib, kind, a, b) : talk_ask(&h->talk, kind, a, b);
}

uint32_t honest_pending(const struct honest *h)
{
    return h->b.library ? (uint32_t)h->lib.s.pending_n : h->talk.n;
}

void honest_drive(struct honest *h)
{
    struct drive d;
    char text[DRIVE_TEXT_MAX];
    drive_make(&d, h->b.number, h->b.library, ++h->b.said);
    if (h->b.library) {
        library_drive(&h->lib, &d);
        return;
    }
    size_t n = drive_text(&d, h->b.id, h->room, text);
    talk_send(&h->talk, span_of(text, n), bot_below(&h->b, 8) == 0);
}

/* Until false, what it asks leaves in one piece. */
static void hold(struct honest *h, bool holds)
{
    if (h->b.library) {
        h->lib.holds = holds;
        library_time(&h->lib);
    } else if (holds) {
        talk_hold(&h->talk);
    } else {
        talk_release(&h->talk);
    }
}

static enum seal_kind form(const struct honest *h)
{
    return h->b.library ? library_form(&h->lib) : h->talk.form;
}

void honest_mood_set(struct honest *h, enum mood mood)
{
    h->mood = mood;
    h->since = h->b.sim->now.mono;
}

void honest_part(struct honest *h)
{
    honest_mood_set(h, MOOD_PARTING);
    if (!honest_ask(h, ASK_BYE, NULL, NULL))
        peer_reset(h->b.sim, h->b.peer);
    bot_after_ms(&h->b, 10000);
}

/* ---- login ---- */

/* What makes sense with the rules it was told; in the storm, sometimes what does not. */
static void choose_form(struct honest *h)
{
    const struct rules *r = &racing_sim(h->b.sim)->rules;
    h->pack = bot_below(&h->b, 2);
    h->wish = (enum udp_wish)bot_below(&h->b, 5);
    if (!h->calm && bot_below(&h->b, 10) == 0)
        return;
    if (r->require_aead && h->wish < UDP_STRONG_GCM)
        h->wish = UDP_STRONG_ANY;
    if (r->no_plain && h->wish == UDP_CLEAR)
        h->wish = UDP_DOCUMENT;
}

static void choose_account(struct honest *h)
{
    struct racing_claim *shared = h->b.all->shared[bot_below(&h->b, 3)];
    h->as = !h->calm && shared && bot_below(&h->b, h->b.all->sharing) == 0 ? shared : h->b.claim;
}

/* With its password at once, or first the name alone. */
static void log_in(struct honest *h)
{
    bool at_once = bot_below(&h->b, 6) != 0;
    honest_mood_set(h, MOOD_LOGIN);
    hold(h, bot_below(&h->b, 2));
    (void)honest_ask(h, ASK_NAME, h->as->name, at_once ? h->as->password : "");
    /* Without waiting: the answers come in order all the same. */
    for (uint64_t i = bot_below(&h->b, 4) ? 0 : 1 + bot_below(&h->b, 3); i > 0; i--)
        (void)honest_ask(h, i % 2 ? ASK_PING : ASK_INFO, NULL, NULL);
    hold(h, false);
    bot_after_ms(&h->b, 60000);
}

static void on_welcome(struct bot *b)
{
    struct honest *h = honest_of(b);
    if (h->leaving || h->mood == MOOD_PARTING)
        return;
    log_in(h);
}

static void on_login(struct bot *b)
{
    struct honest *h = honest_of(b);
    h->as->acknowledged++;
    h->failures = h->logins = 0;
    if (h->mood != MOOD_LOGIN)
        return;
    honest_mood_set(h, MOOD_LOBBY);
    h->steps = 0;
    bot_after_ms(b, 1 + bot_below(b, 50));
}

static bool begins(struct span s, const char *with)
{
    size_t n = strlen(with);
    return s.n >= n && memcmp(s.p, with, n) == 0;
}

static void login_failed(struct honest *h, struct span why)
{
    if (begins(why, "Invalid password"))
        sim_find(h->b.sim, "bot-login", "bot %u, as %s with the right password: %.*s", h->b.number,
                 h->as->name, (int)why.n, (const char *)why.p);
    if (h->mood != MOOD_LOGIN)
        return;
    if (++h->logins > 6 && !h->calm) {
        h->logins = 0;
        honest_part(h);
        return;
    }
    bot_after_ms(&h->b, 100 + bot_below(&h->b, 1500));
}

/* ---- what it is told ---- */

static void on_answered(struct bot *b, enum request kind, bool ok, struct span message)
{
    struct honest *h = honest_of(b);
    h->since = b->sim->now.mono;
    if ((kind == ASK_NAME || kind == ASK_AUTH) && !ok) {
        login_failed(h, message);
        return;
    }
    if (kind == ASK_NAME && ok && h->mood == MOOD_LOGIN) { /* the name alone */
        (void)honest_ask(h, ASK_AUTH, h->as->password, NULL);
        return;
    }
    if (kind == ASK_BYE) {
        h->done = h->calm && h->group->seen >= h->group->size;
        return;
    }
    if (h->calm && h->mood != MOOD_PARTING)
        honest_calm_answered(h, kind, ok);
}

static void on_room(struct bot *b, enum room_how how, const char *id)
{
    struct honest *h = honest_of(b);
    if (how == ROOM_CREATED || how == ROOM_JOINED) {
        memcpy(h->room, id, sizeof h->room);
        h->host = how == ROOM_CREATED;
        h->started = h->saw = false;
        h->steps = 0;
        h->stay = 10 + (uint32_t)bot_below(b, 80);
        h->mate[0] = '\0';
        if (h->mood == MOOD_LOBBY)
            honest_mood_set(h, MOOD_ROOM);
    } else if (strcmp(id, h->room) == 0) {
        h->room[0] = '\0';
        h->steps = 0;
        if (h->mood == MOOD_ROOM)
            honest_mood_set(h, MOOD_LOBBY);
    }
}

/* Keeps one at random; in the calm, the group's. */
static void on_listed(struct bot *b, const char *id, struct span name, int64_t players, bool active)
{
    struct honest *h = honest_of(b);
    (void)players;
    bots_room(b->all, span_str(id));
    if (active || (h->calm && !span_eq(name, span_str(h->group->room))) ||
        (!h->calm && bot_below(b, ++h->picks) != 0))
        return;
    memcpy(h->pick, id, sizeof h->pick);
}

static void on_player(struct bot *b, const char *id)
{
    struct honest *h = honest_of(b);
    if (strcmp(id, b->id) == 0)
        return;
    if (bot_below(b, ++h->mates) == 0)
        memcpy(h->mate, id, sizeof h->mate);
}

static void on_started(struct bot *b)
{
    honest_of(b)->started = true;
}

static void on_message(struct bot *b, struct span m)
{
    struct honest *h = honest_of(b);
    if (known_judge(b, &h->ear, form(h), m))
        h->saw = true;
}

static const struct listener listener = {
    .welcome = on_welcome,
    .answered = on_answered,
    .login = on_login,
    .room = on_room,
    .listed = on_listed,
    .player = on_player,
    .started = on_started,
    .message = on_message,
};

/* ---- its connection ---- */

static void on_up(struct sim *s, struct peer *p)
{
    (void)s;
    struct honest *h = honest_of(peer_ctx(p));
    h->room[0] = h->pick[0] = h->mate[0] = '\0';
    h->started = h->saw = false;
    choose_form(h);
    choose_account(h);
    if (h->b.library) {
        library_begin(&h->lib, h->wish, h->pack);
    } else {
        h->talk.wish = h->wish;
        h->talk.pack = h->pack;
        talk_begin(&h->talk);
    }
}

static void on_bytes(struct sim *s, struct peer *p, struct span bytes)
{
    (void)s;
    struct honest *h = honest_of(peer_ctx(p));
    if (h->b.library)
        library_bytes(&h->lib, bytes);
    else
        talk_bytes(&h->talk, bytes);
}

static void on_dgram(struct sim *s, struct peer *p, struct span d)
{
    (void)s;
    struct honest *h = honest_of(peer_ctx(p));
    if (h->b.library)
        library_dgram(&h->lib, d);
    else
        talk_dgram(&h->talk, d);
}

static void on_down(struct sim *s, struct peer *p, enum peer_end why)
{
    (void)s;
    (void)why;
    struct honest *h = honest_of(peer_ctx(p));
    if (h->b.library)
        library_end(&h->lib);
    else
        talk_end(&h->talk);
    if (h->calm && h->mood == MOOD_ROOM && h->group->seen < h->group->size)
        calm_again(h->group);
    h->room[0] = '\0';
    honest_mood_set(h, MOOD_AWAY);
    uint32_t doublings = h->failures < 5 ? h->failures : 5;
    h->failures++;
    bot_after_ms(&h->b, h->leaving ? 0 : 20 + bot_below(&h->b, UINT64_C(150) << doublings));
}

static const struct peer_ops peer_ops = {
    .up = on_up, .bytes = on_bytes, .down = on_down, .dgram = on_dgram};

/* ---- turns ---- */

static void go_home(struct honest *h)
{
    honest_mood_set(h, MOOD_HOME);
    h->b.home = true;
}

/* Nothing has moved for long: whatever it is, a client gives up. In the calm nothing may be that
 * slow. */
static bool out_of_patience(struct honest *h)
{
    if ((h->mood == MOOD_LOBBY || h->mood == MOOD_ROOM) && honest_pending(h) == 0)
        h->since = h->b.sim->now.mono;
    if (h->b.sim->now.mono - h->since < PATIENCE)
        return false;
    if (h->b.sim->phase == PHASE_CALM && honest_pending(h))
        sim_find(h->b.sim, "bot-replies", "bot %u (%s) waits for an answer for 45 s", h->b.number,
                 honest_mood(&h->b));
    peer_reset(h->b.sim, h->b.peer);
    bot_after_ms(&h->b, 60000);
    return true;
}

static void turn(struct bot *b)
{
    struct honest *h = honest_of(b);
    if (h->mood == MOOD_AWAY) {
        if (h->leaving || h->done) {
            go_home(h);
            return;
        }
        honest_mood_set(h, MOOD_CONNECTING);
        peer_connect(b->sim, b->peer);
        bot_after_ms(b, 50000);
        return;
    }
    if (h->mood == MOOD_HOME || out_of_patience(h))
        return;
    switch (h->mood) {
    case MOOD_LOBBY: honest_lobby(h); break;
    case MOOD_ROOM: honest_room(h); break;
    case MOOD_LOGIN:
        if (honest_pending(h) == 0)
            log_in(h);
        else
            bot_after_ms(b, 5000);
        break;
    case MOOD_PARTING:
        peer_reset(b->sim, b->peer);
        bot_after_ms(b, 60000);
        break;
    case MOOD_CONNECTING:
    case MOOD_AWAY:
    case MOOD_HOME: bot_after_ms(b, 5000); break;
    }
}

/* Says goodbye or simply goes. */
static void drop(struct honest *h)
{
    if (h->mood == MOOD_AWAY || h->mood == MOOD_HOME) {
        bot_after_ms(&h->b, bot_below(&h->b, 200));
        if (h->mood == MOOD_HOME)
            honest_mood_set(h, MOOD_AWAY);
    } else if (h->mood != MOOD_PARTING && h->mood != MOOD_CONNECTING && bot_below(&h->b, 2)) {
        honest_part(h);
    } else {
        honest_mood_set(h, MOOD_PARTING);
        peer_reset(h->b.sim, h->b.peer);
        bot_after_ms(&h->b, 60000);
    }
}

static void calm(struct bot *b)
{
    struct honest *h = honest_of(b);
    h->calm = true;
    h->failures = 0;
    h->group = calm_group(b->all, b->number, &h->leads);
    h->round = h->group->round;
    drop(h);
}

static void leave(struct bot *b)
{
    struct honest *h = honest_of(b);
    h->leaving = true;
    drop(h);
}

static void destroy(struct bot *b)
{
    struct honest *h = honest_of(b);
    bot_fini(b);
    talk_fini(&h->talk);
    library_fini(&h->lib);
    mem_free(h);
}

static const struct bot_ops ops = {turn, calm, leave, destroy};

int honest_create(struct bots *all, const char *ip, bool library, struct bot **ret)
{
    struct honest *h = mem_zalloc(1, sizeof *h);
    if (!h)
        return E_NOMEM;
    h->b.ops = &ops;
    h->b.library = library;
    int rc = bot_init(&h->b, all, &peer_ops, ip);
    h->b.claim = bots_claim(all, "player", h->b.number);
    h->as = h->b.claim;
    talk_init(&h->talk, &h->b, &listener);
    h->lib.bot = &h->b;
    if (rc == 0 && library)
        rc = library_init(&h->lib, &h->b, &listener);
    if (rc || !h->b.claim) {
        destroy(&h->b);
        return rc ? rc : E_NOMEM;
    }
    h->pace_ms = 50 + (uint32_t)bot_below(&h->b, 150);
    bot_after_ms(&h->b, bot_below(&h->b, 3000));
    *ret = &h->b;
    return 0;
}

bool honest_done(struct bot *b)
{
    return honest_of(b)->done;
}

const char *honest_mood(struct bot *b)
{
    static const char *const words[] = {
        [MOOD_AWAY] = "away",        [MOOD_CONNECTING] = "connecting",
        [MOOD_LOGIN] = "logging in", [MOOD_LOBBY] = "in the lobby",
        [MOOD_ROOM] = "in a room",   [MOOD_PARTING] = "parting",
        [MOOD_HOME] = "at home"};
    return words[honest_of(b)->mood];
}
