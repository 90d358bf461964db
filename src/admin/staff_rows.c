/* The moderation commands, one row each (docs/moderation.md says them to people). A row
 * with words of its own behind the name stands before the one without. */
#include "admin/staff_priv.h"

#define W(i) (1u << (i)) /* a word that is a password */

const struct staff_row staff_rows[] = {
    /* name, alias, words, level, switch, lasting, secret, form, help, function */
    {"kick", "k", NULL, 2, GATE_NONE, true, 0, "NAME|#ID | account ACCOUNT",
     "ends a player's session, or all of an account", run_kick},
    {"ban", NULL, NULL, 2, GATE_NONE, true, 0, "account|ip|both NAME|#ID|ACCOUNT [REASON]",
     "keeps an account, an address or both out, and ends their sessions", run_ban},
    {"mute", NULL, NULL, 2, GATE_NONE, true, 0, "NAME|#ID [allchars|remove]",
     "takes a player's chat away or gives it back; allchars: in every game until remove", run_mute},
    {"jump", NULL, NULL, 2, GATE_TELEPORT, false, 0, "to NAME | to X Y Z | NAME to NAME",
     "moves yourself or a player", run_jump},
    {"announce", NULL, NULL, 2, GATE_NONE, true, 0, "log|window|send|center|confirm TEXT",
     "tells every player", run_announce},
    {"clientlist", NULL, NULL, 2, GATE_NONE, false, 0, "[full]",
     "who is online; full: with account and address", run_clientlist},
    {"sameip", NULL, NULL, 2, GATE_NONE, false, 0, "", "players that share an address", run_sameip},
    {"gminfo", NULL, NULL, 2, GATE_NONE, false, 0, "NAME|#ID", "what is known of a player",
     run_gminfo},
    {"player", NULL, NULL, 2, GATE_PLAYERS, true, 0, "info|level|money NAME|#ID [NUMBER]",
     "shows a character, or sets its level or gives it money", run_player},
    {"item", NULL, NULL, 2, GATE_ITEMS, true, 0, "create TEMPLATE [COUNT]",
     "makes items in your own bag", run_item},
    {"heal", NULL, NULL, 2, GATE_PLAYERS, false, 0, "[NAME|#ID]", "full health", run_heal},
    {"team", "te", NULL, 2, GATE_NONE, false, 0, "TEXT", "tells the staff that is online",
     run_team},
    {"plvl", NULL, NULL, 3, GATE_ACCOUNTS, true, 0,
     "LEVEL NAME | single|singleaccount|remove|removeaccount COMMAND NAME",
     "sets an account's level; grants it one command, or takes it back", run_plvl},
    {"account", NULL, "export", 1, GATE_NONE, true, W(2), "export PASSWORD",
     "everything that is held about your own account", run_account_export},
    {"account", NULL, "delete own", 1, GATE_NONE, true, W(3), "delete own PASSWORD",
     "deletes your own account for good", run_account_delete_own},
    {"account", NULL, NULL, 3, GATE_ACCOUNTS, true, W(3),
     "create NAME PASSWORD | changepassword NAME PASSWORD | delete NAME | status NAME "
     "[suspend|restore] | unban NAME | accountname NAME",
     "accounts", run_account},
    {"password", NULL, NULL, 1, GATE_NONE, true, W(1) | W(2) | W(3), "OLD NEW",
     "changes your password and ends your other sessions", run_password},
    {"shutdown", NULL, NULL, 3, GATE_SHUTDOWN, true, 0, "SECONDS | on HH:MM | stop",
     "ends the server after a countdown; the time of day is UTC", run_shutdown},
    {"snoop", NULL, NULL, 3, GATE_SNOOP, true, 0, "NAME|#ID [remove]",
     "copies of what a player says and is told, until remove", run_snoop},
};
const size_t staff_rows_n = ARRAY_LEN(staff_rows);
