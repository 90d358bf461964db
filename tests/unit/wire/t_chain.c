/* The chain: vectors worked out with Python's hashlib and cryptography, limits, and every kind of
 * tampering over random chains, each named at the record where it begins. */
#include "exact.h"

#include "base/cur.h"
#include "base/rng.h"
#include "wire/chain.h"
#include "wire/text.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define N_MAX  48
#define BYTES  20
#define WORLDS 100

static const uint8_t secret[CHAIN_KEY] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                          11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                          22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static void assert_hex(const void *p, size_t n, const char *want)
{
    char text[2 * CHAIN_SIGNATURE + 1];
    hex_encode(p, n, text);
    assert_string_equal(text, want);
}

static struct chain_hasher *new_hasher(void)
{
    struct chain_hasher *h = NULL;
    assert_int_equal(chain_hasher_create(&h), 0);
    return h;
}

static void vectors(void **state)
{
    (void)state;
    struct chain_hasher *h = new_hasher();
    struct chain c;
    struct chain_link a, b;
    struct chain_head head;
    uint8_t public[CHAIN_KEY];
    assert_int_equal(chain_public_key(secret, public), 0);
    assert_hex(public, CHAIN_KEY,
               "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert_int_equal(chain_begin(&c, h, SPAN_LIT("test")), 0);
    assert_hex(c.origin.b, CHAIN_HASH,
               "8cdd04f087fad753ee49eca2676181611a439fb69666780db8a29bedc38d0856");
    assert_int_equal(chain_append(&c, h, SPAN_LIT("one"), &a), 0);
    assert_int_equal(chain_append(&c, h, SPAN_NULL, &b), 0);
    assert_memory_equal(a.prev.b, c.origin.b, CHAIN_HASH);
    assert_hex(a.own.b, CHAIN_HASH,
               "000ea2e8b28617407baef4aee021b20af13cb8dc5b45d46c04e744dd34d52953");
    assert_memory_equal(b.prev.b, a.own.b, CHAIN_HASH);
    assert_hex(b.own.b, CHAIN_HASH,
               "c6eb0d75124ab24969dff481584d0a5e90916a92e1a19a91c39f8cec2164d947");
    assert_int_equal(chain_head_sign(&head, &c, CHAIN_SIGNED, 1700000000123, secret), 0);
    assert_hex(head.signature, CHAIN_SIGNATURE,
               "06f049ed71d8b572f71781c921ba6357458fbdaef6f126db3ce8e596fe24777c"
               "9d80c070393e5a662eb3ae8d0d01798056fb414ed57f80e32fb9247a7151d906");
    assert_int_equal(chain_head_sign(&head, &c, CHAIN_CUT, 1700000000123, secret), 0);
    assert_hex(head.signature, CHAIN_SIGNATURE,
               "42c2a5c3778fbf7ce84884923e21e6eca2f76c15b5030a3a19794da2db5be5f3"
               "792180f2a861dc879a560845d7b460c93d4509f07c5de75c6094c34c1c5e6606");
    chain_hasher_destroy(h);
}

static void limits(void **state)
{
    (void)state;
    struct chain_hasher *h = new_hasher();
    static const uint8_t long_one[CHAIN_RECORD_MAX + 1];
    struct chain c, was;
    struct chain_link l;
    struct chain_head head;
    struct chain_verifier v;
    uint8_t keys[CHAIN_KEYS_MAX + 1][CHAIN_KEY] = {{0}};
    assert_int_equal(chain_begin(&c, h, span_of(long_one, CHAIN_RECORD_MAX + 1)), E_LIMIT);
    assert_int_equal(chain_begin(&c, h, span_of(long_one, CHAIN_RECORD_MAX)), 0);
    assert_int_equal(chain_head_sign(&head, &c, CHAIN_SIGNED, 0, secret), E_RANGE); /* empty */
    assert_int_equal(chain_append(&c, h, span_of(long_one, CHAIN_RECORD_MAX), &l), 0);
    was = c;
    assert_int_equal(chain_append(&c, h, span_of(long_one, CHAIN_RECORD_MAX + 1), &l), E_LIMIT);
    assert_memory_equal(&c, &was, sizeof c);
    assert_int_equal(chain_head_sign(&head, &c, CHAIN_SIGNED, -1, secret), E_RANGE);
    assert_int_equal(chain_head_sign(&head, &c, (enum chain_head_kind)3, 0, secret), E_RANGE);
    c.seq = CHAIN_SEQ_MAX - 1;
    assert_int_equal(chain_append(&c, h, SPAN_LIT("x"), &l), 0);
    assert_int_equal(chain_append(&c, h, SPAN_LIT("x"), &l), E_LIMIT);
    const uint8_t(*k)[CHAIN_KEY] = (const uint8_t(*)[CHAIN_KEY])keys;
    assert_int_equal(chain_verify_begin(&v, h, &c.origin, k, 0, NULL), E_RANGE);
    assert_int_equal(chain_verify_begin(&v, h, &c.origin, k, CHAIN_KEYS_MAX + 1, NULL), E_RANGE);
    assert_int_equal(chain_verify_begin(&v, h, &c.origin, k, CHAIN_KEYS_MAX, NULL), 0);
    assert_int_equal(chain_verify_record(&v, 1, span_of(long_one, sizeof long_one), &l), E_LIMIT);
    chain_hasher_destroy(h);
}

static void heads(void **state)
{
    (void)state;
    struct chain_hasher *h = new_hasher();
    struct chain c, other;
    struct chain_link l;
    struct chain_head head, bad;
    uint8_t public[CHAIN_KEY];
    assert_int_equal(chain_public_key(secret, public), 0);
    assert_int_equal(chain_begin(&c, h, SPAN_LIT("a")), 0);
    assert_int_equal(chain_begin(&other, h, SPAN_LIT("b")), 0);
    assert_int_equal(chain_append(&c, h, SPAN_LIT("x"), &l), 0);
    assert_int_equal(chain_head_sign(&head, &c, CHAIN_SIGNED, 5, secret), 0);
    assert_int_equal(chain_head_check(&head, &c.origin, public), 0);
    assert_int_equal(chain_head_check(&head, &other.origin, public), E_AUTH);
    bad = head, bad.kind = CHAIN_CUT;
    assert_int_equal(chain_head_check(&bad, &c.origin, public), E_AUTH);
    bad = head, bad.seq = 2;
    assert_int_equal(chain_head_check(&bad, &c.origin, public), E_AUTH);
    bad = head, bad.at_ms = 6;
    assert_int_equal(chain_head_check(&bad, &c.origin, public), E_AUTH);
    for (size_t i = 0; i < CHAIN_SIGNATURE; i++) {
        bad = head, bad.signature[i] ^= 1;
        assert_int_equal(chain_head_check(&bad, &c.origin, public), E_AUTH);
        bad = head, bad.hash.b[i % CHAIN_HASH] ^= 1;
        assert_int_equal(chain_head_check(&bad, &c.origin, public), E_AUTH);
    }
    struct buf text, again;
    buf_init(&text, CHAIN_LINE_MAX);
    buf_init(&again, CHAIN_LINE_MAX);
    chain_head_write(&text, &head);
    assert_true(chain_head_line(buf_span(&text)));
    assert_int_equal(chain_head_read(&bad, buf_span(&text), NULL), 0);
    assert_int_equal(chain_head_check(&bad, &c.origin, public), 0);
    chain_head_write(&again, &bad);
    assert_span(buf_span(&again), text.p, text.n);
    bad.kind = 0;
    chain_head_write(&again, &bad);
    assert_true(again.failed);
    buf_fini(&text);
    buf_fini(&again);
    chain_hasher_destroy(h);
}

#define H64 "00000000000000000000000000000000000000000000000000000000000000aa"

static void head_lines(void **state)
{
    (void)state;
    static const struct {
        int rc;
        const char *text, *why;
    } rows[] = {
        {0,
         "{\"head\":\"cut\",\"seq\":9223372036854775807,\"time_ms\":0,\"hash\":\"" H64
         "\",\"signature\":\"" H64 H64 "\"}",
         ""},
        {E_FORMAT, "", "not a JSON object"},
        {E_FORMAT, "[]", "not a JSON object"},
        {E_FORMAT, "{\"head\":\"cut\"}", "\"seq\" is missing"},
        {E_FORMAT, "{\"head\":\"x\",\"seq\":1,\"time_ms\":0,\"hash\":\"\",\"signature\":\"\"}",
         "\"head\" is neither \"signed\" nor \"cut\""},
        {E_RANGE, "{\"head\":\"cut\",\"seq\":0,\"time_ms\":0,\"hash\":\"\",\"signature\":\"\"}",
         "\"seq\" is no number from 1 up"},
        {E_RANGE, "{\"head\":\"cut\",\"seq\":1,\"time_ms\":-1,\"hash\":\"\",\"signature\":\"\"}",
         "\"time_ms\" is no number from 0 up"},
        {E_FORMAT, "{\"head\":\"cut\",\"seq\":1,\"time_ms\":0,\"hash\":\"\",\"signature\":\"\"}",
         "\"hash\" is not 64 hexadecimal digits"},
        {E_FORMAT,
         "{\"head\":\"cut\",\"seq\":1,\"time_ms\":0,\"hash\":\"" H64 "\",\"signature\":\"" H64
         "\"}",
         "\"signature\" is not 128 hexadecimal digits"},
        {E_FORMAT,
         "{\"head\":\"cut\",\"seq\":1,\"seq\":1,\"time_ms\":0,\"hash\":\"" H64
         "\",\"signature\":\"" H64 H64 "\"}",
         "a member that is unknown or there twice"},
    };
    struct chain_head head;
    struct buf why;
    buf_init(&why, 256);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct span line = exact(rows[i].text, strlen(rows[i].text));
        buf_clear(&why);
        assert_int_equal(chain_head_read(&head, line, &why), rows[i].rc);
        assert_text(buf_span(&why), rows[i].why);
        exact_free(line);
    }
    char wide[CHAIN_LINE_MAX + 2];
    snprintf(wide, sizeof wide, "%-*s", (int)CHAIN_LINE_MAX + 1, rows[0].text);
    assert_int_equal(chain_head_read(&head, span_of(wide, CHAIN_LINE_MAX), NULL), 0);
    assert_int_equal(chain_head_read(&head, span_of(wide, CHAIN_LINE_MAX + 1), NULL), E_LIMIT);
    buf_fini(&why);
}

