#include "sim/racing/talk.h"

#include "wire/gzip.h"
#include "wire/json.h"
#include "wire/text.h"

static const struct {
    const char *command;
    unsigned mask;
} asks[REQUESTS_N] = {
    [ASK_NAME] = {"NAME", SAYS_NAME_OK | SAYS_AUTH_FAILED | SAYS_ERROR},
    [ASK_AUTH] = {"AUTHENTICATE", SAYS_AUTH_OK | SAYS_AUTH_FAILED | SAYS_ERROR},
    [ASK_CREATE] = {"CREATE_ROOM", SAYS_CREATED | SAYS_ERROR},
    [ASK_JOIN] = {"JOIN_ROOM", SAYS_JOIN_OK | SAYS_ERROR},
    [ASK_LEAVE] = {"LEAVE_ROOM", SAYS_LEAVE_OK | SAYS_ERROR},
    [ASK_PING] = {"PING", SAYS_PONG},
    [ASK_LIST] = {"LIST_ROOMS", SAYS_LIST},
    [ASK_PLAYERS] = {"GET_ROOM_PLAYERS", SAYS_PLAYERS | SAYS_ERROR},
    [ASK_RELAY] = {"RELAY_MESSAGE", SAYS_RELAY_OK | SAYS_ERROR},
    [ASK_INFO] = {"PLAYER_INFO", SAYS_INFO},
    [ASK_START] = {"START_GAME", SAYS_STARTED | SAYS_ERROR},
    [ASK_BYE] = {"BYE", SAYS_BYE_OK},
    [ASK_ODD] = {"something odd", 0},
};

void talk_init(struct talk *t, struct bot *b, const struct listener *to)
{
    *t = (struct talk){.bot = b, .to = to};
    buf_init(&t->in, TALK_LINE_MAX);
    buf_init(&t->held, TALK_LINE_MAX);
}

static void close_udp(struct talk *t)
{
    sealer_destroy(t->sealer);
    opener_destroy(t->opener);
    t->sealer = NULL;
    t->opener = NULL;
    t->packed = false;
    t->form = SEAL_PLAIN;
}

void talk_fini(struct talk *t)
{
    close_udp(t);
    buf_fini(&t->in);
    buf_fini(&t->held);
}

void talk_begin(struct talk *t)
{
    close_udp(t);
    buf_clear(&t->in);
    buf_clear(&t->held);
    t->loose = t->authenticated = t->second = t->bye = t->holds = false;
    t->head = t->n = 0;
    t->open = true;
    t->bot->id[0] = '\0';
}

void talk_end(struct talk *t)
{
    close_udp(t);
    t->open = t->authenticated = false;
    t->n = 0;
    known_end(t->bot);
}

/* ---- asking ---- */

static void say(struct talk *t, struct span bytes)
{
    if (!t->holds)
        peer_send(t->bot->sim, t->bot->peer, bytes);
    else
        (void)buf_append_span(&t->held, bytes);
}

void talk_hold(struct talk *t)
{
    t->holds = true;
}

void talk_release(struct talk *t)
{
    t->holds = false;
    say(t, buf_span(&t->held));
    buf_clear(&t->held);
}

static bool push(struct talk *t, enum request kind, unsigned mask)
{
    if (t->n == TALK_PENDING_MAX)
        return false;
    if (t->n == 0)
        t->waits_since = t->bot->sim->now.mono;
    t->pending[(t->head + t->n++) % TALK_PENDING_MAX] =
        (struct pending){(uint8_t)kind, (uint16_t)mask};
    return true;
}

static void put_offer(const struct talk *t, struct buf *b)
{
    static const char *const offers[] = {
        [UDP_STRONG_GCM] = ",\"udpAead\":[\"aes-256-gcm\"]",
        [UDP_STRONG_HMAC] = ",\"udpAead\":[\"aes-256-cbc-hmac-sha256\"]",
        [UDP_STRONG_ANY] = ",\"udpAead\":[\"aes-256-gcm\",\"aes-256-cbc-hmac-sha256\",\"x\"]"};
    if (t->wish < UDP_STRONG_GCM)
        return;
    (void)buf_append_str(b, offers[t->wish]);
    if (t->pack)
        (void)buf_append_str(b, ",\"udpPack\":true");
}

static void put_member(struct buf *b, const char *key, const char *value)
{
    (void)buf_printf(b, ",\"%s\":", key);
    json_put_string(b, span_str(value));
}

