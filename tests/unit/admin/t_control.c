/* The control socket over real Unix sockets: lines in pieces and too long ones, its ceilings, who
 * may talk, what may stand in its place, and clients that go away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/control.h"
#include "base/err.h"
#include "os/uvloop.h"
#include "sim/alloc_fault.h"

#define WITHIN (20 * NSEC_PER_S)
#define NOBODY 65534u

static struct fixture {
    struct uvloop *uv;
    struct loop *loop;
    struct log log;
    struct control *control;
    struct control_cfg cfg;
    struct buf why;
    char dir[64], path[CONTROL_PATH_MAX];
    unsigned requests, strangers;
    struct control_ref last;
    char command[CONTROL_COMMAND_MAX + 1], arguments[256], name[CONTROL_NAME_MAX];
    uint32_t uid;
    bool hold; /* requests are answered by the test */
} f;

static void emit(struct log *log, const struct log_row *row, const struct log_field *fields,
                 size_t n)
{
    (void)log;
    (void)row;
    (void)fields;
    (void)n;
}

static void on_request(void *ctx, struct now now, struct control_ref ref,
                       const struct control_peer *peer, const struct control_request *r)
{
    (void)ctx;
    (void)now;
    f.requests++;
    f.last = ref;
    f.uid = peer->uid;
    (void)snprintf(f.command, sizeof f.command, "%.*s", (int)r->command.n,
                   (const char *)r->command.p);
    (void)snprintf(f.arguments, sizeof f.arguments, "%.*s", (int)r->arguments.n,
                   (const char *)r->arguments.p);
    if (!f.hold)
        control_result(f.control, ref, SPAN_LIT("{\"n\":1}"));
}

static void on_stranger(void *ctx, struct now now, const struct control_peer *peer)
{
    (void)ctx;
    (void)now;
    f.strangers++;
    f.uid = peer->uid;
    (void)snprintf(f.name, sizeof f.name, "%s", peer->name);
}

static int open_control(void)
{
    buf_clear(&f.why);
    return control_create(&f.control, &f.cfg, &f.why);
}

static const char *why(void)
{
    assert_int_equal(buf_append_byte(&f.why, '\0'), 0);
    return (const char *)f.why.p;
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    (void)snprintf(f.dir, sizeof f.dir, "/tmp/t_control.XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    assert_int_equal(control_path(f.dir, f.path), 0);
    f.log = (struct log){LOG_DEBUG, emit};
    buf_init(&f.why, 4096);
    assert_int_equal(uvloop_create(&f.uv), 0);
    f.loop = uvloop_loop(f.uv);
    f.cfg = (struct control_cfg){.loop = f.loop,
                                 .log = &f.log,
                                 .dir = f.dir,
                                 .group = "",
                                 .request = on_request,
                                 .stranger = on_stranger};
    return 0;
}

static int setup_open(void **state)
{
    return setup(state) || open_control();
}

static int teardown(void **state)
{
    (void)state;
    control_destroy(f.control);
    uvloop_destroy(f.uv);
    buf_fini(&f.why);
    (void)unlink(f.path);
    (void)rmdir(f.dir);
    return 0;
}

/* ---- clients ---- */

static void turn(void)
{
    (void)uvloop_run(f.uv, f.loop->ops->now(f.loop).mono + NSEC_PER_MS);
}

static int client(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", f.path);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
    return fd;
}

static void put(int fd, const void *text, size_t n)
{
    nsec end = f.loop->ops->now(f.loop).mono + WITHIN;
    for (const char *p = text; n;) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        assert_true(k > 0 || errno == EAGAIN);
        p += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
        turn();
        assert_true(f.loop->ops->now(f.loop).mono < end);
    }
}

static void say(int fd, const char *text)
{
    put(fd, text, strlen(text));
}

/* What comes up to an LF, without it; "" at the end. Slices: how much is read at once. */
static const char *hear_by(int fd, size_t slice)
{
    static char text[CONTROL_OUT_MAX + 4096];
    size_t n = 0;
    nsec end = f.loop->ops->now(f.loop).mono + WITHIN;
    for (;;) {
        size_t room = slice < sizeof text - n ? slice : sizeof text - n;
        ssize_t k = recv(fd, text + n, room, MSG_PEEK);
        if (k == 0 || (k < 0 && errno == ECONNRESET))
            break;
        const char *lf = k > 0 ? memchr(text + n, '\n', (size_t)k) : NULL;
        if (k > 0)
            k = recv(fd, text + n, lf ? (size_t)(lf - text) - n + 1 : (size_t)k, 0);
        n += k > 0 ? (size_t)k : 0;
        if (lf) {
            n--;
            break;
        }
        if (k < 0)
            turn();
        assert_true(f.loop->ops->now(f.loop).mono < end);
    }
    text[n] = '\0';
    return text;
}

