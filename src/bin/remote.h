/* The operator's side of the control socket (admin/control.h): one request, one answer, blocking;
 * and what the subcommands that use it share. Errors are on standard error when a function returns
 * an exit code. */
#ifndef SLIPGATE_BIN_REMOTE_H
#define SLIPGATE_BIN_REMOTE_H

#include "base/buf.h"
#include "bin/command.h"
#include "core/config.h"

struct remote {
    const struct cmdline *line;
    struct config *config;
    int fd; /* -1: no server is running */
    /* Carries a request out where no server is; NULL: it cannot be. Fills result, or returns
     * another code with the error said. */
    int (*alone)(struct remote *, struct span request);
    struct buf in; /* what was read of answers */
    struct buf request, result;
    bool first;
};

/* Reads the configuration and connects. Without a server that is EXIT_FAILED, unless lonely: then
 * fd is -1. Close in any case. */
MUST_USE int remote_open(struct remote *, const struct cmdline *, bool lonely);
void remote_close(struct remote *);

/* Building a request: begin, members, then call. */
void remote_begin(struct remote *, const char *command);
void remote_text(struct remote *, const char *name, struct span value);
void remote_number(struct remote *, const char *name, int64_t value);
void remote_flag(struct remote *, const char *name);
/* Sends it and waits: EXIT_FINE with the answer's result in r->result ("" for none), or another
 * code with the error said. */
MUST_USE int remote_call(struct remote *);

/* Shows a result as --json has it: one line of JSON, or for people. */
void remote_show(const struct remote *, struct span result);
/* Member of the result; false where there is none. */
bool remote_member_text(const struct remote *, const char *name, struct buf *ret);
int64_t remote_member_int(const struct remote *, const char *name);
bool remote_member_true(const struct remote *, const char *name);

/* A verb of a subcommand: its arguments in order, as the control socket calls them. */
struct remote_verb {
    const char *verb;                                        /* "create" */
    const char *command;                                     /* "account create" */
    const char *arguments;                                   /* "name command"; each is needed */
    bool lonely;                                             /* also where no server runs */
    int (*run)(struct remote *, const struct remote_verb *); /* NULL: one call, shown */
};

/* Runs the verb in line->args[0]: adds its arguments and the options that were given, under their
 * names with '_' for '-'. alone: for verbs that need no server; NULL: there are none. */
MUST_USE int remote_run(const struct cmdline *, const struct remote_verb *, size_t n,
                        int (*alone)(struct remote *, struct span request));
/* The request of a verb, ready for remote_call. EXIT_USAGE. */
MUST_USE int remote_build(struct remote *, const struct remote_verb *);

/* A password: from standard input with --password-stdin, else asked for without echo, twice. */
MUST_USE int remote_password(const struct cmdline *, struct buf *ret);

#define OPTION_JSON                           \
    {                                         \
        "json", NULL, "print one JSON object" \
    }

#endif
