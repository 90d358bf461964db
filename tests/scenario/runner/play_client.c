#include "play.h"

#include "base/check.h"
#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- who, and what was said ---- */

static struct client *find(struct play *p, const char *name)
{
    char whole[VAR_NAME_MAX];
    if (!tmpl_index(&p->vars, span_str(name), whole))
        return NULL;
    for (unsigned i = 0; i < p->clients_n; i++)
        if (strcmp(p->clients[i].name, whole) == 0)
            return &p->clients[i];
    return NULL;
}

struct client *play_client(struct play *p, const char *name)
{
    struct client *c = find(p, name);
    if (!c)
        (void)play_miss(p, NULL, "client %s was never opened", name);
    return c;
}

static unsigned number_of(const struct play *p, const struct client *c)
{
    return (unsigned)(c - p->clients);
}

void play_client_fini(struct client *c)
{
    for (size_t i = 0; i < PLAY_TRANSCRIPT; i++)
        free(c->said[i]);
    buf_fini(&c->last);
    buf_fini(&c->heard);
    buf_fini(&c->messages);
}

static void note(struct client *c, const char *arrow, struct span text)
{
    enum { SHOWN = 300 };
    char **to = &c->said[c->said_n++ % PLAY_TRANSCRIPT];
    free(*to);
    size_t n = text.n < SHOWN ? text.n : SHOWN;
    *to = malloc(n + 40);
    CHECK(*to);
    int m = snprintf(*to, n + 40, "%s ", arrow);
    for (size_t i = 0; i < n; i++)
        (*to)[m++] = text.p[i] >= ' ' && text.p[i] != 127 ? (char)text.p[i] : '.';
    if (text.n > n)
        (void)snprintf(*to + m, 30, "... (%zu)", text.n);
    else
        (*to)[m] = '\0';
}

/* ---- requests and replies are counted: nothing is answered twice ---- */

static uint64_t requests_in(struct span line)
{
    static const char *const names[] = {"messages"};
    struct json_val messages, element;
    uint64_t n = 1;
    if (json_object(line, names, 1, &messages) == JSON_OBJECT && messages.type == JSON_ARRAY)
        for (size_t at = 0; json_next(messages.raw, &at, &element);)
            n++;
    return n;
}

static void count_requests(struct client *c, struct span bytes)
{
    while (bytes.n) {
        const uint8_t *lf = memchr(bytes.p, '\n', bytes.n);
        size_t n = lf ? (size_t)(lf - bytes.p) : bytes.n;
        c->requests += requests_in(span_of(bytes.p, n));
        bytes = span_skip(bytes, n + 1);
    }
}

#define ERROR_OF "{\"command\":\"ERROR\",\"message\":\""

static bool is_reply(struct span line)
{
    static const char *const unasked[] = {"CONNECTED|",
                                          "{\"command\":\"RELAYED_MESSAGE\"",
                                          "{\"command\":\"GAME_STARTED\"",
                                          "{\"command\":\"BYE_ADMIN\"",
                                          "{\"command\":\"SERVER_CLOSING\"",
                                          "{\"command\":\"PLAYER_JOINED\"",
                                          "{\"command\":\"PLAYER_LEFT\"",
                                          "{\"command\":\"ROOM_CLOSED\"",
                                          ERROR_OF "Movement validation failed.",
                                          ERROR_OF "Too many datagrams.",
                                          ERROR_OF "Too many invalid datagrams."};
    for (size_t i = 0; i < ARRAY_LEN(unasked); i++)
        if (line.n >= strlen(unasked[i]) && memcmp(line.p, unasked[i], strlen(unasked[i])) == 0)
            return false;
    return true;
}

/* Takes the next line that is there. */
static bool take_line(struct play *p, struct client *c, struct buf *to)
{
    buf_clear(to);
    if (!p->back->ops->line(p->back, number_of(p, c), to))
        return false;
    note(c, "<", buf_span(to));
    c->replies += is_reply(buf_span(to));
    return true;
}

static bool counts_fit(struct play *p, struct client *c)
{
    return c->replies <= c->requests ||
           play_wrong(p, c, "%s got %llu replies to %llu requests", c->name,
                      (unsigned long long)c->replies, (unsigned long long)c->requests);
}

