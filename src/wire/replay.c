#include "wire/replay.h"

#include "base/plant.h"

static uint64_t *word_of(struct replay *r, uint64_t seq)
{
    return &r->seen[seq / 64 % REPLAY_WORDS];
}

bool replay_is_fresh(const struct replay *r, uint64_t seq)
{
    if (seq >= r->next || (PLANTED(DUPLICATE_ACCEPTED) && seq + 1 == r->next))
        return true;
    if (r->next - seq > REPLAY_WINDOW)
        return false;
    return !(r->seen[seq / 64 % REPLAY_WORDS] >> seq % 64 & 1);
}

void replay_mark(struct replay *r, uint64_t seq)
{
    if (seq >= r->next) {
        /* Words entered on the way up still hold bits of a window ago. */
        uint64_t words = seq / 64 - r->next / 64 + (r->next % 64 == 0);
        for (uint64_t i = 0; i < words && i < REPLAY_WORDS; i++)
            *word_of(r, seq - i * 64) = 0;
        r->next = seq + 1;
    }
    *word_of(r, seq) |= UINT64_C(1) << seq % 64;
}
