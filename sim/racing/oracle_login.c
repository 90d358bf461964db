/* Logins: the asks of each, and that nobody is let in, refused or registered but by their answers.
 */
#include "sim/racing/oracle_model.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"
#include "sim/store.h"

#include <inttypes.h>

#define AT_WORK_MAX   4u /* logins of one address that are worked on at once */
#define GUESSES_FREE  4u /* wrong passwords of one address before its next login waits */
#define GUESS_FORGET  UINT64_C(600000) /* milliseconds without one */
#define GUESS_TIME(v) ((v) & ((UINT64_C(1) << 48) - 1))

static struct o_chain *chain_of(const struct racing_oracle *o, uint64_t req)
{
    for (uint32_t i = 0; i < o->chains_n; i++)
        if (o->chains[i].req == req && !o->chains[i].finished)
            return &o->chains[i];
    return NULL;
}

bool o_chain_active(const struct racing_oracle *o, uint64_t req)
{
    const struct o_chain *c = req ? chain_of(o, req) : NULL;
    return c && c->waiting;
}

void o_chains_forget(struct racing_oracle *o, uint32_t owner)
{
    for (uint32_t i = 0; i < o->chains_n; i++)
        if (o->chains[i].owner == owner) {
            o->chains[i].owner = NOBODY;
            o->chains[i].cancelled = true;
        }
}

static bool same_record(const struct password_record *a, const struct password_record *b)
{
    return a->n == b->n && memcmp(a->text, b->text, a->n) == 0;
}

/* ---- whose login it is ---- */

static void own(struct racing_oracle *o, struct o_chain *c, struct o_link *l)
{
    c->owner = o_index(o, l);
    c->peer = l->peer;
    l->login.req = c->req;
}

static bool is_name(const struct o_chain *c, struct span name)
{
    return span_eq(name, span_of(c->name, c->name_n));
}

/* A login that was begun, as far as the model knows, and of which no ask was seen. */
static bool waits_for(const struct o_link *l, const struct o_chain *c)
{
    return l->used && !l->mute && l->login.on && !l->login.req &&
           is_name(c, span_of(l->login.name, l->login.name_n));
}

/* Its next command is such a login: within a BATCH nothing tells that it was begun. */
static const struct o_command *would_begin(struct racing_oracle *o, struct o_link *l,
                                           const struct o_chain *c, struct span *password)
{
    struct span name;
    if (!l->used || l->mute || l->login.on || l->cur.at >= l->in.n)
        return NULL;
    const struct o_command *n = o_next_replied(o, l);
    return n && o_login_fields(o, l, n, &name, password) && is_name(c, name) ? n : NULL;
}

/* Whoever waits longest with that name; the password will tell whether it is the one. */
static void attribute(struct racing_oracle *o, struct o_chain *c)
{
    for (uint32_t i = 0; i < o->links_n; i++)
        if (waits_for(&o->links[i], c)) {
            own(o, c, &o->links[i]);
            return;
        }
}

/* ---- those who guess ---- */

static uint64_t guesses_of(const struct racing_oracle *o, const uint8_t key[16])
{
    uint64_t v;
    if (!hmap_get(&o->guesses, key, &v) || o_now(o) / NSEC_PER_MS - GUESS_TIME(v) > GUESS_FORGET)
        return 0;
    return v >> 48;
}

void o_guessed(struct racing_oracle *o, const struct addr *from)
{
    uint8_t key[16];
    if (exempt_has(&o->set.exempt, from))
        return;
    o_neighbourhood(from, key);
    uint64_t n = guesses_of(o, key) + 1;
    CHECK(hmap_put(&o->guesses, key, (n > 1000 ? 1000 : n) << 48 | o_now(o) / NSEC_PER_MS) == 0);
}

