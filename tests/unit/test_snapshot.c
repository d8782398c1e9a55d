/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files of snapshots: what goes in comes out, memory with its holes; what is damaged, cut off or something
 * else is refused with a sentence.
 */
#include <check.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "snapshot.h"

#define MEMORY (UINT64_C(5) * SNAPSHOT_CHUNK + 12345)

static char *folder, *path;

static void setup(void)
{
    folder = g_dir_make_tmp("snapshot-XXXXXX", NULL);
    path = g_build_filename(folder, "file", NULL);
}

static void teardown(void)
{
    g_unlink(path);
    ck_assert_msg(g_rmdir(folder) == 0, "something was left behind");
    g_free(path);
    g_free(folder);
}

/* Two sections, and memory of which chunks 1 and 3 are empty. */
static struct snapshot *example(void)
{
    struct snapshot *s = snapshot_new();
    static uint8_t noise[SNAPSHOT_CHUNK];
    g_byte_array_append(snapshot_add(s, "text", 3), (const guint8 *)"hello", 6);
    snapshot_add(s, "nothing", 0);
    ck_assert(snapshot_add_memory(s, "ram", MEMORY, NULL));
    srand(1);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(rand() >> 8);
    snapshot_copy(s, "ram", 0, noise, sizeof noise);
    snapshot_copy(s, "ram", 2 * SNAPSHOT_CHUNK + 77, "x", 1);
    snapshot_copy(s, "ram", 4 * SNAPSHOT_CHUNK, noise, 4096);
    snapshot_copy(s, "ram", MEMORY - 1, "y", 1);
    return s;
}

struct unpacked {
    GByteArray *bytes;
    unsigned empty;
};

static void take(void *ctx, uint64_t offset, const uint8_t *data, uint64_t size)
{
    static const uint8_t zeros[SNAPSHOT_CHUNK];
    struct unpacked *u = ctx;
    ck_assert_uint_eq(offset, u->bytes->len);
    u->empty += !data;
    g_byte_array_append(u->bytes, data ? data : zeros, (guint)size);
}

static GByteArray *unpack(const struct snapshot *s, unsigned *empty)
{
    struct unpacked u = { .bytes = g_byte_array_new() };
    ck_assert(snapshot_unpack(s, "ram", take, &u, NULL));
    *empty = u.empty;
    return u.bytes;
}

START_TEST(what_goes_in_comes_out)
{
    struct snapshot *in = example(), *out;
    unsigned empty;
    ck_assert(snapshot_write(in, path, NULL));
    ck_assert(snapshot_write(in, path, NULL)); /* in place of the first */
    out = snapshot_read(path, NULL);
    ck_assert_ptr_nonnull(out);
    ck_assert_str_eq((const char *)snapshot_find(out, "text")->bytes->data, "hello");
    ck_assert_uint_eq(snapshot_find(out, "text")->version, 3);
    ck_assert_uint_eq(snapshot_find(out, "nothing")->bytes->len, 0);
    ck_assert_ptr_null(snapshot_find(out, "tex"));
    ck_assert_ptr_null(snapshot_section(out, 2));
    ck_assert_uint_eq(snapshot_memory_size(out, "ram"), MEMORY);
    ck_assert_uint_eq(snapshot_memory_size(out, "rom"), 0);
    GByteArray *a = unpack(in, &empty), *b;
    ck_assert_uint_eq(empty, 0);
    b = unpack(out, &empty);
    ck_assert_uint_eq(empty, 2);
    ck_assert_uint_eq(b->len, MEMORY);
    ck_assert(a->len == b->len && !memcmp(a->data, b->data, a->len));
    g_byte_array_unref(a);
    g_byte_array_unref(b);
    snapshot_free(in);
    snapshot_free(out);
}
END_TEST

/* ---- Damage ---- */

