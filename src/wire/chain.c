#define OPENSSL_SUPPRESS_DEPRECATED /* the SHA256 calls, see below */
#include "wire/chain.h"

#include "base/cur.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/json.h"
#include "wire/text.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>

/* What is signed: the label with its NUL, kind, origin, number, time, hash. */
#define HEAD_BYTES (sizeof head_label + 1 + CHAIN_HASH + 8 + 8 + CHAIN_HASH)

static const char head_label[] = "slipgate chain head 1";
static const char origin_label[] = "slipgate chain origin 1";

/* libcrypto 3.0's EVP takes memory for every digest; its older interface takes none. */
struct chain_hasher {
    SHA256_CTX ctx;
};

int chain_hasher_create(struct chain_hasher **ret)
{
    struct chain_hasher *h = mem_zalloc(1, sizeof *h);
    if (!h)
        return E_NOMEM;
    *ret = h;
    return 0;
}

void chain_hasher_destroy(struct chain_hasher *h)
{
    mem_free(h);
}

static int hash_two(struct chain_hasher *h, struct span a, struct span b, struct chain_hash *ret)
{
    bool ok = SHA256_Init(&h->ctx) == 1 && SHA256_Update(&h->ctx, a.p, a.n) == 1 &&
              (b.n == 0 || SHA256_Update(&h->ctx, b.p, b.n) == 1) &&
              SHA256_Final(ret->b, &h->ctx) == 1;
    return ok ? 0 : E_CRYPTO;
}

static bool same(const struct chain_hash *a, const struct chain_hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

int chain_begin(struct chain *ret, struct chain_hasher *h, struct span id)
{
    struct chain c = {.seq = 0};
    if (id.n > CHAIN_RECORD_MAX)
        return E_LIMIT;
    int rc = hash_two(h, span_of(origin_label, sizeof origin_label), id, &c.origin);
    if (rc)
        return rc;
    c.last = c.origin;
    *ret = c;
    return 0;
}

int chain_append(struct chain *c, struct chain_hasher *h, struct span record,
                 struct chain_link *ret)
{
    struct chain_link link = {.prev = c->last};
    if (record.n > CHAIN_RECORD_MAX || c->seq >= CHAIN_SEQ_MAX)
        return E_LIMIT;
    int rc = hash_two(h, span_of(link.prev.b, CHAIN_HASH), record, &link.own);
    if (rc)
        return rc;
    c->seq++;
    c->last = link.own;
    *ret = link;
    return 0;
}

int chain_public_key(const uint8_t private_key[CHAIN_KEY], uint8_t ret[CHAIN_KEY])
{
    size_t n = CHAIN_KEY;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, private_key, CHAIN_KEY);
    bool ok = key && EVP_PKEY_get_raw_public_key(key, ret, &n) == 1 && n == CHAIN_KEY;
    EVP_PKEY_free(key);
    return ok ? 0 : E_CRYPTO;
}

static void head_bytes(const struct chain_head *h, const struct chain_hash *origin,
                       uint8_t to[HEAD_BYTES])
{
    struct wcur c = wcur_of(to, HEAD_BYTES);
    wcur_put(&c, head_label, sizeof head_label);
    wcur_be(&c, (uint64_t)h->kind, 1);
    wcur_put(&c, origin->b, CHAIN_HASH);
    wcur_be(&c, h->seq, 8);
    wcur_be(&c, (uint64_t)h->at_ms, 8);
    wcur_put(&c, h->hash.b, CHAIN_HASH);
}

static bool head_plausible(const struct chain_head *h)
{
    return (h->kind == CHAIN_SIGNED || h->kind == CHAIN_CUT) && h->seq > 0 &&
           h->seq <= CHAIN_SEQ_MAX && h->at_ms >= 0;
}

int chain_head_sign(struct chain_head *ret, const struct chain *c, enum chain_head_kind kind,
                    int64_t at_ms, const uint8_t private_key[CHAIN_KEY])
{
    struct chain_head h = {.kind = kind, .seq = c->seq, .at_ms = at_ms, .hash = c->last};
    uint8_t bytes[HEAD_BYTES];
    size_t n = CHAIN_SIGNATURE;
    if (!head_plausible(&h))
        return E_RANGE;
    head_bytes(&h, &c->origin, bytes);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, private_key, CHAIN_KEY);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = key && ctx && EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) == 1 &&
              EVP_DigestSign(ctx, h.signature, &n, bytes, sizeof bytes) == 1 &&
              n == CHAIN_SIGNATURE;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    if (!ok)
        return E_CRYPTO;
    *ret = h;
    return 0;
}

