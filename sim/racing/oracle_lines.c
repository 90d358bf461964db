/* What was heard from a link, cut into lines and commands as docs/protocol-racing.md says. */
#include "sim/racing/oracle_model.h"

#include "base/check.h"
#include "base/err.h"
#include "base/utf8.h"

#define BATCH_MAX 32u

static const char *const members[OM_N] = {
    [OM_COMMAND] = "command", [OM_NAME] = "name",       [OM_PASSWORD] = "password",
    [OM_ROOM_ID] = "roomId",  [OM_TARGET] = "targetId", [OM_MESSAGE] = "message",
    [OM_AEAD] = "udpAead",    [OM_PACK] = "udpPack",    [OM_MESSAGES] = "messages",
};

static const char *const command_names[O_COMMANDS_N] = {
    [O_NAME] = "NAME",
    [O_AUTHENTICATE] = "AUTHENTICATE",
    [O_CREATE_ROOM] = "CREATE_ROOM",
    [O_JOIN_ROOM] = "JOIN_ROOM",
    [O_LEAVE_ROOM] = "LEAVE_ROOM",
    [O_PING] = "PING",
    [O_PONG] = "PONG",
    [O_LIST_ROOMS] = "LIST_ROOMS",
    [O_ROOM_PLAYERS] = "GET_ROOM_PLAYERS",
    [O_RELAY] = "RELAY_MESSAGE",
    [O_PLAYER_INFO] = "PLAYER_INFO",
    [O_START_GAME] = "START_GAME",
    [O_BYE] = "BYE",
    [O_BATCH] = "BATCH",
};

/* ---- values ---- */

int o_string(struct racing_oracle *o, unsigned i, const struct json_val *v, struct span *ret)
{
    *ret = SPAN_NULL;
    return json_string_view(v, o->scratch[i], sizeof o->scratch[i], ret);
}

bool o_span_is(struct racing_oracle *o, const struct json_val *v, struct span want)
{
    struct span s;
    return o_string(o, 2, v, &s) >= 0 && span_eq(s, want);
}

bool o_text_is(const struct json_val *v, const char *text)
{
    size_t n = strlen(text); /* one without escapes */
    return v->type == JSON_STRING && v->raw.n == n + 2 && memcmp(v->raw.p + 1, text, n) == 0;
}

static bool same_word(struct span s, const char *upper)
{
    size_t i = 0;
    for (; i < s.n && upper[i]; i++) {
        uint8_t c = s.p[i] >= 'a' && s.p[i] <= 'z' ? (uint8_t)(s.p[i] - 32) : s.p[i];
        if (c != (uint8_t)upper[i])
            return false;
    }
    return i == s.n && !upper[i];
}

/* ---- one command ---- */

static enum o_kind kind_of(struct racing_oracle *o, struct o_command *c)
{
    struct span name;
    if (json_object(c->text, members, OM_N, c->v) != JSON_OBJECT)
        return O_INVALID;
    const struct json_val *v = &c->v[OM_COMMAND];
    if (v->type == JSON_ABSENT || v->type == JSON_NULL)
        return O_NOTHING;
    int n = o_string(o, 0, v, &name);
    if (n <= 0)
        return n < 0 ? O_INVALID : O_NOTHING;
    for (unsigned i = 0; i < O_COMMANDS_N; i++)
        if (same_word(name, command_names[i]))
            return (enum o_kind)i;
    return O_UNKNOWN;
}

/* The next whole line: false when there is none. */
static bool line_at(const struct racing_oracle *o, struct span s, struct span *line, size_t *used,
                    bool *too_long)
{
    static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};
    const uint8_t *lf = s.n ? memchr(s.p, '\n', s.n) : NULL;
    *too_long = false;
    *used = lf ? (size_t)(lf - s.p) + 1 : s.n;
    s.n = lf ? (size_t)(lf - s.p) : s.n;
    if (s.n >= sizeof mark && memcmp(s.p, mark, sizeof mark) == 0)
        s = span_skip(s, sizeof mark);
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    *line = s;
    *too_long = s.n > o->set.line_max;
    return lf || *too_long;
}

static const char *batch_open(struct o_command *c, struct o_cursor *cur)
{
    struct json_val e;
    unsigned n = 0;
    const struct json_val *v = &c->v[OM_MESSAGES];
    if (v->type != JSON_ARRAY)
        return "Invalid JSON format";
    for (size_t at = 0; json_next(v->raw, &at, &e);)
        if (++n > BATCH_MAX)
            return "Too many messages in one BATCH. The limit is 32.";
    cur->in_batch = true;
    cur->batch_from = (size_t)(v->raw.p - c->text.p); /* from the text; the caller adds the rest */
    cur->batch_n = v->raw.n;
    cur->batch_at = 0;
    return NULL;
}

