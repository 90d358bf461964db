#include "talk.h"

#include "base/check.h"
#include "base/err.h"
#include "games/racing/racing.h"
#include "sim/alloc_fault.h"
#include "wire/gzip.h"
#include "wire/json.h"
#include "wire/text.h"

#include <stdio.h>

#define UPDATE_TEXT                                                        \
    "{'command':'UPDATE','sessionId':'%s','position':{'x':1,'y':2,'z':3}," \
    "'rotation':{'x':0,'y':0,'z':0,'w':1}}"

/* ' becomes ". */
PRINTF_LIKE(3, 0)
static size_t format_text(char *to, size_t cap, const char *format, va_list ap)
{
    int n = vsnprintf(to, cap, format, ap);
    assert_in_range(n, 0, cap - 1);
    for (int i = 0; i < n; i++)
        to[i] = to[i] == '\'' ? '"' : to[i];
    return (size_t)n;
}

#define FORMAT(to, format)                                  \
    static char to[131072];                                 \
    va_list ap;                                             \
    va_start(ap, format);                                   \
    size_t to##_n = format_text(to, sizeof to, format, ap); \
    va_end(ap);                                             \
    (void)to##_n

/* The players of the service at hand. */
static struct player *players[2 * FAKE_LINKS_MAX];
static size_t players_n;
static uint64_t outcomes[M_DGRAM_ROOM + 1];

static void forget_keys(struct player *p)
{
    bool before = alloc_fault_suspend(true);
    sealer_destroy(p->sealer);
    opener_destroy(p->opener);
    p->sealer = NULL;
    p->opener = NULL;
    (void)alloc_fault_suspend(before);
}

struct fake *serve(const char *const *settings)
{
    players_n = 0;
    memset(outcomes, 0, sizeof outcomes);
    const struct fake_cfg cfg = {.ops = &racing_ops, .settings = settings, .seed = 99};
    struct fake *f = fake_create(&cfg, NULL);
    assert_non_null(f);
    return f;
}

static void forget_players(void)
{
    while (players_n)
        forget_keys(players[--players_n]);
}

void stop(struct fake *f)
{
    forget_players();
    fake_destroy(f);
}

void crash(struct fake *f)
{
    forget_players();
    fake_crash(f);
}

bool logged(const struct fake *f, const char *text)
{
    struct span log = buf_span(&f->log_text);
    return log.n && memmem(log.p, log.n, text, strlen(text));
}

void enter(struct fake *f, struct player *p, const char *ip)
{
    static uint16_t port = 20000;
    char line[64];
    size_t i = 0;
    while (i < players_n && players[i] != p)
        i++;
    if (i < players_n)
        forget_keys(p); /* the same player again */
    else
        players[players_n++] = p;
    assert_true(players_n <= ARRAY_LEN(players));
    *p = (struct player){.f = f, .udp_port = ++port};
    (void)snprintf(p->ip, sizeof p->ip, "%s", ip);
    p->link = fake_open(f, ip, ++port);
    assert_true(p->link != FAKE_NO_LINK);
    struct span all = fake_read(f, p->link);
    assert_int_equal(all.n, 43);
    assert_true(fake_take_line(f, p->link, line, sizeof line));
    assert_memory_equal(line, "CONNECTED|", 10);
    memcpy(p->id, line + 10, 33);
    assert_int_equal(strspn(p->id, "0123456789abcdef"), 32);
    assert_int_equal(p->id[12], '4');
    assert_non_null(strchr("89ab", p->id[16]));
    assert_non_null(strpbrk(p->id, "abcdf"));
}

void enter_as(struct fake *f, struct player *p, const char *name)
{
    enter(f, p, HERE);
    say(p, "{'command':'NAME','name':'%s','password':'pw'}", name);
    hear(p, "{'command':'NAME_OK','name':'%s','authenticated':true,'udpEncryption':true}", name);
    use_document_keys(p);
}

void say(struct player *p, const char *format, ...)
{
    FORMAT(text, format);
    fake_line(p->f, p->link, text);
}

const char *listen_to(struct player *p, char line[65536])
{
    if (!fake_take_line(p->f, p->link, line, 65536))
        fail_msg("nothing was said");
    return line;
}

void hear(struct player *p, const char *format, ...)
{
    static char line[1u << 20];
    FORMAT(want, format);
    if (!fake_take_line(p->f, p->link, line, sizeof line))
        fail_msg("nothing was said, not %s", want);
    assert_string_equal(line, want);
}

