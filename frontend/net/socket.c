/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The adapter of another machine. In a stream each frame comes behind its length, four bytes with the highest
 * first, which is what QEMU's "-netdev stream" and "-netdev socket" do; a datagram is a frame. Who listens
 * waits for one machine at a time; who connects tries again when the other one has gone.
 */
#include "net_private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    LENGTH = 4,
    INPUT = 1 << 18,      /* bytes */
    OUTPUT_MAX = 4 << 20, /* bytes that wait for a slow reader: what comes then is lost */
    RETRY_US = 500 * 1000,
    DATAGRAMS_AT_ONCE = 64,
};

struct place {
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
        struct sockaddr_un un;
    } address;
    socklen_t size;
};

struct link {
    struct net_end end;
    enum net_connection kind;
    struct place place;
    char *path;       /* of our own Unix socket, to be removed */
    int listener, fd; /* -1: none */
    bool connecting;
    gint64 retry_at; /* monotonic time in us */
    uint8_t *input;  /* bytes of the stream that are no whole frame yet */
    size_t input_size;
    GByteArray *output;
};

/* ---- Addresses ---- */

static gboolean find_unix(const char *path, struct place *place, GError **error)
{
    if (!*path || strlen(path) >= sizeof place->address.un.sun_path)
        return fail_with(error, FRONTEND_ERROR_USAGE, "--net: '%s' is no path for a Unix socket", path);
    place->address.un.sun_family = AF_UNIX;
    memcpy(place->address.un.sun_path, path, strlen(path));
    place->size = sizeof place->address.un;
    return TRUE;
}

/* "[HOST]:PORT", where HOST is 127.0.0.1 unless said, or "unix:PATH". */
static gboolean find_place(const char *text, enum net_connection kind, struct place *place, GError **error)
{
    memset(place, 0, sizeof *place);
    if (g_str_has_prefix(text, "unix:"))
        return find_unix(text + 5, place, error);
    const char *colon = strrchr(text, ':');
    guint64 port;
    /* getaddrinfo() cuts off what is too large. */
    if (!colon || !g_ascii_string_to_unsigned(colon + 1, 10, 1, UINT16_MAX, &port, NULL))
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "--net: '%s' is no place of another machine: give HOST:PORT or unix:PATH", text);
    char *host = g_strndup(text, (gsize)(colon - text));
    const struct addrinfo hints = { .ai_family = AF_INET,
                                    .ai_socktype = kind == NET_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM };
    struct addrinfo *found = NULL;
    int err = getaddrinfo(*host ? host : "127.0.0.1", colon + 1, &hints, &found);
    g_free(host);
    if (err)
        return fail_with(error, FRONTEND_ERROR_USAGE, "--net: cannot find '%s': %s", text, gai_strerror(err));
    memcpy(&place->address, found->ai_addr, found->ai_addrlen);
    place->size = found->ai_addrlen;
    freeaddrinfo(found);
    return TRUE;
}

/* ---- Connections ---- */

