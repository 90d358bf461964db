/* TLS for the server's side of a link: TLS 1.2 and 1.3, forward-secret AEAD suites only, no
 * renegotiation, no compression, buffers released while idle (RFC 5246, RFC 8446, RFC 9325).
 *
 * The engine never touches a socket. Bytes from the peer are lent to it for the length of one call;
 * bytes for the peer are appended to a buffer that the caller gives with each call. So an idle link
 * holds the library's session and nothing else. A failure leaves the library's error queue empty.
 * One thread. */
#ifndef SLIPGATE_OS_TLS_H
#define SLIPGATE_OS_TLS_H

#include "base/buf.h"
#include "base/types.h"

#include <openssl/safestack.h>
#include <openssl/types.h>

struct stack_st_X509;

#define TLS_RECORD_MAX 16384u /* plaintext of one record, RFC 8446 section 5.1 */

/* Makes a server context from a certificate, its key, and the certificates above it (NULL: none).
 * It takes references of its own; the caller keeps his. E_CRYPTO with the reason in why (a key that
 * does not belong to the certificate, a key too weak), E_NOMEM. Free with SSL_CTX_free. */
MUST_USE int tls_context_create(SSL_CTX **ret, X509 *leaf, EVP_PKEY *key,
                                const STACK_OF(X509) *chain, struct buf *why);

struct tls;

/* Shared by all links of one server: the transport under every session. E_NOMEM. */
struct tls_port;
MUST_USE int tls_port_create(struct tls_port **ret);
void tls_port_destroy(struct tls_port *); /* after every tls of it; NULL is fine */

/* E_NOMEM, E_CRYPTO. */
MUST_USE int tls_create(struct tls **ret, struct tls_port *, SSL_CTX *);
void tls_destroy(struct tls *); /* NULL is fine */

enum tls_step {
    TLS_STEP_MORE,   /* wants more from the peer */
    TLS_STEP_DONE,   /* handshake complete; more may follow at once: tls_read */
    TLS_STEP_FAILED, /* tls_error says why; `to` may hold an alert for the peer */
};

/* Goes on with the handshake. in: bytes of the peer; what remains of it is for tls_read. */
enum tls_step tls_handshake(struct tls *, struct span *in, struct buf *to);

/* Decrypts what is in `in` until it is used up, and appends the plaintext to clear. 0; E_MORE:
 * clear cannot take more, take it out and call again; E_CLOSED: the peer sent close_notify (clear
 * may hold its last bytes); E_CRYPTO: broken. An answer of the protocol itself goes to `to`. */
MUST_USE int tls_read(struct tls *, struct span *in, struct buf *clear, struct buf *to);
/* Encrypts all of clear into to. E_CRYPTO, E_NOMEM (the session is of no use any more). */
MUST_USE int tls_write(struct tls *, struct span clear, struct buf *to);
/* Appends close_notify. */
void tls_close(struct tls *, struct buf *to);

/* Short text on the last failure ("no shared cipher"), the version ("TLSv1.3"), the suite. */
const char *tls_error(const struct tls *);
const char *tls_version(const struct tls *);
const char *tls_cipher(const struct tls *);

#endif
