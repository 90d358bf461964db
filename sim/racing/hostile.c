/* Attackers. They know what an attacker may know: session ids of others (a room-mate is told them),
 * the shared secret, datagrams overheard on the way, names; not keys, not passwords. */
#include "base/mem.h"
#include "sim/plan.h"
#include "sim/racing/rogue.h"
#include "wire/gzip.h"

#include <stdio.h>

/* More than the server keeps for one who does not read, and what is on its way to him. */
#define DROWN_BYTES 800000u

/* ---- datagrams ---- */

static size_t forged_text(struct rogue *r, const char *id, char to[DRIVE_TEXT_MAX])
{
    static const char *const forms[] = {
        "{\"command\":\"UPDATE\",\"sessionId\":\"%s\",\"position\":{\"x\":%u,\"y\":0,\"z\":0},"
        "\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1}," RACING_FORGED "}",
        "{\"command\":\"INPUT\",\"sessionId\":\"%s\",\"steering\":0,\"throttle\":%u,\"brake\":0,"
        "\"timestamp\":1," RACING_FORGED "}",
    };
    const char *form = forms[bot_below(&r->b, ARRAY_LEN(forms))];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int n = snprintf(to, DRIVE_TEXT_MAX, form, id, (unsigned)bot_below(&r->b, 1000));
#pragma GCC diagnostic pop
    return (size_t)n;
}

static void send_from(struct rogue *r, const struct addr *from, struct span d)
{
    if (from)
        peer_dgram_from(r->b.sim, r->b.peer, from, d);
    else
        peer_dgram(r->b.sim, r->b.peer, d);
}

/* In another player's name: in the clear, or sealed with what his session id and the secret give;
 * from here, or as if from his own address. */
static void forge(struct rogue *r)
{
    char text[DRIVE_TEXT_MAX];
    uint8_t key[SEAL_CBC_KEY], sealed[BOT_DATAGRAM_MAX];
    struct bot *victim = bots_any(r->b.all, &r->b);
    struct sealer *s = NULL;
    if (!victim)
        return;
    struct bot *elsewhere = bot_below(&r->b, 2) ? victim : bots_any(r->b.all, &r->b);
    const struct addr *from =
        bot_below(&r->b, 3) || !elsewhere ? NULL : peer_dgram_addr(elsewhere->peer);
    size_t n = forged_text(r, victim->id, text);
    struct span d = span_of(text, n);
    if (bot_below(&r->b, 2)) {
        const char *secret = racing_sim(r->b.sim)->rules.secret;
        struct seal_cfg cfg = {.kind = SEAL_CBC, .key = span_of(key, sizeof key)};
        if (seal_derive_cbc(span_str(victim->id), span_str(secret), key) == 0 &&
            sealer_create(&s, &cfg, NULL) == 0) {
            int size = sealer_seal(s, &d, 1, sealed, sizeof sealed);
            d = span_of(sealed, size > 0 ? (size_t)size : 0);
        }
        sealer_destroy(s);
    }
    send_from(r, from, d);
}

/* In its own name, and by another reading in somebody else's: a name that stands there twice, or
 * written with an escape, or a client_id that is not the session's. Its mark is that of a message
 * with values left out, as those are written anew. */
static void two_readings(struct rogue *r)
{
    static const char *const forms[] = {
        "{\"command\":\"UPDATE\",\"sessionId\":\"%s\",\"sessionId\":\"%s\"",
        "{\"command\":\"UPDATE\",\"session\\u0049d\":\"%s\",\"sessionId\":\"%s\"",
        "{\"command\":\"UPDATE\",\"client_id\":\"%s\",\"sessionId\":\"%s\"",
        "{\"command\":\"UPDATE\",\"client_id\":\"%s\",\"sessionId\":\"%s\",\"client_id\":\"%s\"",
    };
    struct bot *victim = bots_any(r->b.all, &r->b);
    struct drive d;
    char text[DRIVE_TEXT_MAX];
    if (!victim || !r->talk.authenticated)
        return;
    do
        drive_make(&d, r->b.number, false, ++r->b.said);
    while (d.style != DRIVE_MISSING);
    const char *form = forms[bot_below(&r->b, ARRAY_LEN(forms))];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
    int n = snprintf(text, sizeof text, form, victim->id, r->b.id, r->b.id);
#pragma GCC diagnostic pop
    n += snprintf(
        text + n, sizeof text - (size_t)n,
        ",\"position\":{\"x\":1,\"y\":2,\"z\":3},\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1},"
        "\"bot\":%u,\"n\":%llu}",
        r->b.number, (unsigned long long)r->b.said);
    talk_send(&r->talk, span_of(text, (size_t)n), bot_below(&r->b, 8) == 0);
}

static struct capture *overheard(struct rogue *r)
{
    struct capture *c = &r->b.all->captures[bot_below(&r->b, BOTS_CAPTURES)];
    return c->n ? c : NULL;
}

static void replay(struct rogue *r)
{
    const struct capture *c = overheard(r);
    if (c)
        send_from(r, bot_below(&r->b, 2) ? &c->from : NULL, span_of(c->bytes, c->n));
}