static int new_socket(const struct link *l)
{
    return socket(l->place.address.any.sa_family,
                  (l->kind == NET_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void disconnect(struct link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    l->connecting = false;
    l->input_size = 0;
    g_byte_array_set_size(l->output, 0);
    l->retry_at = g_get_monotonic_time() + RETRY_US;
}

static void connected(struct link *l, int fd)
{
    const int on = 1;
    l->fd = fd;
    l->connecting = false;
    if (l->place.address.any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void try_to_connect(struct link *l)
{
    l->fd = new_socket(l);
    if (l->fd < 0) {
        disconnect(l);
    } else if (connect(l->fd, &l->place.address.any, l->place.size) == 0) {
        connected(l, l->fd);
    } else if (errno == EINPROGRESS) {
        l->connecting = true;
    } else {
        disconnect(l);
    }
}

static void finish_connecting(struct link *l)
{
    int err = 0;
    socklen_t size = sizeof err;
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0 || err)
        disconnect(l);
    else
        connected(l, l->fd);
}

static void take_peer(struct link *l)
{
    int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        connected(l, fd);
}

/* ---- Frames ---- */

static void flush(struct link *l)
{
    while (l->output->len && l->fd >= 0) {
        ssize_t n = send(l->fd, l->output->data, l->output->len, MSG_NOSIGNAL);
        if (n > 0)
            g_byte_array_remove_range(l->output, 0, (guint)n);
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n < 0 && errno == EAGAIN)
            return;
        else
            disconnect(l);
    }
}

static void link_send(struct net_end *end, const uint8_t *frame, size_t size)
{
    struct link *l = (struct link *)end;
    if (l->kind == NET_DATAGRAM) {
        sendto(l->fd, frame, size, MSG_NOSIGNAL, &l->place.address.any, l->place.size);
        return;
    }
    if (l->fd < 0 || l->connecting || l->output->len + LENGTH + size > OUTPUT_MAX)
        return; /* nobody is there to take it */
    const uint8_t length[LENGTH] = { (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                                     (uint8_t)size };
    bool idle = l->output->len == 0;
    g_byte_array_append(l->output, length, LENGTH);
    g_byte_array_append(l->output, frame, (guint)size);
    if (idle)
        flush(l);
}

/* Deliver whole frames, and keep the rest. A length that cannot be ends the connection. */
static void take_frames(struct link *l)
{
    size_t at = 0;
    while (l->input_size - at >= LENGTH) {
        const uint8_t *b = l->input + at;
        size_t size = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
        if (!size || size > DEVICE_FRAME_MAX) {
            g_printerr("duplex86: --net: what is connected to the network cable says no frames\n");
            disconnect(l);
            return;
        }
        if (l->input_size - at - LENGTH < size)
            break;
        net_deliver(l->end.net, b + LENGTH, size, false);
        at += LENGTH + size;
    }
    memmove(l->input, l->input + at, l->input_size - at);
    l->input_size -= at;
}

static void receive_stream(struct link *l)
{
    ssize_t n = recv(l->fd, l->input + l->input_size, INPUT - l->input_size, 0);
    if (n > 0) {
        l->input_size += (size_t)n;
        take_frames(l);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        disconnect(l);
    }
}

static void receive_datagrams(struct link *l)
{
    for (unsigned i = 0; i < DATAGRAMS_AT_ONCE; i++) {
        ssize_t n = recv(l->fd, l->input, INPUT, 0);
        if (n < 0)
            return;
        net_deliver(l->end.net, l->input, (size_t)n, false);
    }
}

/* ---- Waiting ---- */

static void link_wait(struct net_end *end, GArray *fds, int *timeout_ms)
{
    struct link *l = (struct link *)end;
    struct pollfd p = { .fd = l->fd, .events = POLLIN };
    gint64 now = g_get_monotonic_time();
    if (l->kind == NET_CONNECT && l->fd < 0 && now >= l->retry_at)
        try_to_connect(l);
    p.fd = l->fd;
    if (l->fd < 0 && l->kind == NET_LISTEN)
        p.fd = l->listener;
    else if (l->fd < 0)
        *timeout_ms = (int)(MAX(l->retry_at - now, 0) / 1000 + 1);
    if (l->connecting)
        p.events = POLLOUT;
    else if (l->output->len)
        p.events |= POLLOUT;
    g_array_append_val(fds, p);
}

static void link_serve(struct net_end *end, const GArray *fds, unsigned first)
{
    struct link *l = (struct link *)end;
    const struct pollfd *p = &g_array_index(fds, struct pollfd, first);
    if (!p->revents || p->fd < 0)
        return;
    if (l->fd < 0)
        take_peer(l);
    else if (l->connecting)
        finish_connecting(l);
    else if (l->kind == NET_DATAGRAM)
        receive_datagrams(l);
    else if (p->revents & (POLLIN | POLLHUP | POLLERR))
        receive_stream(l);
    if (l->kind != NET_DATAGRAM && !l->connecting)
        flush(l);
}

/* ---- Life ---- */

static void link_close(struct net_end *end)
{
    struct link *l = (struct link *)end;
    if (l->fd >= 0)
        close(l->fd);
    if (l->listener >= 0)
        close(l->listener);
    if (l->path)
        unlink(l->path);
    g_free(l->path);
    g_free(l->input);
    g_byte_array_free(l->output, TRUE);
    g_free(l);
}

/* Make way for our own Unix socket if one that nobody listens to any more is there. */
static void remove_old(const struct place *place)
{
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stat(place->address.un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
        connect(fd, &place->address.any, place->size) < 0 && errno == ECONNREFUSED)
        unlink(place->address.un.sun_path);
    if (fd >= 0)
        close(fd);
}

static int bind_to(struct link *l, const struct place *place)
{
    const int on = 1;
    int fd = new_socket(l);
    if (fd < 0)
        return -1;
    if (place->address.any.sa_family == AF_UNIX)
        remove_old(place);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &place->address.any, place->size) == 0) {
        if (place->address.any.sa_family == AF_UNIX)
            l->path = g_strdup(place->address.un.sun_path);
        return fd;
    }
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

static gboolean open_listener(struct link *l, const struct net_spec *spec, GError **error)
{
    l->listener = bind_to(l, &l->place);
    if (l->listener < 0 || listen(l->listener, 1) < 0)
        return fail_errno(error, -errno, NULL, "--net: cannot listen at '%s'", spec->address);
    return TRUE;
}

static gboolean open_datagrams(struct link *l, const struct net_spec *spec, GError **error)
{
    struct place local;
    if (!find_place(spec->local, NET_DATAGRAM, &local, error))
        return FALSE;
    if (local.address.any.sa_family != l->place.address.any.sa_family)
        return fail_with(error, FRONTEND_ERROR_USAGE, "--net: udp= and local= must be of one kind");
    l->fd = bind_to(l, &local);
    if (l->fd < 0)
        return fail_errno(error, -errno, NULL, "--net: cannot receive at '%s'", spec->local);
    return TRUE;
}

static gboolean open_kind(struct link *l, const struct net_spec *spec, GError **error)
{
    if (!find_place(spec->address, l->kind, &l->place, error))
        return FALSE;
    if (l->kind == NET_LISTEN)
        return open_listener(l, spec, error);
    return l->kind == NET_CONNECT || open_datagrams(l, spec, error);
}

static struct net_end *link_open(struct net *net, const struct net_spec *spec, GError **error)
{
    struct link *l = g_new0(struct link, 1);
    l->end = (struct net_end){ &net_socket_type, net };
    l->kind = spec->connection;
    l->listener = l->fd = -1;
    l->input = g_malloc(INPUT);
    l->output = g_byte_array_new();
    if (open_kind(l, spec, error))
        return &l->end;
    link_close(&l->end);
    return NULL;
}

const struct net_end_type net_socket_type = {
    .open = link_open,
    .close = link_close,
    .send = link_send,
    .wait = link_wait,
    .serve = link_serve,
};
