/* Many players that do everything at once, cheap enough not to be what is measured: a TLS client of
 * its own over one epoll. Usage: crowd ADDRESS PORT PLAYERS; then lines on standard input:
 *
 *   join SECONDS           each connects and logs in with its password, asking for a token
 *   return SECONDS         each connects and logs in with the token it has
 *   fresh PREFIX SECONDS   each connects and logs in under a name nobody used
 *   cut                    all connections are reset
 *
 * All but cut are answered by a line of JSON once everybody has an outcome or the seconds are over.
 * A connection that nobody accepts, or that breaks before its outcome, is tried again. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TOKEN      64
#define LINE_BYTES 2048
#define RETRY_US   10000 /* between two tries to connect */

enum state { DOWN, CONNECTING, SHAKING, ASKED, IN, BUSY, REFUSED };

struct player {
    int fd;
    SSL *ssl;
    enum state state;
    int number;
    char token[TOKEN + 1], line[LINE_BYTES];
    size_t line_n;
    int64_t retry_us, done_us;
};

struct crowd {
    struct sockaddr_in at;
    SSL_CTX *tls;
    int poll, n;
    struct player *all;
    const char *how, *prefix; /* of the command under way */
    int done, tries;
    int64_t start_us;
};

static int64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t cpu_us(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
           u.ru_stime.tv_usec;
}

static void drop(struct player *p)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    SSL_free(p->ssl);
    if (p->fd >= 0) {
        (void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        (void)close(p->fd);
    }
    p->ssl = NULL;
    p->fd = -1;
    p->line_n = 0;
    p->state = DOWN;
}

static void again(struct player *p)
{
    drop(p);
    p->retry_us = now_us() + RETRY_US;
}

static void begin(struct crowd *c, struct player *p)
{
    int on = 1;
    c->tries++;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = p};
    if (p->fd < 0 || epoll_ctl(c->poll, EPOLL_CTL_ADD, p->fd, &e) != 0 ||
        (connect(p->fd, (struct sockaddr *)&c->at, sizeof c->at) != 0 && errno != EINPROGRESS)) {
        again(p);
        return;
    }
    (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    p->ssl = SSL_new(c->tls);
    if (!p->ssl || SSL_set_fd(p->ssl, p->fd) != 1)
        exit(2);
    SSL_set_connect_state(p->ssl);
    p->state = CONNECTING;
}

static void finish(struct crowd *c, struct player *p, enum state outcome)
{
    p->state = outcome;
    p->done_us = now_us();
    c->done++;
}

/* False: the connection is of no use any more. */
static bool ask(struct crowd *c, struct player *p)
{
    char text[512];
    int n;
    if (strcmp(c->how, "return") == 0)
        n = snprintf(text, sizeof text,
                     "{\"command\":\"NAME\",\"name\":\"storm-%d\",\"resume\":\"%s\"}\n", p->number,
                     p->token);
    else
        n = snprintf(text, sizeof text,
                     "{\"command\":\"NAME\",\"name\":\"%s-%d\",\"password\":\"in a storm\","
                     "\"resume\":\"\"}\n",
                     c->prefix, p->number);
    p->state = ASKED;
    return SSL_write(p->ssl, text, n) == n;
}

static void on_line(struct crowd *c, struct player *p, const char *line)
{
    static const char key[] = "\"resumeToken\":\"";
    if (p->state != ASKED)
        return;
    if (strstr(line, "\"NAME_OK\"")) {
        const char *token = strstr(line, key);
        if (token && strcmp(c->how, "fresh") != 0 && strlen(token) > sizeof key - 1 + TOKEN)
            memcpy(p->token, token + sizeof key - 1, TOKEN);
        finish(c, p, IN);
    } else if (strstr(line, "Server is busy.")) {
        finish(c, p, BUSY);
    } else if (strncmp(line, "CONNECTED", 9) != 0) {
        (void)fprintf(stderr, "storm-%d: %s\n", p->number, line);
        finish(c, p, REFUSED);
    }
}

static bool read_lines(struct crowd *c, struct player *p)
{
    for (;;) {
        int room = (int)(sizeof p->line - 1 - p->line_n);
        int r = room > 0 ? SSL_read(p->ssl, p->line + p->line_n, room) : -1;
        if (r <= 0)
            return room > 0 && SSL_get_error(p->ssl, r) == SSL_ERROR_WANT_READ;
        p->line_n += (size_t)r;
        p->line[p->line_n] = '\0';
        char *end;
        while ((end = memchr(p->line, '\n', p->line_n))) {
            size_t used = (size_t)(end - p->line) + 1;
            *end = '\0';
            on_line(c, p, p->line);
            p->line_n -= used;
            memmove(p->line, p->line + used, p->line_n);
        }
    }
}

