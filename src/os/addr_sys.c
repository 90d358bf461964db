#include "os/addr_sys.h"

#include <arpa/inet.h>
#include <netinet/in.h>

struct addr addr_from_sys(const struct sockaddr_storage *ss)
{
    if (ss->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, ss, sizeof in);
        uint8_t ip[4];
        memcpy(ip, &in.sin_addr, sizeof ip);
        return addr_v4(ip, ntohs(in.sin_port));
    }
    if (ss->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, ss, sizeof in6);
        return addr_v6(in6.sin6_addr.s6_addr, ntohs(in6.sin6_port), in6.sin6_scope_id);
    }
    return (struct addr){.family = ADDR_NONE};
}

void addr_wire_ip(const struct addr *a, uint8_t ip[16])
{
    memcpy(ip, a->ip, 16);
    if (a->loop6) {
        memset(ip, 0, 16);
        ip[15] = 1;
    }
}

socklen_t addr_to_sys(const struct addr *a, int domain, struct sockaddr_storage *ss)
{
    if (domain == AF_INET6) {
        struct sockaddr_in6 in6 = {
            .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope};
        addr_wire_ip(a, in6.sin6_addr.s6_addr);
        memcpy(ss, &in6, sizeof in6);
        return sizeof in6;
    }
    if (a->family != ADDR_V4)
        return 0;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    memcpy(&in.sin_addr, a->ip + 12, 4);
    memcpy(ss, &in, sizeof in);
    return sizeof in;
}