/* Looks at the element in hand; false: the batch is through, *cur behind it. */
static bool element(struct racing_oracle *o, struct o_link *l, struct o_cursor *cur)
{
    struct o_command *c = &o->cmd;
    struct json_val v;
    struct span array = span_of(l->in.p + cur->at + cur->batch_from, cur->batch_n);
    size_t at = cur->batch_at;
    if (!json_next(array, &at, &v)) {
        cur->in_batch = false;
        cur->at += cur->line_used;
        return false;
    }
    *c = (struct o_command){.text = v.raw, .nested = true};
    c->kind = kind_of(o, c);
    if (c->kind == O_BATCH)
        c->refusal = "BATCH cannot hold another BATCH.";
    c->after = *cur;
    c->after.batch_at = at;
    c->after.charged++;
    return true;
}

const struct o_command *o_next(struct racing_oracle *o, struct o_link *l, struct o_cursor *cur,
                               size_t limit)
{
    struct o_command *c = &o->cmd;
    struct span line;
    size_t used;
    bool too_long;
    for (;;) {
        if (cur->in_batch) {
            if (element(o, l, cur))
                return c;
            continue;
        }
        if (!line_at(o, span_skip(span_of(l->in.p, limit), cur->at), &line, &used, &too_long))
            return NULL;
        *c = (struct o_command){.text = line, .after = *cur};
        if (too_long) {
            c->kind = O_TOO_LONG;
            c->after.at = l->in.n;
            return c;
        }
        c->kind = kind_of(o, c);
        c->after.charged++;
        if (c->kind == O_BATCH && !(c->refusal = batch_open(c, cur))) {
            cur->batch_from += (size_t)(line.p - (l->in.p + cur->at));
            cur->line_used = used;
            cur->charged++;
            continue;
        }
        c->after.at += used;
        return c;
    }
}

const struct o_command *o_next_replied(struct racing_oracle *o, struct o_link *l)
{
    struct o_cursor cur = l->cur;
    const struct o_command *c;
    while ((c = o_next(o, l, &cur, l->in.n)) && (c->kind == O_NOTHING || c->kind == O_PONG))
        cur = c->after;
    return c;
}

static void passed(struct racing_oracle *o, struct o_link *l, const struct o_cursor *to)
{
    nsec now = o_now(o);
    l->cur = *to;
    l->touched = l->active = l->progress = now;
    /* What was passed on the way was handled some time since the last one; only when is unknown,
     * and with it whether the last one came too early, and at which rate where that was changed. */
    bool sure = l->cur.charged == 1, changed = l->charged_at <= o->set.since;
    for (; l->cur.charged; l->cur.charged--) {
        nsec when = l->cur.charged > 1 ? l->charged_at : now;
        if (l->cur.charged > 1 && changed)
            continue;
        if (!o_rate_take(&l->bucket, &o->set.commands, when) && sure)
            o_suspect(o, "rate", "session %.8s was served faster than its rate allows", l->id);
    }
    l->charged_at = now;
}

void o_handled(struct racing_oracle *o, struct o_link *l, const struct o_command *c)
{
    passed(o, l, &c->after);
}

/* ---- logins ---- */

static const char *password_refusal(struct racing_oracle *o, const struct o_command *c,
                                    struct span *password)
{
    const struct json_val *v = &c->v[OM_PASSWORD];
    *password = SPAN_NULL;
    if (v->type == JSON_ABSENT || v->type == JSON_NULL)
        return NULL;
    if (o_string(o, 1, v, password) < 0)
        return "Password is not valid.";
    return password->n > PASSWORD_LEGACY_MAX ? "Password is too long. The limit is 72 bytes."
                                             : NULL;
}

static const char *authenticate_refusal(struct racing_oracle *o, const struct o_link *l,
                                        const struct o_command *c, struct span *name,
                                        struct span *password, bool *auth_failed)
{
    const struct json_val *v = &c->v[OM_PASSWORD];
    *name = span_of(l->name, l->name_n);
    *auth_failed = true;
    if (!l->named)
        return "Please set your name first with the NAME command.";
    if (v->type == JSON_ABSENT || v->type == JSON_NULL) {
        *auth_failed = false;
        return "Password is required for authentication.";
    }
    if (o_string(o, 1, v, password) < 0 || password->n == 0)
        return "Invalid password.";
    *auth_failed = false;
    return password->n > PASSWORD_LEGACY_MAX ? "Password is too long. The limit is 72 bytes."
                                             : NULL;
}

