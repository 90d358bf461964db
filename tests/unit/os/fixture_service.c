#include "fixture.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct listener_spec echo_specs[SERVER_LISTENERS_MAX];
size_t echo_specs_n;
int echo_create_rc;

static size_t listeners(const struct config *c, struct listener_spec *ret, size_t cap)
{
    (void)c;
    for (size_t i = 0; i < echo_specs_n && i < cap; i++)
        ret[i] = echo_specs[i];
    return echo_specs_n;
}

static void enter(struct service *s)
{
    assert_int_equal(s->busy, 0);
    s->busy++;
}

static void leave(struct service *s)
{
    s->busy--;
}

static int create(struct service **ret, struct host *h, const struct config *c, struct now now)
{
    (void)c;
    (void)now;
    if (echo_create_rc)
        return echo_create_rc;
    struct service *s = mem_zalloc(1, sizeof *s);
    assert_non_null(s);
    s->host = h;
    s->dgram_copies = 1;
    buf_init(&s->log, 1 << 20);
    *ret = s;
    return 0;
}

static void destroy(struct service *s)
{
    buf_fini(&s->log);
    mem_free(s);
}

static struct echo_link *link_of(struct service *s, struct link_ref ref)
{
    assert_true(ref.r.slot < ARRAY_LEN(s->links));
    struct echo_link *l = &s->links[ref.r.slot];
    assert_true(l->open && ref_eq(l->ref.r, ref.r));
    return l;
}

static void on_open(struct service *s, struct now now, struct link_ref ref,
                    const struct link_info *info)
{
    (void)now;
    enter(s);
    assert_true(ref.r.slot < ARRAY_LEN(s->links));
    struct echo_link *l = &s->links[ref.r.slot];
    assert_false(l->open);
    *l = (struct echo_link){.open = true, .info = *info, .ref = ref};
    s->opens++;
    assert_int_equal(host_send(s->host, ref, SPAN_LIT("hello\n")), 0);
    if (s->close_on_open)
        host_close(s->host, ref, CLOSE_KICK);
    leave(s);
}

static void send_many(struct service *s, struct link_ref ref, size_t n)
{
    char x[1024];
    memset(x, 'x', sizeof x);
    for (; n > 0; n -= n < sizeof x ? n : sizeof x)
        assert_int_equal(host_send(s->host, ref, span_of(x, n < sizeof x ? n : sizeof x)), 0);
}

static void flood(struct service *s, struct link_ref ref)
{
    char x[1024];
    memset(x, 'x', sizeof x);
    size_t sent = 0;
    int rc;
    while ((rc = host_send(s->host, ref, span_of(x, sizeof x))) == 0)
        sent += sizeof x;
    assert_int_equal(rc, E_FULL);
    assert_true(sent <= echo_specs[0].out_max);
    host_close(s->host, ref, CLOSE_SLOW);
}

static void command(struct service *s, struct now now, struct echo_link *l, const char *line)
{
    char answer[128];
    if (strncmp(line, "pause ", 6) == 0) {
        l->resume_at = now.mono + strtoul(line + 6, NULL, 10) * NSEC_PER_MS;
        host_pause(s->host, l->ref);
        host_wake(s->host, l->resume_at);
    } else if (strncmp(line, "spin ", 5) == 0) {
        l->spins = (uint32_t)strtoul(line + 5, NULL, 10);
    } else if (strncmp(line, "send ", 5) == 0) {
        send_many(s, l->ref, strtoul(line + 5, NULL, 10));
    } else if (strcmp(line, "flood") == 0) {
        flood(s, l->ref);
    } else if (strcmp(line, "bye") == 0) {
        assert_int_equal(host_send(s->host, l->ref, SPAN_LIT("bye\n")), 0);
        host_close(s->host, l->ref, CLOSE_BYE);
        l->closed = true;
    } else if (strcmp(line, "close-first") == 0) {
        host_close(s->host, l->ref, CLOSE_KICK);
        assert_int_equal(host_send(s->host, l->ref, SPAN_LIT("no\n")), E_STALE);
        host_close(s->host, l->ref, CLOSE_BYE); /* the first one counts */
        l->closed = true;
    } else if (strcmp(line, "hold") == 0) {
        l->hold = true;
    } else if (strcmp(line, "ask") == 0) {
        struct ask a = {.kind = ASK_ACCOUNT_FIND, .u.find.name = SPAN_LIT("x")};
        int rc = host_ask(s->host, &a, (uint64_t)l->ref.r.slot << 32 | l->ref.r.gen);
        (void)snprintf(answer, sizeof answer, "asked %d\n", rc);
        assert_int_equal(host_send(s->host, l->ref, span_str(answer)), 0);
    } else {
        (void)snprintf(answer, sizeof answer, "%.100s\n", line);
        int rc = host_send(s->host, l->ref, span_str(answer));
        if (rc == E_FULL) {
            host_close(s->host, l->ref, CLOSE_SLOW);
            l->closed = true;
        }
    }
}

