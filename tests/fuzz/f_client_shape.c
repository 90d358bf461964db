/* The client's session and a server that is right: its answers are built from lists of rooms,
 * players, places and messages, and the application must be told exactly those. Then an answer is
 * damaged: the session ends, or goes on within its ceilings. */
#include "fuzz.h"

#include "client/session.h"
#include "wire/json.h"

#define ITEMS 6
#define TEXT  24

struct item {
    char id[TEXT + 1], name[TEXT + 1];
    float at[3];
    uint32_t players;
    bool active;
};

struct app {
    struct sgc_session s;
    struct sgc_scratch scratch;
    struct entropy entropy;
    struct item items[ITEMS];
    size_t n;
    bool expecting; /* what comes is what was built */
    unsigned told, done;
};

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 0x33, n);
}

static void on_done(struct slipgate_client *c, void *user, enum slipgate_request request, int error,
                    const char *text)
{
    struct app *a = user;
    (void)c;
    MUST(text && (!a->expecting || (request != SLIPGATE_REQUEST_NONE && error == 0)));
    a->done++;
}

static void on_rooms(struct slipgate_client *c, void *user, const struct slipgate_room *rooms,
                     size_t n)
{
    struct app *a = user;
    (void)c;
    a->told++;
    MUST(!a->expecting || n == a->n);
    for (size_t i = 0; i < n && a->expecting; i++) {
        MUST(strcmp(rooms[i].id, a->items[i].id) == 0 &&
             strcmp(rooms[i].name, a->items[i].name) == 0);
        MUST(strcmp(rooms[i].host_id, a->items[i].id) == 0);
        MUST(rooms[i].players == a->items[i].players && rooms[i].active == a->items[i].active);
    }
}

static void on_players(struct slipgate_client *c, void *user, const char *room_id,
                       const struct slipgate_player *players, size_t n)
{
    struct app *a = user;
    (void)c;
    a->told++;
    MUST(!a->expecting || (n == a->n && strcmp(room_id, "room") == 0));
    for (size_t i = 0; i < n && a->expecting; i++)
        MUST(strcmp(players[i].id, a->items[i].id) == 0 &&
             strcmp(players[i].name, a->items[i].name) == 0);
}

static void on_game_started(struct slipgate_client *c, void *user,
                            const struct slipgate_game_start *start)
{
    struct app *a = user;
    (void)c;
    a->told++;
    MUST(!a->expecting || (start->spawns_n == a->n && strcmp(start->host_id, "host") == 0));
    for (size_t i = 0; i < start->spawns_n && a->expecting; i++) {
        MUST(strcmp(start->spawns[i].player_id, a->items[i].id) == 0);
        MUST(memcmp(&start->spawns[i].position, a->items[i].at, sizeof a->items[i].at) == 0);
    }
}

static void on_message(struct slipgate_client *c, void *user, const struct slipgate_message *m)
{
    struct app *a = user;
    (void)c;
    a->told++;
    MUST(m->text[m->text_len] == '\0');
    if (a->expecting)
        MUST(strcmp(m->sender_id, a->items[0].id) == 0 && strcmp(m->text, a->items[0].name) == 0);
}

static void on_player_info(struct slipgate_client *c, void *user,
                           const struct slipgate_player_info *i)
{
    struct app *a = user;
    (void)c;
    a->told++;
    if (a->expecting)
        MUST(strcmp(i->id, a->items[0].id) == 0 && strcmp(i->name, a->items[0].name) == 0 &&
             (i->room_id != NULL) == a->items[0].active);
}

static void begin(struct app *a)
{
    struct sgc_session_cfg cfg = {.user = a,
                                  .udp = SLIPGATE_UDP_ONLY_CBC,
                                  .udp_secret = "secret",
                                  .login_timeout_ms = 30000,
                                  .reply_timeout_ms = 15000,
                                  .out_max = 4096,
                                  .line_max = 8192,
                                  .scratch = &a->scratch,
                                  .cb = {.size = sizeof cfg.cb,
                                         .on_done = on_done,
                                         .on_rooms = on_rooms,
                                         .on_players = on_players,
                                         .on_game_started = on_game_started,
                                         .on_message = on_message,
                                         .on_player_info = on_player_info}};
    entropy_init(&a->entropy, fill);
    a->scratch.entropy = &a->entropy;
    MUST(sgc_session_init(&a->s, &cfg) == 0);
    sgc_session_begin(&a->s, 1);
    sgc_session_bytes(&a->s, 1,
                      SPAN_LIT("CONNECTED|abc\n{\"command\":\"NAME_OK\",\"name\":\"n\","
                               "\"authenticated\":true,\"udpEncryption\":true}\r\n"));
    MUST(a->s.phase == SGC_AUTHENTICATED && strcmp(a->s.id, "abc") == 0);
}

static void make_items(struct span *in, struct app *a)
{
    static const char *const pieces[] = {"\"", "\\", "\xc3\xa9", "\t", "/", "\xf0\x9f\x8f\x81",
                                         "}"};
    a->n = fuzz_below(in, ITEMS + 1);
    for (size_t i = 0; i < ITEMS; i++) {
        struct item *t = &a->items[i];
        snprintf(t->id, sizeof t->id, "id-%zu-%x", i, fuzz_byte(in));
        t->name[0] = '\0';
        for (size_t k = fuzz_below(in, 6); k > 0; k--) {
            uint8_t b = fuzz_byte(in);
            char c[2] = {(char)(b % 94 + 33), '\0'};
            strcat(t->name, b & 128 ? pieces[b % ARRAY_LEN(pieces)] : c);
        }
        for (size_t k = 0; k < 3; k++)
            t->at[k] = (float)(int16_t)fuzz_number(in, 2) / 8;
        t->players = (uint32_t)fuzz_number(in, 4);
        t->active = fuzz_byte(in) & 1;
    }
}

