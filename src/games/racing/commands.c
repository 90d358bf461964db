#include "games/racing/commands.h"

#include "base/err.h"
#include "base/utf8.h"
#include "games/racing/auth.h"
#include "games/racing/cheat.h"
#include "games/racing/orders.h"
#include "games/racing/replies.h"
#include "games/racing/rooms.h"
#include "games/racing/sessions.h"
#include "wire/json.h"

#define COMMAND_NAME_MAX 1024u /* longer ones are unknown and echoed cut */
#define COMMAND_LOG_MAX  32u   /* longer than any of ours: made-up ones must not fill the disk */
#define LOGGED_PER_S     2u
#define LOGGED_BURST     100u

static const char *const members[F_MEMBERS] = {
    [F_COMMAND] = "command", [F_NAME] = "name",          [F_PASSWORD] = "password",
    [F_ROOM_ID] = "roomId",  [F_TARGET_ID] = "targetId", [F_MESSAGE] = "message",
    [F_AEAD] = "udpAead",    [F_PACK] = "udpPack",       [F_RESUME] = "resume",
    [F_OTP] = "otp",
};

typedef void (*command_fn)(struct racing *, struct now, struct session *, const struct json_val *);

/* A string member short enough to be an id, or an empty span. */
static struct span id_member(const struct json_val *v, uint8_t scratch[ID_LEN])
{
    struct span s;
    return json_string_view(v, scratch, ID_LEN, &s) < 0 ? SPAN_NULL : s;
}

static void do_create_room(struct racing *g, struct now now, struct session *s,
                           const struct json_val *v)
{
    uint8_t scratch[RACING_NAME_MAX];
    struct span name;
    if (v[F_NAME].type == JSON_ABSENT) {
        reply_error(g, s, "Room name is required.");
        return;
    }
    if (v[F_NAME].type == JSON_NULL)
        name = SPAN_LIT("Race Room");
    else if (json_string_view(&v[F_NAME], scratch, sizeof scratch, &name) < 0 ||
             !utf8_is_name(name, 0, g->set.name_max)) {
        reply_error(g, s, "Room name is not valid.");
        return;
    }
    /* The old room is left last: a refused player must still be where he was. It does not count
     * when it will be gone. */
    const struct room *old = room_get(g, s->room);
    uint32_t others = g->rooms.live - (old && old->members_n == 1);
    struct room *r;
    if (others >= g->set.max_rooms || room_create(g, s, name, &r)) {
        reply_error(g, s, "Too many rooms. Please try again later.");
        return;
    }
    session_leave_room(g, s);
    room_join(g, r, s);
    cheat_moved(g, now, s);
    reply_room_created(g, s, r);
}

static void do_join_room(struct racing *g, struct now now, struct session *s,
                         const struct json_val *v)
{
    uint8_t scratch[ID_LEN];
    struct room *r = room_find(g, id_member(&v[F_ROOM_ID], scratch));
    if (!r) {
        reply_error(g, s, "Room not found.");
        return;
    }
    if (!room_admits(g, r, s)) {
        reply_error(g, s, "Failed to join room. Room may be full or inactive.");
        return;
    }
    session_leave_room(g, s);
    room_join(g, r, s);
    cheat_moved(g, now, s);
    reply_room_id(g, s, "JOIN_OK", r->id);
    reply_room_event(g, r, s, "PLAYER_JOINED");
}

static void do_leave_room(struct racing *g, struct now now, struct session *s,
                          const struct json_val *v)
{
    (void)now;
    (void)v;
    const struct room *r = room_get(g, s->room);
    if (!r) {
        reply_error(g, s, "Cannot leave room. No room joined.");
        return;
    }
    char id[ID_LEN + 1];
    memcpy(id, r->id, sizeof id);
    session_leave_room(g, s);
    reply_room_id(g, s, "LEAVE_OK", id);
}

static void do_ping(struct racing *g, struct now now, struct session *s, const struct json_val *v)
{
    (void)now;
    (void)v;
    reply_bare(g, s, "PONG");
}

/* Clients of other servers answer a PING that this one never sends. */
static void do_pong(struct racing *g, struct now now, struct session *s, const struct json_val *v)
{
    (void)g;
    (void)now;
    (void)s;
    (void)v;
}

static void do_list_rooms(struct racing *g, struct now now, struct session *s,
                          const struct json_val *v)
{
    (void)now;
    (void)v;
    reply_room_list(g, s);
}

static void do_room_players(struct racing *g, struct now now, struct session *s,
                            const struct json_val *v)
{
    (void)now;
    (void)v;
    const struct room *r = room_get(g, s->room);
    if (r)
        reply_room_players(g, s, r);
    else
        reply_error(g, s, "Cannot get players. No room joined.");
}

/* Reads a string that may be long and is needed only until the command is done. The batch arena is
 * unused outside a batch of datagrams, and larger than any line. */
static int long_string(struct racing *g, const struct json_val *v, struct span *ret)
{
    return json_string_view(v, g->batch.p, g->batch.cap, ret);
}

static void do_relay(struct racing *g, struct now now, struct session *s, const struct json_val *v)
{
    (void)now;
    uint8_t scratch[ID_LEN];
    struct span text, target = SPAN_NULL;
    int n = json_string_view(&v[F_TARGET_ID], scratch, sizeof scratch, &target);
    if ((n <= 0 && n != E_LIMIT) || long_string(g, &v[F_MESSAGE], &text) <= 0) {
        reply_error(g, s, "Invalid message relay request. Missing target or message.");
        return;
    }
    if (text.n > g->set.relay_max) {
        reply_error(g, s, "Message too long");
        return;
    }
    struct session *to = n == E_LIMIT ? NULL : session_by_id(g, target);
    if (!to || (g->set.relay_room_only && to != s &&
                (ref_is_none(s->room) || !ref_eq(to->room, s->room)))) {
        reply_error(g, s, "Target player not found.");
        return;
    }
    if (to == s && orders_command(g, s, text))
        return; /* answered later; lines wait */
    if (to != s && (s->muted || s->silenced)) {
        reply_error(g, s, "You are muted.");
        return;
    }
    host_count(g->host, M_RELAYED_MESSAGES, 1);
    reply_relayed(g, to, s, text);
    orders_overheard(g, s, s, to, text);
    if (to != s)
        orders_overheard(g, to, s, to, text);
    reply_relay_ok(g, s, target);
}

