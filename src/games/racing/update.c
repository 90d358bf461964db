#include "games/racing/update.h"

#include "base/err.h"

enum {
    F_COMMAND,
    F_SESSION_ID,
    F_CLIENT_ID,
    F_ROOM_ID,
    F_POSITION,
    F_ROTATION,
    F_INPUT,
    F_CONTROLS
};

/* Values of a part and what stands in for a missing one. */
static const char *const axes[] = {"x", "y", "z", "w"};
static const char *const controls[] = {"steering", "throttle", "brake", "timestamp"};

static const char *const members[F_CONTROLS + ARRAY_LEN(controls)] = {
    [F_COMMAND] = "command",
    [F_SESSION_ID] = "sessionId",
    [F_CLIENT_ID] = "client_id",
    [F_ROOM_ID] = "roomId",
    [F_POSITION] = "position",
    [F_ROTATION] = "rotation",
    [F_INPUT] = "input",
    [F_CONTROLS] = "steering",
    "throttle",
    "brake",
    "timestamp",
};

static const char *const *value_names(const struct update *u)
{
    return u->kind == UPDATE_INPUT ? controls : axes;
}

static size_t value_count(const struct update *u, const struct update_part *p)
{
    return u->kind == UPDATE_POSITION && p == &u->part[0] ? 3 : 4;
}

/* Everything defaults to 0 but the w of a rotation. */
static const char *value_default(const struct update *u, const struct update_part *p, size_t i)
{
    return u->kind == UPDATE_POSITION && p == &u->part[1] && i == 3 ? "1" : "0";
}

static bool missing(const struct json_val *v)
{
    return v->type == JSON_ABSENT || v->type == JSON_NULL;
}

static bool is_word(struct span s, const char *upper)
{
    if (s.n != strlen(upper))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i] >= 'a' && s.p[i] <= 'z' ? (uint8_t)(s.p[i] - 'a' + 'A') : s.p[i];
        if (c != (uint8_t)upper[i])
            return false;
    }
    return true;
}

static int read_command(struct update *u, const struct json_val *v)
{
    struct span command;
    if (json_string_view(v, u->scratch, 16, &command) < 0)
        return E_FORMAT;
    if (is_word(command, "UPDATE"))
        u->kind = UPDATE_POSITION;
    else if (is_word(command, "INPUT"))
        u->kind = UPDATE_INPUT;
    else
        return E_FORMAT;
    return 0;
}

/* Checks the values of a part and converts them where wanted. */
static int read_values(const struct update *u, struct update_part *p, float *to)
{
    p->complete = true;
    for (size_t i = 0; i < value_count(u, p); i++) {
        float f = value_default(u, p, i)[0] == '1' ? 1.0f : 0.0f;
        if (missing(&p->value[i])) {
            p->complete = false;
        } else {
            int rc = json_float(&p->value[i], &f);
            if (rc)
                return rc;
        }
        if (to)
            to[i] = f;
    }
    return 0;
}

/* A part that is an object of its own, or missing. */
static int read_part(const struct update *u, struct update_part *p, const char *name,
                     const struct json_val *v, float *to)
{
    p->name = name;
    if (v->type == JSON_OBJECT) {
        p->raw = v->raw;
        if (json_object(v->raw, value_names(u), value_count(u, p), p->value) < 0)
            return E_FORMAT;
    } else if (!missing(v)) {
        return E_FORMAT;
    }
    return read_values(u, p, to);
}

static int read_input(struct update *u, const struct json_val *v)
{
    struct update_part *p = &u->part[0];
    int rc = 0;
    if (missing(&v[F_INPUT])) {
        memcpy(p->value, v + F_CONTROLS, sizeof p->value);
        rc = read_values(u, p, NULL);
    } else {
        rc = read_part(u, p, "input", &v[F_INPUT], NULL);
    }
    if (rc)
        return rc;
    return missing(&p->value[0]) && missing(&p->value[1]) && missing(&p->value[2]) ? E_FORMAT : 0;
}

static int read_update(struct update *u, const struct json_val *v)
{
    int rc = read_part(u, &u->part[0], "position", &v[F_POSITION], u->position);
    return rc ? rc : read_part(u, &u->part[1], "rotation", &v[F_ROTATION], u->rotation);
}

/* How often a text stands in another. */
static unsigned occurrences(struct span in, struct span what)
{
    unsigned n = 0;
    const uint8_t *at = in.p, *end = in.p + in.n;
    while ((at = memmem(at, (size_t)(end - at), what.p, what.n)) != NULL) {
        at += what.n;
        n++;
    }
    return n;
}

/* Whether some member's name is written with escapes. */
static bool has_escaped_name(struct span object)
{
    struct span name;
    struct json_val v;
    if (!memchr(object.p, '\\', object.n))
        return false;
    for (size_t at = 0; json_member(object, &at, &name, &v);)
        if (name.n && memchr(name.p, '\\', name.n))
            return true;
    return false;
}

