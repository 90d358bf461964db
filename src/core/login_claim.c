/* Claims of presence (ASK_CLAIM): counted here by account, because several sessions of one account
 * may hold it, and logins under way too: it is given back when nobody does any more. */
#include "base/check.h"
#include "base/err.h"
#include "core/login_priv.h"

#define RETRY NSEC_PER_S

static uint64_t holders_of(const struct logins *l, int64_t account)
{
    uint64_t v = 0;
    (void)hmap_get(&l->claims, &account, &v);
    return v;
}

static int ask_release(struct logins *l, int64_t account)
{
    struct ask ask = {.kind = ASK_RELEASE};
    ask.u.release.account = account;
    ask.u.release.game = login_game(l);
    return host_ask(l->host, &ask, (uint64_t)account);
}

static void try_later(struct logins *l, struct now now, int64_t account)
{
    if (hmap_put(&l->releases, &account, 1))
        return; /* without memory it stays until this process is gone */
    if (l->release_at == NSEC_NEVER) {
        l->release_at = now.mono + RETRY;
        host_wake(l->host, l->release_at);
    }
}

void login_released(struct logins *l, struct now now, const struct answer *a)
{
    int64_t account = (int64_t)a->req;
    if (a->rc && a->rc != E_NOENT && holders_of(l, account) == 0)
        try_later(l, now, account);
}

void login_releases(struct logins *l, struct now now)
{
    const void *key;
    uint64_t v;
    if (now.mono < l->release_at)
        return;
    for (uint32_t at = 0; hmap_next(&l->releases, &at, &key, &v);) {
        int64_t account;
        memcpy(&account, key, sizeof account);
        if (ask_release(l, account))
            break;
        (void)hmap_del(&l->releases, &account);
    }
    l->release_at = l->releases.live ? now.mono + RETRY : NSEC_NEVER;
}

int login_claim(struct logins *l, struct login *g, struct now now)
{
    int64_t account = g->account.id;
    struct ask ask = {.kind = ASK_CLAIM};
    ask.u.claim.account = account;
    ask.u.claim.game = login_game(l);
    ask.u.claim.replace = l->policy.single == LOGIN_SINGLE_REPLACE;
    ask.u.claim.server = l->policy.server_scope;
    if (hmap_put(&l->claims, &account, holders_of(l, account) + 2))
        return E_BUSY;
    g->claiming = true;
    int rc = login_ask(l, g, CLAIM, &ask);
    if (rc) {
        login_claimed(l, g, now, E_EXISTS); /* never asked: nothing to give back */
        return rc;
    }
    (void)hmap_del(&l->releases, &account);
    return 0;
}

/* Where it is not known to be granted it may have been, and is given back all the same. */
void login_claimed(struct logins *l, struct login *g, struct now now, int rc)
{
    int64_t account = g->account.id;
    uint64_t v = holders_of(l, account);
    if (rc != E_EXISTS)
        CHECK(hmap_put(&l->claims, &account, v | 1) == 0); /* replaces: takes no memory */
    if (rc) {
        g->claiming = false;
        login_unclaim(l, now, account);
    }
}

void login_unclaim(struct logins *l, struct now now, int64_t account)
{
    uint64_t v = holders_of(l, account);
    if (v < 2)
        return; /* of a host without presence */
    if (v >= 4) {
        CHECK(hmap_put(&l->claims, &account, v - 2) == 0);
        return;
    }
    (void)hmap_del(&l->claims, &account);
    if ((v & 1) && ask_release(l, account))
        try_later(l, now, account);
}
