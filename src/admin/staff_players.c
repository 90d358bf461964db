/* Moderation commands that are about players who are online. */
#include "admin/staff_priv.h"
#include "base/err.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define ID_SHOWN   8u
#define ID_MIN     8u
#define LISTED_MAX 200u
#define SHARED_MAX 4096u

static const struct staff_games *games(const struct staff_job *j)
{
    return j->staff->cfg.games;
}

/* "Racing" of "racing". */
static const char *game_title(const struct staff_job *j, size_t game, char text[32])
{
    (void)snprintf(text, 32, "%s", games(j)->name(games(j)->ctx, game));
    text[0] = (char)toupper((unsigned char)text[0]);
    return text;
}

/* ---- finding ---- */

struct find {
    struct span who; /* a name, or the beginning of a session's id */
    bool by_id;
    bool account; /* only those who are signed in */
    size_t game;
    unsigned n, signed_in; /* how many fit; of them signed in to an account */
    struct staff_target *ret;
};

static void note(struct staff_target *t, size_t game, const struct player_view *p)
{
    *t = (struct staff_target){
        .game = game, .account = p->account, .level = p->level, .muted = p->muted, .peer = p->peer};
    t->session_n = (uint8_t)(p->session.n < sizeof t->session ? p->session.n : sizeof t->session);
    t->name_n = (uint8_t)(p->name.n < sizeof t->name ? p->name.n : sizeof t->name);
    memcpy(t->session, p->session.p, t->session_n);
    memcpy(t->name, p->name.p, t->name_n);
}

/* Whoever is signed in goes before those who only call themselves so. */
static bool find_one(void *ctx, const struct player_view *p)
{
    struct find *f = ctx;
    bool fits = f->by_id ? p->session.n >= f->who.n && memcmp(p->session.p, f->who.p, f->who.n) == 0
                         : span_eq(p->name, f->who);
    if (!fits || (f->account && p->account == 0))
        return true;
    f->n++;
    if (p->account != 0 || f->signed_in == 0)
        note(f->ret, f->game, p);
    f->signed_in += p->account != 0;
    return true;
}

bool staff_online(struct staff_job *j, struct span who, bool quiet, struct staff_target *ret)
{
    const struct staff_games *g = games(j);
    struct find f = {.who = who, .by_id = who.n && who.p[0] == '#', .ret = ret};
    f.account = quiet && !f.by_id;
    if (f.by_id)
        f.who = span_skip(who, 1);
    bool sane = f.who.n >= (f.by_id ? ID_MIN : 1u);
    for (f.game = 0; sane && f.game < g->count(g->ctx); f.game++)
        g->players(g->ctx, f.game, find_one, &f);
    if (f.n == 1 || f.signed_in == 1) {
        if (ret->account)
            staff_about_account(j, ret->account);
        else
            staff_about(j, span_of(ret->name, ret->name_n));
        return true;
    }
    if (f.n > 1)
        staff_print(j, "Several players fit. Give one's #ID; see /clientlist.");
    else if (!quiet)
        staff_print(j, "No such player is online (%.*s).", (int)who.n, (const char *)who.p);
    return false;
}

static bool is_oneself(const struct staff_job *j, const struct staff_target *t)
{
    return j->by.session.n && span_eq(j->by.session, span_of(t->session, t->session_n));
}

bool staff_may_act(struct staff_job *j, const struct staff_target *t, bool oneself)
{
    bool own = is_oneself(j, t) || (t->account != 0 && t->account == j->by.account);
    if (own && !oneself)
        staff_print(j, "Not on yourself.");
    else if (!own && t->account != 0 && !account_desk_outranks(j->by.level, t->level))
        staff_print(j, "The player's level is not below yours.");
    else
        return true;
    return false;
}

static bool find_and_may(struct staff_job *j, struct span who, bool oneself)
{
    return staff_online(j, who, false, &j->target) && staff_may_act(j, &j->target, oneself);
}

static struct span session_of(const struct staff_target *t)
{
    return span_of(t->session, t->session_n);
}

