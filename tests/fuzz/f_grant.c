/* Keys for datagrams as a login's answer grants them: any bytes, and grants built from keys and
 * then damaged. Under a grant that was built, what the client seals opens with the key for that
 * direction and what is sealed with the other key opens at the client. */
#include "client/grant.h"
#include "fuzz.h"

#include "base/err.h"
#include "wire/text.h"

static void count_up(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 0x5a, n);
}

static int open_grant(struct sgc_udp *u, struct span text, struct entropy *entropy)
{
    struct json_val member = {JSON_OBJECT, text};
    int type = json_check(text);
    if (type < 0)
        return E_FORMAT;
    member.type = (enum json_type)type;
    int rc = sgc_grant_open(u, &member, true, entropy);
    MUST(rc == 0 || rc == E_FORMAT);
    MUST((u->mode != SLIPGATE_UDP_NONE) == (rc == 0));
    return rc;
}

static void talk(struct sgc_udp *u, const struct seal_cfg *c2s, const struct seal_cfg *s2c,
                 struct entropy *entropy)
{
    static struct sgc_scratch w;
    struct opener *o;
    struct sealer *s;
    struct span text = SPAN_LIT("{\"command\":\"INPUT\"}"), back;
    uint8_t opened[256], sealed[256];
    MUST(opener_create(&o, c2s) == 0 && sealer_create(&s, s2c, entropy) == 0);
    int n = sgc_udp_seal(u, &w, text);
    MUST(n > 0 &&
         opener_open(o, span_of(w.sealed, (size_t)n), opened, sizeof opened) == (int)text.n);
    MUST(memcmp(opened, text.p, text.n) == 0);
    n = sealer_seal(s, &text, 1, sealed, sizeof sealed);
    MUST(n > 0 && sgc_udp_unseal(u, &w, span_of(sealed, (size_t)n), &back) == 0);
    MUST(span_eq(back, text));
    MUST(sgc_udp_unseal(u, &w, span_of(sealed, (size_t)n), &back) == E_REPLAY);
    opener_destroy(o);
    sealer_destroy(s);
}

static void built(struct span *in, struct entropy *entropy)
{
    bool gcm = fuzz_chance(in, 128), pack = fuzz_chance(in, 128);
    size_t size = gcm ? SEAL_GCM_KEY : SEAL_CBC_HMAC_KEY;
    uint8_t keys[2][SEAL_CBC_HMAC_KEY], conn[SEAL_CONN_ID];
    char c2s_text[96], s2c_text[96], conn_text[20], text[512];
    struct sgc_udp u = {.mode = SLIPGATE_UDP_NONE};
    for (size_t i = 0; i < sizeof keys; i++)
        keys[i / size % 2][i % size] = (uint8_t)(i * 3 + fuzz_byte(in));
    for (size_t i = 0; i < sizeof conn; i++)
        conn[i] = fuzz_byte(in);
    base64_encode(keys[0], size, c2s_text);
    base64_encode(keys[1], size, s2c_text);
    hex_encode(conn, sizeof conn, conn_text);
    snprintf(text, sizeof text,
             "{\"alg\":\"%s\",\"connId\":\"%s\",\"c2s\":\"%s\",\"s2c\":\"%s\",\"pack\":%s}",
             gcm ? "aes-256-gcm" : "aes-256-cbc-hmac-sha256", conn_text, c2s_text, s2c_text,
             pack ? "true" : "false");
    struct seal_cfg c2s = {.kind = gcm ? SEAL_GCM : SEAL_CBC_HMAC, .key = span_of(keys[0], size)};
    memcpy(c2s.conn_id, conn, sizeof conn);
    struct seal_cfg s2c = c2s;
    s2c.key = span_of(keys[1], size);
    MUST(open_grant(&u, span_str(text), entropy) == 0 && u.packed == pack);
    MUST(u.mode == (gcm ? SLIPGATE_UDP_AES_GCM : SLIPGATE_UDP_AES_CBC_HMAC));
    talk(&u, &c2s, &s2c, entropy);
    sgc_udp_close(&u);
    struct span bad = fuzz_damage(in, span_str(text));
    (void)open_grant(&u, bad, entropy);
    sgc_udp_close(&u);
    fuzz_free(bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct entropy entropy;
    entropy_init(&entropy, count_up);
    if (fuzz_byte(&in) & 1) {
        struct sgc_udp u = {.mode = SLIPGATE_UDP_NONE};
        uint8_t *exact = fuzz_copy(in);
        (void)open_grant(&u, span_of(exact, in.n), &entropy);
        sgc_udp_close(&u);
        free(exact);
    } else {
        built(&in, &entropy);
    }
    return 0;
}
