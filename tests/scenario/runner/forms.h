/* The forms of a racing datagram as a client makes and opens them, written from
 * docs/protocol-racing.md ("Datagrams") over libcrypto alone: nothing of the server's own ciphers
 * is used, so that a mistake has to be made twice to go unnoticed. */
#ifndef SLIPGATE_SCENARIO_FORMS_H
#define SLIPGATE_SCENARIO_FORMS_H

#include "base/buf.h"
#include "script.h"

struct keys {
    uint8_t document[32]; /* key, its second half is the IV */
    int granted;          /* FORM_GCM, FORM_CBC_HMAC, or -1: none */
    bool pack;            /* several messages in a datagram were agreed on */
    uint8_t conn_id[8];
    uint8_t c2s[64], s2c[64];
    uint64_t sent; /* last sequence sent */
    uint64_t next; /* least sequence that is still expected */
};

/* The document's keys of a session. */
void keys_derive(struct keys *, const char *id, const char *secret);
/* Takes the udpAead object of a login's reply, if there is one. false: there is one, and it is
 * wrong. */
bool keys_grant(struct keys *, struct span reply, struct buf *why);

/* seq < 0: the next. false: why. */
bool form_seal(struct keys *, enum form, int64_t seq, struct span text, struct buf *to,
               struct buf *why);
bool form_open(struct keys *, enum form, struct span dgram, struct buf *to, struct buf *why);
/* Whether a datagram of this form may hold several messages, LF between them. */
bool form_packs(const struct keys *, enum form);
/* One gzip member. */
bool form_gzip(struct span text, struct buf *to);

#endif
