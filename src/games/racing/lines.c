/* Lines are strictly in order: while a login is pending nothing behind it is looked at, the edge
 * keeps the bytes and stops reading, and TCP does the rest. A BATCH whose element must wait is not
 * consumed; it is seen again later, the same bytes, and batch_at says how far it was handled. */
#include "games/racing/lines.h"

#include "base/err.h"
#include "base/plant.h"
#include "games/racing/commands.h"
#include "games/racing/replies.h"
#include "games/racing/sessions.h"
#include "wire/json.h"
#include "wire/line.h"

#define BATCH_MAX 32u
#define SAID_MAX  (RACING_OUT_MAX / 8) /* bytes of replies in one go */

/* Whether the next command may be handled now; if not, the link is paused until it may. */
static bool rate_allows(struct racing *g, struct now now, struct session *s)
{
    if (bucket_take(&s->commands, &g->set.commands, now.mono))
        return true;
    nsec when = now.mono + bucket_wait(&s->commands, &g->set.commands, now.mono);
    timerq_set(&g->resumes, &s->resume, when);
    host_pause(g->host, s->link);
    host_wake(g->host, when);
    return false;
}

static bool stopped(const struct session *s)
{
    bool waiting = s->waiting != WAIT_NOTHING && !PLANTED(ORDER_BROKEN_BEHIND_LOGIN);
    return s->ending || list_linked(&s->doomed) || waiting || s->resume.set;
}

/* Who asks for more than he has read yet is answered bit by bit, as he reads: the host calls again
 * for the rest when there is room. */
static bool said_enough(struct racing *g, struct session *s)
{
    if (s->said < SAID_MAX)
        return false;
    host_pause(g->host, s->link);
    host_resume(g->host, s->link);
    return true;
}

/* Elements from batch_at on; false when one has to wait. */
static bool batch_elements(struct racing *g, struct now now, struct session *s, struct span array)
{
    struct json_val v;
    for (size_t at = s->batch_at; json_next(array, &at, &v); s->batch_at = (uint32_t)at) {
        if (stopped(s) || said_enough(g, s) || !rate_allows(g, now, s))
            return false;
        command_handle(g, now, s, v.raw, true);
    }
    return !stopped(s);
}

static uint32_t count_elements(struct span array)
{
    struct json_val v;
    uint32_t n = 0;
    for (size_t at = 0; n <= BATCH_MAX && json_next(array, &at, &v);)
        n++;
    return n;
}

/* Finds the elements of a BATCH, or refuses it. */
static void batch_begin(struct racing *g, struct session *s, struct span line)
{
    static const char *const names[] = {"messages"};
    struct json_val v[ARRAY_LEN(names)];
    if (json_object(line, names, ARRAY_LEN(names), v) != JSON_OBJECT || v[0].type != JSON_ARRAY) {
        reply_error(g, s, "Invalid JSON format");
    } else if (count_elements(v[0].raw) > BATCH_MAX) {
        reply_error(g, s, "Too many messages in one BATCH. The limit is 32.");
    } else {
        s->in_batch = true;
        s->batch_from = (uint32_t)(v[0].raw.p - line.p);
        s->batch_n = (uint32_t)v[0].raw.n;
        s->batch_at = 0;
    }
}

/* True when the line is done with, false when it has to be seen again. A BATCH that is seen again
 * was charged for already: charging it each time would take what its next element waits for. Nor is
 * it searched again: that would cost its whole length for each element. */
static bool line_in(struct racing *g, struct now now, struct session *s, struct span line)
{
    if (!s->in_batch) {
        if (!rate_allows(g, now, s))
            return false;
        if (command_handle(g, now, s, line, false) == COMMAND_BATCH)
            batch_begin(g, s, line);
        if (!s->in_batch)
            return true;
    }
    if (!batch_elements(g, now, s, span_of(line.p + s->batch_from, s->batch_n)))
        return false;
    s->in_batch = false;
    return true;
}

size_t lines_in(struct racing *g, struct now now, struct session *s, struct span bytes)
{
    struct span rest = bytes, line;
    size_t used, last = 0;
    s->said = 0;
    while (!stopped(s)) {
        int rc = line_next(rest, g->set.line_max, &line, &used);
        if (rc == E_MORE || said_enough(g, s))
            break;
        if (rc) {
            reply_error(g, s, "Message too long");
            session_end(g, s, CLOSE_PROTOCOL);
            break;
        }
        session_touch(g, s, now);
        if (!line_in(g, now, s, line) && !s->ending)
            break;
        rest = span_skip(rest, used);
        if (PLANTED(LINE_TWICE))
            last = used;
    }
    if (PLANTED(LINE_TWICE) && rest.n && !stopped(s))
        return bytes.n - rest.n - last;
    return s->ending ? bytes.n : bytes.n - rest.n;
}

void lines_resume(struct racing *g, struct session *s)
{
    s->waiting = WAIT_NOTHING;
    host_resume(g->host, s->link);
}

void lines_due(struct racing *g, struct now now)
{
    struct timer *t;
    while ((t = timerq_pop(&g->resumes, now.mono))) {
        struct session *s = CONTAINER_OF(t, struct session, resume);
        session_touch(g, s, now); /* what waits here is the server's doing, not silence */
        host_resume(g->host, s->link);
    }
}
