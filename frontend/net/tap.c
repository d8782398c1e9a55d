/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An interface of the host's (tuntap, or macvtap by its descriptor): what the guest sends arrives there, and
 * the other way round. Linux, Documentation/networking/tuntap.rst.
 */
#include "net_private.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { AT_ONCE = 64 }; /* frames: then those of the guest have their turn */

struct tap {
    struct net_end end;
    int fd;
    uint8_t frame[DEVICE_FRAME_MAX];
};

static void tap_send(struct net_end *end, const uint8_t *frame, size_t size)
{
    struct tap *t = (struct tap *)end;
    if (write(t->fd, frame, size) < 0)
        return; /* its queue is full, or the interface is down: lost, as on a cable */
}

static void tap_wait(struct net_end *end, GArray *fds, int *timeout_ms)
{
    const struct tap *t = (struct tap *)end;
    const struct pollfd p = { .fd = t->fd, .events = POLLIN };
    (void)timeout_ms;
    g_array_append_val(fds, p);
}

static void tap_serve(struct net_end *end, const GArray *fds, unsigned first)
{
    struct tap *t = (struct tap *)end;
    if (!(g_array_index(fds, struct pollfd, first).revents & POLLIN))
        return;
    for (unsigned i = 0; i < AT_ONCE; i++) {
        ssize_t n = read(t->fd, t->frame, sizeof t->frame);
        if (n <= 0)
            return;
        net_deliver(t->end.net, t->frame, (size_t)n, false);
    }
}

static void tap_close(struct net_end *end)
{
    struct tap *t = (struct tap *)end;
    if (t->fd >= 0)
        close(t->fd);
    g_free(t);
}

static gboolean open_interface(struct tap *t, const char *name, GError **error)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    if (strlen(name) >= sizeof request.ifr_name)
        return fail_with(error, FRONTEND_ERROR_USAGE, "--net: ifname '%s' is too long for an interface",
                         name);
    /* Who may would make one by this, which leads nowhere. */
    if (!if_nametoindex(name))
        return fail_with(error, FRONTEND_ERROR_USAGE, "--net: there is no interface '%s'", name);
    memcpy(request.ifr_name, name, strlen(name));
    t->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (t->fd < 0)
        return fail_errno(error, -errno, NULL, "--net: cannot open /dev/net/tun for tap");
    if (ioctl(t->fd, TUNSETIFF, &request) < 0)
        return fail_errno(error, -errno, NULL, "--net: cannot use the interface '%s' as a tap", name);
    return TRUE;
}

static gboolean take_descriptor(struct tap *t, int fd, GError **error)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return fail_errno(error, -errno, NULL, "--net: cannot use the descriptor %d as a tap", fd);
    struct ifreq request;
    if (ioctl(fd, TUNGETIFF, &request) < 0 || !(request.ifr_flags & IFF_TAP) ||
        !(request.ifr_flags & IFF_NO_PI))
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "--net: the descriptor %d is no tap interface without packet information", fd);
    if (request.ifr_flags & IFF_VNET_HDR)
        return fail_with(error, FRONTEND_ERROR_USAGE,
                         "--net: the tap interface of descriptor %d must be open without IFF_VNET_HDR", fd);
    t->fd = fd;
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return fail_errno(error, -errno, NULL, "--net: cannot use the descriptor %d as a tap", fd);
    return TRUE;
}

static struct net_end *tap_open(struct net *net, const struct net_spec *spec, GError **error)
{
    struct tap *t = g_new0(struct tap, 1);
    t->end = (struct net_end){ &net_tap_type, net };
    t->fd = -1;
    if (spec->interface ? open_interface(t, spec->interface, error) : take_descriptor(t, spec->fd, error))
        return &t->end;
    tap_close(&t->end);
    return NULL;
}

const struct net_end_type net_tap_type = {
    .open = tap_open,
    .close = tap_close,
    .send = tap_send,
    .wait = tap_wait,
    .serve = tap_serve,
};
