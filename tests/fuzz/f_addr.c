/* Addresses: read as the C library reads them, and what was read is written and read back. */
#include "fuzz.h"

#include "base/addr.h"

#include <arpa/inet.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), again[ADDR_TEXT_MAX], twice[ADDR_TEXT_MAX];
    struct addr a, b;
    MUST(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
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
    free(text);
    return 0;
}
