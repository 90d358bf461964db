#include "sim/racing/known.h"

#include <stdio.h>

/* ---- texts ---- */

static uint64_t scatter(uint64_t bot, uint64_t n)
{
    struct rng r = {bot << 32 ^ n};
    return rng_next(&r);
}

void drive_make(struct drive *d, uint32_t bot, bool library, uint64_t n)
{
    uint64_t h = scatter(bot, n);
    *d = (struct drive){.bot = bot, .n = n};
    unsigned kind = (unsigned)(h % 10), style = (unsigned)(h >> 8) % 16;
    d->kind = kind < 6 ? DRIVE_UPDATE : kind < 8 ? DRIVE_NESTED : DRIVE_FLAT;
    d->style = library || style > 2 ? DRIVE_COMPACT : style > 0 ? DRIVE_SPACED : DRIVE_MISSING;
    for (size_t i = 0; i < ARRAY_LEN(d->v); i++)
        d->v[i] = (int)(scatter(h, i) % 400) - 200;
    d->null_room = !library && (h >> 16) % 4 == 0;
    if (d->kind != DRIVE_UPDATE)
        d->v[3] = (int)(n * 4 + 1); /* the sender's clock */
}

/* The shortest way to write it, as libslipgate writes floats and times. */
static const char *quarters(int q, char to[16])
{
    static const char *const rest[] = {"", ".25", ".5", ".75"};
    int a = q < 0 ? -q : q;
    (void)snprintf(to, 16, "%s%d%s", q < 0 ? "-" : "", a / 4, rest[a % 4]);
    return to;
}

struct pen {
    char *to;
    size_t n;
    bool spaced;
};

static void put(struct pen *p, const char *text)
{
    for (; *text && p->n < DRIVE_TEXT_MAX - 2; text++) {
        p->to[p->n++] = *text;
        if (p->spaced && (*text == ',' || *text == '{')) {
            p->to[p->n] = "\n \t"[p->n % 3];
            p->n++;
        }
    }
}

static void put_object(struct pen *p, const char *name, const char *const *keys, const int *v,
                       size_t n, bool missing)
{
    char number[16];
    if (name) {
        put(p, ",\"");
        put(p, name);
        put(p, "\":{");
    } else {
        put(p, ",");
    }
    for (size_t i = 0, any = 0; i < n; i++) {
        if (missing && i == 1)
            continue;
        put(p, any++ ? ",\"" : "\"");
        put(p, keys[i]);
        put(p, "\":");
        put(p, quarters(v[i], number));
    }
    if (name)
        put(p, "}");
}

static void put_text(struct pen *p, const char *key, const char *value)
{
    put(p, ",\"");
    put(p, key);
    put(p, "\":\"");
    put(p, value);
    put(p, "\"");
}

static void put_mark(struct pen *p, const struct drive *d)
{
    char mark[64];
    (void)snprintf(mark, sizeof mark, "\"bot\":%u,\"n\":%llu", d->bot, (unsigned long long)d->n);
    put(p, mark);
}

size_t drive_text(const struct drive *d, const char *id, const char *room, char to[DRIVE_TEXT_MAX])
{
    static const char *const axes[] = {"x", "y", "z", "w"};
    static const char *const controls[] = {"steering", "throttle", "brake", "timestamp"};
    struct pen p = {to, 0, d->style == DRIVE_SPACED};
    bool missing = d->style == DRIVE_MISSING;
    put(&p, "{");
    if (d->style == DRIVE_SPACED) {
        put_mark(&p, d);
        put(&p, ",");
    }
    put(&p, d->kind == DRIVE_UPDATE ? "\"command\":\"UPDATE\"" : "\"command\":\"INPUT\"");
    put_text(&p, "sessionId", id);
    if (d->kind == DRIVE_UPDATE) {
        put_object(&p, "position", axes, d->v, 3, missing);
        put_object(&p, "rotation", axes, d->v + 3, 4, false);
    } else if (d->kind == DRIVE_FLAT) {
        put_object(&p, NULL, controls, d->v, 4, missing);
    } else {
        if (room[0])
            put_text(&p, "roomId", room);
        else if (d->null_room)
            put(&p, ",\"roomId\":null");
        put_object(&p, "input", controls, d->v, 4, missing);
        put_text(&p, "client_id", id);
    }
    if (d->style != DRIVE_SPACED) {
        put(&p, ",");
        put_mark(&p, d);
    }
    put(&p, "}");
    return p.n;
}