const char *o_login_refusal(struct racing_oracle *o, const struct o_link *l,
                            const struct o_command *c, struct span *name, struct span *password,
                            bool *auth_failed)
{
    *auth_failed = false;
    *password = SPAN_NULL;
    if (c->kind == O_AUTHENTICATE)
        return authenticate_refusal(o, l, c, name, password, auth_failed);
    if (o_string(o, 0, &c->v[OM_NAME], name) < 0 || name->n == 0 ||
        span_eq(*name, SPAN_LIT("Anonymous")))
        return "Name is required.";
    if (name->n > NAME_N || !utf8_is_name(*name, 1, o->set.name_max))
        return "Name is not valid.";
    return password_refusal(o, c, password);
}

bool o_is_login(struct racing_oracle *o, const struct o_link *l, const struct o_command *c)
{
    struct span name, password;
    bool auth_failed;
    return (c->kind == O_NAME || c->kind == O_AUTHENTICATE) &&
           !o_login_refusal(o, l, c, &name, &password, &auth_failed) && password.n;
}

bool o_login_fields(struct racing_oracle *o, const struct o_link *l, const struct o_command *c,
                    struct span *name, struct span *password)
{
    *name = span_of(l->name, l->name_n);
    if (c->kind != O_NAME && c->kind != O_AUTHENTICATE)
        return false;
    return o_string(o, 1, &c->v[OM_PASSWORD], password) > 0 && password->n <= PASSWORD_LEGACY_MAX &&
           (c->kind == O_AUTHENTICATE || o_string(o, 0, &c->v[OM_NAME], name) > 0) &&
           name->n <= NAME_N;
}

static struct o_offer offer_of(const struct o_command *c)
{
    struct o_offer f = {0};
    struct json_val e;
    unsigned seen = 0;
    if (c->v[OM_AEAD].type != JSON_ARRAY)
        return f;
    for (size_t at = 0; seen++ < 8 && json_next(c->v[OM_AEAD].raw, &at, &e);) {
        f.gcm |= o_text_is(&e, "aes-256-gcm");
        f.hmac |= o_text_is(&e, "aes-256-cbc-hmac-sha256");
    }
    f.pack = c->v[OM_PACK].type == JSON_TRUE;
    return f;
}

void o_login_begin(struct racing_oracle *o, struct o_link *l, const struct o_command *c)
{
    struct span name, password;
    CHECK(o_login_fields(o, l, c, &name, &password));
    struct o_pending *p = &l->login;
    p->on = true;
    p->authenticate = c->kind == O_AUTHENTICATE;
    p->before_drain = !o->draining;
    p->req = 0;
    p->since = o_now(o);
    p->name_n = (uint8_t)name.n;
    memcpy(p->name, name.p, name.n);
    p->password_n = password.n;
    memcpy(p->password, password.p, password.n);
    p->offer = offer_of(c);
    o_handled(o, l, c);
}

/* ---- consumed ---- */

/* A command that the service is through with, and nothing was said. */
static void silent(struct racing_oracle *o, struct o_link *l, const struct o_command *c)
{
    if (c->kind == O_NOTHING || c->kind == O_PONG) {
        l->cur = c->after; /* charged with the next: in a batch nothing tells when it was handled */
        l->touched = l->active = l->progress = o_now(o);
    } else if (!l->login.on && o_is_login(o, l, c)) {
        o_login_begin(o, l, c);
    } else {
        o_must_end(o, l, ENDING_LOST); /* its reply found no room, or no memory */
        o_handled(o, l, c);
    }
}

void oracle_consumed(struct sim *s, uint64_t no, size_t n)
{
    struct racing_oracle *o = oracle_of(s);
    struct o_link *l = o_link(o, o_link_by_no(o, no));
    if (!l || l->mute)
        return;
    l->answered = 0;
    if (n > l->in.n) {
        sim_find(s, "replies", "link %llu: more was consumed than was heard",
                 (unsigned long long)no);
        return;
    }
    for (const struct o_command *c; l->cur.at < n;) {
        struct o_cursor cur = l->cur; /* a batch may be through, or empty */
        c = o_next(o, l, &cur, n);
        l->cur = cur;
        if (!c)
            break;
        silent(o, l, c);
    }
    if (l->login.on && !l->login.req)
        o_chain_adopt(o, l);
    if (l->cur.at != n)
        sim_find(s, "replies", "session %.8s: %zu bytes were consumed and %zu were answered", l->id,
                 n, l->cur.at);
    size_t used = l->cur.at < n ? l->cur.at : n;
    buf_consume(&l->in, used);
    l->cur.at -= used;
}
