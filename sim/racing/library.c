#include "sim/racing/library.h"

#include <stdio.h>

static struct library *of(struct slipgate_client *c, void *user)
{
    (void)c;
    return user;
}

static uint64_t now_us(const struct library *l)
{
    return l->bot->sim->now.mono / 1000;
}

/* Sends what the session has to say, and sets its deadline. */
static void settle(struct library *l)
{
    struct span out;
    while (l->open && !l->holds && l->s.phase != SGC_ENDED && (out = sgc_session_out(&l->s)).n) {
        peer_send(l->bot->sim, l->bot->peer, out);
        sgc_session_sent(&l->s, out.n);
    }
    if (!l->open)
        return;
    if (l->s.phase == SGC_ENDED) {
        if (l->s.end_error == SLIPGATE_E_PROTOCOL || l->s.end_error == SLIPGATE_E_ARGUMENT)
            sim_find(l->bot->sim, "library", "bot %u: libslipgate ended its session: %s",
                     l->bot->number, l->s.end_text);
        if (l->s.end_error == SLIPGATE_E_TIMEOUT && l->bot->sim->phase == PHASE_CALM)
            sim_find(l->bot->sim, "bot-replies", "bot %u waited in vain for an answer",
                     l->bot->number);
        sim_stop(l->bot->sim, &l->timer);
        peer_reset(l->bot->sim, l->bot->peer);
        l->open = false;
        return;
    }
    uint64_t due = sgc_session_due_us(&l->s);
    sim_at(l->bot->sim, &l->timer, due > UINT64_MAX / 1000 ? NSEC_NEVER : due * 1000 + 1000);
}

void library_time(struct library *l)
{
    if (!l->open)
        return;
    sgc_session_time(&l->s, now_us(l));
    settle(l);
}

static void on_timer(struct sim *s, struct sim_timer *t)
{
    (void)s;
    library_time(CONTAINER_OF(t, struct library, timer));
}

/* ---- what it tells ---- */

static enum request request_of(enum slipgate_request r)
{
    switch (r) {
    case SLIPGATE_REQUEST_LOGIN: return ASK_NAME;
    case SLIPGATE_REQUEST_AUTHENTICATE: return ASK_AUTH;
    case SLIPGATE_REQUEST_CREATE_ROOM: return ASK_CREATE;
    case SLIPGATE_REQUEST_JOIN_ROOM: return ASK_JOIN;
    case SLIPGATE_REQUEST_LEAVE_ROOM: return ASK_LEAVE;
    case SLIPGATE_REQUEST_LIST_ROOMS: return ASK_LIST;
    case SLIPGATE_REQUEST_LIST_PLAYERS: return ASK_PLAYERS;
    case SLIPGATE_REQUEST_START_GAME: return ASK_START;
    case SLIPGATE_REQUEST_SEND_MESSAGE: return ASK_RELAY;
    case SLIPGATE_REQUEST_PLAYER_INFO: return ASK_INFO;
    case SLIPGATE_REQUEST_PING: return ASK_PING;
    case SLIPGATE_REQUEST_BYE: return ASK_BYE;
    case SLIPGATE_REQUEST_NONE: break;
    }
    return ASK_NOTHING;
}

static void on_phase(void *owner, enum sgc_phase phase)
{
    struct library *l = owner;
    if (phase != SGC_OPEN || l->bot->id[0])
        return;
    if (strlen(l->s.id) != BOT_ID)
        return;
    known_open(l->bot, l->s.id);
    if (l->to->welcome)
        l->to->welcome(l->bot);
}

static void on_done(struct slipgate_client *c, void *user, enum slipgate_request r, int error,
                    const char *text)
{
    struct library *l = of(c, user);
    if (error == SLIPGATE_E_CLOSED || error == SLIPGATE_E_TIMEOUT || l->s.phase == SGC_ENDED)
        return; /* the connection's end tells the same */
    if (error == SLIPGATE_E_PROTOCOL)
        sim_find(l->bot->sim, "bot-replies", "bot %u: request %d of libslipgate: %s",
                 l->bot->number, (int)r, text);
    if (r == SLIPGATE_REQUEST_NONE && error)
        sim_find(l->bot->sim, "bot-replies", "bot %u got an answer that nobody asked for: %s",
                 l->bot->number, text);
    if (r == SLIPGATE_REQUEST_CREATE_ROOM)
        known_created(l->bot);
    if (l->to->answered)
        l->to->answered(l->bot, request_of(r), error == 0, span_str(text));
}