static void on_event(struct crowd *c, struct player *p, uint32_t events)
{
    bool fine = (events & (EPOLLERR | EPOLLHUP)) == 0;
    if (p->state == DOWN)
        return;
    ERR_clear_error();
    if (fine && p->state == CONNECTING && (events & EPOLLOUT))
        p->state = SHAKING;
    if (fine && p->state == SHAKING) {
        int r = SSL_do_handshake(p->ssl);
        if (r == 1)
            fine = ask(c, p);
        else
            fine = SSL_get_error(p->ssl, r) == SSL_ERROR_WANT_READ;
    }
    if (fine && p->state >= ASKED)
        fine = read_lines(c, p);
    if (!fine && p->state <= ASKED)
        again(p);
    else if (!fine)
        drop(p);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void tell(const struct crowd *c, int64_t cpu)
{
    int64_t *t = calloc((size_t)c->n + 1, sizeof *t);
    int in = 0, busy = 0, refused = 0;
    int64_t busy_us = 0;
    for (int i = 0; t && i < c->n; i++) {
        const struct player *p = &c->all[i];
        int64_t took = p->done_us - c->start_us;
        busy += p->state == BUSY;
        refused += p->state == REFUSED;
        if (p->state == IN)
            t[in++] = took;
        if (p->state == BUSY && took > busy_us)
            busy_us = took;
    }
    if (t)
        qsort(t, (size_t)in, sizeof *t, by_time);
    int64_t first = t && in ? t[0] : 0, middle = t && in ? t[in / 2] : 0;
    int64_t last = t && in ? t[in - 1] : 0;
    printf("{\"in\":%d,\"busy\":%d,\"refused\":%d,\"tries\":%d,\"firstMs\":%.1f,\"p50Ms\":%.1f,"
           "\"lastMs\":%.1f,\"lastBusyMs\":%.1f,\"tookMs\":%.1f,\"cpuMs\":%.1f}\n",
           in, busy, refused, c->tries, (double)first / 1e3, (double)middle / 1e3,
           (double)last / 1e3, (double)busy_us / 1e3, (double)(now_us() - c->start_us) / 1e3,
           (double)cpu / 1e3);
    (void)fflush(stdout);
    free(t);
}

static void act(struct crowd *c, int64_t seconds)
{
    struct epoll_event events[256];
    int64_t cpu = cpu_us();
    c->start_us = now_us();
    c->done = c->tries = 0;
    for (int i = 0; i < c->n; i++) {
        drop(&c->all[i]);
        c->all[i].retry_us = 0;
    }
    int64_t end = c->start_us + seconds * 1000000, look = 0, now;
    while (c->done < c->n && (now = now_us()) < end) {
        for (int i = 0; now >= look && i < c->n; i++)
            if (c->all[i].state == DOWN && c->all[i].retry_us <= now)
                begin(c, &c->all[i]);
        look = now >= look ? now + RETRY_US / 2 : look;
        int n = epoll_wait(c->poll, events, 256, 5);
        for (int i = 0; i < n; i++)
            on_event(c, events[i].data.ptr, events[i].events);
    }
    tell(c, cpu_us() - cpu);
}

static void obey(struct crowd *c, const char *line)
{
    static char prefix[64];
    long seconds = 0;
    if (strncmp(line, "cut", 3) == 0) {
        for (int i = 0; i < c->n; i++)
            drop(&c->all[i]);
        printf("{}\n");
        (void)fflush(stdout);
        return;
    }
    c->prefix = "storm";
    if (sscanf(line, "fresh %63s %ld", prefix, &seconds) == 2) {
        c->how = "fresh";
        c->prefix = prefix;
    } else if (sscanf(line, "return %ld", &seconds) == 1) {
        c->how = "return";
    } else if (sscanf(line, "join %ld", &seconds) == 1) {
        c->how = "join";
    }
    if (seconds <= 0)
        exit(2);
    act(c, seconds);
}

int main(int argc, char **argv)
{
    char line[256];
    struct rlimit files;
    struct crowd c = {.at.sin_family = AF_INET, .poll = epoll_create1(EPOLL_CLOEXEC)};
    if (argc != 4 || inet_pton(AF_INET, argv[1], &c.at.sin_addr) != 1)
        return 2;
    c.at.sin_port = htons((uint16_t)strtol(argv[2], NULL, 10));
    c.n = (int)strtol(argv[3], NULL, 10);
    c.tls = SSL_CTX_new(TLS_client_method());
    c.all = calloc(c.n > 0 ? (size_t)c.n : 1, sizeof *c.all);
    if (c.n < 1 || !c.tls || !c.all || c.poll < 0) {
        free(c.all);
        return 2;
    }
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    SSL_CTX_set_verify(c.tls, SSL_VERIFY_NONE, NULL);
    for (int i = 0; i < c.n; i++) {
        c.all[i].fd = -1;
        c.all[i].number = i;
    }
    while (fgets(line, sizeof line, stdin))
        obey(&c, line);
    return 0;
}
