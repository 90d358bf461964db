/* Datagram messages at the client, and what its sender, the server and its receiver make of one
 * text: what the library writes is read back as it was meant by the library and by the server; and
 * whatever the server would relay, of any bytes, the library reads with the same sender and values.
 */
#include "fuzz.h"

#include "base/err.h"
#include "client/datagram.h"
#include "games/racing/update.h"

#define ID "0123456789abcdef0123456789abcdef"

static float make_float(struct span *in)
{
    uint32_t bits = (uint32_t)fuzz_number(in, 4);
    float f;
    if ((bits >> 23 & 0xff) == 0xff)
        bits &= 0xbfffffff; /* finite */
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* What both read of a message that the server takes must be the same. */
static void compare(struct span text)
{
    struct sgc_message m;
    struct update u;
    struct buf anew;
    int rc = sgc_message_parse(text, &m);
    MUST(rc == 0 || rc == E_FORMAT);
    MUST(rc || (m.sender_id[0] && strlen(m.sender_id) <= SGC_ID_MAX));
    if (update_parse(text, &u))
        return;
    buf_init(&anew, text.n + 512);
    update_rewrite(&u, SPAN_LIT(ID), &anew);
    MUST(!anew.failed);
    bool relayed_as_is =
        !u.rewrite && u.session_id.n <= SGC_ID_MAX && !memchr(u.session_id.p, 0, u.session_id.n);
    MUST(sgc_message_parse(relayed_as_is ? u.text : buf_span(&anew), &m) == 0);
    MUST(span_eq(span_str(m.sender_id), relayed_as_is ? u.session_id : SPAN_LIT(ID)));
    MUST(m.kind == (u.kind == UPDATE_INPUT ? SGC_INPUT : SGC_UPDATE));
    if (m.kind == SGC_UPDATE) {
        MUST(memcmp(&m.update.position, u.position, sizeof u.position) == 0);
        MUST(memcmp(&m.update.rotation, u.rotation, sizeof u.rotation) == 0);
    }
    buf_fini(&anew);
}

static void damaged(struct span *in, struct span text)
{
    struct span bad = fuzz_damage(in, text);
    compare(bad);
    fuzz_free(bad);
}

static void update(struct span *in)
{
    struct slipgate_update m = {{make_float(in), make_float(in), make_float(in)},
                                {make_float(in), make_float(in), make_float(in), make_float(in)},
                                fuzz_chance(in, 64) ? "\"lap\":3" : NULL};
    struct sgc_message got;
    struct update u;
    struct buf text;
    buf_init(&text, SLIPGATE_DATAGRAM_MAX);
    MUST(sgc_update_text(&text, SPAN_LIT(ID), &m) == 0);
    MUST(sgc_message_parse(buf_span(&text), &got) == 0 && got.kind == SGC_UPDATE);
    MUST(memcmp(&got.update.position, &m.position, sizeof m.position) == 0);
    MUST(memcmp(&got.update.rotation, &m.rotation, sizeof m.rotation) == 0);
    MUST(update_parse(buf_span(&text), &u) == 0 && !u.rewrite);
    compare(buf_span(&text));
    damaged(in, buf_span(&text));
    buf_fini(&text);
}

static void input(struct span *in)
{
    struct slipgate_input m = {
        .steering = make_float(in),
        .throttle = make_float(in),
        .brake = make_float(in),
        .timestamp_s = (double)(int64_t)fuzz_number(in, 6) / 1e6,
        .form = fuzz_chance(in, 128) ? SLIPGATE_INPUT_NESTED : SLIPGATE_INPUT_FLAT,
    };
    struct sgc_message got;
    struct update u;
    struct buf text;
    buf_init(&text, SLIPGATE_DATAGRAM_MAX);
    MUST(sgc_input_text(&text, SPAN_LIT(ID), fuzz_chance(in, 128) ? SPAN_LIT("room") : SPAN_NULL,
                        &m) == 0);
    MUST(sgc_message_parse(buf_span(&text), &got) == 0 && got.kind == SGC_INPUT);
    MUST(memcmp(&got.input.steering, &m.steering, sizeof(float)) == 0);
    MUST(memcmp(&got.input.throttle, &m.throttle, sizeof(float)) == 0);
    MUST(memcmp(&got.input.brake, &m.brake, sizeof(float)) == 0);
    double off = got.input.timestamp_s - m.timestamp_s;
    MUST(off < 1e-6 && off > -1e-6);
    MUST(update_parse(buf_span(&text), &u) == 0 && !u.rewrite);
    compare(buf_span(&text));
    damaged(in, buf_span(&text));
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    uint8_t *exact;
    switch (fuzz_byte(&in) % 3) {
    case 0: update(&in); break;
    case 1: input(&in); break;
    default:
        exact = fuzz_copy(in);
        compare(span_of(exact, in.n));
        free(exact);
        break;
    }
    return 0;
}
