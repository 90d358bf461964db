#include "client/datagram.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/json.h"

static int open_pair(struct sgc_udp *u, enum slipgate_udp_mode mode, const struct seal_cfg *out,
                     const struct seal_cfg *in, struct entropy *entropy)
{
    sgc_udp_close(u);
    int rc = sealer_create(&u->sealer, out, entropy);
    if (rc == 0 && in)
        rc = opener_create(&u->opener, in);
    if (rc != 0) {
        sgc_udp_close(u);
        return rc;
    }
    u->mode = mode;
    return 0;
}

int sgc_udp_open_plain(struct sgc_udp *u, struct entropy *entropy)
{
    struct seal_cfg cfg = {.kind = SEAL_PLAIN_LF};
    return open_pair(u, SLIPGATE_UDP_PLAIN, &cfg, NULL, entropy);
}

int sgc_udp_open_cbc(struct sgc_udp *u, struct span session_id, struct span secret,
                     struct entropy *entropy)
{
    uint8_t key[SEAL_CBC_KEY];
    int rc = seal_derive_cbc(session_id, secret, key);
    if (rc == 0) {
        struct seal_cfg cfg = {.kind = SEAL_CBC, .key = span_of(key, sizeof key)};
        rc = open_pair(u, SLIPGATE_UDP_CBC, &cfg, &cfg, entropy);
    }
    mem_wipe(key, sizeof key);
    return rc;
}

int sgc_udp_open_grant(struct sgc_udp *u, const struct sgc_grant *grant, struct entropy *entropy)
{
    struct seal_cfg out = {
        .kind = grant->mode == SLIPGATE_UDP_AES_GCM ? SEAL_GCM : SEAL_CBC_HMAC,
        .key = grant->c2s,
    };
    memcpy(out.conn_id, grant->conn_id, sizeof out.conn_id);
    struct seal_cfg in = out;
    in.key = grant->s2c;
    int rc = open_pair(u, grant->mode, &out, &in, entropy);
    u->packed = rc == 0 && grant->pack;
    return rc;
}

void sgc_udp_close(struct sgc_udp *u)
{
    sealer_destroy(u->sealer);
    opener_destroy(u->opener);
    *u = (struct sgc_udp){.mode = SLIPGATE_UDP_NONE};
}

int sgc_udp_seal(struct sgc_udp *u, struct sgc_scratch *w, struct span text)
{
    if (text.n > SLIPGATE_DATAGRAM_MAX || sealer_size(u->sealer, text.n) > SLIPGATE_DATAGRAM_MAX)
        return E_LIMIT;
    return sealer_seal(u->sealer, &text, 1, w->sealed, sizeof w->sealed);
}

int sgc_udp_unseal(struct sgc_udp *u, struct sgc_scratch *w, struct span datagram,
                   struct span *text)
{
    struct span t = datagram;
    if (u->opener) {
        int n = opener_open(u->opener, datagram, w->opened, sizeof w->opened);
        if (n < 0)
            return n;
        t = span_of(w->opened, (size_t)n);
    }
    if (gzip_is(t)) {
        int n = gzip_inflate(w->gzip, t, w->inflated, sizeof w->inflated);
        if (n < 0)
            return n;
        t = span_of(w->inflated, (size_t)n);
    }
    *text = t;
    return 0;
}

/* Line feeds are legal whitespace inside a message, so a text that is one JSON value stays whole.
 */
bool sgc_udp_next(const struct sgc_udp *u, struct span *rest, struct span *message)
{
    while (rest->n && (rest->p[0] == '\n' || rest->p[0] == '\r'))
        *rest = span_skip(*rest, 1);
    if (rest->n == 0)
        return false;
    const uint8_t *lf = u->packed ? memchr(rest->p, '\n', rest->n) : NULL;
    size_t n = lf && json_check(*rest) < 0 ? (size_t)(lf - rest->p) : rest->n;
    *message = span_of(rest->p, n);
    *rest = span_skip(*rest, n);
    while (message->n && (message->p[message->n - 1] == '\n' || message->p[message->n - 1] == '\r'))
        message->n--; /* the line end of a datagram in the clear is not part of the message */
    return true;
}
