/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Screenshots, by libpng. The file gets its name when it is complete.
 */
#include "display.h"

#include "error.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <unistd.h>

/* libpng leaves by longjmp(); what it says is kept here. */
struct png_failure {
    char text[160];
};

static void on_png_error(png_structp png, png_const_charp message)
{
    struct png_failure *failure = png_get_error_ptr(png);
    g_strlcpy(failure->text, message, sizeof failure->text);
    png_longjmp(png, 1);
}

static void on_png_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

/* Between png_create_write_struct() and png_destroy_write_struct(): no variable of this may change. */
static bool write_rows(png_structp png, png_infop info, FILE *file, const struct display_picture *picture,
                       uint8_t *row)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_init_io(png, file);
    png_set_IHDR(png, info, picture->width, picture->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (unsigned y = 0; y < picture->height; y++) {
        const uint32_t *pixel = picture->pixels + (size_t)y * picture->width;
        for (unsigned x = 0; x < picture->width; x++) {
            row[3 * x] = (uint8_t)(pixel[x] >> 16);
            row[3 * x + 1] = (uint8_t)(pixel[x] >> 8);
            row[3 * x + 2] = (uint8_t)pixel[x];
        }
        png_write_row(png, row);
    }
    png_write_end(png, info);
    return true;
}

static bool write_png(FILE *file, const struct display_picture *picture, struct png_failure *failure)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, failure, on_png_error, on_png_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    uint8_t *row = g_malloc(3 * (size_t)picture->width);
    bool ok = info && write_rows(png, info, file, picture, row);
    g_free(row);
    png_destroy_write_struct(&png, &info);
    return ok;
}

gboolean display_write_png(const struct display *display, const char *path, GError **error)
{
    struct display_picture picture = display_picture(display);
    struct png_failure failure = { "" };
    if (picture.width == 0 || picture.height == 0)
        return fail_with(error, FRONTEND_ERROR_HOST, "there is no picture to write to '%s'", path);
    char *unfinished = g_strdup_printf("%s.part", path);
    FILE *file = fopen(unfinished, "wbe");
    int err = errno;
    bool ok = file && write_png(file, &picture, &failure);
    if (file) {
        errno = 0;
        ok = fclose(file) == 0 && ok;
        ok = ok && rename(unfinished, path) == 0;
        err = errno;
        if (!ok)
            unlink(unfinished);
    }
    g_free(unfinished);
    return ok || fail_errno(error, err ? -err : -EIO, failure.text, "cannot write the picture '%s'", path);
}
