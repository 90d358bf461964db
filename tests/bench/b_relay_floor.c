/* What one relayed message costs at the least on this machine: sealing a position of usual size for
 * its recipient and sending it over loopback to one of 200 addresses, in batches of 64. The
 * recipients' buffers are emptied in between, off the clock. b_bots puts the server's cost beside
 * it. */
#include "base/types.h"
#include "wire/seal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECIPIENTS 200
#define BATCH      64
#define ROUNDS     6000
#define DRAIN      32 /* rounds between two emptyings: about 10 datagrams a socket */

struct bench {
    int out, in[RECIPIENTS];
    struct sockaddr_in to[RECIPIENTS];
    struct sealer *sealer[RECIPIENTS];
    struct mmsghdr msg[BATCH];
    struct iovec iov[BATCH];
    uint8_t bytes[BATCH][512];
};

static void fill(struct entropy *e, void *to, size_t n)
{
    (void)e;
    memset(to, 1, n);
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void open_sockets(struct bench *b)
{
    b->out = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    for (int i = 0; i < RECIPIENTS; i++) {
        socklen_t n = sizeof b->to[i];
        b->to[i] =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        b->in[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (b->in[i] < 0 || bind(b->in[i], (struct sockaddr *)&b->to[i], n) != 0 ||
            getsockname(b->in[i], (struct sockaddr *)&b->to[i], &n) != 0)
            fail("socket");
    }
}

static void make_sealers(struct bench *b, enum seal_kind kind, struct entropy *entropy)
{
    uint8_t key[SEAL_CBC_HMAC_KEY] = {1, 2, 3};
    static const size_t sizes[] = {
        [SEAL_CBC] = SEAL_CBC_KEY, [SEAL_GCM] = SEAL_GCM_KEY, [SEAL_CBC_HMAC] = SEAL_CBC_HMAC_KEY};
    struct seal_cfg cfg = {.kind = kind, .key = span_of(key, sizes[kind])};
    for (int i = 0; i < RECIPIENTS; i++)
        if (sealer_create(&b->sealer[i], &cfg, entropy) != 0)
            fail("sealer");
}

static void drain(struct bench *b)
{
    uint8_t bytes[2048];
    for (int i = 0; i < RECIPIENTS; i++)
        while (recv(b->in[i], bytes, sizeof bytes, 0) > 0)
            ;
}

static void round_of(struct bench *b, unsigned *next)
{
    static const char text[] =
        "{\"command\":\"UPDATE\",\"sessionId\":\"0123456789abcdef0123456789abcdef\",\"position\":{"
        "\"x\":12.345,\"y\":-2,\"z\":67.891},\"rotation\":{\"x\":0,\"y\":0.7071,\"z\":0,\"w\":"
        "0.7071},\"timestamp\":1700000000000,\"seq\":12345,\"sent\":123456789012}";
    struct span part = span_of(text, sizeof text - 1);
    for (unsigned i = 0; i < BATCH; i++) {
        unsigned r = (*next)++ % RECIPIENTS;
        int n = sealer_seal(b->sealer[r], &part, 1, b->bytes[i], sizeof b->bytes[i]);
        if (n < 0)
            fail("seal");
        b->iov[i] = (struct iovec){b->bytes[i], (size_t)n};
        b->msg[i].msg_hdr = (struct msghdr){.msg_name = &b->to[r],
                                            .msg_namelen = sizeof b->to[r],
                                            .msg_iov = &b->iov[i],
                                            .msg_iovlen = 1};
    }
    if (sendmmsg(b->out, b->msg, BATCH, 0) != BATCH)
        fail("sendmmsg");
}

static void run(struct bench *b, const char *name, enum seal_kind kind, struct entropy *entropy)
{
    unsigned next = 0;
    double spent_s = 0;
    make_sealers(b, kind, entropy);
    for (int i = 0; i < ROUNDS; i += DRAIN) {
        double start_s = cpu_s();
        for (int j = 0; j < DRAIN; j++)
            round_of(b, &next);
        spent_s += cpu_s() - start_s;
        drain(b);
    }
    printf("floor %-8s %.3f us a message, %.0f messages/s of a core\n", name, spent_s * 1e6 / next,
           next / spent_s);
    for (int i = 0; i < RECIPIENTS; i++)
        sealer_destroy(b->sealer[i]);
}

int main(void)
{
    struct bench *b = calloc(1, sizeof *b);
    struct entropy entropy;
    if (!b)
        return 1;
    entropy_init(&entropy, fill);
    open_sockets(b);
    run(b, "plain", SEAL_PLAIN_LF, &entropy);
    run(b, "cbc", SEAL_CBC, &entropy);
    run(b, "gcm", SEAL_GCM, &entropy);
    run(b, "cbc-hmac", SEAL_CBC_HMAC, &entropy);
    for (int i = 0; i < RECIPIENTS; i++)
        (void)close(b->in[i]);
    (void)close(b->out);
    free(b);
    return 0;
}
