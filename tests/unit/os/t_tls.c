/* The engine alone, against OpenSSL's client over memory: every split of the bytes, and its ends.
 */
#include "fixture.h"

#include "base/err.h"
#include "os/cert.h"
#include "os/clock.h"
#include "os/tls.h"

#include <openssl/err.h>

static SSL_CTX *server_context, *client_context;
static struct tls_port *port;

struct pair {
    struct tls *tls;
    SSL *ssl;
    BIO *in, *out; /* of the client */
    struct buf clear, to;
    bool done;
    int rc; /* what tls_read said last */
};

static int setup(void **state)
{
    (void)state;
    server_context = fx_server_context();
    client_context = SSL_CTX_new(TLS_client_method());
    return tls_port_create(&port);
}

static int teardown(void **state)
{
    (void)state;
    tls_port_destroy(port);
    tls_port_destroy(NULL);
    SSL_CTX_free(server_context);
    SSL_CTX_free(client_context);
    return 0;
}

static void pair_open(struct pair *p)
{
    *p = (struct pair){0};
    assert_int_equal(tls_create(&p->tls, port, server_context), 0);
    p->ssl = SSL_new(client_context);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_connect_state(p->ssl);
    buf_init(&p->clear, 1 << 20);
    buf_init(&p->to, 1 << 20);
}

static void pair_close(struct pair *p)
{
    tls_destroy(p->tls);
    tls_destroy(NULL);
    SSL_free(p->ssl);
    buf_fini(&p->clear);
    buf_fini(&p->to);
}

/* What the server has to say goes to the client. */
static void to_client(struct pair *p)
{
    if (p->to.n)
        assert_int_equal(BIO_write(p->in, p->to.p, (int)p->to.n), (int)p->to.n);
    buf_clear(&p->to);
}

/* What the client has to say goes to the server, in pieces of `size`. False: it failed. */
static bool to_server(struct pair *p, size_t size)
{
    uint8_t b[65536];
    int n;
    while ((n = BIO_read(p->out, b, (int)(size < sizeof b ? size : sizeof b))) > 0) {
        struct span in = span_of(b, (size_t)n);
        if (!p->done) {
            enum tls_step step = tls_handshake(p->tls, &in, &p->to);
            if (step == TLS_STEP_FAILED)
                return false;
            assert_true(step == TLS_STEP_DONE || in.n == 0);
            p->done = step == TLS_STEP_DONE;
        }
        if (p->done) {
            p->rc = tls_read(p->tls, &in, &p->clear, &p->to);
            if (p->rc != 0)
                return p->rc == E_CLOSED;
            assert_int_equal(in.n, 0);
        }
    }
    return true;
}

static void shake(struct pair *p, size_t size)
{
    for (int i = 0; i < 20 && !(p->done && SSL_is_init_finished(p->ssl)); i++) {
        (void)SSL_do_handshake(p->ssl);
        assert_true(to_server(p, size));
        to_client(p);
    }
    assert_true(p->done && SSL_is_init_finished(p->ssl));
}