/* Its first ask was put in the call in which it was begun. */
static void delay_judge(struct racing_oracle *o, const struct o_link *l)
{
    uint8_t key[16];
    o_neighbourhood(&l->peer, key);
    if (guesses_of(o, key) >= GUESSES_FREE && !exempt_has(&o->set.exempt, &l->peer) &&
        !o->ever_short)
        o_suspect(o, "resources", "a login of session %.8s did not wait, after %" PRIu64 " guesses",
                  l->id, guesses_of(o, key));
}

void o_chain_adopt(struct racing_oracle *o, struct o_link *l)
{
    for (uint32_t i = o->chains_n; i--;) {
        struct o_chain *c = &o->chains[i];
        if (c->owner == NOBODY && !c->looked_at && waits_for(l, c)) {
            if (c->begun == o->call && l->login.since == o_now(o))
                delay_judge(o, l);
            own(o, c, l);
            return;
        }
    }
}

static bool owns_by_password(const struct o_link *l, const struct o_chain *c, struct span password)
{
    return l->used && !l->mute && l->login.on &&
           is_name(c, span_of(l->login.name, l->login.name_n)) &&
           span_eq(span_of(l->login.password, l->login.password_n), password);
}

/* The login with that name and password whose asks these may be; begun if need be. */
static struct o_link *login_with(struct racing_oracle *o, const struct o_chain *c,
                                 struct span password)
{
    struct span its;
    const struct o_command *n;
    struct o_link *other = NULL;
    for (uint32_t i = 0; i < o->links_n; i++) {
        struct o_link *l = &o->links[i];
        if (owns_by_password(l, c, password)) {
            if (!l->login.req || l->login.req == c->req)
                return l;
            other = l;
        }
    }
    for (uint32_t i = 0; i < o->links_n; i++)
        if ((n = would_begin(o, &o->links[i], c, &its)) && span_eq(its, password)) {
            o_login_begin(o, &o->links[i], n);
            return &o->links[i];
        }
    return other;
}

/* Gives two logins of one name each other's asks. */
void o_chain_swap(struct racing_oracle *o, struct o_chain *c, struct o_link *l)
{
    struct o_link *was = o_link(o, c->owner);
    struct o_chain *other = l->login.req ? chain_of(o, l->login.req) : NULL;
    if (was == l)
        return;
    if (was)
        was->login.req = 0;
    if (other && was)
        own(o, other, was);
    else if (other)
        other->owner = NOBODY;
    own(o, c, l);
}

bool o_chain_pass_on(struct racing_oracle *o, struct o_link *l)
{
    struct o_chain *c = l->login.req ? chain_of(o, l->login.req) : NULL;
    if (!c)
        return true;
    struct span password = span_of(c->password, c->password_n);
    for (uint32_t i = 0; i < o->links_n; i++) {
        struct o_link *w = &o->links[i];
        const struct o_pending *p = &w->login;
        if (w == l || !w->used || w->mute || !p->on || p->req ||
            !is_name(c, span_of(p->name, p->name_n)) ||
            (c->password_known && !span_eq(password, span_of(p->password, p->password_n))))
            continue;
        l->login.req = 0;
        own(o, c, w);
        return true;
    }
    return false;
}

/* Two of one name and password could be each other's, and their addresses with them. */
static void mark_twins(struct racing_oracle *o, struct o_chain *c, struct span password)
{
    struct span its;
    for (uint32_t i = 0; i < o->chains_n; i++)
        if (&o->chains[i] != c && is_name(&o->chains[i], span_of(c->name, c->name_n)))
            c->twin = o->chains[i].twin = true;
    for (uint32_t i = 0; i < o->links_n && !c->twin; i++)
        c->twin = i != c->owner && (owns_by_password(&o->links[i], c, password) ||
                                    would_begin(o, &o->links[i], c, &its));
}

