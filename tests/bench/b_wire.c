/* The codecs of the datagram path beside what the machine can do: every row runs ours and its
 * yardstick in turns, in one process, and prints the medians and the median of the ratios of each
 * turn. Figures move from run to run and from machine to machine, ratios hardly. */
#include "base/err.h"
#include "base/mem.h"
#include "wire/gzip.h"
#include "wire/json.h"
#include "wire/seal.h"

#include <malloc.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef HAVE_CJSON
#include <cjson/cJSON.h>
#endif

#define ROUNDS  31
#define OBJECTS 1000

static const char update[] =
    "{\"command\":\"UPDATE\",\"sessionId\":\"3f2b8c1d9e4a4b7c8d5e6f7a8b9c0d1e\","
    "\"position\":{\"x\":123.456,\"y\":-1.98,\"z\":-98.7654},"
    "\"rotation\":{\"x\":0.001,\"y\":0.707,\"z\":0.002,\"w\":0.70710677},\"timestamp\":"
    "1700000000123}";

static struct {
    struct span text;
    struct sealer *sealers[SEAL_CBC_HMAC + 1];
    struct opener *openers[SEAL_CBC_HMAC + 1];
    EVP_CIPHER_CTX *cbc, *cbc_open, *gcm;
    EVP_CIPHER *cbc_cipher, *gcm_cipher;
    EVP_MAC_CTX *mac;
    struct entropy entropy;
    uint8_t key[64], iv[16], out[512], back[512], cbc_dgram[512];
    size_t cbc_size;
    volatile double sink;
} at;

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "b_wire: %s failed\n", what);
        exit(1);
    }
}

static void counted_fill(struct entropy *e, void *to, size_t n)
{
    static uint64_t x = 0x9e3779b97f4a7c15;
    (void)e;
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        ((uint8_t *)to)[i] = (uint8_t)x;
    }
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double run(void (*f)(void), int times)
{
    double start = now_ns();
    for (int i = 0; i < times; i++)
        f();
    return (now_ns() - start) / times;
}

static void row(const char *ours_name, void (*ours)(void), const char *theirs_name,
                void (*theirs)(void))
{
    double a[ROUNDS], b[ROUNDS], ratio[ROUNDS];
    int times = (int)(2e6 / (run(ours, 1000) + 1)) + 1;
    for (int i = 0; i < ROUNDS; i++) {
        a[i] = run(ours, times);
        b[i] = run(theirs, times);
        ratio[i] = a[i] / b[i];
    }
    qsort(a, ROUNDS, sizeof *a, by_value);
    qsort(b, ROUNDS, sizeof *b, by_value);
    qsort(ratio, ROUNDS, sizeof *ratio, by_value);
    printf("%-30s %8.1f  %-34s %8.1f  %6.2f\n", ours_name, a[ROUNDS / 2], theirs_name,
           b[ROUNDS / 2], ratio[ROUNDS / 2]);
}

/* JSON */

static const char *const names[] = {"command", "sessionId", "position", "rotation"};
static const char *const axes[] = {"x", "y", "z", "w"};

static void ours_object(void)
{
    struct json_val v[4];
    must(json_object(at.text, names, 4, v) == JSON_OBJECT && v[3].type == JSON_OBJECT, "json");
}

static void ours_decode(void)
{
    struct json_val v[4], axis[4];
    float f;
    must(json_object(at.text, names, 4, v) == JSON_OBJECT, "json");
    for (int i = 2; i < 4; i++) {
        must(json_object(v[i].raw, axes, 4, axis) == JSON_OBJECT, "nested");
        for (int j = 0; j < i + 1; j++) {
            must(json_float(&axis[j], &f) == 0, "float");
            at.sink = (double)f;
        }
    }
}

static void theirs_memchr(void)
{
    at.sink = memchr(at.text.p, '\n', at.text.n) ? 1 : 0;
}

static void theirs_byte_sum(void)
{
    unsigned sum = 0;
    for (size_t i = 0; i < at.text.n; i++) {
        sum += at.text.p[i];
        __asm__ volatile("" : "+r"(sum));
    }
    at.sink = sum;
}

#ifdef HAVE_CJSON
static void theirs_cjson(void)
{
    cJSON *root = cJSON_ParseWithLength(update, sizeof update - 1);
    const char *parts[] = {"position", "rotation"};
    for (int i = 0; i < 2; i++) {
        cJSON *o = cJSON_GetObjectItemCaseSensitive(root, parts[i]);
        for (int j = 0; j < i + 3; j++)
            at.sink = cJSON_GetObjectItemCaseSensitive(o, axes[j])->valuedouble;
    }
    cJSON_Delete(root);
}
#endif

static const float floats[] = {66, -2, 0.8f, 123.456f, -98.7654f, 0.70710677f, 1e-5f, 0.33333334f};

static void ours_put_float(void)
{
    static struct buf b = {.max = 256};
    buf_clear(&b);
    for (size_t i = 0; i < ARRAY_LEN(floats); i++)
        json_put_float(&b, floats[i]);
    at.sink = (double)b.n;
}

