#include "wire/json.h"

#include "base/check.h"
#include "base/err.h"
#include "base/utf8.h"

/* Type of the value that a byte begins; 0 (JSON_ABSENT) for bytes that begin none. */
static const uint8_t starts[256] = {
    ['"'] = JSON_STRING, ['{'] = JSON_OBJECT, ['['] = JSON_ARRAY,  ['t'] = JSON_TRUE,
    ['f'] = JSON_FALSE,  ['n'] = JSON_NULL,   ['-'] = JSON_NUMBER, ['0'] = JSON_NUMBER,
    ['1'] = JSON_NUMBER, ['2'] = JSON_NUMBER, ['3'] = JSON_NUMBER, ['4'] = JSON_NUMBER,
    ['5'] = JSON_NUMBER, ['6'] = JSON_NUMBER, ['7'] = JSON_NUMBER, ['8'] = JSON_NUMBER,
    ['9'] = JSON_NUMBER,
};

/* What a byte behind a backslash stands for; 'u' for itself, 0 where RFC 8259 section 7 has none.
 */
static const uint8_t escapes[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b', ['f'] = '\f',
    ['n'] = '\n', ['r'] = '\r',  ['t'] = '\t', ['u'] = 'u',
};

static const uint8_t *skip_space(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static int hex4(const uint8_t *p, const uint8_t *end)
{
    int v = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = p[i] | 32;
        if (p[i] >= '0' && p[i] <= '9')
            v = v << 4 | (p[i] - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (c - 'a' + 10);
        else
            return -1;
    }
    return v;
}

/* Decodes the escape at p (a backslash) into 1 to 4 bytes of UTF-8; returns how long it is in the
 * text, 0 when it is none. Half a surrogate pair has no UTF-8, so it counts as none. */
static size_t unescape(const uint8_t *p, const uint8_t *end, uint8_t to[4], size_t *n)
{
    uint8_t c = end - p < 2 ? 0 : escapes[p[1]];
    *n = 1;
    to[0] = c;
    if (c != 'u')
        return c ? 2 : 0;
    int v = hex4(p + 2, end);
    if (v < 0 || (v >= 0xdc00 && v <= 0xdfff))
        return 0;
    if (v >= 0xd800 && v <= 0xdbff) {
        int low = end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return 0;
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
        to[0] = (uint8_t)(0xf0 | v >> 18);
        to[1] = (uint8_t)(0x80 | (v >> 12 & 0x3f));
        to[2] = (uint8_t)(0x80 | (v >> 6 & 0x3f));
        to[3] = (uint8_t)(0x80 | (v & 0x3f));
        *n = 4;
        return 12;
    }
    if (v < 0x80) {
        to[0] = (uint8_t)v;
    } else if (v < 0x800) {
        to[0] = (uint8_t)(0xc0 | v >> 6);
        to[1] = (uint8_t)(0x80 | (v & 0x3f));
        *n = 2;
    } else {
        to[0] = (uint8_t)(0xe0 | v >> 12);
        to[1] = (uint8_t)(0x80 | (v >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (v & 0x3f));
        *n = 3;
    }
    return 6;
}

#define EACH_BYTE(x) (UINT64_C(0x0101010101010101) * (x))

/* Whether none of 8 bytes needs a closer look: quote, backslash, control or not ASCII. A borrow can
 * only come out of a byte that is itself one of these, so the answer is exact. */
static bool plain8(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    uint64_t hit = w | (w - EACH_BYTE(' ')) | ((w ^ EACH_BYTE('"')) - EACH_BYTE(1)) |
                   ((w ^ EACH_BYTE('\\')) - EACH_BYTE(1));
    return (hit & EACH_BYTE(0x80)) == 0;
}

/* p: behind the opening quote. Returns the address of the closing one, or NULL. */
static const uint8_t *string_end(const uint8_t *p, const uint8_t *end, bool *escaped)
{
    for (;;) {
        while (end - p >= 8 && plain8(p))
            p += 8;
        while (p < end && *p >= ' ' && *p < 0x80 && *p != '"' && *p != '\\')
            p++;
        if (p == end || *p < ' ')
            return NULL;
        if (*p == '"')
            return p;
        uint8_t text[4];
        size_t n, len;
        if (*p == '\\') {
            *escaped = true;
            len = unescape(p, end, text, &n);
        } else {
            len = utf8_sequence(p, (size_t)(end - p));
        }
        if (len == 0)
            return NULL;
        p += len;
    }
}

static const uint8_t *skip_digits(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* RFC 8259 section 6. */
static const uint8_t *number_end(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *from = p += *p == '-';
    p = skip_digits(p, end);
    if (p == from || (*from == '0' && p - from > 1))
        return NULL;
    if (p < end && *p == '.') {
        from = ++p;
        p = skip_digits(p, end);
        if (p == from)
            return NULL;
    }
    if (p < end && (*p | 32) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        from = p;
        p = skip_digits(p, end);
        if (p == from)
            return NULL;
    }
    return p;
}

static const uint8_t *literal_end(const uint8_t *p, const uint8_t *end, const char *word, size_t n)
{
    return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

/* End of a value that is no array or object. */
static const uint8_t *scalar_end(const uint8_t *p, const uint8_t *end)
{
    bool escaped;
    switch (starts[*p]) {
    case JSON_STRING: p = string_end(p + 1, end, &escaped); return p ? p + 1 : NULL;
    case JSON_NUMBER: return number_end(p, end);
    case JSON_TRUE: return literal_end(p, end, "true", 4);
    case JSON_FALSE: return literal_end(p, end, "false", 5);
    case JSON_NULL: return literal_end(p, end, "null", 4);
    default: return NULL;
    }
}

/* Reads a member's name and colon; returns where its value begins, or NULL. */
static const uint8_t *name_end(const uint8_t *p, const uint8_t *end, struct span *name,
                               bool *escaped)
{
    if (p == end || *p != '"')
        return NULL;
    const uint8_t *quote = string_end(p + 1, end, escaped);
    if (!quote)
        return NULL;
    *name = span_of(p + 1, (size_t)(quote - p - 1));
    p = skip_space(quote + 1, end);
    return p < end && *p == ':' ? skip_space(p + 1, end) : NULL;
}

/* End of the value at p, or NULL. outer: how many arrays and objects are open round it. The open
 * ones inside are bits of a word, 1 for an object, the innermost lowest: no recursion. */
static const uint8_t *value_end(const uint8_t *p, const uint8_t *end, unsigned outer)
{
    uint64_t objects = 0;
    unsigned depth = 0;
    struct span name;
    bool escaped;
    for (;;) {
        if (p == end)
            return NULL;
        if (*p == '{' || *p == '[') {
            bool object = *p == '{';
            if (outer + depth == JSON_DEPTH_MAX)
                return NULL;
            objects = objects << 1 | object;
            depth++;
            p = skip_space(p + 1, end);
            if (p == end)
                return NULL;
            if (*p != (object ? '}' : ']')) {
                if (object && !(p = name_end(p, end, &name, &escaped)))
                    return NULL;
                continue;
            }
        } else if (!(p = scalar_end(p, end))) {
            return NULL;
        }
        for (;; p++) {
            if (depth == 0)
                return p;
            p = skip_space(p, end);
            if (p == end)
                return NULL;
            if (*p == ',')
                break;
            if (*p != (objects & 1 ? '}' : ']'))
                return NULL;
            objects >>= 1;
            depth--;
        }
        p = skip_space(p + 1, end);
        if ((objects & 1) && !(p = name_end(p, end, &name, &escaped)))
            return NULL;
    }
}

bool json_name_is(struct span name, const char *want)
{
    const uint8_t *p = name.p, *end = name.p + name.n;
    size_t left = strlen(want);
    while (p < end) {
        uint8_t text[4] = {*p};
        size_t n = 1;
        p += *p == '\\' ? unescape(p, end, text, &n) : 1;
        if (n > left || memcmp(text, want, n) != 0)
            return false;
        want += n;
        left -= n;
    }
    return left == 0;
}

/* Index of the name among those wanted, n if it is not. */
static size_t find_name(struct span name, bool escaped, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (escaped) {
            if (json_name_is(name, names[i]))
                return i;
        } else if ((name.n == 0 || names[i][0] == (char)name.p[0]) &&
                   strncmp(names[i], (const char *)name.p, name.n) == 0 &&
                   names[i][name.n] == '\0') {
            return i;
        }
    }
    return n;
}

/* Reads the members of the object whose bracket is before p; returns its end, or NULL. */
static const uint8_t *members(const uint8_t *p, const uint8_t *end, const char *const *names,
                              size_t n, struct json_val *out)
{
    p = skip_space(p, end);
    if (p < end && *p == '}')
        return p + 1;
    for (;;) {
        struct span name;
        bool escaped = false;
        const uint8_t *value = name_end(p, end, &name, &escaped);
        if (!value || !(p = value_end(value, end, 1)))
            return NULL;
        size_t i = find_name(name, escaped, names, n);
        if (i < n)
            out[i] = (struct json_val){starts[*value], span_of(value, (size_t)(p - value))};
        p = skip_space(p, end);
        if (p == end || (*p != ',' && *p != '}'))
            return NULL;
        if (*p == '}')
            return p + 1;
        p = skip_space(p + 1, end);
    }
}

int json_object(struct span text, const char *const *names, size_t n, struct json_val *out)
{
    CHECK(n <= JSON_NAMES_MAX);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct json_val){JSON_ABSENT, SPAN_NULL};
    if (text.n == 0)
        return E_FORMAT;
    const uint8_t *end = text.p + text.n, *p = skip_space(text.p, end);
    if (p == end)
        return E_FORMAT;
    int type = starts[*p];
    p = type == JSON_OBJECT ? members(p + 1, end, names, n, out) : value_end(p, end, 0);
    return p && skip_space(p, end) == end ? type : E_FORMAT;
}

int json_check(struct span text)
{
    return json_object(text, NULL, 0, NULL);
}

bool json_next(struct span array, size_t *at, struct json_val *ret)
{
    if (*at >= array.n || array.p[0] != '[')
        return false;
    const uint8_t *end = array.p + array.n, *p = array.p + *at;
    /* At the bracket before the first element, at the comma before every other. */
    if (*at != 0 && *p != ',')
        return false;
    p = skip_space(p + 1, end);
    const uint8_t *behind = value_end(p, end, 0);
    if (!behind)
        return false;
    *ret = (struct json_val){starts[*p], span_of(p, (size_t)(behind - p))};
    *at = (size_t)(skip_space(behind, end) - array.p);
    return true;
}

bool json_member(struct span object, size_t *at, struct span *name, struct json_val *ret)
{
    if (*at >= object.n || object.p[0] != '{')
        return false;
    const uint8_t *end = object.p + object.n, *p = object.p + *at;
    if (*at != 0 && *p != ',')
        return false;
    bool escaped;
    const uint8_t *value = name_end(skip_space(p + 1, end), end, name, &escaped);
    const uint8_t *behind = value ? value_end(value, end, 0) : NULL;
    if (!behind)
        return false;
    *ret = (struct json_val){starts[*value], span_of(value, (size_t)(behind - value))};
    *at = (size_t)(skip_space(behind, end) - object.p);
    return true;
}

/* The text between the quotes of a string value. */
static bool between_quotes(const struct json_val *v, struct span *ret)
{
    if (v->type != JSON_STRING || v->raw.n < 2)
        return false;
    *ret = span_of(v->raw.p + 1, v->raw.n - 2);
    return true;
}

int json_string(const struct json_val *v, void *to, size_t cap)
{
    struct span in;
    if (!between_quotes(v, &in))
        return E_FORMAT;
    const uint8_t *p = in.p, *end = in.p + in.n;
    uint8_t *out = to;
    size_t used = 0;
    while (p < end) {
        const uint8_t *slash = memchr(p, '\\', (size_t)(end - p));
        uint8_t text[4];
        size_t n = (size_t)((slash ? slash : end) - p), n_text = 0, len = 0;
        if (slash && (len = unescape(slash, end, text, &n_text)) == 0)
            return E_FORMAT;
        if (n > cap - used || n_text > cap - used - n)
            return E_LIMIT;
        if (n)
            memcpy(out + used, p, n);
        if (n_text)
            memcpy(out + used + n, text, n_text);
        used += n + n_text;
        p += n + len;
    }
    return used > INT32_MAX ? E_LIMIT : (int)used;
}

int json_string_view(const struct json_val *v, void *scratch, size_t cap, struct span *ret)
{
    if (!between_quotes(v, ret))
        return E_FORMAT;
    if (!memchr(ret->p, '\\', ret->n))
        return ret->n > INT32_MAX ? E_LIMIT : (int)ret->n;
    int n = json_string(v, scratch, cap);
    if (n >= 0)
        *ret = span_of(scratch, (size_t)n);
    return n;
}
