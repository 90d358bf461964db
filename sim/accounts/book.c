#include "sim/accounts/town.h"

#include "core/limit.h"

struct page *book_page(struct town *t, struct span name)
{
    for (uint32_t i = 0; i < t->pages_n; i++)
        if (span_eq(span_str(t->pages[i].name), name))
            return &t->pages[i];
    return NULL;
}

struct page *book_by_id(struct town *t, int64_t id)
{
    for (uint32_t i = 0; id && i < t->pages_n; i++)
        if (t->pages[i].id == id)
            return &t->pages[i];
    return NULL;
}

/* ---- bans ---- */

static enum tri by_date(const struct town *t, const struct ban_page *b)
{
    int64_t unix_ms = t->sim->now.unix_ms;
    if (!b->ban.expires)
        return YES;
    if (unix_ms >= b->ban.expires)
        return NO;
    return b->past || t->jumped_at >= b->since ? MAYBE : YES;
}

enum tri book_in_force(struct town *t, struct ban_page *b)
{
    enum tri date = by_date(t, b);
    switch (b->state) {
    case BAN_OVER: return NO;
    case BAN_STORED: return date;
    case BAN_ASKED:
    case BAN_UNSAVED: return date == YES && b->process != t->process ? MAYBE : date;
    case BAN_LIFTING:
    case BAN_UNSURE: break;
    }
    return date == YES ? MAYBE : date;
}

bool book_covers(const struct ban_page *b, const struct page *p, const struct addr *from)
{
    return ban_covers(&b->ban, p ? p->id : 0, from, SPAN_LIT("racing"));
}

/* ---- tokens ---- */

struct token_page *book_token(struct town *t, struct span text)
{
    for (uint32_t i = t->tokens_n; i-- > 0;)
        if (span_eq(span_str(t->tokens[i].text), text))
            return &t->tokens[i];
    return NULL;
}

struct token_page *book_token_new(struct town *t, struct page *p, struct span text)
{
    uint32_t live = 0;
    if (t->tokens_n == TOWN_TOKENS || text.n != TOKEN_TEXT)
        return NULL;
    /* Of one account and game the newest sixteen are kept. */
    for (uint32_t i = t->tokens_n; i-- > 0;) {
        struct token_page *k = &t->tokens[i];
        if (k->whose == p && k->good != NO && ++live >= 12 && k->good == YES)
            k->good = MAYBE;
    }
    struct token_page *k = &t->tokens[t->tokens_n++];
    *k = (struct token_page){.whose = p, .account = p->id, .good = YES};
    memcpy(k->text, text.p, text.n);
    return k;
}

void book_tokens_end(struct town *t, const struct page *p, nsec before, bool sure)
{
    for (uint32_t i = 0; i < t->tokens_n; i++) {
        struct token_page *k = &t->tokens[i];
        if (k->whose == p && k->good != NO)
            k->good = sure && k->put_at < before ? NO : MAYBE;
    }
}

/* ---- addresses ---- */

struct known *book_known(struct page *p, const struct addr *a, bool add)
{
    uint8_t key[16];
    addr_limit_key(a, key);
    for (uint32_t i = 0; i < p->known_n; i++)
        if (memcmp(p->known[i].key, key, sizeof key) == 0)
            return &p->known[i];
    if (!add || p->known_n == TOWN_KNOWN)
        return NULL;
    struct known *k = &p->known[p->known_n++];
    *k = (struct known){.there = NO};
    memcpy(k->key, key, sizeof key);
    return k;
}

struct prefix *book_prefix(struct town *t, const struct addr *a)
{
    uint8_t key[16];
    addr_limit_key(a, key);
    for (uint32_t i = 0; i < t->prefixes_n; i++)
        if (memcmp(t->prefixes[i].key, key, sizeof key) == 0)
            return &t->prefixes[i];
    if (t->prefixes_n == TOWN_PREFIX)
        return NULL;
    struct prefix *p = &t->prefixes[t->prefixes_n++];
    *p = (struct prefix){.wrong = 0};
    memcpy(p->key, key, sizeof key);
    return p;
}

/* ---- time ---- */

void book_clock(struct town *t)
{
    int64_t ms = t->sim->now.unix_ms;
    if (t->sim->wall_ms != t->wall_ms) {
        t->wall_ms = t->sim->wall_ms;
        t->jumped_at = t->sim->now.mono;
    }
    for (uint32_t i = 0; i < t->bans_n; i++)
        if (t->bans[i].ban.expires && ms >= t->bans[i].ban.expires)
            t->bans[i].past = true;
}

void book_process_ended(struct town *t)
{
    nsec now = t->sim->now.mono;
    t->process++;
    for (uint32_t i = 0; i < t->bans_n; i++)
        if (t->bans[i].state == BAN_ASKED || t->bans[i].state == BAN_LIFTING) {
            t->bans[i].state = BAN_UNSURE;
            t->bans[i].changed = now;
        }
    for (uint32_t i = 0; i < t->prefixes_n; i++) {
        struct prefix *p = &t->prefixes[i];
        p->wrong = p->after = 0;
        p->banned_at = 0;
    }
    for (uint32_t i = 0; i < t->links_n; i++) {
        struct resident_link *l = &t->links[i];
        if (l->used && l->pending && l->token)
            l->token->trying = 0;
        l->used = false;
    }
    t->links_n = 0;
}