static const char *hear(int fd)
{
    return hear_by(fd, 65536);
}

#define STATUS "{\"command\":\"status\"}\n"
#define OK_N   "{\"ok\":true,\"result\":{\"n\":1}}"

static void wait_requests(unsigned n)
{
    nsec end = f.loop->ops->now(f.loop).mono + WITHIN;
    while (f.requests < n) {
        turn();
        assert_true(f.loop->ops->now(f.loop).mono < end);
    }
}

/* ---- lines ---- */

static void a_line_in_pieces(void **state)
{
    (void)state;
    static const char line[] = "{\"command\":\"ban add\",\"arguments\":{\"id\":7}}\r\n";
    int fd = client();
    for (size_t i = 0; i < sizeof line - 1; i++) {
        assert_int_equal(f.requests, 0);
        put(fd, line + i, 1);
    }
    assert_string_equal(hear(fd), OK_N);
    assert_string_equal(f.command, "ban add");
    assert_string_equal(f.arguments, "{\"id\":7}");
    assert_int_equal(f.uid, geteuid());
    close(fd);
}

static void requests_wait_for_the_answer_before(void **state)
{
    (void)state;
    int fd = client();
    f.hold = true;
    say(fd, STATUS STATUS "nonsense\n" STATUS);
    wait_requests(1);
    for (int i = 0; i < 5; i++)
        turn();
    assert_int_equal(f.requests, 1);
    control_error(f.control, f.last, "no \"such\"", "mend it");
    control_error(f.control, f.last, "twice", NULL); /* it is answered */
    assert_string_equal(hear(fd),
                        "{\"ok\":false,\"error\":\"no \\\"such\\\"\",\"mend\":\"mend it\"}");
    wait_requests(2);
    control_result(f.control, f.last, SPAN_NULL);
    assert_string_equal(hear(fd), "{\"ok\":true}");
    assert_string_equal(hear(fd),
                        "{\"ok\":false,\"error\":\"a request is one JSON object a line\"}");
    wait_requests(3);
    control_reply(f.control, f.last, SPAN_LIT("{}"));
    assert_string_equal(hear(fd), "{}");
    close(fd);
}

static void a_line_at_its_limit_and_one_past_it(void **state)
{
    (void)state;
    static char line[CONTROL_LINE_MAX + 3];
    static const char head[] = "{\"command\":\"x\",\"arguments\":{\"a\":\"", tail[] = "\"}}";
    for (size_t more = 0; more < 2; more++) {
        size_t n = CONTROL_LINE_MAX + more;
        memset(line, 'x', sizeof line);
        memcpy(line, head, sizeof head - 1);
        memcpy(line + n - (sizeof tail - 1), tail, sizeof tail - 1);
        line[n] = '\n';
        int fd = client();
        put(fd, line, n + 1);
        const char *answer = hear(fd);
        if (more) {
            assert_string_equal(answer, "{\"ok\":false,\"error\":\"the request is too long\"}");
            assert_string_equal(hear(fd), ""); /* and that was all */
        } else {
            assert_string_equal(answer, OK_N);
        }
        close(fd);
    }
    int fd = client(); /* nor is it kept until its end */
    memset(line, 'x', sizeof line);
    put(fd, line, sizeof line);
    assert_string_equal(hear(fd), "{\"ok\":false,\"error\":\"the request is too long\"}");
    close(fd);
}

/* ---- ceilings ---- */

static void sixteen_connections(void **state)
{
    (void)state;
    int fd[CONTROL_LINKS_MAX], extra;
    for (size_t i = 0; i < CONTROL_LINKS_MAX; i++) {
        fd[i] = client();
        say(fd[i], STATUS);
        assert_string_equal(hear(fd[i]), OK_N);
    }
    extra = client();
    assert_non_null(strstr(hear(extra), "too many connections"));
    assert_string_equal(hear(extra), "");
    close(extra);
    say(fd[0], STATUS);
    assert_string_equal(hear(fd[0]), OK_N);
    close(fd[3]);
    for (int i = 0; i < 5; i++)
        turn();
    fd[3] = client();
    say(fd[3], STATUS);
    assert_string_equal(hear(fd[3]), OK_N);
    for (size_t i = 0; i < CONTROL_LINKS_MAX; i++)
        close(fd[i]);
}