/* --- tampering --- */

struct item {
    uint64_t seq; /* 0: a head */
    uint8_t bytes[BYTES];
    struct chain_link link;
    struct chain_head head;
};

struct world {
    struct chain_hasher *h;
    struct chain_hash origin;
    struct chain_head cut;
    uint64_t cut_at; /* 0: none */
    size_t n, items_n;
    uint64_t signed_to;
    struct item items[2 * N_MAX + 4];
};

static void item_seq(struct item *it, uint64_t seq)
{
    struct wcur c = wcur_of(it->bytes, 8);
    it->seq = seq;
    wcur_be(&c, seq, 8);
}

static void build(struct world *w, struct rng *rng, bool with_cut)
{
    struct chain c;
    size_t every = 1 + rng_below(rng, 9);
    w->n = 3 + rng_below(rng, N_MAX - 3);
    w->items_n = 0;
    w->signed_to = 0;
    w->cut_at = with_cut ? 1 + rng_below(rng, w->n - 2) : 0;
    assert_int_equal(chain_begin(&c, w->h, SPAN_LIT("w")), 0);
    w->origin = c.origin;
    for (size_t i = 1; i <= w->n; i++) {
        struct item *it = &w->items[w->items_n++];
        *it = (struct item){.seq = i};
        for (size_t j = 0; j < BYTES; j++)
            it->bytes[j] = (uint8_t)rng_below(rng, 256);
        item_seq(it, i);
        assert_int_equal(chain_append(&c, w->h, span_of(it->bytes, BYTES), &it->link), 0);
        if (i == w->cut_at) {
            assert_int_equal(chain_head_sign(&w->cut, &c, CHAIN_CUT, 1, secret), 0);
            w->items_n = 0;
            w->signed_to = i;
        } else if (i % every == 0 || (i == w->n && rng_below(rng, 2))) {
            it = &w->items[w->items_n++];
            *it = (struct item){.seq = 0};
            assert_int_equal(chain_head_sign(&it->head, &c, CHAIN_SIGNED, 1, secret), 0);
            w->signed_to = i;
        }
    }
}

