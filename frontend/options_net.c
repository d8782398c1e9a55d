/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --net KIND[,KEY=VALUE]... Words are told apart by commas; one in a file's name is part of it unless a word
 * begins there.
 */
#include "options_net.h"

#include "error.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static gboolean fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean fail(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    fail_with(error, FRONTEND_ERROR_USAGE, "--net: %s", text);
    g_free(text);
    return FALSE;
}

/* ---- Values ---- */

static gboolean take_model(struct nic_options *nic, const char *value, GError **error)
{
    static const char *const names[PC_NIC_MODELS] = {
        [PC_NIC_NONE] = "",
        [PC_NIC_E1000] = "e1000",
        [PC_NIC_NE2000_PCI] = "ne2k_pci",
        [PC_NIC_NE2000_ISA] = "ne2k_isa",
        [PC_NIC_VIRTIO] = "virtio",
    };
    for (unsigned i = 1; i < PC_NIC_MODELS; i++) {
        if (!strcmp(value, names[i])) {
            nic->model = (enum pc_nic_model)i;
            return TRUE;
        }
    }
    return fail(error, "model '%s' is unknown: give e1000, virtio, ne2k_pci or ne2k_isa", value);
}

static gboolean take_mac(struct nic_options *nic, const char *value, GError **error)
{
    const char *at = value;
    bool ok = strlen(value) == 3 * DEVICE_MAC - 1;
    for (unsigned i = 0; ok && i < DEVICE_MAC; i++, at += 3) {
        ok = g_ascii_isxdigit(at[0]) && g_ascii_isxdigit(at[1]) && at[2] == (i < DEVICE_MAC - 1 ? ':' : '\0');
        nic->spec.mac[i] = (uint8_t)strtoul(at, NULL, 16);
    }
    static const uint8_t nobody[DEVICE_MAC];
    if (!ok || nic->spec.mac[0] & 1 || !memcmp(nic->spec.mac, nobody, sizeof nobody))
        return fail(error,
                    "mac '%s' is no address of an adapter: give six bytes, the first one even, as in "
                    "52:54:00:12:34:56",
                    value);
    return TRUE;
}

static bool take_port(const char *text, uint16_t *port)
{
    guint64 value;
    if (!g_ascii_string_to_unsigned(text, 10, 1, 65535, &value, NULL))
        return false;
    *port = (uint16_t)value;
    return true;
}

/* "[ADDRESS]:PORT" */
static bool take_place(const char *text, uint32_t *address, uint16_t *port)
{
    char **parts = g_strsplit(text, ":", 3);
    struct in_addr in = { 0 };
    bool ok = g_strv_length(parts) == 2 && (!*parts[0] || inet_pton(AF_INET, parts[0], &in) == 1) &&
              take_port(parts[1], port);
    *address = in.s_addr;
    g_strfreev(parts);
    return ok;
}

static gboolean take_forward(struct nic_options *nic, const char *value, GError **error)
{
    struct net_forward f = { .udp = g_str_has_prefix(value, "udp:") };
    bool ok = f.udp || g_str_has_prefix(value, "tcp:");
    char **places = g_strsplit(ok ? value + 4 : "", "-", 3);
    ok = ok && g_strv_length(places) == 2 && take_place(places[0], &f.host, &f.host_port) &&
         take_place(places[1], &f.guest, &f.guest_port);
    g_strfreev(places);
    if (!ok)
        return fail(error,
                    "hostfwd '%s' is not understood: give tcp:HOSTIP:PORT-GUESTIP:PORT, or udp:..., "
                    "where addresses may be left out, as in tcp:127.0.0.1:2222-:22",
                    value);
    g_array_append_val(nic->spec.forwards, f);
    return TRUE;
}

static gboolean take_switch(bool *to, const char *key, const char *value, GError **error)
{
    if (strcmp(value, "on") && strcmp(value, "off"))
        return fail(error, "%s '%s' is unknown: give on or off", key, value);
    *to = !strcmp(value, "on");
    return TRUE;
}

static gboolean take_text(char **to, const char *key, const char *value, GError **error)
{
    if (!*value)
        return fail(error, "%s is empty", key);
    g_free(*to);
    *to = g_strdup(value);
    return TRUE;
}

