/* Replies to logins, the keys they bring, and the accounts they acknowledge. */
#include "sim/racing/oracle_model.h"

#include "base/check.h"
#include "base/mem.h"
#include "sim/store.h"
#include "wire/text.h"

static bool says(const struct racing_oracle *o, const char *command)
{
    return o_text_is(&o->said[S_COMMAND], command);
}

static bool tells(const struct racing_oracle *o, const char *text)
{
    return o_text_is(&o->said[S_MESSAGE], text);
}

/* ---- accounts that were acknowledged ---- */

static void name_key(struct span name, uint8_t key[NAME_N])
{
    memset(key, 0, NAME_N);
    memcpy(key, name.p, name.n < NAME_N ? name.n : NAME_N);
}

void o_account_acked(struct racing_oracle *o, struct span name, struct span password)
{
    uint8_t key[NAME_N];
    uint64_t at;
    name_key(name, key);
    if (hmap_get(&o->acked, key, &at)) {
        uint16_t n;
        memcpy(&n, o->acked_passwords.p + at, sizeof n);
        if (!span_eq(span_of(o->acked_passwords.p + at + sizeof n, n), password))
            sim_find(o->sim, "login", "%.*s was let in with two passwords", (int)name.n,
                     (const char *)name.p);
        return;
    }
    uint16_t n = (uint16_t)password.n;
    at = o->acked_passwords.n;
    CHECK(buf_append(&o->acked_passwords, &n, sizeof n) == 0 &&
          buf_append_span(&o->acked_passwords, password) == 0 && hmap_put(&o->acked, key, at) == 0);
    o->acked_new = true;
}

void o_accounts_judge(struct racing_oracle *o)
{
    const void *key;
    uint64_t at;
    struct account a;
    if (!o->sim->disk)
        return;
    for (uint32_t i = 0; hmap_next(&o->acked, &i, &key, &at);) {
        uint16_t n;
        struct span name = span_of(key, strnlen(key, NAME_N));
        memcpy(&n, o->acked_passwords.p + at, sizeof n);
        bool there = sim_disk_account(o->sim->disk, name, &a);
        if (!there ||
            !sim_hash_matches(&a.password, span_of(o->acked_passwords.p + at + sizeof n, n)))
            sim_find(o->sim, "accounts", "%.*s was acknowledged and %s", (int)name.n,
                     (const char *)name.p, there ? "has another password" : "is gone");
        o->stats.accounts++;
    }
    o->acked_new = false;
}

/* ---- keys ---- */

static struct o_keys *key_of(struct racing_oracle *o, const struct json_val *v,
                             enum o_cipher cipher, const uint8_t conn[CONN_N])
{
    uint8_t material[64];
    struct span text;
    size_t want = cipher == CIPHER_GCM ? 36 : 64;
    if (o_string(o, 2, v, &text) < 0 || base64_decode(text, material, sizeof material) != (int)want)
        return NULL;
    return o_keys_aead(cipher, conn, span_of(material, want));
}

static bool aead_keys(struct racing_oracle *o, struct o_link *l, const struct o_offer *f)
{
    static const char *const names[] = {"alg", "connId", "c2s", "s2c", "pack"};
    struct json_val v[5];
    uint8_t conn[CONN_N];
    struct span text;
    uint64_t other;
    enum o_cipher cipher = f->gcm ? CIPHER_GCM : CIPHER_CBC_HMAC;
    if (o->said[S_AEAD].type != JSON_OBJECT ||
        json_object(o->said[S_AEAD].raw, names, 5, v) != JSON_OBJECT ||
        !o_text_is(&v[0], f->gcm ? "aes-256-gcm" : "aes-256-cbc-hmac-sha256") ||
        o_string(o, 2, &v[1], &text) != 2 * CONN_N || hex_decode(text, conn, CONN_N) ||
        (v[4].type == JSON_TRUE) != f->pack || span_eq(v[2].raw, v[3].raw) ||
        hmap_get(&o->by_conn, conn, &other))
        return false;
    struct o_keys *in = key_of(o, &v[2], cipher, conn), *out = key_of(o, &v[3], cipher, conn);
    if (!in || !out) {
        o_keys_free(in);
        o_keys_free(out);
        return false;
    }
    o_keys_drop(o, l);
    l->in_keys = in;
    l->out_keys = out;
    l->aead = true;
    l->pack = f->pack;
    CHECK(hmap_put(&o->by_conn, conn, o_index(o, l)) == 0);
    return true;
}

