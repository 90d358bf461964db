/* A redis-server of the test's own, on a Unix socket in a folder, or on a free port of 127.0.0.1.
 * Failures end the test. */
#ifndef SLIPGATE_TESTS_REDIS_SERVER_H
#define SLIPGATE_TESTS_REDIS_SERVER_H

#include <stdint.h>
#include <sys/types.h>

struct redis_server {
    const char *dir;
    const char *password; /* NULL: none */
    uint16_t port;        /* 0: the socket alone */
    pid_t pid;            /* 0: it does not run */
    char path[96];        /* of the socket */
};

/* Starts it, with nothing in it, and waits until it takes connections. */
void redis_server_start(struct redis_server *);
void redis_server_signal(struct redis_server *, int signo);
void redis_server_kill(struct redis_server *); /* with SIGKILL; fine when it does not run */
uint16_t redis_server_free_port(void);

#endif