size_t talk_line(const struct talk *t, enum request kind, const char *a, const char *b, char *to,
                 size_t cap)
{
    struct buf line = {.p = (uint8_t *)to, .cap = cap, .max = cap};
    (void)buf_printf(&line, "{\"command\":\"%s\"", asks[kind].command);
    if (kind == ASK_NAME || kind == ASK_CREATE)
        put_member(&line, "name", a);
    if (kind == ASK_NAME && b[0])
        put_member(&line, "password", b);
    if (kind == ASK_AUTH)
        put_member(&line, "password", a);
    if (kind == ASK_AUTH || (kind == ASK_NAME && b[0]))
        put_offer(t, &line);
    if (kind == ASK_JOIN)
        put_member(&line, "roomId", a);
    if (kind == ASK_RELAY) {
        put_member(&line, "targetId", a);
        put_member(&line, "message", b);
    }
    (void)buf_append_str(&line, "}");
    return line.n;
}

static void note(struct talk *t, enum request kind, const char *a)
{
    if (kind == ASK_JOIN && strlen(a) == BOT_ID)
        known_room(t->bot, a);
    if (kind == ASK_CREATE)
        t->bot->creating++;
    if (kind == ASK_BYE)
        t->bye = true;
}

bool talk_ask(struct talk *t, enum request kind, const char *a, const char *b)
{
    char line[2048];
    if (!t->open || t->bye || !push(t, kind, asks[kind].mask))
        return false;
    note(t, kind, a);
    size_t n = talk_line(t, kind, a, b, line, sizeof line - 1);
    line[n++] = '\n';
    say(t, span_of(line, n));
    return true;
}

bool talk_batch(struct talk *t, const enum request *kinds, size_t n, bool as_lines)
{
    char text[1000] = "{\"command\":\"BATCH\",\"messages\":[";
    size_t at = as_lines ? 0 : strlen(text);
    if (!t->open || t->bye || t->n + n > TALK_PENDING_MAX)
        return false;
    for (size_t i = 0; i < n && at + 100 < sizeof text; i++) {
        (void)push(t, kinds[i], asks[kinds[i]].mask);
        if (i && !as_lines)
            text[at++] = ',';
        at += talk_line(t, kinds[i], "", "", text + at, sizeof text - at - 4);
        if (as_lines)
            text[at++] = '\n';
    }
    if (!as_lines) {
        memcpy(text + at, "]}\n", 3);
        at += 3;
    }
    say(t, span_of(text, at));
    return true;
}

bool talk_odd(struct talk *t, struct span text, unsigned mask)
{
    if (!t->open || t->bye || (mask && !push(t, ASK_ODD, mask)))
        return false;
    if (text.n)
        say(t, text);
    return true;
}

/* ---- being answered ---- */

static const char *const names[] = {"message", "roomId", "authenticated", "udpAead",
                                    "hostId",  "rooms",  "players"};
enum { V_MESSAGE, V_ROOM_ID, V_AUTHENTICATED, V_AEAD, V_HOST, V_ROOMS, V_PLAYERS, V_N };

static struct span inner(const struct json_val *v)
{
    return v->type == JSON_STRING ? span_of(v->raw.p + 1, v->raw.n - 2) : SPAN_NULL;
}

static bool id_of(const struct json_val *v, char id[BOT_ID + 1])
{
    struct span s = inner(v);
    if (s.n != BOT_ID)
        return false;
    memcpy(id, s.p, BOT_ID);
    id[BOT_ID] = '\0';
    return true;
}

static void wrong(struct talk *t, struct span line, const char *why)
{
    if (t->loose)
        return;
    const struct pending *p = &t->pending[t->head];
    sim_find(t->bot->sim, "bot-replies", "bot %u, which waits for %s (%u asked): %s: %.*s",
             t->bot->number, t->n ? asks[p->kind].command : "nothing", t->n, why,
             (int)(line.n < 500 ? line.n : 500), (const char *)line.p);
}

/* Takes the first question off if this kind of answer may answer it. */
static enum request pop(struct talk *t, unsigned answer, struct span line)
{
    if (t->n == 0 || !(t->pending[t->head].mask & answer)) {
        wrong(t, line, "not an answer to that");
        if (!t->loose || t->n == 0)
            return ASK_NOTHING;
    }
    enum request kind = t->pending[t->head].kind;
    t->head = (t->head + 1) % TALK_PENDING_MAX;
    t->n--;
    t->waits_since = t->bot->sim->now.mono;
    return kind;
}

