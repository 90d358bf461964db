/* Clients that get the protocol wrong: every line below has an answer that the document gives it,
 * or none, and that is what talk.h then waits for. */
#include "base/mem.h"
#include "sim/racing/rogue.h"

#include <stdio.h>

#define C "{\"command\":"

static const struct {
    const char *line;
    unsigned mask; /* 0: no answer */
} lines[] = {
    {"\n", SAYS_ERROR},
    {"\r\n", SAYS_ERROR},
    {"   \t\n", SAYS_ERROR},
    {"\xef\xbb\xbf" C "\"PING\"}\r\n", SAYS_PONG},
    {"{}\n", 0},
    {C "null}\n", 0},
    {C "\"\"}\n", 0},
    {C "7}\n", SAYS_ERROR},
    {"[1,2]\n", SAYS_ERROR},
    {"\"PING\"\n", SAYS_ERROR},
    {C "\"PING\"\n", SAYS_ERROR},
    {C "\"PING\"} x\n", SAYS_ERROR},
    {C "\"PING\xff\"}\n", SAYS_ERROR},
    {C "\"FLY\",\"to\":\"moon\"}\n", SAYS_UNKNOWN},
    {C "\"\\u0050ing\"}\n", SAYS_PONG},
    {C "\"ping\"}\n", SAYS_PONG},
    {C "\"BYE\",\"command\":\"PING\"}\n", SAYS_PONG},
    {"{\"Command\":\"PING\"}\n", 0},
    {C "\"PONG\"}\n", 0},
    {C "\"CREATE_ROOM\"}\n", SAYS_ERROR},
    {C "\"CREATE_ROOM\",\"name\":{}}\n", SAYS_ERROR},
    {C "\"CREATE_ROOM\",\"name\":null}\n", SAYS_CREATED | SAYS_ERROR},
    {C "\"CREATE_ROOM\",\"name\":\"\"}\n", SAYS_CREATED | SAYS_ERROR},
    {C "\"JOIN_ROOM\"}\n", SAYS_ERROR},
    {C "\"JOIN_ROOM\",\"roomId\":12}\n", SAYS_ERROR},
    {C "\"JOIN_ROOM\",\"roomId\":\"nowhere\"}\n", SAYS_ERROR},
    {C "\"JOIN_ROOM\",\"roomId\":\"00112233445566778899aabbccddeeff\"}\n", SAYS_ERROR},
    {C "\"LEAVE_ROOM\",\"x\":[1,{\"y\":null}]}\n", SAYS_LEAVE_OK | SAYS_ERROR},
    {C "\"GET_ROOM_PLAYERS\",\"roomId\":\"any\"}\n", SAYS_PLAYERS | SAYS_ERROR},
    {C "\"START_GAME\",\"laps\":3}\n", SAYS_STARTED | SAYS_ERROR},
    {C "\"NAME\"}\n", SAYS_ERROR},
    {C "\"NAME\",\"name\":\"\"}\n", SAYS_ERROR},
    {C "\"NAME\",\"name\":\"Anonymous\",\"password\":\"x\"}\n", SAYS_ERROR},
    {C "\"NAME\",\"name\":7,\"password\":\"x\"}\n", SAYS_ERROR},
    {C "\"NAME\",\"name\":\"a\\u0000b\",\"password\":\"x\"}\n", SAYS_ERROR},
    {C "\"NAME\",\"name\":\"nobody\",\"password\":7}\n", SAYS_ERROR},
    {C "\"AUTHENTICATE\"}\n", SAYS_ERROR | SAYS_AUTH_FAILED},
    {C "\"AUTHENTICATE\",\"password\":1}\n", SAYS_AUTH_FAILED},
    {C "\"AUTHENTICATE\",\"password\":\"\"}\n", SAYS_AUTH_FAILED},
    {C "\"RELAY_MESSAGE\"}\n", SAYS_ERROR},
    {C "\"RELAY_MESSAGE\",\"targetId\":\"x\",\"message\":\"\"}\n", SAYS_ERROR},
    {C "\"RELAY_MESSAGE\",\"targetId\":\"x\",\"message\":\"hello\"}\n", SAYS_ERROR},
    {C "\"RELAY_MESSAGE\",\"targetId\":[],\"message\":\"hello\"}\n", SAYS_ERROR},
    {C "\"BATCH\"}\n", SAYS_ERROR},
    {C "\"BATCH\",\"messages\":7}\n", SAYS_ERROR},
    {C "\"BATCH\",\"messages\":[]}\n", 0},
    {C "\"BATCH\",\"messages\":[" C "\"BATCH\",\"messages\":[]}]}\n", SAYS_ERROR},
    {C "\"BATCH\",\"messages\":[" C "\"PING\"},{}," C "\"PONG\"}]}\n", SAYS_PONG},
    {C "\"LIST_ROOMS\",\"page\":2}\n", SAYS_LIST},
    {C "\"PLAYER_INFO\",\"id\":\"other\"}\n", SAYS_INFO},
};

