/* The look-ups; they ask nobody, so whoever only looks up needs no store. */
#include "core/ban_desk_priv.h"

bool ban_desk_ready(const struct ban_desk *d)
{
    return d->ready;
}

const struct ban *ban_desk_account(const struct ban_desk *d, struct now now, int64_t account,
                                   struct span game)
{
    return bans_match_account(d->bans, account, game, now.unix_ms);
}

const struct ban *ban_desk_addr(const struct ban_desk *d, struct now now, const struct addr *a,
                                struct span game)
{
    return bans_match_addr(d->bans, a, game, now.unix_ms);
}

struct bans *ban_desk_list(struct ban_desk *d)
{
    return d->bans;
}
