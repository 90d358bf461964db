#include "bin/remote.h"

#include "admin/control.h"
#include "base/err.h"
#include "base/mem.h"
#include "bin/options.h"
#include "wire/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define ANSWER_MAX (CONTROL_OUT_MAX + 4096u)

/* ---- connecting ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    memcpy(un.sun_path, path, strlen(path) + 1);
    if (connect(fd, (const struct sockaddr *)&un, sizeof un) == 0)
        return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static int find_server(struct remote *r, bool lonely)
{
    char path[CONTROL_PATH_MAX];
    const char *dir = config_text(r->config, "data.dir");
    if (control_path(dir, path))
        return command_wrong("data.dir: its path is too long for a socket in it; give a shorter "
                             "one");
    r->fd = connect_to(path);
    if (r->fd >= 0)
        return EXIT_FINE;
    if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
        return lonely ? EXIT_FINE
                      : command_failed("no server is running in %s; start it or give --set "
                                       "data.dir=DIR",
                                       dir);
    if (errno == EACCES || errno == EPERM)
        return command_failed("%s: you may not talk to this server; run this as its user or as "
                              "root",
                              path);
    return command_failed("%s: %s", path, strerror(errno));
}

int remote_open(struct remote *r, const struct cmdline *line, bool lonely)
{
    *r = (struct remote){.line = line, .fd = -1};
    buf_init(&r->in, ANSWER_MAX);
    buf_init(&r->request, 2 * CONTROL_LINE_MAX);
    buf_init(&r->result, ANSWER_MAX);
    int code = options_config(line, &r->config);
    return code ? code : find_server(r, lonely);
}

void remote_close(struct remote *r)
{
    if (r->fd >= 0)
        (void)close(r->fd);
    buf_fini_secret(&r->in);
    buf_fini_secret(&r->request);
    buf_fini_secret(&r->result);
    config_destroy(r->config);
}

/* ---- a request ---- */

void remote_begin(struct remote *r, const char *command)
{
    buf_clear(&r->request);
    (void)buf_printf(&r->request, "{\"command\":\"%s\",\"arguments\":{", command);
    r->first = true;
}

static void member(struct remote *r, const char *name)
{
    (void)buf_printf(&r->request, "%s\"%s\":", r->first ? "" : ",", name);
    r->first = false;
}

void remote_text(struct remote *r, const char *name, struct span value)
{
    member(r, name);
    json_put_string(&r->request, value);
}

void remote_number(struct remote *r, const char *name, int64_t value)
{
    member(r, name);
    json_put_int(&r->request, value);
}

void remote_flag(struct remote *r, const char *name)
{
    member(r, name);
    (void)buf_append_str(&r->request, "true");
}

static bool send_all(int fd, struct span s)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        s = span_skip(s, (size_t)n);
    }
    return true;
}