static bool wait_line(struct play *p, struct client *c, struct buf *to)
{
    nsec left = play_patience(p);
    while (!take_line(p, c, to))
        if (p->back->ops->closed(p->back, number_of(p, c)) || !p->back->ops->wait(p->back, &left))
            return take_line(p, c, to);
    return true;
}

/* ---- expecting lines ---- */

/* Under torture: what would have been bound is bound to something. */
static void bind_dummies(struct play *p, const char *text)
{
    for (const char *at = text; *at;) {
        struct span name, class;
        char whole[VAR_NAME_MAX];
        size_t n = tmpl_hole(at, &name, &class);
        if (n && name.n && tmpl_index(&p->vars, name, whole) && !vars_get(&p->vars, whole))
            vars_set(&p->vars, whole, SPAN_LIT("00000000000040008000000000000000"), false);
        at += n ? n : 1;
    }
}

static bool fits(struct play *p, const struct step *x, struct span got, struct buf *want,
                 size_t *at)
{
    buf_clear(want);
    if (x->kind == STEP_HOLDS)
        return tmpl_holds(&p->vars, x->text, got, want);
    return tmpl_match(&p->vars, x->text, got, want, at);
}

static bool say_difference(struct play *p, struct client *c, const struct step *x, struct span got,
                           const struct buf *want, size_t at)
{
    int n = (int)(got.n < 1500 ? got.n : 1500), m = (int)(want->n < 1500 ? want->n : 1500);
    if (x->kind == STEP_HOLDS)
        return play_miss(p, c, "%s expected a line that holds %s\n    came: %.*s\n    %.*s",
                         c->name, x->text, n, (const char *)got.p, m, (const char *)want->p);
    if (at > 1500)
        return play_miss(p, c, "%s: a long text differs from byte %zu on", c->name, at);
    return play_miss(p, c, "%s expected: %.*s\n    %*s came: %.*s\n    %*s       %*s^ from here on",
                     c->name, m, (const char *)want->p, (int)strlen(c->name) + 3, "", n,
                     (const char *)got.p, (int)strlen(c->name) + 3, "", (int)at, "");
}

static bool expect(struct play *p, struct client *c, const struct step *x)
{
    struct buf line, want;
    size_t at = 0;
    buf_init(&line, TMPL_MAX);
    buf_init(&want, TMPL_MAX);
    bool ok = wait_line(p, c, &line);
    if (!ok) {
        bool closed = p->back->ops->closed(p->back, number_of(p, c));
        ok = play_miss(p, c, "%s expected: %s\n    but %s", c->name, x->text,
                       closed ? "the connection is closed" : "nothing came");
    } else if (!fits(p, x, buf_span(&line), &want, &at)) {
        ok = say_difference(p, c, x, buf_span(&line), &want, at);
        while (p->soft && take_line(p, c, &line))
            if (fits(p, x, buf_span(&line), &want, &at))
                break;
    }
    struct buf why;
    buf_init(&why, 400);
    if (ok && !keys_grant(&c->keys, buf_span(&line), &why))
        ok = play_wrong(p, c, "%s: %.*s", c->name, (int)why.n, (const char *)why.p);
    if (p->soft)
        bind_dummies(p, x->text);
    buf_fini(&why);
    buf_fini(&line);
    buf_fini(&want);
    return ok && counts_fit(p, c);
}

static bool expect_quiet(struct play *p, struct client *c)
{
    struct buf line;
    bool ok = true;
    buf_init(&line, TMPL_MAX);
    if (take_line(p, c, &line))
        ok = play_miss(p, c, "%s expected nothing, but there came: %.*s", c->name,
                       (int)(line.n < 1500 ? line.n : 1500), (const char *)line.p);
    buf_fini(&line);
    return ok && counts_fit(p, c);
}

static bool expect_silence(struct play *p, struct client *c, nsec left)
{
    play_settle(p);
    while (expect_quiet(p, c)) {
        if (p->back->ops->closed(p->back, number_of(p, c)))
            return play_miss(p, c, "%s: the connection is closed", c->name);
        if (!p->back->ops->wait(p->back, &left))
            return expect_quiet(p, c);
    }
    return false;
}

