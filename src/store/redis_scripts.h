/* What runs inside Redis for operations of the cache that compare or count: Redis runs a script
 * alone, so nothing comes between its steps. KEYS[1] is the key; ARGV[1] the value, or the number
 * to add; ARGV[2] the time to live in milliseconds; ARGV[3] the value it must have. */
#ifndef SLIPGATE_STORE_REDIS_SCRIPTS_H
#define SLIPGATE_STORE_REDIS_SCRIPTS_H

#define REDIS_SCRIPT_NAME 40u /* hex digits by which Redis names a script */

enum redis_script {
    REDIS_PUT_ABSENT,
    REDIS_PUT_EQUAL,
    REDIS_DEL_EQUAL,
    REDIS_ADD,
    REDIS_SCRIPTS_N
};

static const char *const redis_scripts[REDIS_SCRIPTS_N] = {
    [REDIS_PUT_ABSENT] = "local v = redis.call('get', KEYS[1]) "
                         "if v then return {1, v} end "
                         "redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2]) "
                         "return {0}",
    [REDIS_PUT_EQUAL] = "local v = redis.call('get', KEYS[1]) "
                        "if not v then return {2} end "
                        "if v ~= ARGV[3] then return {1, v} end "
                        "redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2]) "
                        "return {0}",
    [REDIS_DEL_EQUAL] = "local v = redis.call('get', KEYS[1]) "
                        "if not v then return {2} end "
                        "if v ~= ARGV[3] then return {1, v} end "
                        "redis.call('del', KEYS[1]) "
                        "return {0}",
    [REDIS_ADD] = "local n = redis.call('incrby', KEYS[1], ARGV[1]) "
                  "if redis.call('pttl', KEYS[1]) < 0 then "
                  "redis.call('pexpire', KEYS[1], ARGV[2]) end "
                  "return n",
};

#endif
