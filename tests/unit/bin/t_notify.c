/* sd_notify by hand: what arrives at the service manager's socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bin/notify.h"

static char folder[] = "/tmp/slipgate-t_notify-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int listen_at(const struct sockaddr_un *at, size_t path_n)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_n);
    assert_int_equal(bind(fd, (const struct sockaddr *)at, n), 0);
    return fd;
}

static void expect_arrives(int fd, const char *state)
{
    char text[256] = {0};
    notify_send(state);
    assert_int_equal(recv(fd, text, sizeof text - 1, 0), (ssize_t)strlen(state));
    assert_string_equal(text, state);
}

static void to_a_path(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)state;
    snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", folder);
    int fd = listen_at(&at, strlen(at.sun_path) + 1);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    expect_arrives(fd, "READY=1");
    expect_arrives(fd, "STOPPING=1\nSTATUS=draining");
    close(fd);
    unlink(at.sun_path);
    notify_send("WATCHDOG=1"); /* nobody listens: nothing happens */
}

static void to_an_abstract_name(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)state;
    int n = snprintf(at.sun_path, sizeof at.sun_path, "@%s", folder);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
    at.sun_path[0] = '\0';
    int fd = listen_at(&at, (size_t)n);
    expect_arrives(fd, "READY=1");
    close(fd);
}

static void to_nobody(void **state)
{
    char longest[256];
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1");
    setenv("NOTIFY_SOCKET", "", 1);
    notify_send("READY=1");
    setenv("NOTIFY_SOCKET", "relative", 1);
    notify_send("READY=1");
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    setenv("NOTIFY_SOCKET", longest, 1);
    notify_send("READY=1");
}

static void the_watchdog_is_fed_twice_as_often_as_needed(void **state)
{
    char pid[32];
    (void)state;
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    assert_true(notify_watchdog_interval() == NSEC_NEVER);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_true(notify_watchdog_interval() == 15 * NSEC_PER_S);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_true(notify_watchdog_interval() == 15 * NSEC_PER_S);
    setenv("WATCHDOG_PID", "1", 1);
    assert_true(notify_watchdog_interval() == NSEC_NEVER);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "nonsense", 1);
    assert_true(notify_watchdog_interval() == NSEC_NEVER);
    setenv("WATCHDOG_USEC", "18446744073709551615", 1);
    assert_true(notify_watchdog_interval() == NSEC_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_a_path),
        cmocka_unit_test(to_an_abstract_name),
        cmocka_unit_test(to_nobody),
        cmocka_unit_test(the_watchdog_is_fed_twice_as_often_as_needed),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
