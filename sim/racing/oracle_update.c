/* The two datagram messages, read once more ("Datagram messages"), and whether one that was written
 * anew says what it said. */
#include "sim/racing/oracle_model.h"

#include "base/err.h"

enum {
    M_COMMAND,
    M_SESSION,
    M_CLIENT,
    M_ROOM,
    M_POSITION,
    M_ROTATION,
    M_INPUT,
    M_CONTROLS,
    M_N = M_CONTROLS + 4
};

static const char *const members[M_N] = {
    [M_COMMAND] = "command",
    [M_SESSION] = "sessionId",
    [M_CLIENT] = "client_id",
    [M_ROOM] = "roomId",
    [M_POSITION] = "position",
    [M_ROTATION] = "rotation",
    [M_INPUT] = "input",
    [M_CONTROLS] = "steering",
    "throttle",
    "brake",
    "timestamp",
};
static const char *const axes[] = {"x", "y", "z", "w"};

static bool missing(const struct json_val *v)
{
    return v->type == JSON_ABSENT || v->type == JSON_NULL;
}

/* n values; false when one is none. *complete: none is missing. */
static bool values(const struct json_val *v, size_t n, bool *complete)
{
    float f;
    for (size_t i = 0; i < n; i++) {
        if (missing(&v[i]))
            *complete = false;
        else if (json_float(&v[i], &f))
            return false;
    }
    return true;
}

static bool part(const struct json_val *v, const char *const *names, size_t n, struct json_val *to,
                 bool *complete)
{
    memset(to, 0, n * sizeof *to);
    if (v->type == JSON_OBJECT) {
        if (json_object(v->raw, names, n, to) != JSON_OBJECT)
            return false;
    } else if (!missing(v)) {
        return false;
    }
    return values(to, n, complete);
}

static bool read_values(const struct json_val *v, bool input, bool *complete)
{
    struct json_val p[4];
    if (!input)
        return part(&v[M_POSITION], axes, 3, p, complete) &&
               part(&v[M_ROTATION], axes, 4, p, complete);
    if (missing(&v[M_INPUT])) {
        memcpy(p, v + M_CONTROLS, sizeof p);
        if (!values(p, 4, complete))
            return false;
    } else if (!part(&v[M_INPUT], members + M_CONTROLS, 4, p, complete)) {
        return false;
    }
    return !missing(&p[0]) || !missing(&p[1]) || !missing(&p[2]);
}

static bool word_is(const struct json_val *v, const char *upper)
{
    uint8_t scratch[16];
    struct span s;
    if (json_string_view(v, scratch, sizeof scratch, &s) < 0 || s.n != strlen(upper))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] >= 'a' && s.p[i] <= 'z' ? s.p[i] - 32 : s.p[i]) != upper[i])
            return false;
    return true;
}

static unsigned times(struct span in, const char *what)
{
    unsigned n = 0;
    size_t len = strlen(what);
    const uint8_t *at = in.p, *end = in.p + in.n;
    while ((at = memmem(at, (size_t)(end - at), what, len)) != NULL) {
        at += len;
        n++;
    }
    return n;
}

/* How often a member stands in the object, and whether any name of it is escaped. */
static unsigned named(struct span object, const char *name, bool *escaped)
{
    struct span k;
    struct json_val v;
    unsigned n = 0;
    for (size_t at = 0; json_member(object, &at, &k, &v);) {
        n += json_name_is(k, name);
        *escaped |= k.n && memchr(k.p, '\\', k.n);
    }
    return n;
}

/* Whether it must be written anew. Where a text only looks like a second key, either is fine. */
static enum o_rewrite rewriting(const struct o_message *m, const struct json_val *v, bool complete)
{
    bool escaped = false;
    unsigned sessions = named(m->text, "sessionId", &escaped);
    unsigned clients = named(m->text, "client_id", &escaped);
    if (!complete || escaped || sessions > 1 || clients > 1 ||
        (clients && !span_eq(v[M_CLIENT].raw, v[M_SESSION].raw)))
        return REWRITE_YES;
    bool plain = times(m->text, "sessionId") == 1 && times(m->text, "client_id") == clients &&
                 v[M_SESSION].raw.n == m->session_id.n + 2;
    return plain ? REWRITE_NO : REWRITE_EITHER;
}

