/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * qemu-nbd with a socket that listens already and has our connection waiting (systemd's protocol for such,
 * sd_listen_fds(3)). The socket's name is gone before the program starts, so nobody else can connect; and if
 * we die the connection is closed, which is what qemu-nbd ends upon, after it has written all that it knows.
 */
#include "image_server.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LISTEN_FD = 3, /* by the protocol; those to be kept follow */
    KEEP_MAX = 64,
    WORDS_MAX = 400,
    PATIENCE_MS = 60000, /* for what has to be written */
    PATIENCE_SIGTERM_MS = 5000,
};

struct image_server {
    GPid pid;
    int socket, words_fd;
    GString *words; /* the last line */
    bool line_over;
};

/* ---- A socket that nobody else knows ---- */

/* By the folder's descriptor: a path in $TMPDIR may be longer than an address. */
static gboolean listen_in(const char *folder, int *listening, int *connected)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/nbd", dir);
    *listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = dir >= 0 && *listening >= 0 && *connected >= 0 &&
              !bind(*listening, (struct sockaddr *)&address, sizeof address) && !listen(*listening, 1) &&
              !connect(*connected, (struct sockaddr *)&address, sizeof address);
    int err = errno;
    if (dir >= 0) {
        unlinkat(dir, "nbd", 0);
        close(dir);
    }
    errno = err;
    return ok;
}

static gboolean make_sockets(int *listening, int *connected, GError **error)
{
    char *folder = g_dir_make_tmp("duplex86-XXXXXX", NULL);
    *listening = *connected = -1;
    gboolean ok = folder && listen_in(folder, listening, connected);
    if (!ok)
        fail_errno(error, errno, NULL, "cannot make a socket for qemu-nbd in '%s'", g_get_tmp_dir());
    if (folder)
        rmdir(folder);
    g_free(folder);
    return ok;
}

/* ---- The process ---- */

#define LISTEN_PID "LISTEN_PID="

/*
 * Between fork and exec: `pid` is the text in the environment for the process's number, which nobody knows
 * before. A process group of its own: the terminal's Ctrl-C is for us. No privileges by set-user-ID files.
 */
