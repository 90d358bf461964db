#include "bin/cmd_bots_feel.h"

/* Of one gap: a long one is looked at more rarely, and each look counts for several. */
#define LOOKS_MAX 4096u

static uint64_t since(uint64_t now_us, uint64_t then_us)
{
    return now_us > then_us ? now_us - then_us : 0;
}

/* The looks between the newest update's arrival and now, which all saw that update. */
static void look(struct feel *f, const struct feel_mate *m, uint64_t now_us)
{
    uint64_t from_us = m->arrived_us > f->from_us ? m->arrived_us : f->from_us;
    uint64_t first = from_us / FEEL_LOOK_US + 1, end = now_us / FEEL_LOOK_US + 1;
    uint64_t step = since(end, first) / LOOKS_MAX + 1;
    for (uint64_t i = first; i < end; i += step)
        bots_hist_add_many(&f->age, since(i * FEEL_LOOK_US, m->sent_us),
                           end - i < step ? end - i : step);
}

void feel_update(struct feel *f, struct feel_mate *m, uint64_t now_us, uint64_t sent_us)
{
    if (sent_us <= m->sent_us)
        return;
    if (f) {
        uint64_t gap_us = since(now_us, m->arrived_us);
        bots_hist_add(&f->gap, gap_us);
        f->freezes += gap_us > FEEL_FREEZE_US;
        look(f, m, now_us);
    }
    *m = (struct feel_mate){sent_us, now_us};
}

void feel_begin(const struct feel *f, struct feel_mate *m)
{
    if (m->sent_us == 0)
        *m = (struct feel_mate){f->from_us, f->from_us};
}

void feel_end(struct feel *f, const struct feel_mate *m, uint64_t now_us)
{
    uint64_t gap_us = since(now_us, m->arrived_us);
    if (gap_us > FEEL_FREEZE_US) {
        bots_hist_add(&f->gap, gap_us);
        f->freezes++;
    }
    look(f, m, now_us);
}
