/* The whole racing service from a list of events: links that come and go, bytes, datagrams that are
 * right, tampered with or noise, answers in any order and with faults, time, a full socket, new
 * configuration, an operator, a drain, memory that is short. After each event the service's own
 * check runs (host_fake.h); at the end and on the way nothing may have been sent to an address that
 * never was a player's, and once everybody has gone nothing may be left. */
#include "fuzz.h"

#include "base/err.h"
#include "games/racing/racing.h"
#include "games/racing/tables.h"
#include "sim/alloc_fault.h"
#include "sim/host_fake.h"
#include "wire/gzip.h"
#include "wire/seal.h"
#include "wire/text.h"

#define ACTORS 6
#define SECRET "RacingServerUDP2024!"
/* Nobody connects from there; and who connects by the same IP version must not be heard from there.
 */
#define STRANGER  "198.51.100.66"
#define STRANGER6 "2001:db8::66"

struct actor {
    int link;
    char id[33], ip[24];
    struct sealer *sealer; /* the document's cipher */
    struct sealer *aead;
};

struct world {
    struct fake *f;
    struct span in;
    struct actor actors[ACTORS];
    char room[33];
    bool any_address;
    unsigned fail_in; /* the next event's request for memory that fails; 0: none */
};

static const char *const names[] = {"ann", "bob", "zoe", "Anonymous", "", "imported"};
static const char *const passwords[] = {"pw", "other", "", "x\\u0000y"};
static const char *const ips[] = {"203.0.113.1", "203.0.113.1", "203.0.113.2",
                                  "2001:db8::1", "127.0.0.1",   "::1"};

static uint8_t byte(struct world *w)
{
    return fuzz_byte(&w->in);
}

static struct actor *actor(struct world *w, uint8_t i)
{
    return &w->actors[i % ACTORS];
}

static void forget(struct actor *a)
{
    bool before = alloc_fault_suspend(true);
    sealer_destroy(a->sealer);
    sealer_destroy(a->aead);
    *a = (struct actor){.link = FAKE_NO_LINK};
    (void)alloc_fault_suspend(before);
}

/* An actor's memory is his own affair. */
static void make_sealer(struct sealer **ret, const struct seal_cfg *c, struct world *w)
{
    bool before = alloc_fault_suspend(true);
    sealer_destroy(*ret);
    MUST(sealer_create(ret, c, &w->f->entropy) == 0);
    (void)alloc_fault_suspend(before);
}

static void connect_actor(struct world *w, struct actor *a)
{
    uint8_t key[SEAL_CBC_KEY];
    if (a->link != FAKE_NO_LINK && fake_is_open(w->f, a->link))
        return;
    forget(a);
    snprintf(a->ip, sizeof a->ip, "%s", ips[(a - w->actors) % (long)ARRAY_LEN(ips)]);
    a->link = fake_open(w->f, a->ip, (uint16_t)(100 + (a - w->actors)));
    struct span s = fake_read(w->f, a->link);
    if (s.n < 43)
        return;
    memcpy(a->id, s.p + 10, 32);
    MUST(seal_derive_cbc(span_of(a->id, 32), SPAN_LIT(SECRET), key) == 0);
    struct seal_cfg c = {.kind = SEAL_CBC, .key = span_of(key, sizeof key)};
    make_sealer(&a->sealer, &c, w);
}

/* The string behind "key":" in the last line of what the actor heard that holds mark. */
static bool heard(struct world *w, const struct actor *a, const char *mark, const char *key,
                  char *to, size_t cap)
{
    if (a->link == FAKE_NO_LINK)
        return false;
    struct span s = fake_read(w->f, a->link);
    const uint8_t *at = s.n ? memmem(s.p, s.n, mark, strlen(mark)) : NULL;
    char quoted[32];
    int n = snprintf(quoted, sizeof quoted, "\"%s\":\"", key);
    at = at ? memmem(at, s.n - (size_t)(at - s.p), quoted, (size_t)n) : NULL;
    if (!at)
        return false;
    at += n;
    size_t len = 0;
    while (at + len < s.p + s.n && at[len] != '"')
        len++;
    if (len >= cap)
        return false;
    memcpy(to, at, len);
    to[len] = '\0';
    return true;
}

