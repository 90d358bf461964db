#include "os/clock.h"

#include "base/check.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

struct now clock_now(void)
{
    struct timespec mono, wall;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &mono) == 0 && clock_gettime(CLOCK_REALTIME, &wall) == 0);
    return (struct now){
        .mono = (nsec)mono.tv_sec * NSEC_PER_S + (nsec)mono.tv_nsec,
        .unix_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000,
    };
}

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    for (uint8_t *p = to; n > 0;) {
        ssize_t got = getrandom(p, n, 0);
        CHECK(got > 0 || errno == EINTR);
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
}

void clock_entropy_init(struct entropy *e)
{
    entropy_init(e, fill);
}