int staff_order(struct staff_job *j, size_t game, const struct order *o, const char *nothing,
                const char *done)
{
    char title[32];
    int rc = games(j)->order(games(j)->ctx, game, o);
    if (rc == 0)
        staff_print(j, "%s", done);
    else if (rc == E_SUPPORT)
        staff_print(j, "%s has no %s.", game_title(j, game, title), nothing);
    else if (rc == E_NOENT)
        staff_print(j, "The player has just left.");
    else
        staff_print(j, "It cannot be done: %s.", err_text(rc));
    return JOB_DONE;
}

/* The speaker's own session; false with a text where he is in no game. */
static bool oneself(struct staff_job *j)
{
    struct find f = {.who = j->by.session, .by_id = true, .ret = &j->target};
    const struct staff_games *g = games(j);
    for (; j->by.session.n && f.game < g->count(g->ctx) && f.n == 0; f.game++)
        g->players(g->ctx, f.game, find_one, &f);
    if (f.n == 0)
        staff_print(j, "You are not in a game.");
    return f.n != 0;
}

/* ---- kick, mute ---- */

struct kick {
    struct staff_job *j;
    int64_t account;
    size_t game;
    unsigned n;
    struct staff_target found[TARGETS_MAX];
};

static bool of_account(void *ctx, const struct player_view *p)
{
    struct kick *k = ctx;
    if (p->account == k->account && k->n < TARGETS_MAX)
        note(&k->found[k->n++], k->game, p);
    return k->n < TARGETS_MAX;
}

static void on_kick_account(void *ctx, struct now now, const struct desk_result *r)
{
    struct staff_job *j = ctx;
    const struct staff_games *g = games(j);
    struct kick *k = r->rc ? NULL : mem_zalloc(1, sizeof *k);
    if (r->rc) {
        staff_print(j, "It cannot be done: %s.", r->why);
    } else if (k && (r->account == j->by.account || account_desk_outranks(j->by.level, r->level))) {
        k->account = r->account;
        staff_about_account(j, r->account);
        for (k->game = 0; k->game < g->count(g->ctx); k->game++)
            g->players(g->ctx, k->game, of_account, k);
        for (unsigned i = 0; i < k->n; i++) {
            struct order o = {.kind = ORDER_KICK,
                              .session = session_of(&k->found[i]),
                              .text = SPAN_LIT("Disconnected by administrator")};
            (void)g->order(g->ctx, k->found[i].game, &o);
        }
        staff_print(j, "Ended sessions: %u.", k->n);
    } else {
        staff_print(j, k ? "The account's level is not below yours." : "Memory is short.");
    }
    mem_free(k);
    staff_finish(j, now);
}

int run_kick(struct staff_job *j)
{
    if (j->words.n == 3 && staff_same(staff_arg(j, 1), "account")) {
        struct desk_request r = {.op = DESK_SHOW, .by = j->by, .name = staff_arg(j, 2)};
        int rc = account_desk_ask(j->staff->cfg.desk, j->now, &r, on_kick_account, j);
        if (rc == 0)
            return JOB_WAITS;
        staff_print(j, "The server is too busy. Try again.");
        return JOB_DONE;
    }
    if (j->words.n != 2)
        return staff_usage(j);
    if (!find_and_may(j, staff_arg(j, 1), true))
        return JOB_DONE;
    struct order o = {.kind = ORDER_KICK,
                      .session = session_of(&j->target),
                      .text = SPAN_LIT("Disconnected by administrator")};
    return staff_order(j, j->target.game, &o, "sessions", "Kicked.");
}

static int mute_account(struct staff_job *j, struct span name, int64_t account, bool on)
{
    struct desk_request r = {
        .op = DESK_SET_MUTED, .on = on, .name = account ? SPAN_NULL : name, .id = account};
    return staff_desk(j, &r, on ? "Muted in every game." : "Not muted any more.");
}