static void open_document(struct talk *t)
{
    uint8_t key[SEAL_CBC_KEY];
    const char *secret = racing_sim(t->bot->sim)->rules.secret;
    if (seal_derive_cbc(span_str(t->bot->id), span_str(secret), key))
        return;
    struct seal_cfg cfg = {.kind = SEAL_CBC, .key = span_of(key, sizeof key)};
    if (sealer_create(&t->sealer, &cfg, NULL) == 0 && opener_create(&t->opener, &cfg) == 0)
        t->form = SEAL_CBC;
}

static bool open_strong(struct talk *t, const struct json_val *v)
{
    static const char *const members[] = {"alg", "connId", "c2s", "s2c", "pack"};
    struct json_val m[ARRAY_LEN(members)];
    uint8_t c2s[SEAL_CBC_HMAC_KEY], s2c[SEAL_CBC_HMAC_KEY];
    struct seal_cfg cfg = {0};
    if (v->type != JSON_OBJECT || json_object(v->raw, members, 5, m) != JSON_OBJECT)
        return false;
    bool gcm = span_eq(inner(&m[0]), SPAN_LIT("aes-256-gcm"));
    int size = gcm ? (int)SEAL_GCM_KEY : (int)SEAL_CBC_HMAC_KEY;
    if ((!gcm && !span_eq(inner(&m[0]), SPAN_LIT("aes-256-cbc-hmac-sha256"))) ||
        (gcm && t->wish == UDP_STRONG_HMAC) || (!gcm && t->wish != UDP_STRONG_HMAC) ||
        hex_decode(inner(&m[1]), cfg.conn_id, SEAL_CONN_ID) ||
        base64_decode(inner(&m[2]), c2s, sizeof c2s) != size ||
        base64_decode(inner(&m[3]), s2c, sizeof s2c) != size)
        return false;
    cfg.kind = gcm ? SEAL_GCM : SEAL_CBC_HMAC;
    cfg.key = span_of(c2s, (size_t)size);
    if (sealer_create(&t->sealer, &cfg, &t->bot->all->entropy))
        return false;
    cfg.key = span_of(s2c, (size_t)size);
    if (opener_create(&t->opener, &cfg))
        return false;
    t->form = cfg.kind;
    t->packed = m[4].type == JSON_TRUE;
    if (t->packed && !t->pack)
        sim_find(t->bot->sim, "bot-replies", "bot %u did not ask for packing", t->bot->number);
    return true;
}

static void signed_in(struct talk *t, const struct json_val *v, struct span line)
{
    bool strong = t->wish >= UDP_STRONG_GCM;
    close_udp(t);
    t->authenticated = true;
    if (strong && !open_strong(t, &v[V_AEAD]))
        wrong(t, line, "no keys, or bad ones");
    if (!strong && v[V_AEAD].type != JSON_ABSENT)
        wrong(t, line, "keys that nobody asked for");
    if (t->wish == UDP_DOCUMENT)
        open_document(t);
    known_form(t->bot, t->form);
    if (t->to->login)
        t->to->login(t->bot);
}

static void tell_room(struct talk *t, enum room_how how, const struct json_val *v, struct span line)
{
    char id[BOT_ID + 1];
    if (!id_of(v, id)) {
        wrong(t, line, "no room id");
        return;
    }
    if (how == ROOM_CREATED || how == ROOM_JOINED) {
        known_room(t->bot, id);
        bots_room(t->bot->all, span_str(id));
    }
    if (t->to->room)
        t->to->room(t->bot, how, id);
}

static void tell_list(struct talk *t, struct span rooms)
{
    static const char *const members[] = {"id", "name", "playerCount", "isActive"};
    struct json_val one, m[ARRAY_LEN(members)];
    char id[BOT_ID + 1];
    int64_t players;
    for (size_t at = 0; t->to->listed && json_next(rooms, &at, &one);) {
        if (json_object(one.raw, members, ARRAY_LEN(members), m) == JSON_OBJECT &&
            id_of(&m[0], id) && json_int(&m[2], &players) == 0)
            t->to->listed(t->bot, id, inner(&m[1]), players, m[3].type == JSON_TRUE);
        else
            wrong(t, one.raw, "not a room");
    }
}

static void tell_players(struct talk *t, struct span players)
{
    static const char *const members[] = {"id"};
    struct json_val one, m;
    char id[BOT_ID + 1];
    bool self = false;
    for (size_t at = 0; json_next(players, &at, &one);) {
        if (json_object(one.raw, members, 1, &m) != JSON_OBJECT || !id_of(&m, id)) {
            wrong(t, one.raw, "not a player");
            return;
        }
        self |= strcmp(id, t->bot->id) == 0;
        if (t->to->player)
            t->to->player(t->bot, id);
    }
    if (!self)
        wrong(t, players, "we are not in our own room");
}

