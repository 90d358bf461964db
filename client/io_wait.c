#include <slipgate/slipgate.h>

#include <poll.h>
#include <time.h>

uint64_t slipgate_clock_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void slipgate_wait(struct slipgate_client *c, uint64_t now_us, uint32_t max_ms)
{
    struct slipgate_descriptor d[2];
    struct pollfd p[2];
    uint64_t due_us = slipgate_deadline_us(c), ms = max_ms;
    if (due_us <= now_us)
        ms = 0;
    else if ((due_us - now_us) / 1000 < ms)
        ms = (due_us - now_us + 999) / 1000;
    size_t n = slipgate_descriptors(c, d);
    for (size_t i = 0; i < n; i++) {
        p[i] = (struct pollfd){.fd = d[i].fd};
        if (d[i].events & SLIPGATE_IO_IN)
            p[i].events |= POLLIN;
        if (d[i].events & SLIPGATE_IO_OUT)
            p[i].events |= POLLOUT;
    }
    (void)poll(p, (nfds_t)n, ms > INT32_MAX ? INT32_MAX : (int)ms);
}