int run_mute(struct staff_job *j)
{
    struct span who = staff_arg(j, 1), how = staff_arg(j, 2);
    bool all = staff_same(how, "allchars"), away = staff_same(how, "remove");
    if (j->words.n < 2 || j->words.n > 3 || (j->words.n == 3 && !all && !away))
        return staff_usage(j);
    bool online = staff_online(j, who, all || away, &j->target);
    if (!online)
        return j->out.n == 0 && (all || away) ? mute_account(j, who, 0, all) : JOB_DONE;
    if (!staff_may_act(j, &j->target, false))
        return JOB_DONE;
    if (away) {
        struct order off = {.kind = ORDER_MUTE, .session = session_of(&j->target)};
        (void)games(j)->order(games(j)->ctx, j->target.game, &off);
    }
    if (j->target.account != 0 && (all || away))
        return mute_account(j, who, j->target.account, all);
    bool on = all || (!away && !j->target.muted);
    struct order o = {.kind = ORDER_MUTE, .session = session_of(&j->target), .on = on};
    return staff_order(j, j->target.game, &o, "chat", on ? "Muted." : "Not muted any more.");
}

/* ---- what a game may not have ---- */

static bool coordinate(struct span s, double *ret)
{
    char text[32], *end;
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *ret = strtod(text, &end);
    return *end == '\0' && *ret > -1e9 && *ret < 1e9;
}

int run_jump(struct staff_job *j)
{
    struct order o = {.kind = ORDER_JUMP};
    struct staff_target other;
    size_t n = j->words.n;
    bool places = n >= 5 && staff_same(staff_arg(j, 1), "to") &&
                  coordinate(staff_arg(j, 2), &o.at[0]) && coordinate(staff_arg(j, 3), &o.at[1]) &&
                  coordinate(staff_arg(j, 4), &o.at[2]);
    bool self = n == 3 && staff_same(staff_arg(j, 1), "to");
    bool two = n == 4 && staff_same(staff_arg(j, 2), "to");
    if (!places && !self && !two)
        return staff_usage(j);
    if (two ? !find_and_may(j, staff_arg(j, 1), true) : !oneself(j))
        return JOB_DONE;
    if (!places) {
        if (!staff_online(j, staff_arg(j, n - 1), false, &other))
            return JOB_DONE;
        o.to = session_of(&other);
    }
    o.session = session_of(&j->target);
    return staff_order(j, j->target.game, &o, "places to jump to", "Moved.");
}

int run_player(struct staff_job *j)
{
    struct span what = staff_arg(j, 1);
    bool level = staff_same(what, "level"), money = staff_same(what, "money");
    struct order o = {.kind = level ? ORDER_LEVEL : ORDER_MONEY};
    if (staff_same(what, "info") && j->words.n == 3)
        return run_gminfo(j);
    if ((!level && !money) || j->words.n != 4)
        return staff_usage(j);
    if (!staff_number(j, 3, 0, INT64_C(1000000000), &o.amount) ||
        !find_and_may(j, staff_arg(j, 2), true))
        return JOB_DONE;
    o.session = session_of(&j->target);
    return staff_order(j, j->target.game, &o, level ? "levels" : "money", "Done.");
}

int run_item(struct staff_job *j)
{
    struct order o = {.kind = ORDER_GIVE, .text = staff_arg(j, 2), .amount = 1};
    if (!staff_same(staff_arg(j, 1), "create") || j->words.n < 3 || j->words.n > 4)
        return staff_usage(j);
    if ((j->words.n == 4 && !staff_number(j, 3, 1, 1000, &o.amount)) || !oneself(j))
        return JOB_DONE;
    o.session = session_of(&j->target);
    return staff_order(j, j->target.game, &o, "items", "Made.");
}

int run_heal(struct staff_job *j)
{
    struct order o = {.kind = ORDER_HEAL};
    if (j->words.n > 2)
        return staff_usage(j);
    if (j->words.n == 2 ? !find_and_may(j, staff_arg(j, 1), true) : !oneself(j))
        return JOB_DONE;
    o.session = session_of(&j->target);
    return staff_order(j, j->target.game, &o, "health", "Healed.");
}

