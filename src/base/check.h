/* CHECK states what our own code promises; it stays on in release builds, because a server that
 * goes on with a broken invariant is worse than one that restarts. Never CHECK what a peer sent. */
#ifndef SLIPGATE_BASE_CHECK_H
#define SLIPGATE_BASE_CHECK_H

#define CHECK(cond)                                  \
    do {                                             \
        if (__builtin_expect(!(cond), 0))            \
            check_failed(__FILE__, __LINE__, #cond); \
    } while (0)
#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

__attribute__((noreturn, cold)) void check_failed(const char *file, int line, const char *cond);

#endif