static void keys_set(struct racing_oracle *o, struct o_link *l, struct span line)
{
    const struct o_offer *f = &l->login.offer;
    if (f->gcm || f->hmac) {
        if (!aead_keys(o, l, f))
            sim_find(o->sim, "login", "session %.8s offered an authenticated cipher and got %.*s",
                     l->id, line.n > 400 ? 400 : (int)line.n, (const char *)line.p);
        return;
    }
    if (o->said[S_AEAD].type != JSON_ABSENT)
        sim_find(o->sim, "login", "session %.8s got keys it did not ask for", l->id);
    if (l->aead || o->set.require_aead)
        return; /* once negotiated, nothing weaker */
    o_keys_drop(o, l);
    l->in_keys = l->out_keys =
        o_keys_document(span_of(l->id, ID_N), span_of(o->set.secret, o->set.secret_n));
}

/* ---- a login succeeded ---- */

static uint32_t signed_in_beside(const struct racing_oracle *o, const struct o_link *l,
                                 int64_t account)
{
    for (uint32_t i = 0; i < o->links_n; i++) {
        const struct o_link *x = &o->links[i];
        if (x->used && x != l && !x->mute && x->auth && x->account == account)
            return i;
    }
    return NOBODY;
}

static bool is_claimed_otherwise(const struct racing_oracle *o, struct span name,
                                 struct span password)
{
    const struct racing_sim *r = racing_sim(o->sim);
    for (size_t i = 0; i < r->claims_n; i++)
        if (span_eq(span_str(r->claims[i].name), name))
            return !span_eq(span_str(r->claims[i].password), password);
    return false;
}

static const char *why_not(struct racing_oracle *o, const struct o_link *l, const struct o_chain *c)
{
    const struct o_pending *p = &l->login;
    struct span password = span_of(p->password, p->password_n);
    if (!c || (c->result != RES_OK && c->result != RES_CREATED))
        return "no answer said so";
    if (!c->password_known || !span_eq(span_of(c->password, c->password_n), password))
        return "another password was right";
    if (o->sim->disk && !sim_hash_matches(&c->account.password, password))
        return "its password is wrong";
    if (is_claimed_otherwise(o, span_of(c->account.name, c->account.name_n), password))
        return "the player has another password";
    if (p->password_n < c->min_then)
        return "its password is too short";
    if (o->set.single == O_REFUSE && signed_in_beside(o, l, c->account.id) != NOBODY)
        return "the player is signed in elsewhere";
    return NULL;
}

static void succeeded(struct racing_oracle *o, struct o_link *l, struct o_chain *c,
                      struct span line)
{
    const struct o_pending *p = &l->login;
    const char *wrong = why_not(o, l, c);
    o->stats.logins++;
    if (!wrong && (!says(o, p->authenticate ? "AUTH_OK" : "NAME_OK") ||
                   !o_span_is(o, &o->said[S_NAME], span_of(c->account.name, c->account.name_n)) ||
                   (!p->authenticate && o->said[S_ENCRYPTION].type != JSON_TRUE)))
        wrong = "it was not told so well";
    if (wrong) {
        sim_find(o->sim, "login", "session %.8s was let in as %.*s: %s", l->id, p->name_n, p->name,
                 wrong);
        return;
    }
    if (o->draining && !p->before_drain && !c->before_drain)
        sim_find(o->sim, "drain", "session %.8s was let in by a server that goes down", l->id);
    uint32_t other = signed_in_beside(o, l, c->account.id);
    if (o->set.single == O_REPLACE && other != NOBODY)
        sim_find(o->sim, "login",
                 "session %.8s signed in, and session %.8s stays signed in as %.*s", l->id,
                 o->links[other].id, p->name_n, p->name);
    keys_set(o, l, line);
    l->named = l->auth = true;
    l->account = c->account.id;
    l->name_n = c->account.name_n;
    memcpy(l->name, c->account.name, l->name_n);
    o_account_acked(o, span_of(l->name, l->name_n), span_of(p->password, p->password_n));
}

