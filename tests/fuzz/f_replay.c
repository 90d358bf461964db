/* The replay window against a set: sequences near the highest, at the window's edge, far ahead and
 * far behind, fresh exactly where the set has not seen them and they are not too old. */
#include "fuzz.h"

#include "wire/replay.h"

#define SEEN_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t seen[SEEN_MAX];
    struct span in = span_of(data, size);
    struct replay r = {0};
    uint64_t highest = 0;
    size_t n = 0;
    while (in.n && n < SEEN_MAX) {
        uint8_t how = fuzz_byte(&in);
        uint64_t by = how & 1   ? fuzz_number(&in, 1)
                      : how & 2 ? REPLAY_WINDOW - 66 + fuzz_below(&in, 132)
                      : how & 4 ? 64 * fuzz_number(&in, 1)
                                : fuzz_number(&in, 8);
        uint64_t seq = how & 8 ? highest - by : highest + by;
        seq = seq == UINT64_MAX || (how & 8 ? seq > highest : seq < highest) ? by & 0xffff : seq;
        bool fresh = true;
        for (size_t i = 0; i < n; i++)
            fresh &= seen[i] != seq;
        if (n && seq < highest && highest - seq >= REPLAY_WINDOW)
            fresh = false;
        MUST(replay_is_fresh(&r, seq) == fresh);
        if (!fresh || how & 16) /* looking marks nothing */
            continue;
        replay_mark(&r, seq);
        seen[n++] = seq;
        highest = seq > highest ? seq : highest;
        MUST(!replay_is_fresh(&r, seq) && r.next == highest + 1);
    }
    return 0;
}