/* What clients do with what they hear: learn rooms and keys. */
static void listen_all(struct world *w)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &w->actors[i];
        char alg[32], conn[20], c2s[100];
        uint8_t key[SEAL_CBC_HMAC_KEY];
        if (a->link == FAKE_NO_LINK)
            continue;
        (void)heard(w, a, "ROOM_CREATED", "roomId", w->room, sizeof w->room);
        if (heard(w, a, "udpAead", "alg", alg, sizeof alg) &&
            heard(w, a, "udpAead", "connId", conn, sizeof conn) &&
            heard(w, a, "udpAead", "c2s", c2s, sizeof c2s)) {
            struct seal_cfg c = {.kind = strcmp(alg, "aes-256-gcm") ? SEAL_CBC_HMAC : SEAL_GCM};
            c.key = span_of(key, c.kind == SEAL_GCM ? SEAL_GCM_KEY : SEAL_CBC_HMAC_KEY);
            MUST(hex_decode(span_str(conn), c.conn_id, SEAL_CONN_ID) == 0);
            MUST(base64_decode(span_str(c2s), key, sizeof key) == (int)c.key.n);
            make_sealer(&a->aead, &c, w);
        }
        if (a->id[0])
            fake_forget(w->f, a->link);
    }
}

static void say(struct world *w, const struct actor *a, const char *text)
{
    if (a->link != FAKE_NO_LINK)
        fake_line(w->f, a->link, text);
}

static void command(struct world *w, struct actor *a)
{
    static const char *const plain[] = {
        "PING",        "LEAVE_ROOM", "LIST_ROOMS", "GET_ROOM_PLAYERS",
        "PLAYER_INFO", "START_GAME", "BYE",        "nonsense"};
    static const char *const offers[] = {"", ",\"udpAead\":[\"aes-256-gcm\"],\"udpPack\":true",
                                         ",\"udpAead\":[\"aes-256-cbc-hmac-sha256\"]"};
    char text[1024];
    uint8_t what = byte(w), x = byte(w);
    const char *name = names[x % ARRAY_LEN(names)],
               *password = passwords[x / 8 % ARRAY_LEN(passwords)];
    const char *offer = offers[x / 32 % ARRAY_LEN(offers)];
    switch (what % 12) {
    case 0:
    case 1:
        snprintf(text, sizeof text, "{\"command\":\"NAME\",\"name\":\"%s\",\"password\":\"%s\"%s}",
                 name, password, offer);
        break;
    case 2: snprintf(text, sizeof text, "{\"command\":\"NAME\",\"name\":\"%s\"}", name); break;
    case 3:
        snprintf(text, sizeof text, "{\"command\":\"AUTHENTICATE\",\"password\":\"%s\"%s}",
                 password, offer);
        break;
    case 4:
        snprintf(text, sizeof text, "{\"command\":\"CREATE_ROOM\",\"name\":\"%s\"}", name);
        break;
    case 5:
    case 6:
        snprintf(text, sizeof text, "{\"command\":\"JOIN_ROOM\",\"roomId\":\"%s\"}", w->room);
        break;
    case 7:
        snprintf(text, sizeof text,
                 "{\"command\":\"RELAY_MESSAGE\",\"targetId\":\"%s\",\"message\":\"m\"}",
                 actor(w, x)->id);
        break;
    case 8:
        snprintf(text, sizeof text,
                 "{\"command\":\"BATCH\",\"messages\":[{\"command\":\"NAME\",\"name\":\"%s\","
                 "\"password\":\"%s\"%s},{\"command\":\"CREATE_ROOM\",\"name\":\"b\"},5,"
                 "{\"command\":\"%s\"},{\"command\":\"BATCH\"}]}",
                 name, password, offer, plain[x % ARRAY_LEN(plain)]);
        break;
    default:
        snprintf(text, sizeof text, "{\"command\":\"%s\"}", plain[x % ARRAY_LEN(plain)]);
        break;
    }
    say(w, a, text);
}

/* Bytes of the input itself, with its LFs where they fall. */
static void raw_bytes(struct world *w, struct actor *a)
{
    size_t n = byte(w);
    if (n > w->in.n)
        n = w->in.n;
    if (a->link != FAKE_NO_LINK && n)
        fake_bytes(w->f, a->link, w->in.p, n);
    w->in = span_skip(w->in, n);
}

static size_t make_text(struct world *w, const struct actor *a, char *to, size_t cap)
{
    uint8_t what = byte(w);
    const char *id = what & 64 ? actor(w, what)->id : a->id; /* sometimes another's */
    static const char *const parts[][2] = {
        {"{\"command\":\"UPDATE\",\"sessionId\":\"",
         "\",\"position\":{\"x\":1,\"y\":2,\"z\":3},"
         "\"rotation\":{\"x\":0,\"y\":0,\"z\":0,\"w\":1}}"},
        {"{\"command\":\"UPDATE\",\"sessionId\":\"", "\",\"position\":{\"x\":1}}"},
        {"{\"command\":\"INPUT\",\"sessionId\":\"", "\",\"steering\":1}"},
        {"{\"command\":\"INPUT\",\n\"sessionId\":\"",
         "\",\"input\":{\"steering\":1,\"throttle\":0,\"brake\":0,\"timestamp\":1},"
         "\"client_id\":\"x\"}"},
    };
    const char *const *form = parts[what % ARRAY_LEN(parts)];
    int n = snprintf(to, cap, "%s%s%s", form[0], id, form[1]);
    MUST(n > 0 && (size_t)n < cap);
    return (size_t)n;
}