static gboolean take_fd(struct nic_options *nic, const char *value, GError **error)
{
    guint64 fd;
    if (!g_ascii_string_to_unsigned(value, 10, 3, 65535, &fd, NULL))
        return fail(error, "fd '%s' is no number of an open descriptor: give 3 or more", value);
    nic->spec.fd = (int)fd;
    return TRUE;
}

static gboolean take_connection(struct nic_options *nic, enum net_connection how, const char *key,
                                const char *value, GError **error)
{
    if (nic->spec.address)
        return fail(error, "listen, connect and udp exclude each other: give one");
    nic->spec.connection = how;
    return take_text(&nic->spec.address, key, value, error);
}

/* ---- Words ---- */

enum { USER = 1 << NET_USER, TAP = 1 << NET_TAP, SOCKET = 1 << NET_SOCKET, ALL = USER | TAP | SOCKET };

static const struct {
    const char *name;
    unsigned kinds; /* that have it */
    bool file;      /* its value may have commas */
} keys[] = {
    { "model", ALL, false },     { "mac", ALL, false },      { "dump", ALL, true },
    { "hostfwd", USER, false },  { "tftp", USER, true },     { "bootfile", USER, true },
    { "restrict", USER, false }, { "ipv6", USER, false },    { "ifname", TAP, false },
    { "fd", TAP, false },        { "listen", SOCKET, true }, { "connect", SOCKET, true },
    { "udp", SOCKET, true },     { "local", SOCKET, true },
};

static int key_of(const char *word)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        size_t n = strlen(keys[i].name);
        if (!strncmp(word, keys[i].name, n) && word[n] == '=')
            return (int)i;
    }
    return -1;
}

static gboolean take_word(struct nic_options *nic, const char *key, const char *value, GError **error)
{
    struct net_spec *spec = &nic->spec;
    if (!strcmp(key, "model"))
        return take_model(nic, value, error);
    if (!strcmp(key, "mac"))
        return take_mac(nic, value, error);
    if (!strcmp(key, "dump"))
        return take_text(&spec->dump, key, value, error);
    if (!strcmp(key, "hostfwd"))
        return take_forward(nic, value, error);
    if (!strcmp(key, "tftp"))
        return take_text(&spec->tftp, key, value, error);
    if (!strcmp(key, "bootfile"))
        return take_text(&spec->bootfile, key, value, error);
    if (!strcmp(key, "restrict"))
        return take_switch(&spec->restrict_, key, value, error);
    if (!strcmp(key, "ipv6"))
        return take_switch(&spec->ipv6, key, value, error);
    if (!strcmp(key, "ifname"))
        return take_text(&spec->interface, key, value, error);
    if (!strcmp(key, "fd"))
        return take_fd(nic, value, error);
    if (!strcmp(key, "local"))
        return take_text(&spec->local, key, value, error);
    return take_connection(nic,
                           !strcmp(key, "listen") ? NET_LISTEN
                           : !strcmp(key, "udp")  ? NET_DATAGRAM
                                                  : NET_CONNECT,
                           key, value, error);
}

/* Put the pieces of a file's name with commas together again. */
static GPtrArray *words_of(const char *text)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
    char **pieces = g_strsplit(text, ",", 0);
    for (char **piece = pieces; *piece; piece++) {
        char *last = words->len ? words->pdata[words->len - 1] : NULL;
        int key = last ? key_of(last) : -1;
        if (key >= 0 && keys[key].file && key_of(*piece) < 0) {
            words->pdata[words->len - 1] = g_strconcat(last, ",", *piece, NULL);
            g_free(last);
        } else {
            g_ptr_array_add(words, g_strdup(*piece));
        }
    }
    g_strfreev(pieces);
    return words;
}

static gboolean take_kind(struct nic_options *nic, const char *name, GError **error)
{
    static const char *const names[] = { [NET_USER] = "user", [NET_TAP] = "tap", [NET_SOCKET] = "socket" };
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(name, names[i])) {
            nic->spec.kind = (enum net_kind)i;
            return TRUE;
        }
    }
    return fail(error, "'%s' is unknown: give user, tap, socket or none", name);
}