/* Whether the server's log gives this reason for the end of the session. */
static bool reason_logged(struct play *p, const struct client *c, const char *reason)
{
    char want[80], variable[VAR_NAME_MAX + 8];
    (void)snprintf(variable, sizeof variable, "%s.short", c->name);
    const char *id = vars_get(&p->vars, variable);
    struct span rest = p->back->ops->log(p->back);
    if (!id)
        return true;
    (void)snprintf(want, sizeof want, "session=%s", id);
    while (rest.n) {
        const uint8_t *lf = memchr(rest.p, '\n', rest.n);
        size_t n = lf ? (size_t)(lf - rest.p) : rest.n, m = strlen(reason);
        if (memmem(rest.p, n, "racing.session_end", 18) && memmem(rest.p, n, want, strlen(want)) &&
            n > m && memcmp(rest.p + n - m, reason, m) == 0 && rest.p[n - m - 1] == '=')
            return true;
        rest = span_skip(rest, n + 1);
    }
    return false;
}

static bool expect_closed(struct play *p, struct client *c, const char *reason)
{
    nsec left = play_patience(p);
    play_settle(p);
    while (!p->back->ops->closed(p->back, number_of(p, c)))
        if (!p->back->ops->wait(p->back, &left))
            return play_miss(p, c, "%s: the connection is still open", c->name);
    if (!expect_quiet(p, c))
        return false;
    while (reason && !reason_logged(p, c, reason))
        if (!p->back->ops->wait(p->back, &left))
            return play_miss(p, c, "%s: the log does not say that the session ended with reason %s",
                             c->name, reason);
    return true;
}

/* ---- opening and sending ---- */

static struct client *new_client(struct play *p, const char *name)
{
    char whole[VAR_NAME_MAX];
    if (p->clients_n == BACK_CLIENTS_MAX || !tmpl_index(&p->vars, span_str(name), whole)) {
        (void)play_wrong(p, NULL, "no client %s can be opened", name);
        return NULL;
    }
    struct client *c = &p->clients[p->clients_n++];
    (void)snprintf(c->name, sizeof c->name, "%s", whole);
    buf_init(&c->last, TMPL_MAX);
    buf_init(&c->heard, TMPL_MAX);
    buf_init(&c->messages, TMPL_MAX);
    return c;
}

static void learn_id(struct play *p, struct client *c, struct span id)
{
    char variable[VAR_NAME_MAX + 8], text[33];
    const char *secret = "RacingServerUDP2024!";
    (void)snprintf(text, sizeof text, "%.*s", (int)id.n, (const char *)id.p);
    (void)snprintf(variable, sizeof variable, "%s.id", c->name);
    vars_set(&p->vars, variable, id, false);
    (void)snprintf(variable, sizeof variable, "%s.short", c->name);
    vars_set(&p->vars, variable, span_of(id.p, 8), false);
    for (size_t i = 0; i < p->setup.settings_n; i++)
        if (strcmp(p->setup.settings[i].key, "racing.udp_shared_secret") == 0)
            secret = p->setup.settings[i].value;
    keys_derive(&c->keys, text, secret);
}

static bool take_welcome(struct play *p, struct client *c)
{
    struct buf line;
    buf_init(&line, TMPL_MAX);
    bool ok = wait_line(p, c, &line);
    struct span id = span_skip(buf_span(&line), 10);
    ok = ok && line.n == 42 && memcmp(line.p, "CONNECTED|", 10) == 0;
    for (size_t i = 0; ok && i < id.n; i++)
        ok = memchr("0123456789abcdef", id.p[i], 16) != NULL;
    if (ok) {
        learn_id(p, c, id);
    } else {
        ok = play_miss(p, c, "%s expected the welcome, but %s%.*s", c->name,
                       line.n ? "there came: " : "nothing came", (int)line.n, (const char *)line.p);
        learn_id(p, c, SPAN_LIT("00000000000040008000000000000000"));
    }
    buf_fini(&line);
    return ok;
}

static bool open_client(struct play *p, const struct step *x)
{
    struct client *c = find(p, x->who);
    struct buf why;
    if (!c)
        c = new_client(p, x->who);
    if (!c)
        return false;
    play_settle(p);
    (void)snprintf(c->ip, sizeof c->ip, "%s", x->text ? x->text : "203.0.113.10");
    c->gone = false;
    c->form = FORM_CBC;
    c->requests = c->replies = 0;
    buf_clear(&c->last);
    buf_clear(&c->heard);
    buf_clear(&c->messages);
    note(c, "--", SPAN_LIT("connects"));
    buf_init(&why, 4096);
    bool ok = p->back->ops->open(p->back, number_of(p, c), c->ip, (unsigned)x->n, &why);
    if (!ok)
        ok = play_miss(p, c, "%s cannot connect: %.*s", c->name, (int)why.n, (const char *)why.p);
    buf_fini(&why);
    if (x->n & CLIENT_NO_WELCOME) {
        keys_derive(&c->keys, "", "");
        return ok;
    }
    return ok && take_welcome(p, c);
}