static size_t on_bytes(struct service *s, struct now now, struct link_ref ref, struct span all)
{
    enter(s);
    struct echo_link *l = link_of(s, ref);
    assert_false(l->closed);
    assert_int_equal(l->resume_at, 0);
    size_t used = 0;
    l->calls++;
    assert_true(all.n > 0);
    if (all.n > l->most)
        l->most = all.n;
    if (l->spins) {
        l->spins--;
        host_pause(s->host, ref);
        host_resume(s->host, ref);
        leave(s);
        return 0;
    }
    while (!l->hold && !l->closed && !l->resume_at && !l->spins) {
        const uint8_t *lf = memchr(all.p + used, '\n', all.n - used);
        if (!lf)
            break;
        char line[1024] = {0};
        size_t n = (size_t)(lf - all.p) - used;
        memcpy(line, all.p + used, n < sizeof line ? n : sizeof line - 1);
        (void)buf_append(&s->log, all.p + used, n + 1);
        used += n + 1;
        command(s, now, l, line);
    }
    if (l->spins) {
        host_pause(s->host, ref);
        host_resume(s->host, ref);
    }
    leave(s);
    return used;
}

static void on_close(struct service *s, struct now now, struct link_ref ref, enum close_why why)
{
    (void)now;
    enter(s);
    struct echo_link *l = link_of(s, ref);
    l->open = false;
    l->why = why;
    l->closes++;
    s->closes++;
    assert_int_equal(host_send(s->host, ref, SPAN_LIT("late\n")), E_STALE);
    leave(s);
}

static void on_dgrams(struct service *s, struct now now, uint16_t listener, const struct dgram *v,
                      size_t n)
{
    (void)now;
    enter(s);
    s->batches++;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(v[i].path.sock, listener);
        s->dgrams++;
        s->last_path = v[i].path;
        for (unsigned k = 0; k < s->dgram_copies; k++)
            (void)host_dgram(s->host, &v[i].path, v[i].bytes, SEAL_REF_NONE, DGRAM_EVENT, 0);
    }
    leave(s);
}

static void on_answer(struct service *s, struct now now, const struct answer *a)
{
    (void)now;
    enter(s);
    struct link_ref ref = {{(uint32_t)(a->req >> 32), (uint32_t)a->req}};
    char text[64];
    (void)snprintf(text, sizeof text, "answer %d\n", a->rc);
    (void)host_send(s->host, ref, span_str(text)); /* E_STALE when it left meanwhile */
    leave(s);
}

static void on_notice(struct service *s, struct now now, const struct notice *n)
{
    (void)now;
    enter(s);
    s->notices++;
    s->drains += n->kind == NOTICE_DRAIN;
    leave(s);
}

static nsec on_time(struct service *s, struct now now)
{
    enter(s);
    nsec next = NSEC_NEVER;
    s->times++;
    for (size_t i = 0; i < ARRAY_LEN(s->links); i++) {
        struct echo_link *l = &s->links[i];
        if (!l->open || !l->resume_at)
            continue;
        if (l->resume_at <= now.mono) {
            l->resume_at = 0;
            host_resume(s->host, l->ref);
        } else if (l->resume_at < next) {
            next = l->resume_at;
        }
    }
    leave(s);
    return next;
}

static void view(const struct service *s, struct service_view *v)
{
    v->sessions = s->opens - s->closes;
}

static int check(const struct service *s, struct buf *why)
{
    (void)s;
    (void)why;
    return 0;
}

const struct service_ops echo_ops = {
    .name = "echo",
    .listeners = listeners,
    .create = create,
    .destroy = destroy,
    .on_open = on_open,
    .on_bytes = on_bytes,
    .on_close = on_close,
    .on_dgrams = on_dgrams,
    .on_answer = on_answer,
    .on_notice = on_notice,
    .on_time = on_time,
    .view = view,
    .check = check,
};
