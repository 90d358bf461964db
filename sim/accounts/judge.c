/* The oracle of accounts. */
#include "sim/accounts/town.h"

#include "base/check.h"
#include "base/err.h"
#include "core/limit.h"
#include "sim/accounts/trail.h"
#include "sim/desks.h"
#include "sim/store.h"
#include "wire/json.h"
#include "wire/text.h"

#define LIVE_SLACK  (1 * NSEC_PER_S) /* for who must go to be gone */
#define AT_WORK_MAX 4u               /* logins of one address that are under way at once */
#define WINDOW      (600 * NSEC_PER_S)
#define LOOK_EVERY  8u
#define SECOND_AGO  (1 * NSEC_PER_S)

static struct resident_link *link_of(struct town *t, uint64_t no)
{
    for (uint32_t i = 0; i < t->links_n; i++)
        if (t->links[i].used && t->links[i].no == no)
            return &t->links[i];
    return NULL;
}

static bool jumped_since(const struct town *t, nsec at)
{
    return t->jumped_at >= at;
}

/* ---- the process ---- */

static void bans_on_disk(struct town *t)
{
    for (uint32_t i = 0; i < t->bans_n; i++) {
        struct ban_page *b = &t->bans[i];
        if (b->state == BAN_STORED && book_in_force(t, b) == YES && !(b->whose && b->whose->gone))
            judge_ban_stored(t, b);
    }
}

void judge_ban_stored(struct town *t, const struct ban_page *b)
{
    if (t->sim->disk && !sim_disk_ban(t->sim->disk, b->ban.id))
        sim_find(t->sim, "bans", "ban %lld was acknowledged and is not on the disk",
                 (long long)b->ban.id);
}

void judge_started(struct sim *s, const struct config *c)
{
    struct town *t = town_of(s);
    t->refuse = config_enum(c, "racing.single_login") == 1;
    book_clock(t);
    bans_on_disk(t);
}

void judge_stopped(struct sim *s, bool died)
{
    struct town *t = town_of(s);
    t->crashes += died;
    clerk_forget(t);
    book_process_ended(t);
    bans_on_disk(t);
    trail_judge(t);
}

/* ---- links ---- */

void judge_opened(struct sim *s, uint64_t link, const struct link_info *info)
{
    struct town *t = town_of(s);
    struct resident_link *l = NULL;
    for (uint32_t i = 0; !l && i < t->links_n; i++)
        if (!t->links[i].used)
            l = &t->links[i];
    CHECK(l || t->links_n < TOWN_LINKS);
    if (!l)
        l = &t->links[t->links_n++];
    *l = (struct resident_link){.used = true, .no = link, .peer = info->peer};
}

static void attempt_over(struct resident_link *l)
{
    if (l->pending && l->token && l->token->trying)
        l->token->trying--;
    l->pending = false;
    l->token = NULL;
}

void judge_closing(struct sim *s, uint64_t link, enum close_why why)
{
    struct resident_link *l = link_of(town_of(s), link);
    (void)why;
    if (!l)
        return;
    attempt_over(l);
    l->auth = false;
}

void judge_closed(struct sim *s, uint64_t link, enum close_why why)
{
    struct resident_link *l = link_of(town_of(s), link);
    judge_closing(s, link, why);
    if (l)
        l->used = false;
}

/* ---- what is heard ---- */

static struct span inner(const struct json_val *v)
{
    return v->type == JSON_STRING ? span_of(v->raw.p + 1, v->raw.n - 2) : SPAN_NULL;
}

static void begin(struct town *t, struct resident_link *l, struct span line)
{
    static const char *const names[] = {"command", "name", "password", "resume"};
    struct json_val v[4];
    if (json_object(line, names, 4, v) != JSON_OBJECT || !span_eq(inner(&v[0]), SPAN_LIT("NAME")))
        return;
    struct span password = inner(&v[2]), token = inner(&v[3]);
    l->pending = true;
    l->page = book_page(t, inner(&v[1]));
    l->begun = t->sim->now.mono;
    l->begun_ms = t->sim->now.unix_ms;
    l->by_token = token.n > 0;
    l->strange = false;
    l->token = NULL;
    l->password[0] = '\0';
    if (password.n && password.n < sizeof l->password) {
        memcpy(l->password, password.p, password.n);
        l->password[password.n] = '\0';
    }
    if (!l->by_token)
        return;
    l->token = book_token(t, token);
    l->strange = !l->token;
    if (!l->token)
        return;
    struct token_page *k = l->token;
    if (k->trying++)
        k->contested = true;
    else
        k->contested = false;
    l->token_was = k->good;
    if (k->good == YES)
        k->good = MAYBE;
}