/* Without flags GLib writes over what is there, and leaves the rest of it. */
static void put_file(const char *bytes, gsize size)
{
    g_unlink(path);
    ck_assert(g_file_set_contents_full(path, bytes, (gssize)size, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

struct sum {
    GChecksum *sum;
    uint64_t size;
};

static void add_chunk(void *ctx, uint64_t offset, const uint8_t *data, uint64_t size)
{
    struct sum *s = ctx;
    g_checksum_update(s->sum, (const guchar *)&offset, sizeof offset);
    if (data)
        g_checksum_update(s->sum, data, (gssize)size);
}

/* What is in it, as a sum; NULL: it is refused, when it is read or when its memory is wanted. */
static char *contents(const char *bytes, gsize size)
{
    GError *error = NULL;
    char *text = NULL;
    struct sum sum = { .sum = g_checksum_new(G_CHECKSUM_SHA1) };
    const struct snapshot_section *section;
    put_file(bytes, size);
    struct snapshot *s = snapshot_read(path, &error);
    for (unsigned i = 0; s && (section = snapshot_section(s, i)); i++) {
        g_checksum_update(sum.sum, (const guchar *)section->name, sizeof section->name);
        g_checksum_update(sum.sum, (const guchar *)&section->version, sizeof section->version);
        g_checksum_update(sum.sum, section->bytes->data, section->bytes->len);
    }
    if (s && snapshot_memory_size(s, "ram") == MEMORY && snapshot_unpack(s, "ram", add_chunk, &sum, &error))
        text = g_strdup(g_checksum_get_string(sum.sum));
    ck_assert(text || error || (s && snapshot_memory_size(s, "ram") != MEMORY));
    g_clear_error(&error);
    g_checksum_free(sum.sum);
    snapshot_free(s);
    return text;
}

static char *write_example(gsize *size)
{
    struct snapshot *s = example();
    char *bytes;
    ck_assert(snapshot_write(s, path, NULL));
    ck_assert(g_file_get_contents(path, &bytes, size, NULL));
    snapshot_free(s);
    return bytes;
}

/* Some bits are nobody's, in our header and in those of zstd: without them it is the same. */
START_TEST(damage_is_found)
{
    gsize size;
    unsigned found = 0;
    char *bytes = write_example(&size), *right = contents(bytes, size);
    ck_assert_ptr_nonnull(right);
    srand(2);
    for (unsigned i = 0; i < 1500; i++) {
        /* Most of it is noise that is packed as it is: rather the beginning, where the records are. */
        gsize at = i < 1000 ? (gsize)i : (gsize)rand() % size;
        char bit = (char)(1 << rand() % 8);
        bytes[at] ^= bit;
        char *now = contents(bytes, size);
        bytes[at] ^= bit;
        ck_assert_msg(!now || !strcmp(now, right), "byte %zu of %zu", at, size);
        found += !now;
        g_free(now);
    }
    ck_assert_uint_gt(found, 1450);
    g_free(right);
    g_free(bytes);
}
END_TEST

START_TEST(what_is_cut_off_is_refused)
{
    gsize size;
    char *bytes = write_example(&size);
    for (gsize n = 0; n < size; n += n < 700 || n > size - 700 ? 1 : 4999)
        ck_assert_msg(!contents(bytes, n), "%zu of %zu bytes", n, size);
    char *more = g_malloc0(size + 1);
    memcpy(more, bytes, size);
    ck_assert(!contents(more, size + 1));
    g_free(more);
    g_free(bytes);
}
END_TEST

START_TEST(what_is_none_is_told_apart)
{
    GError *error = NULL;
    ck_assert(g_file_set_contents(path, "D86SNAPshot? no", -1, NULL));
    ck_assert_ptr_null(snapshot_read(path, &error));
    ck_assert(g_error_matches(error, SNAPSHOT_ERROR, SNAPSHOT_ERROR_NONE));
    g_clear_error(&error);
    gsize size;
    char *bytes = write_example(&size);
    bytes[8] = 2; /* the format's version */
    ck_assert(g_file_set_contents(path, bytes, (gssize)size, NULL));
    ck_assert_ptr_null(snapshot_read(path, &error));
    ck_assert(!g_error_matches(error, SNAPSHOT_ERROR, SNAPSHOT_ERROR_NONE));
    ck_assert_ptr_nonnull(strstr(error->message, "version 2"));
    g_clear_error(&error);
    g_free(bytes);
}
END_TEST

/* The file that is there stays, and nothing is left beside it. */
START_TEST(a_file_that_cannot_be_written)
{
    GError *error = NULL;
    struct snapshot *s = example();
    ck_assert(g_file_set_contents(path, "old", -1, NULL));
    char *nowhere = g_build_filename(folder, "none", "file", NULL);
    ck_assert(!snapshot_write(s, nowhere, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "none/file"));
    g_clear_error(&error);
    ck_assert(!snapshot_write(s, folder, &error)); /* it is one */
    g_clear_error(&error);
    g_free(nowhere);
    snapshot_free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snapshot");
    TCase *tc = tcase_create("snapshot");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, what_goes_in_comes_out);
    tcase_add_test(tc, damage_is_found);
    tcase_add_test(tc, what_is_cut_off_is_refused);
    tcase_add_test(tc, what_is_none_is_told_apart);
    tcase_add_test(tc, a_file_that_cannot_be_written);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
