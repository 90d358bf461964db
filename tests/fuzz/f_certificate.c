/* Certificate files from any bytes: PEM and PFX. The first byte chooses PFX, PEM or PEM with the
 * key in the second half. cert_look.h says what must hold. */
#include "cert_look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size), key = SPAN_NULL;
    enum cert_form form = (enum cert_form)(fuzz_byte(&in) % 3);
    if (form == CERT_FORM_PEM_AND_KEY) {
        key = span_skip(in, in.n / 2);
        in.n /= 2;
    }
    cert_destroy(cert_look(form, in, key));
    return 0;
}