void judge_heard(struct sim *s, uint64_t link, struct span bytes)
{
    struct town *t = town_of(s);
    struct resident_link *l = link_of(t, link);
    book_clock(t);
    for (size_t i = 0; l && i < bytes.n; i++) {
        if (bytes.p[i] != '\n') {
            CHECK(l->in_n < sizeof l->in);
            l->in[l->in_n++] = (char)bytes.p[i];
            continue;
        }
        begin(t, l, span_of(l->in, l->in_n));
        l->in_n = 0;
    }
}

/* ---- a login succeeded ---- */

static const char *token_wrong(const struct town *t, const struct resident_link *l)
{
    const struct token_page *k = l->token;
    if (!k)
        return "with a token that nobody was given";
    if (k->whose != l->page)
        return "with another's token";
    if (k->good == NO)
        return "with a token that was used before, or has ended";
    if (k->until_ms && l->begun_ms >= k->until_ms && !jumped_since(t, l->begun))
        return "with a token that had expired";
    return NULL;
}

static bool password_fits(const struct page *p, const char *password)
{
    return strcmp(p->password, password) == 0 || (p->other[0] && strcmp(p->other, password) == 0);
}

static const char *banned_by(struct town *t, const struct page *p, const struct addr *from,
                             nsec before)
{
    for (uint32_t i = 0; i < t->bans_n; i++) {
        struct ban_page *b = &t->bans[i];
        if (b->since <= before && book_in_force(t, b) == YES && book_covers(b, p, from) &&
            !(b->whose && b->whose->gone))
            return b->whose ? "his account is banned" : "his address is banned";
    }
    return NULL;
}

static const char *may_not(struct town *t, const struct resident_link *l)
{
    struct page *p = l->page;
    const struct known *k = book_known(p, &l->peer, false);
    const char *wrong = l->by_token ? token_wrong(t, l) : NULL;
    if (wrong)
        return wrong;
    if (!l->by_token && !password_fits(p, l->password))
        return "with a wrong password";
    wrong = banned_by(t, p, &l->peer, t->sim->now.mono);
    if (wrong)
        return wrong;
    if (p->suspended == YES)
        return "his account is suspended";
    if (p->locked == YES && p->locked_since < l->begun && p->changed < l->begun &&
        l->begun_ms < p->lock_until_ms && !jumped_since(t, p->locked_since) &&
        (!k || k->asked >= l->begun))
        return "his account is locked, and the address not one he came from";
    return NULL;
}

static nsec put_time(const struct town *t, struct span token)
{
    char hash[TOKEN_HASH + 1];
    if (token_hash(token, hash))
        return 0;
    for (uint32_t i = 0; i < TOWN_PUTS; i++)
        if (memcmp(t->puts[i].hash, hash, TOKEN_HASH) == 0)
            return t->puts[i].at;
    return 0;
}

static void take_token(struct town *t, struct resident_link *l, struct span token)
{
    struct token_page *k = book_token_new(t, l->page, token);
    if (!k)
        return;
    k->put_at = put_time(t, token);
    k->good_to_ms = l->begun_ms + (int64_t)t->resume_s * 1000;
    k->until_ms = t->sim->now.unix_ms + (int64_t)t->resume_s * 1000;
    if (k->put_at <= l->page->changed)
        k->good = MAYBE;
    /* Made before the clock jumped, or to last as long as another configuration says. */
    if (jumped_since(t, l->begun) || t->reloaded_at >= l->begun) {
        k->good = MAYBE;
        k->until_ms = 0;
    }
}

static void succeeded(struct town *t, struct resident_link *l, struct span token)
{
    struct page *p = l->page;
    const char *wrong = p && !p->gone ? may_not(t, l) : NULL;
    if (wrong)
        sim_find(t->sim, l->by_token ? "tokens" : "accounts",
                 "%s was let in %s, login of link %llu", p->name, wrong, (unsigned long long)l->no);
    if (l->token)
        l->token->good = NO;
    attempt_over(l);
    if (!p)
        return;
    l->auth = true;
    l->as = p;
    l->since = t->sim->now.mono;
    p->let_in++;
    if (token.n)
        take_token(t, l, token);
}

/* ---- or failed ---- */

static bool perhaps_banned(struct town *t, const struct resident_link *l)
{
    const struct prefix *x = book_prefix(t, &l->peer);
    if (!x || x->maybe || jumped_since(t, l->begun > SECOND_AGO ? l->begun - SECOND_AGO : 0))
        return true;
    for (uint32_t i = 0; i < t->bans_n; i++) {
        const struct ban_page *b = &t->bans[i];
        bool over = (b->state == BAN_OVER && b->changed < l->begun) ||
                    (b->ban.expires && b->ban.expires <= l->begun_ms);
        if (!over && book_covers(b, l->page, &l->peer))
            return true;
    }
    return false;
}

