/* Command lines taken apart by the rows of a command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "bin/command.h"

static struct cmdline seen; /* what the last run got */

static int run_play(const struct cmdline *line)
{
    seen = *line;
    return EXIT_FINE;
}

static const struct option_row options[] = {
    {"players", "N", "how many"},
    {"json", NULL, "for machines"},
    {"set", "KEY=VALUE", "repeatable"},
};

static const struct command play = {
    .name = "play",
    .summary = "Play",
    .arguments = "FILE",
    .args_max = 2,
    .options = options,
    .options_n = ARRAY_LEN(options),
    .run = run_play,
};

static int run_fail(const struct cmdline *line)
{
    return command_failed("%s went wrong", line->command->name);
}

static const struct command broken = {.name = "broken",
                                      .summary = "Fail",
                                      .arguments = "X",
                                      .args_min = 1,
                                      .args_max = 1,
                                      .run = run_fail};

static const struct command *const commands[] = {&play, &broken};

#define RUN(...)                                              \
    run((const char *const[]){"slipgate", __VA_ARGS__, NULL}, \
        ARRAY_LEN(((const char *const[]){"slipgate", __VA_ARGS__})))

static int run(const char *const *args, size_t n)
{
    char text[COMMAND_GIVEN_MAX * 2][32];
    char *argv[COMMAND_GIVEN_MAX * 2 + 1] = {0};
    assert_true(n <= ARRAY_LEN(text));
    for (size_t i = 0; i < n; i++) {
        snprintf(text[i], sizeof text[i], "%s", args[i]);
        argv[i] = text[i];
    }
    memset(&seen, 0, sizeof seen);
    return command_main(commands, ARRAY_LEN(commands), (int)n, argv);
}

static void no_options(void **state)
{
    (void)state;
    assert_int_equal(RUN("play"), EXIT_FINE);
    assert_ptr_equal(seen.command, &play);
    assert_int_equal(seen.options_n, 0);
    assert_int_equal(seen.args_n, 0);
    assert_null(cmdline_option(&seen, "players"));
    assert_false(cmdline_has(&seen, "json"));
}

/* Keeps what an option's value says while it can be read: argv is gone after the run. */
static char first_value[32], last_value[32];
static int64_t number;
static bool number_good;

static int run_look(const struct cmdline *line)
{
    const char *last = cmdline_option(line, "set");
    snprintf(first_value, sizeof first_value, "%s", line->options_n ? line->options[0].value : "");
    snprintf(last_value, sizeof last_value, "%s", last ? last : "none");
    number_good = cmdline_int(line, "players", 1, 100, 7, &number);
    seen = *line;
    return number_good ? EXIT_FINE : EXIT_USAGE;
}

static const struct command look = {
    .name = "look",
    .summary = "Look",
    .arguments = "",
    .options = options,
    .options_n = ARRAY_LEN(options),
    .run = run_look,
};

static int look_at(const char *a, const char *b, const char *c, const char *d)
{
    static const struct command *const only[] = {&look};
    char text[6][32] = {"slipgate", "look"};
    char *argv[7] = {text[0], text[1]};
    const char *const given[] = {a, b, c, d};
    int n = 2;
    for (size_t i = 0; i < ARRAY_LEN(given) && given[i]; i++, n++) {
        snprintf(text[n], sizeof text[n], "%s", given[i]);
        argv[n] = text[n];
    }
    return command_main(only, 1, n, argv);
}

static void values(void **state)
{
    (void)state;
    assert_int_equal(look_at("--set", "a=1", "--set=b=2", NULL), EXIT_FINE);
    assert_string_equal(first_value, "a=1");
    assert_string_equal(last_value, "b=2");
    assert_int_equal(number, 7);
    assert_int_equal(look_at("--json", "--players", "100", NULL), EXIT_FINE);
    assert_true(cmdline_has(&seen, "json"));
    assert_int_equal(number, 100);
    assert_string_equal(last_value, "none");
    assert_int_equal(look_at("--players=1", NULL, NULL, NULL), EXIT_FINE);
    assert_int_equal(number, 1);
    assert_int_equal(look_at("--set", "", NULL, NULL), EXIT_FINE);
    assert_string_equal(last_value, "");
}

static void numbers_that_are_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {"0", "101", "", "x", "5x", "-1", "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(look_at("--players", wrong[i], NULL, NULL), EXIT_USAGE);
        assert_int_equal(number, 7);
    }
}

static void wrong_use(void **state)
{
    (void)state;
    assert_int_equal(RUN("fly"), EXIT_USAGE);
    assert_int_equal(RUN("--fly"), EXIT_USAGE);
    assert_int_equal(RUN(""), EXIT_USAGE);
    assert_int_equal(RUN("play", "--fly"), EXIT_USAGE);
    assert_int_equal(RUN("play", "--json=1"), EXIT_USAGE);
    assert_int_equal(RUN("play", "--players"), EXIT_USAGE);
    assert_int_equal(RUN("play", "-x"), EXIT_USAGE);
    assert_int_equal(RUN("play", "1", "2", "3"), EXIT_USAGE);
    assert_int_equal(RUN("broken"), EXIT_USAGE);
    assert_int_equal(RUN("broken", "a", "b"), EXIT_USAGE);
    char name[] = "slipgate", *argv[] = {name, NULL};
    assert_int_equal(command_main(commands, ARRAY_LEN(commands), 1, argv), EXIT_USAGE);
    assert_null(seen.command);
}

static void arguments(void **state)
{
    (void)state;
    assert_int_equal(RUN("play", "one", "--json", "two"), EXIT_FINE);
    assert_int_equal(seen.args_n, 2);
    assert_int_equal(seen.options_n, 1);
    assert_int_equal(RUN("play", "--", "--json"), EXIT_FINE);
    assert_int_equal(seen.args_n, 1);
    assert_int_equal(seen.options_n, 0);
}

static void exit_codes(void **state)
{
    (void)state;
    assert_int_equal(RUN("broken", "x"), EXIT_FAILED);
    assert_int_equal(RUN("--help"), EXIT_FINE);
    assert_int_equal(RUN("--version"), EXIT_FINE);
    assert_int_equal(RUN("play", "--help"), EXIT_FINE);
    assert_int_equal(RUN("broken", "-h"), EXIT_FINE);
}

static void the_ceiling_of_options(void **state)
{
    (void)state;
    const char *args[COMMAND_GIVEN_MAX + 3] = {"slipgate", "play"};
    for (size_t i = 0; i <= COMMAND_GIVEN_MAX; i++)
        args[2 + i] = "--json";
    assert_int_equal(run(args, 2 + COMMAND_GIVEN_MAX), EXIT_FINE);
    assert_int_equal(seen.options_n, COMMAND_GIVEN_MAX);
    assert_int_equal(run(args, 3 + COMMAND_GIVEN_MAX), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_options),
        cmocka_unit_test(values),
        cmocka_unit_test(wrong_use),
        cmocka_unit_test(numbers_that_are_none),
        cmocka_unit_test(arguments),
        cmocka_unit_test(exit_codes),
        cmocka_unit_test(the_ceiling_of_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
