/* Texts of bad links: any bytes, and texts built key by key, each once, for both directions or one,
 * then damaged. What is built is read as it was meant, the value for one direction before the one
 * for both; what is refused is said in one line. */
#include "fuzz.h"

#include "base/buf.h"
#include "client/profile.h"

static bool read(struct sgc_profile *p, const char *text)
{
    char why[256];
    int rc = sgc_profile_read(p, text, why, sizeof why);
    MUST(rc == 0 || rc == SLIPGATE_E_ARGUMENT);
    MUST(memchr(why, '\0', sizeof why) && (rc == 0) == (why[0] == '\0') && !strchr(why, '\n'));
    const struct impair_profile *sides[] = {&p->up, &p->down};
    for (size_t i = 0; i < 2 && rc == 0; i++)
        MUST(sides[i]->loss >= 0 && sides[i]->loss <= 1 && sides[i]->burst_leave > 0 &&
             sides[i]->burst_enter >= 0 && sides[i]->duplicate <= 1 && sides[i]->reorder <= 1 &&
             sides[i]->delay_us <= 10000000);
    return rc == 0;
}

static void built(struct span *in)
{
    static const char *const sides[] = {"", "up.", "down."};
    struct sgc_profile p;
    struct buf text;
    unsigned delay[3] = {0};
    bool set[3] = {false};
    buf_init(&text, 4096);
    uint8_t form = fuzz_byte(in);
    (void)buf_append_str(&text, form & 8 ? "# a link\r\n\n" : "\n");
    for (size_t i = 0; i < 3; i++) {
        size_t side = (i + form / 16) % 3;
        set[side] = form >> side & 1;
        delay[side] = (unsigned)fuzz_below(in, 10001);
        if (set[side])
            (void)buf_printf(&text, "%sdelay_ms%s=%s%u%s\n", sides[side], form & 16 ? " " : "",
                             form & 32 ? "\t" : "", delay[side], form & 64 ? ".000" : "");
    }
    unsigned loss = (unsigned)fuzz_below(in, 101);
    (void)buf_printf(&text, "loss_percent = %u", loss);
    char *s = fuzz_string(buf_span(&text));
    MUST(!text.failed && read(&p, s));
    unsigned up = set[1]   ? delay[1]
                  : set[0] ? delay[0]
                           : 0,
             down = set[2]   ? delay[2]
                    : set[0] ? delay[0]
                             : 0;
    MUST(p.up.delay_us == up * 1000 && p.down.delay_us == down * 1000);
    MUST(p.up.loss == loss / 100.0 && p.down.loss == loss / 100.0);
    struct span bad = fuzz_damage(in, buf_span(&text));
    char *other = fuzz_string(bad);
    (void)read(&p, other);
    fuzz_free(bad);
    free(other);
    free(s);
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct sgc_profile p;
    if (fuzz_byte(&in) & 1) {
        char *text = fuzz_string(in);
        (void)read(&p, text);
        free(text);
    } else {
        built(&in);
    }
    return 0;
}