static void any_split(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
        for (size_t size = 1; size < 400; size += size < 40 ? 1 : 37) {
            struct pair p;
            pair_open(&p);
            assert_int_equal(SSL_set_max_proto_version(p.ssl, version), 1);
            shake(&p, size);
            assert_int_equal(SSL_write(p.ssl, "hello, server", 13), 13);
            assert_true(to_server(&p, size));
            assert_int_equal(p.clear.n, 13);
            assert_memory_equal(p.clear.p, "hello, server", 13);
            assert_int_equal(tls_write(p.tls, SPAN_LIT("hello, client"), &p.to), 0);
            to_client(&p);
            char b[64];
            assert_int_equal(SSL_read(p.ssl, b, sizeof b), 13);
            assert_memory_equal(b, "hello, client", 13);
            assert_string_equal(tls_version(p.tls),
                                version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
            assert_true(strlen(tls_cipher(p.tls)) > 0);
            assert_string_equal(tls_error(p.tls), "");
            pair_close(&p);
        }
}

/* Several records in one go, and a text of many records. */
static void many_records(void **state)
{
    (void)state;
    static uint8_t big[200000], back[200000];
    struct pair p;
    pair_open(&p);
    shake(&p, 65536);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(SSL_write(p.ssl, big, sizeof big), sizeof big);
    assert_true(to_server(&p, 50000));
    assert_int_equal(p.clear.n, sizeof big);
    assert_memory_equal(p.clear.p, big, sizeof big);
    assert_int_equal(tls_write(p.tls, span_of(big, sizeof big), &p.to), 0);
    to_client(&p);
    size_t got = 0;
    while (got < sizeof back) {
        int n = SSL_read(p.ssl, back + got, (int)(sizeof back - got));
        assert_true(n > 0);
        got += (size_t)n;
    }
    assert_memory_equal(back, big, sizeof big);
    assert_int_equal(tls_write(p.tls, SPAN_NULL, &p.to), 0);
    assert_int_equal(p.to.n, 0);
    pair_close(&p);
}

/* A clear buffer too small for what came is emptied and filled again; nothing is lost. */
static void small_clear(void **state)
{
    (void)state;
    static uint8_t big[100000], wire[120000];
    struct pair p;
    pair_open(&p);
    shake(&p, 65536);
    memset(big, 'b', sizeof big);
    assert_int_equal(SSL_write(p.ssl, big, sizeof big), sizeof big);
    int n = BIO_read(p.out, wire, sizeof wire);
    assert_true(n > 0);
    struct span in = span_of(wire, (size_t)n);
    struct buf clear;
    buf_init(&clear, 2 * TLS_RECORD_MAX);
    size_t got = 0;
    int rc;
    do {
        rc = tls_read(p.tls, &in, &clear, &p.to);
        got += clear.n;
        buf_clear(&clear);
    } while (rc == E_MORE);
    assert_int_equal(rc, 0);
    assert_int_equal(got, sizeof big);
    buf_fini(&clear);
    pair_close(&p);
}

static void close_notify_both_ways(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    shake(&p, 65536);
    assert_int_equal(SSL_write(p.ssl, "last", 4), 4);
    assert_int_equal(SSL_shutdown(p.ssl), 0);
    assert_true(to_server(&p, 65536));
    assert_int_equal(p.rc, E_CLOSED);
    assert_memory_equal(p.clear.p, "last", 4); /* what came before it is there */
    /* The other direction is still open. */
    assert_int_equal(tls_write(p.tls, SPAN_LIT("answer"), &p.to), 0);
    tls_close(p.tls, &p.to);
    to_client(&p);
    char b[16];
    assert_int_equal(SSL_read(p.ssl, b, sizeof b), 6);
    assert_int_equal(SSL_read(p.ssl, b, sizeof b), 0);
    assert_int_equal(SSL_get_error(p.ssl, 0), SSL_ERROR_ZERO_RETURN);
    pair_close(&p);
}

static void altered_record(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    shake(&p, 65536);
    assert_int_equal(SSL_write(p.ssl, "text", 4), 4);
    uint8_t b[256];
    int n = BIO_read(p.out, b, sizeof b);
    assert_true(n > 0);
    b[n - 1] ^= 1;
    struct span in = span_of(b, (size_t)n);
    assert_int_equal(tls_read(p.tls, &in, &p.clear, &p.to), E_CRYPTO);
    assert_int_equal(p.clear.n, 0);
    assert_true(p.to.n > 0); /* an alert */
    assert_true(strlen(tls_error(p.tls)) > 0);
    assert_int_equal(ERR_peek_error(), 0);
    /* Of no use from then on, and says so. */
    buf_clear(&p.to);
    assert_int_equal(tls_write(p.tls, SPAN_LIT("x"), &p.to), E_CRYPTO);
    assert_int_equal(tls_read(p.tls, &in, &p.clear, &p.to), E_CRYPTO);
    assert_int_equal(tls_handshake(p.tls, &in, &p.to), TLS_STEP_FAILED);
    tls_close(p.tls, &p.to);
    assert_int_equal(p.to.n, 0);
    pair_close(&p);
}

/* The ceiling of the buffer for the peer is an error of this session and not a crash. */
static void no_room_for_the_peer(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    shake(&p, 65536);
    struct buf tiny;
    buf_init(&tiny, 10);
    assert_int_equal(tls_write(p.tls, SPAN_LIT("some text"), &tiny), E_CRYPTO);
    assert_int_equal(ERR_peek_error(), 0);
    buf_fini(&tiny);
    pair_close(&p);
}

/* Another session's leftovers in the library's error queue are not taken for this one's. */
static void foreign_errors(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    shake(&p, 65536);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    assert_int_equal(SSL_write(p.ssl, "text", 4), 4);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    assert_true(to_server(&p, 3));
    assert_int_equal(p.clear.n, 4);
    pair_close(&p);
}

static void key_of_another_certificate(void **state)
{
    (void)state;
    struct cert_setup setup_ = {"/nonexistent", "", "", "", "", "localhost", "", CERT_KEY_P256};
    struct cert *a = NULL, *b = NULL;
    struct buf why;
    SSL_CTX *ctx = NULL;
    buf_init(&why, 1024);
    assert_int_equal(cert_make(&a, &setup_, clock_now().unix_ms / 1000, &why), 0);
    assert_int_equal(cert_make(&b, &setup_, clock_now().unix_ms / 1000, &why), 0);
    assert_int_equal(tls_context_create(&ctx, a->leaf, b->key, NULL, &why), E_CRYPTO);
    assert_null(ctx);
    assert_true(why.n > 0);
    assert_int_equal(ERR_peek_error(), 0);
    cert_destroy(a);
    cert_destroy(b);
    buf_fini(&why);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(any_split),      T(many_records),
        T(small_clear),    T(close_notify_both_ways),
        T(altered_record), T(no_room_for_the_peer),
        T(foreign_errors), T(key_of_another_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