static void odd(struct rogue *r, const char *line, unsigned mask)
{
    (void)talk_odd(&r->talk, span_str(line), mask);
}

/* A line of so many bytes without its LF. */
static void long_line(struct rogue *r, size_t n, unsigned mask)
{
    static const char head[] = C "\"PING\",\"pad\":\"";
    char *p = mem_zalloc(n + 1, 1);
    if (!p)
        return;
    memset(p, 'x', n);
    memcpy(p, head, sizeof head - 1);
    memcpy(p + n - 2, "\"}\n", 3);
    (void)talk_odd(&r->talk, span_of(p, n + 1), mask);
    mem_free(p);
}

static void lines_at_the_ceiling(struct rogue *r)
{
    size_t max = racing_sim(r->b.sim)->rules.line_max;
    r->talk.loose = true; /* a reload may have moved it; and one past it ends the connection */
    long_line(r, max + bot_below(&r->b, 2), SAYS_PONG | SAYS_ERROR);
}

static void deep(struct rogue *r)
{
    char line[400] = C "\"PING\",\"x\":";
    size_t at = strlen(line), n = 60 + (size_t)bot_below(&r->b, 8);
    memset(line + at, '[', n);
    memset(line + at + n, ']', n);
    memcpy(line + at + 2 * n, "}\n", 3);
    odd(r, line, n + 1 > 64 ? SAYS_ERROR : SAYS_PONG);
}

/* Names of its own, at the limit and past it; passwords too short, too long, at the limit. */
static void names_and_passwords(struct rogue *r)
{
    char line[2400], name[80], password[1100];
    size_t name_n = strlen(r->b.claim->name), pass_n = strlen(r->b.claim->password);
    memset(name, 'y', sizeof name);
    memset(password, 'z', sizeof password);
    memcpy(name, r->b.claim->name, name_n);
    memcpy(password, r->b.claim->password, pass_n);
    unsigned mask = SAYS_NAME_OK | SAYS_ERROR | SAYS_AUTH_FAILED;
    if (r->talk.n) /* what its answer brings depends on what was offered */
        return;
    r->talk.wish = UDP_DOCUMENT;
    switch (bot_below(&r->b, 5)) {
    case 0: name_n = 64; break;
    case 1:
        name_n = 65;
        mask = SAYS_ERROR;
        break;
    case 2: /* another account for who compares exactly, the same for who folds */
        name[0] = (char)(name[0] - 'a' + 'A');
        break;
    case 3:
        name[name_n++] = '-';
        pass_n = 73;
        mask = SAYS_ERROR;
        break;
    default: pass_n = 1025; mask = SAYS_ERROR;
    }
    (void)snprintf(line, sizeof line, C "\"NAME\",\"name\":\"%.*s\",\"password\":\"%.*s\"}\n",
                   (int)name_n, name, (int)pass_n, password);
    odd(r, line, mask);
}

