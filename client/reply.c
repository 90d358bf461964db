/* What the server says (docs/protocol-racing.md, "Commands"). */
#include "base/err.h"
#include "base/mem.h"
#include "client/grant.h"
#include "client/session.h"
#include "wire/json.h"

#define TEXT_MAX 255u /* of a server's message that is kept */

/* Calls cb.NAME if the application has it. */
#define TELL(s, name, ...)                                               \
    do {                                                                 \
        if ((s)->cfg.cb.name)                                            \
            (s)->cfg.cb.name((s)->cfg.self, (s)->cfg.user, __VA_ARGS__); \
    } while (0)

/* v as a C string into to; a missing, other or too long value gives "". */
static bool get_text(const struct json_val *v, char *to, size_t cap)
{
    int n = json_string(v, to, cap - 1);
    bool ok = n >= 0 && !memchr(to, '\0', (size_t)n);
    to[ok ? n : 0] = '\0';
    return ok;
}

static bool member_text(struct span line, const char *key, char *to, size_t cap)
{
    struct json_val v;
    to[0] = '\0';
    return json_object(line, &key, 1, &v) == JSON_OBJECT && get_text(&v, to, cap);
}

/* Memory for one answer's records and their strings: the strings of a text never need more room
 * than the text itself has. */
struct block {
    void *records;
    char *strings;
    size_t used, cap;
};

static bool block_open(struct block *b, size_t n, size_t size, size_t text)
{
    b->records = n > SIZE_MAX / 2 / size ? NULL : mem_zalloc(1, n * size + text + 1);
    if (!b->records)
        return false;
    b->strings = (char *)b->records + n * size;
    b->used = 0;
    b->cap = text + 1;
    return true;
}

/* A string value as a C string in the block; "" when it is none. *len may be NULL. */
static const char *block_string(struct block *b, const struct json_val *v, size_t *len)
{
    char *to = b->strings + b->used;
    int n = json_string(v, to, b->cap - b->used - 1);
    if (n < 0)
        n = 0;
    to[n] = '\0';
    b->used += (size_t)n + 1;
    if (len)
        *len = (size_t)n;
    return to;
}

/* Answers a request of this kind, if one is pending. Any before it were passed over. */
static void done_kind(struct sgc_session *s, enum slipgate_request kind, int error,
                      const char *text)
{
    size_t i = 0;
    while (i < s->pending_n && s->pending[(s->pending_head + i) % SGC_PENDING_MAX].kind != kind)
        i++;
    if (i == s->pending_n)
        return;
    while (i-- > 0)
        sgc_session_done(s, SLIPGATE_E_PROTOCOL, "the server did not answer this request");
    sgc_session_done(s, error, text);
}

/* ---- login ---- */

static void set_phase(struct sgc_session *s, enum sgc_phase phase)
{
    if (s->phase == phase)
        return;
    s->phase = phase;
    if (s->cfg.on_phase)
        s->cfg.on_phase(s->cfg.owner, phase);
}

/* Opens UDP as policy and answer allow. False: the session has ended. */
static bool open_udp(struct sgc_session *s, const struct json_val *aead, bool encryption)
{
    bool offered =
        s->cfg.udp == SLIPGATE_UDP_PREFER_AEAD || s->cfg.udp == SLIPGATE_UDP_REQUIRE_AEAD;
    bool strong = s->udp.mode == SLIPGATE_UDP_AES_GCM || s->udp.mode == SLIPGATE_UDP_AES_CBC_HMAC;
    struct entropy *entropy = s->cfg.scratch->entropy;
    int rc;
    if (offered && aead->type != JSON_ABSENT) {
        rc = sgc_grant_open(&s->udp, aead, s->cfg.udp_pack, entropy);
        if (rc == E_FORMAT || rc == E_RANGE) {
            sgc_session_end(s, SLIPGATE_E_PROTOCOL, false, "the server's UDP keys are malformed");
            return false;
        }
    } else if (strong) {
        return true; /* a NAME that only repeats the name: the keys hold on */
    } else if (s->cfg.udp == SLIPGATE_UDP_REQUIRE_AEAD) {
        sgc_session_end(s, SLIPGATE_E_WEAK_UDP, true, NULL);
        return false;
    } else if (s->cfg.udp == SLIPGATE_UDP_ONLY_PLAIN || !encryption) {
        rc = sgc_udp_open_plain(&s->udp, entropy);
    } else {
        rc = sgc_udp_open_cbc(&s->udp, span_str(s->id), span_str(s->cfg.udp_secret), entropy);
    }
    if (rc != 0)
        sgc_session_end(s, rc == E_NOMEM ? SLIPGATE_E_MEMORY : SLIPGATE_E_SYSTEM, false, NULL);
    s->udp_hellos = 0;
    s->udp_sent_us = s->now_us;
    return rc == 0;
}

