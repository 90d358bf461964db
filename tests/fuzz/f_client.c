/* The client's session under a server that says anything, and an application that asks anything.
 * The input is a script, one event a line:
 *
 *   <TEXT   the server sends this line          |TEXT   the same without the line end
 *   !TEXT   a datagram arrives                  +       half a minute passes
 *   ?C      the application makes request number C - 'a'
 *
 * The first byte chooses the datagram policy. Whatever happens: every request is answered once,
 * what is sent are whole JSON lines, and nothing outgrows its ceiling. */
#include "fuzz.h"

#include "client/session.h"
#include "wire/json.h"

#define OUT_MAX  4096u
#define LINE_MAX 2048u

struct app {
    struct sgc_session s;
    struct sgc_scratch scratch;
    struct entropy entropy;
    uint64_t asked, done, told;
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
    MUST(error <= 0 && error >= SLIPGATE_E_SYSTEM && text);
    a->done += request != SLIPGATE_REQUEST_NONE;
}

static void on_rooms(struct slipgate_client *c, void *user, const struct slipgate_room *rooms,
                     size_t n)
{
    struct app *a = user;
    (void)c;
    for (size_t i = 0; i < n; i++)
        a->told += strlen(rooms[i].id) + strlen(rooms[i].name) + strlen(rooms[i].host_id);
}

static void on_game_started(struct slipgate_client *c, void *user,
                            const struct slipgate_game_start *start)
{
    struct app *a = user;
    (void)c;
    for (size_t i = 0; i < start->spawns_n; i++)
        a->told += strlen(start->spawns[i].player_id);
    a->told += strlen(start->room_id) + strlen(start->host_id);
}

static void on_message(struct slipgate_client *c, void *user, const struct slipgate_message *m)
{
    struct app *a = user;
    (void)c;
    MUST(m->text[m->text_len] == '\0');
    a->told += strlen(m->sender_id) + strlen(m->sender_name);
}

/* An application that sends from inside a callback. */
static void on_update(struct slipgate_client *c, void *user, const struct slipgate_update_in *m)
{
    struct app *a = user;
    struct slipgate_update u = {.position = m->position, .rotation = m->rotation};
    (void)c;
    MUST(json_check(span_of(m->json, m->json_len)) == JSON_OBJECT);
    MUST(sgc_session_update(&a->s, &u) != SLIPGATE_E_STATE);
}

static void begin(struct app *a, uint8_t policy)
{
    struct sgc_session_cfg cfg = {
        .user = a,
        .udp = policy % (SLIPGATE_UDP_ONLY_PLAIN + 1),
        .udp_secret = "secret",
        .udp_pack = true,
        .login_timeout_ms = 30000,
        .reply_timeout_ms = 15000,
        .out_max = OUT_MAX,
        .line_max = LINE_MAX,
        .scratch = &a->scratch,
        .cb = {.size = sizeof cfg.cb,
               .on_done = on_done,
               .on_rooms = on_rooms,
               .on_game_started = on_game_started,
               .on_message = on_message,
               .on_update = on_update},
    };
    entropy_init(&a->entropy, fill);
    a->scratch.entropy = &a->entropy;
    MUST(gzip_create(&a->scratch.gzip) == 0);
    MUST(sgc_session_init(&a->s, &cfg) == 0);
    sgc_session_begin(&a->s, 1);
}

static void request(struct app *a, uint8_t which)
{
    int rc;
    switch (which % 16) {
    case 0: rc = sgc_session_login(&a->s, "n", "p"); break;
    case 1: rc = sgc_session_login(&a->s, "n", NULL); break;
    case 2: rc = sgc_session_authenticate(&a->s, "p"); break;
    case 3: rc = sgc_session_message(&a->s, "p", "\"\n"); break;
    case 4: rc = sgc_session_request(&a->s, SLIPGATE_REQUEST_JOIN_ROOM, "roomId", "r"); break;
    case 5: rc = sgc_session_request(&a->s, SLIPGATE_REQUEST_CREATE_ROOM, "name", "r"); break;
    case 6: rc = sgc_session_request(&a->s, SLIPGATE_REQUEST_LEAVE_ROOM, NULL, NULL); break;
    case 7: rc = sgc_session_request(&a->s, SLIPGATE_REQUEST_LIST_ROOMS, NULL, NULL); break;
    case 8: rc = sgc_session_request(&a->s, SLIPGATE_REQUEST_LIST_PLAYERS, NULL, NULL); break;
    case 9: rc = sgc_session_request(&a->s, SLIPGATE_REQUEST_START_GAME, NULL, NULL); break;
    case 10: rc = sgc_session_request(&a->s, SLIPGATE_REQUEST_PLAYER_INFO, NULL, NULL); break;
    case 11: rc = sgc_session_request(&a->s, SLIPGATE_REQUEST_BYE, NULL, NULL); break;
    default: rc = sgc_session_request(&a->s, SLIPGATE_REQUEST_PING, NULL, NULL); break;
    }
    a->asked += rc == 0;
    MUST(rc == 0 || rc == SLIPGATE_E_FULL || rc == SLIPGATE_E_STATE);
}

/* Takes what the session sends: whole lines, each one JSON object. */
static void take_out(struct app *a)
{
    struct span out = sgc_session_out(&a->s);
    size_t n = out.n;
    while (out.n) {
        const uint8_t *lf = memchr(out.p, '\n', out.n);
        MUST(lf);
        size_t line = (size_t)(lf - out.p);
        MUST(json_check(span_of(out.p, line)) == JSON_OBJECT);
        out = span_skip(out, line + 1);
    }
    sgc_session_sent(&a->s, n);
}

static void event(struct app *a, struct span line)
{
    uint8_t kind = fuzz_byte(&line);
    switch (kind) {
    case '<':
    case '|':
        sgc_session_bytes(&a->s, a->s.now_us, line);
        if (kind == '<')
            sgc_session_bytes(&a->s, a->s.now_us, SPAN_LIT("\n"));
        break;
    case '!': sgc_session_datagram(&a->s, line, SGC_ARRIVED); break;
    case '+': sgc_session_time(&a->s, a->s.now_us + 30000000); break;
    case '?': request(a, (uint8_t)(fuzz_byte(&line) - 'a')); break;
    default: break;
    }
}

static void check(const struct app *a)
{
    const struct sgc_session *s = &a->s;
    MUST(s->pending_n <= SGC_PENDING_MAX && a->asked == a->done + s->pending_n);
    MUST(s->out.n <= OUT_MAX && s->in.n <= LINE_MAX + 4);
    MUST((s->phase == SGC_AUTHENTICATED) == (s->udp.mode != SLIPGATE_UDP_NONE));
    MUST(s->phase != SGC_ENDED || s->pending_n == 0);
    MUST(memchr(s->room_id, '\0', sizeof s->room_id) && memchr(s->name, '\0', sizeof s->name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct app *a = calloc(1, sizeof *a);
    MUST(a);
    begin(a, fuzz_byte(&in));
    while (in.n) {
        const uint8_t *lf = memchr(in.p, '\n', in.n);
        size_t n = lf ? (size_t)(lf - in.p) : in.n;
        event(a, span_of(in.p, n));
        in = span_skip(in, n + 1);
        check(a);
        take_out(a);
    }
    sgc_session_end(&a->s, SLIPGATE_E_CLOSED, false, NULL);
    check(a);
    sgc_session_fini(&a->s);
    gzip_destroy(a->scratch.gzip);
    free(a);
    return 0;
}
