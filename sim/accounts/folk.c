/* Who comes and goes: players, each from home and some from elsewhere too, with a token where they
 * have one and the password else; and guessers, from several addresses, with wrong passwords,
 * tokens they made up and tokens that were used before. */
#include "sim/accounts/town.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "sim/peer.h"
#include "sim/plan.h"
#include "wire/json.h"

#include <stdio.h>

#define GUESSER_ADDRS 3u
#define PATIENCE      (60 * NSEC_PER_S)

enum place { AWAY, COMING, WAITING, IN };

struct folk {
    struct town *town;
    struct page *page; /* NULL: a guesser */
    char token[TOKEN_TEXT + 1];
    bool old; /* tries the password before the newest */
    bool done;
};

/* One machine of somebody. */
struct conn {
    struct town *town;
    struct folk *who;
    struct peer *peer;
    struct sim_timer timer;
    enum place place;
    bool roams, leaving, used; /* used: its login was with the token */
    bool once;                 /* comes once, from where he never was before */
    nsec since;
    uint32_t stays;
    size_t in_n;
    char in[4096];
};

struct crowd {
    struct folk folk[TOWN_CONNS];
    struct conn conns[TOWN_CONNS];
    uint32_t folk_n, conns_n;
    bool calm;
};

static struct crowd *crowd_of(const struct town *t)
{
    return (struct crowd *)(void *)t->folk;
}

static uint64_t below(struct conn *c, uint64_t n)
{
    return sim_below(c->town->sim, CHANCE_BOTS, n);
}

static void after_ms(struct conn *c, uint64_t low, uint64_t high)
{
    sim_after(c->town->sim, &c->timer,
              (low + below(c, high - low + 1)) * NSEC_PER_MS + below(c, NSEC_PER_MS));
}

static void move(struct conn *c, enum place place)
{
    c->place = place;
    c->since = c->town->sim->now.mono;
}

/* ---- what is said ---- */

static void say(struct conn *c, const char *name, const char *password, const char *token)
{
    char line[512];
    int n =
        token ? snprintf(line, sizeof line,
                         "{\"command\":\"NAME\",\"name\":\"%s\",\"resume\":\"%s\"}\n", name, token)
              : snprintf(line, sizeof line,
                         "{\"command\":\"NAME\",\"name\":\"%s\",\"password\":\"%s\","
                         "\"resume\":\"\"}\n",
                         name, password);
    peer_send(c->town->sim, c->peer, span_of(line, (size_t)n));
    move(c, WAITING);
    after_ms(c, 20000, 30000);
}

static void log_in(struct conn *c)
{
    struct folk *f = c->who;
    const struct page *p = f->page;
    c->used = f->token[0] != '\0';
    if (c->used)
        say(c, p->name, "", f->token);
    else
        say(c, p->name, f->old && p->other[0] ? p->other : p->password, NULL);
}

static void used_token(struct conn *c, char to[TOKEN_TEXT + 1], const char **name)
{
    const struct town *t = c->town;
    to[0] = '\0';
    for (int i = 0; t->tokens_n && i < 8; i++) {
        const struct token_page *k = &t->tokens[below(c, t->tokens_n)];
        if (k->good != NO)
            continue;
        memcpy(to, k->text, TOKEN_TEXT + 1);
        *name = k->whose->name;
        return;
    }
}

static void guess(struct conn *c)
{
    static const char hex[] = "0123456789abcdef";
    char token[TOKEN_TEXT + 1], password[32];
    struct town *t = c->town;
    const struct page *p = &t->pages[below(c, 2) ? 0 : below(c, t->pages_n)];
    const char *name = p->name;
    uint64_t how = below(c, 10);
    token[0] = '\0';
    if (!p->let_in) { /* a guess would register it */
        after_ms(c, 100, 400);
        return;
    }
    if (how == 0)
        used_token(c, token, &name);
    if (how > 0 && how < 4)
        for (size_t i = 0; i < TOKEN_TEXT; i++) {
            token[i] = hex[below(c, 16)];
            token[i + 1] = '\0';
        }
    (void)snprintf(password, sizeof password, "wrong-%04u", (unsigned)below(c, 10000));
    say(c, name, password, token[0] ? token : NULL);
}

/* ---- what is heard ---- */

static struct span inner(const struct json_val *v)
{
    return v->type == JSON_STRING ? span_of(v->raw.p + 1, v->raw.n - 2) : SPAN_NULL;
}

static void let_in(struct conn *c, struct span token)
{
    struct folk *f = c->who;
    f->token[0] = '\0';
    if (token.n == TOKEN_TEXT) {
        memcpy(f->token, token.p, token.n);
        f->token[token.n] = '\0';
    }
    move(c, IN);
    c->stays = (uint32_t)below(c, 6);
    if (crowd_of(c->town)->calm && !c->roams)
        f->done = true;
    after_ms(c, 100, 1500);
}

