#include "wire/token.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/text.h"

#include <openssl/evp.h>

#define VERSION   1u
#define TAG       16u
#define HEAD      (1u + SECRET_NONCE)
#define BYTES_MAX (HEAD + SECRET_MAX + TAG)

_Static_assert(BASE64_LEN(BYTES_MAX) == SECRET_TEXT_MAX, "as the header says");

void token_text(const uint8_t bytes[TOKEN_BYTES], char text[TOKEN_TEXT + 1])
{
    hex_encode(bytes, TOKEN_BYTES, text);
}

int token_hash_any(struct span text, char hash[TOKEN_HASH + 1])
{
    uint8_t digest[32];
    if (EVP_Digest(text.p ? text.p : (const uint8_t *)"", text.n, digest, NULL, EVP_sha256(),
                   NULL) != 1)
        return E_CRYPTO;
    hex_encode(digest, sizeof digest, hash);
    return 0;
}

int token_hash(struct span text, char hash[TOKEN_HASH + 1])
{
    if (text.n != TOKEN_TEXT)
        return E_FORMAT;
    for (size_t i = 0; i < text.n; i++)
        if (!((text.p[i] >= '0' && text.p[i] <= '9') || (text.p[i] >= 'a' && text.p[i] <= 'f')))
            return E_FORMAT;
    return token_hash_any(text, hash);
}

static bool gcm_begin(EVP_CIPHER_CTX *c, const uint8_t *key, const uint8_t *nonce,
                      struct span whose, int encrypt)
{
    int n;
    return c && EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) == 1 &&
           (whose.n == 0 || EVP_CipherUpdate(c, NULL, &n, whose.p, (int)whose.n) == 1);
}

int secret_seal(const uint8_t key[SECRET_KEY], const uint8_t nonce[SECRET_NONCE], struct span whose,
                struct span secret, char text[SECRET_TEXT_MAX + 1])
{
    uint8_t b[BYTES_MAX] = {VERSION};
    int n = 0, last = 0;
    if (secret.n > SECRET_MAX || whose.n > INT32_MAX)
        return E_LIMIT;
    memcpy(b + 1, nonce, SECRET_NONCE);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool ok = gcm_begin(c, key, nonce, whose, 1) &&
              (secret.n == 0 || EVP_CipherUpdate(c, b + HEAD, &n, secret.p, (int)secret.n) == 1) &&
              EVP_CipherFinal_ex(c, b + HEAD + n, &last) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, b + HEAD + secret.n) == 1;
    EVP_CIPHER_CTX_free(c);
    if (ok)
        base64_encode(b, HEAD + secret.n + TAG, text);
    return ok ? 0 : E_CRYPTO;
}

int secret_open(const uint8_t key[SECRET_KEY], struct span whose, struct span text,
                uint8_t to[SECRET_MAX])
{
    uint8_t b[BYTES_MAX];
    int total = base64_decode(text, b, sizeof b), n = 0, last = 0;
    if (total < (int)(HEAD + TAG) || b[0] != VERSION || whose.n > INT32_MAX)
        return E_FORMAT;
    int secret_n = total - (int)(HEAD + TAG);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool ready = gcm_begin(c, key, b + 1, whose, 0) &&
                 (secret_n == 0 || EVP_CipherUpdate(c, to, &n, b + HEAD, secret_n) == 1) &&
                 EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, b + HEAD + secret_n) == 1;
    bool ok = ready && EVP_CipherFinal_ex(c, to + n, &last) == 1;
    EVP_CIPHER_CTX_free(c);
    if (!ok)
        mem_wipe(to, SECRET_MAX);
    return ok ? secret_n : ready ? E_AUTH : E_CRYPTO;
}