static size_t pack(const char *text, size_t n, uint8_t *to, size_t cap)
{
    struct gzip *g;
    bool before = alloc_fault_suspend(true);
    MUST(gzip_create(&g) == 0);
    int m = gzip_deflate(g, span_of(text, n), to, cap);
    gzip_destroy(g);
    (void)alloc_fault_suspend(before);
    MUST(m > 0);
    return (size_t)m;
}

static void datagram(struct world *w, struct actor *a)
{
    char text[400];
    uint8_t packed[600], bytes[700], how = byte(w), where = byte(w);
    size_t n = make_text(w, a, text, sizeof text);
    struct span part = span_of(text, n);
    if (how & 128) /* packed inside its seal, or in the clear */
        part = span_of(packed, pack(text, n, packed, sizeof packed));
    struct sealer *s = how & 1 ? a->sealer : how & 2 ? a->aead : NULL;
    if (s) {
        int m = sealer_seal(s, &part, 1, bytes, sizeof bytes);
        MUST(m > 0);
        n = (size_t)m;
    } else {
        memcpy(bytes, part.p, part.n);
        n = part.n;
    }
    if (how & 4) /* one byte is wrong */
        bytes[byte(w) % n] ^= (uint8_t)(1 + byte(w));
    if (how & 8)
        n = byte(w) % n;
    const char *stranger = strchr(a->ip, ':') ? STRANGER6 : STRANGER;
    const char *from = how & 16 || !a->ip[0] ? stranger : a->ip;
    if (how & 32)
        from = "2001:db8::77"; /* of the other family for most */
    struct path path = fake_path(from, (uint16_t)(1000 + where % 8));
    struct dgram batch[] = {{path, span_of(bytes, n)}, {path, span_of(bytes, n)}};
    fake_dgrams(w->f, batch, where & 128 ? 2 : 1); /* a repeated one comes in the same batch */
}

static void noise(struct world *w)
{
    struct path path = fake_path(byte(w) & 1 ? STRANGER : ips[0], 1234);
    size_t n = byte(w);
    if (n > w->in.n)
        n = w->in.n;
    fake_dgram(w->f, &path, span_of(w->in.p, n));
    w->in = span_skip(w->in, n);
}

/* An answer that is not the oldest. */
static void answer_some(struct world *w)
{
    struct ask_fake *q = &w->f->asks;
    uint8_t i = byte(w);
    if (q->pending_n == 0)
        return;
    struct ask_pending *p = &q->pending[i % q->pending_n], t = *p;
    memmove(q->pending + 1, q->pending, (size_t)(p - q->pending) * sizeof *p);
    q->pending[0] = t;
    (void)fake_answer(w->f);
}

static void reconfigure(struct world *w)
{
    static const char *const settings[][6] = {
        {NULL},
        {"racing.single_login=refuse", "racing.room_events=true", NULL},
        {"racing.single_login=allow", "racing.udp_plaintext=on", "racing.name_case=fold", NULL},
        {"racing.udp_require_aead=true", "racing.commands_burst=2", "racing.commands_per_s=2",
         NULL},
        {"racing.room_size=2", "racing.max_rooms=1", "racing.idle_timeout_s=1", NULL},
        {"racing.datagrams_burst=1", "racing.datagrams_per_s=1", "racing.udp_plaintext=off",
         "racing.relay_scope=room", NULL},
        {"racing.room_size=1", "racing.strangers_per_s=1", "racing.room_events=true", NULL},
        {"racing.name_max_bytes=4", "racing.relay_max_bytes=1", "racing.commands_per_s=1", NULL},
        {"racing.udp_any_address=true", "racing.line_max_bytes=1024", "racing.start_reply=false",
         "racing.password_min_length=3", NULL},
    };
    uint8_t i = byte(w) % ARRAY_LEN(settings);
    w->any_address |= i == 8;
    int rc = fake_configure(w->f, settings[i]);
    MUST(rc == 0 || (rc == E_NOMEM && alloc_fault_fired()));
}