static void guessed(struct town *t, const struct resident_link *l)
{
    struct prefix *x = book_prefix(t, &l->peer);
    nsec now = t->sim->now.mono;
    uint32_t recent = 0;
    if (!x || !t->threshold || !t->ban_s)
        return;
    if (x->banned_at && (now >= x->banned_to || jumped_since(t, x->banned_at))) {
        x->banned_at = 0;
        x->after = 0;
    }
    if (x->banned_at) {
        if (++x->after > AT_WORK_MAX)
            sim_find(
                t->sim, "guesses",
                "%u wrong passwords or tokens got through from an address after it had tried %u",
                x->after, t->threshold);
        return;
    }
    x->at[x->wrong++ % ARRAY_LEN(x->at)] = now;
    for (uint32_t i = 0; i < ARRAY_LEN(x->at) && i < x->wrong; i++)
        recent += now - x->at[i] < WINDOW;
    x->maybe |= recent + 1 >= t->threshold; /* guesses that were never answered count too */
    if (recent >= t->threshold) {
        x->banned_at = now;
        x->banned_to = now + (nsec)t->ban_s * NSEC_PER_S;
        x->wrong = 0;
    }
}

static const char *resume_refused(const struct town *t, const struct resident_link *l)
{
    struct token_page *k = l->token;
    const char *wrong = NULL;
    if (k && l->page && k->whose == l->page) {
        if (l->token_was == YES && k->good != NO && !k->contested &&
            t->sim->now.unix_ms < k->good_to_ms && !jumped_since(t, k->put_at) &&
            l->page->changed < k->put_at)
            wrong = "a token that is good was refused";
        if (k->trying < 2) /* else the other one may have it */
            k->good = NO;
    } else if (k && k->good == YES) {
        k->good = MAYBE; /* shown with another's name it is used up */
    }
    return wrong;
}

/* What a refusal says must be so, or may be. */
static const char *refused_for_nothing(struct town *t, struct resident_link *l, struct span text)
{
    struct page *p = l->page;
    const struct known *k = p ? book_known(p, &l->peer, false) : NULL;
    const char *says = (const char *)text.p;
    bool fresh = !p || p->gone || p->changed >= l->begun;
    if (memmem(says, text.n, "You are banned", 14))
        return perhaps_banned(t, l) || (p && p->gone) ? NULL : "refused as banned";
    if (memmem(says, text.n, "is suspended", 12))
        return fresh || p->suspended != NO ? NULL : "refused as suspended";
    if (memmem(says, text.n, "is locked", 9)) {
        if (fresh)
            return NULL;
        if (p->locked == NO && !jumped_since(t, l->begun))
            return "refused as locked";
        return k && k->there == YES && k->since < l->begun && !jumped_since(t, k->since)
                   ? "refused as locked where he came from before"
                   : NULL;
    }
    if (memmem(says, text.n, "Invalid resume", 14)) {
        guessed(t, l);
        return l->by_token ? resume_refused(t, l) : "told of a token";
    }
    if (memmem(says, text.n, "Invalid password", 16)) {
        guessed(t, l);
        return !fresh && !p->other[0] && p->password_changed < l->begun && !l->by_token &&
                       strcmp(l->password, p->password) == 0
                   ? "told that his password is wrong"
                   : NULL;
    }
    return memmem(says, text.n, "already signed in", 17) && !t->refuse ? "refused as signed in"
                                                                       : NULL;
}

static void refused(struct town *t, struct resident_link *l, struct span text)
{
    const char *wrong = refused_for_nothing(t, l, text);
    if (wrong)
        sim_find(t->sim, l->by_token ? "tokens" : "accounts",
                 "%s was %s, and nothing is known against him: %.*s", l->page ? l->page->name : "?",
                 wrong, (int)text.n, (const char *)text.p);
    attempt_over(l);
}

static void answered(struct town *t, struct resident_link *l, struct span line)
{
    static const char *const names[] = {"command", "message", "authenticated", "resumeToken"};
    struct json_val v[4];
    if (!l->pending || json_object(line, names, 4, v) != JSON_OBJECT)
        return;
    struct span command = inner(&v[0]);
    if (span_eq(command, SPAN_LIT("NAME_OK")))
        succeeded(t, l, inner(&v[3]));
    else if (span_eq(command, SPAN_LIT("AUTH_FAILED")) || span_eq(command, SPAN_LIT("ERROR")))
        refused(t, l, inner(&v[1]));
}

void judge_said(struct sim *s, uint64_t link, struct span bytes)
{
    struct town *t = town_of(s);
    struct resident_link *l = link_of(t, link);
    book_clock(t);
    while (l && bytes.n) {
        const uint8_t *lf = memchr(bytes.p, '\n', bytes.n);
        size_t n = lf ? (size_t)(lf - bytes.p) : bytes.n;
        answered(t, l, span_of(bytes.p, n));
        bytes = span_skip(bytes, lf ? n + 1 : n);
    }
}

