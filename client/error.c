#include <slipgate/slipgate.h>

struct text_row {
    int value;
    const char *text;
};

static const struct text_row error_texts[] = {
    {SLIPGATE_OK, "no error"},
    {SLIPGATE_E_ARGUMENT, "an argument is missing, malformed or too long"},
    {SLIPGATE_E_STATE, "not possible in this state"},
    {SLIPGATE_E_MEMORY, "out of memory"},
    {SLIPGATE_E_FULL, "a queue is full"},
    {SLIPGATE_E_RESOLVE, "the host name has no address"},
    {SLIPGATE_E_CONNECT, "no connection to the server"},
    {SLIPGATE_E_TLS, "TLS failed"},
    {SLIPGATE_E_CERTIFICATE, "the server's certificate is not trusted"},
    {SLIPGATE_E_TIMEOUT, "timed out"},
    {SLIPGATE_E_PROTOCOL, "the server does not follow the protocol"},
    {SLIPGATE_E_CLOSED, "the connection was closed"},
    {SLIPGATE_E_KICKED, "disconnected by the server"},
    {SLIPGATE_E_AUTH, "authentication failed"},
    {SLIPGATE_E_BUSY, "the server is busy"},
    {SLIPGATE_E_NOT_FOUND, "not found"},
    {SLIPGATE_E_ROOM, "the room is full or its game has started"},
    {SLIPGATE_E_REFUSED, "refused by the server"},
    {SLIPGATE_E_WEAK_UDP, "the server offers no authenticated datagrams"},
    {SLIPGATE_E_SYSTEM, "an operating system call failed"},
};

static const struct text_row mode_texts[] = {
    {SLIPGATE_UDP_NONE, "none"},
    {SLIPGATE_UDP_PLAIN, "plain"},
    {SLIPGATE_UDP_CBC, "aes-256-cbc"},
    {SLIPGATE_UDP_AES_GCM, "aes-256-gcm"},
    {SLIPGATE_UDP_AES_CBC_HMAC, "aes-256-cbc-hmac-sha256"},
};

const char *slipgate_error_text(int error)
{
    for (size_t i = 0; i < sizeof error_texts / sizeof error_texts[0]; i++)
        if (error_texts[i].value == error)
            return error_texts[i].text;
    return "unknown error";
}

const char *slipgate_udp_mode_text(enum slipgate_udp_mode mode)
{
    for (size_t i = 0; i < sizeof mode_texts / sizeof mode_texts[0]; i++)
        if (mode_texts[i].value == (int)mode)
            return mode_texts[i].text;
    return "unknown";
}

const char *slipgate_version(void)
{
    return SLIPGATE_VERSION;
}
