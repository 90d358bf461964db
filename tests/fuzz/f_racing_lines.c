/* Command lines of the racing service. The input is what a client sends, with its own id, another
 * player's and a room's in place of the bytes 1, 2 and 3; the first byte's bits add valid commands
 * in front and damage to one of them. It is sent to two servers that are alike, to one at once and
 * to the other in pieces: both must say the same. Whatever was sent, what is said are whole lines,
 * each a JSON object with a command; and commands that were built get exactly their answer, in
 * order. */
#include "fuzz.h"

#include "base/err.h"
#include "games/racing/racing.h"
#include "sim/host_fake.h"
#include "wire/json.h"

struct world {
    struct fake *f;
    int link, other;
    char id[33], other_id[33], room[33];
};

static void copy_id(struct world *w, int link, const char *mark, char id[33])
{
    struct span s = fake_read(w->f, link);
    const uint8_t *at = memmem(s.p, s.n, mark, strlen(mark));
    MUST(at && s.p + s.n >= at + strlen(mark) + 32);
    memcpy(id, at + strlen(mark), 32);
    id[32] = '\0';
    fake_forget(w->f, link);
}

static void begin(struct world *w)
{
    const struct fake_cfg cfg = {.ops = &racing_ops, .seed = 5};
    *w = (struct world){.f = fake_create(&cfg, NULL)};
    MUST(w->f);
    w->other = fake_open(w->f, "203.0.113.1", 1);
    copy_id(w, w->other, "CONNECTED|", w->other_id);
    fake_line(w->f, w->other, "{\"command\":\"NAME\",\"name\":\"zoe\",\"password\":\"pw\"}");
    fake_line(w->f, w->other, "{\"command\":\"CREATE_ROOM\",\"name\":\"r\"}");
    copy_id(w, w->other, "\"roomId\":\"", w->room);
    w->link = fake_open(w->f, "203.0.113.2", 2);
    copy_id(w, w->link, "CONNECTED|", w->id);
}

static void put_in_place(const struct world *w, struct span s, struct buf *to)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *id = s.p[i] == 1   ? w->id
                         : s.p[i] == 2 ? w->other_id
                         : s.p[i] == 3 ? w->room
                                       : NULL;
        (void)(id ? buf_append_str(to, id) : buf_append_byte(to, s.p[i]));
    }
}

static const struct {
    const char *line, *answer, * or ; /* the answer's command, one of two */
} commands[] = {
    {"{\"command\":\"PING\"}", "PONG", "PONG"},
    {"{\"command\":\"NAME\",\"name\":\"ann\",\"password\":\"pw\"}", "NAME_OK", "AUTH_FAILED"},
    {"{\"command\":\"NAME\",\"name\":\"ann\"}", "NAME_OK", "ERROR"},
    {"{\"command\":\"AUTHENTICATE\",\"password\":\"pw\"}", "AUTH_OK", "AUTH_FAILED"},
    {"{\"command\":\"CREATE_ROOM\",\"name\":\"mine\"}", "ROOM_CREATED", "ERROR"},
    {"{\"command\":\"CREATE_ROOM\",\"name\":null}", "ROOM_CREATED", "ERROR"},
    {"{\"command\":\"JOIN_ROOM\",\"roomId\":\"\3\"}", "JOIN_OK", "ERROR"},
    {"{\"command\":\"LEAVE_ROOM\"}", "LEAVE_OK", "ERROR"},
    {"{\"command\":\"LIST_ROOMS\"}", "ROOM_LIST", "ROOM_LIST"},
    {"{\"command\":\"GET_ROOM_PLAYERS\"}", "ROOM_PLAYERS", "ERROR"},
    {"{\"command\":\"RELAY_MESSAGE\",\"targetId\":\"\2\",\"message\":\"m\"}", "RELAY_OK", "ERROR"},
    {"{\"command\":\"PLAYER_INFO\"}", "PLAYER_INFO", "PLAYER_INFO"},
    {"{\"command\":\"player_info\",\"command\":\"START_GAME\"}", "GAME_STARTED", "ERROR"},
    {"{\"command\":\"nonsense\"}", "UNKNOWN_COMMAND", "UNKNOWN_COMMAND"},
    {"{\"command\":\"BATCH\",\"messages\":[{\"command\":\"PING\"}]}", "PONG", "PONG"},
    {"{\"command\":\"RELAY_MESSAGE\",\"targetId\":\"\2\"}", "ERROR", "ERROR"},
    {"[1]", "ERROR", "ERROR"},
};