static void theirs_snprintf(void)
{
    char text[32];
    for (size_t i = 0; i < ARRAY_LEN(floats); i++)
        at.sink = snprintf(text, sizeof text, "%.9g", (double)floats[i]);
}

static void ours_gzip(void)
{
    static struct gzip *g;
    static uint8_t packed[512];
    static int n;
    if (!g) {
        must(gzip_create(&g) == 0, "gzip");
        n = gzip_deflate(g, at.text, packed, sizeof packed);
        must(n > 0, "deflate");
    }
    must(gzip_inflate(g, span_of(packed, (size_t)n), at.back, sizeof at.back) > 0, "inflate");
}

/* Sealing */

static void seal(enum seal_kind kind)
{
    must(sealer_seal(at.sealers[kind], &at.text, 1, at.out, sizeof at.out) > 0, "seal");
}

static void ours_cbc(void)
{
    seal(SEAL_CBC);
}

static void ours_gcm(void)
{
    seal(SEAL_GCM);
}

static void ours_cbc_hmac(void)
{
    seal(SEAL_CBC_HMAC);
}

static void ours_cbc_open(void)
{
    must(opener_open(at.openers[SEAL_CBC], span_of(at.cbc_dgram, at.cbc_size), at.back,
                     sizeof at.back) > 0,
         "open");
}

static void ours_cbc_peek(void)
{
    must(opener_peek(at.openers[SEAL_CBC], span_of(at.cbc_dgram, at.cbc_size), at.back) == 0,
         "peek");
}

static void ours_gcm_both(void)
{
    int n = sealer_seal(at.sealers[SEAL_GCM], &at.text, 1, at.out, sizeof at.out);
    must(opener_open(at.openers[SEAL_GCM], span_of(at.out, (size_t)n), at.back, sizeof at.back) > 0,
         "open");
}

static void ours_cbc_hmac_both(void)
{
    int n = sealer_seal(at.sealers[SEAL_CBC_HMAC], &at.text, 1, at.out, sizeof at.out);
    must(opener_open(at.openers[SEAL_CBC_HMAC], span_of(at.out, (size_t)n), at.back,
                     sizeof at.back) > 0,
         "open");
}

static void cbc_once(EVP_CIPHER_CTX *c, const EVP_CIPHER *cipher, const uint8_t *key)
{
    int n, last;
    must(EVP_EncryptInit_ex2(c, cipher, key, at.iv, NULL) == 1 &&
             EVP_EncryptUpdate(c, at.out, &n, at.text.p, (int)at.text.n) == 1 &&
             EVP_EncryptFinal_ex(c, at.out + n, &last) == 1,
         "evp cbc");
}

static void theirs_cbc(void)
{
    cbc_once(at.cbc, NULL, NULL);
}

static void theirs_cbc_rekey(void)
{
    cbc_once(at.cbc, at.cbc_cipher, at.key);
}

static void theirs_cbc_new(void)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    cbc_once(c, EVP_aes_256_cbc(), at.key);
    EVP_CIPHER_CTX_free(c);
}

static void theirs_cbc_open(void)
{
    int n, last;
    must(EVP_DecryptInit_ex2(at.cbc_open, NULL, NULL, at.key + 16, NULL) == 1 &&
             EVP_DecryptUpdate(at.cbc_open, at.back, &n, at.cbc_dgram + 4, (int)at.cbc_size - 4) ==
                 1 &&
             EVP_DecryptFinal_ex(at.cbc_open, at.back + n, &last) == 1,
         "evp cbc open");
}

static void gcm_once(const EVP_CIPHER *cipher, const uint8_t *key)
{
    int n;
    EVP_CIPHER_CTX *c = at.gcm;
    must(EVP_EncryptInit_ex2(c, cipher, key, at.iv, NULL) == 1 &&
             EVP_EncryptUpdate(c, NULL, &n, at.key, SEAL_HEADER) == 1 &&
             EVP_EncryptUpdate(c, at.out, &n, at.text.p, (int)at.text.n) == 1 &&
             EVP_EncryptFinal_ex(c, at.out + n, &n) == 1 &&
             EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, at.back) == 1,
         "evp gcm");
}

static void theirs_gcm(void)
{
    gcm_once(NULL, NULL);
}

static void theirs_gcm_rekey(void)
{
    gcm_once(at.gcm_cipher, at.key);
}

static void theirs_hmac(void)
{
    size_t n;
    must(EVP_MAC_init(at.mac, NULL, 0, NULL) == 1 &&
             EVP_MAC_update(at.mac, at.text.p, at.text.n) == 1 &&
             EVP_MAC_final(at.mac, at.back, &n, 32) == 1,
         "evp mac");
}

static void theirs_cbc_and_hmac(void)
{
    theirs_cbc();
    theirs_hmac();
}