/* What was overheard, altered: under a right connection id, perhaps a sequence far ahead. */
static void tamper(struct rogue *r)
{
    uint8_t d[BOT_DATAGRAM_MAX];
    const struct capture *c = overheard(r);
    if (!c)
        return;
    memcpy(d, c->bytes, c->n);
    size_t at = (size_t)bot_below(&r->b, c->n);
    if (c->n > SEAL_HEADER && memcmp(d, "MPG1", 4) == 0 && bot_below(&r->b, 2))
        at = 12 + (size_t)bot_below(&r->b, 8);
    d[at] ^= (uint8_t)(1 + bot_below(&r->b, 255));
    send_from(r, bot_below(&r->b, 2) ? &c->from : NULL, span_of(d, c->n));
}

/* A right one, from another port. */
static void drive_from(struct rogue *r, uint16_t port)
{
    struct drive d;
    char text[DRIVE_TEXT_MAX];
    uint8_t sealed[BOT_DATAGRAM_MAX];
    struct addr from = *peer_dgram_addr(r->b.peer);
    if (!r->talk.authenticated || !r->talk.sealer)
        return;
    from.port = port;
    drive_make(&d, r->b.number, false, ++r->b.said);
    struct span all = span_of(text, drive_text(&d, r->b.id, "", text));
    int n = sealer_seal(r->talk.sealer, &all, 1, sealed, sizeof sealed);
    if (n > 0)
        peer_dgram_from(r->b.sim, r->b.peer, &from, span_of(sealed, (size_t)n));
}

static void noise(struct rogue *r)
{
    uint8_t d[64];
    bool ports = bot_below(&r->b, 2);
    for (int i = 0; i < 40; i++) {
        size_t n = 1 + (size_t)bot_below(&r->b, sizeof d);
        for (size_t k = 0; k < n; k++)
            d[k] = (uint8_t)bot_below(&r->b, 256);
        if (bot_below(&r->b, 4) == 0)
            d[0] = bot_below(&r->b, 2) ? '{' : 'M';
        struct addr from = *peer_dgram_addr(r->b.peer);
        from.port = (uint16_t)(ports ? 1024 + bot_below(&r->b, 8000) : from.port); /* nobody's */
        peer_dgram_from(r->b.sim, r->b.peer, &from, span_of(d, n));
    }
    if (ports)
        drive_from(r, (uint16_t)(1024 + bot_below(&r->b, 8000)));
}

/* Sixty-four thousand zeros, in a hundred bytes. */
static void gzip_bomb(struct rogue *r)
{
    uint8_t packed[1024];
    void *zeros = mem_zalloc(65536, 1);
    if (!zeros)
        return;
    int n = gzip_deflate(r->b.all->gzip, span_of(zeros, 65536), packed, sizeof packed);
    mem_free(zeros);
    for (int i = 0; n > 0 && i < 10; i++) {
        if (r->talk.authenticated && bot_below(&r->b, 2))
            talk_send(&r->talk, span_of(packed, (size_t)n), false);
        else
            peer_dgram(r->b.sim, r->b.peer, span_of(packed, (size_t)n));
    }
}

/* ---- streams ---- */

static void guess(struct rogue *r)
{
    const struct racing_sim *rs = racing_sim(r->b.sim);
    char password[32];
    const struct racing_claim *c = &rs->claims[bot_below(&r->b, rs->claims_n)];
    if (!c->acknowledged || r->talk.n)
        return;
    (void)snprintf(password, sizeof password, RACING_WRONG "%u", (unsigned)bot_below(&r->b, 100));
    r->guessing = talk_ask(&r->talk, ASK_NAME, c->name, password);
}

static void guess_on(struct rogue *r)
{
    r->persists = 4 + (uint32_t)bot_below(&r->b, 8);
    guess(r);
}

/* Bytes without a line's end. */
static void endless(struct rogue *r)
{
    void *p = mem_zalloc(16384, 1);
    if (!p)
        return;
    memset(p, bot_below(&r->b, 2) ? '[' : 'a', 16384);
    r->talk.loose = true;
    for (uint64_t i = bot_below(&r->b, 8) + 1; i > 0; i--)
        peer_send(r->b.sim, r->b.peer, span_of(p, 16384));
    mem_free(p);
}

/* Lists, messages to himself, messages to somebody else, and he reads none of it. */
static void glut(struct rogue *r)
{
    static const enum request lists[] = {ASK_LIST, ASK_LIST, ASK_LIST, ASK_LIST, ASK_LIST,
                                         ASK_LIST, ASK_LIST, ASK_LIST, ASK_LIST, ASK_LIST};
    char text[1800];
    const struct bot *victim = bots_any(r->b.all, &r->b);
    uint64_t how = bot_below(&r->b, 3);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    if (bot_below(&r->b, 2))
        peer_stall(r->b.sim, r->b.peer, (1 + bot_below(&r->b, 30)) * NSEC_PER_S);
    for (int i = 0; i < 12; i++) {
        if (how == 0)
            (void)talk_batch(&r->talk, lists, ARRAY_LEN(lists), false);
        else if (how == 1 || !victim)
            (void)talk_ask(&r->talk, ASK_RELAY, r->b.id, text);
        else
            (void)talk_ask(&r->talk, ASK_RELAY, victim->id, text);
    }
}