static bool send_bytes(struct play *p, struct client *c, struct span bytes)
{
    return p->back->ops->send(p->back, number_of(p, c), bytes) ||
           play_miss(p, c, "the server takes no more of what %s sends", c->name);
}

static bool send_text(struct play *p, struct client *c, const struct step *x)
{
    struct buf text;
    buf_init(&text, TMPL_MAX);
    bool ok = play_fill(p, x->text, &text) && buf_append_byte(&text, '\n') == 0;
    if (ok) {
        struct span rest = buf_span(&text);
        play_order(p, &c->name);
        note(c, ">", span_of(text.p, text.n - 1));
        count_requests(c, rest);
        while (ok && rest.n) {
            size_t n = x->kind == STEP_SPLIT && x->n < rest.n ? x->n : rest.n;
            ok = send_bytes(p, c, span_of(rest.p, n));
            rest = span_skip(rest, n);
        }
    }
    buf_fini(&text);
    return ok || p->soft;
}

/* The bytes of a step with its names put in. */
static bool fill_bytes(struct play *p, const struct step *x, struct buf *to)
{
    size_t done = 0;
    for (size_t i = 0; i < x->inserts_n; i++) {
        const struct insert *in = &x->inserts[i];
        (void)buf_append(to, x->bytes.p + done, in->at - done);
        done = in->at;
        if (!play_fill(p, in->text, to))
            return false;
    }
    return buf_append_span(to, span_skip(buf_span(&x->bytes), done)) == 0;
}

static bool send_raw(struct play *p, struct client *c, const struct step *x)
{
    struct buf bytes;
    buf_init(&bytes, 2 * TMPL_MAX);
    bool ok = fill_bytes(p, x, &bytes);
    if (ok) {
        play_order(p, &c->name);
        note(c, ">", buf_span(&bytes));
        count_requests(c, buf_span(&bytes));
        ok = send_bytes(p, c, buf_span(&bytes));
    }
    buf_fini(&bytes);
    return ok || p->soft;
}

static void end_client(struct play *p, struct client *c, enum ending how)
{
    static const char *const words[] = {"closes", "resets", "ends its half"};
    play_order(p, &c->name);
    note(c, "--", span_str(words[how]));
    p->back->ops->end(p->back, number_of(p, c), how);
    c->gone |= how != END_HALF;
    play_settle(p);
}

/* ---- datagrams ---- */

static void damage(struct buf *d, int64_t corrupt, int64_t cut)
{
    int64_t at = corrupt < 0 && corrupt != INT64_MIN ? (int64_t)d->n + corrupt : corrupt;
    int64_t left = cut < 0 && cut != INT64_MIN ? (int64_t)d->n + cut : cut;
    if (at >= 0 && (uint64_t)at < d->n)
        d->p[at] ^= 1;
    if (left >= 0 && (uint64_t)left < d->n)
        d->n = (size_t)left;
}

/* What is to be sealed: the text or the bytes, packed as often as is wanted. */
static bool make_inner(struct play *p, struct client *c, const struct step *x, enum form form,
                       struct buf *to)
{
    const struct cast *a = x->cast;
    bool ok = a->bytes ? fill_bytes(p, x, to) : play_fill(p, x->text, to);
    note(c, ">>", buf_span(to));
    if (ok && !a->bytes && form == FORM_CLEAR && !a->gzip)
        (void)buf_append_byte(to, '\n');
    for (unsigned i = 0; ok && i < a->gzip; i++) {
        struct buf packed;
        buf_init(&packed, TMPL_MAX);
        ok = form_gzip(buf_span(to), &packed);
        buf_clear(to);
        (void)buf_append_span(to, buf_span(&packed));
        buf_fini(&packed);
    }
    damage(to, a->gzip_corrupt, a->gzip_cut);
    return ok;
}