static void set_up_child(gpointer pid)
{
    char digits[16];
    size_t n = 0;
    for (unsigned rest = (unsigned)getpid(); rest; rest /= 10)
        digits[n++] = (char)('0' + rest % 10);
    for (size_t i = 0; i < n; i++)
        ((char *)pid)[i] = digits[n - 1 - i];
    ((char *)pid)[n] = '\0';
    setpgid(0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static char *variable(const char *name)
{
    const char *value = g_getenv(name);
    return value ? g_strdup_printf("%s=%s", name, value) : NULL;
}

/* Nothing that is not needed. */
static char **environment(char **pid)
{
    GPtrArray *list = g_ptr_array_new();
    static const char *const wanted[] = { "PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH" };
    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
        char *entry = variable(wanted[i]);
        if (entry)
            g_ptr_array_add(list, entry);
    }
    char *number = g_strdup(LISTEN_PID "----------------");
    *pid = number + strlen(LISTEN_PID);
    g_ptr_array_add(list, number);
    g_ptr_array_add(list, g_strdup("LISTEN_FDS=1"));
    g_ptr_array_add(list, g_strdup("LC_ALL=C"));
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(list, FALSE);
}

static gboolean spawn(struct image_server *server, char **argv, const int *fds, unsigned count,
                      GError **error)
{
    int places[KEEP_MAX + 1];
    GError *theirs = NULL;
    char *pid, **env = environment(&pid);
    for (unsigned i = 0; i < count; i++)
        places[i] = LISTEN_FD + (int)i;
    gboolean ok = g_spawn_async_with_pipes_and_fds("/", (const char *const *)argv, (const char *const *)env,
                                                   G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL,
                                                   set_up_child, pid, -1, -1, -1, fds, places, count,
                                                   &server->pid, NULL, NULL, &server->words_fd, &theirs);
    g_strfreev(env);
    if (ok)
        return TRUE;
    fail_with(error, FRONTEND_ERROR_HOST, "cannot start qemu-nbd: %s", theirs->message);
    g_error_free(theirs);
    return FALSE;
}

static gboolean start(struct image_server *server, char **argv, const int *keep, unsigned count,
                      GError **error)
{
    int fds[KEEP_MAX + 1] = { -1 };
    if (count > KEEP_MAX)
        return fail_with(error, FRONTEND_ERROR_IMAGE, "an image on more than %d others cannot be used",
                         KEEP_MAX - 1);
    gboolean ok = make_sockets(&fds[0], &server->socket, error);
    for (unsigned i = 0; i < count; i++)
        fds[i + 1] = keep[i];
    ok = ok && spawn(server, argv, fds, count + 1, error);
    if (fds[0] >= 0)
        close(fds[0]);
    return ok;
}

char *image_tool_find(const char *tool, const char *what, GError **error)
{
    char *path = g_find_program_in_path(tool);
    if (!path)
        fail_with(error, FRONTEND_ERROR_HOST,
                  "%s needs the program %s, which is not there: install the package qemu-utils", what, tool);
    return path;
}

struct image_server *image_server_start(char *const *args, const int *keep, unsigned count, GError **error)
{
    static const char *const own[] = { "--shared=1", "--cache=writeback", "--discard=unmap", "--image-opts" };
    char *path = image_tool_find("qemu-nbd", "an image that is not raw", error);
    if (!path)
        return NULL;
    GPtrArray *argv = g_ptr_array_new();
    g_ptr_array_add(argv, path);
    for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
        g_ptr_array_add(argv, (char *)own[i]);
    for (; *args; args++)
        g_ptr_array_add(argv, *args);
    g_ptr_array_add(argv, NULL);
    struct image_server *server = g_new0(struct image_server, 1);
    server->socket = server->words_fd = -1;
    server->words = g_string_new(NULL);
    gboolean ok = start(server, (char **)argv->pdata, keep, count, error);
    g_ptr_array_free(argv, TRUE);
    g_free(path);
    if (ok)
        return server;
    image_server_end(server, true);
    return NULL;
}

int image_server_take_socket(struct image_server *server)
{
    int fd = server->socket;
    server->socket = -1;
    return fd;
}

/* ---- What it says ---- */

int image_server_fd(const struct image_server *server)
{
    return server->words_fd;
}

bool image_server_listen(struct image_server *server)
{
    char text[WORDS_MAX];
    ssize_t n = read(server->words_fd, text, sizeof text);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    for (ssize_t i = 0; i < n; i++) {
        if (server->line_over)
            g_string_truncate(server->words, 0);
        server->line_over = text[i] == '\n';
        if (!server->line_over && server->words->len < WORDS_MAX)
            g_string_append_c(server->words, text[i]);
    }
    return true;
}

const char *image_server_words(const struct image_server *server)
{
    static const char name[] = "qemu-nbd: ";
    const char *words = server->words->str;
    if (g_str_has_prefix(words, name))
        words += strlen(name);
    return *words ? words : NULL;
}

/* ---- Its end ---- */

static bool await_end(const struct image_server *server, int patience_ms)
{
    for (int waited = 0, pause = 1; waited < patience_ms; waited += pause, pause = MIN(pause * 2, 50)) {
        if (waitpid(server->pid, NULL, WNOHANG))
            return true;
        g_usleep((gulong)pause * 1000);
    }
    return false;
}

void image_server_end(struct image_server *server, bool now)
{
    if (!server)
        return;
    if (server->socket >= 0)
        close(server->socket);
    if (server->words_fd >= 0)
        close(server->words_fd);
    if (server->pid && !await_end(server, now ? 1 : PATIENCE_MS)) {
        kill(server->pid, SIGTERM);
        if (!await_end(server, PATIENCE_SIGTERM_MS)) {
            kill(server->pid, SIGKILL);
            waitpid(server->pid, NULL, 0);
        }
    }
    g_string_free(server->words, TRUE);
    g_free(server);
}
