/* The statements of every operation. What is said of PostgreSQL in passing is why a statement is
 * as it is: one that fails there takes its whole transaction with it, so what can be foreseen is a
 * condition or a conflict clause, never an error. */
#include "base/check.h"
#include "store/ask_sql.h"

/* Kept of an account, the oldest go first. */
#define KNOWN_ADDRESSES_MAX "64"
#define TOKENS_OTHERS_MAX   "15" /* of a game, beside the new one */
#define RECOVERY_MAX        "32"

/* Rows asked for; one past the ceiling shows that there are more. */
#define ALL         " LIMIT 1001"
#define NEWEST      " LIMIT 1000"
#define MOST(p)     " LIMIT CASE WHEN " p " > 1001 THEN 1001 WHEN " p " < 0 THEN 0 ELSE " p " END"
#define PURGED_ONCE "1000"
_Static_assert(QUERY_ROWS_MAX == 1000, "as in the texts above");

#define READ(map, text)        \
    {                          \
        text, false, true, map \
    }
#define WRITE(map, text)      \
    {                         \
        text, true, true, map \
    }
#define SILENT(map, text)      \
    {                          \
        text, true, false, map \
    }
#define ONE(op, statement) [(size_t)(op)*ASK_STEPS_MAX] = statement
#define TWO(op, first, second) \
    [(size_t)(op)*ASK_STEPS_MAX] = first, [(size_t)(op)*ASK_STEPS_MAX + 1] = second

#define LOCK SILENT("", "UPDATE store_lock SET n = n + 1 WHERE name = 'account'")

#define SECOND_FACTOR \
    " CASE WHEN EXISTS (SELECT 1 FROM otp WHERE otp.account = account.id) THEN 1 ELSE 0 END"
#define LOGIN_COLUMNS " id, name, password, password_min, level, suspended, muted, locked_until_ms,"
#define FIND(where)   "SELECT" LOGIN_COLUMNS SECOND_FACTOR " FROM account WHERE " where

#define ACCOUNT_COLUMNS                                                    \
    " id, name, email, level, suspended, locked_until_ms, muted, faction," \
    " created_ms, last_login_ms, last_login_address, display_name, notes," \
    " password_min," SECOND_FACTOR
#define ACCOUNTS(rest) "SELECT" ACCOUNT_COLUMNS " FROM account " rest

/* Somebody is an admin, may sign in, and is another. */
#define OTHER_ADMIN(id, now)                                            \
    "EXISTS (SELECT 1 FROM account a WHERE a.level > 1 AND a.level = 3" \
    " AND a.suspended = 0 AND a.locked_until_ms <= " now " AND a.id <> " id ")"

#define SESSION_COLUMNS " token, account, game, node, status, endpoint, created_ms, expires_ms"
#define BAN_COLUMNS                                                      \
    " id, kind, account, address, bits, game, reason, author, evidence," \
    " created_ms, expires_ms"
#define AUDIT_COLUMNS                                                     \
    " node, seq, time_ms, type, subtype, game, account, player, address," \
    " target, details, prev, hash"

/* Removes what is over, a ceiling's worth at a time. */
#define PURGE(table, key, over)                                                       \
    WRITE("1", "DELETE FROM " table " WHERE (" key ") IN (SELECT " key " FROM " table \
               " WHERE " over " LIMIT " PURGED_ONCE ") RETURNING 1")

#define SET(column) WRITE("21", "UPDATE account SET " column " = $1 WHERE id = $2 RETURNING id")