static struct chain_report verify(const struct world *w)
{
    struct chain_verifier v;
    struct chain_report r;
    uint8_t keys[2][CHAIN_KEY] = {{9}};
    char words[CHAIN_WORDS_MAX];
    assert_int_equal(chain_public_key(secret, keys[1]), 0);
    assert_int_equal(chain_verify_begin(&v, w->h, &w->origin, (const uint8_t(*)[CHAIN_KEY])keys, 2,
                                        w->cut_at ? &w->cut : NULL),
                     0);
    for (size_t i = 0; i < w->items_n; i++) {
        const struct item *it = &w->items[i];
        assert_int_equal(
            it->seq ? chain_verify_record(&v, it->seq, span_of(it->bytes, BYTES), &it->link)
                    : chain_verify_head(&v, &it->head),
            0);
    }
    chain_verify_report(&v, &r);
    assert_true(strlen(chain_words(&r, words)) > 5);
    return r;
}

static size_t where(const struct world *w, uint64_t seq)
{
    for (size_t i = 0; i < w->items_n; i++)
        if (w->items[i].seq == seq)
            return i;
    fail();
    return 0;
}

/* The numbers of the heads round seq: the last before it, and the first at it or behind it; 0:
 * there is none. */
static uint64_t head_before(const struct world *w, uint64_t seq)
{
    uint64_t best = w->cut_at;
    for (size_t i = 0; i < w->items_n; i++)
        if (!w->items[i].seq && w->items[i].head.seq < seq)
            best = w->items[i].head.seq;
    return best;
}

