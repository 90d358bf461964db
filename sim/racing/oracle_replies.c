/* Replies: each answers the next command of its link, and says what the model says it must. */
#include "sim/racing/oracle_model.h"

#include "base/utf8.h"
#include "games/racing/tables.h"

#define BUSY     "Server is busy. Please try again."
#define ECHO_MAX 1024u
/* Who asks for more is answered by and by, as he reads; a login's answer may come on top. */
#define AT_ONCE_MAX (RACING_OUT_MAX / 8 + 4096u)

static int shown(struct span s)
{
    return s.n > 200 ? 200 : (int)s.n;
}

void o_wrong_reply(struct racing_oracle *o, const struct o_link *l, const struct o_command *c,
                   struct span line, const char *want)
{
    sim_find(o->sim, "replies", "session %.8s said %.*s and was told %.*s instead of %s", l->id,
             c ? shown(c->text) : 7, c ? (const char *)c->text.p : "nothing", shown(line),
             (const char *)line.p, want);
}

static bool says(const struct racing_oracle *o, const char *command)
{
    return o_text_is(&o->said[S_COMMAND], command);
}

static bool is_error(const struct racing_oracle *o, const char *text)
{
    return says(o, "ERROR") && o_text_is(&o->said[S_MESSAGE], text);
}

/* An ERROR with this text is the only right reply. */
static void want_error(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                       struct span line, const char *text)
{
    if (is_error(o, text))
        o_handled(o, l, c);
    else
        o_wrong_reply(o, l, c, line, text);
}

static void want_bare(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                      struct span line, const char *command)
{
    if (says(o, command))
        o_handled(o, l, c);
    else
        o_wrong_reply(o, l, c, line, command);
}

/* ---- names ---- */

static void name_only(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                      struct span name, struct span line)
{
    bool same = l->auth && span_eq(name, span_of(l->name, l->name_n));
    enum json_type truth = same ? JSON_TRUE : JSON_FALSE;
    if (!says(o, "NAME_OK") || !o_span_is(o, &o->said[S_NAME], name) ||
        o->said[S_AUTHENTICATED].type != truth || o->said[S_ENCRYPTION].type != truth ||
        o->said[S_AEAD].type != JSON_ABSENT) {
        o_wrong_reply(o, l, c, line, same ? "NAME_OK, true" : "NAME_OK, false");
        return;
    }
    if (l->auth && !same) {
        o_room_leave(o, l, true);
        l->auth = false;
    }
    l->named = true;
    l->name_n = (uint8_t)name.n;
    memcpy(l->name, name.p, name.n);
    o_handled(o, l, c);
}

static void reply_name(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                       struct span line)
{
    struct span name, password;
    bool auth_failed;
    const char *refusal = o_login_refusal(o, l, c, &name, &password, &auth_failed);
    if (refusal) {
        if (says(o, auth_failed ? "AUTH_FAILED" : "ERROR") &&
            o_text_is(&o->said[S_MESSAGE], refusal))
            o_handled(o, l, c);
        else
            o_wrong_reply(o, l, c, line, refusal);
    } else if (password.n == 0) {
        name_only(o, l, c, name, line);
    } else if (is_error(o, BUSY)) {
        if (!o->refused && !o->draining) /* not even begun */
            o_suspect(o, "login", "session %.8s was told busy, and nothing was", l->id);
        o->late_refused -= o->late_refused > 0;
        o_handled(o, l, c);
    } else {
        o_login_begin(o, l, c);
        o_reply_login(o, l, line);
    }
}

/* ---- relay ---- */

static const char *relay_refusal(struct racing_oracle *o, const struct o_link *l,
                                 const struct o_command *c, uint32_t *target)
{
    struct span id, text;
    *target = NOBODY;
    if (o_string(o, 0, &c->v[OM_TARGET], &id) <= 0 || o_string(o, 1, &c->v[OM_MESSAGE], &text) <= 0)
        return "Invalid message relay request. Missing target or message.";
    if (text.n > o->set.relay_max)
        return "Message too long";
    *target = o_link_by_id(o, id);
    const struct o_link *to = o_link(o, *target);
    if (!to || (o->set.relay_room_only && to != l && (l->room == NOBODY || to->room != l->room)))
        return "Target player not found.";
    return NULL;
}

static void reply_relay(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                        struct span line)
{
    uint32_t target;
    const char *refusal = relay_refusal(o, l, c, &target);
    if (refusal) {
        want_error(o, l, c, line, refusal);
    } else if (!says(o, "RELAY_OK") ||
               !o_span_is(o, &o->said[S_TARGET_ID], span_of(o->links[target].id, ID_N))) {
        o_wrong_reply(o, l, c, line, "RELAY_OK");
    } else {
        o_expect(o, target, EV_RELAYED, o_index(o, l));
        o_handled(o, l, c);
    }
}

