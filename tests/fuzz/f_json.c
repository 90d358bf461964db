/* JSON from any bytes: json_walk.h says what must hold for what is accepted. */
#include "json_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf once;
    buf_init(&once, 8 * size + 64);
    (void)json_walk(span_of(data, size), &once);
    buf_fini(&once);
    return 0;
}