void hear_nothing(struct player *p)
{
    struct span rest = fake_read(p->f, p->link);
    if (rest.n)
        fail_msg("unexpected: %.*s", (int)rest.n, (const char *)rest.p);
}

void ask(struct player *p, const char *request, const char *reply)
{
    say(p, "%s", request);
    hear(p, "%s", reply);
    hear_nothing(p);
}

void hear_error(struct player *p, const char *text)
{
    hear(p, "{'command':'ERROR','message':'%s'}", text);
    hear_nothing(p);
}

void hear_close(struct player *p, enum close_why why)
{
    hear_nothing(p);
    assert_false(fake_is_open(p->f, p->link));
    assert_int_equal(p->f->links[p->link].why, why);
}

void create_room(struct player *p, char *id)
{
    char line[65536];
    say(p, "{'command':'CREATE_ROOM','name':'room'}");
    (void)listen_to(p, line);
    assert_memory_equal(line, "{\"command\":\"ROOM_CREATED\",\"roomId\":\"", 36);
    memcpy(id, line + 36, 32);
    id[32] = '\0';
    assert_string_equal(line + 68, "\",\"name\":\"room\"}");
    hear_nothing(p);
}

void join_room(struct player *p, const char *id)
{
    say(p, "{'command':'JOIN_ROOM','roomId':'%s'}", id);
    hear(p, "{'command':'JOIN_OK','roomId':'%s'}", id);
    hear_nothing(p);
}

void enter_with(struct fake *f, struct player *p, const char *name, enum form form)
{
    static const char *const offers[] = {"", "", ",'udpAead':['aes-256-gcm']",
                                         ",'udpAead':['aes-256-cbc-hmac-sha256']"};
    char line[65536];
    enter(f, p, HERE);
    say(p, "{'command':'NAME','name':'%s','password':'pw'%s}", name, offers[form]);
    (void)listen_to(p, line);
    assert_non_null(strstr(line, "\"authenticated\":true"));
    if (form == DOCUMENT)
        use_document_keys(p);
    if (form >= GCM)
        use_aead_keys(p, line);
}

void race(struct fake *f, struct player *p, unsigned n, enum form form)
{
    char r[33];
    for (unsigned i = 0; i < n; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%u", i);
        enter_with(f, &p[i], name, form);
        if (i == 0)
            create_room(&p[i], r);
        else
            join_room(&p[i], r);
    }
    for (unsigned i = 0; i < n; i++) {
        cast_update(&p[i]);
        fake_forget_dgrams(f);
        assert_outcome(f, M_DGRAM_ACCEPTED);
    }
}

/* ---- datagrams ---- */

struct span text_in(char *to, size_t cap, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    size_t n = format_text(to, cap, format, ap);
    va_end(ap);
    return span_of(to, n);
}

struct span gzipped(struct span text, uint8_t to[16384])
{
    struct gzip *z;
    bool before = alloc_fault_suspend(true);
    CHECK(gzip_create(&z) == 0);
    int n = gzip_deflate(z, text, to, 16384);
    gzip_destroy(z);
    (void)alloc_fault_suspend(before);
    assert_true(n > 0);
    return span_of(to, (size_t)n);
}

struct span sealed(struct player *p, struct span text, uint8_t *to, size_t cap)
{
    int n = sealer_seal(p->sealer, &text, 1, to, cap);
    assert_true(n > 0);
    return span_of(to, (size_t)n);
}

static void use_keys(struct player *p, const struct seal_cfg *out, const struct seal_cfg *in)
{
    forget_keys(p);
    bool before = alloc_fault_suspend(true);
    CHECK(sealer_create(&p->sealer, out, &p->f->entropy) == 0);
    CHECK(opener_create(&p->opener, in) == 0);
    (void)alloc_fault_suspend(before);
}

void use_document_keys(struct player *p)
{
    uint8_t key[SEAL_CBC_KEY];
    assert_int_equal(seal_derive_cbc(span_of(p->id, 32), SPAN_LIT(TALK_SECRET), key), 0);
    struct seal_cfg c = {.kind = SEAL_CBC, .key = span_of(key, sizeof key)};
    use_keys(p, &c, &c);
}

static struct span text_of(const struct json_val *v, char to[256])
{
    int n = json_string(v, to, 256);
    assert_true(n >= 0);
    return span_of(to, (size_t)n);
}