/* Many at once; of lists more than he is told before he has read some. */
static void burst(struct rogue *r)
{
    bool lists = bot_below(&r->b, 2);
    struct span one = lists ? SPAN_LIT(C "\"LIST_ROOMS\"}\n") : SPAN_LIT(C "\"PING\"}\n");
    unsigned mask = lists ? SAYS_LIST : SAYS_PONG;
    char text[200 * 32];
    size_t at = 0, n = 20 + (size_t)bot_below(&r->b, lists ? 180 : 80);
    if (r->talk.n + n > TALK_PENDING_MAX || r->talk.bye)
        return;
    (void)talk_ask(&r->talk, ASK_PING, NULL, NULL);
    for (size_t i = 1; i < n; i++) {
        memcpy(text + at, one.p, one.n);
        at += one.n;
    }
    for (size_t i = 1; i + 1 < n; i++)
        (void)talk_odd(&r->talk, SPAN_NULL, mask);
    (void)talk_odd(&r->talk, span_of(text, at), mask);
}

/* As many elements as one may have, and one more. */
static void large_batch(struct rogue *r)
{
    static const char head[] = C "\"BATCH\",\"messages\":[", ping[] = C "\"PING\"}";
    char text[64 + 40 * sizeof ping];
    size_t at = sizeof head - 1, n = 31 + (size_t)bot_below(&r->b, 3);
    if (r->talk.n + n > TALK_PENDING_MAX || r->talk.bye)
        return;
    memcpy(text, head, at);
    for (size_t i = 0; i < n; i++) {
        if (i)
            text[at++] = ',';
        memcpy(text + at, ping, sizeof ping - 1);
        at += sizeof ping - 1;
    }
    memcpy(text + at, "]}\n", 3);
    for (size_t i = 1; n <= 32 && i < n; i++)
        (void)talk_odd(&r->talk, SPAN_NULL, SAYS_PONG);
    (void)talk_odd(&r->talk, span_of(text, at + 3), n <= 32 ? SAYS_PONG : SAYS_ERROR);
}

/* Another name without a password: whoever was signed in is not any more, nor in a room, and the
 * keys he still has open nothing. */
static void another_name(struct rogue *r)
{
    char line[100];
    (void)snprintf(line, sizeof line, C "\"NAME\",\"name\":\"other%u\"}\n", r->b.number);
    odd(r, line, SAYS_NAME_OK);
    r->logged_in = bot_below(&r->b, 2); /* else he logs in again */
}

static void logins_in_a_row(struct rogue *r)
{
    const struct racing_claim *c = r->b.claim;
    for (int i = 0; i < 3; i++)
        (void)talk_ask(&r->talk, ASK_NAME, c->name, i == 1 ? "" : c->password);
    (void)talk_ask(&r->talk, ASK_AUTH, c->password, NULL);
    (void)talk_ask(&r->talk, ASK_INFO, NULL, NULL);
}

/* Asks for a login and does not wait for it. */
static void login_and_gone(struct rogue *r)
{
    (void)talk_ask(&r->talk, ASK_NAME, r->b.claim->name, r->b.claim->password);
    if (bot_below(&r->b, 3))
        peer_reset(r->b.sim, r->b.peer);
    else
        peer_finish(r->b.sim, r->b.peer);
    r->talk.loose = true;
}

static void half_a_line(struct rogue *r)
{
    if (r->talk.bye)
        return;
    (void)talk_odd(&r->talk, SPAN_LIT(C "\"PI"), 0);
    (void)snprintf(r->half, sizeof r->half, "NG\"}\n");
    r->half_mask = SAYS_PONG;
    bot_after_ms(&r->b, 1000 + bot_below(&r->b, 8000));
}