/* Another name without its password: the server has taken the player out of its room. */
static void lose_login(struct sgc_session *s)
{
    char room_id[SGC_ID_MAX + 1];
    memcpy(room_id, s->room_id, sizeof room_id);
    s->room_id[0] = '\0';
    sgc_udp_close(&s->udp);
    if (room_id[0])
        TELL(s, on_room, SLIPGATE_ROOM_LEFT, room_id);
}

static bool login_ok(struct sgc_session *s, struct span line, enum slipgate_request kind)
{
    static const char *const names[] = {"name", "authenticated", "udpEncryption", "udpAead",
                                        "resumeToken"};
    struct json_val v[ARRAY_LEN(names)];
    if (json_object(line, names, ARRAY_LEN(names), v) != JSON_OBJECT ||
        !get_text(&v[0], s->name, sizeof s->name))
        return false;
    /* AUTH_OK has no booleans: it is the success itself. */
    bool authenticated = v[1].type == JSON_TRUE || kind == SLIPGATE_REQUEST_AUTHENTICATE;
    bool encryption = v[2].type != JSON_FALSE;
    if (!authenticated)
        lose_login(s);
    else if (!open_udp(s, &v[3], encryption))
        return true;
    (void)get_text(&v[4], s->token, sizeof s->token);
    /* The line may hold keys, and a token. */
    mem_wipe(s->in.p + (line.p - s->in.p), line.n);
    set_phase(s, authenticated ? SGC_AUTHENTICATED : SGC_OPEN);
    TELL(s, on_login, s->name, authenticated, s->udp.mode);
    done_kind(s, kind, 0, "");
    return true;
}

static bool on_name_ok(struct sgc_session *s, struct span line)
{
    return login_ok(s, line, SLIPGATE_REQUEST_LOGIN);
}

static bool on_auth_ok(struct sgc_session *s, struct span line)
{
    return login_ok(s, line, SLIPGATE_REQUEST_AUTHENTICATE);
}

