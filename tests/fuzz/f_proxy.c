/* PROXY protocol headers of any bytes: the same answer however the stream is cut, as a plain
 * definition has it; what is taken is written back to a header that says the same. */
#include "proxy_define.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct span steps = fuzz_take(&in, 4);
    if (proxy_compare(in, steps) == 0) {
        struct proxy_header h, again;
        struct proxy_tlv sum = {PROXY_TLV_CRC32C, SPAN_NULL};
        uint8_t to[PROXY_MAX];
        size_t used;
        MUST(proxy_define(in, &used, &h) == 0);
        int n = proxy_write(&h, &sum, 1, to, sizeof to);
        MUST(n > 0 && proxy_define(span_of(to, (size_t)n), &used, &again) == 0);
        MUST(used == (size_t)n && proxy_same(&h, &again));
    }
    return 0;
}