/* One who is not honest, and online. */
static struct bot *accomplice(struct rogue *r)
{
    uint32_t honest = r->b.sim->plan->honest, n = r->b.all->n - honest;
    for (int i = 0; i < 4; i++) {
        struct bot *b = r->b.all->bot[honest + bot_below(&r->b, n)];
        if (b != &r->b && b->id[0])
            return b;
    }
    return NULL;
}

/* An accomplice stops reading; what he is sent has to go somewhere. */
static void drown(struct rogue *r)
{
    const struct rules *rules = &racing_sim(r->b.sim)->rules;
    size_t n = rules->relay_max + 200 < rules->line_max ? rules->relay_max : rules->line_max - 200;
    struct bot *to = accomplice(r);
    if (!r->talk.authenticated)
        rogue_behave(r);
    if (!to || n < 1000 || r->talk.n > 20 || !r->talk.authenticated)
        return;
    char *text = mem_zalloc(n + 1, 1), *line = mem_zalloc(n + 200, 1);
    if (text && line) {
        memset(text, 'x', n);
        peer_stall(r->b.sim, to->peer, 20 * NSEC_PER_S);
        for (size_t i = 0; i < DROWN_BYTES / n; i++) {
            size_t at = talk_line(&r->talk, ASK_RELAY, to->id, text, line, n + 199);
            line[at++] = '\n';
            (void)talk_odd(&r->talk, span_of(line, at), SAYS_RELAY_OK | SAYS_ERROR);
        }
    }
    mem_free(text);
    mem_free(line);
}

static void take_rooms(struct rogue *r)
{
    for (int i = 0; i < 5; i++)
        (void)talk_ask(&r->talk, ASK_CREATE, "mine", NULL);
}

/* For long, nothing but datagrams that change nothing: of another room, or from somewhere else. */
static void wave(struct rogue *r)
{
    struct drive d;
    char text[DRIVE_TEXT_MAX];
    struct addr from = *peer_dgram_addr(r->b.peer);
    do
        drive_make(&d, r->b.number, false, ++r->b.said);
    while (d.kind != DRIVE_NESTED);
    size_t n = drive_text(&d, r->b.id, "00112233445566778899aabbccddeeff", text);
    if (bot_below(&r->b, 2)) {
        talk_send(&r->talk, span_of(text, n), false);
    } else {
        from.ip[15] ^= 4;
        peer_dgram_from(r->b.sim, r->b.peer, &from, span_of(text, n));
    }
    bot_after_ms(&r->b, 500 + bot_below(&r->b, 1000));
}

static void wave_on(struct rogue *r)
{
    r->waves = (uint32_t)bot_below(&r->b, 80);
    wave(r);
}

/* An open connection that says nothing, or nothing more. */
static void sit(struct rogue *r)
{
    bot_after_ms(&r->b, 5000 + bot_below(&r->b, 60000));
}

static void json_bomb(struct rogue *r)
{
    static const char *const bombs[] = {
        "{\"command\":\"NAME\",\"name\":\"\\ud800\",\"password\":\"x\"}\n",
        "{\"command\":\"PING\",\"x\":1e99999,\"x\":-0.0000000000000000000000000001e-9999}\n",
        "{\"command\":\"JOIN_ROOM\",\"roomId\":\"\\u0030\\u0030\"}\n",
        "{\"command\":\"BATCH\",\"messages\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]"
        "]]]]]}\n",
        "{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{"
        "\n",
    };
    r->talk.loose = true;
    for (int i = 0; i < 20; i++)
        (void)talk_odd(&r->talk, span_str(bombs[bot_below(&r->b, ARRAY_LEN(bombs))]), SAYS_ERROR);
}

static void back_and_forth(struct rogue *r)
{
    peer_reset(r->b.sim, r->b.peer);
}

static void (*const attacks[])(struct rogue *) = {
    forge,        forge,        forge,          replay,       replay,  tamper,  tamper, noise,
    gzip_bomb,    guess_on,     guess_on,       guess_on,     endless, glut,    glut,   take_rooms,
    sit,          json_bomb,    back_and_forth, drown,        drown,   drown,   drown,  drown,
    two_readings, two_readings, two_readings,   two_readings, wave_on, wave_on,
};

static void act(struct rogue *r)
{
    if (r->persists && r->talk.n == 0) {
        r->persists--;
        guess(r);
    } else if (r->waves) {
        r->waves--;
        wave(r);
    } else if (sim_fault(r->b.sim, FAULT_HOSTILE))
        attacks[bot_below(&r->b, ARRAY_LEN(attacks))](r);
    else
        rogue_behave(r);
}

int hostile_create(struct bots *all, const char *ip, struct bot **ret)
{
    return rogue_create(all, ip, bots_claim(all, "hostile", all->n + 1), act, ret);
}