/* ---- or failed ---- */

static void failed(struct racing_oracle *o, struct o_link *l, struct o_chain *c, struct span line)
{
    const struct o_pending *p = &l->login;
    struct span password = span_of(p->password, p->password_n);
    bool unusable = p->password_n > PASSWORD_MAX || memchr(password.p, '\0', password.n);
    enum o_result is = c ? c->result : RES_BUSY;
    if (c && c->unknown_name && c->stage == ASK_ACCOUNT_FIND)
        is = unusable ? RES_UNUSABLE : p->password_n < o->set.password_min ? RES_SHORT : RES_BUSY;
    bool in = is == RES_OK || is == RES_CREATED;
    if (says(o, "ERROR") && tells(o, "Server is busy. Please try again.")) {
        o->late_refused -= o->late_refused > 0;
        if (c && c->may_ask && !o->refused)
            o_suspect(o, "login", "the login of session %.8s could go on and was told busy", l->id);
        if (is != RES_BUSY && is != RES_NONE)
            o_suspect(o, "login", "session %.8s was told that the server is busy, and was answered",
                      l->id);
        if (!c && o_chain_active(o, p->req) && !o_chain_pass_on(o, l))
            sim_find(o->sim, "replies", "session %.8s was told before its login was over", l->id);
        return;
    }
    bool right =
        says(o, "AUTH_FAILED")
            ? (is == RES_WRONG &&
               tells(o, p->authenticate ? "Invalid password."
                                        : "Invalid password for this player name.")) ||
                  (in && tells(o, "This player is already signed in.") &&
                   o->set.single == O_REFUSE && signed_in_beside(o, l, c->account.id) != NOBODY)
            : says(o, "ERROR") &&
                  ((is == RES_SHORT && tells(o, "Password is too short.")) ||
                   (is == RES_UNUSABLE &&
                    tells(o, "Password cannot be used. The limit is 72 bytes without NUL.")));
    if (right && is == RES_WRONG)
        o_guessed(o, &l->peer);
    if (!right)
        sim_find(o->sim, says(o, "AUTH_FAILED") || says(o, "ERROR") ? "login" : "replies",
                 "the login of session %.8s as %.*s ended with %d, and was answered %.*s", l->id,
                 p->name_n, p->name, (int)is, line.n > 200 ? 200 : (int)line.n,
                 (const char *)line.p);
}

static struct o_chain *answered_chain(struct racing_oracle *o, const struct o_link *l)
{
    const struct o_pending *p = &l->login;
    if (o->kind != CALL_ANSWERED || o->chain == NOBODY)
        return NULL;
    struct o_chain *c = &o->chains[o->chain];
    bool same = !c->replied && c->name_n == p->name_n && memcmp(c->name, p->name, p->name_n) == 0 &&
                (!c->password_known ||
                 span_eq(span_of(c->password, c->password_n), span_of(p->password, p->password_n)));
    return same ? c : NULL;
}

void o_reply_login(struct racing_oracle *o, struct o_link *l, struct span line)
{
    struct o_pending *p = &l->login;
    struct o_chain *c = answered_chain(o, l);
    bool in =
        says(o, "AUTH_OK") || (says(o, "NAME_OK") && o->said[S_AUTHENTICATED].type == JSON_TRUE);
    if (p->password_n >= 6 && !memmem(p->name, p->name_n, p->password, p->password_n) &&
        memmem(line.p, line.n, p->password, p->password_n))
        sim_find(o->sim, "login", "session %.8s was told its password", l->id);
    if (c) {
        o_chain_swap(o, c, l);
        c->replied = true;
    }
    if (in)
        succeeded(o, l, c, line);
    else
        failed(o, l, c, line);
    p->on = false;
    p->req = 0;
    mem_wipe(p->password, p->password_n);
    l->touched = l->active = l->progress = o_now(o);
}