/* Everybody in the room gets one with the host's id; the host, as an answer, perhaps a second. */
static void started(struct talk *t, const struct json_val *v, struct span line)
{
    char host[BOT_ID + 1];
    if (v[V_HOST].type == JSON_ABSENT) {
        if (!t->second)
            wrong(t, line, "a second line without a first");
        t->second = false;
        return;
    }
    if (!id_of(&v[V_HOST], host))
        wrong(t, line, "no host");
    else if (t->to->started)
        t->to->started(t->bot);
    if (strcmp(host, t->bot->id) != 0)
        return;
    enum request kind = pop(t, SAYS_STARTED, line);
    t->second = true;
    if (kind != ASK_NOTHING && t->to->answered)
        t->to->answered(t->bot, kind, true, SPAN_NULL);
}

/* What comes without having been asked for. */
static bool notice(struct talk *t, struct span command, const struct json_val *v, struct span line)
{
    if (span_eq(command, SPAN_LIT("GAME_STARTED"))) {
        started(t, v, line);
    } else if (span_eq(command, SPAN_LIT("ROOM_CLOSED"))) {
        tell_room(t, ROOM_SHUT, &v[V_ROOM_ID], line);
    } else if (span_eq(command, SPAN_LIT("BYE_ADMIN"))) {
        if (t->to->dismissed)
            t->to->dismissed(t->bot, inner(&v[V_MESSAGE]));
    } else if (span_eq(command, SPAN_LIT("SERVER_CLOSING"))) {
        if (t->to->closing)
            t->to->closing(t->bot);
    } else {
        return span_eq(command, SPAN_LIT("RELAYED_MESSAGE")) ||
               span_eq(command, SPAN_LIT("PLAYER_JOINED")) ||
               span_eq(command, SPAN_LIT("PLAYER_LEFT"));
    }
    return true;
}

static void details(struct talk *t, unsigned answer, const struct json_val *v, struct span line)
{
    switch (answer) {
    case SAYS_NAME_OK:
        if (v[V_AUTHENTICATED].type == JSON_TRUE &&
            (v[V_AEAD].type != JSON_ABSENT || !t->authenticated || t->wish < UDP_STRONG_GCM))
            signed_in(t, v, line);
        else if (v[V_AUTHENTICATED].type != JSON_TRUE)
            t->authenticated = false;
        break;
    case SAYS_AUTH_OK: signed_in(t, v, line); break;
    case SAYS_CREATED: tell_room(t, ROOM_CREATED, &v[V_ROOM_ID], line); break;
    case SAYS_JOIN_OK: tell_room(t, ROOM_JOINED, &v[V_ROOM_ID], line); break;
    case SAYS_LEAVE_OK: tell_room(t, ROOM_LEFT, &v[V_ROOM_ID], line); break;
    case SAYS_LIST: tell_list(t, v[V_ROOMS].raw); break;
    case SAYS_PLAYERS: tell_players(t, v[V_PLAYERS].raw); break;
    default: break;
    }
}