static void do_player_info(struct racing *g, struct now now, struct session *s,
                           const struct json_val *v)
{
    (void)now;
    (void)v;
    reply_player_info(g, s);
}

static void do_start_game(struct racing *g, struct now now, struct session *s,
                          const struct json_val *v)
{
    (void)v;
    struct room *r = room_get(g, s->room);
    if (!r) {
        reply_error(g, s, "Cannot start game. No room joined.");
        return;
    }
    if (!ref_eq(r->host, s->self)) {
        reply_error(g, s, "Cannot start game. Only the host can start the game.");
        return;
    }
    r->active = true;
    host_count(g->host, M_RACES_STARTED, 1);
    LOG(g->host->log, &log_race, LF_SPAN("room", span_of(r->id, 8)),
        LF_UINT("players", r->members_n));
    cheat_started(g, now, r);
    reply_game_started(g, r);
}

static void do_bye(struct racing *g, struct now now, struct session *s, const struct json_val *v)
{
    (void)now;
    (void)v;
    reply_bare(g, s, "BYE_OK");
    if (s->authenticated && s->resumable)
        logins_drop_tokens(g->logins, s->account); /* who says goodbye does not come back by it */
    session_end(g, s, CLOSE_BYE);
}

static const struct command {
    const char *name;
    bool needs_login;
    command_fn run; /* NULL: BATCH */
} commands[] = {
    {"NAME", false, auth_name},
    {"AUTHENTICATE", false, auth_authenticate},
    {"CREATE_ROOM", true, do_create_room},
    {"JOIN_ROOM", true, do_join_room},
    {"LEAVE_ROOM", true, do_leave_room},
    {"PING", false, do_ping},
    {"PONG", false, do_pong},
    {"LIST_ROOMS", false, do_list_rooms},
    {"GET_ROOM_PLAYERS", true, do_room_players},
    {"RELAY_MESSAGE", true, do_relay},
    {"PLAYER_INFO", false, do_player_info},
    {"START_GAME", true, do_start_game},
    {"BYE", false, do_bye},
    {"BATCH", false, NULL},
};

static const struct command *find_command(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (span_eq(name, span_str(commands[i].name)))
            return &commands[i];
    return NULL;
}

static void upper(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] >= 'a' && p[i] <= 'z')
            p[i] = (uint8_t)(p[i] - 'a' + 'A');
}

/* Cuts to what may be echoed without splitting a character. */
static size_t echo_length(const uint8_t *p, size_t n)
{
    while (n && !utf8_valid(span_of(p, n)))
        n--;
    return n;
}

static void refuse(struct racing *g, struct session *s, const char *message)
{
    host_count(g->host, M_COMMANDS_REFUSED, 1);
    reply_error(g, s, message);
}

/* Enough of each session to follow it, not so much that a flood fills a disk. */
static void log_one(struct racing *g, struct now now, struct session *s, struct span name)
{
    struct rate rate = rate_of(LOGGED_PER_S, LOGGED_BURST);
    if (bucket_take(&s->logged, &rate, now.mono))
        LOG(g->host->log, &log_command, LF_SPAN("session", span_of(s->id, 8)),
            LF_SPAN("command",
                    span_of(name.p, name.n < COMMAND_LOG_MAX ? name.n : COMMAND_LOG_MAX)));
}

static enum command_result dispatch(struct racing *g, struct now now, struct session *s,
                                    struct span name, const struct json_val *v, bool nested)
{
    const struct command *c = find_command(name);
    log_one(g, now, s, name);
    if (!c) {
        host_count(g->host, M_COMMANDS_REFUSED, 1);
        reply_unknown(g, s, name);
    } else if (!c->run && nested) {
        refuse(g, s, "BATCH cannot hold another BATCH.");
    } else if (!c->run) {
        return COMMAND_BATCH;
    } else if (c->needs_login && !s->authenticated) {
        refuse(g, s, "Authentication required. Please use NAME command with password.");
    } else {
        c->run(g, now, s, v);
    }
    return COMMAND_DONE;
}

enum command_result command_handle(struct racing *g, struct now now, struct session *s,
                                   struct span text, bool nested)
{
    struct json_val v[F_MEMBERS];
    struct span whole;
    uint8_t name[COMMAND_NAME_MAX];
    host_count(g->host, M_COMMANDS, 1);
    if (json_object(text, members, F_MEMBERS, v) != JSON_OBJECT) {
        refuse(g, s, "Invalid JSON format");
        return COMMAND_DONE;
    }
    if (v[F_COMMAND].type == JSON_ABSENT || v[F_COMMAND].type == JSON_NULL)
        return COMMAND_DONE; /* not a command, and not an error either */
    int n = long_string(g, &v[F_COMMAND], &whole);
    if (n < 0)
        refuse(g, s, "Invalid JSON format");
    if (n <= 0)
        return COMMAND_DONE;
    size_t len = whole.n < sizeof name ? whole.n : sizeof name;
    memcpy(name, whole.p, len);
    len = echo_length(name, len);
    upper(name, len);
    return dispatch(g, now, s, span_of(name, len), v, nested);
}
