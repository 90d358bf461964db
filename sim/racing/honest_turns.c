#include "sim/racing/honest.h"

#define BUSY_WITH 3u /* requests that may wait for an answer before it asks more */

static void soon(struct honest *h)
{
    bot_after_ms(&h->b, h->pace_ms / 2 + bot_below(&h->b, h->pace_ms));
}

static void ask(struct honest *h, enum request kind)
{
    (void)honest_ask(h, kind, NULL, NULL);
}

static void create(struct honest *h, const char *name)
{
    (void)honest_ask(h, ASK_CREATE, name, NULL);
}

static void list(struct honest *h)
{
    h->picks = 0;
    h->pick[0] = '\0';
    ask(h, ASK_LIST);
}

static void players(struct honest *h)
{
    h->mates = 0;
    h->mate[0] = '\0';
    ask(h, ASK_PLAYERS);
}

static void batch(struct honest *h)
{
    static const enum request kinds[] = {ASK_PING, ASK_INFO, ASK_LIST, ASK_PING, ASK_PLAYERS};
    size_t n = 1 + (size_t)bot_below(&h->b, ARRAY_LEN(kinds));
    if (!h->b.library)
        (void)talk_batch(&h->talk, kinds, n, bot_below(&h->b, 2));
}

/* Goes without a word, or ends its direction and reads on. */
static void vanish(struct honest *h)
{
    honest_mood_set(h, MOOD_PARTING);
    if (bot_below(&h->b, 4) == 0)
        peer_finish(h->b.sim, h->b.peer);
    else
        peer_reset(h->b.sim, h->b.peer);
    bot_after_ms(&h->b, 10000);
}

/* ---- an evening in the storm ---- */

static void lobby_storm(struct honest *h)
{
    switch (bot_below(&h->b, 12)) {
    case 0: ask(h, ASK_INFO); break;
    case 1: ask(h, ASK_PING); break;
    case 2: (void)honest_ask(h, ASK_AUTH, h->as->password, NULL); break;
    case 3: batch(h); break;
    case 4:
    case 5:
    case 6: list(h); break;
    default:
        if (h->pick[0] && bot_below(&h->b, 6))
            (void)honest_ask(h, ASK_JOIN, h->pick, NULL);
        else if (h->steps > 1)
            create(h, bot_below(&h->b, 2) ? "Friday \"night\""
                                          : "r\xc3\xa4"
                                            "ce");
        else
            list(h);
        h->pick[0] = '\0';
    }
    if (h->steps > 60)
        honest_part(h);
}

static void chat(struct honest *h)
{
    static const char *const words[] = {"hello", "you \"cheat\"", "\xc3\xa4\xc3\xb6\xc3\xbc",
                                        "a\tb"};
    if (h->mate[0])
        (void)honest_ask(h, ASK_RELAY, h->mate, words[bot_below(&h->b, ARRAY_LEN(words))]);
    else
        players(h);
}

static void say_something(struct honest *h)
{
    switch (bot_below(&h->b, 36)) {
    case 0: players(h); break;
    case 1: ask(h, ASK_INFO); break;
    case 2:
    case 3: chat(h); break;
    case 4:
    case 5:
        if (h->host || bot_below(&h->b, 8) == 0)
            ask(h, ASK_START);
        break;
    case 6: ask(h, ASK_PING); break;
    case 7: list(h); break;
    case 8: (void)honest_ask(h, ASK_NAME, h->as->name, ""); break;
    case 9: batch(h); break;
    case 10:
        if (h->pick[0])
            (void)honest_ask(h, ASK_JOIN, h->pick, NULL);
        break;
    case 11:
        if (bot_below(&h->b, 4) == 0)
            (void)honest_ask(h, ASK_NAME, h->as->name, h->as->password);
        break;
    default: break;
    }
}

static void room_storm(struct honest *h)
{
    honest_drive(h);
    if (honest_pending(h) >= BUSY_WITH)
        return;
    if (h->steps < h->stay) {
        say_something(h);
        return;
    }
    h->stay += 10; /* should the answer take long */
    uint64_t how = bot_below(&h->b, 20);
    if (how < 12)
        ask(h, ASK_LEAVE);
    else if (how < 16)
        honest_part(h);
    else
        vanish(h);
}

/* ---- the evening in the calm ---- */

static void lobby_calm(struct honest *h)
{
    if (h->round != h->group->round) {
        h->round = h->group->round;
        h->counted = false;
        h->pick[0] = '\0';
    }
    if (h->group->seen >= h->group->size) {
        honest_part(h);
        return;
    }
    if (h->leads)
        create(h, h->group->room);
    else if (h->pick[0])
        (void)honest_ask(h, ASK_JOIN, h->pick, NULL);
    else
        list(h);
    bot_after_ms(&h->b, 200 + bot_below(&h->b, h->steps < 5 ? 200 : 2000));
}

static void room_calm(struct honest *h)
{
    struct calm_group *g = h->group;
    honest_drive(h);
    if (honest_pending(h))
        return;
    if (h->round != g->round || g->seen >= g->size) {
        ask(h, ASK_LEAVE);
        return;
    }
    if (h->started && (h->saw || g->size == 1) && !h->counted) {
        h->counted = true;
        g->seen++;
    }
    if (h->leads && !h->started && h->steps % 3 == 0)
        players(h);
}

void honest_calm_answered(struct honest *h, enum request kind, bool ok)
{
    if (kind == ASK_JOIN && !ok)
        h->pick[0] = '\0';
    if (kind == ASK_PLAYERS && ok && h->leads && h->mates + 1 >= h->group->size && !h->started)
        ask(h, ASK_START);
}

/* ---- turns ---- */

void honest_lobby(struct honest *h)
{
    soon(h);
    if (honest_pending(h))
        return;
    h->steps++;
    if (h->calm)
        lobby_calm(h);
    else
        lobby_storm(h);
}

void honest_room(struct honest *h)
{
    soon(h);
    h->steps++;
    if (h->calm)
        room_calm(h);
    else
        room_storm(h);
}
