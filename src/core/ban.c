/* Bans on the same thing in the same games form a heap with the longest-lasting on top; a map leads
 * from the thing to the top. There is one map for each prefix length, and apart from those of all
 * games one for those of single games, whose keys have the game's name behind the address. */
#include "core/ban.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/plant.h"
#include "base/timerq.h"
#include "base/utf8.h"

#include <stdio.h>

#define LENGTHS  129u
#define V4_SHIFT 96u

struct entry {
    struct ban ban;
    struct list in_order;
    struct timer expiry; /* deadline: unix ms */
    struct timer rank;   /* in the heap of its key; deadline: 0 lasts longest */
    uint8_t texts[];
};

struct key {
    uint8_t what[16]; /* address or account */
    uint8_t game[BAN_GAME_MAX + 1];
};

struct index {
    struct hmap all, game; /* from key.what, from the whole key, to the heap's root */
};

struct bans {
    struct index accounts, nets[LENGTHS];
    uint64_t in_use[(LENGTHS + 63) / 64]; /* which of nets hold anything */
    struct hmap by_id;
    struct timerq expiry;
    struct list order;
    bool unsorted;
    uint64_t added;
    struct entry *gone; /* what bans_expired returned last */
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* how struct addr holds IPv4 */

static bool is_v4(const uint8_t ip[16])
{
    return memcmp(ip, mapped, sizeof mapped) == 0;
}

/* Clears what lies behind the first bits. */
static void mask(uint8_t ip[16], unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;
    if (rest)
        ip[bytes++] &= (uint8_t)(0xff00 >> rest);
    memset(ip + bytes, 0, 16 - bytes);
}

static bool in_net(const uint8_t ip[16], const uint8_t net[16], unsigned bits)
{
    uint8_t masked[16];
    memcpy(masked, ip, 16);
    mask(masked, bits);
    return memcmp(masked, net, 16) == 0;
}

/* What a ban may be */

static bool is_game(struct span s)
{
    if (s.n > BAN_GAME_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static bool holds_loopback(const struct ban *b)
{
    static const uint8_t loop6[16] = {[15] = 1};
    if (!is_v4(b->ip))
        return in_net(loop6, b->ip, b->bits);
    uint8_t loop4[16] = {[10] = 0xff, [11] = 0xff, 127}, ip[16];
    unsigned bits = b->bits < V4_SHIFT + 8 ? b->bits : V4_SHIFT + 8;
    memcpy(ip, b->ip, 16);
    mask(ip, bits);
    return in_net(loop4, ip, bits);
}

static const char *wrong_net(const struct ban *b, bool force)
{
    if (b->bits > 128)
        return "has more bits than an address";
    if (!in_net(b->ip, b->ip, b->bits))
        return "has bits set behind its prefix";
    if (force)
        return NULL;
    if (b->bits < (is_v4(b->ip) ? V4_SHIFT + BAN_V4_BITS_MIN : BAN_V6_BITS_MIN))
        return "is wider than /8 (IPv4) or /16 (IPv6): only by force";
    return holds_loopback(b) ? "holds loopback addresses: only by force" : NULL;
}

static const char *wrong_text(const struct ban *b, const char **field)
{
    *field = "game";
    if (!is_game(b->game))
        return "is no name of a game: up to 31 of a-z 0-9 _ -";
    *field = "reason";
    if (!utf8_is_name(b->reason, 0, BAN_REASON_MAX))
        return "has to be up to 255 bytes of UTF-8 without control characters";
    *field = "author";
    if (!utf8_is_name(b->author, 1, BAN_AUTHOR_MAX))
        return "has to be 1 to 255 bytes of UTF-8 without control characters";
    *field = "evidence";
    if (!utf8_is_name(b->evidence, 0, BAN_EVIDENCE_MAX))
        return "has to be up to 127 bytes of UTF-8 without control characters";
    return NULL;
}

const char *ban_wrong(const struct ban *b, bool force, const char **field)
{
    const char *wrong = NULL;
    *field = b->kind == BAN_ACCOUNT ? "account" : b->bits == 128 ? "address" : "network";
    if (b->kind == BAN_NET)
        wrong = wrong_net(b, force);
    else if (b->kind != BAN_ACCOUNT || b->account <= 0)
        wrong = "has to be the id of an account, above 0";
    if (wrong || (wrong = wrong_text(b, field)))
        return wrong;
    *field = "created";
    if (b->created < 0)
        return "has to be a date in unix ms, not below 0";
    *field = "expires";
    if (b->expires != 0 && b->expires <= b->created)
        return "has to be 0 or a date after 'created'";
    return NULL;
}

bool ban_covers(const struct ban *b, int64_t account, const struct addr *a, struct span game)
{
    if (b->game.n && !span_eq(b->game, game))
        return false;
    if (b->kind == BAN_ACCOUNT)
        return account > 0 && b->account == account;
    return a && is_v4(a->ip) == is_v4(b->ip) && in_net(a->ip, b->ip, b->bits);
}

/* Decimal without leading zeros, at most max; -1 for anything else. */
static int parse_bits(const char *text, unsigned max)
{
    unsigned bits = 0;
    if (!*text || (*text == '0' && text[1]))
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        bits = bits * 10 + (unsigned)(*text - '0');
        if (bits > max)
            return -1;
    }
    return (int)bits;
}

int ban_net_parse(struct ban *ret, const char *text)
{
    char host[BAN_NET_TEXT_MAX];
    size_t n = strlen(text);
    if (n >= sizeof host)
        return E_FORMAT;
    memcpy(host, text, n + 1);
    char *slash = strchr(host, '/');
    if (slash)
        *slash = '\0';
    struct addr a;
    if (addr_parse(&a, host))
        return E_FORMAT;
    unsigned size = strchr(host, ':') ? 128 : 32;
    int bits = slash ? parse_bits(slash + 1, size) : (int)size;
    if (bits < 0)
        return E_FORMAT;
    bits += (int)(128 - size);
    /* A network round ::1 has bits behind its prefix, however it is known here. */
    if (!in_net(a.ip, a.ip, (unsigned)bits) || (a.loop6 && bits != 128))
        return E_FORMAT;
    ret->kind = BAN_NET;
    memcpy(ret->ip, a.ip, 16);
    ret->bits = (uint8_t)bits;
    return 0;
}

const char *ban_net_text(const struct ban *b, char text[BAN_NET_TEXT_MAX])
{
    char host[ADDR_TEXT_MAX];
    struct addr a = {.family = ADDR_NONE};
    memcpy(a.ip, b->ip, 16);
    addr_host_text(&a, host);
    unsigned bits = b->bits - (is_v4(b->ip) && b->bits >= V4_SHIFT ? V4_SHIFT : 0);
    if (b->bits == 128)
        snprintf(text, BAN_NET_TEXT_MAX, "%s", host);
    else
        snprintf(text, BAN_NET_TEXT_MAX, "%s/%u", host, bits);
    return text;
}

/* The list */

static void index_init(struct index *x, const uint64_t seed[2])
{
    hmap_init(&x->all, offsetof(struct key, game), seed, BANS_MAX);
    hmap_init(&x->game, sizeof(struct key), seed, BANS_MAX);
}

static void index_fini(struct index *x)
{
    hmap_fini(&x->all);
    hmap_fini(&x->game);
}

int bans_create(struct bans **ret, const uint64_t seed[2])
{
    struct bans *b = mem_zalloc(1, sizeof *b);
    if (!b)
        return E_NOMEM;
    index_init(&b->accounts, seed);
    for (unsigned i = 0; i < LENGTHS; i++)
        index_init(&b->nets[i], seed);
    hmap_init(&b->by_id, sizeof(int64_t), seed, BANS_MAX);
    timerq_init(&b->expiry);
    list_init(&b->order);
    *ret = b;
    return 0;
}

static void empty(struct bans *b)
{
    LIST_EACH_SAFE (node, tmp, &b->order)
        mem_free(CONTAINER_OF(node, struct entry, in_order));
    mem_free(b->gone);
    index_fini(&b->accounts);
    for (unsigned i = 0; i < LENGTHS; i++)
        index_fini(&b->nets[i]);
    hmap_fini(&b->by_id);
}

void bans_destroy(struct bans *b)
{
    if (!b)
        return;
    empty(b);
    mem_free(b);
}

void bans_replace(struct bans *b, struct bans *with)
{
    CHECK(b != with);
    empty(b);
    *b = *with;
    if (list_empty(&with->order)) {
        list_init(&b->order);
    } else { /* the ring goes through the head, which has moved */
        b->order.next->prev = &b->order;
        b->order.prev->next = &b->order;
    }
    mem_free(with);
}

static struct index *index_of(struct bans *b, const struct ban *ban)
{
    return ban->kind == BAN_ACCOUNT ? &b->accounts : &b->nets[ban->bits];
}

static void put_game(struct key *k, struct span game)
{
    if (game.n)
        memcpy(k->game, game.p, game.n);
}

static struct key key_of(const struct ban *ban)
{
    struct key k = {0};
    if (ban->kind == BAN_ACCOUNT)
        memcpy(k.what, &ban->account, sizeof ban->account);
    else
        memcpy(k.what, ban->ip, 16);
    put_game(&k, ban->game);
    return k;
}

/* Keeps in mind whether a prefix length is worth a look, and gives back what an empty map holds. */
static void note_use(struct bans *b, const struct ban *ban)
{
    struct index *x = index_of(b, ban);
    if (x->all.live == 0)
        hmap_fini(&x->all);
    if (x->game.live == 0)
        hmap_fini(&x->game);
    if (ban->kind == BAN_ACCOUNT)
        return;
    uint64_t bit = UINT64_C(1) << ban->bits % 64, *word = &b->in_use[ban->bits / 64];
    *word = x->all.live || x->game.live ? *word | bit : *word & ~bit;
}

static struct timer *root_of(const struct hmap *m, const struct key *k)
{
    uint64_t root;
    if (m->live == 0 || !hmap_get(m, k, &root))
        return NULL;
    return (struct timer *)(uintptr_t)root;
}

/* E_NOMEM: it is in no heap. */
static int enter(struct bans *b, struct entry *e)
{
    struct index *x = index_of(b, &e->ban);
    struct hmap *m = e->ban.game.n ? &x->game : &x->all;
    struct key k = key_of(&e->ban);
    struct timerq heap = {.root = root_of(m, &k), .orders = b->added++};
    nsec lasts = (nsec)e->ban.expires;
    timerq_set(&heap, &e->rank, lasts ? NSEC_NEVER - 1 - lasts : 0);
    int rc = hmap_put(m, &k, (uint64_t)(uintptr_t)heap.root);
    note_use(b, &e->ban);
    return rc;
}

static void leave(struct bans *b, struct entry *e)
{
    struct index *x = index_of(b, &e->ban);
    struct hmap *m = e->ban.game.n ? &x->game : &x->all;
    struct key k = key_of(&e->ban);
    struct timerq heap = {.root = root_of(m, &k)};
    timerq_cancel(&heap, &e->rank);
    if (!heap.root)
        (void)hmap_del(m, &k);
    else
        CHECK(hmap_put(m, &k, (uint64_t)(uintptr_t)heap.root) == 0); /* the key is there */
    note_use(b, &e->ban);
}

static void copy_text(struct span *s, uint8_t **to)
{
    if (s->n)
        memcpy(*to, s->p, s->n);
    s->p = *to;
    *to += s->n;
}

static struct entry *entry_of(const struct ban *ban)
{
    size_t texts = ban->game.n + ban->reason.n + ban->author.n + ban->evidence.n;
    struct entry *e = mem_zalloc(1, sizeof *e + texts);
    if (!e)
        return NULL;
    uint8_t *to = e->texts;
    e->ban = *ban;
    copy_text(&e->ban.game, &to);
    copy_text(&e->ban.reason, &to);
    copy_text(&e->ban.author, &to);
    copy_text(&e->ban.evidence, &to);
    return e;
}

static bool before(const struct entry *a, const struct entry *b)
{
    return a->ban.created != b->ban.created ? a->ban.created < b->ban.created
                                            : a->ban.id < b->ban.id;
}

static struct entry *in_order(struct list *node)
{
    return CONTAINER_OF(node, struct entry, in_order);
}

int bans_add(struct bans *b, const struct ban *ban)
{
    const char *field;
    if (ban->id <= 0 || ban_wrong(ban, true, &field))
        return E_RANGE;
    if (hmap_get(&b->by_id, &ban->id, NULL))
        return E_EXISTS;
    if (b->by_id.live >= BANS_MAX)
        return E_FULL;
    struct entry *e = entry_of(ban);
    if (!e)
        return E_NOMEM;
    int rc = hmap_put(&b->by_id, &ban->id, (uint64_t)(uintptr_t)e);
    if (!rc && (rc = enter(b, e)))
        (void)hmap_del(&b->by_id, &ban->id);
    if (rc) {
        mem_free(e);
        return rc;
    }
    if (ban->expires)
        timerq_set(&b->expiry, &e->expiry, (nsec)ban->expires);
    if (!list_empty(&b->order) && before(e, in_order(b->order.prev)))
        b->unsorted = true;
    list_push_back(&b->order, &e->in_order);
    return 0;
}

static struct entry *find(const struct bans *b, int64_t id)
{
    uint64_t e;
    if (!hmap_get(&b->by_id, &id, &e))
        return NULL;
    return (struct entry *)(uintptr_t)e;
}

static void take_out(struct bans *b, struct entry *e)
{
    leave(b, e);
    timerq_cancel(&b->expiry, &e->expiry);
    list_remove(&e->in_order);
    (void)hmap_del(&b->by_id, &e->ban.id);
    if (b->by_id.live == 0)
        hmap_fini(&b->by_id);
}

int bans_remove(struct bans *b, int64_t id)
{
    struct entry *e = find(b, id);
    if (!e)
        return E_NOENT;
    take_out(b, e);
    mem_free(e);
    return 0;
}

const struct ban *bans_get(const struct bans *b, int64_t id)
{
    const struct entry *e = find(b, id);
    return e ? &e->ban : NULL;
}

/* Matching */

/* The top of a heap lasts longest: where it has expired, all have. */
static const struct ban *in_force(const struct hmap *m, const struct key *k, int64_t unix_ms)
{
    struct timer *root = root_of(m, k);
    if (!root)
        return NULL;
    const struct ban *ban = &CONTAINER_OF(root, struct entry, rank)->ban;
    bool lasts = ban->expires == 0 || ban->expires > unix_ms || PLANTED(EXPIRED_BAN_KEPT);
    return lasts ? ban : NULL;
}

static const struct ban *match(const struct index *x, const struct key *k, int64_t unix_ms)
{
    const struct ban *all = in_force(&x->all, k, unix_ms);
    const struct ban *one = k->game[0] ? in_force(&x->game, k, unix_ms) : NULL;
    if (!all || !one)
        return all ? all : one;
    if (one->expires == 0 || (all->expires && all->expires <= one->expires))
        return one;
    return all;
}

const struct ban *bans_match_account(const struct bans *b, int64_t account, struct span game,
                                     int64_t unix_ms)
{
    struct key k = {0};
    memcpy(k.what, &account, sizeof account);
    if (game.n <= BAN_GAME_MAX)
        put_game(&k, game);
    return match(&b->accounts, &k, unix_ms);
}

const struct ban *bans_match_addr(const struct bans *b, const struct addr *a, struct span game,
                                  int64_t unix_ms)
{
    struct key k = {0};
    unsigned shortest = is_v4(a->ip) ? V4_SHIFT : 0;
    memcpy(k.what, a->ip, 16);
    if (game.n <= BAN_GAME_MAX)
        put_game(&k, game);
    for (unsigned w = ARRAY_LEN(b->in_use); w-- > 0;) {
        for (uint64_t left = b->in_use[w]; left;) {
            unsigned bit = 63 - (unsigned)__builtin_clzll(left), bits = w * 64 + bit;
            if (bits < shortest)
                return NULL;
            mask(k.what, bits);
            const struct ban *ban = match(&b->nets[bits], &k, unix_ms);
            if (ban)
                return ban;
            left &= ~(UINT64_C(1) << bit);
        }
    }
    return NULL;
}

/* Expiry and listing */

const struct ban *bans_expired(struct bans *b, struct now now)
{
    mem_free(b->gone);
    b->gone = NULL;
    struct timer *t = timerq_pop(&b->expiry, now.unix_ms > 0 ? (nsec)now.unix_ms : 0);
    if (!t || PLANTED(EXPIRED_BAN_KEPT))
        return NULL;
    b->gone = CONTAINER_OF(t, struct entry, expiry);
    take_out(b, b->gone);
    return &b->gone->ban;
}

nsec bans_deadline(const struct bans *b, struct now now)
{
    nsec at = timerq_deadline(&b->expiry), date = now.unix_ms > 0 ? (nsec)now.unix_ms : 0;
    if (at == NSEC_NEVER)
        return NSEC_NEVER;
    if (at <= date)
        return now.mono;
    nsec ms = at - date, most = BANS_LOOK_AGAIN / NSEC_PER_MS;
    return now.mono + (ms < most ? ms : most) * NSEC_PER_MS;
}

/* Merges two chains that end with NULL. */
static struct list *merge(struct list *a, struct list *b)
{
    struct list head, *last = &head;
    while (a && b) {
        struct list **first = before(in_order(b), in_order(a)) ? &b : &a;
        last->next = *first;
        last = *first;
        *first = last->next;
    }
    last->next = a ? a : b;
    return head.next;
}

/* Merge sort from the bottom: runs[i] is empty or holds 2^i. No recursion, no memory. */
static void sort(struct bans *b)
{
    struct list *runs[32] = {NULL}, *all = NULL;
    LIST_EACH_SAFE (node, tmp, &b->order) {
        struct list *run = node;
        unsigned i = 0;
        run->next = NULL;
        for (; runs[i]; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
    }
    for (unsigned i = 0; i < ARRAY_LEN(runs); i++)
        all = runs[i] ? merge(runs[i], all) : all;
    list_init(&b->order);
    while (all) {
        struct list *next = all->next;
        list_push_back(&b->order, all);
        all = next;
    }
    b->unsorted = false;
}

const struct ban *bans_next(struct bans *b, const struct ban *prev)
{
    if (b->unsorted)
        sort(b);
    const struct list *at = &b->order;
    if (prev) {
        const struct entry *e = find(b, prev->id);
        CHECK(e && &e->ban == prev);
        at = &e->in_order;
    }
    return at->next == &b->order ? NULL : &in_order(at->next)->ban;
}

uint32_t bans_live(const struct bans *b)
{
    return b->by_id.live;
}
