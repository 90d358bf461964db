#include "runner.h"

#include <stdio.h>

int run_live(struct script *const *scripts, size_t n, const struct options *o)
{
    (void)scripts;
    (void)n;
    (void)o;
    fprintf(stderr, "converse: not built yet\n");
    return 2;
}