/* In the clear after having sealed; an earlier session's datagram; an earlier session's name. */
static void wrong_datagrams(struct rogue *r)
{
    struct drive d;
    char text[BOT_DATAGRAM_MAX + 1];
    const char *id = bot_below(&r->b, 2) && r->kept_id[0] ? r->kept_id : r->b.id;
    drive_make(&d, r->b.number, false, ++r->b.said);
    size_t n = drive_text(&d, id, "", text);
    uint64_t how = bot_below(&r->b, 6);
    if (how < 2)
        n = bot_below(&r->b, n + 1); /* torn */
    size_t wide =
        how == 2 ? BOT_DATAGRAM_MAX + bot_below(&r->b, 2) : n; /* as large as they may be */
    memset(text + n, ' ', wide - n);
    n = wide;
    peer_dgram(r->b.sim, r->b.peer, span_of(text, n));
    if (r->kept_n)
        peer_dgram(r->b.sim, r->b.peer, span_of(r->kept, r->kept_n));
    if (r->talk.sealer) {
        int sealed = sealer_seal(r->talk.sealer, &(struct span){(const uint8_t *)text, n}, 1,
                                 r->kept, sizeof r->kept);
        r->kept_n = sealed > 0 ? (size_t)sealed : 0;
    }
}

/* Two in the wrong order, far apart: the older one counts if it is within the window. */
static void out_of_order(struct rogue *r)
{
    static const uint32_t gaps[] = {0,
                                    1,
                                    61,
                                    62,
                                    63,
                                    64,
                                    127,
                                    SEAL_WINDOW - 2,
                                    SEAL_WINDOW - 1,
                                    SEAL_WINDOW,
                                    SEAL_WINDOW + 1,
                                    2 * SEAL_WINDOW + 63};
    struct drive d;
    char text[DRIVE_TEXT_MAX];
    uint8_t sealed[2][BOT_DATAGRAM_MAX];
    int n[2] = {0};
    if (!r->talk.authenticated || !r->talk.sealer)
        return;
    for (int i = 0; i < 2; i++) {
        drive_make(&d, r->b.number, false, ++r->b.said);
        struct span all = span_of(text, drive_text(&d, r->b.id, "", text));
        uint32_t gap = i ? gaps[bot_below(&r->b, ARRAY_LEN(gaps))] : 0;
        while (gap-- > 0) /* never sent */
            (void)!sealer_seal(r->talk.sealer, &(struct span){sealed[1], 1}, 1, sealed[1],
                               sizeof sealed[1]);
        n[i] = sealer_seal(r->talk.sealer, &all, 1, sealed[i], sizeof sealed[i]);
    }
    for (int i = 3; i >= 0; i--) /* and both again */
        if (n[i % 2] > 0 && (i > 1 || bot_below(&r->b, 2)))
            peer_dgram(r->b.sim, r->b.peer, span_of(sealed[i % 2], (size_t)n[i % 2]));
}

static void act_confused(struct rogue *r)
{
    switch (bot_below(&r->b, 26)) {
    case 0: lines_at_the_ceiling(r); break;
    case 1: deep(r); break;
    case 2: names_and_passwords(r); break;
    case 3: burst(r); break;
    case 4: logins_in_a_row(r); break;
    case 5: login_and_gone(r); break;
    case 6: half_a_line(r); break;
    case 7:
    case 8: wrong_datagrams(r); break;
    case 9: (void)talk_ask(&r->talk, ASK_BYE, NULL, NULL); break;
    case 10: another_name(r); break;
    case 11: large_batch(r); break;
    case 12:
    case 13: out_of_order(r); break;
    default: {
        size_t i = (size_t)bot_below(&r->b, ARRAY_LEN(lines));
        odd(r, lines[i].line, lines[i].mask);
    }
    }
}

static void act(struct rogue *r)
{
    if (r->half[0]) {
        (void)talk_odd(&r->talk, span_str(r->half), r->half_mask);
        r->half[0] = '\0';
    } else if (r->talk.n < 20 && sim_fault(r->b.sim, FAULT_CONFUSED)) {
        act_confused(r);
    } else {
        rogue_behave(r);
    }
}

/* Two of them share an account. */
int confused_create(struct bots *all, const char *ip, struct bot **ret)
{
    struct racing_claim *c = NULL;
    const struct bot *last = all->n ? all->bot[all->n - 1] : NULL;
    if (last && last->role == BOT_CONFUSED && last->number % 2)
        c = last->claim;
    if (!c)
        c = bots_claim(all, "confused", all->n + 1);
    return rogue_create(all, ip, c, act, ret);
}
