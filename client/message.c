/* UPDATE and INPUT as text (docs/protocol-racing.md, "Datagram messages"). */
#include "base/err.h"
#include "client/datagram.h"
#include "wire/json.h"

#include <math.h>
#include <strings.h>

#define TIMESTAMP_MAX_S 1e12

static void put_str(struct buf *to, const char *s)
{
    (void)buf_append_str(to, s); /* errors stay in to->failed */
}

/* Members "x":..., by name; names has one character for each number. */
static void put_axes(struct buf *to, const char *names, const float *v)
{
    for (size_t i = 0; names[i]; i++) {
        char key[] = {i ? ',' : '{', '"', names[i], '"', ':', '\0'};
        put_str(to, key);
        json_put_float(to, v[i]);
    }
    put_str(to, "}");
}

/* Seconds with up to six decimals. Written from integers: printf's decimal point depends on the
 * locale of the program that uses the library. */
static void put_seconds(struct buf *to, double s)
{
    int64_t us = (int64_t)llround(s * 1e6);
    if (us < 0)
        put_str(to, "-");
    uint64_t a = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    (void)buf_printf(to, "%llu", (unsigned long long)(a / 1000000));
    if (a % 1000000 == 0)
        return;
    char digits[8] = ".";
    uint64_t rest = a % 1000000;
    for (size_t i = 6; i > 0; i--, rest /= 10)
        digits[i] = (char)('0' + rest % 10);
    for (size_t i = 6; digits[i] == '0'; i--)
        digits[i] = '\0';
    put_str(to, digits);
}

static bool all_finite(const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return false;
    return true;
}

/* Closes the object behind the caller's own members; start is where it began in to. */
static int finish(struct buf *to, size_t start, const char *extra)
{
    if (extra && *extra) {
        put_str(to, ",");
        put_str(to, extra);
    }
    put_str(to, "}");
    if (to->failed)
        return E_LIMIT;
    struct span text = span_skip(buf_span(to), start);
    if (extra && *extra && json_check(text) != JSON_OBJECT)
        return E_FORMAT;
    return 0;
}

static void put_head(struct buf *to, const char *command, struct span session_id)
{
    put_str(to, "{\"command\":\"");
    put_str(to, command);
    put_str(to, "\",\"sessionId\":");
    json_put_string(to, session_id);
}

int sgc_update_text(struct buf *to, struct span session_id, const struct slipgate_update *m)
{
    const float at[] = {m->position.x, m->position.y, m->position.z};
    const float turn[] = {m->rotation.x, m->rotation.y, m->rotation.z, m->rotation.w};
    if (!all_finite(at, ARRAY_LEN(at)) || !all_finite(turn, ARRAY_LEN(turn)))
        return E_RANGE;
    size_t start = to->n;
    put_head(to, "UPDATE", session_id);
    put_str(to, ",\"position\":");
    put_axes(to, "xyz", at);
    put_str(to, ",\"rotation\":");
    put_axes(to, "xyzw", turn);
    return finish(to, start, m->extra);
}

static void put_controls(struct buf *to, const struct slipgate_input *m)
{
    put_str(to, "\"steering\":");
    json_put_float(to, m->steering);
    put_str(to, ",\"throttle\":");
    json_put_float(to, m->throttle);
    put_str(to, ",\"brake\":");
    json_put_float(to, m->brake);
    put_str(to, ",\"timestamp\":");
    put_seconds(to, m->timestamp_s);
}

int sgc_input_text(struct buf *to, struct span session_id, struct span room_id,
                   const struct slipgate_input *m)
{
    const float v[] = {m->steering, m->throttle, m->brake};
    if (!all_finite(v, ARRAY_LEN(v)) || !(fabs(m->timestamp_s) <= TIMESTAMP_MAX_S))
        return E_RANGE;
    size_t start = to->n;
    put_head(to, "INPUT", session_id);
    if (m->form == SLIPGATE_INPUT_FLAT) {
        put_str(to, ",");
        put_controls(to, m);
    } else {
        /* No room id rather than an empty one: the server drops an id that is not the sender's. */
        if (room_id.n) {
            put_str(to, ",\"roomId\":");
            json_put_string(to, room_id);
        }
        put_str(to, ",\"input\":{");
        put_controls(to, m);
        put_str(to, "},\"client_id\":");
        json_put_string(to, session_id);
    }
    return finish(to, start, m->extra);
}

