/* Conveniences for tests, over what host_fake.c does. */
#include "base/check.h"
#include "sim/host_fake_priv.h"

#include <stdlib.h>

int fake_open(struct fake *f, const char *ip, uint16_t port)
{
    struct addr peer;
    CHECK(addr_parse(&peer, ip) == 0);
    peer.port = port;
    return fake_open_at(f, 0, &peer);
}

void fake_line(struct fake *f, int link, const char *text)
{
    bool before = quiet();
    size_t n = strlen(text);
    char *line = malloc(n + 1);
    CHECK(line);
    memcpy(line, text, n);
    line[n] = '\n';
    fake_bytes(f, link, line, n + 1);
    free(line);
    loud(before);
}

struct span fake_read(const struct fake *f, int link)
{
    return buf_span(&link_at(f, link)->read);
}

void fake_forget(struct fake *f, int link)
{
    buf_clear(&link_at(f, link)->read);
}

bool fake_take_line(struct fake *f, int link, char *to, size_t cap)
{
    struct buf *b = &link_at(f, link)->read;
    const uint8_t *lf = b->n ? memchr(b->p, '\n', b->n) : NULL;
    if (!lf)
        return false;
    size_t n = (size_t)(lf - b->p);
    CHECK(n < cap);
    memcpy(to, b->p, n);
    to[n] = '\0';
    buf_consume(b, n + 1);
    return true;
}

struct path fake_path(const char *ip, uint16_t port)
{
    struct path p = {.sock = 1};
    CHECK(addr_parse(&p.peer, ip) == 0 && addr_parse(&p.local, "192.0.2.1") == 0);
    p.peer.port = port;
    return p;
}

void fake_dgram(struct fake *f, const struct path *path, struct span bytes)
{
    bool before = quiet();
    uint8_t *exact = malloc(bytes.n ? bytes.n : 1);
    CHECK(exact);
    if (bytes.n)
        memcpy(exact, bytes.p, bytes.n);
    struct dgram d = {*path, span_of(exact, bytes.n)};
    fake_dgrams(f, &d, 1);
    free(exact);
    loud(before);
}

void fake_forget_dgrams(struct fake *f)
{
    uint8_t bytes[FAKE_DGRAM_BYTES];
    while (fake_take_dgram(f, NULL, bytes, sizeof bytes) >= 0)
        ;
}

void fake_drain(struct fake *f, nsec after)
{
    struct notice n = {.kind = NOTICE_DRAIN, .u.deadline = f->now.mono + after};
    fake_notice(f, &n);
}

void fake_moderate(struct fake *f, enum notice_kind kind, const char *id)
{
    struct notice n = {.kind = kind, .u.id = span_str(id)};
    fake_notice(f, &n);
}

void fake_answer_all(struct fake *f)
{
    while (fake_answer(f))
        ;
}
