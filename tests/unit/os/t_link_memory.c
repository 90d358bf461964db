/* What an idle TLS connection costs the process: resident memory before and after 2,000 of them,
 * whose clients live in another process. */
#include "fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINKS     2000u
#define LIMIT_KIB 24.0

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static double resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long size, resident;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    (void)fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* One connection that has been used a little and then rests. */
static bool connect_one(SSL_CTX *ctx, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char b[64];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    SSL *ssl = SSL_new(ctx);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
           SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1 && SSL_read(ssl, b, sizeof b) > 0 &&
           SSL_write(ssl, "some line\n", 10) == 10 && SSL_read(ssl, b, sizeof b) == 10;
}

static void be_the_clients(int port_fd, int end_fd)
{
    uint16_t port;
    char c;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    bool ok = read(port_fd, &port, sizeof port) == sizeof port;
    for (unsigned i = 0; ok && i < LINKS; i++)
        ok = connect_one(ctx, port);
    if (ok)
        (void)!read(end_fd, &c, 1); /* until the parent has measured */
    _exit(ok ? 0 : 1);
}

static void idle_links(void **state)
{
    (void)state;
    if (server_raise_descriptors(LINKS + 200) < LINKS + 200)
        skip();
    int port_pipe[2], end_pipe[2], status = 0;
    assert_int_equal(pipe(port_pipe), 0);
    assert_int_equal(pipe(end_pipe), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(end_pipe[1]);
        be_the_clients(port_pipe[0], end_pipe[0]);
    }
    static struct fx f;
    fx_init(&f);
    f.log.log.level = LOG_WARN;
    fx_start(&f);
    struct client *warm =
        client_open(&f, true); /* what the first one brings along is not its own */
    fx_until(&f, client_got(warm, "hello\n"));
    uint16_t port = server_port(f.server, f.id, 0);
    double before = resident_kib();
    assert_int_equal(write(port_pipe[1], &port, sizeof port), sizeof port);
    nsec end = fx_now() + 100 * NSEC_PER_S;
    while (f.service->log.n < 10 * LINKS && fx_now() < end)
        fx_turn(&f);
    assert_int_equal(fx_row(&f, ROW_LINKS_OPEN), LINKS + 1);
    fx_idle(&f, 50);
    double each = (resident_kib() - before) / LINKS;
    print_message("%u idle TLS links: %.1f KiB of resident memory each%s\n", LINKS, each,
                  SANITIZED ? " (sanitizer included)" : "");
    if (!SANITIZED)
        assert_true(each < LIMIT_KIB);
    (void)close(end_pipe[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fx_until(&f, fx_row(&f, ROW_LINKS_OPEN) == 1 && server_links(f.server) == 1);
    print_message("after they left: %.1f KiB above the start\n", resident_kib() - before);
    fx_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(idle_links)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
