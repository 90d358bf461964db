#include "redis_server.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_for(const struct redis_server *s)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", s->path);
    for (int ms = 0;; ms++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int rc = connect(fd, (struct sockaddr *)&a, sizeof a);
        (void)close(fd);
        if (rc == 0)
            return;
        CHECK(ms < 10000);
        (void)usleep(1000);
    }
}

void redis_server_start(struct redis_server *s)
{
    char port[8];
    CHECK(s->pid == 0);
    (void)snprintf(s->path, sizeof s->path, "%s/redis.sock", s->dir);
    (void)snprintf(port, sizeof port, "%u", s->port);
    (void)unlink(s->path);
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid > 0) {
        wait_for(s);
        return;
    }
    /* The test may be killed: nothing is left behind then. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
        _exit(126);
    (void)execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1",
                 "--unixsocket", s->path, "--dir", s->dir, "--save", "", "--appendonly", "no",
                 s->password ? "--requirepass" : "--databases", s->password ? s->password : "16",
                 (char *)NULL);
    _exit(127);
}

void redis_server_signal(struct redis_server *s, int signo)
{
    CHECK(s->pid > 0 && kill(s->pid, signo) == 0);
}

void redis_server_kill(struct redis_server *s)
{
    int status;
    if (s->pid == 0)
        return;
    redis_server_signal(s, SIGKILL);
    CHECK(waitpid(s->pid, &status, 0) == s->pid);
    CHECK(!WIFEXITED(status)); /* it could not even start: is redis-server installed? */
    s->pid = 0;
}

uint16_t redis_server_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &n) == 0);
    (void)close(fd);
    return ntohs(a.sin_port);
}