/* The password that is asked about tells whose login it is. */
static void recognise(struct racing_oracle *o, struct o_chain *c, struct span password)
{
    struct o_link *l = o_link(o, c->owner);
    if (!c->cancelled && (!l || !owns_by_password(l, c, password))) {
        l = login_with(o, c, password);
        if (l)
            o_chain_swap(o, c, l);
        else
            sim_find(o->sim, "login", "a password of nobody is asked about for %.*s", c->name_n,
                     c->name);
    }
    mark_twins(o, c, password);
    c->sure = true;
    c->password_known = true;
    c->password_n = password.n < sizeof c->password ? password.n : sizeof c->password;
    memcpy(c->password, password.p, c->password_n);
}

bool o_may_wait_its_turn(const struct racing_oracle *o, const struct addr *from)
{
    uint8_t a[16], b[16];
    uint32_t n = 0;
    o_neighbourhood(from, a);
    for (uint32_t i = 0; i < o->chains_n; i++) {
        const struct o_chain *c = &o->chains[i];
        o_neighbourhood(&c->peer, b);
        n += c->twin || c->peer.family == ADDR_NONE || memcmp(a, b, sizeof a) == 0;
    }
    return n >= AT_WORK_MAX;
}

static void at_work_judge(struct racing_oracle *o, const struct o_chain *c)
{
    uint8_t a[16], b[16];
    uint32_t n = 0;
    if (c->twin || exempt_has(&o->set.exempt, &c->peer) || o->ever_short)
        return;
    o_neighbourhood(&c->peer, a);
    for (uint32_t i = 0; i < o->chains_n; i++) {
        o_neighbourhood(&o->chains[i].peer, b);
        n += o->chains[i].sure && !o->chains[i].twin && !o->chains[i].finished &&
             o->chains[i].begun_at > o->set.since && /* it may have been spared before */
             memcmp(a, b, sizeof a) == 0;
    }
    if (n > AT_WORK_MAX)
        o_suspect(o, "resources", "%u logins of one address are worked on at once", (unsigned)n);
}

/* ---- asks ---- */

static void begin_chain(struct racing_oracle *o, const struct ask *a, uint64_t req)
{
    if (o->chains_n == CHAINS_N || a->u.find.name.n > NAME_N || chain_of(o, req)) {
        sim_find(o->sim, "login", "an ask for a name of %zu bytes, or twice under one number",
                 a->u.find.name.n);
        return;
    }
    struct o_chain *c = &o->chains[o->chains_n++];
    *c = (struct o_chain){.req = req, .owner = NOBODY, .waiting = true, .stage = a->kind};
    c->before_drain = !o->draining;
    c->begun_at = o_now(o);
    c->begun = o->kind == CALL_TIMED ? 0 : o->call;
    if (a->u.find.fold != o->set.fold)
        sim_find(o->sim, "login", "%.*s is looked for in the wrong case", (int)a->u.find.name.n,
                 (const char *)a->u.find.name.p);
    c->name_n = (uint8_t)a->u.find.name.n;
    memcpy(c->name, a->u.find.name.p, c->name_n);
    if (o->kind == CALL_TIMED)
        attribute(o, c);
}

/* It waits for asks, or those it is thought to have may be another's. */
static bool may_be_of(const struct racing_oracle *o, const struct o_link *l,
                      const struct o_chain *c)
{
    if (!l->used || l->mute || !l->login.on || !is_name(c, span_of(l->login.name, l->login.name_n)))
        return false;
    const struct o_chain *its = l->login.req ? chain_of(o, l->login.req) : NULL;
    return !its || !its->sure || its->twin;
}

/* The service just looks a name up: somebody must want that. */
static void wanted_judge(struct racing_oracle *o, struct o_chain *c)
{
    struct span password;
    for (uint32_t i = 0; i < o->links_n; i++)
        if (may_be_of(o, &o->links[i], c) || would_begin(o, &o->links[i], c, &password) ||
            (o->links[i].used && o->links[i].mute && o->links[i].closed_step == o->sim->step))
            return;
    o_suspect(o, "login", "%.*s is looked for, and nobody asked for that", c->name_n, c->name);
}

