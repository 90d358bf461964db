/* What a run found, as named figures, and gates on them: --expect 'p99_age_ms<150'. Pure. */
#ifndef SLIPGATE_BIN_CMD_BOTS_EXPECT_H
#define SLIPGATE_BIN_CMD_BOTS_EXPECT_H

#include "base/types.h"

#define BOTS_GATES_MAX 32u

/* Name and meaning; --help and the manual page list them. */
#define BOTS_FIGURES(X)                                                                   \
    X(p50_gap_ms, "gap between two updates of one room-mate, median")                     \
    X(p99_gap_ms, "the same, 99th percentile")                                            \
    X(max_gap_ms, "the same, longest")                                                    \
    X(p50_age_ms, "age of the newest position known of a room-mate, median")              \
    X(p99_age_ms, "the same, 99th percentile")                                            \
    X(freezes, "gaps of more than 250 ms")                                                \
    X(freezes_per_minute, "the same for each player and minute, all room-mates together") \
    X(p50_latency_ms, "time from sending to delivery, median")                            \
    X(p99_latency_ms, "the same, 99th percentile")                                        \
    X(max_latency_ms, "the same, longest")                                                \
    X(sent, "updates sent")                                                               \
    X(delivered, "updates delivered")                                                     \
    X(lost, "updates lost other than by --link")                                          \
    X(lost_percent, "the same of those expected")                                         \
    X(link_lost_percent, "deliveries that --link took, of all there could have been")     \
    X(duplicates, "updates delivered twice")                                              \
    X(players_in, "players in their place when the measurement ended")                    \
    X(disconnects, "players disconnected")                                                \
    X(cheats, "players that --cheat")                                                     \
    X(told, "cheats the server had a word with")                                          \
    X(max_told_s, "time from cheating to the first word about it, longest")               \
    X(caught, "cheats that were thrown out")                                              \
    X(max_caught_s, "time from cheating to being thrown out, longest")                    \
    X(p50_login_ms, "time a login took, median")                                          \
    X(max_login_ms, "the same, longest")

enum bots_figure {
#define X(name, meaning) BOTS_##name,
    BOTS_FIGURES(X)
#undef X
        BOTS_FIGURES_N
};

/* NAN: nothing was measured. */
struct bots_figures {
    double v[BOTS_FIGURES_N];
};

struct bots_gate {
    const char *text; /* as given, borrowed */
    enum bots_figure figure;
    enum { GATE_LT, GATE_LE, GATE_GT, GATE_GE, GATE_EQ } op;
    double bound;
};

/* "name < number", blanks anywhere around the operator. False: why (cap bytes) says what to give.
 */
MUST_USE bool bots_gate_read(struct bots_gate *ret, const char *text, char *why, size_t cap);
/* What was not measured keeps no gate. */
bool bots_gate_holds(const struct bots_gate *, const struct bots_figures *);
const char *bots_figure_name(enum bots_figure);

#endif