static unsigned answer_of(struct span command)
{
    static const struct {
        const char *command;
        unsigned answer;
    } rows[] = {
        {"NAME_OK", SAYS_NAME_OK},   {"AUTH_OK", SAYS_AUTH_OK},
        {"ERROR", SAYS_ERROR},       {"AUTH_FAILED", SAYS_AUTH_FAILED},
        {"PONG", SAYS_PONG},         {"ROOM_CREATED", SAYS_CREATED},
        {"JOIN_OK", SAYS_JOIN_OK},   {"LEAVE_OK", SAYS_LEAVE_OK},
        {"ROOM_LIST", SAYS_LIST},    {"ROOM_PLAYERS", SAYS_PLAYERS},
        {"RELAY_OK", SAYS_RELAY_OK}, {"PLAYER_INFO", SAYS_INFO},
        {"BYE_OK", SAYS_BYE_OK},     {"UNKNOWN_COMMAND", SAYS_UNKNOWN},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (span_eq(command, span_str(rows[i].command)))
            return rows[i].answer;
    return 0;
}

static void line_in(struct talk *t, struct span line)
{
    static const struct span begin = {(const uint8_t *)"{\"command\":\"", 12};
    struct json_val v[V_N];
    const uint8_t *end = line.n > begin.n && memcmp(line.p, begin.p, begin.n) == 0
                             ? memchr(line.p + begin.n, '"', line.n - begin.n)
                             : NULL;
    if (!end || json_object(line, names, V_N, v) != JSON_OBJECT) {
        wrong(t, line, "not a line of the protocol");
        return;
    }
    struct span command = span_of(line.p + begin.n, (size_t)(end - line.p) - begin.n);
    if (t->second && !span_eq(command, SPAN_LIT("GAME_STARTED")))
        t->second = false;
    if (notice(t, command, v, line))
        return;
    unsigned answer = answer_of(command);
    if (!answer) {
        wrong(t, line, "not a command of the protocol");
        return;
    }
    enum request kind = pop(t, answer, line);
    if (kind == ASK_NOTHING)
        return;
    details(t, answer, v, line);
    if (kind == ASK_CREATE)
        known_created(t->bot);
    bool ok = !(answer & (SAYS_ERROR | SAYS_AUTH_FAILED | SAYS_UNKNOWN));
    if (t->to->answered)
        t->to->answered(t->bot, kind, ok, inner(&v[V_MESSAGE]));
}

/* "CONNECTED|" and the id. */
static void welcome(struct talk *t, struct span line)
{
    char id[BOT_ID + 1];
    if (line.n != 10 + BOT_ID || memcmp(line.p, "CONNECTED|", 10) != 0) {
        wrong(t, line, "not a welcome");
        peer_reset(t->bot->sim, t->bot->peer);
        return;
    }
    memcpy(id, line.p + 10, BOT_ID);
    id[BOT_ID] = '\0';
    known_open(t->bot, id);
    if (t->to->welcome)
        t->to->welcome(t->bot);
}

void talk_bytes(struct talk *t, struct span bytes)
{
    size_t at = 0;
    struct span line;
    if (!t->open)
        return;
    if (buf_append_span(&t->in, bytes)) {
        wrong(t, SPAN_NULL, "a line without end");
        return;
    }
    while (t->open) {
        struct span rest = span_skip(buf_span(&t->in), at);
        const uint8_t *lf = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
        if (!lf)
            break;
        line = span_of(rest.p, (size_t)(lf - rest.p));
        at += line.n + 1;
        if (t->bot->id[0])
            line_in(t, line);
        else
            welcome(t, line);
    }
    if (t->open)
        buf_consume(&t->in, at);
}

/* ---- datagrams ---- */

void talk_dgram(struct talk *t, struct span d)
{
    uint8_t opened[2048];
    struct span rest = d;
    if (!t->authenticated || !t->to->message)
        return;
    if (t->opener) {
        int n = opener_open(t->opener, d, opened, sizeof opened);
        if (n < 0)
            return; /* damaged, repeated, or of a session we had before */
        rest = span_of(opened, (size_t)n);
    }
    while (rest.n && t->authenticated) {
        const uint8_t *lf = t->packed ? memchr(rest.p, '\n', rest.n) : NULL;
        size_t n = lf ? (size_t)(lf - rest.p) : rest.n;
        struct span one = span_of(rest.p, n);
        rest = span_skip(rest, lf ? n + 1 : n);
        while (one.n && one.p[one.n - 1] == '\n')
            one.n--;
        if (one.n)
            t->to->message(t->bot, one);
    }
}

static void keep_capture(struct talk *t, struct span d)
{
    struct bots *all = t->bot->all;
    if (d.n > BOT_DATAGRAM_MAX || bot_below(t->bot, 8))
        return;
    struct capture *c = &all->captures[all->captures_at++ % BOTS_CAPTURES];
    c->from = *peer_dgram_addr(t->bot->peer);
    c->n = d.n;
    memcpy(c->bytes, d.p, d.n);
}

void talk_send(struct talk *t, struct span text, bool gzip)
{
    uint8_t packed[2048], sealed[2048];
    if (!t->authenticated)
        return;
    if (gzip) {
        int n = gzip_deflate(t->bot->all->gzip, text, packed, sizeof packed);
        if (n > 0)
            text = span_of(packed, (size_t)n);
    }
    if (t->sealer) {
        int n = sealer_seal(t->sealer, &text, 1, sealed, sizeof sealed);
        if (n < 0)
            return;
        text = span_of(sealed, (size_t)n);
    }
    keep_capture(t, text);
    peer_dgram(t->bot->sim, t->bot->peer, text);
}
