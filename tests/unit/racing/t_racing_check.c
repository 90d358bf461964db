/* The service's check finds what it says it looks for: each invariant is broken by hand in a state
 * that is otherwise sound, told, and mended again. */
#include "talk.h"

#include "base/err.h"
#include "games/racing/racing.h"
#include "games/racing/rooms.h"
#include "games/racing/sessions.h"

struct fixture {
    struct fake *f;
    struct player a, b, c, guest;
    struct racing *g;
    struct session *sa, *sb, *sguest;
    struct room *r, *other;
};

static int setup(void **state)
{
    static struct fixture x;
    char r[33], r2[33], line[65536];
    x.f = SERVE("racing.single_login=allow");
    enter_as(x.f, &x.a, "ann");
    create_room(&x.a, r);
    cast_update(&x.a);
    enter(x.f, &x.b, HERE);
    say(&x.b, "{'command':'NAME','name':'bob','password':'pw','udpAead':['aes-256-gcm']}");
    use_aead_keys(&x.b, listen_to(&x.b, line));
    join_room(&x.b, r);
    enter_as(x.f, &x.c, "carl");
    create_room(&x.c, r2);
    enter(x.f, &x.guest, "198.51.100.1");
    x.g = (struct racing *)(void *)x.f->svc; /* the service is nothing but its state */
    x.sa = session_by_id(x.g, span_of(x.a.id, 32));
    x.sb = session_by_id(x.g, span_of(x.b.id, 32));
    x.sguest = session_by_id(x.g, span_of(x.guest.id, 32));
    x.r = room_find(x.g, span_of(r, 32));
    x.other = room_find(x.g, span_of(r2, 32));
    assert_true(x.other && x.sa && x.sb && x.sguest && x.r);
    *state = &x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    stop(x->f);
    return 0;
}

static void assert_broken(struct fixture *x, const char *what)
{
    struct buf why;
    buf_init(&why, 256);
    int rc = racing_ops.check(x->f->svc, &why);
    if (rc >= 0 || why.failed || !memmem(why.p, why.n, what, strlen(what)))
        fail_msg("wanted \"%s\", got %d \"%.*s\"", what, rc, (int)why.n, (const char *)why.p);
    buf_fini(&why);
}

static void assert_sound(struct fixture *x)
{
    struct buf why;
    buf_init(&why, 256);
    if (racing_ops.check(x->f->svc, &why))
        fail_msg("%.*s", (int)why.n, (const char *)why.p);
    buf_fini(&why);
}

/* Sets a member to something else, looks, and puts it back. */
#define BREAK(member, value, what)             \
    do {                                       \
        assert_sound(x);                       \
        __typeof__(member) before_ = (member); \
        (member) = (value);                    \
        assert_broken(x, what);                \
        (member) = before_;                    \
        assert_sound(x);                       \
    } while (0)

static void rooms(void **state)
{
    struct fixture *x = *state;
    BREAK(x->sb->room, REF_NONE, "a session's room does not list it");
    BREAK(x->sb->room, ((struct ref){5, 5}), "a session is in a room that is gone");
    BREAK(x->sb->room, x->other->self, "a member does not know its room");
    BREAK(x->r->members_n, 3, "miscounted");
    BREAK(x->r->host, x->sguest->self, "the host is no member");
    BREAK(x->r->id[3], 'x', "a room is not found by its id");
    BREAK(x->sguest->room, x->r->self, "a session's room does not list it");
    struct list members = x->r->members;
    list_init(&x->r->members);
    assert_broken(x, "miscounted or the room is empty");
    x->r->members = members;
    assert_sound(x);
}

static void members_are_players(void **state)
{
    struct fixture *x = *state;
    BREAK(x->sb->authenticated, false, "half signed in");
    BREAK(x->sb->named, false, "half signed in");
    BREAK(x->sguest->authenticated, true, "half signed in");
    BREAK(x->sb->account, 77, "not found by its account");
    BREAK(x->sb->account, x->sa->account, "not found by its account");
}

static void maps(void **state)
{
    struct fixture *x = *state;
    BREAK(x->sa->id[0], 'x', "not found by its id");
    BREAK(x->sa->link.r.slot, 1, "not found by its link");
    BREAK(x->sa->path.peer.port, 1, "an endpoint does not lead to its session");
    BREAK(x->sa->has_path, false, "a map holds entries of what is gone");
    BREAK(x->sb->conn_id[0], (uint8_t)(x->sb->conn_id[0] ^ 1), "a connection id does not lead");
    BREAK(x->sb->opener, NULL, "a connection id does not lead");
    BREAK(x->g->by_id.live, 2, "a map holds entries of what is gone");
    BREAK(x->g->by_account.live, 4, "a map holds entries of what is gone");
    BREAK(x->g->room_by_id.live, 0, "a map holds entries of what is gone");
}

static void groups(void **state)
{
    struct fixture *x = *state;
    BREAK(x->sa->group, NULL, "not in its address's group");
    BREAK(x->sguest->peer, x->sa->peer, "not in its address's group");
    BREAK(x->sa->group->n, 1, "miscounted");
    BREAK(x->g->by_ip.live, 1, "a session is in no group");
}

static void activity_and_waiting(void **state)
{
    struct fixture *x = *state;
    BREAK(x->sa->active_at, x->sa->active_at + 1, "not in order of activity");
    struct list *node = &x->sguest->by_activity;
    list_remove(node);
    assert_broken(x, "missed by the idle timeout");
    list_push_back(&x->g->by_activity, node);
    assert_sound(x);
    x->sa->resume.set = true;
    BREAK(x->sa->waiting, WAIT_NAME, "waits for two things");
    x->sa->resume.set = false;
    list_push_back(&x->g->doomed, &x->sa->doomed);
    assert_broken(x, "a doomed session was not ended");
    list_remove(&x->sa->doomed);
    BREAK(x->sguest->ending, true, "an ending session still holds something");
    BREAK(x->sa->ending, true, "an ending session still holds something");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rooms),  TEST(members_are_players),  TEST(maps),
        TEST(groups), TEST(activity_and_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
