/* Network addresses, normalised so that the same host compares equal however it connected: an
 * IPv4-mapped IPv6 address is IPv4, and ::1 is 127.0.0.1 (docs/decisions.md, "Addresses"). The
 * family a packet really came by is kept beside it for sending and for the family check. */
#ifndef SLIPGATE_BASE_ADDR_H
#define SLIPGATE_BASE_ADDR_H

#include "base/types.h"

enum addr_family { ADDR_NONE = 0, ADDR_V4 = 4, ADDR_V6 = 6 };

struct addr {
    uint8_t ip[16]; /* IPv6, or IPv4 as ::ffff:a.b.c.d; normalised */
    uint16_t port;  /* host order; 0 where none is meant */
    uint8_t family; /* enum addr_family as it was on the wire, before normalisation */
    uint8_t loop6;  /* 1: it was ::1 on the wire */
    uint32_t scope; /* IPv6 zone of a link-local address */
};

#define ADDR_TEXT_MAX 64 /* "[ipv6%scope]:port" and its NUL */

/* ip: 4 bytes in network order. */
struct addr addr_v4(const uint8_t ip[4], uint16_t port);
/* ip: 16 bytes; normalises mapped addresses and ::1. */
struct addr addr_v6(const uint8_t ip[16], uint16_t port, uint32_t scope);
/* Reads "1.2.3.4", "::1", "[::1]" (no port). E_FORMAT. */
MUST_USE int addr_parse(struct addr *ret, const char *text);
/* Same host, whatever the port and family. */
bool addr_same_host(const struct addr *a, const struct addr *b);
bool addr_eq(const struct addr *a, const struct addr *b); /* host and port */
bool addr_is_loopback(const struct addr *a);
/* RFC 1918, RFC 4193, RFC 3927 and RFC 4291 link-local. */
bool addr_is_private(const struct addr *a);
/* True when both came by the same IP version on the wire. */
bool addr_same_family(const struct addr *a, const struct addr *b);
/* Writes "host" or "host:port" with brackets where needed; returns text. */
const char *addr_host_text(const struct addr *a, char text[ADDR_TEXT_MAX]);
const char *addr_text(const struct addr *a, char text[ADDR_TEXT_MAX]);

#endif