static void answers_at_their_limit(void **state)
{
    (void)state;
    static uint8_t json[CONTROL_OUT_MAX + 1];
    memset(json, ' ', sizeof json);
    memcpy(json, "{}", 2);
    int fd = client();
    f.hold = true;
    say(fd, STATUS);
    wait_requests(1);
    control_reply(f.control, f.last, span_of(json, sizeof json));
    assert_string_equal(
        hear(fd), "{\"ok\":false,\"error\":\"the answer is too long\",\"mend\":\"ask for less\"}");
    say(fd, STATUS STATUS);
    wait_requests(2);
    control_reply(f.control, f.last, span_of(json, sizeof json - 1));
    assert_int_equal(strlen(hear_by(fd, 4096)), CONTROL_OUT_MAX); /* a slow reader has it all */
    wait_requests(3);
    control_result(f.control, f.last, SPAN_NULL);
    assert_string_equal(hear(fd), "{\"ok\":true}");
    close(fd);
}

static void a_client_that_goes_while_its_answer_is_made(void **state)
{
    (void)state;
    int fd = client();
    f.hold = true;
    say(fd, STATUS);
    wait_requests(1);
    struct control_ref gone = f.last;
    close(fd);
    for (int i = 0; i < 5; i++)
        turn();
    control_result(f.control, gone, SPAN_LIT("{\"n\":1}"));
    for (int i = 0; i < 5; i++)
        turn();
    control_result(f.control, gone, SPAN_LIT("{\"n\":1}")); /* its place is free by now */
    fd = client();
    say(fd, STATUS);
    wait_requests(2);
    control_error(f.control, gone, "not yours", NULL);
    control_result(f.control, f.last, SPAN_LIT("{\"n\":2}"));
    assert_string_equal(hear(fd), "{\"ok\":true,\"result\":{\"n\":2}}");
    say(fd, STATUS); /* and one that is owed when all ends */
    wait_requests(3);
    control_destroy(f.control);
    f.control = NULL;
    assert_string_equal(hear(fd), "");
    close(fd);
}

/* ---- who may ---- */

/* Connects as nobody, with this group besides (0: none): how many bytes of an answer came. */
static int as_nobody(gid_t group)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        char text[64];
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", f.path);
        if (setgroups(group ? 1 : 0, &group) || setresgid(NOBODY, NOBODY, NOBODY) ||
            setresuid(NOBODY, NOBODY, NOBODY) || connect(fd, (struct sockaddr *)&un, sizeof un))
            _exit(99);
        (void)send(fd, STATUS, sizeof STATUS - 1, MSG_NOSIGNAL);
        ssize_t n = recv(fd, text, sizeof text, 0);
        _exit(n < 0 ? 0 : (int)n);
    }
    int status;
    nsec end = f.loop->ops->now(f.loop).mono + WITHIN;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        turn();
        assert_true(f.loop->ops->now(f.loop).mono < end);
    }
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void another_user_is_sent_away(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(f.dir, 0711), 0);
    assert_int_equal(as_nobody(0), 99); /* the socket's mode keeps him out */
    assert_int_equal(chmod(f.path, 0666), 0);
    assert_int_equal(as_nobody(0), 0);
    assert_int_equal(f.strangers, 1);
    assert_int_equal(f.requests, 0);
    assert_int_equal(f.uid, NOBODY);
    assert_true(strcmp(f.name, "nobody") == 0 || strcmp(f.name, "uid 65534") == 0);
}

static void a_group_may_where_a_key_names_it(void **state)
{
    (void)state;
    struct stat st;
    struct group *group = getgrnam("operator") ? getgrnam("operator") : getgrnam("daemon");
    if (geteuid() != 0 || !group) {
        skip();
        return;
    }
    f.cfg.group = group->gr_name;
    gid_t gid = group->gr_gid;
    assert_int_equal(open_control(), 0);
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(st.st_gid, gid);
    assert_int_equal(chmod(f.dir, 0711), 0);
    assert_int_equal(as_nobody(gid), (int)sizeof OK_N);
    assert_int_equal(f.uid, NOBODY);
    assert_int_equal(as_nobody(0), 99);
    assert_int_equal(chmod(f.path, 0666), 0);
    assert_int_equal(as_nobody(0), 0);
    assert_int_equal(f.strangers, 1);
}

static void a_group_that_is_none(void **state)
{
    (void)state;
    f.cfg.group = "no-such-group-here";
    assert_int_equal(open_control(), E_CONFIG);
    assert_non_null(strstr(why(), "control.group: there is no group no-such-group-here"));
    assert_int_equal(access(f.path, F_OK), -1);
}

/* ---- its place ---- */

static void what_a_dead_server_left_is_replaced(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s", f.path);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    close(fd);
    assert_int_equal(open_control(), 0);
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    fd = client();
    say(fd, STATUS);
    assert_string_equal(hear(fd), OK_N);
    close(fd);
}

