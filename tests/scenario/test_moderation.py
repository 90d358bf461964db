"""Moderation commands, said in chat and by the operator of the machine."""
import re

import pytest

from harness.messages import wire
from harness.operator import Operator
from harness.player import fresh_name
from harness.waiting import until

PASSWORD = "a long enough phrase"


@pytest.fixture(scope="module")
def operator(server):
    return Operator(server)


@pytest.fixture
def staff(operator, connect):
    """A player of this level, signed in: staff(2)."""
    def make(level, password=PASSWORD):
        name = fresh_name("staff")
        operator.account(name, password, "--level", str(level))
        return connect().log_in(name, password)
    return make


def say(player, line):
    """Says a command to oneself; the answer's text. RELAY_OK follows."""
    answer = player.get("RELAY_MESSAGE", targetId=player.id, message=line)
    assert answer["command"] == "RELAYED_MESSAGE", answer
    assert (answer["senderId"], answer["senderName"]) == ("Server", "Server")
    assert player.line() == wire({"command": "RELAY_OK", "targetId": player.id})
    return answer["message"]


def said(player):
    answer = player.line()
    assert b'"senderName":"Server"' in answer
    return re.search(rb'"message":"(.*)"', answer).group(1).decode()


def test_only_a_slash_to_oneself_is_a_command(join_server):
    """Games use the relay for commands of their own."""
    player, other = join_server(), join_server()
    for text in ("kick bob", " /kick bob", ""):
        if text:
            assert player.get("RELAY_MESSAGE", targetId=player.id, message=text)["message"] == text
            assert player.get("PING")["command"] == "RELAY_OK"
            player.line()
    player.send("RELAY_MESSAGE", targetId=other.id, message="/kick bob")
    assert b'"message":"/kick bob"' in other.line() and b"RELAY_OK" in player.line()


@pytest.mark.parametrize("line", ["/kick {}", "/ban account {}", "/plvl 3 {}", "/shutdown 0", "/fly", "/KICK {}"])
def test_what_one_may_not_looks_like_what_is_not_there(join_server, line):
    player = join_server()
    word = line[1:].split()[0]
    assert say(player, line.format(player.name)) == f"No such command ({word})"
    player.nothing_else()


def test_denials_are_audited_a_few_a_minute(join_server, server):
    player = join_server()
    words = ["kick", "ban", "mute", "announce", "clientlist", "sameip", "gminfo", "player"]
    for word in words:
        assert say(player, f"/{word}") == f"No such command ({word})"
    [account] = {m for m in re.findall(r"staff\.denied .*account=(\d+) command=/gminfo|$^", server.log()) if m} or {None}
    assert account is None, "the fifth denial of a minute is the last that is kept"
    kept = re.findall(r"staff\.denied .*account=(\d+)", server.log())
    assert kept.count(kept[-1]) == 5


def test_the_same_command_again_must_wait(join_server):
    player = join_server()
    assert say(player, "/fly") == "No such command (fly)"
    assert say(player, "/fly") == "Please wait before you use this command again."
    assert say(player, "/swim") == "No such command (swim)"


def test_staff_kicks_and_is_exempt_from_waiting(staff, join_server):
    master, player, other = staff(2), join_server(), join_server()
    assert say(master, f"/kick {player.name}") == "Kicked."
    assert player.closing() == [b'{"command":"BYE_ADMIN","message":"Disconnected by administrator"}']
    assert say(master, f"/k #{other.id[:8]}") == "Kicked."
    other.closing()
    assert say(master, f"/kick {player.name}") == f"No such player is online ({player.name})."
    assert say(master, "/kick") == "Usage: /kick NAME|#ID | account ACCOUNT"


def test_nobody_acts_on_his_equals_but_admins(staff):
    master, other, admin, second = staff(2), staff(2), staff(3), staff(3)
    for target in (other, admin):
        assert say(master, f"/kick {target.name}") == "The player's level is not below yours."
        assert say(master, f"/kick account {target.name}") == "The account's level is not below yours."
        assert say(master, f"/ban account {target.name}") == "The player's level is not below yours."
    assert say(admin, f"/ban account {admin.name}") == "Not on yourself."
    assert say(admin, f"/kick {second.name}") == "Kicked."
    second.closing()
    other.nothing_else()


def test_bans_by_name_end_the_session_and_unban_lifts_them(staff, join_server, connect):
    admin, player = staff(3), join_server()
    assert say(admin, f'/ban account {player.name} "was rude"').startswith("Banned (ban ")
    assert player.closing()[-1].startswith(b'{"command":"BYE_ADMIN"')
    assert connect().get("NAME", name=player.name, password="pw")["command"] != "NAME_OK"
    assert say(admin, f"/account unban {player.name}") == "A ban is lifted."
    until(lambda: connect().get("NAME", name=player.name, password="pw")["command"] == "NAME_OK", "let in again")
    assert say(admin, f"/ban ip {admin.name}") == "Not on yourself."


