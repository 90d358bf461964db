#include "core/spam.h"

static void open_window(struct spam *s, nsec window, nsec now)
{
    nsec age = now - s->from;
    bool adjacent = s->n && age < 2 * window;
    s->before = adjacent ? s->n : 0;
    s->before_took = adjacent ? age : 0;
    s->from = now;
    s->n = 0;
    s->violated = false;
}

static void measure(const struct spam *s, nsec now, struct spam_facts *f)
{
    f->events = (uint64_t)s->before + s->n;
    f->took = s->before_took + (now - s->from);
    nsec took = f->took > NSEC_PER_MS ? f->took : NSEC_PER_MS;
    f->rate = (uint64_t)((double)f->events * (double)NSEC_PER_S / (double)took + 0.5);
}

enum spam_verdict spam_event(struct spam *s, const struct spam_policy *p, bool exempt, nsec now,
                             bool too_many, struct spam_facts *f)
{
    *f = (struct spam_facts){.exempt = exempt};
    if (p->mode == RULE_OFF)
        return SPAM_FINE;
    nsec window = (p->window_ms ? p->window_ms : 1) * NSEC_PER_MS;
    if (now < s->from)
        now = s->from;
    if (s->n == 0 || now - s->from >= window)
        open_window(s, window, now);
    if (s->n < UINT32_MAX)
        s->n++;
    if (s->violated || !(too_many || (p->limit && s->n > p->limit)))
        return SPAM_FINE;
    s->violated = true;
    measure(s, now, f);
    switch (ladder_step(&s->ladder, p->mode, exempt, p->ladder, p->decay_s, now)) {
    case RULE_NOTED: return SPAM_NOTED;
    case RULE_TOLD: f->step = s->ladder.step; return SPAM_TELL;
    case RULE_ENDED: f->step = s->ladder.step; return SPAM_END;
    }
    return SPAM_NOTED;
}