/* ---- who is who ---- */

struct known {
    uint32_t bot;
    uint8_t form;
};

static struct known unpack(uint64_t v)
{
    return (struct known){(uint32_t)(v >> 8), (uint8_t)v};
}

static void set(struct bot *b, enum seal_kind form)
{
    /* Full or short of memory: the session stays unknown and nobody is judged by it. */
    (void)!hmap_put(&b->all->sessions, b->id, (uint64_t)b->number << 8 | (uint8_t)form);
}

void known_open(struct bot *b, const char *id)
{
    memcpy(b->id, id, BOT_ID);
    b->id[BOT_ID] = '\0';
    set(b, SEAL_PLAIN);
}

void known_form(struct bot *b, enum seal_kind form)
{
    if (b->id[0])
        set(b, form);
}

static uint64_t room_tag(const char *room)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < BOT_ID; i++)
        h = (h ^ (uint8_t)room[i]) * UINT64_C(1099511628211);
    return h;
}

static bool was_in(const struct bot *b, uint64_t tag)
{
    for (size_t i = 0; i < BOT_ROOMS; i++)
        if (b->rooms[i] == tag)
            return true;
    return false;
}

void known_room(struct bot *b, const char *room)
{
    uint64_t tag = room_tag(room);
    if (!was_in(b, tag))
        b->rooms[b->rooms_at++ % BOT_ROOMS] = tag;
}

void known_created(struct bot *b)
{
    b->creating -= b->creating > 0;
}

void known_end(struct bot *b)
{
    b->untold |= b->creating > 0;
    b->creating = 0;
    b->id[0] = '\0';
}

static bool share_a_room(const struct bot *a, const struct bot *b)
{
    bool sure = a->creating == 0 && b->creating == 0 && !a->untold && !b->untold;
    if (!sure || a->rooms_at > BOT_ROOMS || b->rooms_at > BOT_ROOMS)
        return true; /* cannot be told */
    for (size_t i = 0; i < BOT_ROOMS; i++)
        if (a->rooms[i] && was_in(b, a->rooms[i]))
            return true;
    return false;
}

/* ---- judging ---- */

static const uint8_t *find(struct span in, const char *what)
{
    return in.n ? memmem(in.p, in.n, what, strlen(what)) : NULL;
}

/* The 32 characters behind key, which ends with the quote that opens them. */
static bool take_id(struct span in, const char *key, char id[BOT_ID + 1])
{
    const uint8_t *at = find(in, key);
    size_t n = strlen(key);
    if (!at || (size_t)(in.p + in.n - at) < n + BOT_ID + 1 || at[n + BOT_ID] != '"')
        return false;
    memcpy(id, at + n, BOT_ID);
    id[BOT_ID] = '\0';
    return true;
}

static bool take_number(struct span in, const char *key, uint64_t *ret)
{
    const uint8_t *at = find(in, key), *end = in.p + in.n;
    if (!at)
        return false;
    *ret = 0;
    for (at += strlen(key); at < end && (*at == ' ' || *at == '\t' || *at == '\n');)
        at++;
    const uint8_t *from = at;
    for (; at < end && *at >= '0' && *at <= '9' && *ret < UINT32_MAX; at++)
        *ret = *ret * 10 + (uint64_t)(*at - '0');
    return at > from;
}

/* A packing server may have made one of the other. */
static bool is_gap(uint8_t c)
{
    return c == '\n' || c == ' ';
}

