/* Sealing of datagrams: what turns a plaintext into the bytes on the wire and back, one object per
 * direction. Kinds:
 *
 *   SEAL_PLAIN        the text itself.
 *   SEAL_PLAIN_LF     the text and one LF (docs/protocol-racing.md, "Datagrams in the clear").
 *   SEAL_CBC          4-byte little-endian length, then AES-256-CBC with PKCS#7 under a fixed IV
 *                     (docs/protocol-racing.md, "Sealed datagrams"). No integrity: the caller must
 *                     check what comes out.
 *   SEAL_GCM          "MPG1", connection id (8), sequence (8, big endian), AES-256-GCM, tag (16);
 *                     the 20-byte header is the associated data; nonce = 4-byte salt, sequence.
 *   SEAL_CBC_HMAC     same header, 16-byte random IV, AES-256-CBC PKCS#7, HMAC-SHA-256 cut to 16
 *                     over header, IV and ciphertext (encrypt then MAC).
 *
 * (docs/protocol-racing.md, "Stronger datagrams".) Their first packet has sequence 0. Their opener
 * refuses replays with a sliding window of SEAL_WINDOW sequences, moved only by packets whose tag
 * is right. Contexts are made once and reused: nothing is fetched, keyed or allocated per packet,
 * except that libcrypto 3.0 itself takes and returns two small blocks for each HMAC. An object
 * holds 0.8 KiB (SEAL_CBC) to 1.8 KiB (SEAL_CBC_HMAC). Keys are wiped on destroy.
 *
 * Thread: an object belongs to one thread at a time. */
#ifndef SLIPGATE_WIRE_SEAL_H
#define SLIPGATE_WIRE_SEAL_H

#include "base/entropy.h"
#include "base/types.h"

#define SEAL_WINDOW       1024u
#define SEAL_OVERHEAD_MAX 68u /* most bytes any kind adds: header 20, IV 16, padding 16, tag 16 */
#define SEAL_HEADER       20u /* of the kinds with a connection id */
#define SEAL_GCM_KEY      36u /* 32-byte key, 4-byte salt */
#define SEAL_CBC_HMAC_KEY 64u /* 32-byte cipher key, 32-byte MAC key */
#define SEAL_CBC_KEY      32u /* the hash: key is all of it, IV its bytes 16..31 */
#define SEAL_CONN_ID      8u

enum seal_kind { SEAL_PLAIN, SEAL_PLAIN_LF, SEAL_CBC, SEAL_GCM, SEAL_CBC_HMAC };

struct seal_cfg {
    enum seal_kind kind;
    struct span key;               /* exactly the size of the kind; copied */
    uint8_t conn_id[SEAL_CONN_ID]; /* for the kinds with a header */
};

struct sealer;
struct opener;

/* The entropy is borrowed for life and only used, for IVs, by SEAL_CBC_HMAC; NULL will do for the
 * others. E_NOMEM, E_CRYPTO, E_RANGE (wrong key size). */
MUST_USE int sealer_create(struct sealer **ret, const struct seal_cfg *, struct entropy *);
void sealer_destroy(struct sealer *);
enum seal_kind sealer_kind(const struct sealer *);
/* Size of the datagram that n bytes of plaintext become. */
size_t sealer_size(const struct sealer *, size_t n);
/* Seals the concatenation of parts into to (which must not overlap them); returns the datagram's
 * size, E_LIMIT when cap is too small, E_CRYPTO, or E_RANGE when the sequence numbers are used up
 * (2^63). */
MUST_USE int sealer_seal(struct sealer *, const struct span *parts, size_t n, uint8_t *to,
                         size_t cap);

/* Only for kinds with a key. Errors as sealer_create. */
MUST_USE int opener_create(struct opener **ret, const struct seal_cfg *);
void opener_destroy(struct opener *);
enum seal_kind opener_kind(const struct opener *);
/* Opens a datagram into to (cap >= datagram size suffices; to must not overlap it); returns the
 * plaintext's size. E_FORMAT (length, header, padding), E_AUTH (tag), E_REPLAY, E_LIMIT (cap),
 * E_CRYPTO; what is in to is then worth nothing. */
MUST_USE int opener_open(struct opener *, struct span datagram, uint8_t *to, size_t cap);
/* SEAL_CBC only, a cheap look before opening: decrypts the first block into ret. E_FORMAT. */
MUST_USE int opener_peek(struct opener *, struct span datagram, uint8_t ret[16]);

/* True when the length header fits the datagram: positive, a multiple of 16, size minus 4. */
bool seal_is_cbc(struct span datagram);
/* True when it starts with the magic and is long enough; *conn_id then points into it. */
bool seal_is_aead(struct span datagram, const uint8_t **conn_id);
/* The SEAL_CBC key: SHA-256 over session id and shared secret (docs/protocol-racing.md). E_CRYPTO.
 */
MUST_USE int seal_derive_cbc(struct span session_id, struct span secret, uint8_t key[SEAL_CBC_KEY]);

#endif
