/* The admin port's Host: what is taken is served only under a name that is ours, whatever it is
 * written like. The first line is the Host, the second the names that are ours. */
#include "fuzz.h"

#include "admin/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *lf = size ? memchr(data, '\n', size) : NULL;
    size_t host_n = lf ? (size_t)(lf - data) : size, names_n = lf ? size - host_n - 1 : 0;
    /* Of exactly their size, so that a sanitizer sees a read past the end. */
    uint8_t *host = malloc(host_n + 1);
    char *names = malloc(names_n + 1);
    struct span name;
    MUST(host && names);
    if (host_n)
        memcpy(host, data, host_n);
    if (names_n)
        memcpy(names, lf + 1, names_n);
    names[names_n] = '\0';
    struct span whole = span_of(host, host_n);
    (void)guard_is_forwarding(whole);
    if (guard_host_name(whole, &name) == 0) {
        MUST(name.n > 0 && name.n <= host_n && name.p == host);
        for (size_t i = 0; i < name.n; i++)
            MUST(name.p[i] > ' ' && name.p[i] < 0x7f);
        struct span again;
        MUST(guard_host_name(name, &again) == 0 && span_eq(again, name));
        bool nameless = guard_host_known(name, "");
        MUST(!nameless || guard_host_known(name, names)); /* more names refuse nobody */
        if (!nameless && name.p[name.n - 1] != '.' && !memchr(name.p, '*', name.n)) {
            char *own = malloc(name.n + 1);
            MUST(own);
            memcpy(own, name.p, name.n);
            own[name.n] = '\0';
            MUST(guard_host_known(name, own));
            own[name.n - 1] = (own[name.n - 1] | 32) == 'x' ? 'y' : 'x'; /* another name */
            MUST(!guard_host_known(name, own));
            free(own);
        }
    }
    free(host);
    free(names);
    return 0;
}