static void refused(struct conn *c, struct span text)
{
    struct folk *f = c->who;
    move(c, IN); /* connected, and not waiting */
    c->stays = 0;
    if (memmem(text.p, text.n, "Invalid password", 16))
        f->old = !f->old;
    if (c->used) /* whatever it was: from here on the password */
        f->token[0] = '\0';
    if (c->used && below(c, 2))
        log_in(c);
    else
        after_ms(c, 200, 2500);
}

static void line_in(struct conn *c, struct span line)
{
    static const char *const names[] = {"command", "message", "authenticated", "resumeToken"};
    struct json_val v[4];
    if (line.n > 9 && memcmp(line.p, "CONNECTED", 9) == 0) {
        if (c->who->page)
            log_in(c);
        else
            guess(c);
        return;
    }
    if (c->place != WAITING || json_object(line, names, 4, v) != JSON_OBJECT)
        return;
    struct span command = inner(&v[0]);
    bool no = span_eq(command, SPAN_LIT("AUTH_FAILED")) || span_eq(command, SPAN_LIT("ERROR"));
    if (!c->who->page && (no || span_eq(command, SPAN_LIT("NAME_OK")))) {
        move(c, IN);
        after_ms(c, 10, 600);
    } else if (no) {
        refused(c, inner(&v[1]));
    } else if (span_eq(command, SPAN_LIT("NAME_OK"))) {
        let_in(c, inner(&v[3]));
    }
}

static void on_bytes(struct sim *s, struct peer *p, struct span bytes)
{
    struct conn *c = peer_ctx(p);
    (void)s;
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n') {
            size_t n = c->in_n;
            c->in_n = 0;
            line_in(c, span_of(c->in, n));
        } else if (c->in_n < sizeof c->in) {
            c->in[c->in_n++] = (char)bytes.p[i];
        }
    }
}

static void on_up(struct sim *s, struct peer *p)
{
    (void)s;
    ((struct conn *)peer_ctx(p))->in_n = 0;
}

static void on_down(struct sim *s, struct peer *p, enum peer_end why)
{
    struct conn *c = peer_ctx(p);
    (void)s;
    (void)why;
    move(c, AWAY);
    if (c->leaving || c->once)
        sim_stop(c->town->sim, &c->timer);
    else if (c->roams && c->who->page)
        after_ms(c, 1000, 12000);
    else
        after_ms(c, 50, 1500);
}

static void on_dgram(struct sim *s, struct peer *p, struct span d)
{
    (void)s;
    (void)p;
    (void)d;
}

static const struct peer_ops peer_ops = {
    .up = on_up, .bytes = on_bytes, .down = on_down, .dgram = on_dgram};

/* ---- turns ---- */

static void go(struct conn *c)
{
    struct sim *s = c->town->sim;
    uint64_t how = below(c, 8);
    if (how == 0) {
        peer_send(s, c->peer, SPAN_LIT("{\"command\":\"BYE\"}\n"));
        c->who->token[0] = '\0';
    } else if (how < 3) {
        peer_finish(s, c->peer);
    } else {
        peer_reset(s, c->peer);
    }
    after_ms(c, 5000, 6000);
}

static void turn_in(struct conn *c)
{
    if (!c->who->page) {
        if (below(c, 6) == 0)
            peer_reset(c->town->sim, c->peer); /* a new connection is no new guesser */
        else
            guess(c);
        return;
    }
    if (c->stays == 0) {
        go(c);
        return;
    }
    c->stays--;
    if (below(c, 3) == 0)
        log_in(c); /* once more, on the same connection */
    else
        after_ms(c, 100, 2500);
}

static void on_timer(struct sim *s, struct sim_timer *timer)
{
    struct conn *c = CONTAINER_OF(timer, struct conn, timer);
    if (c->leaving && c->place == AWAY)
        return;
    switch (c->place) {
    case AWAY:
        if (c->once && c->who->page->locked != YES && below(c, 100)) {
            after_ms(c, 500, 2500); /* rather when the account is locked */
            break;
        }
        move(c, COMING);
        peer_connect(s, c->peer);
        after_ms(c, 50000, 50000);
        break;
    case IN: turn_in(c); break;
    case COMING:
    case WAITING:
        if (s->now.mono - c->since >= PATIENCE)
            peer_reset(s, c->peer);
        after_ms(c, 20000, 20000);
        break;
    }
}

/* ---- life ---- */

static int conn_add(struct town *t, struct folk *f, const char *ip, bool roams)
{
    struct crowd *all = crowd_of(t);
    CHECK(all->conns_n < TOWN_CONNS);
    struct conn *c = &all->conns[all->conns_n++];
    *c = (struct conn){.town = t, .who = f, .roams = roams, .timer.fire = on_timer};
    c->peer = peer_create(t->sim, &peer_ops, c, ip);
    after_ms(c, 0, roams ? 9000 : 2000);
    return c->peer ? 0 : E_NOMEM;
}

