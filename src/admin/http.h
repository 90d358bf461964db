/* Inside of admin: the object, and the answer to one request. */
#ifndef SLIPGATE_ADMIN_HTTP_H
#define SLIPGATE_ADMIN_HTTP_H

#include "admin/admin.h"
#include "admin/guard.h"
#include "admin/process.h"

#include <microhttpd.h>

struct admin {
    struct admin_cfg cfg;
    struct MHD_Daemon *daemon;
    int listen_fd; /* until the daemon owns it */
    struct loop_watch *watch;
    struct loop_timer *timer;
    enum guard_auth auth;
    char *hosts, *names; /* owned */
    size_t metric_base;
    struct process_metrics process;
};

MUST_USE int http_metrics_init(struct admin *);

/* libmicrohttpd's accept policy: strangers are turned away before they can hold a connection. */
enum MHD_Result http_accept(void *ctx, const struct sockaddr *from, socklen_t n);
/* libmicrohttpd's handler; ctx is the admin. */
enum MHD_Result http_answer(void *ctx, struct MHD_Connection *, const char *url, const char *method,
                            const char *version, const char *upload, size_t *upload_n,
                            void **request);

#endif