enum seal_kind library_form(const struct library *l)
{
    switch (l->s.udp.mode) {
    case SLIPGATE_UDP_CBC: return SEAL_CBC;
    case SLIPGATE_UDP_AES_GCM: return SEAL_GCM;
    case SLIPGATE_UDP_AES_CBC_HMAC: return SEAL_CBC_HMAC;
    case SLIPGATE_UDP_PLAIN:
    case SLIPGATE_UDP_NONE: break;
    }
    return SEAL_PLAIN;
}

static void on_login(struct slipgate_client *c, void *user, const char *name, bool authenticated,
                     enum slipgate_udp_mode mode)
{
    struct library *l = of(c, user);
    (void)name;
    (void)mode;
    if (!authenticated)
        return;
    known_form(l->bot, library_form(l));
    if (l->to->login)
        l->to->login(l->bot);
}

static void on_room(struct slipgate_client *c, void *user, enum slipgate_room_event event,
                    const char *id)
{
    static const enum room_how how[] = {[SLIPGATE_ROOM_CREATED] = ROOM_CREATED,
                                        [SLIPGATE_ROOM_JOINED] = ROOM_JOINED,
                                        [SLIPGATE_ROOM_LEFT] = ROOM_LEFT,
                                        [SLIPGATE_ROOM_CLOSED] = ROOM_SHUT};
    struct library *l = of(c, user);
    if (strlen(id) != BOT_ID)
        return;
    if (event == SLIPGATE_ROOM_CREATED || event == SLIPGATE_ROOM_JOINED) {
        known_room(l->bot, id);
        bots_room(l->bot->all, span_str(id));
    }
    if (l->to->room)
        l->to->room(l->bot, how[event], id);
}

static void on_rooms(struct slipgate_client *c, void *user, const struct slipgate_room *r, size_t n)
{
    struct library *l = of(c, user);
    for (size_t i = 0; i < n && l->to->listed; i++)
        if (strlen(r[i].id) == BOT_ID)
            l->to->listed(l->bot, r[i].id, span_str(r[i].name), r[i].players, r[i].active);
}

static void on_players(struct slipgate_client *c, void *user, const char *room,
                       const struct slipgate_player *p, size_t n)
{
    struct library *l = of(c, user);
    (void)room;
    for (size_t i = 0; i < n && l->to->player; i++)
        if (strlen(p[i].id) == BOT_ID)
            l->to->player(l->bot, p[i].id);
}

static void on_game_started(struct slipgate_client *c, void *user,
                            const struct slipgate_game_start *start)
{
    struct library *l = of(c, user);
    (void)start;
    if (l->to->started)
        l->to->started(l->bot);
}

static void on_update(struct slipgate_client *c, void *user, const struct slipgate_update_in *u)
{
    struct library *l = of(c, user);
    if (l->to->message)
        l->to->message(l->bot, span_of(u->json, u->json_len));
}

static void on_input(struct slipgate_client *c, void *user, const struct slipgate_input_in *in)
{
    struct library *l = of(c, user);
    if (l->to->message)
        l->to->message(l->bot, span_of(in->json, in->json_len));
}

static void on_line(struct slipgate_client *c, void *user, const char *line, size_t n)
{
    struct library *l = of(c, user);
    if (memmem(line, n, "SERVER_CLOSING", 14) && l->to->closing)
        l->to->closing(l->bot);
}

/* ---- life ---- */

int library_init(struct library *l, struct bot *b, const struct listener *to)
{
    *l = (struct library){.bot = b, .to = to, .timer = {.fire = on_timer}};
    struct sgc_session_cfg cfg = {
        .cb = {.size = sizeof cfg.cb,
               .on_done = on_done,
               .on_login = on_login,
               .on_room = on_room,
               .on_rooms = on_rooms,
               .on_players = on_players,
               .on_game_started = on_game_started,
               .on_update = on_update,
               .on_input = on_input,
               .on_line = on_line},
        .user = l,
        .on_phase = on_phase,
        .owner = l,
        .udp_register = false,
        .login_timeout_ms = 60000,
        .reply_timeout_ms = 60000,
        .ping_interval_ms = 2000,
        .out_max = 65536,
        .line_max = 1u << 20,
        .scratch = &b->all->scratch,
    };
    int rc = sgc_session_init(&l->s, &cfg);
    l->made = rc == 0;
    return rc;
}

void library_fini(struct library *l)
{
    sim_stop(l->bot->sim, &l->timer);
    l->open = false;
    if (l->made)
        sgc_session_fini(&l->s);
    l->made = false;
}

