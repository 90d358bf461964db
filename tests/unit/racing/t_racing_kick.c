/* What an operator does to players and rooms (docs/protocol-racing.md, "Endings"). */
#include "talk.h"

#include "games/racing/racing.h"

#define BYE(text) "{'command':'BYE_ADMIN','message':'" text "'}"
#define CLOSED    "{'command':'ROOM_CLOSED','roomId':'%s','message':'Room closed by administrator'}"
#define NO_ROOM   "{'command':'ERROR','message':'Cannot get players. No room joined.'}"

static void one_player_is_kicked(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p, other;
    char room[33];
    enter_as(f, &p, "p");
    enter_as(f, &other, "other");
    create_room(&p, room);
    join_room(&other, room);
    fake_moderate(f, NOTICE_KICK, p.id);
    hear(&p, BYE("Disconnected by administrator"));
    hear_close(&p, CLOSE_KICK);
    say(&other, "{'command':'GET_ROOM_PLAYERS'}");
    hear(&other, "{'command':'ROOM_PLAYERS','roomId':'%s','players':[{'id':'%s','name':'other'}]}",
         room, other.id);
    say(&other, "{'command':'LIST_ROOMS'}"); /* the host went with the player */
    hear(&other,
         "{'command':'ROOM_LIST','rooms':[{'id':'%s','name':'room','playerCount':1,"
         "'isActive':false,'hostId':'%s'}]}",
         room, other.id);
    assert_int_equal(fake_view(f).sessions, 1);
    stop(f);
}

static void everybody_is_kicked(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p, stranger;
    char room[33];
    enter_as(f, &p, "p");
    create_room(&p, room);
    enter(f, &stranger, HERE);
    fake_moderate(f, NOTICE_KICK, "");
    hear(&p, BYE("Server is closing all connections"));
    hear_close(&p, CLOSE_KICK);
    hear(&stranger, BYE("Server is closing all connections"));
    hear_close(&stranger, CLOSE_KICK);
    assert_int_equal(fake_view(f).rooms, 0);
    stop(f);
}

static void a_room_is_closed(void **state)
{
    (void)state;
    struct fake *f = SERVE("racing.room_events=true");
    struct player p, q, elsewhere;
    char room[33], other[33];
    enter_as(f, &p, "p");
    enter_as(f, &q, "q");
    enter_as(f, &elsewhere, "elsewhere");
    create_room(&p, room);
    join_room(&q, room);
    hear(&p, "{'command':'PLAYER_JOINED','sessionId':'%s','name':'q','roomId':'%s'}", q.id, room);
    create_room(&elsewhere, other);
    fake_moderate(f, NOTICE_CLOSE_ROOM, room);
    hear(&p, CLOSED, room);
    hear(&q, CLOSED, room);
    ask(&p, "{'command':'GET_ROOM_PLAYERS'}", NO_ROOM);
    ask(&q, "{'command':'GET_ROOM_PLAYERS'}", NO_ROOM);
    hear_nothing(&elsewhere);
    assert_int_equal(fake_view(f).rooms, 1);
    fake_moderate(f, NOTICE_CLOSE_ROOM, "");
    hear(&elsewhere, CLOSED, other);
    assert_int_equal(fake_view(f).rooms, 0);
    assert_int_equal(fake_view(f).sessions, 3);
    stop(f);
}

static void unknown_ids_hurt_nobody(void **state)
{
    (void)state;
    struct fake *f = SERVE(NULL);
    struct player p;
    char room[33];
    enter_as(f, &p, "p");
    create_room(&p, room);
    fake_moderate(f, NOTICE_KICK, room);
    fake_moderate(f, NOTICE_KICK, "x");
    fake_moderate(f, NOTICE_CLOSE_ROOM, p.id);
    hear_nothing(&p);
    assert_int_equal(fake_view(f).players_in_rooms, 1);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_player_is_kicked),
        cmocka_unit_test(everybody_is_kicked),
        cmocka_unit_test(a_room_is_closed),
        cmocka_unit_test(unknown_ids_hurt_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
