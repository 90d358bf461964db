/* The configuration file from any bytes: config_plain.h says what must hold. */
#include "config_plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c;
    (void)config_compare(span_of(data, size), &c);
    config_destroy(c);
    return 0;
}