static bool ask_is_right(struct racing_oracle *o, struct o_chain *c, const struct ask *a)
{
    const struct password_record *p;
    switch (a->kind) {
    case ASK_HASH_VERIFY:
        recognise(o, c, a->u.verify.password);
        at_work_judge(o, c);
        return same_record(a->u.verify.record, &c->account.password);
    case ASK_HASH_MAKE:
        recognise(o, c, a->u.make.password);
        at_work_judge(o, c);
        return true;
    case ASK_ACCOUNT_CREATE:
        p = a->u.create.password;
        return span_eq(a->u.create.name, span_of(c->name, c->name_n)) && same_record(p, &c->made) &&
               a->u.create.fold == o->set.fold && a->u.create.password_min == o->set.password_min;
    case ASK_ACCOUNT_SET_PASSWORD:
        p = a->u.set_password.password;
        return a->u.set_password.id == c->account.id && same_record(p, &c->made) &&
               a->u.set_password.password_min == c->account.password_min &&
               same_record(a->u.set_password.old, &c->account.password);
    case ASK_ACCOUNT_FIND: return a->u.find.fold == o->set.fold;
    case ASK_ACCOUNT_TOUCH:
    case ASK_QUERY:
    case ASK_HASH_OTP:
    case ASK_CLAIM:
    case ASK_RELEASE:
    case ASK_COMMAND: break;
    }
    return false;
}

/* Put beside a login, for nobody to wait for. */
static bool is_aside(enum ask_kind kind)
{
    return kind == ASK_ACCOUNT_TOUCH || kind == ASK_QUERY || kind == ASK_RELEASE;
}

void oracle_asked(struct sim *s, const struct ask *a, uint64_t req)
{
    struct racing_oracle *o = oracle_of(s);
    if (is_aside(a->kind))
        return;
    struct o_chain *c = chain_of(o, req);
    if (!c && a->kind == ASK_ACCOUNT_FIND) {
        begin_chain(o, a, req);
        return;
    }
    if (!c || c->waiting || !c->may_ask || c->next != a->kind || !ask_is_right(o, c, a))
        sim_find(s, "login", "ask %d of login %llx is not what follows", (int)a->kind,
                 (unsigned long long)req);
    if (!c)
        return;
    c->stage = a->kind;
    c->waiting = c->asked_on = true;
    c->may_ask = false;
}

void oracle_refused(struct sim *s, const struct ask *a, uint64_t req)
{
    struct racing_oracle *o = oracle_of(s);
    (void)req;
    if (is_aside(a->kind))
        return;
    o->refused = true;
    if (o->kind == CALL_TIMED)
        o->late_refused++;
}

/* ---- answers ---- */

static void goes_on(struct o_chain *c, enum ask_kind next)
{
    c->may_ask = true;
    c->next = next;
}

static bool unusable(struct span password)
{
    return password.n > PASSWORD_MAX || memchr(password.p, '\0', password.n);
}

static enum o_result verified(struct racing_oracle *o, struct o_chain *c, const struct answer *a)
{
    struct span password = span_of(c->password, c->password_n);
    if (a->rc == 0 && o->sim->disk && !sim_hash_matches(&c->account.password, password))
        sim_find(o->sim, "login", "a wrong password of %.*s was found right", c->name_n, c->name);
    if (a->rc)
        return a->rc == E_AUTH ? RES_WRONG : RES_BUSY;
    if (password.n < o->set.password_min)
        return RES_SHORT;
    if (a->u.rehash && !unusable(password)) {
        c->rehash = true;
        goes_on(c, ASK_HASH_MAKE);
    }
    return RES_OK;
}