static uint64_t head_at_or_after(const struct world *w, uint64_t seq)
{
    for (size_t i = 0; i < w->items_n; i++)
        if (!w->items[i].seq && w->items[i].head.seq >= seq)
            return w->items[i].head.seq;
    return 0;
}

static void take_out(struct world *w, size_t at)
{
    memmove(&w->items[at], &w->items[at + 1], (--w->items_n - at) * sizeof w->items[0]);
}

static void put_in(struct world *w, size_t at, struct item it)
{
    memmove(&w->items[at + 1], &w->items[at], (w->items_n++ - at) * sizeof w->items[0]);
    w->items[at] = it;
}

static void rehash(struct world *w, uint64_t seq)
{
    struct item *it = &w->items[where(w, seq)];
    struct chain c = {.last = it->link.prev};
    assert_int_equal(chain_append(&c, w->h, span_of(it->bytes, BYTES), &it->link), 0);
}

static void assert_whole(const struct world *w, const struct chain_report *r, uint64_t last)
{
    assert_int_equal(r->fault, w->signed_to == last ? CHAIN_GOOD : CHAIN_UNSIGNED);
    assert_int_equal(r->signed_to, w->signed_to);
    if (r->fault == CHAIN_UNSIGNED) {
        assert_int_equal(r->seq, w->signed_to + 1);
        assert_int_equal(r->to, last);
    }
}

static void assert_fault(const struct chain_report *r, enum chain_fault fault, uint64_t seq)
{
    assert_int_equal(r->fault, fault);
    assert_int_equal(r->seq, seq);
}

typedef void tamper(struct world *, struct rng *, uint64_t k);

static void edit(struct world *w, struct rng *rng, uint64_t k)
{
    struct item *it = &w->items[where(w, k)];
    size_t at = rng_below(rng, BYTES + 2 * CHAIN_HASH);
    uint8_t *p = at < BYTES                ? &it->bytes[at]
                 : at < BYTES + CHAIN_HASH ? &it->link.prev.b[at - BYTES]
                                           : &it->link.own.b[at - BYTES - CHAIN_HASH];
    *p ^= (uint8_t)(1 << rng_below(rng, 8));
    struct chain_report r = verify(w);
    assert_fault(&r, CHAIN_EDITED, k);
}

static void renumber(struct world *w, struct rng *rng, uint64_t k)
{
    uint64_t m = k + 1 + rng_below(rng, 9);
    item_seq(&w->items[where(w, k)], rng_below(rng, 2) || k == 1 ? m : k - 1);
    struct chain_report r = verify(w);
    assert_fault(&r, CHAIN_EDITED, k);
    assert_true(r.found != k);
}

