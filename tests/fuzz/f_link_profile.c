/* A bad link's text: refused with one printable line, or within the limits; what it says is then
 * done to datagrams, which come out in time and not more than twice. */
#include "fuzz.h"

#include "client/hold.h"

static bool share(double p)
{
    return p >= 0 && p <= 1;
}

static void check_side(const struct impair_profile *p)
{
    MUST(p->delay_us <= 10000000 && p->jitter_us <= 10000000 && p->reorder_us <= 10000000);
    MUST(share(p->loss) && share(p->burst_loss) && share(p->duplicate) && share(p->reorder));
    MUST(p->burst_enter >= 0 && p->burst_leave > 0 && p->burst_leave <= 1);
    MUST(p->rate_bytes_per_s <= 1250000000);
    MUST((p->rate_bytes_per_s == 0) == (p->queue_bytes == 0));
}

static void play(const struct sgc_profile *p, uint64_t longest_us)
{
    static const uint8_t bytes[1200];
    struct sgc_hold *h = fuzz_alloc(sizeof *h);
    struct sgc_arriving a;
    unsigned in = 0, out = 0;
    sgc_hold_init(h, p, 1, false);
    for (uint64_t now_us = 0; now_us < 50000; now_us += 1000)
        in += sgc_hold_put(h, now_us % 3000 ? SGC_DOWN : SGC_UP, now_us,
                           span_of(bytes, now_us % sizeof bytes));
    while (sgc_hold_take(h, 50000 + longest_us + 1200000000, &a)) /* a byte a second at the least */
        out++;
    MUST(out >= in && out <= 2 * in && sgc_hold_due_us(h) == UINT64_MAX);
    sgc_hold_fini(h);
    free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(span_of(data, size)), why[256];
    struct sgc_profile p;
    int rc = sgc_profile_read(&p, text, why, sizeof why), ms = slipgate_link_check(text, NULL, 0);
    MUST(rc == 0 || rc == SLIPGATE_E_ARGUMENT);
    MUST((rc == 0) == (why[0] == '\0') && (rc == 0) == (ms > 0));
    for (const char *c = why; rc != 0 && *c; c++)
        MUST(*c >= ' ' && *c <= '~');
    if (rc == 0) {
        check_side(&p.up);
        check_side(&p.down);
        play(&p, (uint64_t)ms * 1000);
    }
    free(text);
    return 0;
}