int run_snoop(struct staff_job *j)
{
    bool off = j->words.n == 3 && staff_same(staff_arg(j, 2), "remove");
    struct order o = {.kind = ORDER_SNOOP, .on = !off, .to = j->by.session};
    if (j->words.n != 2 && !off)
        return staff_usage(j);
    if (!find_and_may(j, staff_arg(j, 1), false))
        return JOB_DONE;
    if (!off && !span_eq(j->by.game, span_str(games(j)->name(games(j)->ctx, j->target.game)))) {
        staff_print(j, "You are not in the player's game.");
        return JOB_DONE;
    }
    o.session = session_of(&j->target);
    return staff_order(j, j->target.game, &o, "snooping",
                       off ? "No copies any more." : "You get copies until you say remove.");
}

void staff_snoop_none(struct staff *st)
{
    const struct staff_games *g = st->cfg.games;
    struct order o = {.kind = ORDER_SNOOP};
    for (size_t i = 0; i < g->count(g->ctx); i++)
        (void)g->order(g->ctx, i, &o);
}

/* ---- telling ---- */

int run_announce(struct staff_job *j)
{
    static const char *const ways[] = {"log", "window", "send", "center", "confirm"};
    const struct staff_games *g = games(j);
    struct order o = {.kind = ORDER_TELL};
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        known = known || staff_same(staff_arg(j, 1), ways[i]);
    if (!known || j->words.n < 3)
        return staff_usage(j);
    o.text = staff_rest(j, 2);
    for (size_t i = 0; i < g->count(g->ctx); i++)
        (void)g->order(g->ctx, i, &o);
    staff_print(j, "Announced.");
    return JOB_DONE;
}

struct team {
    size_t game;
    unsigned n;
    struct staff_target found[TARGETS_MAX];
};

static bool of_team(void *ctx, const struct player_view *p)
{
    struct team *t = ctx;
    if (p->account != 0 && p->level > LEVEL_PLAYER)
        note(&t->found[t->n++], t->game, p);
    return t->n < TARGETS_MAX;
}

int run_team(struct staff_job *j)
{
    const struct staff_games *g = games(j);
    struct buf text;
    struct team *t;
    if (j->words.n < 2)
        return staff_usage(j);
    t = mem_zalloc(1, sizeof *t);
    buf_init(&text, 2 * STAFF_LINE_MAX);
    struct span name = j->player.n ? j->player : j->by.name;
    (void)buf_printf(&text, "[Team] %.*s: ", (int)name.n, (const char *)name.p);
    (void)buf_append_span(&text, staff_rest(j, 1));
    for (; t && t->game < g->count(g->ctx) && t->n < TARGETS_MAX; t->game++)
        g->players(g->ctx, t->game, of_team, t);
    for (unsigned i = 0; t && i < t->n; i++) {
        struct order o = {
            .kind = ORDER_TELL, .session = session_of(&t->found[i]), .text = buf_span(&text)};
        if (!is_oneself(j, &t->found[i]))
            (void)g->order(g->ctx, t->found[i].game, &o);
    }
    staff_print(j, "%.*s", (int)text.n, text.p ? (const char *)text.p : "");
    buf_fini(&text);
    mem_free(t);
    return JOB_DONE;
}

/* ---- looking ---- */

struct list_ctx {
    struct staff_job *j;
    size_t game;
    bool full;
    unsigned n;
};

static bool list_one(void *ctx, const struct player_view *p)
{
    struct list_ctx *l = ctx;
    char text[ADDR_TEXT_MAX], more[400] = "", place[64] = "";
    int id_n = p->session.n < ID_SHOWN ? (int)p->session.n : (int)ID_SHOWN;
    if (l->n++ >= LISTED_MAX)
        return true;
    if (p->place.n)
        (void)snprintf(place, sizeof place, " in %.*s", p->place.n < 40 ? (int)p->place.n : 40,
                       (const char *)p->place.p);
    if (l->full)
        (void)snprintf(more, sizeof more, " account #%lld %s", (long long)p->account,
                       addr_text(&p->peer, text));
    staff_print(l->j, "%.*s #%.*s %s level %u%s%s%s", (int)p->name.n, (const char *)p->name.p, id_n,
                (const char *)p->session.p, games(l->j)->name(games(l->j)->ctx, l->game), p->level,
                p->muted ? " muted" : "", place, more);
    return true;
}

