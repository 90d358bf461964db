#include "os/otp.h"

#include "base/err.h"
#include "base/mem.h"

#include <liboath/oath.h>

#define DIGITS 6u
#define STEP_S 30u
#define AROUND 1u /* steps before and after */

int otp_init(void)
{
    return oath_init() == OATH_OK ? 0 : E_CRYPTO;
}

int otp_check(struct span key, struct span code, int64_t unix_ms, int64_t *step)
{
    char text[DIGITS + 1];
    int off = 0;
    if (code.n != DIGITS || unix_ms < 0)
        return E_AUTH;
    for (size_t i = 0; i < DIGITS; i++)
        if (code.p[i] < '0' || code.p[i] > '9')
            return E_AUTH;
    memcpy(text, code.p, DIGITS);
    text[DIGITS] = '\0';
    int64_t now = unix_ms / 1000;
    int rc =
        oath_totp_validate2((const char *)key.p, key.n, (time_t)now, STEP_S, 0, AROUND, &off, text);
    mem_wipe(text, sizeof text);
    if (rc >= 0)
        *step = now / STEP_S + off;
    return rc >= 0 ? 0 : rc == OATH_INVALID_OTP ? E_AUTH : E_CRYPTO;
}
