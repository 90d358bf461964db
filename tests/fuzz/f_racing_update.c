/* UPDATE and INPUT from any bytes: update_walk.h says what must hold. */
#include "update_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)update_walk(span_of(data, size));
    return 0;
}