def test_who_only_calls_himself_so_is_no_shield(staff, join_server, connect):
    admin, player = staff(3), join_server()
    assert player.get("BYE")["command"] == "BYE_OK"
    player.closing()
    for _ in range(2):  # one alone was taken for the player, two for too many
        assert connect().get("NAME", name=player.name)["authenticated"] is False
        assert say(admin, f"/mute {player.name} allchars") == "Muted in every game."
        assert say(admin, f"/mute {player.name} remove") == "Not muted any more."
    assert say(admin, f"/ban account {player.name}").startswith("Banned (ban ")


def test_a_ban_of_an_address_reaches_nobody_above(operator, join_server, connect):
    master, other = (connect(source="127.0.9.1"), connect(source="127.0.9.2"))
    for player, level in (master, 2), (other, 2):
        name = fresh_name("staff")
        operator.account(name, PASSWORD, "--level", str(level))
        player.log_in(name, PASSWORD)
    target = connect(source="127.0.9.2").log_in(fresh_name("target"))
    above = "Somebody whose level is not below yours plays from the same address."
    assert say(master, f"/ban ip {target.name}") == above
    assert say(master, f"/ban both {target.name}") == above
    other.nothing_else()
    other.get("BYE")
    other.closing()
    until(lambda: "only by force" in say(master, f"/ban ip {target.name}"), "as every loopback address is refused")


def test_exports_of_all_players_have_a_pace(new_server, connect):
    """Each goes through the whole audit log: many accounts together must not keep the database busy."""
    server = new_server()
    players = [connect(server).log_in(fresh_name("p"), PASSWORD) for _ in range(13)]
    answers = [say(player, f'/account export "{PASSWORD}"') for player in players]
    assert all(answer.startswith("{") for answer in answers[:12])
    assert answers[12] == "Too many players ask for this now. Please try again in a minute."


def test_mute(staff, join_server):
    master, player, other = staff(2), join_server(), join_server()
    muted = {"command": "ERROR", "message": "You are muted."}
    assert say(master, f"/mute {player.name}") == "Muted."
    assert player.get("RELAY_MESSAGE", targetId=other.id, message="hi") == muted
    assert say(master, f"/mute {player.name}") == "Not muted any more."
    assert say(master, f"/mute {player.name} allchars") == "Muted in every game."
    assert player.get("RELAY_MESSAGE", targetId=other.id, message="hi") == muted
    assert say(master, f"/mute {player.name} remove") == "Not muted any more."
    assert player.get("RELAY_MESSAGE", targetId=other.id, message="hi")["command"] == "RELAY_OK"


def test_announcements_and_staff_chat(staff, join_server):
    master, second, player = staff(2), staff(2), join_server()
    assert say_among(master, "/announce send Race  at eight") == "Race  at eight"
    assert said(player) == "Race  at eight" and said(second) == "Race  at eight"
    text = f"[Team] {master.name}: hello you"
    assert say(master, "/te hello you") == text
    assert said(second) == text
    player.nothing_else()


def say_among(master, line):
    """The speaker hears an announcement too, before the answer."""
    master.send("RELAY_MESSAGE", targetId=master.id, message=line)
    text = said(master)
    assert said(master) == "Announced."
    assert b"RELAY_OK" in master.line()
    return text


def test_lists(staff, join_server):
    master, player = staff(2), join_server()
    assert f"{player.name} #{player.id[:8]} racing level 1" in say(master, "/clientlist")
    assert "127.0.0.1" in say(master, "/clientlist full")
    assert say(master, "/sameip").startswith("127.0.0.1: ")
    info = say(master, f"/gminfo {player.name}")
    assert f"Session: {player.id}" in info and "level 1" in info


@pytest.mark.parametrize("line,missing", [
    ("/jump to 1 2 3", "places to jump to"), ("/heal", "health"), ("/item create sword 2", "items"),
    ("/player level {} 5", "levels"), ("/player money {} 5", "money")])
def test_what_racing_has_not_is_said_plainly(staff, join_server, line, missing):
    assert say(staff(2), line.format(join_server().name)) == f"Racing has no {missing}."