static void a_live_server_keeps_its_own(void **state)
{
    (void)state;
    struct control *first = f.control, *second = NULL;
    buf_clear(&f.why);
    assert_int_equal(control_create(&second, &f.cfg, &f.why), E_BUSY);
    assert_non_null(strstr(why(), "a server is running there"));
    f.control = first;
    int fd = client();
    for (int i = 0; i < 5; i++)
        turn(); /* what looked whether it lives is gone */
    say(fd, STATUS);
    assert_string_equal(hear(fd), OK_N);
    close(fd);
}

static void what_is_no_socket_stays(void **state)
{
    (void)state;
    char other[96], to[96];
    struct stat st;
    (void)snprintf(other, sizeof other, "%s/other", f.dir);
    int fd = open(f.path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(open_control(), E_CONFIG);
    assert_non_null(strstr(why(), "there is something else; remove it"));
    assert_int_equal(rename(f.path, other), 0);
    assert_int_equal(symlink(other, f.path), 0); /* nothing is followed */
    assert_int_equal(open_control(), E_CONFIG);
    assert_int_equal(lstat(f.path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(other, &st), 0);
    assert_int_equal(unlink(other), 0); /* not even where it leads nowhere */
    assert_int_equal(open_control(), E_CONFIG);
    assert_true(readlink(f.path, to, sizeof to) > 0);
    assert_int_equal(access(other, F_OK), -1);
}

static void only_its_own_is_removed(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(unlink(f.path), 0);
    int fd = open(f.path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    control_destroy(f.control);
    f.control = NULL;
    assert_int_equal(lstat(f.path, &st), 0);
    assert_int_equal(unlink(f.path), 0);
    assert_int_equal(open_control(), 0);
    control_destroy(f.control);
    f.control = NULL;
    assert_int_equal(lstat(f.path, &st), -1);
}

static void a_path_that_is_too_long(void **state)
{
    (void)state;
    char dir[CONTROL_PATH_MAX + 8], path[CONTROL_PATH_MAX];
    memset(dir, 'd', sizeof dir);
    size_t fits = CONTROL_PATH_MAX - sizeof CONTROL_FILE - 1; /* its '/' and NUL */
    dir[fits] = '\0';
    assert_int_equal(control_path(dir, path), 0);
    assert_int_equal(strlen(path), CONTROL_PATH_MAX - 1);
    dir[fits] = 'd';
    dir[fits + 1] = '\0';
    assert_int_equal(control_path(dir, path), E_RANGE);
    f.cfg.dir = dir;
    assert_int_equal(open_control(), E_CONFIG);
    assert_non_null(strstr(why(), "too long"));
    f.cfg.dir = "/no/such/folder";
    assert_int_equal(open_control(), E_IO);
}

/* ---- memory ---- */

static void memory_fails(void **state)
{
    (void)state;
    bool fired = true;
    for (unsigned long n = 1; fired; n++) {
        assert_true(n < 100);
        f.hold = false;
        alloc_fault_at(n);
        int rc = open_control();
        if (rc == 0) {
            int fd = client();
            (void)send(fd, STATUS, sizeof STATUS - 1, MSG_NOSIGNAL);
            const char *answer = hear(fd); /* an answer, or the end */
            assert_true(answer[0] == '\0' || answer[0] == '{');
            close(fd);
        } else {
            assert_true(rc == E_NOMEM || rc == E_FULL);
        }
        fired = alloc_fault_fired();
        alloc_fault_at(0);
        assert_true(rc == 0 || fired);
        if (rc == 0)
            control_destroy(f.control);
        f.control = NULL;
        turn();
        assert_int_equal(access(f.path, F_OK), -1);
    }
}

#define OPENED(t) cmocka_unit_test_setup_teardown(t, setup_open, teardown)
#define CLOSED(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPENED(a_line_in_pieces),
        OPENED(requests_wait_for_the_answer_before),
        OPENED(a_line_at_its_limit_and_one_past_it),
        OPENED(sixteen_connections),
        OPENED(answers_at_their_limit),
        OPENED(a_client_that_goes_while_its_answer_is_made),
        OPENED(another_user_is_sent_away),
        CLOSED(a_group_may_where_a_key_names_it),
        CLOSED(a_group_that_is_none),
        CLOSED(what_a_dead_server_left_is_replaced),
        OPENED(a_live_server_keeps_its_own),
        CLOSED(what_is_no_socket_stays),
        OPENED(only_its_own_is_removed),
        CLOSED(a_path_that_is_too_long),
        CLOSED(memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
