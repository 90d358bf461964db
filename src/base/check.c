#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *cond)
{
    /* The one place below os/ that prints: the process ends here and its log may be what broke. */
    char text[512];
    int n = snprintf(text, sizeof text, "slipgate: CHECK failed at %s:%d: %s\n", file, line, cond);
    if (n > 0)
        (void)fwrite(text, 1, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1, stderr);
    abort();
}