/* ---- what was asked of the store ---- */

static struct addr addr_of_key(struct span hex)
{
    struct addr a = {.family = ADDR_V6};
    CHECK(hex_decode(hex, a.ip, sizeof a.ip) == 0);
    return a;
}

static struct span text_of(const struct store_note *n)
{
    return span_of(n->text, n->text_n);
}

void judge_storing(struct sim *s, const struct store_note *n)
{
    struct town *t = town_of(s);
    struct page *p = n->kind == ASK_QUERY && n->ints_n ? book_by_id(t, n->ints[0]) : NULL;
    if (n->kind != ASK_QUERY)
        return;
    if (n->query == QUERY_TOKEN_PUT && n->text_n == TOKEN_HASH) {
        struct put *put = &t->puts[t->puts_at++ % TOWN_PUTS];
        memcpy(put->hash, n->text, TOKEN_HASH);
        put->at = s->now.mono;
    }
    if (!p)
        return;
    if (n->query == QUERY_TOKEN_DROP) {
        p->changed = s->now.mono; /* tokens on their way may or may not outlive it */
        for (uint32_t i = 0; i < t->tokens_n; i++) {
            struct token_page *k = &t->tokens[i];
            if (k->whose != p || k->good == NO)
                continue;
            k->good = MAYBE;
            if (!k->dropped)
                k->dropped = n->serial;
        }
    } else if (n->query == QUERY_KNOWN_ADDRESS_PUT) {
        struct addr a = addr_of_key(text_of(n));
        struct known *k = book_known(p, &a, true);
        if (k && k->there == NO)
            *k = (struct known){.there = MAYBE, .asked = s->now.mono, .key = {0}};
        if (k)
            addr_limit_key(&a, k->key);
    } else if (n->query == QUERY_ACCOUNT_LOCK) {
        p->changed = s->now.mono;
        p->lock_asked = n->serial;
        p->locked = MAYBE;
    }
}

static void locked(struct town *t, struct page *p, int64_t until)
{
    bool other = false;
    p->locked = until > 0 ? YES : NO;
    p->lock_until_ms = until;
    p->locked_since = p->changed = t->sim->now.mono;
    for (uint32_t i = 0; i < t->pages_n; i++) {
        const struct page *q = &t->pages[i];
        other |= q != p && (q->level == LEVEL_ADMIN || !q->level_sure) && q->suspended != YES;
    }
    if (until > 0 && p->level == LEVEL_ADMIN && p->level_sure && !other && !p->gone)
        sim_find(t->sim, "accounts", "%s is the last admin, and locked", p->name);
}

void judge_stored(struct sim *s, const struct store_note *n, const struct answer *a)
{
    struct town *t = town_of(s);
    struct page *p;
    if (a->rc)
        return;
    if (n->kind == ASK_ACCOUNT_FIND || n->kind == ASK_ACCOUNT_CREATE) {
        p = book_page(t, span_of(a->u.account.name, a->u.account.name_n));
        if (p && (n->kind == ASK_ACCOUNT_CREATE || !p->id))
            p->id = a->u.account.id;
        return;
    }
    p = n->kind == ASK_QUERY && n->ints_n ? book_by_id(t, n->ints[0]) : NULL;
    if (!p)
        return;
    if (n->query == QUERY_TOKEN_DROP) {
        for (uint32_t i = 0; i < t->tokens_n; i++) {
            struct token_page *k = &t->tokens[i];
            if (k->whose == p && k->dropped && k->dropped <= n->serial && !k->trying)
                k->good = NO;
        }
    } else if (n->query == QUERY_KNOWN_ADDRESS_PUT) {
        struct addr from = addr_of_key(text_of(n));
        struct known *k = book_known(p, &from, true);
        if (k && k->there != YES)
            k->since = s->now.mono;
        if (k)
            k->there = YES;
    } else if (n->query == QUERY_ACCOUNT_LOCK && n->serial == p->lock_asked) {
        locked(t, p, n->ints[1]); /* answers may come in another order: the last one asked counts */
    }
}

/* ---- now and then ---- */

static void live(struct town *t, const struct resident_link *l)
{
    nsec before = t->sim->now.mono - LIVE_SLACK;
    const struct page *p = l->as;
    if (!l->auth || l->since > before || p->gone)
        return;
    const char *why = banned_by(t, p, &l->peer, before);
    if (!why && p->suspended == YES && p->suspended_since <= before)
        why = "his account is suspended";
    if (why)
        sim_find(t->sim, "live", "%s is still there although %s", p->name, why);
}

void judge_settled(struct sim *s)
{
    struct town *t = town_of(s);
    book_clock(t);
    if (!sim_bans(s))
        return;
    for (uint32_t i = 0; i < t->links_n; i++)
        if (t->links[i].used)
            live(t, &t->links[i]);
}