static void drop(struct world *w, struct rng *rng, uint64_t k)
{
    uint64_t n = 1 + rng_below(rng, 3);
    if (k + n > w->n)
        n = 1;
    for (uint64_t i = k; i < k + n; i++)
        take_out(w, where(w, i));
    struct chain_report r = verify(w);
    if (k + n > w->n && w->signed_to < k) {
        assert_whole(w, &r, k - 1); /* nobody had vouched for it */
        return;
    }
    assert_fault(&r, CHAIN_REMOVED, k);
    assert_int_equal(r.to, k + n - 1);
}

static void truncate_end(struct world *w, struct rng *rng, uint64_t k)
{
    (void)rng;
    for (uint64_t i = k; i <= w->n; i++)
        take_out(w, where(w, i));
    struct chain_report r = verify(w);
    if (w->signed_to < k) {
        assert_whole(w, &r, k - 1);
        return;
    }
    assert_fault(&r, CHAIN_REMOVED, k);
    assert_int_equal(r.to, w->signed_to);
}

static void swap(struct world *w, struct rng *rng, uint64_t k)
{
    if (k == w->n)
        k--;
    uint64_t m = k + 1 + rng_below(rng, (w->n - k));
    struct item *a = &w->items[where(w, k)], *b = &w->items[where(w, m)], t = *a;
    *a = *b;
    *b = t;
    struct chain_report r = verify(w);
    assert_fault(&r, CHAIN_REORDERED, k);
    assert_int_equal(r.found, m);
}

static void insert_copy(struct world *w, struct rng *rng, uint64_t k)
{
    uint64_t first = w->cut_at + 1, m = first + rng_below(rng, (w->n - w->cut_at));
    put_in(w, where(w, k), w->items[where(w, m)]);
    struct chain_report r = verify(w);
    assert_fault(&r, CHAIN_INSERTED, m == k ? k + 1 : k);
    assert_int_equal(r.found, m);
}

static void insert_forged(struct world *w, struct rng *rng, uint64_t k)
{
    struct item it = w->items[where(w, k)];
    it.bytes[BYTES - 1] ^= (uint8_t)(1 + rng_below(rng, 255));
    put_in(w, where(w, k), it);
    struct chain_report r = verify(w);
    assert_fault(&r, CHAIN_INSERTED, k);
    assert_int_equal(r.found, k);
}

static void edit_and_rehash(struct world *w, struct rng *rng, uint64_t k)
{
    uint64_t before = head_before(w, k);
    w->items[where(w, k)].bytes[8 + rng_below(rng, BYTES - 8)] ^= 1;
    rehash(w, k);
    struct chain_report r = verify(w);
    if (head_at_or_after(w, k) == k) {
        assert_fault(&r, CHAIN_REWRITTEN, before + 1);
        assert_int_equal(r.to, k);
    } else if (k == w->n) {
        assert_whole(w, &r, w->n);
    } else {
        assert_fault(&r, CHAIN_REHASHED, k);
        assert_int_equal(r.from, before + 1);
    }
}

static void edit_and_rehash_all(struct world *w, struct rng *rng, uint64_t k)
{
    uint64_t head = head_at_or_after(w, k);
    w->items[where(w, k)].bytes[8 + rng_below(rng, BYTES - 8)] ^= 1;
    rehash(w, k);
    for (uint64_t i = k + 1; i <= w->n; i++) {
        w->items[where(w, i)].link.prev = w->items[where(w, i - 1)].link.own;
        rehash(w, i);
    }
    struct chain_report r = verify(w);
    if (head) {
        assert_fault(&r, CHAIN_REWRITTEN, head_before(w, k) + 1);
        assert_int_equal(r.to, head);
    } else {
        assert_whole(w, &r, w->n);
    }
}

static void forge_head(struct world *w, struct rng *rng, uint64_t k)
{
    uint64_t head = head_at_or_after(w, k);
    for (size_t i = 0; head && i < w->items_n; i++)
        if (!w->items[i].seq && w->items[i].head.seq == head)
            w->items[i].head.signature[rng_below(rng, CHAIN_SIGNATURE)] ^= 4;
    struct chain_report r = verify(w);
    if (head)
        assert_fault(&r, CHAIN_HEAD_FORGED, head);
    else
        assert_whole(w, &r, w->n);
}