/* A line into r->in, without its LF; false when the other side is gone. */
static bool read_line(struct remote *r)
{
    buf_clear(&r->in);
    for (;;) {
        uint8_t *room = buf_reserve(&r->in, 65536);
        ssize_t n = room ? recv(r->fd, room, 65536, 0) : -1;
        if (n < 0 && room && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        buf_commit(&r->in, (size_t)n);
        if (r->in.p[r->in.n - 1] == '\n') {
            r->in.n--;
            return true;
        }
    }
}

static int take_answer(struct remote *r)
{
    static const char *const names[] = {"ok", "result", "error", "mend"};
    struct json_val v[ARRAY_LEN(names)];
    char error[1024], mend[512];
    buf_clear(&r->result);
    if (json_object(buf_span(&r->in), names, ARRAY_LEN(names), v) != JSON_OBJECT)
        return command_failed("the server's answer is not understood; are both of one version?");
    if (v[0].type == JSON_TRUE) {
        if (v[1].type == JSON_OBJECT)
            (void)buf_append_span(&r->result, v[1].raw);
        return EXIT_FINE;
    }
    int n = json_string(&v[2], error, sizeof error - 1);
    int m = json_string(&v[3], mend, sizeof mend - 1);
    error[n < 0 ? 0 : n] = '\0';
    mend[m < 0 ? 0 : m] = '\0';
    return command_failed("%s%s%s", n > 0 ? error : "refused", m > 0 ? "; " : "", mend);
}

int remote_call(struct remote *r)
{
    (void)buf_append_str(&r->request, "}}\n");
    if (r->request.failed || r->request.n > CONTROL_LINE_MAX)
        return command_wrong("the arguments are too long");
    if (json_check(span_of(r->request.p, r->request.n - 1)) != JSON_OBJECT)
        return command_wrong("the arguments must be UTF-8");
    if (r->fd < 0)
        return r->alone(r, span_of(r->request.p, r->request.n - 1));
    /* A server that is full says so and closes, perhaps before it was asked. */
    (void)send_all(r->fd, buf_span(&r->request));
    if (!read_line(r))
        return command_failed("the server ended the connection; run this as its user or as root, "
                              "and see its log");
    return take_answer(r);
}

/* ---- reading the result ---- */

static struct json_val find_member(const struct remote *r, const char *name)
{
    struct json_val v = {JSON_ABSENT, SPAN_NULL};
    if (r->result.n && json_object(buf_span(&r->result), &name, 1, &v) != JSON_OBJECT)
        v.type = JSON_ABSENT;
    return v;
}

bool remote_member_text(const struct remote *r, const char *name, struct buf *ret)
{
    struct json_val v = find_member(r, name);
    uint8_t *room = v.type == JSON_STRING ? buf_reserve(ret, v.raw.n) : NULL;
    int n = room ? json_string(&v, room, v.raw.n) : -1;
    if (n > 0)
        buf_commit(ret, (size_t)n);
    return n >= 0;
}

int64_t remote_member_int(const struct remote *r, const char *name)
{
    struct json_val v = find_member(r, name);
    int64_t n = 0;
    return json_int(&v, &n) == 0 ? n : 0;
}

bool remote_member_true(const struct remote *r, const char *name)
{
    return find_member(r, name).type == JSON_TRUE;
}

/* ---- verbs ---- */

static void option_name(const char *option, char name[64])
{
    (void)snprintf(name, 64, "%s", option);
    for (char *p = name; *p; p++)
        if (*p == '-')
            *p = '_';
}

static bool is_local(const char *option)
{
    static const char *const names[] = {"config", "set", "json", "password-stdin", "yes", "admin"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(option, names[i]) == 0)
            return true;
    return false;
}

/* Options whose value is a number are called so in --help. */
static int add_option(struct remote *r, const struct option_row *row, const char *value)
{
    char name[64], *end;
    option_name(row->name, name);
    if (!row->value) {
        remote_flag(r, name);
    } else if (strcmp(row->value, "N") == 0) {
        errno = 0;
        long long n = strtoll(value, &end, 10);
        if (errno || end == value || *end)
            return command_wrong("--%s: \"%s\" is no number", row->name, value);
        remote_number(r, name, n);
    } else {
        remote_text(r, name, span_str(value));
    }
    return EXIT_FINE;
}

int remote_build(struct remote *r, const struct remote_verb *verb)
{
    const struct cmdline *line = r->line;
    const char *names = verb->arguments;
    int code = EXIT_FINE;
    remote_begin(r, verb->command);
    for (size_t i = verb->verb[0] ? 1 : 0; *names || i < line->args_n; i++) {
        char name[64];
        size_t n = strcspn(names, " ");
        if (n == 0 || i >= line->args_n)
            return command_wrong("%s%s%s needs: %s; see `slipgate %s --help`", line->command->name,
                                 verb->verb[0] ? " " : "", verb->verb,
                                 verb->arguments[0] ? verb->arguments : "no argument",
                                 line->command->name);
        memcpy(name, names, n);
        name[n] = '\0';
        if (strcmp(name, "id") == 0)
            code = add_option(r, &(struct option_row){"id", "N", ""}, line->args[i]);
        else
            remote_text(r, name, span_str(line->args[i]));
        if (code)
            return code;
        names += n;
        names += strspn(names, " ");
    }
    for (size_t i = 0; i < line->options_n && code == EXIT_FINE; i++)
        if (!is_local(line->options[i].row->name))
            code = add_option(r, line->options[i].row, line->options[i].value);
    return code;
}

static int run_verb(const struct cmdline *line, const struct remote_verb *verb,
                    int (*alone)(struct remote *, struct span request))
{
    struct remote r;
    int code = remote_open(&r, line, verb->lonely && alone);
    r.alone = alone;
    if (code == EXIT_FINE && verb->run)
        code = verb->run(&r, verb);
    else if (code == EXIT_FINE) {
        code = remote_build(&r, verb);
        if (code == EXIT_FINE)
            code = remote_call(&r);
        if (code == EXIT_FINE)
            remote_show(&r, buf_span(&r.result));
    }
    remote_close(&r);
    return code;
}

int remote_run(const struct cmdline *line, const struct remote_verb *verbs, size_t n,
               int (*alone)(struct remote *, struct span request))
{
    char known[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (!verbs[i].verb[0] || strcmp(line->args[0], verbs[i].verb) == 0)
            return run_verb(line, &verbs[i], alone);
        int k = snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", verbs[i].verb);
        used += k > 0 && used + (size_t)k < sizeof known ? (size_t)k : 0;
    }
    return command_wrong("%s %s: give one of %s", line->command->name, line->args[0], known);
}

/* ---- passwords ---- */

static void drop_line_end(struct buf *b)
{
    while (b->n && (b->p[b->n - 1] == '\n' || b->p[b->n - 1] == '\r'))
        b->n--;
}

static int from_stdin(struct buf *ret)
{
    int c;
    while ((c = getchar()) != EOF && c != '\n')
        if (buf_append_byte(ret, (uint8_t)c))
            return command_failed("the password is too long");
    drop_line_end(ret);
    return EXIT_FINE;
}

/* One line from the terminal without showing it. */
static bool ask_once(FILE *tty, const char *prompt, struct buf *ret)
{
    struct termios before, quiet;
    int c;
    (void)fputs(prompt, tty);
    (void)fflush(tty);
    if (tcgetattr(fileno(tty), &before) != 0)
        return false;
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
    while ((c = fgetc(tty)) != EOF && c != '\n')
        (void)buf_append_byte(ret, (uint8_t)c);
    (void)tcsetattr(fileno(tty), TCSAFLUSH, &before);
    (void)fputc('\n', tty);
    drop_line_end(ret);
    return !ret->failed;
}

int remote_password(const struct cmdline *line, struct buf *ret)
{
    struct buf again;
    if (cmdline_has(line, "password-stdin"))
        return from_stdin(ret);
    FILE *tty = fopen("/dev/tty", "r+e");
    if (!tty)
        return command_wrong("there is no terminal to ask for the password on; give "
                             "--password-stdin");
    (void)setvbuf(tty, NULL, _IONBF, 0);
    buf_init(&again, ret->max);
    bool good = ask_once(tty, "Password: ", ret) && ask_once(tty, "Again: ", &again);
    bool same = good && span_eq(buf_span(ret), buf_span(&again));
    (void)fclose(tty);
    buf_fini_secret(&again);
    if (!good)
        return command_failed("no password was read");
    return same ? EXIT_FINE : command_failed("the two passwords differ");
}
