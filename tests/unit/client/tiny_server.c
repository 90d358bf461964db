#include "tiny_server.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    CHECK(e && X509_add_ext(cert, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    CHECK(cert && X509_set_version(cert, 2) == 1);
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1);
    CHECK(X509_gmtime_adj(X509_getm_notBefore(cert), -3600));
    CHECK(X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
    CHECK(X509_set_pubkey(cert, key) == 1);
    X509_NAME *name = X509_get_subject_name(cert);
    CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"tiny", -1,
                                     -1, 0) == 1);
    CHECK(X509_set_issuer_name(cert, name) == 1);
    extension(cert, NID_key_usage, "digitalSignature,keyEncipherment");
    extension(cert, NID_ext_key_usage, "serverAuth");
    extension(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

static void fingerprint(X509 *cert, const EVP_MD *md, const char *separator, char *to)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n;
    CHECK(X509_digest(cert, md, digest, &n) == 1);
    for (unsigned i = 0; i < n; i++)
        to += sprintf(to, "%s%02X", i ? separator : "", digest[i]);
}

static void make_tls(struct tiny_server *t)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    CHECK(key);
    X509 *cert = make_certificate(key);
    t->ctx = SSL_CTX_new(TLS_server_method());
    CHECK(t->ctx && SSL_CTX_use_certificate(t->ctx, cert) == 1);
    CHECK(SSL_CTX_use_PrivateKey(t->ctx, key) == 1);
    fingerprint(cert, EVP_sha256(), "", t->pin_sha256);
    fingerprint(cert, EVP_sha1(), ":", t->pin_sha1);
    strcpy(t->ca_path, "/tmp/t_client_ca_XXXXXX");
    FILE *f = fdopen(mkstemp(t->ca_path), "w");
    CHECK(f && PEM_write_X509(f, cert) == 1 && fclose(f) == 0);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* A port that is free for TCP and UDP. */
static bool try_bind(struct tiny_server *t)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    t->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    t->udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    CHECK(t->listen_fd >= 0 && t->udp_fd >= 0);
    CHECK(bind(t->listen_fd, (struct sockaddr *)&a, n) == 0);
    CHECK(getsockname(t->listen_fd, (struct sockaddr *)&a, &n) == 0);
    CHECK(listen(t->listen_fd, 8) == 0);
    t->port = ntohs(a.sin_port);
    if (bind(t->udp_fd, (struct sockaddr *)&a, n) == 0)
        return true;
    close(t->listen_fd);
    close(t->udp_fd);
    return false;
}

void tiny_start(struct tiny_server *t)
{
    memset(t, 0, sizeof *t);
    t->fd = -1;
    make_tls(t);
    while (!try_bind(t))
        ;
}

void tiny_drop(struct tiny_server *t, bool reset)
{
    struct linger hard = {1, 0};
    if (t->fd < 0)
        return;
    if (t->up && !reset)
        SSL_shutdown(t->ssl);
    if (reset)
        setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    SSL_free(t->ssl);
    close(t->fd);
    t->ssl = NULL;
    t->fd = -1;
    t->up = false;
    t->in_n = 0;
}

void tiny_stop(struct tiny_server *t)
{
    tiny_drop(t, false);
    SSL_CTX_free(t->ctx);
    close(t->listen_fd);
    close(t->udp_fd);
    unlink(t->ca_path);
}

void tiny_step(struct tiny_server *t)
{
    if (t->fd < 0) {
        t->fd = accept4(t->listen_fd, NULL, NULL, SOCK_NONBLOCK);
        if (t->fd < 0)
            return;
        t->connections++;
        t->ssl = SSL_new(t->ctx);
        CHECK(t->ssl && SSL_set_fd(t->ssl, t->fd) == 1);
    }
    if (t->silent)
        return;
    if (!t->up)
        t->up = SSL_accept(t->ssl) == 1;
    while (t->up && t->in_n < sizeof t->in) {
        int n = SSL_read(t->ssl, t->in + t->in_n, (int)(sizeof t->in - t->in_n));
        if (n <= 0)
            break;
        t->in_n += (size_t)n;
    }
}

void tiny_say(struct tiny_server *t, const char *text)
{
    CHECK(t->up && SSL_write(t->ssl, text, (int)strlen(text)) == (int)strlen(text));
}

bool tiny_line(struct tiny_server *t, char *to, size_t cap)
{
    char *lf = memchr(t->in, '\n', t->in_n);
    size_t n = lf ? (size_t)(lf - t->in) : 0;
    if (!lf || n >= cap)
        return false;
    memcpy(to, t->in, n);
    to[n] = '\0';
    t->in_n -= n + 1;
    memmove(t->in, lf + 1, t->in_n);
    return true;
}

size_t tiny_datagram(struct tiny_server *t, char *to, size_t cap)
{
    t->udp_peer_n = sizeof t->udp_peer;
    ssize_t n = recvfrom(t->udp_fd, to, cap, 0, (struct sockaddr *)&t->udp_peer, &t->udp_peer_n);
    return n < 0 ? 0 : (size_t)n;
}

void tiny_send_datagram(struct tiny_server *t, const char *text)
{
    CHECK(sendto(t->udp_fd, text, strlen(text), 0, (struct sockaddr *)&t->udp_peer,
                 t->udp_peer_n) == (ssize_t)strlen(text));
}
