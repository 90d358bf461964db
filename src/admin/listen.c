#include "admin/listen.h"

#include "base/addr.h"
#include "base/err.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64

static socklen_t to_sys(const struct addr *a, uint16_t port, struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof *ss);
    if (a->family == ADDR_V4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in.sin_addr, a->ip + 12, 4);
        memcpy(ss, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (a->loop6)
        in.sin6_addr = in6addr_loopback;
    else
        memcpy(&in.sin6_addr, a->ip, 16);
    in.sin6_scope_id = a->scope;
    memcpy(ss, &in, sizeof in);
    return sizeof in;
}

/* The descriptor, or -1 with errno. */
static int try_listen(const struct addr *a, uint16_t port)
{
    static const struct addr any6 = {.family = ADDR_V6};
    struct sockaddr_storage ss;
    socklen_t n = to_sys(a, port, &ss);
    int on = 1, v6only = !addr_same_host(a, &any6);
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool ok = ss.ss_family == AF_INET ||
              setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only) == 0;
    ok = ok && bind(fd, (const struct sockaddr *)&ss, n) == 0 && listen(fd, BACKLOG) == 0;
    if (ok)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static const char *mend(int error)
{
    switch (error) {
    case EADDRINUSE: return "another program has it; give another admin.port";
    case EACCES:
        return "ports below 1024 need a right: setcap cap_net_bind_service=+ep on the program, or "
               "give another admin.port";
    case EADDRNOTAVAIL: return "this machine does not have that address; give another admin.bind";
    default: return "give another admin.port or admin.bind";
    }
}

int admin_listen(const char *bind_text, uint16_t port, int *ret, struct buf *why)
{
    static const struct addr any4 = {.ip = {[10] = 0xff, [11] = 0xff}, .family = ADDR_V4};
    struct addr a;
    if (addr_parse(&a, bind_text))
        return E_CONFIG;
    int fd = try_listen(&a, port);
    if (fd < 0 && strcmp(bind_text, "::") == 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
        fd = try_listen(&any4, port);
    if (fd < 0) {
        int error = errno;
        (void)buf_printf(why, "admin.port: cannot listen on %s port %u: %s; %s", bind_text, port,
                         strerror(error), mend(error));
        return E_CONFIG;
    }
    *ret = fd;
    return 0;
}
