/* Accounts as JSON (RFC 8259), for staff, for owners and for scripts. */
#include "core/account_desk_text.h"

#include "wire/json.h"

void desk_member(struct buf *out, const char *name)
{
    uint8_t last = out->n ? out->p[out->n - 1] : '{';
    (void)buf_printf(out, "%s\"%s\":", last == '{' || last == '[' ? "" : ",", name);
}

void desk_put_text(struct buf *out, const char *name, struct span text)
{
    desk_member(out, name);
    json_put_string(out, text);
}

void desk_put_int(struct buf *out, const char *name, int64_t v)
{
    desk_member(out, name);
    json_put_int(out, v);
}

void desk_put_bool(struct buf *out, const char *name, bool v)
{
    desk_member(out, name);
    (void)buf_append_str(out, v ? "true" : "false");
}

void desk_put_value(struct buf *out, const char *name, const struct value *v)
{
    if (v->type == VALUE_INT) {
        desk_put_int(out, name, v->u.i);
    } else if (v->type == VALUE_TEXT) {
        desk_put_text(out, name, v->u.text);
    } else {
        desk_member(out, name);
        (void)buf_append_str(out, "null");
    }
}

void desk_put_account(struct buf *out, const struct value v[QUERY_VALUES])
{
    static const struct {
        const char *name;
        bool truth;
    } columns[] = {
        {"id", false},           {"name", false},
        {"email", false},        {"level", false},
        {"suspended", true},     {"locked_until_ms", false},
        {"muted", true},         {"faction", false},
        {"created_ms", false},   {"last_login_ms", false},
        {"last_address", false}, {"display_name", false},
        {"notes", false},        {"password_min", false},
        {"second_factor", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        if (columns[i].truth)
            desk_put_bool(out, columns[i].name, query_int(&v[i]) != 0);
        else
            desk_put_value(out, columns[i].name, &v[i]);
    }
}
