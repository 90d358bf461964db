/* Gates on figures (--expect): any text, and gates built from a figure, an operator and a number
 * and then damaged. What is built is read as it was meant and holds exactly where its words say so.
 */
#include "fuzz.h"

#include "bin/cmd_bots_expect.h"

#include <math.h>

static bool read(struct bots_gate *g, const char *text)
{
    char why[512] = "";
    bool good = bots_gate_read(g, text, why, sizeof why);
    MUST(memchr(why, '\0', sizeof why) && good == (why[0] == '\0'));
    MUST(!good || (g->figure < BOTS_FIGURES_N && isfinite(g->bound)));
    return good;
}

static void built(struct span *in)
{
    static const char *const operators[] = {"<", "<=", ">", ">=", "=="};
    struct bots_figures figures = {{0}};
    struct bots_gate g;
    enum bots_figure f = (enum bots_figure)fuzz_below(in, BOTS_FIGURES_N);
    size_t op = fuzz_below(in, ARRAY_LEN(operators));
    int16_t bound = (int16_t)fuzz_number(in, 2),
            value = (int16_t)(bound + (int)fuzz_below(in, 3) - 1);
    const char *blank = fuzz_chance(in, 128) ? " " : "";
    char text[128];
    snprintf(text, sizeof text, "%s%s%s%s%s%d%s", blank, bots_figure_name(f), blank, operators[op],
             blank, bound, blank);
    MUST(read(&g, text) && g.figure == f && g.bound == bound);
    figures.v[f] = value;
    bool holds = op == 0   ? value < bound
                 : op == 1 ? value <= bound
                 : op == 2 ? value > bound
                 : op == 3 ? value >= bound
                           : value == bound;
    MUST(bots_gate_holds(&g, &figures) == holds);
    figures.v[f] = (double)NAN;
    MUST(!bots_gate_holds(&g, &figures));
    struct span bad = fuzz_damage(in, span_str(text));
    char *other = fuzz_string(bad);
    (void)read(&g, other);
    free(other);
    fuzz_free(bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct bots_gate g;
    if (fuzz_byte(&in) & 1) {
        char *text = fuzz_string(in);
        (void)read(&g, text);
        free(text);
    } else {
        built(&in);
    }
    return 0;
}