/* ---- the others ---- */

static void reply_unknown(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                          struct span line)
{
    struct span name;
    int n = o_string(o, 0, &c->v[OM_COMMAND], &name);
    uint8_t *p = o->scratch[0];
    size_t len = n < 0 ? 0 : (size_t)n;
    if (len > ECHO_MAX)
        len = ECHO_MAX;
    while (len && !utf8_valid(span_of(name.p, len)))
        len--;
    memmove(p, name.p, len);
    for (size_t i = 0; i < len; i++)
        if (p[i] >= 'a' && p[i] <= 'z')
            p[i] = (uint8_t)(p[i] - 32);
    if (says(o, "UNKNOWN_COMMAND") && o_span_is(o, &o->said[S_ORIGINAL], span_of(p, len)))
        o_handled(o, l, c);
    else
        o_wrong_reply(o, l, c, line, "UNKNOWN_COMMAND");
}

static void reply_info(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                       struct span line)
{
    static const char *const names[] = {"id", "name", "currentRoomId"};
    struct json_val v[3];
    const struct o_room *r = o_room_of(o, l);
    bool ok = says(o, "PLAYER_INFO") && o->said[S_INFO].type == JSON_OBJECT &&
              json_object(o->said[S_INFO].raw, names, 3, v) == JSON_OBJECT &&
              o_text_is(&v[0], l->id) && o_span_is(o, &v[1], span_of(l->name, l->name_n)) &&
              (r ? o_text_is(&v[2], r->id) : v[2].type == JSON_NULL);
    if (ok)
        o_handled(o, l, c);
    else
        o_wrong_reply(o, l, c, line, "what it is and where");
}

static void reply_start(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                        struct span line)
{
    const struct o_room *r = o_room_of(o, l);
    if (!r)
        want_error(o, l, c, line, "Cannot start game. No room joined.");
    else if (r->host != o_index(o, l))
        want_error(o, l, c, line, "Cannot start game. Only the host can start the game.");
    else
        o_wrong_reply(o, l, c, line, "GAME_STARTED");
}

static bool needs_login(enum o_kind kind)
{
    return kind == O_CREATE_ROOM || kind == O_JOIN_ROOM || kind == O_LEAVE_ROOM ||
           kind == O_ROOM_PLAYERS || kind == O_RELAY || kind == O_START_GAME;
}

static void reply_player(struct racing_oracle *o, struct o_link *l, const struct o_command *c,
                         struct span line)
{
    if (c->kind == O_NAME || c->kind == O_AUTHENTICATE)
        reply_name(o, l, c, line);
    else if (c->kind == O_CREATE_ROOM)
        o_reply_create(o, l, c, line);
    else if (c->kind == O_JOIN_ROOM)
        o_reply_join(o, l, c, line);
    else if (c->kind == O_LEAVE_ROOM)
        o_reply_leave(o, l, c, line);
    else if (c->kind == O_LIST_ROOMS)
        o_reply_list(o, l, c, line);
    else if (c->kind == O_ROOM_PLAYERS)
        o_reply_players(o, l, c, line);
    else if (c->kind == O_RELAY)
        reply_relay(o, l, c, line);
    else if (c->kind == O_START_GAME)
        reply_start(o, l, c, line);
    else
        reply_info(o, l, c, line);
}

void o_reply(struct racing_oracle *o, struct o_link *l, struct span line)
{
    o->stats.replies++;
    if (l->answered > AT_ONCE_MAX)
        o_suspect(o, "resources", "session %.8s was answered with more than %zu bytes in one go",
                  l->id, l->answered);
    l->answered += line.n;
    if (l->login.on) {
        o_reply_login(o, l, line);
        return;
    }
    const struct o_command *c = o_next_replied(o, l);
    if (!c) {
        o_wrong_reply(o, l, NULL, line, "nothing");
    } else if (c->kind == O_TOO_LONG) {
        want_error(o, l, c, line, "Message too long");
        o_must_end(o, l, ENDING_DUE);
    } else if (c->kind == O_INVALID) {
        want_error(o, l, c, line, "Invalid JSON format");
    } else if (c->kind == O_BATCH) {
        want_error(o, l, c, line, c->refusal);
    } else if (c->kind == O_UNKNOWN) {
        reply_unknown(o, l, c, line);
    } else if (needs_login(c->kind) && !l->auth) {
        want_error(o, l, c, line,
                   "Authentication required. Please use NAME command with password.");
    } else if (c->kind == O_PING) {
        want_bare(o, l, c, line, "PONG");
    } else if (c->kind == O_BYE) {
        want_bare(o, l, c, line, "BYE_OK");
        o_must_end(o, l, ENDING_DUE);
    } else {
        reply_player(o, l, c, line);
    }
}