static void late_head(struct world *w, struct rng *rng, uint64_t k)
{
    (void)rng;
    uint64_t head = head_at_or_after(w, k);
    if (head == 0 || head == w->n)
        return;
    for (size_t i = 0; i < w->items_n; i++)
        if (!w->items[i].seq && w->items[i].head.seq == head) {
            struct item t = w->items[i];
            w->items[i] = w->items[i + 1];
            w->items[i + 1] = t;
            break;
        }
    struct chain_report r = verify(w);
    assert_fault(&r, CHAIN_HEAD_ORDER, head);
    assert_int_equal(r.to, head + 1);
}

/* Without the cut that says why, the first records are missing; a forged one is found. */
static void no_cut(struct world *w, struct rng *rng, uint64_t k)
{
    (void)k;
    if (!w->cut_at)
        return;
    w->cut.signature[rng_below(rng, CHAIN_SIGNATURE)] ^= 1;
    struct chain_report r = verify(w);
    assert_fault(&r, CHAIN_HEAD_FORGED, w->cut_at);
    w->cut.signature[0] ^= 1;
    uint64_t was = w->cut_at;
    w->cut_at = 0;
    r = verify(w);
    assert_fault(&r, CHAIN_REMOVED, 1);
    assert_int_equal(r.to, was);
}

/* A head that is no cut cannot stand for one, though its signature is right. */
static void head_as_cut(struct world *w, struct rng *rng, uint64_t k)
{
    (void)rng;
    uint64_t head = head_at_or_after(w, k);
    if (!head)
        return;
    for (size_t i = 0; i < w->items_n; i++)
        if (!w->items[i].seq && w->items[i].head.seq == head)
            w->cut = w->items[i].head;
    w->cut_at = head;
    struct chain_report r = verify(w);
    assert_fault(&r, CHAIN_HEAD_FORGED, head);
    w->cut.kind = CHAIN_CUT;
    r = verify(w);
    assert_fault(&r, CHAIN_HEAD_FORGED, head);
}

static void tampering(void **state)
{
    (void)state;
    static tamper *const all[] = {edit,
                                  renumber,
                                  drop,
                                  truncate_end,
                                  swap,
                                  insert_copy,
                                  insert_forged,
                                  edit_and_rehash,
                                  edit_and_rehash_all,
                                  forge_head,
                                  late_head,
                                  no_cut,
                                  head_as_cut};
    static struct world w, copy;
    struct rng rng;
    w.h = new_hasher();
    for (size_t i = 0; i < WORLDS; i++) {
        rng.state = i;
        build(&w, &rng, i & 1);
        struct chain_report r = verify(&w);
        assert_whole(&w, &r, w.n);
        assert_int_equal(r.records, w.n - w.cut_at);
        for (size_t j = 0; j < ARRAY_LEN(all); j++) {
            copy = w;
            all[j](&copy, &rng, w.cut_at + 1 + rng_below(&rng, (w.n - w.cut_at)));
        }
    }
    chain_hasher_destroy(w.h);
}

/* A sound record of another chain: in the place of one behind a head, or where there is no place.
 */
static void strangers(void **state)
{
    (void)state;
    struct world w = {.h = new_hasher()};
    struct chain c, other;
    struct chain_link foreign;
    assert_int_equal(chain_begin(&c, w.h, SPAN_LIT("w")), 0);
    assert_int_equal(chain_begin(&other, w.h, SPAN_LIT("other")), 0);
    w.origin = c.origin;
    w.items_n = 4;
    for (uint64_t i = 0; i < 4; i++) {
        struct item *it = &w.items[i];
        item_seq(it, i < 2 ? i + 1 : i);
        if (i == 1) /* a head of record 1 stands here */
            it->seq = 0,
            assert_int_equal(chain_head_sign(&it->head, &c, CHAIN_SIGNED, 1, secret), 0);
        else
            assert_int_equal(chain_append(&c, w.h, span_of(it->bytes, BYTES), &it->link), 0);
    }
    struct chain_report r = verify(&w);
    assert_int_equal(r.fault, CHAIN_UNSIGNED);
    struct item it = w.items[2], was = it;
    assert_int_equal(chain_append(&other, w.h, span_of(it.bytes, BYTES), &foreign), 0);
    it.link = foreign;
    w.items[2] = it;
    r = verify(&w);
    assert_fault(&r, CHAIN_REHASHED, 2);
    assert_int_equal(r.from, 2);
    w.items[2] = was;
    it.seq = 99;
    put_in(&w, 2, it);
    r = verify(&w);
    assert_fault(&r, CHAIN_INSERTED, 2);
    assert_int_equal(r.found, 99);
    chain_hasher_destroy(w.h);
}