static bool is_command(struct span line, const char *name)
{
    static const char *const member = "command";
    struct json_val v;
    char text[32];
    MUST(json_object(line, &member, 1, &v) == JSON_OBJECT);
    int n = json_string(&v, text, sizeof text);
    MUST(n > 0);
    return strlen(name) == (size_t)n && memcmp(text, name, (size_t)n) == 0;
}

/* Takes the first line off what the client has heard. */
static struct span hear(struct span *heard)
{
    const uint8_t *lf = heard->n ? memchr(heard->p, '\n', heard->n) : NULL;
    MUST(lf);
    struct span line = span_of(heard->p, (size_t)(lf - heard->p));
    *heard = span_skip(*heard, line.n + 1);
    return line;
}

static void hear_answers(struct span *heard, const uint8_t *built, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *want = commands[built[i]].answer;
        struct span line = hear(heard);
        bool got = is_command(line, want);
        MUST(got || is_command(line, commands[built[i]].or) || is_command(line, "ERROR"));
        if (got && strcmp(want, "GAME_STARTED") == 0)
            MUST(is_command(hear(heard), want)); /* the host's own answer, and what all hear */
    }
}

static void send_in(struct world *w, struct span bytes, size_t step)
{
    while (bytes.n && fake_is_open(w->f, w->link)) {
        struct span piece = fuzz_take(&bytes, step);
        fake_bytes(w->f, w->link, piece.p, piece.n);
    }
    /* What waits for the command rate or a growing delay. */
    for (int i = 0; i < 20; i++)
        fake_advance(w->f, 2 * NSEC_PER_S);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world whole, parts;
    struct span in = span_of(data, size);
    struct buf sent;
    uint8_t built[16];
    size_t n = fuzz_below(&in, sizeof built + 1), step = 1 + fuzz_below(&in, 64);
    bool damage = fuzz_chance(&in, 64);
    begin(&whole);
    begin(&parts);
    MUST(strcmp(whole.id, parts.id) == 0 && strcmp(whole.room, parts.room) == 0);
    buf_init(&sent, 300000);
    for (size_t i = 0; i < n; i++) {
        built[i] = (uint8_t)fuzz_below(&in, ARRAY_LEN(commands));
        put_in_place(&whole, span_str(commands[built[i]].line), &sent);
        (void)buf_append_str(&sent, i % 3 ? "\n" : "\r\n");
    }
    if (damage) {
        struct span bad = fuzz_damage(&in, buf_span(&sent));
        buf_clear(&sent);
        (void)buf_append_span(&sent, bad);
        fuzz_free(bad);
    }
    put_in_place(&whole, in, &sent);
    MUST(!sent.failed);
    send_in(&whole, buf_span(&sent), SIZE_MAX);
    send_in(&parts, buf_span(&sent), step);
    struct span heard = fake_read(whole.f, whole.link);
    MUST(span_eq(heard, fake_read(parts.f, parts.link)));
    MUST(span_eq(fake_read(whole.f, whole.other), fake_read(parts.f, parts.other)));
    if (!damage)
        hear_answers(&heard, built, n);
    while (heard.n)
        (void)is_command(hear(&heard), "");
    buf_fini(&sent);
    fake_destroy(whole.f);
    fake_destroy(parts.f);
    return 0;
}