int run_clientlist(struct staff_job *j)
{
    const struct staff_games *g = games(j);
    struct list_ctx l = {.j = j, .full = staff_same(staff_arg(j, 1), "full")};
    if (j->words.n > 2 || (j->words.n == 2 && !l.full))
        return staff_usage(j);
    for (; l.game < g->count(g->ctx); l.game++)
        g->players(g->ctx, l.game, list_one, &l);
    staff_print(j, l.n > LISTED_MAX ? "%u players online; more than are shown." : "%u online.",
                l.n);
    return JOB_DONE;
}

struct sharer {
    uint8_t ip[16];
    uint8_t name_n;
    char name[64];
    struct addr peer;
};

struct sharers {
    struct sharer *v;
    size_t n;
};

static bool note_sharer(void *ctx, const struct player_view *p)
{
    struct sharers *s = ctx;
    struct sharer *x = &s->v[s->n];
    if (s->n == SHARED_MAX)
        return false;
    memcpy(x->ip, p->peer.ip, sizeof x->ip);
    x->peer = p->peer;
    x->name_n = (uint8_t)(p->name.n < sizeof x->name ? p->name.n : sizeof x->name);
    memcpy(x->name, p->name.p, x->name_n);
    s->n++;
    return true;
}

static int by_ip(const void *a, const void *b)
{
    return memcmp(((const struct sharer *)a)->ip, ((const struct sharer *)b)->ip, 16);
}

static void print_shared(struct staff_job *j, const struct sharers *s, size_t from, size_t n)
{
    char text[ADDR_TEXT_MAX];
    struct buf line;
    buf_init(&line, 900);
    for (size_t i = from; i < from + n; i++)
        (void)buf_printf(&line, "%s%.*s", i > from ? ", " : "", (int)s->v[i].name_n, s->v[i].name);
    staff_print(j, "%s: %.*s", addr_host_text(&s->v[from].peer, text), (int)line.n,
                line.p ? (const char *)line.p : "");
    buf_fini(&line);
}

int run_sameip(struct staff_job *j)
{
    const struct staff_games *g = games(j);
    struct sharers s = {.v = mem_zalloc(SHARED_MAX, sizeof(struct sharer))};
    size_t groups = 0;
    if (j->words.n > 1 || !s.v) {
        mem_free(s.v);
        return staff_usage(j);
    }
    for (size_t i = 0; i < g->count(g->ctx); i++)
        g->players(g->ctx, i, note_sharer, &s);
    if (s.n)
        qsort(s.v, s.n, sizeof s.v[0], by_ip);
    for (size_t i = 0, n; i < s.n; i += n) {
        for (n = 1; i + n < s.n && by_ip(&s.v[i], &s.v[i + n]) == 0;)
            n++;
        if (n > 1 && ++groups <= LISTED_MAX)
            print_shared(j, &s, i, n);
    }
    if (groups == 0)
        staff_print(j, "Nobody shares an address.");
    mem_free(s.v);
    return JOB_DONE;
}

/* /gminfo NAME and /player info NAME */
int run_gminfo(struct staff_job *j)
{
    struct staff_target *t = &j->target;
    char text[ADDR_TEXT_MAX];
    size_t at = staff_same(j->words.word[0], "player") ? 2 : 1;
    if (j->words.n != at + 1)
        return staff_usage(j);
    if (!staff_online(j, staff_arg(j, at), false, t))
        return JOB_DONE;
    staff_print(j, "Name: %.*s", (int)t->name_n, (const char *)t->name);
    staff_print(j, "Session: %.*s", (int)t->session_n, (const char *)t->session);
    staff_print(j, "Game: %s", games(j)->name(games(j)->ctx, t->game));
    staff_print(j, "Account: #%lld, level %u", (long long)t->account, t->level);
    staff_print(j, "Address: %s", addr_text(&t->peer, text));
    staff_print(j, "Muted: %s", t->muted ? "yes" : "no");
    return JOB_DONE;
}