void use_aead_keys(struct player *p, const char *reply)
{
    static const char *const outer[] = {"udpAead"}, *const inner[] = {"alg", "connId", "c2s",
                                                                      "s2c"};
    struct json_val o, v[4];
    uint8_t c2s[64], s2c[64];
    char text[256];
    assert_int_equal(json_object(span_str(reply), outer, 1, &o), JSON_OBJECT);
    assert_int_equal(json_object(o.raw, inner, 4, v), JSON_OBJECT);
    bool gcm = span_eq(text_of(&v[0], text), SPAN_LIT("aes-256-gcm"));
    assert_true(gcm || span_eq(text_of(&v[0], text), SPAN_LIT("aes-256-cbc-hmac-sha256")));
    struct seal_cfg out = {.kind = gcm ? SEAL_GCM : SEAL_CBC_HMAC};
    size_t size = gcm ? SEAL_GCM_KEY : SEAL_CBC_HMAC_KEY;
    struct span conn = text_of(&v[1], text);
    assert_int_equal(conn.n, 16);
    assert_int_equal(hex_decode(conn, out.conn_id, SEAL_CONN_ID), 0);
    struct seal_cfg in = out;
    assert_int_equal(base64_decode(text_of(&v[2], text), c2s, sizeof c2s), size);
    assert_int_equal(base64_decode(text_of(&v[3], text), s2c, sizeof s2c), size);
    assert_memory_not_equal(c2s, s2c, size);
    out.key = span_of(c2s, size);
    in.key = span_of(s2c, size);
    use_keys(p, &out, &in);
}

static void send_from(struct player *p, const char *ip, uint16_t port, struct span text)
{
    static uint8_t bytes[20000];
    struct path path = fake_path(ip, port);
    if (p->sealer) {
        int n = sealer_seal(p->sealer, &text, 1, bytes, sizeof bytes);
        assert_true(n > 0);
        fake_dgram(p->f, &path, span_of(bytes, (size_t)n));
    } else {
        memcpy(bytes, text.p, text.n);
        bytes[text.n] = '\n';
        fake_dgram(p->f, &path, span_of(bytes, text.n + 1));
    }
}

void cast(struct player *p, const char *format, ...)
{
    FORMAT(text, format);
    send_from(p, p->ip, p->udp_port, span_of(text, text_n));
}

void cast_from(struct player *p, const char *ip, uint16_t port, const char *format, ...)
{
    FORMAT(text, format);
    send_from(p, ip, port, span_of(text, text_n));
}

void cast_raw(struct player *p, struct span bytes)
{
    struct path path = fake_path(p->ip, p->udp_port);
    fake_dgram(p->f, &path, bytes);
}

void cast_update(struct player *p)
{
    cast(p, UPDATE_TEXT, p->id);
}

static size_t open_one(struct player *p, uint8_t *to, size_t cap)
{
    static uint8_t bytes[FAKE_DGRAM_BYTES];
    struct path path, mine = fake_path(p->ip, p->udp_port);
    long n = fake_take_dgram(p->f, &path, bytes, sizeof bytes);
    if (n < 0)
        fail_msg("no datagram was sent");
    if (!addr_eq(&path.peer, &mine.peer))
        fail_msg("a datagram went to port %u, not %u", path.peer.port, mine.peer.port);
    if (!p->opener) {
        assert_true((size_t)n <= cap && n > 0 && bytes[n - 1] == '\n');
        memcpy(to, bytes, (size_t)n - 1);
        return (size_t)n - 1;
    }
    int m = opener_open(p->opener, span_of(bytes, (size_t)n), to, cap);
    if (m < 0)
        fail_msg("a datagram does not open: %s", err_name(m));
    return (size_t)m;
}

void receive(struct player *p, const char *format, ...)
{
    static uint8_t got[FAKE_DGRAM_BYTES];
    FORMAT(want, format);
    size_t n = open_one(p, got, sizeof got - 1);
    got[n] = '\0';
    assert_string_equal((const char *)got, want);
    assert_int_equal(n, want_n);
}

void receive_update_of(struct player *p, const struct player *from)
{
    receive(p, UPDATE_TEXT, from->id);
}

void receive_nothing(struct fake *f)
{
    assert_int_equal(f->dgrams_n, 0);
}

void assert_outcome(struct fake *f, enum racing_metric row)
{
    for (size_t i = M_DGRAM_ACCEPTED; i <= M_DGRAM_ROOM; i++) {
        uint64_t now = fake_metric(f, i);
        if (now - outcomes[i] != (i == row))
            fail_msg("row %zu counted %llu, wanted row %d", i,
                     (unsigned long long)(now - outcomes[i]), row);
        outcomes[i] = now;
    }
}