int chain_head_check(const struct chain_head *h, const struct chain_hash *origin,
                     const uint8_t public_key[CHAIN_KEY])
{
    uint8_t bytes[HEAD_BYTES];
    if (!head_plausible(h))
        return E_AUTH;
    head_bytes(h, origin, bytes);
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, public_key, CHAIN_KEY);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int rc = E_CRYPTO;
    if (key && ctx && EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) == 1)
        rc = EVP_DigestVerify(ctx, h->signature, CHAIN_SIGNATURE, bytes, sizeof bytes) == 1
                 ? 0
                 : E_AUTH;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return rc;
}

static const char head_start[] = "{\"head\":\"";
static const char *const kind_names[] = {
    [CHAIN_SIGNED] = "signed",
    [CHAIN_CUT] = "cut",
};

bool chain_head_line(struct span line)
{
    size_t n = sizeof head_start - 1;
    return line.n >= n && memcmp(line.p, head_start, n) == 0;
}

void chain_head_write(struct buf *to, const struct chain_head *h)
{
    char hex[2 * CHAIN_SIGNATURE + 1];
    if (!head_plausible(h)) {
        to->failed = true;
        return;
    }
    (void)buf_printf(to, "%s%s\",\"seq\":%" PRIu64 ",\"time_ms\":%" PRId64, head_start,
                     kind_names[h->kind], h->seq, h->at_ms);
    hex_encode(h->hash.b, CHAIN_HASH, hex);
    (void)buf_printf(to, ",\"hash\":\"%s\"", hex);
    hex_encode(h->signature, CHAIN_SIGNATURE, hex);
    (void)buf_printf(to, ",\"signature\":\"%s\"}", hex);
}

enum { HEAD_KIND, HEAD_SEQ, HEAD_TIME, HEAD_HASH, HEAD_SIGNATURE, HEAD_MEMBERS };
static const char *const head_names[] = {"head", "seq", "time_ms", "hash", "signature"};

static int refuse(struct buf *why, int rc, const char *name, const char *what)
{
    if (why)
        (void)buf_printf(why, "\"%s\" %s", name, what);
    return rc;
}

/* Each member once, and no others: as many as there are names, and all of them there. */
static int head_members(struct span line, struct json_val val[HEAD_MEMBERS], struct buf *why)
{
    struct json_val ignored;
    struct span name;
    size_t at = 0, n = 0;
    if (json_object(line, head_names, HEAD_MEMBERS, val) != JSON_OBJECT) {
        if (why)
            (void)buf_append_str(why, "not a JSON object");
        return E_FORMAT;
    }
    for (size_t i = 0; i < HEAD_MEMBERS; i++)
        if (val[i].type == JSON_ABSENT)
            return refuse(why, E_FORMAT, head_names[i], "is missing");
    while (json_member(line, &at, &name, &ignored))
        n++;
    if (n == HEAD_MEMBERS)
        return 0;
    if (why)
        (void)buf_append_str(why, "a member that is unknown or there twice");
    return E_FORMAT;
}

static int head_hex(const struct json_val *val, void *to, size_t n)
{
    char text[2 * CHAIN_SIGNATURE];
    int len = json_string(val, text, sizeof text);
    return len < 0 ? E_FORMAT : hex_decode(span_of(text, (size_t)len), to, n);
}

int chain_head_read(struct chain_head *ret, struct span line, struct buf *why)
{
    struct json_val val[HEAD_MEMBERS];
    struct chain_head h = {.kind = 0};
    char kind[8];
    int64_t seq;
    if (line.n > CHAIN_LINE_MAX) {
        if (why)
            (void)buf_printf(why, "longer than %u bytes", CHAIN_LINE_MAX);
        return E_LIMIT;
    }
    int rc = head_members(line, val, why);
    if (rc)
        return rc;
    int n = json_string(&val[HEAD_KIND], kind, sizeof kind);
    for (int i = CHAIN_SIGNED; n >= 0 && i <= CHAIN_CUT; i++)
        if (span_eq(span_of(kind, (size_t)n), span_str(kind_names[i])))
            h.kind = (enum chain_head_kind)i;
    if (!h.kind)
        return refuse(why, E_FORMAT, "head", "is neither \"signed\" nor \"cut\"");
    if ((rc = json_int(&val[HEAD_SEQ], &seq)) || (rc = seq < 1 ? E_RANGE : 0))
        return refuse(why, rc, "seq", "is no number from 1 up");
    if ((rc = json_int(&val[HEAD_TIME], &h.at_ms)) || (rc = h.at_ms < 0 ? E_RANGE : 0))
        return refuse(why, rc, "time_ms", "is no number from 0 up");
    if (head_hex(&val[HEAD_HASH], h.hash.b, CHAIN_HASH))
        return refuse(why, E_FORMAT, "hash", "is not 64 hexadecimal digits");
    if (head_hex(&val[HEAD_SIGNATURE], h.signature, CHAIN_SIGNATURE))
        return refuse(why, E_FORMAT, "signature", "is not 128 hexadecimal digits");
    h.seq = (uint64_t)seq;
    *ret = h;
    return 0;
}