const struct sql_statement ask_statements[ASK_STATEMENTS_N] = {
    /* ---- accounts and their passwords */
    ONE(ASK_OP_FIND, READ("1", FIND("name = $1"))),
    ONE(ASK_OP_FIND_FOLD,
        READ("~11", FIND("name_fold = $1 ORDER BY CASE WHEN name = $2 THEN 0 ELSE 1 END, id"
                         " LIMIT 1"))),
    ONE(ASK_OP_FIND_EMAIL,
        READ("~11", FIND("email_fold = $1 OR name = $2"
                         " ORDER BY CASE WHEN email_fold = $1 THEN 0 ELSE 1 END, id LIMIT 1"))),
    ONE(ASK_OP_FIND_EMAIL_FOLD,
        READ("~11", FIND("email_fold = $1 OR name_fold = $1"
                         " ORDER BY CASE WHEN email_fold = $1 THEN 0 WHEN name = $2 THEN 1 ELSE 2"
                         " END, id LIMIT 1"))),
    ONE(ASK_OP_FIND_ID, READ("1", FIND("id = $1"))),
    ONE(ASK_OP_CREATE,
        WRITE("1~1234", "INSERT INTO account (name, name_fold, password, password_min, created_ms)"
                        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
                        " RETURNING" LOGIN_COLUMNS " 0")),
    TWO(ASK_OP_CREATE_FOLD, LOCK,
        WRITE("1~1234", "INSERT INTO account (name, name_fold, password, password_min, created_ms)"
                        " SELECT $1, $2, $3, $4, $5"
                        " WHERE NOT EXISTS (SELECT 1 FROM account WHERE name_fold = $2)"
                        " ON CONFLICT DO NOTHING RETURNING" LOGIN_COLUMNS " 0")),
    ONE(ASK_OP_SET_PASSWORD, WRITE("3412", "UPDATE account SET password = $1, password_min = $2"
                                           " WHERE id = $3 AND password = $4 RETURNING id")),
    ONE(ASK_OP_TOUCH,
        WRITE("231", "UPDATE account SET last_login_ms = $1, last_login_address = NULLIF($2, '')"
                     " WHERE id = $3 RETURNING id")),

    /* ---- accounts */
    ONE(QUERY_ACCOUNT_BY_NAME, READ("1", ACCOUNTS("WHERE name = $1"))),
    ONE(QUERY_ACCOUNT_BY_EMAIL, READ("~1", ACCOUNTS("WHERE email_fold = $1"))),
    ONE(QUERY_ACCOUNT_BY_ID, READ("1", ACCOUNTS("WHERE id = $1"))),
    ONE(QUERY_ACCOUNT_LIST, READ("12", ACCOUNTS("WHERE name > $1 ORDER BY name" MOST("$2")))),
    ONE(QUERY_ACCOUNT_STAFF, READ("", ACCOUNTS("WHERE level > 1 ORDER BY name" ALL))),
    TWO(QUERY_ACCOUNT_SET_LEVEL, LOCK,
        WRITE("21@", "UPDATE account SET level = $1 WHERE id = $2 AND $1 BETWEEN 1 AND 3"
                     " AND (level <> 3 OR $1 = 3 OR " OTHER_ADMIN("$2", "$3") ") RETURNING id")),
    TWO(QUERY_ACCOUNT_SET_SUSPENDED, LOCK,
        WRITE("21@", "UPDATE account SET suspended = CASE WHEN $1 = 0 THEN 0 ELSE 1 END"
                     " WHERE id = $2 AND (level <> 3 OR $1 = 0 OR " OTHER_ADMIN(
                         "$2", "$3") ")"
                                     " RETURNING id")),
    TWO(QUERY_ACCOUNT_LOCK, LOCK,
        WRITE("21@", "UPDATE account SET locked_until_ms = $1 WHERE id = $2 AND $1 >= 0"
                     " AND (level <> 3 OR $1 <= $3 OR " OTHER_ADMIN("$2", "$3") ")"
                                                                                " RETURNING id")),
    TWO(QUERY_ACCOUNT_SET_EMAIL, LOCK,
        WRITE("2~21", "UPDATE account SET email = $1, email_fold = $2 WHERE id = $3"
                      " AND NOT EXISTS (SELECT 1 FROM account a WHERE a.email_fold = $2"
                      " AND a.id <> $3) RETURNING id")),
    ONE(QUERY_ACCOUNT_SET_DISPLAY_NAME, SET("display_name")),
    ONE(QUERY_ACCOUNT_SET_NOTES, SET("notes")),
    ONE(QUERY_ACCOUNT_SET_MUTED,
        WRITE("21", "UPDATE account SET muted = CASE WHEN $1 = 0 THEN 0 ELSE 1 END"
                    " WHERE id = $2 RETURNING id")),
    ONE(QUERY_ACCOUNT_SET_FACTION, SET("faction")),
    TWO(QUERY_ACCOUNT_DELETE, LOCK, /* the rest by its references */
        WRITE("1@", "DELETE FROM account WHERE id = $1 AND (level <> 3 OR " OTHER_ADMIN(
                        "$1", "$2") ") RETURNING id")),
    ONE(QUERY_STATISTIC_ADD, /* stops at the ends: PostgreSQL refuses, SQLite goes on in floats */
        WRITE("2341",
              "INSERT INTO statistic (account, game, name, value)"
              " SELECT id, $1, $2, $3 FROM account WHERE id = $4"
              " ON CONFLICT (account, game, name) DO UPDATE SET value = CASE"
              " WHEN excluded.value > 0 AND statistic.value > 9223372036854775807 - excluded.value"
              " THEN 9223372036854775807"
              " WHEN excluded.value < 0 AND statistic.value < -9223372036854775807 - excluded.value"
              " THEN -9223372036854775807"
              " ELSE statistic.value + excluded.value END RETURNING account")),
    ONE(QUERY_STATISTICS, READ("1", "SELECT game, name, value FROM statistic WHERE account = $1"
                                    " ORDER BY game, name" ALL)),

    /* ---- known addresses */
    TWO(QUERY_KNOWN_ADDRESS_PUT,
        WRITE("231", "INSERT INTO known_address (account, address, seen_ms)"
                     " SELECT id, $1, $2 FROM account WHERE id = $3"
                     " ON CONFLICT (account, address) DO UPDATE SET seen_ms = CASE"
                     " WHEN excluded.seen_ms > known_address.seen_ms THEN excluded.seen_ms"
                     " ELSE known_address.seen_ms END RETURNING account"),
        SILENT("1", "DELETE FROM known_address WHERE account = $1 AND address NOT IN ("
                    "SELECT address FROM known_address WHERE account = $1"
                    " ORDER BY seen_ms DESC, address LIMIT " KNOWN_ADDRESSES_MAX ")")),
    ONE(QUERY_KNOWN_ADDRESS_HAS,
        READ("123", "SELECT 1 FROM known_address WHERE account = $1 AND address = $2"
                    " AND seen_ms >= $3")),
    ONE(QUERY_KNOWN_ADDRESSES,
        READ("1", "SELECT address, seen_ms FROM known_address WHERE account = $1"
                  " ORDER BY seen_ms DESC, address" ALL)),
    ONE(QUERY_KNOWN_ADDRESS_PURGE, PURGE("known_address", "account, address", "seen_ms < $1")),

    /* ---- resume tokens */
    TWO(QUERY_TOKEN_PUT,
        WRITE("13452", "INSERT INTO resume_token (hash, game, created_ms, expires_ms, account)"
                       " SELECT $1, $2, $3, $4, id FROM account WHERE id = $5"
                       " ON CONFLICT DO NOTHING RETURNING account"),
        SILENT("231", "DELETE FROM resume_token WHERE account = $1 AND game = $2 AND hash <> $3"
                      " AND hash NOT IN (SELECT hash FROM resume_token WHERE account = $1"
                      " AND game = $2 AND hash <> $3 ORDER BY created_ms DESC, hash"
                      " LIMIT " TOKENS_OTHERS_MAX ")")),
    ONE(QUERY_TOKEN_REDEEM,
        WRITE("123", "DELETE FROM resume_token WHERE hash = $1 AND game = $2 AND expires_ms > $3"
                     " RETURNING account")),
    ONE(QUERY_TOKEN_DROP, WRITE("12", "DELETE FROM resume_token WHERE account = $1"
                                      " AND ($2 IS NULL OR game = $2) RETURNING account")),
    ONE(QUERY_TOKEN_LIST, READ("1", "SELECT game, created_ms, expires_ms FROM resume_token"
                                    " WHERE account = $1 ORDER BY created_ms DESC, hash" NEWEST)),
    ONE(QUERY_TOKEN_PURGE, PURGE("resume_token", "hash", "expires_ms <= $1")),

    /* ---- sessions */
    ONE(QUERY_SESSION_CREATE,
        WRITE("13456782",
              "INSERT INTO session (token, game, node, status, endpoint, created_ms, expires_ms,"
              " account) SELECT $1, $2, $3, $4, $5, $6, $7, id FROM account WHERE id = $8"
              " ON CONFLICT DO NOTHING RETURNING account")),
    ONE(QUERY_SESSION_BY_TOKEN, READ("12", "SELECT" SESSION_COLUMNS " FROM session WHERE token = $1"
                                           " AND expires_ms > $2")),
    ONE(QUERY_SESSION_BY_ACCOUNT,
        READ("123", "SELECT" SESSION_COLUMNS " FROM session WHERE account = $1 AND game = $2"
                    " AND expires_ms > $3 ORDER BY created_ms, token" ALL)),
    ONE(QUERY_SESSION_LIST,
        READ("1", "SELECT game, status, endpoint, created_ms, expires_ms FROM session"
                  " WHERE account = $1 ORDER BY created_ms DESC, token" NEWEST)),
    ONE(QUERY_SESSION_BY_ENDPOINT,
        READ("123", "SELECT" SESSION_COLUMNS " FROM session WHERE game = $1 AND endpoint = $2"
                    " AND expires_ms > $3 ORDER BY created_ms DESC, token LIMIT 1")),
    ONE(QUERY_SESSION_BIND,
        WRITE("2341", "UPDATE session SET endpoint = $1, status = $2, expires_ms = $3"
                      " WHERE token = $4 RETURNING account")),
    ONE(QUERY_SESSION_STATUS,
        WRITE("231", "UPDATE session SET status = $1, expires_ms = $2 WHERE token = $3"
                     " RETURNING account")),
    ONE(QUERY_SESSION_END, WRITE("1", "DELETE FROM session WHERE token = $1 RETURNING account")),
    ONE(QUERY_SESSION_END_ACCOUNT,
        WRITE("12", "DELETE FROM session WHERE account = $1 AND ($2 IS NULL OR game = $2)"
                    " RETURNING account")),
    ONE(QUERY_SESSION_PURGE, PURGE("session", "token", "expires_ms <= $1")),

    /* ---- bans */
    ONE(QUERY_BAN_ADD,
        WRITE("123456789a",
              "INSERT INTO ban (kind, account, address, bits, game, reason, author, evidence,"
              " created_ms, expires_ms) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10"
              " WHERE $2 IS NULL OR EXISTS (SELECT 1 FROM account WHERE id = $2) RETURNING id")),
    ONE(QUERY_BAN_REMOVE, WRITE("1", "DELETE FROM ban WHERE id = $1 RETURNING id")),
    ONE(QUERY_BAN_GET, READ("1", "SELECT" BAN_COLUMNS " FROM ban WHERE id = $1")),
    ONE(QUERY_BAN_LIST,
        READ("123", "SELECT" BAN_COLUMNS " FROM ban WHERE id > $1"
                    " AND (expires_ms = 0 OR expires_ms > $2) ORDER BY id" MOST("$3"))),
    ONE(QUERY_BAN_PURGE, PURGE("ban", "id", "expires_ms <> 0 AND expires_ms <= $1")),

    /* ---- single permissions */
    ONE(QUERY_GRANT_ADD,
        WRITE("2341", "INSERT INTO permission (command, granter, granted_ms, account)"
                      " SELECT $1, $2, $3, id FROM account WHERE id = $4"
                      " ON CONFLICT DO NOTHING RETURNING account")),
    ONE(QUERY_GRANT_REMOVE, WRITE("12", "DELETE FROM permission WHERE account = $1 AND command = $2"
                                        " RETURNING account")),
    ONE(QUERY_GRANT_LIST,
        READ("1", "SELECT command, granter, granted_ms FROM permission WHERE account = $1"
                  " ORDER BY command" ALL)),

    /* ---- second factor */
    ONE(QUERY_OTP_SET,
        WRITE("21", "INSERT INTO otp (secret, step, account)"
                    " SELECT $1, 0, id FROM account WHERE id = $2"
                    " ON CONFLICT (account) DO UPDATE SET secret = excluded.secret, step = 0"
                    " RETURNING account")),
    ONE(QUERY_OTP_GET, READ("1", "SELECT secret, step FROM otp WHERE account = $1")),
    ONE(QUERY_OTP_STEP, WRITE("21", "UPDATE otp SET step = $1 WHERE account = $2 AND step < $1"
                                    " RETURNING account")),
    TWO(QUERY_OTP_CLEAR, SILENT("1", "DELETE FROM recovery_code WHERE account = $1"),
        WRITE("1", "DELETE FROM otp WHERE account = $1 RETURNING account")),
    ONE(QUERY_RECOVERY_PUT,
        WRITE("21", "INSERT INTO recovery_code (hash, account)"
                    " SELECT $1, id FROM account WHERE id = $2 AND (SELECT COUNT(*)"
                    " FROM recovery_code WHERE account = $2) < " RECOVERY_MAX
                    " ON CONFLICT DO NOTHING RETURNING account")),
    ONE(QUERY_RECOVERY_USE, WRITE("12", "DELETE FROM recovery_code WHERE account = $1 AND hash = $2"
                                        " RETURNING account")),

    /* ---- audit */
    ONE(QUERY_AUDIT_APPEND,
        WRITE("123456789abcd", "INSERT INTO audit_record (" AUDIT_COLUMNS ")"
                               " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
                               " ON CONFLICT DO NOTHING RETURNING seq")),
    ONE(QUERY_AUDIT_TAIL,
        READ("1", "SELECT seq, hash FROM audit_record WHERE node = $1 ORDER BY seq DESC LIMIT 1")),
    ONE(QUERY_AUDIT_LIST,
        READ("12345678", "SELECT" AUDIT_COLUMNS " FROM audit_record WHERE node = $1 AND seq > $2"
                         " AND time_ms >= $3 AND ($4 = 0 OR type = $4)"
                         " AND ($5 = 0 OR subtype = $5) AND ($6 = '' OR account = $6)"
                         " AND ($7 = '' OR player = $7) ORDER BY seq" MOST("$8"))),
    ONE(QUERY_AUDIT_ABOUT,
        READ("1234", "SELECT" AUDIT_COLUMNS " FROM audit_record WHERE node = $1 AND seq > $2"
                     " AND target = $3 AND account <> $3 ORDER BY seq" MOST("$4"))),
    ONE(QUERY_AUDIT_LAST, READ("12", "SELECT" AUDIT_COLUMNS " FROM audit_record WHERE node = $1"
                                     " ORDER BY seq DESC" MOST("$2"))),
    ONE(QUERY_AUDIT_NODES,
        READ("", "SELECT node, MIN(seq), MAX(seq) FROM audit_record GROUP BY node"
                 " ORDER BY node" ALL)),
    ONE(QUERY_AUDIT_PURGE,
        WRITE("12", "DELETE FROM audit_record WHERE node = $1 AND seq IN (SELECT seq"
                    " FROM audit_record WHERE node = $1 AND seq <= $2 ORDER BY seq"
                    " LIMIT " PURGED_ONCE ") RETURNING seq")),
    ONE(QUERY_AUDIT_HEAD_ADD,
        WRITE("123456", "INSERT INTO audit_head (node, kind, seq, time_ms, hash, signature)"
                        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
                        " RETURNING seq")),
    ONE(QUERY_AUDIT_HEADS,
        READ("123", "SELECT kind, seq, time_ms, hash, signature FROM audit_head"
                    " WHERE node = $1 AND seq > $2 ORDER BY seq, kind" MOST("$3"))),
    ONE(QUERY_AUDIT_HEAD_PURGE, /* kind 1: CHAIN_SIGNED */
        WRITE("12", "DELETE FROM audit_head WHERE node = $1 AND kind = 1 AND seq IN (SELECT seq"
                    " FROM audit_head WHERE node = $1 AND kind = 1 AND seq <= $2 ORDER BY seq"
                    " LIMIT " PURGED_ONCE ") RETURNING seq")),
};
