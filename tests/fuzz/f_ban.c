/* Any text as a list of bans: what is taken is safe, goes into the list and reads the same when
 * written again; what is not is named by its line. */
#include "ban_plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    bool force = fuzz_byte(&in) & 1;
    uint8_t *text = fuzz_copy(in);
    uint32_t bans = read_all(span_of(text, in.n), force);
    MUST(force || read_all(span_of(text, in.n), true) >= bans);
    free(text);
    return 0;
}
