/* Lists of sources that limits spare: any text, and lists built from networks and then damaged.
 * What is accepted spares exactly whom a plain reading by the C library spares. */
#include "fuzz.h"

#include "base/err.h"
#include "core/limit.h"

#include <arpa/inet.h>

struct net {
    bool v4;
    uint8_t ip[16];
    unsigned bits;
};

/* The plain reading of one word; false: it is none of a network. */
static bool read_net(const char *word, struct net *ret)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, loop[16] = {[15] = 1};
    char host[80];
    size_t n = strcspn(word, "/"), len = strlen(word);
    if (len >= ADDR_TEXT_MAX)
        return false;
    bool brackets = n >= 2 && word[0] == '[' && word[n - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(n - 2u * brackets), word + brackets);
    *ret = (struct net){0};
    bool as_v4 = !brackets && inet_pton(AF_INET, host, ret->ip) == 1;
    if (!as_v4 && inet_pton(AF_INET6, host, ret->ip) != 1)
        return false;
    unsigned max = as_v4 ? 32 : 128;
    ret->bits = max;
    if (word[n] == '/') {
        const char *digits = word + n + 1;
        if (!*digits || strspn(digits, "0123456789") != strlen(digits))
            return false;
        unsigned long long bits = strtoull(digits, NULL, 10);
        if (bits > max)
            return false;
        ret->bits = (unsigned)bits;
    }
    ret->v4 = as_v4;
    if (!as_v4 && memcmp(ret->ip, mapped, 12) == 0) {
        if (ret->bits < 96)
            return false;
        memmove(ret->ip, ret->ip + 12, 4);
        ret->bits -= 96;
        ret->v4 = true;
    } else if (!as_v4 && memcmp(ret->ip, loop, 16) == 0) {
        /* The host is known as 127.0.0.1; a network round it would hold both kinds. */
        if (ret->bits < 128)
            return false;
        *ret = (struct net){.v4 = true, .ip = {127, 0, 0, 1}, .bits = 32};
    }
    return true;
}

static bool holds(const struct net *net, const struct addr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(a->ip, mapped, 12) == 0;
    const uint8_t *ip = v4 ? a->ip + 12 : a->ip;
    if (v4 != net->v4)
        return false;
    for (unsigned i = 0; i < net->bits; i++)
        if ((ip[i / 8] ^ net->ip[i / 8]) >> (7 - i % 8) & 1)
            return false;
    return true;
}

/* The plain reading of a list: whether it is one, and whether it spares a. */
static bool read_list(const char *text, const struct addr *a, bool *spared)
{
    char *copy = fuzz_string(span_str(text)), *save = NULL;
    unsigned nets = 0;
    bool good = true;
    *spared = false;
    for (char *w = strtok_r(copy, " ,\t", &save); w && good; w = strtok_r(NULL, " ,\t", &save)) {
        struct net net;
        if (strcmp(w, "none") == 0)
            continue;
        if (strcmp(w, "loopback") == 0)
            *spared |= addr_is_loopback(a);
        else if (strcmp(w, "private") == 0)
            *spared |= addr_is_private(a);
        else if ((good = nets++ < EXEMPT_NETS_MAX && read_net(w, &net)))
            *spared |= holds(&net, a);
    }
    free(copy);
    return good;
}

static void compare(const char *text, const struct addr *probe)
{
    struct exempt e = {.nets_n = 99};
    struct buf why;
    bool spared;
    buf_init(&why, 65536);
    int rc = exempt_parse(&e, text, &why);
    bool good = read_list(text, probe, &spared);
    MUST(rc == (good ? 0 : E_FORMAT) && (rc == 0) == (why.n == 0));
    MUST(rc == 0 ? exempt_has(&e, probe) == spared : e.nets_n == 99);
    buf_fini(&why);
}

/* A list of networks, most of them round the probe. */
static void make_list(struct span *in, const struct addr *probe, struct buf *to)
{
    static const char *const words[] = {"loopback",      "private", "none",      "::1",
                                        "127.0.0.1/8",   "::/0",    "0.0.0.0/0", "[2001:db8::]/32",
                                        "::ffff:0:0/96", "::1/128"};
    for (size_t n = fuzz_below(in, fuzz_chance(in, 8) ? 40 : 5); n > 0; n--) {
        char host[ADDR_TEXT_MAX];
        uint8_t how = fuzz_byte(in);
        struct addr a = *probe;
        if (how & 1) {
            (void)buf_append_str(to, words[how / 2 % ARRAY_LEN(words)]);
        } else {
            a.ip[12 + how / 16 % 4] ^= (uint8_t)(1 << how / 2 % 8);
            (void)buf_printf(to, "%s/%u", addr_host_text(&a, host), (unsigned)fuzz_below(in, 130));
        }
        (void)buf_append_str(to, how & 64 ? ", " : "\t");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    uint8_t form = fuzz_byte(&in), ip[16];
    for (size_t i = 0; i < sizeof ip; i++)
        ip[i] = fuzz_byte(&in);
    struct addr probe = form & 1 ? addr_v4(ip, 0) : addr_v6(ip, 0, 0);
    if (form & 2) {
        char *text = fuzz_string(in);
        compare(text, &probe);
        free(text);
        return 0;
    }
    struct buf list;
    buf_init(&list, 4096);
    make_list(&in, &probe, &list);
    char *text = fuzz_string(buf_span(&list));
    compare(text, &probe);
    struct span bad = fuzz_damage(&in, buf_span(&list));
    char *other = fuzz_string(bad);
    compare(other, &probe);
    fuzz_free(bad);
    free(other);
    free(text);
    buf_fini(&list);
    return 0;
}
