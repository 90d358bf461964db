/* The replay window: exact to the last sequence on both sides, against a table of all of them. */
#include "exact.h"

#include "base/rng.h"
#include "wire/replay.h"

static bool take(struct replay *r, uint64_t seq)
{
    if (!replay_is_fresh(r, seq))
        return false;
    replay_mark(r, seq);
    return true;
}

static void t_takes_each_sequence_once(void **state)
{
    (void)state;
    struct replay r = {0};
    for (uint64_t seq = 0; seq < 5000; seq++) {
        assert_true(take(&r, seq));
        assert_false(take(&r, seq));
        assert_false(take(&r, seq / 2));
    }
}

static void t_edge_is_exact(void **state)
{
    (void)state;
    /* Wherever the top falls in a word, the oldest sequence told apart is 1,023 behind it. */
    for (uint64_t top = REPLAY_WINDOW; top < REPLAY_WINDOW + 200; top++) {
        struct replay r = {0};
        assert_true(take(&r, top));
        assert_false(replay_is_fresh(&r, top - REPLAY_WINDOW));
        assert_true(take(&r, top - REPLAY_WINDOW + 1));
        assert_false(take(&r, top - REPLAY_WINDOW + 1));
        assert_true(take(&r, top + 1));
        assert_false(replay_is_fresh(&r, top - REPLAY_WINDOW + 1));
        assert_true(take(&r, top - REPLAY_WINDOW + 2));
    }
}

static void t_starts_anywhere(void **state)
{
    (void)state;
    static const uint64_t firsts[] = {0, 1, 63, 64, 1023, 1024, 1u << 30, (UINT64_C(1) << 63) - 1};
    for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
        struct replay r = {0};
        assert_true(take(&r, firsts[i]));
        assert_false(take(&r, firsts[i]));
        if (firsts[i] > 0)
            assert_true(take(&r, firsts[i] - 1));
        assert_true(take(&r, firsts[i] + 1));
    }
}

static void t_jumps_forget_what_is_behind(void **state)
{
    (void)state;
    static const uint64_t jumps[] = {1,    63,   64,   65,   960,  1023,    1024,
                                     1025, 1087, 1088, 1089, 2176, 1u << 20};
    for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
        for (uint64_t start = 2000; start < 2130; start++) {
            struct replay r = {0};
            for (uint64_t seq = start - 1100; seq <= start; seq++)
                assert_true(take(&r, seq));
            uint64_t top = start + jumps[i];
            assert_true(take(&r, top));
            for (uint64_t seq = top - 1100; seq < top; seq++)
                assert_int_equal(replay_is_fresh(&r, seq),
                                 seq > start && seq + REPLAY_WINDOW > top);
        }
    }
}

static void t_agrees_with_a_table(void **state)
{
    (void)state;
    enum { ALL = 60000 };
    static bool seen[ALL];
    struct replay r = {0};
    struct rng rng = {6};
    uint64_t next = 0;
    for (int i = 0; i < 400000; i++) {
        uint64_t low = next > 1100 ? next - 1100 : 0;
        uint64_t seq = low + rng_below(&rng, next - low + 3);
        if (rng_below(&rng, 500) == 0)
            seq = next + rng_below(&rng, 1200);
        if (seq >= ALL)
            break;
        bool fresh = seq >= next || (next - seq <= REPLAY_WINDOW && !seen[seq]);
        assert_int_equal(take(&r, seq), fresh);
        if (fresh) {
            seen[seq] = true;
            next = seq >= next ? seq + 1 : next;
        }
    }
    assert_true(next > 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_takes_each_sequence_once),
        cmocka_unit_test(t_edge_is_exact),
        cmocka_unit_test(t_starts_anywhere),
        cmocka_unit_test(t_jumps_forget_what_is_behind),
        cmocka_unit_test(t_agrees_with_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