/* What is absent, or null, keeps its default. */
static bool is_given(const struct json_val *v)
{
    return v->type != JSON_ABSENT && v->type != JSON_NULL;
}

static int read_float(const struct json_val *v, float *ret)
{
    return is_given(v) ? json_float(v, ret) : 0;
}

/* names[i] of the object obj into v[i]. */
static int read_axes(const struct json_val *obj, const char *const *names, size_t n, float *v)
{
    struct json_val axis[4];
    if (!is_given(obj))
        return 0;
    if (json_object(obj->raw, names, n, axis) != JSON_OBJECT)
        return E_FORMAT;
    for (size_t i = 0; i < n; i++)
        if (read_float(&axis[i], &v[i]) != 0)
            return E_FORMAT;
    return 0;
}

enum {
    M_COMMAND,
    M_SESSION,
    M_POSITION,
    M_ROTATION,
    M_INPUT,
    M_STEERING,
    M_THROTTLE,
    M_BRAKE,
    M_TIMESTAMP,
    M_N
};

static int read_update(const struct json_val *v, struct slipgate_update_in *u)
{
    static const char *const axes[] = {"x", "y", "z", "w"};
    float at[3] = {0, 0, 0}, turn[4] = {0, 0, 0, 1};
    if (read_axes(&v[M_POSITION], axes, 3, at) != 0 ||
        read_axes(&v[M_ROTATION], axes, 4, turn) != 0)
        return E_FORMAT;
    u->position = (struct slipgate_vec3){at[0], at[1], at[2]};
    u->rotation = (struct slipgate_quat){turn[0], turn[1], turn[2], turn[3]};
    return 0;
}

static int read_input(const struct json_val *v, struct slipgate_input_in *in)
{
    static const char *const names[] = {"steering", "throttle", "brake", "timestamp"};
    struct json_val c[4] = {v[M_STEERING], v[M_THROTTLE], v[M_BRAKE], v[M_TIMESTAMP]};
    if (is_given(&v[M_INPUT]) &&
        json_object(v[M_INPUT].raw, names, ARRAY_LEN(names), c) != JSON_OBJECT)
        return E_FORMAT;
    if (read_float(&c[0], &in->steering) != 0 || read_float(&c[1], &in->throttle) != 0 ||
        read_float(&c[2], &in->brake) != 0)
        return E_FORMAT;
    if (is_given(&c[3]) && json_double(&c[3], &in->timestamp_s) != 0)
        return E_FORMAT;
    return 0;
}

int sgc_message_parse(struct span json, struct sgc_message *ret)
{
    static const char *const names[M_N] = {
        [M_COMMAND] = "command",   [M_SESSION] = "sessionId", [M_POSITION] = "position",
        [M_ROTATION] = "rotation", [M_INPUT] = "input",       [M_STEERING] = "steering",
        [M_THROTTLE] = "throttle", [M_BRAKE] = "brake",       [M_TIMESTAMP] = "timestamp",
    };
    struct json_val v[M_N];
    char command[8];
    if (json_object(json, names, M_N, v) != JSON_OBJECT)
        return E_FORMAT;
    int n = json_string(&v[M_COMMAND], command, sizeof command - 1);
    int id = json_string(&v[M_SESSION], ret->sender_id, SGC_ID_MAX);
    if (n < 0 || id <= 0 || memchr(ret->sender_id, '\0', (size_t)id))
        return E_FORMAT;
    command[n] = '\0';
    ret->sender_id[id] = '\0';
    if (strcasecmp(command, "UPDATE") == 0) {
        ret->kind = SGC_UPDATE;
        ret->update = (struct slipgate_update_in){
            .sender_id = ret->sender_id, .json = (const char *)json.p, .json_len = json.n};
        return read_update(v, &ret->update);
    }
    if (strcasecmp(command, "INPUT") == 0) {
        ret->kind = SGC_INPUT;
        ret->input = (struct slipgate_input_in){
            .sender_id = ret->sender_id, .json = (const char *)json.p, .json_len = json.n};
        return read_input(v, &ret->input);
    }
    return E_FORMAT;
}