static bool same_text(struct span m, const char *text, size_t n)
{
    if (m.n != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint8_t want = (uint8_t)text[i], got = m.p[i];
        if (want != got && !(is_gap(want) && is_gap(got)))
            return false;
    }
    return true;
}

static bool strong(unsigned form)
{
    return form == SEAL_GCM || form == SEAL_CBC_HMAC;
}

/* Whether the message is what its bot says at that number. */
static bool could_have_said(const struct bot *from, const char *id, struct span m, uint64_t *n)
{
    uint64_t bot;
    struct drive d;
    char room[BOT_ID + 1] = "", text[DRIVE_TEXT_MAX];
    if (!take_number(m, "\"bot\":", &bot) || !take_number(m, "\"n\":", n) || bot != from->number ||
        *n == 0 || *n > from->said)
        return false;
    drive_make(&d, from->number, from->library, *n);
    if (d.style == DRIVE_MISSING)
        return true; /* how it is written anew is the oracle's to know */
    if (d.kind == DRIVE_NESTED)
        (void)take_id(m, "\"roomId\":\"", room);
    return same_text(m, text, drive_text(&d, id, room, text));
}

/* Heard before, as far as can be told. */
static bool heard(struct ear *e, uint32_t bot, const char *id, uint64_t n)
{
    size_t i = bot % ARRAY_LEN(e->of);
    if (e->of[i].bot != bot || memcmp(e->of[i].id, id, sizeof e->of[i].id) != 0) {
        e->of[i].bot = bot;
        memcpy(e->of[i].id, id, sizeof e->of[i].id);
        e->of[i].top = n;
        e->of[i].seen = 1;
        return false;
    }
    if (n > e->of[i].top) {
        uint64_t by = n - e->of[i].top;
        e->of[i].seen = by < 64 ? e->of[i].seen << by | 1 : 1;
        e->of[i].top = n;
        return false;
    }
    uint64_t bit = e->of[i].top - n;
    if (bit >= 64)
        return false;
    bool before = e->of[i].seen >> bit & 1;
    e->of[i].seen |= UINT64_C(1) << bit;
    return before;
}

#define WRONG(b, m, why)                                                                          \
    sim_find((b)->sim, "bot-updates", "bot %u got a datagram message %s: %.*s", (b)->number, why, \
             (int)((m).n < 700 ? (m).n : 700), (const char *)(m).p)

bool known_judge(struct bot *b, struct ear *e, enum seal_kind form, struct span m)
{
    char id[BOT_ID + 1];
    uint64_t v, n;
    /* With an authenticated cipher, what arrives is what the server sent. */
    bool sure =
        strong(form) || (b->sim->fired[FAULT_CORRUPT] == 0 && b->sim->fired[FAULT_ADDRESS] == 0);
    if (!strong(form) && (m.p[0] != '{' || !find(m, "\"command\"")))
        return false; /* for a session that it had before, on the same port: noise */
    if (!take_id(m, "\"sessionId\":\"", id) || !hmap_get(&b->all->sessions, id, &v)) {
        if (sure && b->all->sessions.live < b->all->sessions.max)
            WRONG(b, m, "of nobody");
        return false;
    }
    struct known k = unpack(v);
    struct bot *from = b->all->bot[k.bot - 1];
    if (memcmp(id, b->id, BOT_ID) == 0) {
        if (sure)
            WRONG(b, m, "of its own");
        return false;
    }
    if (find(m, RACING_FORGED)) {
        if (strong(k.form))
            WRONG(b, m, "that was forged");
        return false;
    }
    bool safe = strong(form) && strong(k.form); /* all the way */
    bool weak_forged = b->sim->fired[FAULT_HOSTILE] || b->sim->fired[FAULT_CORRUPT];
    if (!could_have_said(from, id, m, &n)) {
        if (safe || !weak_forged)
            WRONG(b, m, "that nobody said");
        return false;
    }
    if (sure && from != b && !share_a_room(from, b))
        WRONG(b, m, "of another room");
    if (heard(e, k.bot, id, n) && safe)
        WRONG(b, m, "twice");
    return from != b;
}
