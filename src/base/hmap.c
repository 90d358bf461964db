/* The layout is that of an ordered dictionary: entries lie in one array in insertion order, and an
 * open-addressing table (linear probing) holds their numbers. A deleted entry is marked dead and
 * keeps its table place until the array fills up and both are rebuilt, so probing needs no other
 * tombstones. */
#include "base/hmap.h"

#include "base/check.h"
#include "base/err.h"
#include "base/mem.h"

struct entry {
    uint64_t value;
    uint32_t hash;
    bool live;
    uint8_t key[];
};

#define ENTRIES_MIN  16u
#define SHRINK_BELOW 8u /* live entries to one of these: too much memory for so few */

static uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"). */
uint64_t siphash13(const uint64_t seed[2], const void *p, size_t n)
{
    uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
                     seed[0] ^ UINT64_C(0x6c7967656e657261),
                     seed[1] ^ UINT64_C(0x7465646279746573)};
    const uint8_t *b = p;
    uint64_t last = (uint64_t)n << 56;
    for (; n >= 8; n -= 8, b += 8) {
        uint64_t m;
        memcpy(&m, b, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)b[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void hmap_init(struct hmap *m, size_t key_size, const uint64_t seed[2], uint32_t max)
{
    CHECK(key_size >= 1 && key_size <= 64);
    size_t stride = (offsetof(struct entry, key) + key_size + 7) / 8 * 8;
    *m = (struct hmap){.key_size = key_size, .stride = stride, .max = max};
    m->seed[0] = seed[0];
    m->seed[1] = seed[1];
}

void hmap_fini(struct hmap *m)
{
    uint64_t seed[2] = {m->seed[0], m->seed[1]};
    mem_free_secret(m->entries, (size_t)m->entries_cap * m->stride);
    mem_free(m->table);
    if (m->key_size)
        hmap_init(m, m->key_size, seed, m->max);
}

static struct entry *entry_at(const struct hmap *m, uint32_t i)
{
    return (struct entry *)(void *)(m->entries + (size_t)i * m->stride);
}

static uint32_t hash_of(const struct hmap *m, const void *key)
{
    return (uint32_t)siphash13(m->seed, key, m->key_size);
}

static struct entry *find(const struct hmap *m, const void *key, uint32_t hash)
{
    if (!m->table_cap)
        return NULL;
    uint32_t mask = m->table_cap - 1;
    for (uint32_t i = hash & mask; m->table[i]; i = (i + 1) & mask) {
        struct entry *e = entry_at(m, m->table[i] - 1);
        if (e->live && e->hash == hash && memcmp(e->key, key, m->key_size) == 0)
            return e;
    }
    return NULL;
}

static void place(uint32_t *table, uint32_t cap, uint32_t hash, uint32_t number)
{
    uint32_t i = hash & (cap - 1);
    while (table[i])
        i = (i + 1) & (cap - 1);
    table[i] = number;
}

/* Moves the live entries to `entries`, which may be where they are, and enters them in the empty
 * table. */
static void move_live(struct hmap *m, uint8_t *entries, uint32_t *table, uint32_t cap)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->used; i++) {
        struct entry *e = entry_at(m, i);
        if (!e->live)
            continue;
        memmove(entries + (size_t)n * m->stride, e, m->stride);
        place(table, cap * 2, e->hash, ++n);
    }
    if (entries == m->entries)
        mem_wipe(entries + (size_t)n * m->stride, (size_t)(m->used - n) * m->stride);
    m->used = n;
}

/* Only the live entries, room for at least one more; the table stays at most half full. */
static int rebuild(struct hmap *m)
{
    uint32_t cap = m->entries_min ? m->entries_min : ENTRIES_MIN;
    while (cap < m->live + m->live / 2 + 1)
        cap *= 2;
    if (cap == m->entries_cap) {
        memset(m->table, 0, (size_t)cap * 2 * sizeof *m->table);
        move_live(m, m->entries, m->table, cap);
        return 0;
    }
    uint8_t *entries = mem_zalloc(cap, m->stride);
    uint32_t *table = mem_zalloc((size_t)cap * 2, sizeof *table);
    if (!entries || !table) {
        mem_free(entries);
        mem_free(table);
        return E_NOMEM;
    }
    move_live(m, entries, table, cap);
    mem_free_secret(m->entries, (size_t)m->entries_cap * m->stride);
    mem_free(m->table);
    m->entries = entries;
    m->table = table;
    m->entries_cap = cap;
    m->table_cap = cap * 2;
    return 0;
}

int hmap_reserve(struct hmap *m, uint32_t n)
{
    uint32_t before = m->entries_min, cap = ENTRIES_MIN;
    while (cap < n + n / 2 + 1)
        cap *= 2;
    if (cap <= before)
        return 0;
    m->entries_min = cap;
    int rc = cap > m->entries_cap ? rebuild(m) : 0;
    if (rc)
        m->entries_min = before;
    return rc;
}

static bool too_large(const struct hmap *m)
{
    uint32_t min = m->entries_min ? m->entries_min : 4 * ENTRIES_MIN;
    return m->entries_cap > min && m->live < m->entries_cap / SHRINK_BELOW;
}

int hmap_put(struct hmap *m, const void *key, uint64_t value)
{
    uint32_t hash = hash_of(m, key);
    struct entry *e = find(m, key, hash);
    if (e) {
        e->value = value;
        return 0;
    }
    if (m->live >= m->max)
        return E_FULL;
    if (m->used == m->entries_cap || too_large(m)) {
        int rc = rebuild(m);
        if (rc && m->used == m->entries_cap)
            return rc;
    }
    e = entry_at(m, m->used);
    e->value = value;
    e->hash = hash;
    e->live = true;
    memcpy(e->key, key, m->key_size);
    place(m->table, m->table_cap, hash, ++m->used);
    m->live++;
    return 0;
}

bool hmap_get(const struct hmap *m, const void *key, uint64_t *ret)
{
    const struct entry *e = find(m, key, hash_of(m, key));
    if (e && ret)
        *ret = e->value;
    return e != NULL;
}

bool hmap_del(struct hmap *m, const void *key)
{
    struct entry *e = find(m, key, hash_of(m, key));
    if (!e)
        return false;
    e->live = false;
    m->live--;
    mem_wipe(e->key, m->key_size);
    return true;
}

bool hmap_next(const struct hmap *m, uint32_t *at, const void **key, uint64_t *value)
{
    for (; *at < m->used; (*at)++) {
        const struct entry *e = entry_at(m, *at);
        if (!e->live)
            continue;
        (*at)++;
        *key = e->key;
        *value = e->value;
        return true;
    }
    return false;
}