/* --- verification --- */

static void fault(struct chain_verifier *v, enum chain_fault kind, uint64_t seq, uint64_t to)
{
    v->report.fault = kind;
    v->report.seq = seq;
    v->report.to = to;
    v->fresh = true;
}

static int head_known(const struct chain_verifier *v, const struct chain_head *h)
{
    int rc = E_AUTH;
    for (size_t i = 0; i < v->keys_n && rc == E_AUTH; i++)
        rc = chain_head_check(h, &v->at.origin, v->keys[i]);
    return rc;
}

int chain_verify_begin(struct chain_verifier *v, struct chain_hasher *hasher,
                       const struct chain_hash *origin, const uint8_t (*keys)[CHAIN_KEY],
                       size_t keys_n, const struct chain_head *cut)
{
    if (keys_n == 0 || keys_n > CHAIN_KEYS_MAX)
        return E_RANGE;
    *v = (struct chain_verifier){
        .hasher = hasher, .at = {.origin = *origin, .last = *origin}, .keys_n = keys_n};
    memcpy(v->keys, keys, keys_n * CHAIN_KEY);
    if (!cut)
        return 0;
    int rc = cut->kind == CHAIN_CUT ? head_known(v, cut) : E_AUTH;
    if (rc == E_AUTH)
        fault(v, CHAIN_HEAD_FORGED, cut->seq, 0);
    else if (rc)
        return rc;
    v->at.seq = v->report.start = v->report.signed_to = cut->seq;
    v->at.last = cut->hash;
    return 0;
}

/* What a record after the first fault says about it. good: it follows the last good record. */
static void refine(struct chain_verifier *v, uint64_t seq, bool good)
{
    struct chain_report *r = &v->report;
    bool here = seq == r->seq;
    if (r->fault == CHAIN_EDITED && v->fresh && here && good) {
        r->fault = CHAIN_INSERTED;
    } else if (r->fault == CHAIN_REMOVED && here) {
        r->fault = CHAIN_REORDERED;
        r->to = 0;
    } else if (r->fault == CHAIN_REMOVED && !r->found && seq > r->seq) {
        r->found = seq; /* a head had told of the gap */
        r->to = seq - 1;
    } else if (r->fault == CHAIN_REORDERED && seq == r->found) {
        r->fault = CHAIN_INSERTED; /* it has a place of its own too */
    }
    if (seq > v->later_max)
        v->later_max = seq;
    v->fresh = false;
}

/* The first record that is not what should come next. */
static void judge(struct chain_verifier *v, uint64_t seq, const struct chain_link *link, bool own)
{
    uint64_t want = v->at.seq + 1;
    if (!own) {
        fault(v, CHAIN_EDITED, want, 0);
    } else if (seq > want) {
        fault(v, CHAIN_REMOVED, want, seq - 1);
    } else if (seq < want) {
        fault(v, CHAIN_INSERTED, want, 0);
    } else if (!same(&link->prev, &v->at.last)) {
        /* Sound in itself, so the one before it is another than it was; unless that is vouched. */
        bool vouched = v->report.signed_to == v->at.seq;
        fault(v, CHAIN_REHASHED, vouched ? want : want - 1, 0);
        v->report.from = vouched ? want : v->report.signed_to + 1;
    }
    v->report.found = seq;
}