static void words(void **state)
{
    (void)state;
    static const struct {
        struct chain_report r;
        const char *text;
    } rows[] = {
        {{.fault = CHAIN_GOOD}, "no records"},
        {{.fault = CHAIN_GOOD, .start = 4, .signed_to = 9}, "records 5 to 9: whole and signed"},
        {{.fault = CHAIN_UNSIGNED, .seq = 8, .to = 9},
         "records 8 to 9: appended after the last signed head, not vouched for yet"},
        {{.fault = CHAIN_EDITED, .seq = 8, .found = 8},
         "record 8 was edited: its content and its hash do not belong together"},
        {{.fault = CHAIN_REHASHED, .seq = 8, .from = 5},
         "records 5 to 8: edited, and the hash written anew up to record 8"},
        {{.fault = CHAIN_REMOVED, .seq = 8, .to = 8}, "record 8 was removed"},
        {{.fault = CHAIN_REMOVED, .seq = 8, .to = 9}, "records 8 to 9 were removed"},
        {{.fault = CHAIN_REORDERED, .seq = 8, .found = 9},
         "record 8 was moved: record 9 stands in its place"},
        {{.fault = CHAIN_INSERTED, .seq = 8, .found = 3},
         "a record with number 3 was put in before record 8"},
        {{.fault = CHAIN_REWRITTEN, .seq = 8, .to = 9},
         "records 8 to 9: edited, and the hashes written anew; the signed head of 9 has another"},
        {{.fault = CHAIN_HEAD_FORGED, .seq = 8},
         "the head of record 8 is not signed by a known key"},
        {{.fault = CHAIN_HEAD_ORDER, .seq = 8, .to = 9},
         "the head of record 8 stands behind record 9"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[CHAIN_WORDS_MAX];
        assert_string_equal(chain_words(&rows[i].r, text), rows[i].text);
    }
    struct chain_report r = {
        .fault = CHAIN_REWRITTEN, .seq = CHAIN_SEQ_MAX - 1, .to = CHAIN_SEQ_MAX};
    char text[CHAIN_WORDS_MAX];
    assert_true(strlen(chain_words(&r, text)) < CHAIN_WORDS_MAX - 1);
}

static size_t allocations;

static void *counted_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    allocations++;
    return malloc(n);
}

static void *counted_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    allocations++;
    return realloc(p, n);
}

static void counted_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static void a_record_allocates_nothing(void **state)
{
    (void)state;
    struct chain_hasher *h = new_hasher();
    struct chain c;
    struct chain_link l;
    struct chain_verifier v;
    const uint8_t keys[1][CHAIN_KEY] = {{0}};
    assert_int_equal(chain_begin(&c, h, SPAN_NULL), 0);
    assert_int_equal(chain_verify_begin(&v, h, &c.origin, keys, 1, NULL), 0);
    assert_int_equal(chain_append(&c, h, SPAN_LIT("record"), &l), 0);
    assert_int_equal(chain_verify_record(&v, 1, SPAN_LIT("record"), &l), 0);
    struct chain_head head;
    assert_int_equal(chain_head_sign(&head, &c, CHAIN_SIGNED, 1, secret), 0);
    assert_true(allocations > 0); /* they are counted */
    allocations = 0;
    for (uint64_t i = 2; i < 100; i++) {
        assert_int_equal(chain_append(&c, h, SPAN_LIT("record"), &l), 0);
        assert_int_equal(chain_verify_record(&v, i, SPAN_LIT("record"), &l), 0);
    }
    assert_int_equal(allocations, 0);
    assert_int_equal(v.at.seq, 99);
    chain_hasher_destroy(h);
}

int main(void)
{
    /* Before libcrypto takes its first memory. */
    if (CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),    cmocka_unit_test(limits),
        cmocka_unit_test(heads),      cmocka_unit_test(a_record_allocates_nothing),
        cmocka_unit_test(head_lines), cmocka_unit_test(tampering),
        cmocka_unit_test(strangers),  cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