/* The document's keys as they would be under another secret. */
static void derive(const struct play *p, const struct client *of, const char *secret,
                   struct keys *keys)
{
    char variable[VAR_NAME_MAX + 4];
    (void)snprintf(variable, sizeof variable, "%s.id", of->name);
    const char *id = vars_get(&p->vars, variable);
    keys_derive(keys, id ? id : "", secret);
}

static bool make_dgram(struct play *p, struct client *c, const struct step *x, struct buf *to)
{
    const struct cast *a = x->cast;
    struct client *of = a->keys ? play_client(p, a->keys) : c;
    struct client *conn = a->conn ? play_client(p, a->conn) : of;
    enum form form = a->form < 0 ? c->form : (enum form)a->form;
    struct buf inner, why;
    buf_init(&inner, TMPL_MAX);
    buf_init(&why, 400);
    bool ok = of && conn && make_inner(p, c, x, form, &inner);
    if (ok) {
        struct keys keys = of->keys;
        memcpy(keys.conn_id, conn->keys.conn_id, sizeof keys.conn_id);
        if (a->secret)
            derive(p, of, a->secret, &keys);
        ok = form_seal(&keys, form, a->seq, buf_span(&inner), to, &why);
        of->keys.sent = a->secret ? of->keys.sent : keys.sent;
        if (!ok)
            (void)play_miss(p, c, "%s: %.*s", c->name, (int)why.n, (const char *)why.p);
    }
    buf_fini(&inner);
    buf_fini(&why);
    return ok;
}

static bool fill_dgram(struct play *p, struct client *c, const struct step *x, struct buf *to)
{
    const struct cast *a = x->cast;
    if (!a->again && !a->back && !a->raw)
        return make_dgram(p, c, x, to);
    note(c, ">>",
         a->again  ? SPAN_LIT("again")
         : a->back ? SPAN_LIT("back")
                   : SPAN_LIT("raw bytes"));
    if (a->raw)
        return fill_bytes(p, x, to);
    if ((a->again ? c->last : c->heard).n == 0)
        return play_miss(p, c,
                         a->again ? "%s has sent no datagram yet" : "%s was sent no datagram yet",
                         c->name);
    return buf_append_span(to, buf_span(a->again ? &c->last : &c->heard)) == 0;
}

static bool cast(struct play *p, struct client *c, const struct step *x)
{
    const struct cast *a = x->cast;
    struct buf d;
    buf_init(&d, TMPL_MAX);
    bool ok = fill_dgram(p, c, x, &d);
    if (ok && !a->again && !a->back) {
        buf_clear(&c->last);
        (void)buf_append_span(&c->last, buf_span(&d));
    }
    for (unsigned i = 0; i < 4 && a->length != INT64_MIN && i < d.n; i++)
        d.p[i] = (uint8_t)((uint64_t)a->length >> (8 * i));
    damage(&d, a->corrupt, a->cut);
    for (int64_t i = 0; i < a->add; i++)
        (void)buf_append_byte(&d, 0);
    if (ok) {
        play_order(p, &c->keys);
        p->back->ops->cast(p->back, number_of(p, c), a->from ? a->from : c->ip, a->port,
                           buf_span(&d));
    }
    buf_fini(&d);
    return ok || p->soft;
}

/* The next message: of the datagram that came last, or of the next one. */
static int next_message(struct play *p, struct client *c, unsigned port, struct buf *to,
                        struct buf *why)
{
    static uint8_t bytes[BACK_DGRAM_MAX];
    buf_clear(to);
    if (c->messages.n == 0) {
        long n = p->back->ops->catch (p->back, number_of(p, c), port, bytes);
        if (n < 0)
            return 0;
        buf_clear(&c->heard);
        (void)buf_append(&c->heard, bytes, (size_t)n);
        if (!form_open(&c->keys, c->form, buf_span(&c->heard), &c->messages, why)) {
            buf_clear(&c->messages);
            return -1;
        }
    }
    bool several = form_packs(&c->keys, c->form);
    const uint8_t *lf = several ? memchr(c->messages.p, '\n', c->messages.n) : NULL;
    size_t n = lf ? (size_t)(lf - c->messages.p) : c->messages.n;
    (void)buf_append(to, c->messages.p, n);
    buf_consume(&c->messages, n + (lf != NULL));
    note(c, "<<", buf_span(to));
    return 1;
}