static int error_of_text(const char *text)
{
    static const struct {
        const char *begins;
        int error;
    } rows[] = {
        {"Server is busy", SLIPGATE_E_BUSY},
        {"Room not found", SLIPGATE_E_NOT_FOUND},
        {"Target player not found", SLIPGATE_E_NOT_FOUND},
        {"Failed to join room", SLIPGATE_E_ROOM},
        {"Authentication required", SLIPGATE_E_AUTH},
        {"Too many login attempts", SLIPGATE_E_BUSY},
        {"This account is locked", SLIPGATE_E_BUSY},
        {"You are banned", SLIPGATE_E_KICKED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strncmp(text, rows[i].begins, strlen(rows[i].begins)) == 0)
            return rows[i].error;
    return SLIPGATE_E_REFUSED;
}

/* Words about what was sent as datagrams ("Fair play"): they answer no request. */
static bool is_remark(const char *text)
{
    static const char *const remarks[] = {
        "Movement validation failed. Please check your connection.",
        "Too many datagrams. Please send fewer of them.",
        "Too many invalid datagrams. Please check your client.",
    };
    for (size_t i = 0; i < ARRAY_LEN(remarks); i++)
        if (strcmp(text, remarks[i]) == 0)
            return true;
    return false;
}

static bool on_auth_failed(struct sgc_session *s, struct span line)
{
    char text[TEXT_MAX + 1];
    (void)member_text(line, "message", text, sizeof text);
    enum slipgate_request first = sgc_session_first(s);
    int error = error_of_text(text);
    /* This one says nothing against the password: the player's older session may end soon. */
    if (error == SLIPGATE_E_REFUSED && strcmp(text, "This player is already signed in.") != 0)
        error = SLIPGATE_E_AUTH;
    if (first == SLIPGATE_REQUEST_LOGIN || first == SLIPGATE_REQUEST_AUTHENTICATE)
        sgc_session_done(s, error, text);
    else
        TELL(s, on_done, SLIPGATE_REQUEST_NONE, error, text);
    return true;
}

/* ---- errors ---- */

static bool on_error(struct sgc_session *s, struct span line)
{
    char text[TEXT_MAX + 1];
    (void)member_text(line, "message", text, sizeof text);
    if (is_remark(text)) {
        TELL(s, on_done, SLIPGATE_REQUEST_NONE, SLIPGATE_E_REFUSED, text);
        return true;
    }
    sgc_session_done(s, error_of_text(text), text);
    return true;
}

static bool on_unknown_command(struct sgc_session *s, struct span line)
{
    (void)line;
    sgc_session_done(s, SLIPGATE_E_REFUSED, "the server does not know this command");
    return true;
}

/* ---- rooms ---- */

static bool entered(struct sgc_session *s, struct span line, enum slipgate_request kind,
                    enum slipgate_room_event event)
{
    char id[SGC_ID_MAX + 1];
    if (!member_text(line, "roomId", id, sizeof id) || id[0] == '\0')
        return false;
    memcpy(s->room_id, id, sizeof id);
    s->game_told = false;
    TELL(s, on_room, event, s->room_id);
    done_kind(s, kind, 0, "");
    return true;
}

static bool on_room_created(struct sgc_session *s, struct span line)
{
    return entered(s, line, SLIPGATE_REQUEST_CREATE_ROOM, SLIPGATE_ROOM_CREATED);
}

static bool on_join_ok(struct sgc_session *s, struct span line)
{
    return entered(s, line, SLIPGATE_REQUEST_JOIN_ROOM, SLIPGATE_ROOM_JOINED);
}

static void left(struct sgc_session *s, struct span line, enum slipgate_room_event event)
{
    char id[SGC_ID_MAX + 1];
    (void)member_text(line, "roomId", id, sizeof id);
    if (strcmp(id, s->room_id) == 0)
        s->room_id[0] = '\0';
    TELL(s, on_room, event, id);
}

static bool on_leave_ok(struct sgc_session *s, struct span line)
{
    left(s, line, SLIPGATE_ROOM_LEFT);
    done_kind(s, SLIPGATE_REQUEST_LEAVE_ROOM, 0, "");
    return true;
}

static bool on_room_closed(struct sgc_session *s, struct span line)
{
    left(s, line, SLIPGATE_ROOM_CLOSED);
    return true;
}

static size_t array_len(struct span array)
{
    struct json_val v;
    size_t at = 0, n = 0;
    while (json_next(array, &at, &v))
        n++;
    return n;
}

static bool fill_room(struct block *b, const struct json_val *from, struct slipgate_room *ret)
{
    static const char *const names[] = {"id", "name", "hostId", "playerCount", "isActive"};
    struct json_val v[ARRAY_LEN(names)];
    int64_t players = 0;
    if (json_object(from->raw, names, ARRAY_LEN(names), v) != JSON_OBJECT)
        return false;
    if (json_int(&v[3], &players) != 0 || players < 0 || players > UINT32_MAX)
        players = 0;
    *ret = (struct slipgate_room){
        .id = block_string(b, &v[0], NULL),
        .name = block_string(b, &v[1], NULL),
        .host_id = block_string(b, &v[2], NULL),
        .players = (uint32_t)players,
        .active = v[4].type == JSON_TRUE,
    };
    return true;
}

static bool on_room_list(struct sgc_session *s, struct span line)
{
    const char *key = "rooms";
    struct json_val rooms, v;
    struct block b;
    if (json_object(line, &key, 1, &rooms) != JSON_OBJECT || rooms.type != JSON_ARRAY)
        return false;
    size_t n = array_len(rooms.raw), at = 0, i = 0;
    /* Three ends of strings a room more than the text may hold when members are missing. */
    if (!block_open(&b, n, sizeof(struct slipgate_room), rooms.raw.n + 3 * n)) {
        done_kind(s, SLIPGATE_REQUEST_LIST_ROOMS, SLIPGATE_E_MEMORY, "");
        return true;
    }
    struct slipgate_room *list = b.records;
    while (json_next(rooms.raw, &at, &v))
        if (fill_room(&b, &v, &list[i]))
            i++;
    TELL(s, on_rooms, list, i);
    mem_free(b.records);
    done_kind(s, SLIPGATE_REQUEST_LIST_ROOMS, 0, "");
    return true;
}

static bool on_room_players(struct sgc_session *s, struct span line)
{
    static const char *const names[] = {"roomId", "players"}, *const inner[] = {"id", "name"};
    struct json_val v[2], one, member[2];
    struct block b;
    if (json_object(line, names, 2, v) != JSON_OBJECT || v[1].type != JSON_ARRAY)
        return false;
    size_t n = array_len(v[1].raw), at = 0, i = 0;
    if (!block_open(&b, n, sizeof(struct slipgate_player), line.n + 2 * n)) {
        done_kind(s, SLIPGATE_REQUEST_LIST_PLAYERS, SLIPGATE_E_MEMORY, "");
        return true;
    }
    struct slipgate_player *list = b.records;
    const char *room_id = block_string(&b, &v[0], NULL);
    while (json_next(v[1].raw, &at, &one)) {
        if (json_object(one.raw, inner, 2, member) != JSON_OBJECT)
            continue;
        list[i].id = block_string(&b, &member[0], NULL);
        list[i++].name = block_string(&b, &member[1], NULL);
    }
    TELL(s, on_players, room_id, list, i);
    mem_free(b.records);
    done_kind(s, SLIPGATE_REQUEST_LIST_PLAYERS, 0, "");
    return true;
}

/* ---- game ---- */

static bool fill_spawn(struct block *b, struct span name, const struct json_val *value,
                       struct slipgate_spawn *ret)
{
    /* The name still has its escapes; with the quotes around it, it is a string value. */
    struct json_val key = {JSON_STRING, span_of(name.p - 1, name.n + 2)};
    static const char *const names[] = {"x", "y", "z"};
    struct json_val v[3];
    float at[3];
    if (value->type != JSON_OBJECT || json_object(value->raw, names, 3, v) != JSON_OBJECT)
        return false;
    for (size_t i = 0; i < 3; i++)
        if (json_float(&v[i], &at[i]) != 0)
            at[i] = 0;
    ret->player_id = block_string(b, &key, NULL);
    ret->position = (struct slipgate_vec3){at[0], at[1], at[2]};
    return true;
}

/* The host gets the notification that everybody gets, and then a second one without "hostId" as the
 * answer to its request; the application is told once. */
static bool on_game_started(struct sgc_session *s, struct span line)
{
    static const char *const names[] = {"roomId", "hostId", "spawnPositions"};
    struct json_val v[3], value;
    struct span name;
    struct block b;
    if (json_object(line, names, 3, v) != JSON_OBJECT || v[2].type != JSON_OBJECT)
        return false;
    if (v[1].type == JSON_ABSENT && s->game_told)
        return true;
    size_t n = 0, at = 0;
    while (json_member(v[2].raw, &at, &name, &value))
        n++;
    if (!block_open(&b, n, sizeof(struct slipgate_spawn), line.n + n + 2)) {
        done_kind(s, SLIPGATE_REQUEST_START_GAME, SLIPGATE_E_MEMORY, "");
        return true;
    }
    struct slipgate_spawn *list = b.records;
    struct slipgate_game_start start = {
        .room_id = block_string(&b, &v[0], NULL),
        .host_id = block_string(&b, &v[1], NULL),
        .spawns = list,
    };
    for (at = 0; json_member(v[2].raw, &at, &name, &value);)
        if (fill_spawn(&b, name, &value, &list[start.spawns_n]))
            start.spawns_n++;
    s->game_told = true;
    TELL(s, on_game_started, &start);
    if (start.host_id[0] == '\0' || strcmp(start.host_id, s->id) == 0)
        done_kind(s, SLIPGATE_REQUEST_START_GAME, 0, "");
    mem_free(b.records);
    return true;
}

static bool on_relayed_message(struct sgc_session *s, struct span line)
{
    static const char *const names[] = {"senderId", "senderName", "message"};
    struct json_val v[3];
    struct block b;
    if (json_object(line, names, 3, v) != JSON_OBJECT)
        return false;
    if (!block_open(&b, 1, sizeof(struct slipgate_message), line.n + 3))
        return true;
    struct slipgate_message *m = b.records;
    m->sender_id = block_string(&b, &v[0], NULL);
    m->sender_name = block_string(&b, &v[1], NULL);
    m->text = block_string(&b, &v[2], &m->text_len);
    TELL(s, on_message, m);
    mem_free(b.records);
    return true;
}

static bool on_relay_ok(struct sgc_session *s, struct span line)
{
    (void)line;
    done_kind(s, SLIPGATE_REQUEST_SEND_MESSAGE, 0, "");
    return true;
}

static bool on_player_info(struct sgc_session *s, struct span line)
{
    static const char *const names[] = {"id", "name", "currentRoomId"};
    const char *key = "playerInfo";
    struct json_val info, v[3];
    char id[SGC_ID_MAX + 1], name[SGC_NAME_MAX + 1], room_id[SGC_ID_MAX + 1];
    if (json_object(line, &key, 1, &info) != JSON_OBJECT || info.type != JSON_OBJECT ||
        json_object(info.raw, names, 3, v) != JSON_OBJECT)
        return false;
    (void)get_text(&v[0], id, sizeof id);
    (void)get_text(&v[1], name, sizeof name);
    bool in_room = get_text(&v[2], room_id, sizeof room_id);
    struct slipgate_player_info told = {id, name, in_room ? room_id : NULL};
    TELL(s, on_player_info, &told);
    done_kind(s, SLIPGATE_REQUEST_PLAYER_INFO, 0, "");
    return true;
}

/* ---- life ---- */

static bool on_pong(struct sgc_session *s, struct span line)
{
    (void)line;
    if (sgc_session_first(s) != SLIPGATE_REQUEST_PING)
        return true;
    s->round_trip_us = s->now_us - s->pending[s->pending_head].sent_us;
    TELL(s, on_pong, s->round_trip_us);
    sgc_session_done(s, 0, "");
    return true;
}

static bool on_bye_ok(struct sgc_session *s, struct span line)
{
    (void)line;
    done_kind(s, SLIPGATE_REQUEST_BYE, 0, "");
    sgc_session_end(s, 0, true, NULL);
    return true;
}

/* The texts of a server that is going away begin with "Server"; it may be back soon. All others
 * mean this player. */
static bool on_bye_admin(struct sgc_session *s, struct span line)
{
    char text[TEXT_MAX + 1];
    (void)member_text(line, "message", text, sizeof text);
    sgc_session_end(s, SLIPGATE_E_KICKED, strncmp(text, "Server", 6) != 0, text);
    return true;
}

static bool on_banned(struct sgc_session *s, struct span line)
{
    char text[TEXT_MAX + 1];
    (void)member_text(line, "reason", text, sizeof text);
    sgc_session_end(s, SLIPGATE_E_KICKED, true, text);
    return true;
}

static const struct {
    const char *command;
    bool (*handle)(struct sgc_session *, struct span line);
} handlers[] = {
    {"AUTH_FAILED", on_auth_failed},
    {"AUTH_OK", on_auth_ok},
    {"BANNED", on_banned},
    {"BYE_ADMIN", on_bye_admin},
    {"BYE_OK", on_bye_ok},
    {"ERROR", on_error},
    {"GAME_STARTED", on_game_started},
    {"JOIN_OK", on_join_ok},
    {"LEAVE_OK", on_leave_ok},
    {"NAME_OK", on_name_ok},
    {"PLAYER_INFO", on_player_info},
    {"PONG", on_pong},
    {"RELAYED_MESSAGE", on_relayed_message},
    {"RELAY_OK", on_relay_ok},
    {"ROOM_CLOSED", on_room_closed},
    {"ROOM_CREATED", on_room_created},
    {"ROOM_LIST", on_room_list},
    {"ROOM_PLAYERS", on_room_players},
    {"UNKNOWN_COMMAND", on_unknown_command},
};

bool sgc_reply_line(struct sgc_session *s, struct span line)
{
    char command[32];
    if (line.n == 0)
        return true;
    if (json_check(line) != JSON_OBJECT)
        return false;
    (void)member_text(line, "command", command, sizeof command);
    for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
        if (strcmp(command, handlers[i].command) == 0)
            return handlers[i].handle(s, line);
    TELL(s, on_line, (const char *)line.p, line.n);
    return true;
}