int o_message_read(struct span text, struct o_message *m)
{
    struct json_val v[M_N];
    bool complete = true;
    if (json_object(text, members, M_N, v) != JSON_OBJECT)
        return E_FORMAT;
    while (text.n && text.p[text.n - 1] <= ' ')
        text.n--;
    while (text.n && text.p[0] <= ' ')
        text = span_skip(text, 1);
    *m = (struct o_message){.text = text, .room_id = v[M_ROOM]};
    m->input = word_is(&v[M_COMMAND], "INPUT");
    m->has_client = v[M_CLIENT].type != JSON_ABSENT;
    if (!m->input && !word_is(&v[M_COMMAND], "UPDATE"))
        return E_FORMAT;
    if (json_string_view(&v[M_SESSION], m->scratch, sizeof m->scratch, &m->session_id) <= 0 ||
        !read_values(v, m->input, &complete))
        return E_FORMAT;
    m->rewrite = rewriting(m, v, complete);
    return 0;
}

/* ---- written anew ---- */

/* A value that was there is there unchanged, a missing one is its default. */
static bool kept(const struct json_val *was, const struct json_val *is, const char *standing_in)
{
    if (missing(was))
        return span_eq(is->raw, span_str(standing_in));
    return is->type == was->type && span_eq(is->raw, was->raw);
}

static bool part_kept(const struct json_val *was, const struct json_val *is,
                      const char *const *names, size_t n, bool rotation)
{
    struct json_val a[4] = {0}, b[4];
    struct span k;
    struct json_val v;
    bool escaped = false;
    if (is->type != JSON_OBJECT || json_object(is->raw, names, n, b) != JSON_OBJECT)
        return false;
    if (was->type == JSON_OBJECT && json_object(was->raw, names, n, a) != JSON_OBJECT)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!kept(&a[i], &b[i], rotation && i == 3 ? "1" : "0") ||
            named(is->raw, names[i], &escaped) != 1)
            return false;
    /* What else was in it is in it still. */
    for (size_t at = 0; was->type == JSON_OBJECT && json_member(was->raw, &at, &k, &v);) {
        bool ours = false;
        for (size_t i = 0; i < n; i++)
            ours |= json_name_is(k, names[i]);
        if (!ours && !memmem(is->raw.p, is->raw.n, v.raw.p, v.raw.n))
            return false;
    }
    return true;
}

static bool others_kept(struct span was, struct span is)
{
    struct span k;
    struct json_val v;
    for (size_t at = 0; json_member(was, &at, &k, &v);) {
        bool ours = false;
        for (size_t i = 0; i < M_N; i++)
            ours |= i != M_ROOM && json_name_is(k, members[i]);
        if (!ours && !memmem(is.p, is.n, v.raw.p, v.raw.n))
            return false;
    }
    return true;
}

bool o_rewritten_well(const struct o_text *t, struct span was, struct span out)
{
    struct json_val a[M_N], b[M_N];
    bool escaped = false;
    if (json_object(was, members, M_N, a) != JSON_OBJECT ||
        json_object(out, members, M_N, b) != JSON_OBJECT ||
        !word_is(&b[M_COMMAND], t->input ? "INPUT" : "UPDATE"))
        return false;
    if (b[M_SESSION].raw.n != ID_N + 2 || memcmp(b[M_SESSION].raw.p + 1, t->sender_id, ID_N) != 0 ||
        named(out, "sessionId", &escaped) != 1 || named(out, "command", &escaped) != 1)
        return false;
    if (a[M_CLIENT].type == JSON_ABSENT ? b[M_CLIENT].type != JSON_ABSENT
                                        : !span_eq(b[M_CLIENT].raw, b[M_SESSION].raw))
        return false;
    if (!others_kept(was, out))
        return false;
    if (!t->input)
        return part_kept(&a[M_POSITION], &b[M_POSITION], axes, 3, false) &&
               part_kept(&a[M_ROTATION], &b[M_ROTATION], axes, 4, true);
    if (!missing(&a[M_INPUT]))
        return part_kept(&a[M_INPUT], &b[M_INPUT], members + M_CONTROLS, 4, false);
    for (size_t i = M_CONTROLS; i < M_N; i++)
        if (!kept(&a[i], &b[i], "0"))
            return false;
    return true;
}