static bool expect_dgram(struct play *p, struct client *c, const struct step *x)
{
    struct buf text, want, why;
    nsec left = play_patience(p);
    size_t at = 0;
    bool ok = true;
    int got;
    buf_init(&text, TMPL_MAX);
    buf_init(&want, TMPL_MAX);
    buf_init(&why, 400);
    while ((got = next_message(p, c, x->cast->port, &text, &why)) == 0)
        if (!p->back->ops->wait(p->back, &left))
            break;
    if (got == 0)
        ok = play_miss(p, c, "%s expected the datagram: %s\n    but none came", c->name, x->text);
    else if (got < 0)
        ok = play_miss(p, c, "%s: a datagram came, but %.*s (form %s)", c->name, (int)why.n,
                       (const char *)why.p, form_word(c->form));
    else if (!tmpl_match(&p->vars, x->text, buf_span(&text), &want, &at))
        ok = say_difference(p, c, x, buf_span(&text), &want, at);
    if (p->soft)
        bind_dummies(p, x->text);
    buf_fini(&text);
    buf_fini(&want);
    buf_fini(&why);
    return ok;
}

static bool expect_no_dgram(struct play *p, struct client *c, unsigned port)
{
    struct buf text, why;
    bool ok = true;
    play_settle(p);
    buf_init(&text, TMPL_MAX);
    buf_init(&why, 400);
    int got = next_message(p, c, port, &text, &why);
    if (got < 0)
        ok = play_miss(p, c, "%s expected no datagram, but one came; %.*s", c->name, (int)why.n,
                       (const char *)why.p);
    if (got > 0)
        ok = play_miss(p, c, "%s expected no datagram, but there came: %.*s", c->name, (int)text.n,
                       (const char *)text.p);
    buf_fini(&text);
    buf_fini(&why);
    return ok;
}

static bool forget(struct play *p, struct client *c)
{
    static uint8_t bytes[BACK_DGRAM_MAX];
    struct buf line;
    play_settle(p);
    buf_init(&line, TMPL_MAX);
    while (take_line(p, c, &line))
        ;
    for (unsigned port = 1; port <= 9; port++)
        while (p->back->ops->catch (p->back, number_of(p, c), port, bytes) >= 0)
            ;
    buf_clear(&c->messages);
    buf_fini(&line);
    return counts_fit(p, c);
}

bool play_nothing_left(struct play *p)
{
    play_settle(p);
    for (unsigned i = 0; i < p->clients_n; i++) {
        struct client *c = &p->clients[i];
        if (c->gone)
            continue;
        if (!expect_quiet(p, c))
            return false;
        for (unsigned port = 1; port <= 9; port++)
            if (!expect_no_dgram(p, c, port))
                return false;
    }
    return true;
}

bool play_client_step(struct play *p, const struct step *x)
{
    if (x->kind == STEP_CLIENT)
        return open_client(p, x);
    struct client *c = play_client(p, x->who);
    if (!c)
        return p->soft;
    switch ((int)x->kind) {
    case STEP_SEND:
    case STEP_SPLIT: return send_text(p, c, x);
    case STEP_RAW: return send_raw(p, c, x);
    case STEP_EXPECT:
    case STEP_HOLDS: return expect(p, c, x);
    case STEP_QUIET: play_settle(p); return expect_quiet(p, c);
    case STEP_SILENT: return expect_silence(p, c, x->n);
    case STEP_CLOSED: return expect_closed(p, c, x->text);
    case STEP_CLOSE: end_client(p, c, END_CLOSE); return true;
    case STEP_RESET: end_client(p, c, END_RESET); return true;
    case STEP_HALF_CLOSE: end_client(p, c, END_HALF); return true;
    case STEP_STALLS: p->back->ops->stall(p->back, number_of(p, c), true); return true;
    case STEP_READS: p->back->ops->stall(p->back, number_of(p, c), false); return true;
    case STEP_FORGET: return forget(p, c);
    case STEP_UDP: c->form = (enum form)x->n; return true;
    case STEP_CAST: return cast(p, c, x);
    case STEP_CATCH: return expect_dgram(p, c, x);
    case STEP_CATCH_NONE: return expect_no_dgram(p, c, x->cast->port);
    default: UNREACHABLE();
    }
}
