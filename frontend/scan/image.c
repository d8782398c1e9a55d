/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files to scan. Of an ELF file the executable segments count, and as entries e_entry and the functions of
 * its symbol tables; a raw file is one span. System V ABI, "Program Header" and "Symbol Table".
 */
#include "image.h"

#include "error.h"

#include <errno.h>
#include <libelf.h>
#include <string.h>

static gboolean fail_image(GError **error, const struct options *options, const char *what)
{
    return fail_with(error, FRONTEND_ERROR_IMAGE, "'%s' %s", options->file, what);
}

static void add_span(struct image *image, uint32_t address, const uint8_t *bytes, uint32_t size)
{
    struct image_span span = { address, size, bytes };

    if (size)
        g_array_append_val(image->spans, span);
}

static void add_entry(struct image *image, uint32_t entry)
{
    if (image_has(image, entry))
        g_array_append_val(image->entries, entry);
}

/* ---- ELF ----------------------------------------------------------------------------------------- */

static gboolean read_segments(struct image *image, const struct options *options, Elf *elf, GError **error)
{
    size_t size = g_mapped_file_get_length(image->file), count;
    const uint8_t *data = (const uint8_t *)g_mapped_file_get_contents(image->file);
    const Elf32_Phdr *phdrs = elf32_getphdr(elf);

    if (elf_getphdrnum(elf, &count) < 0 || !phdrs)
        return fail_image(error, options, "has no program headers: link it, or take its text with objcopy");
    for (size_t i = 0; i < count; i++) {
        Elf32_Phdr phdr; /* libelf may point into the file, where nothing need be aligned */

        memcpy(&phdr, (const char *)phdrs + i * sizeof(phdr), sizeof(phdr));
        if (phdr.p_type != PT_LOAD || !(phdr.p_flags & PF_X))
            continue;
        if (phdr.p_offset > size || phdr.p_filesz > size - phdr.p_offset ||
            phdr.p_filesz > UINT32_MAX - phdr.p_vaddr)
            return fail_image(error, options, "has a segment beyond the end of the file, or of memory");
        add_span(image, phdr.p_vaddr, data + phdr.p_offset, phdr.p_filesz);
    }
    return TRUE;
}

static void read_symbols(struct image *image, Elf_Scn *section)
{
    const Elf32_Shdr *header = elf32_getshdr(section);
    Elf_Data *data;

    if (!header || (header->sh_type != SHT_SYMTAB && header->sh_type != SHT_DYNSYM))
        return;
    data = elf_getdata(section, NULL);
    if (!data || elf_errno())
        return;
    for (size_t i = 0; i < data->d_size / sizeof(Elf32_Sym); i++) {
        Elf32_Sym symbol;

        memcpy(&symbol, (const char *)data->d_buf + i * sizeof(symbol), sizeof(symbol));
        if (ELF32_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF)
            add_entry(image, symbol.st_value);
    }
}

static gboolean read_elf(struct image *image, const struct options *options, Elf *elf, GError **error)
{
    const char *ident = elf ? elf_getident(elf, NULL) : NULL;
    const Elf32_Ehdr *header;

    if (!ident || elf_kind(elf) != ELF_K_ELF)
        return fail_image(error, options, "is no ELF file; --raw takes it as code");
    if (ident[EI_CLASS] != ELFCLASS32 || ident[EI_DATA] != ELFDATA2LSB)
        return fail_image(error, options, "is not little-endian ELF32, as i386 programs are");
    header = elf32_getehdr(elf);
    if (!header || header->e_machine != EM_386)
        return fail_image(error, options, "is not for i386, or is damaged");
    if (!read_segments(image, options, elf, error))
        return FALSE;
    add_entry(image, header->e_entry);
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));)
        read_symbols(image, section);
    return TRUE;
}

