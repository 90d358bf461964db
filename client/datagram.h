/* The datagram side of one login: seals texts, opens what arrives, and turns messages into text and
 * back. Pure: bytes in, bytes out (docs/protocol-racing.md, "Datagrams").
 *
 * A datagram holds one JSON object; under the negotiated ciphers, where packing was agreed on, it
 * may hold several separated by LF. Inside and outside of a seal, gzip is understood on receive.
 * Only the form that the login agreed on is accepted: no fallback to a weaker one.
 *
 * One thread; no allocation after opening. Keys are wiped on close. */
#ifndef SLIPGATE_CLIENT_DATAGRAM_H
#define SLIPGATE_CLIENT_DATAGRAM_H

#include "base/buf.h"
#include "base/entropy.h"
#include "base/types.h"
#include "wire/gzip.h"
#include "wire/seal.h"

#include <slipgate/slipgate.h>

#define SGC_ID_MAX       64u   /* session, room and player ids: opaque, 32 characters today */
#define SGC_DATAGRAM_MAX 2048u /* largest datagram received */
#define SGC_INFLATED_MAX 8192u

/* Working space for one datagram at a time; shared by any number of clients of a thread. */
struct sgc_scratch {
    uint8_t opened[SGC_DATAGRAM_MAX], inflated[SGC_INFLATED_MAX], sealed[SGC_DATAGRAM_MAX];
    struct gzip *gzip;
    struct entropy *entropy;
};

struct sgc_udp {
    enum slipgate_udp_mode mode; /* NONE: closed */
    bool packed;                 /* several messages may share a datagram */
    struct sealer *sealer;
    struct opener *opener;
};

/* Keys as the login's answer grants them. c2s and s2c are borrowed. */
struct sgc_grant {
    enum slipgate_udp_mode mode; /* AES_GCM or AES_CBC_HMAC */
    uint8_t conn_id[SEAL_CONN_ID];
    struct span c2s, s2c;
    bool pack;
};

/* Each opens u, closing what was open. E_NOMEM, E_CRYPTO, E_RANGE (key sizes). */
MUST_USE int sgc_udp_open_plain(struct sgc_udp *u, struct entropy *);
MUST_USE int sgc_udp_open_cbc(struct sgc_udp *u, struct span session_id, struct span secret,
                              struct entropy *);
MUST_USE int sgc_udp_open_grant(struct sgc_udp *u, const struct sgc_grant *, struct entropy *);
void sgc_udp_close(struct sgc_udp *u);

/* Seals text; the datagram is in w->sealed until the next call. Returns its size, E_LIMIT when it
 * would exceed SLIPGATE_DATAGRAM_MAX, or sealer_seal's errors. */
MUST_USE int sgc_udp_seal(struct sgc_udp *u, struct sgc_scratch *w, struct span text);
/* Opens a datagram; *text lies in w or in datagram. E_FORMAT, E_AUTH, E_REPLAY, E_LIMIT. */
MUST_USE int sgc_udp_unseal(struct sgc_udp *u, struct sgc_scratch *w, struct span datagram,
                            struct span *text);
/* Walks the messages of an opened text: takes the first off *rest; false at the end. */
bool sgc_udp_next(const struct sgc_udp *u, struct span *rest, struct span *message);

/* Appends the message's text. E_RANGE: a number is not finite; E_FORMAT: extra is not JSON members;
 * E_LIMIT: to is full. */
MUST_USE int sgc_update_text(struct buf *to, struct span session_id,
                             const struct slipgate_update *);
MUST_USE int sgc_input_text(struct buf *to, struct span session_id, struct span room_id,
                            const struct slipgate_input *);

enum sgc_message_kind { SGC_UPDATE, SGC_INPUT };

struct sgc_message {
    enum sgc_message_kind kind;
    char sender_id[SGC_ID_MAX + 1]; /* what the structs below point to */
    struct slipgate_update_in update;
    struct slipgate_input_in input;
};

/* Parses one message; json is borrowed by ret. E_FORMAT for anything but a well-typed UPDATE or
 * INPUT with a session id. */
MUST_USE int sgc_message_parse(struct span json, struct sgc_message *ret);

#endif
