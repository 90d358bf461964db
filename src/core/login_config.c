#include "core/login.h"

static const struct config_row rows[] = {
    {"accounts.failed_login_threshold", CONFIG_INT, "5", 0, GUARD_THRESHOLD_MAX, NULL, CONFIG_LIVE,
     "Wrong passwords within ten minutes after which an address is banned, and an account that is "
     "guessed at from several addresses locked; 0 for neither."},
    {"accounts.login_ban_s", CONFIG_INT, "3600", 0, 31536000, NULL, CONFIG_LIVE,
     "Seconds for which an address that guesses passwords is banned (limits.exempt aside); 0 for "
     "no ban."},
    {"accounts.lock_s", CONFIG_INT, "900", 1, 86400, NULL, CONFIG_LIVE,
     "Seconds for which an account is locked that is guessed at from several addresses."},
    {"accounts.monitor", CONFIG_BOOL, "true", 0, 0, NULL, CONFIG_LIVE,
     "Lock accounts that are guessed at from several addresses; addresses they signed in from "
     "within 30 days still get in, and the last administrator is never locked."},
    {"accounts.single_login_scope", CONFIG_ENUM, "game", 0, 0, "game|server", CONFIG_LIVE,
     "Where a second login of an account counts as one: in the same game, or in any."},
    {"accounts.resume_ttl_s", CONFIG_INT, "86400", 0, 2592000, NULL, CONFIG_LIVE,
     "Seconds for which an unused resume token is good; 0 makes none."},
    {"accounts.staff_second_factor", CONFIG_ENUM, "optional", 0, 0, "off|optional|required",
     CONFIG_LIVE,
     "One-time codes at login: asked of nobody, of accounts that have them, or also refused to "
     "staff without them."},
    {"accounts.staff_password_min", CONFIG_INT, "12", 1, 72, NULL, CONFIG_LIVE,
     "Shortest password in bytes with which a game master or administrator is let in."},
};

const struct config_table accounts_config = {rows, ARRAY_LEN(rows)};

void login_policy_load(struct login_policy *p, const struct config *c)
{
    p->factor = (enum login_factor)config_enum(c, "accounts.staff_second_factor");
    p->staff_password_min = (uint32_t)config_int(c, "accounts.staff_password_min");
    p->resume_s = (uint32_t)config_int(c, "accounts.resume_ttl_s");
    p->server_scope = config_enum(c, "accounts.single_login_scope") == 1;
}

void login_guard_policy_load(struct login_guard_policy *p, const struct config *c)
{
    *p = (struct login_guard_policy){
        .threshold = (uint32_t)config_int(c, "accounts.failed_login_threshold"),
        .ban_s = (uint32_t)config_int(c, "accounts.login_ban_s"),
        .lock_s =
            config_bool(c, "accounts.monitor") ? (uint32_t)config_int(c, "accounts.lock_s") : 0,
    };
}