def test_levels_and_single_grants(staff, join_server, operator):
    admin, player, victim = staff(3), join_server(), join_server()
    assert say(admin, f"/plvl singleaccount kick {player.name}") == "Granted."
    assert operator.ask("account", "why", player.name, "kick")["rule"] == "the account was granted this command"
    assert say(player, f"/kick {victim.name}") == "The player's level is not below yours.", "a grant is no rank"
    assert say(admin, f"/plvl removeaccount kick {player.name}") == "Taken back."
    why = operator.ask("account", "why", player.name, "kick")
    assert why["allowed"] is False and "level is too low" in why["rule"]
    assert say(admin, f"/plvl 2 {player.name}") == "The level is set."
    assert say(player, f"/kick {victim.name}") == "Kicked.", "in force at once"
    assert say(admin, f"/plvl 1 {admin.name}").startswith("This lowers your own level.")
    assert say(admin, f"/plvl 4 {player.name}") == "Give a whole number of 1 to 3."


def test_accounts_by_command_and_no_password_in_the_log(staff, connect, server):
    admin, name = staff(3), fresh_name()
    assert say(admin, f"/account create {name} hunter2-hunter2") == "Account created."
    assert say(admin, f"/account changepassword {name} hunter3-hunter3") == "Password changed."
    assert connect().get("NAME", name=name, password="hunter3-hunter3")["command"] == "NAME_OK"
    assert say(admin, f"/account status {name} suspend") == "Suspended."
    assert '"suspended":true' in say(admin, f"/account status {name}")
    assert say(admin, f"/account delete {name}") == "Account deleted."
    assert "no such account" in say(admin, f"/account delete {name}")
    assert "hunter" not in server.log()


def ask_once(player, line):
    """The first line of the answer; the RELAY_OK behind a refusal is read too."""
    answer = player.ask("RELAY_MESSAGE", targetId=player.id, message=line)
    if b"BYE_ADMIN" not in answer:
        player.line()
    return answer


def test_own_password_and_own_account(join_server, connect):
    player = join_server(password="old-enough")
    assert "password is wrong" in say(player, "/password guess another-one")
    other = join_server()
    assert "too short" in say(other, "/password pw short")
    again = join_server(password="old-enough")
    assert say(again, "/password old-enough another-one") == "Your password is changed. Other sessions end."
    assert connect().get("NAME", name=again.name, password="old-enough")["command"] == "AUTH_FAILED"
    assert '"audit_complete":true' in say(again, "/account export another-one")
    assert say(again, "/account delete own another-one").startswith("Please wait")
    until(lambda: b"Signed out" in ask_once(again, "/account delete own another-one"), "gone")
    assert again.closing() == []
    assert connect().get("NAME", name=again.name, password="fresh start")["command"] == "NAME_OK"


def test_lines_behind_a_command_wait_for_it(staff):
    master = staff(2)
    master.send_raw(b"".join(wire({"command": "RELAY_MESSAGE", "targetId": master.id, "message": "/gminfo nobody"})
                             + b"\n" + wire({"command": "PING"}) + b"\n" for _ in range(3)))
    words = [re.search(rb'"command":"(\w+)"', master.line()).group(1) for _ in range(9)]
    assert words == [b"RELAYED_MESSAGE", b"RELAY_OK", b"PONG"] * 3


def test_the_operator_says_commands_too(operator, join_server):
    player = join_server()
    assert player.name in operator.say("/clientlist")
    assert operator.say("/heal") == "You are not in a game."
    assert operator.say(f"/kick {player.name}") == "Kicked."
    player.closing()
    assert operator.say("/fly") == "No such command (fly)"


def test_switches_and_disabled_commands(new_server):
    server = new_server(staff__admin_can_shutdown=False, staff__disabled_commands="/kick te", staff__snoop=True)
    operator = Operator(server)
    operator.account("boss", PASSWORD, "--admin")
    assert operator.say("/shutdown 0") == "No such command (shutdown)"
    assert operator.say("/k bob") == "No such command (k)"
    assert operator.say("/team hello") == "No such command (team)"
    assert operator.say("/snoop bob") == "No such player is online (bob)."
    why = operator.ask("account", "why", "boss", "/shutdown")
    assert (why["allowed"], why["key"]) == (False, "staff.admin_can_shutdown")
    assert "disabled_commands" in operator.ask("account", "why", "boss", "kick")["rule"]


def test_a_shutdown_counts_down(new_server, connect):
    server = new_server()
    operator = Operator(server)
    player = connect(server).log_in(fresh_name())
    assert operator.say("/shutdown stop") == "There is no countdown."
    assert operator.say("/shutdown 3600") == "The server goes down in 3600 seconds."
    assert said(player) == "The server goes down in 3600 seconds."
    assert operator.say("/shutdown stop") == "The countdown is stopped."
    assert said(player) == "The server does not go down after all."
    assert operator.say("/shutdown 1") == "The server goes down in 1 seconds."
    assert said(player) == "The server goes down in 1 second."
    assert b"BYE_ADMIN" in player.closing()[-1]
    assert server.wait_exit() == 0