static gboolean open_elf(struct image *image, const struct options *options, GError **error)
{
    gboolean ok;
    Elf *elf;

    elf_version(EV_CURRENT);
    elf = elf_memory(g_mapped_file_get_contents(image->file), g_mapped_file_get_length(image->file));
    ok = read_elf(image, options, elf, error);
    elf_end(elf);
    return ok;
}

/* ---- Raw ----------------------------------------------------------------------------------------- */

static gboolean open_raw(struct image *image, const struct options *options, GError **error)
{
    size_t size = g_mapped_file_get_length(image->file);

    if (size > (size_t)UINT32_MAX - options->address)
        return fail_image(error, options, "reaches beyond 4 GiB: cut it, or give a lower --address");
    add_span(image, options->address, (const uint8_t *)g_mapped_file_get_contents(image->file),
             (uint32_t)size);
    add_entry(image, options->address);
    return TRUE;
}

/* ---- Both ---------------------------------------------------------------------------------------- */

static int compare_spans(const void *a, const void *b)
{
    const struct image_span *left = a, *right = b;

    return left->address < right->address ? -1 : left->address > right->address;
}

static gboolean take_entries(struct image *image, const struct options *options, GError **error)
{
    if (image->spans->len == 0)
        return fail_image(error, options, "has no code");
    if (options->entries->len == 0)
        return TRUE;
    g_array_set_size(image->entries, 0);
    for (guint i = 0; i < options->entries->len; i++) {
        uint32_t entry = g_array_index(options->entries, uint32_t, i);

        if (!image_has(image, entry))
            return fail_with(error, FRONTEND_ERROR_IMAGE, "'%s' has no code at the entry 0x%x", options->file,
                             entry);
        add_entry(image, entry);
    }
    return TRUE;
}

static bool is_elf(GMappedFile *file)
{
    return g_mapped_file_get_length(file) >= SELFMAG &&
           !memcmp(g_mapped_file_get_contents(file), ELFMAG, SELFMAG);
}

gboolean image_open(struct image *image, const struct options *options, GError **error)
{
    GError *theirs = NULL;
    gboolean ok;

    *image = (struct image){ .file = g_mapped_file_new(options->file, FALSE, &theirs) };
    if (!image->file) {
        fail_with(error, FRONTEND_ERROR_HOST, "cannot read '%s': %s", options->file, g_strerror(errno));
        g_error_free(theirs);
        return FALSE;
    }
    image->spans = g_array_new(FALSE, FALSE, sizeof(struct image_span));
    image->entries = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    if (options->input == INPUT_ELF || (options->input == INPUT_AUTO && is_elf(image->file)))
        ok = open_elf(image, options, error);
    else
        ok = open_raw(image, options, error);
    g_array_sort(image->spans, compare_spans);
    ok = ok && take_entries(image, options, error);
    if (!ok)
        image_close(image);
    return ok;
}

void image_close(struct image *image)
{
    if (image->file)
        g_mapped_file_unref(image->file);
    if (image->spans)
        g_array_unref(image->spans);
    if (image->entries)
        g_array_unref(image->entries);
    *image = (struct image){ 0 };
}

bool image_has(const struct image *image, uint32_t address)
{
    for (guint i = 0; i < image->spans->len; i++) {
        const struct image_span *span = &g_array_index(image->spans, struct image_span, i);

        if (address - span->address < span->size)
            return true;
    }
    return false;
}

void image_read_page(const struct image *image, uint32_t address, uint8_t page[SCAN_PAGE_SIZE])
{
    memset(page, 0, SCAN_PAGE_SIZE);
    for (guint i = 0; i < image->spans->len; i++) {
        const struct image_span *span = &g_array_index(image->spans, struct image_span, i);
        uint64_t first = MAX((uint64_t)address, span->address);
        uint64_t end = MIN((uint64_t)address + SCAN_PAGE_SIZE, (uint64_t)span->address + span->size);

        if (first < end)
            memcpy(page + (first - address), span->bytes + (first - span->address), end - first);
    }
}