/* Two parsers may disagree about a key that comes twice or is written with escapes. Whose message
 * it is must not depend on that, so such a text is never passed on as it is. */
static bool sender_is_plain(const struct update *u, const struct json_val *v)
{
    if (v[F_SESSION_ID].raw.n != u->session_id.n + 2 ||
        occurrences(u->text, SPAN_LIT("\"sessionId\"")) != 1 || has_escaped_name(u->text))
        return false;
    unsigned clients = occurrences(u->text, SPAN_LIT("client_id"));
    if (!u->client_id)
        return clients == 0;
    return clients == 1 && span_eq(v[F_CLIENT_ID].raw, v[F_SESSION_ID].raw);
}

static struct span trim(struct span s)
{
    while (s.n && (s.p[s.n - 1] <= ' '))
        s.n--;
    while (s.n && s.p[0] <= ' ')
        s = span_skip(s, 1);
    return s;
}

int update_parse(struct span text, struct update *u)
{
    struct json_val v[ARRAY_LEN(members)];
    if (json_object(text, members, ARRAY_LEN(members), v) != JSON_OBJECT)
        return E_FORMAT;
    *u = (struct update){.text = trim(text),
                         .room_id = v[F_ROOM_ID],
                         .client_id = v[F_CLIENT_ID].type != JSON_ABSENT};
    if (read_command(u, &v[F_COMMAND]) ||
        json_string_view(&v[F_SESSION_ID], u->scratch, sizeof u->scratch, &u->session_id) <= 0)
        return E_FORMAT;
    int rc = u->kind == UPDATE_INPUT ? read_input(u, v) : read_update(u, v);
    if (rc)
        return rc;
    bool complete = u->part[0].complete && (u->kind == UPDATE_INPUT || u->part[1].complete);
    u->rewrite = !complete || !sender_is_plain(u, v);
    return 0;
}

/* ---- writing anew ---- */

static void put_name(struct buf *to, struct span name, bool first)
{
    if (!first)
        (void)buf_append_byte(to, ',');
    (void)buf_append_byte(to, '"');
    (void)buf_append_span(to, name);
    (void)buf_append_str(to, "\":");
}

static void put_value(const struct update *u, const struct update_part *p, size_t i, struct buf *to)
{
    if (missing(&p->value[i]))
        (void)buf_append_str(to, value_default(u, p, i));
    else
        (void)buf_append_span(to, p->value[i].raw);
}

static bool is_value(const struct update *u, const struct update_part *p, struct span name)
{
    for (size_t i = 0; i < value_count(u, p); i++)
        if (json_name_is(name, value_names(u)[i]))
            return true;
    return false;
}

/* Its values, then whatever else was in it. */
static void put_part(const struct update *u, const struct update_part *p, struct buf *to)
{
    struct span name;
    struct json_val v;
    (void)buf_append_byte(to, '{');
    for (size_t i = 0; i < value_count(u, p); i++) {
        put_name(to, span_str(value_names(u)[i]), i == 0);
        put_value(u, p, i, to);
    }
    for (size_t at = 0; json_member(p->raw, &at, &name, &v);)
        if (!is_value(u, p, name)) {
            put_name(to, name, false);
            (void)buf_append_span(to, v.raw);
        }
    (void)buf_append_byte(to, '}');
}

/* Whether a member is one that is written anew, and therefore not copied. */
static bool is_ours(const struct update *u, struct span name)
{
    if (json_name_is(name, "command") || json_name_is(name, "sessionId") ||
        json_name_is(name, "client_id"))
        return true;
    for (size_t i = 0; i < UPDATE_PARTS; i++)
        if (u->part[i].name && json_name_is(name, u->part[i].name))
            return true;
    return u->kind == UPDATE_INPUT && !u->part[0].name && is_value(u, &u->part[0], name);
}

void update_rewrite(const struct update *u, struct span session_id, struct buf *to)
{
    struct span name;
    struct json_val v;
    (void)buf_append_str(to, u->kind == UPDATE_INPUT ? "{\"command\":\"INPUT\""
                                                     : "{\"command\":\"UPDATE\"");
    put_name(to, SPAN_LIT("sessionId"), false);
    json_put_string(to, session_id);
    for (size_t at = 0; json_member(u->text, &at, &name, &v);)
        if (!is_ours(u, name)) {
            put_name(to, name, false);
            (void)buf_append_span(to, v.raw);
        }
    for (size_t i = 0; i < UPDATE_PARTS && u->part[i].name; i++) {
        put_name(to, span_str(u->part[i].name), false);
        put_part(u, &u->part[i], to);
    }
    for (size_t i = 0; u->kind == UPDATE_INPUT && !u->part[0].name && i < UPDATE_VALUES; i++) {
        put_name(to, span_str(controls[i]), false);
        put_value(u, &u->part[0], i, to);
    }
    if (u->client_id) {
        put_name(to, SPAN_LIT("client_id"), false);
        json_put_string(to, session_id);
    }
    (void)buf_append_byte(to, '}');
}
