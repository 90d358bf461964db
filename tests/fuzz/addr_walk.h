/* What must hold for any text that may be an address: it is read as the C library reads it, and
 * what was read is written and read back. */
#ifndef SLIPGATE_TESTS_FUZZ_ADDR_WALK_H
#define SLIPGATE_TESTS_FUZZ_ADDR_WALK_H

#include "fuzz.h"

#include "base/addr.h"

#include <arpa/inet.h>

/* text may be changed. Whether it is an address. */
static inline bool addr_walk(char *text)
{
    char again[ADDR_TEXT_MAX], twice[ADDR_TEXT_MAX];
    struct addr a, b;
    bool read = addr_parse(&a, text) == 0;
    if (read) {
        MUST(addr_parse(&b, addr_host_text(&a, again)) == 0);
        MUST(addr_eq(&a, &b) && a.loop6 == b.loop6);
        MUST(strcmp(addr_host_text(&b, twice), again) == 0);
        MUST(strlen(addr_text(&a, again)) < ADDR_TEXT_MAX);
    }
    size_t n = strlen(text);
    uint8_t ip[16];
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text[n - 1] = '\0';
        MUST(read == (inet_pton(AF_INET6, text + 1, ip) == 1));
    } else if (inet_pton(AF_INET, text, ip) == 1) {
        b = addr_v4(ip, 0);
        MUST(read && addr_eq(&a, &b) && a.family == ADDR_V4);
    } else {
        MUST(read == (inet_pton(AF_INET6, text, ip) == 1));
        b = read ? addr_v6(ip, 0, 0) : a;
        MUST(!read || addr_eq(&a, &b));
    }
    return read;
}

#endif