/* Nobody but players, from where players may be heard, gets anything. */
static void look_at_sent(struct world *w)
{
    static uint8_t bytes[FAKE_DGRAM_BYTES];
    struct path path;
    struct addr s4, s6;
    MUST(addr_parse(&s4, STRANGER) == 0 && addr_parse(&s6, STRANGER6) == 0);
    while (fake_take_dgram(w->f, &path, bytes, sizeof bytes) >= 0)
        MUST(w->any_address ||
             (!addr_same_host(&path.peer, &s4) && !addr_same_host(&path.peer, &s6)));
}

/* The store, the hash and memory go wrong, or slow down. */
static void trouble(struct world *w, uint8_t who)
{
    uint8_t more = who < 6 ? byte(w) : 0;
    if (more >= 192)
        w->fail_in = 1 + more % 16u;
    else if (who < 6)
        ask_fake_fault(&w->f->asks, (enum ask_kind)who, (enum ask_fault)(more % 5), 1);
    else
        w->f->asks.delay = who < 11 ? NSEC_NEVER : (nsec)(who - 11) * 100 * NSEC_PER_MS;
}

static void happen(struct world *w)
{
    uint8_t what = byte(w), who = what >> 4;
    struct actor *a = actor(w, who);
    switch (what & 15) {
    case 0: connect_actor(w, a); break;
    case 1:
    case 2:
    case 3: command(w, a); break;
    case 4: raw_bytes(w, a); break;
    case 5:
    case 6:
    case 7: datagram(w, a); break;
    case 8: noise(w); break;
    case 9: answer_some(w); break;
    case 10: fake_advance(w->f, (nsec)byte(w) * 20 * NSEC_PER_MS); break;
    case 11:
        if (who < 4)
            reconfigure(w);
        else if (who < 6)
            fake_moderate(w->f, NOTICE_KICK, byte(w) & 15 ? a->id : "");
        else if (who < 8)
            fake_moderate(w->f, NOTICE_CLOSE_ROOM, byte(w) & 15 ? w->room : "");
        else if (who == 15)
            fake_drain(w->f, (nsec)byte(w) * 100 * NSEC_PER_MS);
        break;
    case 12:
        if (a->link == FAKE_NO_LINK)
            break;
        if (who < 8)
            fake_hang_up(w->f, a->link);
        else
            fake_reset(w->f, a->link);
        break;
    case 13:
        if (a->link != FAKE_NO_LINK)
            fake_stall(w->f, a->link, byte(w) & 1);
        break;
    case 14:
        if (byte(w) & 1)
            fake_socket_room(w->f, byte(w) % 4);
        else
            fake_writable(w->f, SIZE_MAX);
        break;
    default: trouble(w, who); break;
    }
}

static void event(struct world *w)
{
    if (w->fail_in)
        alloc_fault_at(w->fail_in);
    w->fail_in = 0;
    happen(w);
    alloc_fault_at(0);
    listen_all(w);
    look_at_sent(w);
}

static void finish(struct world *w)
{
    w->f->asks.delay = 0;
    fake_answer_all(w->f);
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &w->actors[i];
        if (a->link != FAKE_NO_LINK)
            fake_hang_up(w->f, a->link);
    }
    /* Who left lines behind that wait for the command rate or a delayed login is served first. */
    for (int i = 0; i < 50 && fake_view(w->f).sessions; i++)
        fake_advance(w->f, 100 * NSEC_PER_S);
    struct service_view v = fake_view(w->f);
    MUST(v.sessions == 0 && v.rooms == 0);
    uint64_t ended = 0;
    for (size_t row = M_ENDED_PEER; row <= M_ENDED_ERROR; row++)
        ended += fake_metric(w->f, row);
    uint64_t opened = 0;
    for (size_t i = 0; i < w->f->links_n; i++)
        opened += w->f->links[i].gen;
    MUST(ended == opened); /* each session ended once */
    fake_writable(w->f, SIZE_MAX);
    look_at_sent(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    const struct fake_cfg cfg = {
        .ops = &racing_ops, .seed = 7, .egress = {.queue_max = 64, .backlog_bytes_max = 6144}};
    w = (struct world){.in = span_of(data, size)};
    snprintf(w.room, sizeof w.room, "0123456789abcdef0123456789abcdef");
    for (int i = 0; i < ACTORS; i++)
        w.actors[i].link = FAKE_NO_LINK;
    w.f = fake_create(&cfg, NULL);
    MUST(w.f);
    ask_fake_account(&w.f->asks, "imported", "pw", 1, true);
    while (w.in.n)
        event(&w);
    finish(&w);
    for (int i = 0; i < ACTORS; i++)
        forget(&w.actors[i]);
    fake_destroy(w.f);
    return 0;
}