void library_begin(struct library *l, enum udp_wish wish, bool pack)
{
    static const enum slipgate_udp_policy policies[] = {
        [UDP_CLEAR] = SLIPGATE_UDP_ONLY_PLAIN,
        [UDP_DOCUMENT] = SLIPGATE_UDP_ONLY_CBC,
        [UDP_STRONG_GCM] = SLIPGATE_UDP_REQUIRE_AEAD,
        [UDP_STRONG_HMAC] = SLIPGATE_UDP_REQUIRE_AEAD,
        [UDP_STRONG_ANY] = SLIPGATE_UDP_PREFER_AEAD};
    struct sgc_session_cfg *cfg = &l->s.cfg;
    cfg->udp = policies[wish];
    cfg->udp_pack = pack;
    (void)snprintf(cfg->udp_secret, sizeof cfg->udp_secret, "%s",
                   racing_sim(l->bot->sim)->rules.secret);
    l->bot->id[0] = '\0';
    l->open = true;
    l->holds = false;
    sgc_session_begin(&l->s, now_us(l));
}

void library_end(struct library *l)
{
    l->open = false;
    sim_stop(l->bot->sim, &l->timer);
    sgc_session_end(&l->s, SLIPGATE_E_CLOSED, false, NULL);
    known_end(l->bot);
}

void library_bytes(struct library *l, struct span bytes)
{
    if (!l->open)
        return;
    sgc_session_bytes(&l->s, now_us(l), bytes);
    settle(l);
}

void library_dgram(struct library *l, struct span d)
{
    if (!l->open)
        return;
    l->s.now_us = now_us(l);
    sgc_session_datagram(&l->s, d, SGC_ARRIVED);
    settle(l);
}

bool library_ask(struct library *l, enum request kind, const char *a, const char *b)
{
    static const enum slipgate_request plain[REQUESTS_N] = {
        [ASK_LEAVE] = SLIPGATE_REQUEST_LEAVE_ROOM, [ASK_PING] = SLIPGATE_REQUEST_PING,
        [ASK_LIST] = SLIPGATE_REQUEST_LIST_ROOMS,  [ASK_PLAYERS] = SLIPGATE_REQUEST_LIST_PLAYERS,
        [ASK_INFO] = SLIPGATE_REQUEST_PLAYER_INFO, [ASK_START] = SLIPGATE_REQUEST_START_GAME,
        [ASK_BYE] = SLIPGATE_REQUEST_BYE,          [ASK_CREATE] = SLIPGATE_REQUEST_CREATE_ROOM,
        [ASK_JOIN] = SLIPGATE_REQUEST_JOIN_ROOM,
    };
    if (!l->open)
        return false;
    l->s.now_us = now_us(l);
    int rc;
    if (kind == ASK_NAME)
        rc = sgc_session_login(&l->s, a, b);
    else if (kind == ASK_AUTH)
        rc = sgc_session_authenticate(&l->s, a);
    else if (kind == ASK_RELAY)
        rc = sgc_session_message(&l->s, a, b);
    else
        rc = sgc_session_request(&l->s, plain[kind],
                                 kind == ASK_CREATE ? "name"
                                 : kind == ASK_JOIN ? "roomId"
                                                    : NULL,
                                 a);
    if (rc)
        return false;
    if (kind == ASK_JOIN && strlen(a) == BOT_ID)
        known_room(l->bot, a);
    if (kind == ASK_CREATE)
        l->bot->creating++;
    settle(l);
    return true;
}

void library_drive(struct library *l, const struct drive *d)
{
    char extra[64];
    float v[7];
    if (!l->open || l->s.phase != SGC_AUTHENTICATED)
        return;
    (void)snprintf(extra, sizeof extra, "\"bot\":%u,\"n\":%llu", d->bot, (unsigned long long)d->n);
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        v[i] = (float)d->v[i] / 4;
    struct slipgate_update u = {{v[0], v[1], v[2]}, {v[3], v[4], v[5], v[6]}, extra};
    struct slipgate_input in = {v[0],
                                v[1],
                                v[2],
                                (double)d->v[3] / 4,
                                d->kind == DRIVE_FLAT ? SLIPGATE_INPUT_FLAT : SLIPGATE_INPUT_NESTED,
                                extra};
    int n = d->kind == DRIVE_UPDATE ? sgc_session_update(&l->s, &u) : sgc_session_input(&l->s, &in);
    if (n <= 0) {
        sim_find(l->bot->sim, "library", "bot %u: no datagram: %d", l->bot->number, n);
        return;
    }
    peer_dgram(l->bot->sim, l->bot->peer, span_of(l->bot->all->scratch.sealed, (size_t)n));
    sgc_session_datagram_sent(&l->s, now_us(l), (size_t)n);
}
