#include "fixture.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#define GOT_MAX (64u << 20)

struct client *client_raw(struct fx *f, uint16_t port)
{
    struct client *c = mem_zalloc(1, sizeof *c);
    assert_non_null(c);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    struct sockaddr_in mine = {0};
    socklen_t n = sizeof mine;
    assert_int_equal(getsockname(c->fd, (struct sockaddr *)&mine, &n), 0);
    c->port = ntohs(mine.sin_port);
    buf_init(&c->got, GOT_MAX);
    buf_init(&c->todo, GOT_MAX);
    c->next = f->clients;
    f->clients = c;
    return c;
}

struct client *client_open(struct fx *f, bool tls)
{
    struct client *c = client_raw(f, server_port(f->server, f->id, tls ? 0 : 1));
    if (tls) {
        c->ssl = SSL_new(f->client_tls);
        assert_non_null(c->ssl);
        assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
        SSL_set_connect_state(c->ssl);
    }
    return c;
}

void client_close(struct fx *f, struct client *c)
{
    for (struct client **at = &f->clients; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    SSL_free(c->ssl);
    (void)close(c->fd);
    buf_fini(&c->got);
    buf_fini(&c->todo);
    mem_free(c);
}

void client_send_bytes(struct client *c, const void *p, size_t n)
{
    assert_int_equal(buf_append(&c->todo, p, n), 0);
}

void client_send(struct client *c, const char *text)
{
    client_send_bytes(c, text, strlen(text));
}

static void step_write(struct client *c)
{
    size_t n = c->todo.n;
    if (n == 0 || c->broken)
        return;
    if (c->write_max && n > c->write_max)
        n = c->write_max;
    if (c->ssl) {
        ERR_clear_error();
        int rc = SSL_write(c->ssl, c->todo.p, (int)n);
        if (rc > 0)
            buf_consume(&c->todo, (size_t)rc);
        else if (SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_READ &&
                 SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_WRITE)
            c->broken = true;
        return;
    }
    ssize_t rc = send(c->fd, c->todo.p, n, MSG_NOSIGNAL);
    if (rc > 0)
        buf_consume(&c->todo, (size_t)rc);
    else if (errno != EAGAIN)
        c->broken = true;
}

/* One read; false when there is nothing. */
static bool step_read(struct client *c)
{
    static uint8_t p[65536];
    ssize_t rc;
    if (c->ssl) {
        ERR_clear_error();
        rc = SSL_read(c->ssl, p, sizeof p);
        if (rc <= 0) {
            int e = SSL_get_error(c->ssl, (int)rc);
            if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
                return false;
            c->clean = e == SSL_ERROR_ZERO_RETURN;
            c->eof = true;
            c->broken = c->broken || e == SSL_ERROR_SYSCALL || e == SSL_ERROR_SSL;
            ERR_clear_error();
            return false;
        }
    } else {
        rc = recv(c->fd, p, sizeof p, 0);
        if (rc < 0 && errno == EAGAIN)
            return false;
        c->eof = rc <= 0;
        c->broken = c->broken || rc < 0;
        if (rc <= 0)
            return false;
    }
    assert_int_equal(buf_append(&c->got, p, (size_t)rc), 0);
    return true;
}

void client_step(struct client *c)
{
    if (c->ssl && !c->secure && !c->eof) {
        ERR_clear_error();
        int rc = SSL_do_handshake(c->ssl);
        c->secure = rc == 1;
        if (rc != 1) {
            int e = SSL_get_error(c->ssl, rc);
            c->eof = c->broken = e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE;
            return;
        }
    }
    if (c->eof)
        return;
    step_write(c);
    while (!c->deaf && !c->eof && step_read(c))
        ;
}

bool client_got(const struct client *c, const char *text)
{
    return c->got.n == strlen(text) && memcmp(c->got.p, text, c->got.n) == 0;
}

void client_forget(struct client *c)
{
    buf_clear(&c->got);
}