def test_the_last_half_minute_lets_nobody_in(new_server, connect):
    server = new_server()
    operator = Operator(server)
    inside, shut = connect(server).log_in(fresh_name()), {"command": "ERROR",
                                                          "message": "Server is going down. Please come back later."}
    operator.say("/shutdown 31")
    connect(server).log_in(fresh_name()).close()
    operator.say("/shutdown 30")
    late = connect(server)
    assert late.get("NAME", name="late", password="pw") == shut
    assert late.get("NAME", name="late")["authenticated"] is False, "a name alone claims nothing"
    assert late.get("AUTHENTICATE", password="pw") == shut
    assert server.http_status("/readyz") == 503 and inside.get("PLAYER_INFO")["command"] == "RELAYED_MESSAGE"
    operator.say("/shutdown 3600")
    assert late.get("AUTHENTICATE", password="pw")["command"] == "AUTH_OK", "more time again"
    operator.say("/shutdown 5")
    operator.say("/shutdown stop")
    connect(server).log_in(fresh_name())
    assert server.http_status("/readyz") == 200


def test_an_account_is_muted_wherever_it_signs_in(staff, join_server, connect, server):
    """What /mute allchars does is kept with the account; without the word it ends with the session."""
    master, other, player = staff(2), join_server(), join_server()

    def after(command):
        assert say(master, command) in ("Muted.", "Muted in every game.", "Not muted any more.")
        again = connect().log_in(player.name)
        answer = again.get("RELAY_MESSAGE", targetId=other.id, message="hi")["command"]
        if answer == "RELAY_OK":
            other.line()
        again.close()
        return answer
    assert after(f"/mute {player.name}") == "RELAY_OK"
    player.close()
    assert after(f"/mute {player.name} allchars") == "ERROR", "who is away"
    assert after(f"/mute {player.name} remove") == "RELAY_OK"


def snooped(player):
    answer = player.line()
    assert b'"senderName":"Server"' in answer
    return re.search(rb'"message":"(.*)"', answer).group(1).decode()


def test_snooping(new_server, connect):
    server = new_server(staff__snoop=True, log__level="info")
    operator = Operator(server)
    operator.account("boss", PASSWORD, "--admin")
    boss, (ann, bob) = connect(server).log_in("boss", PASSWORD), [connect(server).log_in(n) for n in ("ann", "bob")]

    def talk(a, b, text):
        assert a.get("RELAY_MESSAGE", targetId=b.id, message=text)["command"] == "RELAY_OK"
        assert text.encode() in b.line()
    assert operator.say("/snoop ann") == "You are not in the player's game."
    assert say(boss, "/snoop boss") == "Not on yourself."
    assert say(boss, "/snoop ann") == "You get copies until you say remove."
    recorded = operator.run("audit", "list", "--type", "GMCommand").stdout
    assert "/snoop ann" in recorded and "#1" in recorded, "what was said, and by whom"
    talk(ann, bob, "one")
    talk(bob, ann, "two")
    assert [snooped(boss), snooped(boss)] == ["[Snoop] ann > bob: one", "[Snoop] bob > ann: two"]
    talk(ann, boss, "three")
    boss.nothing_else()
    assert say(boss, "/snoop ann remove") == "No copies any more."
    talk(ann, bob, "four")
    assert say(boss, "/snoop ann") == "You get copies until you say remove."
    operator.account("deputy", PASSWORD, "--admin")
    operator.ask("account", "set", "boss", "--level", "2")
    talk(ann, bob, "five")
    boss.nothing_else()
    operator.ask("account", "set", "boss", "--level", "3")
    talk(ann, bob, "six")
    boss.nothing_else()


def test_snooping_is_off_unless_it_is_switched_on(staff, join_server):
    assert say(staff(3), f"/snoop {join_server().name}") == "No such command (snoop)"


def test_switching_snooping_off_ends_it(new_server, connect):
    server = new_server(config="[staff]\nsnoop = true\n")
    operator = Operator(server)
    operator.account("boss", PASSWORD, "--admin")
    boss, ann = connect(server).log_in("boss", PASSWORD), connect(server).log_in("ann")
    assert say(boss, "/snoop ann") == "You get copies until you say remove."
    (server.folder / "slipgate.ini").write_text("[staff]\nsnoop = false\n")
    assert operator.run("reload").returncode == 0
    assert ann.get("RELAY_MESSAGE", targetId=ann.id, message="alone")["message"] == "alone"
    boss.nothing_else()
    assert say(boss, "/snoop ann") == "No such command (snoop)"
