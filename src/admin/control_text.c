#include "admin/control.h"
#include "base/err.h"
#include "wire/json.h"

#include <stdio.h>

static bool is_command(struct span s)
{
    bool blank = true; /* none at the start, none twice */
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!word && (c != ' ' || blank))
            return false;
        blank = !word;
    }
    return !blank;
}

static int wrong(struct buf *why, const char *text)
{
    (void)buf_append_str(why, text);
    return E_FORMAT;
}

int control_parse(struct span line, char scratch[CONTROL_COMMAND_MAX], struct control_request *ret,
                  struct buf *why)
{
    bool command = false, arguments = false;
    struct json_val v;
    struct span name;
    ret->arguments = SPAN_LIT("{}");
    if (json_check(line) != JSON_OBJECT)
        return wrong(why, "a request is one JSON object a line");
    for (size_t at = 0; json_member(line, &at, &name, &v);) {
        if (json_name_is(name, "command") && !command && v.type == JSON_STRING) {
            command = true;
            if (json_string_view(&v, scratch, CONTROL_COMMAND_MAX, &ret->command) < 0 ||
                ret->command.n > CONTROL_COMMAND_MAX)
                return wrong(why, "there is no such command");
        } else if (json_name_is(name, "arguments") && !arguments && v.type == JSON_OBJECT) {
            arguments = true;
            ret->arguments = v.raw;
        } else {
            return wrong(why, "a request has \"command\", a string, and \"arguments\", an object");
        }
    }
    if (!command)
        return wrong(why, "a request has \"command\", a string, and \"arguments\", an object");
    return is_command(ret->command) ? 0 : wrong(why, "there is no such command");
}

int control_path(const char *dir, char path[CONTROL_PATH_MAX])
{
    int n = snprintf(path, CONTROL_PATH_MAX, "%s/" CONTROL_FILE, dir);
    return n > 0 && n < (int)CONTROL_PATH_MAX ? 0 : E_RANGE;
}
