/* What was answered survives kill -9: a child registers accounts and writes each name to a pipe as
 * its answer comes; it is killed at a moment drawn by lot; every name in the pipe must be in the
 * file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/err.h"
#include "os/clock.h"
#include "store_kit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS     24
#define AT_ONCE    16
#define ALIVE_MS   60 /* killed within so long after its first answer */
#define RECORD     "$2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAMES_MAX  (1u << 20)
#define NAME_BYTES 16

struct child {
    struct kit kit;
    unsigned round, next;
};

static void on_create(void *ctx, struct now now, const struct answer *a);

static void register_next(struct child *c)
{
    char name[NAME_BYTES];
    struct password_record r = kit_record(RECORD);
    (void)snprintf(name, sizeof name, "r%u-%u", c->round, c->next++);
    struct ask ask = {ASK_ACCOUNT_CREATE, {.create = {span_str(name), true, &r, 1, 1}}};
    struct ask_port *port = store_port(c->kit.store);
    CHECK(port->submit(port, &ask, (struct ask_owner){on_create, c, 0}) == 0);
}

static void on_create(void *ctx, struct now now, const struct answer *a)
{
    struct child *c = ctx;
    char line[ACCOUNT_NAME_MAX + 2];
    (void)now;
    CHECK(a->rc == 0);
    int n = snprintf(line, sizeof line, "%s\n", a->u.account.name);
    CHECK(write(1, line, (size_t)n) == n);
    register_next(c);
}

static int run_child(const char *url, const char *round)
{
    struct child c = {.round = (unsigned)strtoul(round, NULL, 10)};
    kit_open(&c.kit);
    CHECK(rmdir(c.kit.dir) == 0); /* nobody will be there to remove it later */
    c.kit.cfg.url = url;
    if (kit_start(&c.kit))
        return 1;
    for (unsigned i = 0; i < AT_ONCE; i++)
        register_next(&c);
    (void)uvloop_run(c.kit.uv, NSEC_NEVER);
    return 1;
}

/* All names one child got answered; the last line may be cut by the kill. */
static void read_names(int fd, struct buf *names, pid_t pid, unsigned alive_us)
{
    char bytes[4096];
    ssize_t n;
    size_t start = names->n;
    bool killed = false;
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        assert_int_equal(buf_append(names, bytes, (size_t)n), 0);
        if (!killed) {
            usleep(alive_us); /* the moment of the kill: that is what is drawn by lot */
            assert_int_equal(kill(pid, SIGKILL), 0);
            killed = true;
        }
    }
    assert_true(killed);
    while (names->n > start && names->p[names->n - 1] != '\n')
        names->n--;
}

static size_t find_all(struct kit *k, const struct buf *names, size_t from)
{
    size_t n = 0;
    while (from < names->n) {
        char name[NAME_BYTES] = "";
        const uint8_t *line = names->p + from, *end = memchr(line, '\n', names->n - from);
        assert_true((size_t)(end - line) < sizeof name);
        memcpy(name, line, (size_t)(end - line));
        if (kit_find(k, name, false, NULL)) {
            print_error("answered, then lost: %s\n", name);
            fail();
        }
        from += (size_t)(end - line) + 1;
        n++;
    }
    return n;
}

static void what_was_answered_survives_kill_9(void **state)
{
    struct kit k;
    struct buf names;
    size_t all = 0;
    unsigned seed = (unsigned)clock_now().mono;
    (void)state;
    kit_open(&k);
    buf_init(&names, NAMES_MAX * NAME_BYTES);
    print_message("seed %u\n", seed);
    for (unsigned round = 0; round < ROUNDS; round++) {
        int pipes[2], status;
        char text[16];
        (void)snprintf(text, sizeof text, "%u", round);
        assert_int_equal(pipe(pipes), 0);
        pid_t pid = fork();
        if (pid == 0) {
            (void)dup2(pipes[1], 1);
            close(pipes[0]);
            close(pipes[1]);
            execl("/proc/self/exe", "t_store_kill", k.url, text, (char *)NULL);
            _exit(9);
        }
        close(pipes[1]);
        size_t from = names.n;
        read_names(pipes[0], &names, pid, (unsigned)rand_r(&seed) % (ALIVE_MS * 1000));
        close(pipes[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(kit_start(&k), 0);
        all += find_all(&k, &names, from);
        kit_stop(&k);
    }
    assert_int_equal(kit_start(&k), 0);
    assert_int_equal(find_all(&k, &names, 0), all); /* nor by a later crash */
    print_message("%zu registrations answered over %d kills, none lost\n", all, ROUNDS);
    buf_fini(&names);
    kit_close(&k);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return run_child(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_answered_survives_kill_9),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