static void put(struct buf *to, const char *key, const char *value)
{
    (void)buf_printf(to, "\"%s\":", key);
    json_put_string(to, span_str(value));
    (void)buf_append_byte(to, ',');
}

static void put_item(struct buf *to, const struct item *t)
{
    (void)buf_append_byte(to, '{');
    put(to, "id", t->id);
    put(to, "hostId", t->id);
    put(to, "name", t->name);
    (void)buf_printf(to, "\"playerCount\":%u,\"isActive\":%s}", t->players,
                     t->active ? "true" : "false");
}

static void put_list(const struct app *a, struct buf *to, const char *command, const char *key)
{
    (void)buf_printf(to, "{\"command\":\"%s\",\"roomId\":\"room\",\"%s\":[", command, key);
    for (size_t i = 0; i < a->n; i++) {
        (void)buf_append_str(to, i ? ", " : "");
        put_item(to, &a->items[i]);
    }
    (void)buf_append_str(to, "]}");
}

static void put_game(const struct app *a, struct buf *to)
{
    (void)buf_append_str(to, "{\"hostId\":\"host\",\"spawnPositions\":{");
    for (size_t i = 0; i < a->n; i++) {
        (void)buf_append_str(to, i ? "," : "");
        json_put_string(to, span_str(a->items[i].id));
        (void)buf_append_str(to, ":{\"x\":");
        json_put_float(to, a->items[i].at[0]);
        (void)buf_append_str(to, ",\"y\":");
        json_put_float(to, a->items[i].at[1]);
        (void)buf_append_str(to, ",\"z\":");
        json_put_float(to, a->items[i].at[2]);
        (void)buf_append_byte(to, '}');
    }
    (void)buf_append_str(to, "},\"command\":\"GAME_STARTED\",\"roomId\":\"room\"}");
}

static void put_answer(const struct app *a, struct buf *to, unsigned which)
{
    const struct item *t = &a->items[0];
    switch (which) {
    case 0: put_list(a, to, "ROOM_LIST", "rooms"); break;
    case 1: put_list(a, to, "ROOM_PLAYERS", "players"); break;
    case 2: put_game(a, to); break;
    case 3:
        (void)buf_append_str(to, "{\"command\":\"RELAYED_MESSAGE\",");
        put(to, "senderId", t->id);
        put(to, "message", t->name);
        (void)buf_append_str(to, "\"senderName\":\"\"}");
        break;
    default:
        (void)buf_append_str(to, "{\"command\":\"PLAYER_INFO\",\"playerInfo\":{");
        put(to, "id", t->id);
        put(to, "name", t->name);
        (void)buf_append_str(to,
                             t->active ? "\"currentRoomId\":\"r\"}}" : "\"currentRoomId\":null}}");
        break;
    }
}

/* Which request an answer of each kind is to. */
static const enum slipgate_request requests[] = {
    SLIPGATE_REQUEST_LIST_ROOMS, SLIPGATE_REQUEST_LIST_PLAYERS, SLIPGATE_REQUEST_NONE,
    SLIPGATE_REQUEST_NONE, SLIPGATE_REQUEST_PLAYER_INFO};

static void answer(struct span *in, struct app *a)
{
    struct buf text;
    unsigned which = (unsigned)fuzz_below(in, ARRAY_LEN(requests));
    buf_init(&text, 8000);
    make_items(in, a);
    put_answer(a, &text, which);
    MUST(!text.failed);
    bool asked = requests[which] != SLIPGATE_REQUEST_NONE;
    if (asked)
        MUST(sgc_session_request(&a->s, requests[which], NULL, NULL) == 0);
    a->told = a->done = 0;
    a->expecting = true;
    struct span rest = buf_span(&text);
    while (rest.n) {
        struct span piece = fuzz_take(&rest, 1 + fuzz_below(in, 4096));
        sgc_session_bytes(&a->s, a->s.now_us, piece);
    }
    sgc_session_bytes(&a->s, a->s.now_us, SPAN_LIT("\n"));
    MUST(a->told == 1 && a->done == asked && a->s.phase == SGC_AUTHENTICATED);
    a->expecting = false;
    struct span bad = fuzz_damage(in, buf_span(&text));
    sgc_session_bytes(&a->s, a->s.now_us, bad);
    if (a->s.phase != SGC_ENDED)
        sgc_session_bytes(&a->s, a->s.now_us, SPAN_LIT("\n"));
    MUST(a->s.phase == SGC_ENDED || a->s.phase == SGC_AUTHENTICATED || a->s.phase == SGC_OPEN);
    MUST(a->s.pending_n == 0 && a->s.in.n <= 8192 + 4);
    fuzz_free(bad);
    buf_fini(&text);
    sgc_session_sent(&a->s, a->s.out.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    while (in.n) {
        struct app *a = calloc(1, sizeof *a);
        MUST(a);
        begin(a);
        for (int i = 0; i < 4 && in.n && a->s.phase == SGC_AUTHENTICATED; i++)
            answer(&in, a);
        sgc_session_end(&a->s, SLIPGATE_E_CLOSED, false, NULL);
        sgc_session_fini(&a->s);
        free(a);
    }
    return 0;
}
