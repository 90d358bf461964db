#include "pg_cluster.h"

#include "base/check.h"
#include "os/clock.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_S 60

static bool find_programs(char to[64])
{
    glob_t found;
    bool there = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0;
    if (there) {
        const char *last =
            found.gl_pathv[found.gl_pathc - 1]; /* the newest, as far as it matters */
        (void)snprintf(to, 64, "%.*s", (int)(strlen(last) - strlen("/initdb")), last);
    }
    globfree(&found);
    return there;
}

bool pg_cluster_installed(void)
{
    char programs[64];
    bool there = find_programs(programs);
    if (!there)
        printf("skipped: PostgreSQL's server programs are not installed (package postgresql)\n");
    return there;
}

/* The server refuses to run as root. */
static const struct passwd *user(void)
{
    const struct passwd *pw = geteuid() == 0 ? getpwnam("postgres") : NULL;
    CHECK(geteuid() != 0 || pw);
    return pw;
}

static pid_t spawn(const struct pg_cluster *c, const char *program, const char *const argv[])
{
    char path[96], log[96];
    const struct passwd *pw = user();
    (void)snprintf(path, sizeof path, "%s/%s", c->programs, program);
    (void)snprintf(log, sizeof log, "%s/log", c->dir);
    (void)fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    if (pw && (setgid(pw->pw_gid) || initgroups(pw->pw_name, pw->pw_gid) || setuid(pw->pw_uid)))
        _exit(8);
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    (void)dup2(fd, 1);
    (void)dup2(fd, 2);
    (void)setsid(); /* a terminal's ^C is not the server's */
    if (chdir(c->dir) == 0)
        execv(path, (char *const *)(uintptr_t)argv); /* which changes nothing in it */
    _exit(9);
}

static void show_log(const struct pg_cluster *c)
{
    char path[96], line[512];
    (void)snprintf(path, sizeof path, "%s/log", c->dir);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        (void)fputs(line, stderr);
    if (f)
        (void)fclose(f);
}

static void make_files(const struct pg_cluster *c)
{
    static const char *const argv[] = {
        "initdb", "-D",         "data", "-U",    "postgres",          "--no-sync", "-E",
        "UTF8",   "--locale=C", "-A",   "trust", "--no-instructions", NULL};
    char path[96];
    int status;
    pid_t pid = spawn(c, "initdb", argv);
    CHECK(waitpid(pid, &status, 0) == pid);
    if (status)
        show_log(c);
    CHECK(status == 0);
    (void)snprintf(path, sizeof path, "%s/data/pg_hba.conf", c->dir);
    FILE *f = fopen(path, "w");
    CHECK(f);
    (void)fputs("local all locked scram-sha-256\nlocal all all trust\n", f);
    CHECK(fclose(f) == 0);
}

void pg_cluster_create(struct pg_cluster *c, bool durable)
{
    const struct passwd *pw = user();
    *c = (struct pg_cluster){.durable = durable};
    CHECK(find_programs(c->programs));
    (void)snprintf(c->dir, sizeof c->dir, "/tmp/slipgate-pg-XXXXXX");
    CHECK(mkdtemp(c->dir));
    CHECK(!pw || chown(c->dir, pw->pw_uid, pw->pw_gid) == 0);
    make_files(c);
    pg_cluster_start(c, NULL);
    (void)pg_cluster_sql(c, NULL, "CREATE ROLE locked LOGIN PASSWORD 'secret'");
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void pg_cluster_destroy(struct pg_cluster *c)
{
    if (c->pid)
        pg_cluster_stop(c, SIGINT);
    if (c->dir[0])
        (void)nftw(c->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    *c = (struct pg_cluster){.pid = 0};
}

/* False: it ended before it let anybody in. */
static bool wait_ready(const struct pg_cluster *c, nsec end)
{
    char url[PG_URL_MAX];
    int status;
    pg_cluster_url(c, "postgres", url);
    for (;;) {
        if (PQping(url) == PQPING_OK)
            return true;
        if (waitpid(c->pid, &status, WNOHANG) == c->pid)
            return false;
        if (clock_now().mono > end)
            show_log(c);
        CHECK(clock_now().mono <= end);
        (void)usleep(10000); /* between two looks; PQping has no way to wait */
    }
}

/* More than once: for a moment after a crash the children of the one before hold its shared memory,
 * and the next one will not run beside them. */
void pg_cluster_start(struct pg_cluster *c, const char *option)
{
    char sockets[96], sync[16], more[64];
    nsec end = clock_now().mono + START_S * NSEC_PER_S;
    (void)snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", c->dir);
    (void)snprintf(sync, sizeof sync, "fsync=%s", c->durable ? "on" : "off");
    (void)snprintf(more, sizeof more, "%s", option ? option : "max_connections=30");
    const char *const argv[] = {"postgres",
                                "-D",
                                "data",
                                "-c",
                                sockets,
                                "-c",
                                sync,
                                "-c",
                                "listen_addresses=",
                                "-c",
                                "shared_buffers=16MB",
                                "-c",
                                "max_wal_senders=0",
                                "-c",
                                "wal_level=minimal",
                                "-c",
                                "jit=off",
                                "-c",
                                "deadlock_timeout=300ms",
                                "-c",
                                "superuser_reserved_connections=1",
                                "-c",
                                more,
                                NULL};
    CHECK(c->pid == 0);
    do {
        c->pid = spawn(c, "postgres", argv);
    } while (!wait_ready(c, end));
}

void pg_cluster_stop(struct pg_cluster *c, int signo)
{
    int status;
    CHECK(c->pid > 0 && kill(c->pid, signo) == 0);
    CHECK(waitpid(c->pid, &status, 0) == c->pid);
    c->pid = 0;
}

void pg_cluster_url(const struct pg_cluster *c, const char *user_and_password, char url[PG_URL_MAX])
{
    (void)snprintf(url, PG_URL_MAX, "postgresql://%s@/postgres?host=%s", user_and_password, c->dir);
}

/* It may be restarting by itself. */
static PGconn *connect_to(const char *url)
{
    nsec end = clock_now().mono + START_S * NSEC_PER_S;
    for (;;) {
        PGconn *pq = PQconnectdb(url);
        if (PQstatus(pq) == CONNECTION_OK || clock_now().mono > end)
            return pq;
        PQfinish(pq);
        (void)usleep(10000);
    }
}

int64_t pg_cluster_sql(const struct pg_cluster *c, const char *url, const char *text)
{
    char plain[PG_URL_MAX];
    pg_cluster_url(c, "postgres", plain);
    PGconn *pq = connect_to(url ? url : plain);
    PGresult *r = PQexec(pq, text);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        (void)fprintf(stderr, "%s: %s\n", text, PQerrorMessage(pq));
    CHECK(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
    bool any = PQntuples(r) > 0 && PQnfields(r) > 0;
    int64_t value = any ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
    PQclear(r);
    PQfinish(pq);
    return value;
}

void pg_cluster_schema(struct pg_cluster *c, char url[PG_URL_MAX])
{
    char text[64];
    unsigned n = ++c->schemas;
    (void)snprintf(text, sizeof text, "CREATE SCHEMA t%u", n);
    (void)pg_cluster_sql(c, NULL, text);
    (void)snprintf(url, PG_URL_MAX,
                   "postgresql://postgres@/postgres?host=%s&options=-csearch_path%%3Dt%u", c->dir,
                   n);
}