static struct folk *folk_add(struct town *t, struct page *p)
{
    struct crowd *all = crowd_of(t);
    struct folk *f = &all->folk[all->folk_n++];
    *f = (struct folk){.town = t, .page = p};
    return f;
}

static struct page *page_add(struct town *t, const char *kind)
{
    struct page *p = &t->pages[t->pages_n];
    (void)snprintf(p->name, sizeof p->name, "%s%u", kind, t->pages_n);
    (void)snprintf(p->password, sizeof p->password, "secret-word-%08x",
                   (unsigned)sim_below(t->sim, CHANCE_BOTS, UINT32_MAX));
    p->level = LEVEL_PLAYER;
    p->level_sure = true;
    t->pages_n++;
    return p;
}

static int player_add(struct town *t, const char *kind)
{
    char ip[48];
    uint32_t n = t->pages_n;
    struct folk *f = folk_add(t, page_add(t, kind));
    if (n % 4 == 3)
        (void)snprintf(ip, sizeof ip, "2001:db8:%x::1", n);
    else
        (void)snprintf(ip, sizeof ip, "198.18.%u.%u", n / 3, n + 1);
    int rc = conn_add(t, f, ip, false);
    if (rc == 0 && n % 2) {
        (void)snprintf(ip, sizeof ip, "198.19.%u.%u", n, n + 1);
        rc = conn_add(t, f, ip, true);
    }
    for (uint32_t i = 0; rc == 0 && i < 3; i++) {
        (void)snprintf(ip, sizeof ip, "198.20.%u.%u", n, i + 1);
        rc = conn_add(t, f, ip, true);
        struct conn *c = &crowd_of(t)->conns[crowd_of(t)->conns_n - 1];
        c->once = true;
        after_ms(c, 5000, 20000);
    }
    return rc;
}

int folk_open(struct town *t)
{
    const struct sim_plan *p = t->sim->plan;
    int rc = 0;
    t->folk = mem_zalloc(1, sizeof(struct crowd));
    if (!t->folk)
        return E_NOMEM;
    for (uint32_t i = 0; rc == 0 && i < p->honest; i++)
        rc = player_add(t, "player");
    t->players_n = t->pages_n;
    for (uint32_t i = 0; rc == 0 && i < 3; i++)
        rc = player_add(t, "visitor");
    for (uint32_t i = 0; rc == 0 && i < p->hostile; i++) {
        struct folk *f = folk_add(t, NULL);
        for (uint32_t k = 0; rc == 0 && k < GUESSER_ADDRS; k++) {
            char ip[48];
            (void)snprintf(ip, sizeof ip, "203.0.%u.%u", k + 1, i + 1);
            rc = conn_add(t, f, ip, true);
        }
    }
    return rc;
}

void folk_close(struct town *t)
{
    struct crowd *all = crowd_of(t);
    for (uint32_t i = 0; all && i < all->conns_n; i++) {
        sim_stop(t->sim, &all->conns[i].timer);
        peer_destroy(t->sim, all->conns[i].peer);
    }
    mem_free(all);
    t->folk = NULL;
}

static void send_home(struct conn *c)
{
    c->leaving = true;
    if (c->place != AWAY)
        peer_reset(c->town->sim, c->peer);
}

void folk_calm(struct town *t)
{
    struct crowd *all = crowd_of(t);
    all->calm = true;
    for (uint32_t i = 0; i < all->conns_n; i++)
        if (!all->conns[i].who->page)
            send_home(&all->conns[i]);
}

void folk_leave(struct town *t)
{
    struct crowd *all = crowd_of(t);
    for (uint32_t i = 0; i < all->conns_n; i++)
        send_home(&all->conns[i]);
}

static bool is_done(const struct town *t, const struct folk *f)
{
    return !f->page || f->done || f->page >= t->pages + t->players_n;
}

bool folk_done(const struct town *t)
{
    const struct crowd *all = crowd_of(t);
    for (uint32_t i = 0; i < all->folk_n; i++)
        if (!is_done(t, &all->folk[i]))
            return false;
    return t->restored;
}

bool folk_home(const struct town *t)
{
    const struct crowd *all = crowd_of(t);
    for (uint32_t i = 0; i < all->conns_n; i++)
        if (all->conns[i].place != AWAY || peer_is_up(all->conns[i].peer))
            return false;
    return true;
}

void folk_text(const struct town *t, struct buf *to)
{
    const struct crowd *all = crowd_of(t);
    for (uint32_t i = 0; i < all->folk_n; i++)
        if (!is_done(t, &all->folk[i]))
            (void)buf_printf(to, "%s was not let in; ", all->folk[i].page->name);
    (void)buf_printf(to, "%s", t->restored ? "" : "bans, suspensions or locks are left");
}