int chain_verify_record(struct chain_verifier *v, uint64_t seq, struct span record,
                        const struct chain_link *link)
{
    struct chain_hash own;
    if (record.n > CHAIN_RECORD_MAX)
        return E_LIMIT;
    int rc = hash_two(v->hasher, span_of(link->prev.b, CHAIN_HASH), record, &own);
    if (rc)
        return rc;
    bool sound = same(&own, &link->own), next = same(&link->prev, &v->at.last);
    v->report.records++;
    if (v->report.fault != CHAIN_GOOD) {
        refine(v, seq, sound && next);
    } else if (sound && next && seq == v->at.seq + 1) {
        v->at.seq = seq;
        v->at.last = link->own;
    } else {
        judge(v, seq, link, sound);
    }
    return 0;
}

int chain_verify_head(struct chain_verifier *v, const struct chain_head *h)
{
    int rc = head_known(v, h);
    if (rc && rc != E_AUTH)
        return rc;
    v->report.heads++;
    struct chain_report *r = &v->report;
    if (r->fault == CHAIN_REMOVED && !r->found && rc == 0 && h->seq > r->to)
        r->to = h->seq;
    if (r->fault != CHAIN_GOOD)
        return 0;
    if (rc == E_AUTH) {
        fault(v, CHAIN_HEAD_FORGED, h->seq, 0);
    } else if (h->seq > v->at.seq) {
        fault(v, CHAIN_REMOVED, v->at.seq + 1, h->seq);
    } else if (h->seq < v->report.start) {
        return 0;
    } else if (h->seq < v->at.seq) {
        fault(v, CHAIN_HEAD_ORDER, h->seq, v->at.seq);
    } else if (!same(&h->hash, &v->at.last)) {
        uint64_t first = v->report.signed_to + 1;
        fault(v, CHAIN_REWRITTEN, first < h->seq ? first : h->seq, h->seq);
    } else {
        v->report.signed_to = h->seq;
    }
    return 0;
}

void chain_verify_report(const struct chain_verifier *v, struct chain_report *ret)
{
    struct chain_report r = v->report;
    if (r.fault == CHAIN_GOOD && v->at.seq > r.signed_to) {
        r.fault = CHAIN_UNSIGNED;
        r.seq = r.signed_to + 1;
        r.to = v->at.seq;
    } else if (r.fault == CHAIN_REORDERED && r.found > v->later_max + 1) {
        r.fault = CHAIN_INSERTED; /* there never was a place for it */
    }
    *ret = r;
}

static void range(char *to, size_t n, uint64_t a, uint64_t b)
{
    if (a < b)
        snprintf(to, n, "records %" PRIu64 " to %" PRIu64, a, b);
    else
        snprintf(to, n, "record %" PRIu64, b);
}

const char *chain_words(const struct chain_report *r, char text[CHAIN_WORDS_MAX])
{
    char which[64];
    bool one = r->seq >= r->to;
    range(which, sizeof which, r->seq, one ? r->seq : r->to);
    const size_t n = CHAIN_WORDS_MAX;
    switch (r->fault) {
    case CHAIN_GOOD:
        range(which, sizeof which, r->start + 1, r->signed_to);
        snprintf(text, n, r->signed_to > r->start ? "%s: whole and signed" : "no records", which);
        break;
    case CHAIN_UNSIGNED:
        snprintf(text, n, "%s: appended after the last signed head, not vouched for yet", which);
        break;
    case CHAIN_EDITED:
        snprintf(text, n, "%s was edited: its content and its hash do not belong together", which);
        break;
    case CHAIN_REHASHED:
        range(which, sizeof which, r->from, r->seq);
        snprintf(text, n, "%s: edited, and the hash written anew up to record %" PRIu64, which,
                 r->seq);
        break;
    case CHAIN_REMOVED: snprintf(text, n, "%s %s removed", which, one ? "was" : "were"); break;
    case CHAIN_REORDERED:
        snprintf(text, n, "%s was moved: record %" PRIu64 " stands in its place", which, r->found);
        break;
    case CHAIN_INSERTED:
        snprintf(text, n, "a record with number %" PRIu64 " was put in before record %" PRIu64,
                 r->found, r->seq);
        break;
    case CHAIN_REWRITTEN:
        snprintf(text, n,
                 "%s: edited, and the hashes written anew; the signed head of %" PRIu64
                 " has another",
                 which, r->to);
        break;
    case CHAIN_HEAD_FORGED:
        snprintf(text, n, "the head of record %" PRIu64 " is not signed by a known key", r->seq);
        break;
    case CHAIN_HEAD_ORDER:
        snprintf(text, n, "the head of record %" PRIu64 " stands behind record %" PRIu64, r->seq,
                 r->to);
        break;
    }
    return text;
}
