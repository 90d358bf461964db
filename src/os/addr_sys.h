/* struct addr (base/addr.h) to the kernel's socket addresses and back. */
#ifndef SLIPGATE_OS_ADDR_SYS_H
#define SLIPGATE_OS_ADDR_SYS_H

#include "base/addr.h"

#include <sys/socket.h>

/* ADDR_NONE for other families than the two of IP. */
struct addr addr_from_sys(const struct sockaddr_storage *ss);
/* As a socket of `domain` (AF_INET, AF_INET6) wants it: over AF_INET6 a host that came by IPv4 is
 * written as a mapped address. 0 when the domain cannot reach it, else the length. */
socklen_t addr_to_sys(const struct addr *a, int domain, struct sockaddr_storage *ss);
/* The 16 bytes as they were on the wire (::1 undone). */
void addr_wire_ip(const struct addr *a, uint8_t ip[16]);

#endif
