/* The header that a load balancer puts in front of a connection to say whose it is: PROXY protocol
 * version 2 (HAProxy's proxy-protocol.txt, section 2.2).
 *
 * Whether a connection begins with one is a matter of configuration, never of what arrives: whoever
 * is believed may claim any address, loopback among them. So the caller expects a header from the
 * proxies it trusts, always, and from nobody else (section 5 there), gives it a deadline, and drops
 * whoever closes before it is whole.
 *
 * A reader keeps at most PROXY_MAX bytes and takes none that come after the header. What is wrong
 * is told at the first byte that shows it, except inside the block behind the first 16, which is
 * looked at when it is all there; so the answer is the same however the stream is cut.
 *
 * Taken: commands LOCAL and PROXY, TCP and UDP over IPv4 and IPv6, UNSPEC as either half of the
 * byte of family and transport. Additional fields (TLV) are not used, but each must end where the
 * header does or before, and those with a length of their own must have it: CRC32C 4 bytes, once,
 * and right; UNIQUE_ID 128 at most; SSL 5 and whole fields inside. The block of LOCAL and UNSPEC is
 * skipped unread, as nothing says where its fields begin.
 *
 * Nothing is allocated. Thread: a reader belongs to one thread at a time. */
#ifndef SLIPGATE_WIRE_PROXY_H
#define SLIPGATE_WIRE_PROXY_H

#include "base/addr.h"
#include "base/types.h"

#define PROXY_HEAD          16u   /* what comes before the block whose length it ends with */
#define PROXY_MAX           1024u /* of a whole header: any registered field but a certificate */
#define PROXY_UNIQUE_ID_MAX 128u

enum proxy_kind {
    PROXY_LOCAL,  /* the proxy's own, a health check: the connection's own addresses count */
    PROXY_UNSPEC, /* of a client it cannot name; the caller may refuse it or do as for LOCAL */
    PROXY_STREAM, /* of src, who connected to dst by TCP */
    PROXY_DGRAM,  /* the same by UDP: out of place on a TCP connection, for the caller to refuse */
};

/* Types of additional fields that have rules here. */
enum proxy_tlv_type {
    PROXY_TLV_CRC32C = 0x03,
    PROXY_TLV_NOOP = 0x04,
    PROXY_TLV_UNIQUE_ID = 0x05,
    PROXY_TLV_SSL = 0x20,
};

struct proxy_header {
    enum proxy_kind kind;
    struct addr src, dst; /* of STREAM and DGRAM, else zeros; normalised as base/addr.h has it */
    const char *why;      /* after an error: what is wrong, for the log; static. Else NULL */
};

struct proxy_tlv {
    uint8_t type;
    struct span value;
};

/* Zeroed: nothing read yet. */
struct proxy_reader {
    size_t n;
    uint8_t bytes[PROXY_MAX];
};

/* Reads on. *used is how many bytes of in belong to the header (all of them with E_MORE); after 0
 * the rest is the client's. 0: *ret is the header. E_MORE: not whole yet. Otherwise the connection
 * is to be dropped, *used means nothing and ret->why says what it is: E_FORMAT; E_SUPPORT for
 * version 1 (text) and others than 2, and for Unix sockets; E_LIMIT for more than PROXY_MAX bytes.
 * Once it was 0 or an error it stays that, and nothing more is used after 0. */
MUST_USE int proxy_feed(struct proxy_reader *, struct span in, size_t *used,
                        struct proxy_header *ret);

/* Writes a header with n additional fields to to, for clients and tests; returns its size. IPv4
 * where both addresses are, else IPv6. A CRC32C field's value is not looked at but computed.
 * E_LIMIT: over cap or PROXY_MAX. E_RANGE: two CRC32C fields. What is in to is then worth nothing.
 */
MUST_USE int proxy_write(const struct proxy_header *, const struct proxy_tlv *tlvs, size_t n,
                         uint8_t *to, size_t cap);

#endif