static gboolean check(const struct nic_options *nic, GError **error)
{
    const struct net_spec *spec = &nic->spec;
    if (spec->kind == NET_TAP && !spec->interface == !spec->fd)
        return fail(error, "tap wants ifname=NAME or fd=NUMBER");
    if (spec->kind == NET_SOCKET && !spec->address)
        return fail(error, "socket wants listen=, connect= or udp=");
    if (spec->kind == NET_SOCKET && (spec->connection == NET_DATAGRAM) != (spec->local != NULL))
        return fail(error, "local= and udp= go together: give both, or neither");
    if (spec->bootfile && !spec->tftp)
        return fail(error, "bootfile goes with tftp=DIR, where it is");
    return TRUE;
}

static gboolean take_words(struct nic_options *nic, const GPtrArray *words, GError **error)
{
    gboolean ok = take_kind(nic, words->len ? words->pdata[0] : "", error);
    for (guint i = 1; ok && i < words->len; i++) {
        const char *word = words->pdata[i];
        int key = key_of(word);
        if (key < 0 || !(keys[key].kinds >> nic->spec.kind & 1))
            return fail(error, "'%s' is unknown with %s", word, (char *)words->pdata[0]);
        ok = take_word(nic, keys[key].name, word + strlen(keys[key].name) + 1, error);
    }
    return ok && check(nic, error);
}

/* ---- All ---- */

/* Two machines on a cable are told apart by which end they have. */
static void default_mac(struct nic_options *nic, unsigned number)
{
    uint8_t end = 0;
    if (nic->spec.kind == NET_SOCKET && nic->spec.connection == NET_CONNECT)
        end = 1;
    else if (nic->spec.local)
        end = (uint8_t)g_str_hash(nic->spec.local);
    const uint8_t mac[DEVICE_MAC] = { 0x52, 0x54, 0x00, 0xd8, end, (uint8_t)number };
    memcpy(nic->spec.mac, mac, sizeof mac);
}

static gboolean take_nic(struct nic_options *nic, unsigned number, const char *text, bool isa, GError **error)
{
    GPtrArray *words = words_of(text);
    nic->model = isa ? PC_NIC_NE2000_ISA : PC_NIC_E1000;
    nic->spec.forwards = g_array_new(FALSE, FALSE, sizeof(struct net_forward));
    nic->spec.ipv6 = true;
    gboolean ok = take_words(nic, words, error);
    g_ptr_array_free(words, TRUE);
    const uint8_t none[DEVICE_MAC] = { 0 };
    if (!memcmp(nic->spec.mac, none, sizeof none))
        default_mac(nic, number);
    if (ok && isa && nic->model != PC_NIC_NE2000_ISA)
        return fail(error, "the machine isa has no PCI bus: give model=ne2k_isa, or --machine pc");
    return ok;
}

bool options_net_needs_pci(char **texts)
{
    for (; texts && *texts; texts++) {
        if (strcmp(*texts, "none") && !strstr(*texts, "model=ne2k_isa"))
            return true;
    }
    return false;
}

static gboolean check_isa(const struct net_options *net, GError **error)
{
    unsigned count = 0;
    for (unsigned i = 0; i < net->count; i++)
        count += net->nics[i].model == PC_NIC_NE2000_ISA;
    return count <= 1 || fail(error, "there can be one ne2k_isa, which has its place at 300h");
}

gboolean options_net_take(struct net_options *net, char **texts, bool isa, GError **error)
{
    for (; texts && *texts; texts++) {
        if (!strcmp(*texts, "none"))
            continue;
        if (net->count == PC_NICS)
            return fail(error, "there are places for %d adapters at most", PC_NICS);
        unsigned number = net->count++;
        if (!take_nic(&net->nics[number], number, *texts, isa, error))
            return FALSE;
    }
    return check_isa(net, error);
}

void options_net_clear(struct net_options *net)
{
    for (unsigned i = 0; i < net->count; i++) {
        struct net_spec *spec = &net->nics[i].spec;
        g_array_free(spec->forwards, TRUE);
        g_free(spec->dump);
        g_free(spec->tftp);
        g_free(spec->bootfile);
        g_free(spec->interface);
        g_free(spec->address);
        g_free(spec->local);
    }
}
