/* A disk that is really full: a tmpfs of 1 MiB, mounted where only this process sees it. Where the
 * machine does not let a test mount anything, it says that it was skipped; t_sql_sqlite and
 * t_store_faults reach the same code by other roads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "store_kit.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#define RECORD "$2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static bool put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

/* Root of a user namespace of its own (user_namespaces(7)), in which this user may mount. */
static bool become_root_here(void)
{
    char users[32], groups[32];
    (void)snprintf(users, sizeof users, "0 %u 1", geteuid());
    (void)snprintf(groups, sizeof groups, "0 %u 1", getegid());
    return unshare(CLONE_NEWUSER) == 0 && put("/proc/self/uid_map", users) &&
           put("/proc/self/setgroups", "deny") && put("/proc/self/gid_map", groups);
}

static bool mount_small(const char *dir)
{
    return (geteuid() == 0 || become_root_here()) && unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", dir, "tmpfs", 0, "size=1m") == 0;
}

static bool is_ready(struct kit *k)
{
    return store_ready(k->store);
}

static void fill(const char *path)
{
    static const char block[4096] = {1};
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    close(fd);
}

/* Fills the disk and registers n0, n1, ... until one is refused: *n is how many names were tried,
 * the last of which (left in name) failed. */
static void register_until_full(struct kit *k, const char *filler, unsigned *n, char name[16])
{
    int rc = 0;
    fill(filler);
    while (rc == 0 && *n < 10000) {
        (void)snprintf(name, 16, "n%u", (*n)++);
        rc = kit_create(k, name, false, RECORD);
    }
    assert_int_equal(rc, E_STORE);
    assert_false(store_ready(k->store));
}

static void a_full_disk_refuses_writes_and_serves_reads(void **state)
{
    struct kit k;
    char filler[96], name[16];
    unsigned n = 0;
    (void)state;
    kit_open(&k);
    if (!mount_small(k.dir)) {
        kit_close(&k);
        skip();
    }
    assert_int_equal(kit_start(&k), 0);
    assert_int_equal(kit_create(&k, "before", false, RECORD), 0);
    (void)snprintf(filler, sizeof filler, "%s/filler", k.dir);
    register_until_full(&k, filler, &n, name);
    assert_int_equal(kit_find(&k, "before", false, NULL), 0);
    assert_int_equal(kit_find(&k, name, false, NULL), E_NOENT);
    assert_false(kit_run_until(&k, is_ready, 1)); /* probed, still full */
    assert_int_equal(kit_logged(&k, "store.down"), 1);
    assert_int_equal(unlink(filler), 0);
    assert_true(kit_run_until(&k, is_ready, 30));
    assert_int_equal(kit_create(&k, name, false, RECORD), 0);
    /* A write that works says so before the next probe. */
    register_until_full(&k, filler, &n, name);
    assert_int_equal(unlink(filler), 0);
    assert_int_equal(kit_create(&k, name, false, RECORD), 0);
    assert_true(store_ready(k.store));
    assert_int_equal(kit_logged(&k, "store.up"), 2);
    kit_stop(&k);
    assert_int_equal(kit_start(&k), 0);
    while (n-- > 0) { /* nothing acknowledged was lost */
        (void)snprintf(name, sizeof name, "n%u", n);
        assert_int_equal(kit_find(&k, name, false, NULL), 0);
    }
    kit_stop(&k);
    assert_int_equal(umount2(k.dir, MNT_DETACH), 0);
    kit_close(&k);
}

static void a_disk_without_room_for_a_database_is_named(void **state)
{
    struct kit k;
    char filler[96];
    (void)state;
    kit_open(&k);
    if (!mount_small(k.dir)) {
        kit_close(&k);
        skip();
    }
    (void)snprintf(filler, sizeof filler, "%s/filler", k.dir);
    fill(filler);
    assert_int_equal(kit_start(&k), E_STORE);
    assert_non_null(strstr(kit_why(&k), "full"));
    assert_int_equal(umount2(k.dir, MNT_DETACH), 0);
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_refuses_writes_and_serves_reads),
        cmocka_unit_test(a_disk_without_room_for_a_database_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
