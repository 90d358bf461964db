/* Addresses built from their bytes in every spelling that is allowed, brackets included: each is
 * read as those bytes. Then damaged: read as the C library reads it. */
#include "addr_walk.h"

static void v6_spelt(struct span *in, const uint8_t ip[16], char *to, size_t cap)
{
    uint8_t form = fuzz_byte(in);
    size_t at = 0, from = 8, upto = 8; /* groups written as "::" */
    unsigned groups = form & 1 ? 6 : 8;
    if (form & 2) {
        from = fuzz_below(in, groups);
        upto = from;
        while (upto < groups && !ip[2 * upto] && !ip[2 * upto + 1])
            upto++;
    }
    if (upto == from)
        from = upto = 8;
    for (size_t g = 0; g < groups; g++) {
        if (g == from) {
            at += (size_t)snprintf(to + at, cap - at, "::");
            g = upto - 1;
            continue;
        }
        const char *colon = g > 0 && g != upto ? ":" : "";
        unsigned v = (unsigned)ip[2 * g] << 8 | ip[2 * g + 1];
        at += (size_t)snprintf(to + at, cap - at,
                               form & 4   ? "%s%04x"
                               : form & 8 ? "%s%X"
                                          : "%s%x",
                               colon, v);
    }
    if (groups == 6)
        snprintf(to + at, cap - at, "%s%u.%u.%u.%u", upto == 6 ? "" : ":", ip[12], ip[13], ip[14],
                 ip[15]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    uint8_t ip[16], form = fuzz_byte(&in);
    char host[80], text[84];
    struct addr want, got;
    for (size_t i = 0; i < sizeof ip; i++)
        ip[i] = form & 4 && i < 10 ? 0 : fuzz_byte(&in);
    if (form & 8)
        memset(ip + 10, 0xff, 2);
    if (form & 16)
        memset(ip + 2, 0, 12);
    if (form & 1) {
        snprintf(host, sizeof host, "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
        want = addr_v4(ip, 0);
    } else {
        v6_spelt(&in, ip, host, sizeof host);
        want = addr_v6(ip, 0, 0);
    }
    bool brackets = (form & 3) == 2;
    snprintf(text, sizeof text, brackets ? "[%s]" : "%s", host);
    MUST(addr_parse(&got, text) == 0 && addr_eq(&got, &want));
    MUST(got.family == want.family && got.loop6 == want.loop6);
    struct span bad = fuzz_damage(&in, span_str(text));
    MUST(addr_walk(text));
    char *other = fuzz_string(bad);
    (void)addr_walk(other);
    free(other);
    fuzz_free(bad);
    return 0;
}
