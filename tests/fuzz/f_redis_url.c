/* cache.url of any text: taken or refused with a reason that does not repeat it, and never shown
 * with its password. */
#include "fuzz.h"

#include "base/err.h"
#include "store/redis_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_url u, none;
    struct buf why;
    char shown[REDIS_SHOWN_MAX];
    uint8_t *copy = fuzz_copy(span_of(data, size));
    buf_init(&why, 256);
    memset(&none, 0, sizeof none);
    int rc = redis_url_parse(&u, span_of(copy, size), &why);
    if (rc == 0) {
        MUST((u.host[0] != 0) != (u.path[0] != 0) && why.n == 0);
        MUST(!u.host[0] || u.port > 0);
        MUST(u.path[0] == 0 || u.path[0] == '/');
        MUST(u.user[0] == 0 || u.password[0]);
        (void)redis_url_has_name(&u);
        MUST(strlen(redis_url_shown(&u, shown)) < REDIS_SHOWN_MAX);
        memset(u.user, 0, sizeof u.user);
        memset(u.password, 0, sizeof u.password);
        char same[REDIS_SHOWN_MAX];
        MUST(strcmp(redis_url_shown(&u, same), shown) == 0);
    } else {
        MUST(rc == E_CONFIG && why.n > 0 && !why.failed);
        MUST(memcmp(&u, &none, sizeof u) == 0);
    }
    buf_fini(&why);
    free(copy);
    return 0;
}