static enum o_result result_of(struct racing_oracle *o, struct o_chain *c, const struct answer *a)
{
    if (a->kind == ASK_ACCOUNT_FIND || a->kind == ASK_HASH_VERIFY)
        c->min_then = o->set.password_min;
    switch (a->kind) {
    case ASK_ACCOUNT_FIND:
        c->unknown_name = a->rc == E_NOENT;
        if (a->rc == 0)
            c->account = a->u.account;
        if (a->rc == 0 || a->rc == E_NOENT)
            goes_on(c, a->rc ? ASK_HASH_MAKE : ASK_HASH_VERIFY);
        return a->rc == 0 || a->rc == E_NOENT ? RES_NONE : RES_BUSY;
    case ASK_HASH_VERIFY: return verified(o, c, a);
    case ASK_HASH_MAKE:
        if (a->rc == 0) {
            c->made = a->u.password;
            goes_on(c, c->rehash ? ASK_ACCOUNT_SET_PASSWORD : ASK_ACCOUNT_CREATE);
        }
        return c->rehash ? RES_OK : a->rc ? RES_BUSY : RES_NONE;
    case ASK_ACCOUNT_CREATE:
        if (a->rc == 0) {
            c->account = a->u.account;
            c->account.name_n = c->name_n;
            memcpy(c->account.name, c->name, c->name_n);
            c->account.password = c->made;
            return RES_CREATED;
        }
        if (a->rc == E_EXISTS && !c->retried) {
            c->retried = true;
            goes_on(c, ASK_ACCOUNT_FIND);
        }
        return RES_BUSY;
    case ASK_ACCOUNT_SET_PASSWORD: return RES_OK;
    case ASK_ACCOUNT_TOUCH:
    case ASK_QUERY:
    case ASK_HASH_OTP:
    case ASK_CLAIM:
    case ASK_RELEASE:
    case ASK_COMMAND: break;
    }
    return RES_BUSY;
}

void oracle_answered(struct sim *s, const struct answer *a)
{
    struct racing_oracle *o = o_call_answer(s);
    struct o_chain *c = is_aside(a->kind) ? NULL : chain_of(o, a->req);
    if (!c)
        return;
    if (!c->waiting || c->stage != a->kind) {
        sim_find(s, "login", "login %llx got an answer it did not wait for",
                 (unsigned long long)a->req);
        return;
    }
    o->chain = (uint32_t)(c - o->chains);
    c->waiting = c->asked_on = c->may_ask = false;
    c->result = result_of(o, c, a);
}

/* In this step, and what he was to be told with him. */
static bool somebody_ended(const struct racing_oracle *o)
{
    for (uint32_t i = 0; i < o->links_n; i++)
        if (o->links[i].used && o->links[i].mute && o->links[i].closed_step == o->sim->step)
            return true;
    return false;
}

/* The answer led to no further ask: the login is over. */
void o_chain_settle(struct racing_oracle *o)
{
    if (o->late_refused && !somebody_ended(o))
        o_suspect(o, "replies", "a login that had waited could not go on, and was not told");
    o->refused = false;
    o->late_refused = 0;
    if (o->chain != NOBODY && !o->chains[o->chain].waiting)
        o->chains[o->chain].finished = true;
}

void o_chains_settle(struct racing_oracle *o)
{
    for (uint32_t i = 0; i < o->chains_n;) {
        struct o_chain *c = &o->chains[i];
        if (!c->finished) {
            if (c->owner == NOBODY && !c->cancelled && !c->looked_at)
                wanted_judge(o, c);
            c->looked_at = true;
            i++;
            continue;
        }
        struct o_link *l = o_link(o, c->owner);
        if (l && !l->mute && !c->replied) {
            /* Else it may have been another's, and that one went away. */
            if (c->sure && !c->twin)
                o_suspect(o, "replies", "session %.8s was not told how its login ended", l->id);
            l->login.req = 0;
        }
        mem_wipe(c->password, c->password_n);
        *c = o->chains[--o->chains_n];
    }
}
