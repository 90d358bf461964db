/* Any bytes as a line of the control socket, as arguments of every operation, and as a moderation
 * command: what is taken is within its limits and means the same when it is written again. */
#include "fuzz.h"

#include "admin/control.h"
#include "admin/operate.h"
#include "admin/operate_args.h"
#include "admin/staff_rules.h"
#include "base/utf8.h"
#include "wire/json.h"

static void as_request(struct span in)
{
    char scratch[CONTROL_COMMAND_MAX], again_scratch[CONTROL_COMMAND_MAX];
    struct control_request r, again;
    struct buf why, line;
    buf_init(&why, 512);
    buf_init(&line, 2 * CONTROL_LINE_MAX);
    int rc = control_parse(in, scratch, &r, &why);
    MUST((rc == 0) == (why.n == 0) && !why.failed);
    if (rc == 0) {
        MUST(r.command.n > 0 && r.command.n <= CONTROL_COMMAND_MAX);
        MUST(json_check(r.arguments) == JSON_OBJECT);
        (void)buf_append_str(&line, "{\"arguments\":");
        (void)buf_append_span(&line, r.arguments);
        (void)buf_append_str(&line, ",\"command\":");
        json_put_string(&line, r.command);
        (void)buf_append_byte(&line, '}');
        MUST(!line.failed && control_parse(buf_span(&line), again_scratch, &again, &why) == 0);
        MUST(span_eq(r.command, again.command) && span_eq(r.arguments, again.arguments));
    }
    buf_fini(&line);
    buf_fini(&why);
}

static void as_arguments(struct span in)
{
    const struct operate_row *row;
    for (size_t i = 0; (row = operate_at(i)); i++) {
        struct operate_args a;
        struct buf why;
        buf_init(&why, 512);
        MUST(operate_find(span_str(operate_name(row))) == row);
        if (operate_read(row, &a, in, &why) == 0)
            for (size_t k = 0; k < ARGS_N; k++)
                MUST(arg_given(&a, (enum operate_arg)k) || (a.text[k].n == 0 && a.number[k] == 0));
        for (size_t k = 0; k < ARGS_N; k++)
            MUST(utf8_valid(a.text[k]) && !(a.text[k].n && memchr(a.text[k].p, 0, a.text[k].n)));
        operate_args_fini(&a);
        buf_fini(&why);
    }
}

static void as_command(struct span in)
{
    struct staff_words w;
    struct buf text;
    if (staff_split(in, &w))
        return;
    MUST(w.n > 0 && w.n <= ARRAY_LEN(w.word) && w.word[0].n > 0);
    size_t all = 0;
    for (size_t i = 0; i < w.n; i++) {
        all += w.word[i].n;
        MUST(utf8_valid(w.rest[i]) && w.rest[i].n >= w.word[i].n);
    }
    MUST(all <= sizeof w.room);
    const struct staff_row *row = staff_find(&w);
    if (!row)
        return;
    buf_init(&text, 4096);
    staff_redact(&w, row, &text);
    MUST(!text.failed && utf8_valid(buf_span(&text)));
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size};
    if (size > CONTROL_LINE_MAX)
        return 0;
    as_request(in);
    as_arguments(in);
    as_command(in);
    return 0;
}