static struct seal_cfg config(enum seal_kind kind)
{
    size_t size = kind == SEAL_CBC   ? SEAL_CBC_KEY
                  : kind == SEAL_GCM ? SEAL_GCM_KEY
                                     : SEAL_CBC_HMAC_KEY;
    return (struct seal_cfg){.kind = kind, .key = span_of(at.key, size)};
}

static void set_up(void)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    at.text = span_str(update);
    entropy_init(&at.entropy, counted_fill);
    entropy_get(&at.entropy, at.key, sizeof at.key);
    for (int kind = SEAL_CBC; kind <= SEAL_CBC_HMAC; kind++) {
        struct seal_cfg cfg = config((enum seal_kind)kind);
        must(sealer_create(&at.sealers[kind], &cfg, &at.entropy) == 0, "sealer");
        must(opener_create(&at.openers[kind], &cfg) == 0, "opener");
    }
    at.cbc_size =
        (size_t)sealer_seal(at.sealers[SEAL_CBC], &at.text, 1, at.cbc_dgram, sizeof at.cbc_dgram);
    at.cbc_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    at.gcm_cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    at.cbc = EVP_CIPHER_CTX_new();
    at.cbc_open = EVP_CIPHER_CTX_new();
    at.gcm = EVP_CIPHER_CTX_new();
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    at.mac = EVP_MAC_CTX_new(hmac);
    must(EVP_EncryptInit_ex2(at.cbc, at.cbc_cipher, at.key, at.iv, NULL) == 1, "cbc");
    must(EVP_DecryptInit_ex2(at.cbc_open, at.cbc_cipher, at.key, at.iv, NULL) == 1, "cbc open");
    must(EVP_EncryptInit_ex2(at.gcm, at.gcm_cipher, at.key, at.iv, NULL) == 1, "gcm");
    must(EVP_MAC_init(at.mac, at.key, 32, params) == 1, "mac");
}

static void memory(const char *name, enum seal_kind kind)
{
    struct seal_cfg cfg = config(kind);
    struct sealer **s = mem_zalloc(OBJECTS, sizeof(struct sealer *));
    struct opener **o = mem_zalloc(OBJECTS, sizeof(struct opener *));
    size_t start = mallinfo2().uordblks;
    for (int i = 0; i < OBJECTS; i++)
        must(sealer_create(&s[i], &cfg, &at.entropy) == 0, "sealer");
    size_t sealers = mallinfo2().uordblks;
    for (int i = 0; i < OBJECTS; i++)
        must(opener_create(&o[i], &cfg) == 0, "opener");
    size_t openers = mallinfo2().uordblks;
    printf("%-30s sealer %zu, opener %zu bytes\n", name, (sealers - start) / OBJECTS,
           (openers - sealers) / OBJECTS);
    for (int i = 0; i < OBJECTS; i++) {
        sealer_destroy(s[i]);
        opener_destroy(o[i]);
    }
    mem_free(s);
    mem_free(o);
}

int main(void)
{
    set_up();
    printf("UPDATE of %zu bytes; medians of %d rounds in turns\n", at.text.n, ROUNDS);
    printf("%-30s %8s  %-34s %8s  %6s\n", "ours", "ns", "yardstick", "ns", "ratio");
    row("json_object", ours_object, "memchr over the bytes", theirs_memchr);
    row("json_object", ours_object, "sum of the bytes, one by one", theirs_byte_sum);
#ifdef HAVE_CJSON
    row("json decode with 7 floats", ours_decode, "cJSON parse, get, free", theirs_cjson);
#endif
    row("json decode with 7 floats", ours_decode, "sum of the bytes, one by one", theirs_byte_sum);
    row("json_put_float x8", ours_put_float, "snprintf %.9g x8", theirs_snprintf);
    row("gzip_inflate", ours_gzip, "sum of the bytes, one by one", theirs_byte_sum);
    row("seal CBC", ours_cbc, "EVP, context kept, IV set", theirs_cbc);
    row("seal CBC", ours_cbc, "EVP, key set every packet", theirs_cbc_rekey);
    row("seal CBC", ours_cbc, "EVP, new context every packet", theirs_cbc_new);
    row("open CBC", ours_cbc_open, "EVP, context kept, IV set", theirs_cbc_open);
    row("peek CBC", ours_cbc_peek, "EVP, whole packet", theirs_cbc_open);
    row("seal GCM", ours_gcm, "EVP, context kept", theirs_gcm);
    row("seal GCM", ours_gcm, "EVP, key set every packet", theirs_gcm_rekey);
    row("seal and open GCM", ours_gcm_both, "EVP seal, context kept", theirs_gcm);
    row("seal CBC-HMAC", ours_cbc_hmac, "EVP CBC and EVP_MAC, contexts kept", theirs_cbc_and_hmac);
    row("seal and open CBC-HMAC", ours_cbc_hmac_both, "EVP CBC and EVP_MAC, contexts kept",
        theirs_cbc_and_hmac);
    memory("SEAL_CBC", SEAL_CBC);
    memory("SEAL_GCM", SEAL_GCM);
    memory("SEAL_CBC_HMAC", SEAL_CBC_HMAC);
    return 0;
}
