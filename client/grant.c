#include "client/grant.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/text.h"

#define KEY_TEXT_MAX 96u /* base64 of the longer kind of key is 88 */

static int read_key(const struct json_val *v, size_t want, uint8_t key[SEAL_CBC_HMAC_KEY])
{
    char text[KEY_TEXT_MAX];
    int n = json_string(v, text, sizeof text);
    if (n >= 0)
        n = base64_decode(span_of(text, (size_t)n), key, SEAL_CBC_HMAC_KEY);
    mem_wipe(text, sizeof text);
    return n >= 0 && (size_t)n == want ? 0 : E_FORMAT;
}

int sgc_grant_open(struct sgc_udp *u, const struct json_val *member, bool pack,
                   struct entropy *entropy)
{
    static const char *const names[] = {"alg", "connId", "c2s", "s2c", "pack"};
    struct json_val v[ARRAY_LEN(names)];
    char alg[32], conn_id[2 * SEAL_CONN_ID + 1];
    uint8_t c2s[SEAL_CBC_HMAC_KEY], s2c[SEAL_CBC_HMAC_KEY];
    struct sgc_grant grant = {0};
    if (member->type != JSON_OBJECT ||
        json_object(member->raw, names, ARRAY_LEN(names), v) != JSON_OBJECT)
        return E_FORMAT;
    int n = json_string(&v[0], alg, sizeof alg);
    struct span name = span_of(alg, n < 0 ? 0 : (size_t)n);
    bool gcm = span_eq(name, SPAN_LIT("aes-256-gcm"));
    if (!gcm && !span_eq(name, SPAN_LIT("aes-256-cbc-hmac-sha256")))
        return E_FORMAT;
    n = json_string(&v[1], conn_id, sizeof conn_id);
    if (n < 0 || hex_decode(span_of(conn_id, (size_t)n), grant.conn_id, sizeof grant.conn_id) != 0)
        return E_FORMAT;
    size_t size = gcm ? SEAL_GCM_KEY : SEAL_CBC_HMAC_KEY;
    int rc = read_key(&v[2], size, c2s);
    if (rc == 0)
        rc = read_key(&v[3], size, s2c);
    if (rc == 0) {
        grant.mode = gcm ? SLIPGATE_UDP_AES_GCM : SLIPGATE_UDP_AES_CBC_HMAC;
        grant.c2s = span_of(c2s, size);
        grant.s2c = span_of(s2c, size);
        grant.pack = pack && v[4].type == JSON_TRUE;
        rc = sgc_udp_open_grant(u, &grant, entropy);
    }
    mem_wipe(c2s, sizeof c2s);
    mem_wipe(s2c, sizeof s2c);
    return rc;
}
