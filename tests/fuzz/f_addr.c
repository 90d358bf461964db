/* Addresses from any bytes: addr_walk.h says what must hold. */
#include "addr_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(span_of(data, size));
    (void)addr_walk(text);
    free(text);
    return 0;
}
