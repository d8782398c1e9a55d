/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ELF32 kernels: only PT_LOAD segments count, at their physical addresses. The entry point is given as a
 * virtual address by some linker scripts and as a physical one by others (Linux); both are understood.
 */
#include "elf_image.h"

#include "error.h"

#include <libelf.h>
#include <string.h>

static gboolean fail_elf(const struct boot_file *file, GError **error, const char *what)
{
    return fail_with(error, FRONTEND_ERROR_IMAGE, "the ELF file '%s' %s", file->name, what);
}

static gboolean check_header(const struct boot_file *file, const char *ident, GError **error)
{
    if (ident[EI_CLASS] == ELFCLASS64)
        return fail_elf(file, error, "is for a 64-bit processor; this machine has a 32-bit one");
    if (ident[EI_CLASS] != ELFCLASS32 || ident[EI_DATA] != ELFDATA2LSB)
        return fail_elf(file, error, "is not little-endian ELF32, as i386 kernels are");
    return TRUE;
}

static gboolean check_type(const struct boot_file *file, const Elf32_Ehdr *ehdr, GError **error)
{
    if (ehdr->e_machine != EM_386)
        return fail_with(error, FRONTEND_ERROR_IMAGE,
                         "the ELF file '%s' is for another processor (machine %u), not for i386", file->name,
                         ehdr->e_machine);
    /* Linkers call it ET_DYN if it could be moved. It is loaded where its segments say all the same. */
    if (ehdr->e_type != ET_EXEC && ehdr->e_type != ET_DYN)
        return fail_elf(file, error, "is not an executable, as kernels are");
    if (ehdr->e_phnum && ehdr->e_phentsize != sizeof(Elf32_Phdr))
        return fail_elf(file, error, "has program headers of a size ELF32 does not know");
    return TRUE;
}

static gboolean add_segment(struct elf_image *image, const struct boot_file *file, const Elf32_Phdr *phdr,
                            unsigned index, GError **error)
{
    if (phdr->p_memsz == 0)
        return TRUE;
    const char *wrong = NULL;
    if (phdr->p_filesz > phdr->p_memsz)
        wrong = "is larger in the file than in memory";
    else if (phdr->p_filesz > 0 &&
             (phdr->p_offset > file->size || phdr->p_filesz > file->size - phdr->p_offset))
        wrong = "lies beyond the end of the file, which seems cut off";
    else if ((uint64_t)phdr->p_paddr + phdr->p_memsz > MEMORY_MAP_4G)
        wrong = "reaches beyond 4 GiB";
    else if (image->count == ELF_SEGMENTS_MAX)
        wrong = "is one too many: 64 are loaded at most";
    if (wrong)
        return fail_with(error, FRONTEND_ERROR_IMAGE, "segment %u of the ELF file '%s' %s", index, file->name,
                         wrong);

    for (unsigned i = 0; i < image->count; i++) {
        const struct elf_segment *other = &image->segment[i];
        if (phdr->p_paddr < (uint64_t)other->paddr + other->mem_size &&
            other->paddr < (uint64_t)phdr->p_paddr + phdr->p_memsz)
            return fail_with(error, FRONTEND_ERROR_IMAGE, "segment %u of the ELF file '%s' overlaps another",
                             index, file->name);
    }
    image->segment[image->count++] = (struct elf_segment){
        .paddr = phdr->p_paddr,
        .vaddr = phdr->p_vaddr,
        .file_size = phdr->p_filesz,
        .mem_size = phdr->p_memsz,
        .data =
            phdr->p_filesz ? file->data + phdr->p_offset : NULL, /* without bytes the offset says nothing */
    };
    image->base = image->count == 1 ? phdr->p_paddr : MIN(image->base, phdr->p_paddr);
    image->end = MAX(image->end, (uint64_t)phdr->p_paddr + phdr->p_memsz);
    return TRUE;
}

static gboolean read_segments(struct elf_image *image, const struct boot_file *file, Elf *elf, GError **error)
{
    size_t count;
    const Elf32_Phdr *phdrs = elf32_getphdr(elf);
    if (elf_getphdrnum(elf, &count) < 0 || !phdrs || count == 0)
        return fail_elf(file, error, "has no program headers, or is cut off before them");
    for (size_t i = 0; i < count; i++) {
        Elf32_Phdr phdr; /* libelf may point into the file, where nothing need be aligned */
        memcpy(&phdr, (const char *)phdrs + i * sizeof phdr, sizeof phdr);
        image->has_interpreter |= phdr.p_type == PT_INTERP;
        if (phdr.p_type == PT_LOAD && !add_segment(image, file, &phdr, (unsigned)i, error))
            return FALSE;
    }
    if (image->count == 0)
        return fail_elf(file, error, "has nothing to load");
    return TRUE;
}

static gboolean find_entry(struct elf_image *image, const struct boot_file *file, uint32_t e_entry,
                           GError **error)
{
    for (unsigned i = 0; i < image->count; i++) {
        const struct elf_segment *s = &image->segment[i];
        if (e_entry - s->vaddr < s->mem_size) { /* wraps around below vaddr, so one comparison does */
            image->entry = s->paddr + (e_entry - s->vaddr);
            return TRUE;
        }
    }
    for (unsigned i = 0; i < image->count; i++) {
        const struct elf_segment *s = &image->segment[i];
        if (e_entry - s->paddr < s->mem_size) {
            image->entry = e_entry;
            return TRUE;
        }
    }
    return fail_elf(file, error, "has its entry point outside of what is loaded");
}

static gboolean parse(struct elf_image *image, const struct boot_file *file, Elf *elf, GError **error)
{
    const char *ident = elf ? elf_getident(elf, NULL) : NULL;
    if (!ident || elf_kind(elf) != ELF_K_ELF)
        return fail_elf(file, error, "cannot be read; it is damaged or cut off");
    if (!check_header(file, ident, error))
        return FALSE;
    const Elf32_Ehdr *ehdr = elf32_getehdr(elf);
    if (!ehdr)
        return fail_elf(file, error, "cannot be read; it is damaged or cut off");
    return check_type(file, ehdr, error) && read_segments(image, file, elf, error) &&
           find_entry(image, file, ehdr->e_entry, error);
}

gboolean elf_image_parse(struct elf_image *image, const struct boot_file *file, GError **error)
{
    *image = (struct elf_image){ 0 };
    elf_version(EV_CURRENT);
    /* libelf takes char *, but only ELF_C_RDWR handles are written through. */
    Elf *elf = elf_memory((char *)(uintptr_t)file->data, file->size);
    gboolean ok = parse(image, file, elf, error);
    elf_end(elf);
    return ok;
}

void elf_image_move(struct elf_image *image, uint32_t base)
{
    uint32_t distance = base - image->base; /* modulo 4 GiB, as addresses are */
    for (unsigned i = 0; i < image->count; i++)
        image->segment[i].paddr += distance;
    image->entry += distance;
    image->end = base + (image->end - image->base);
    image->base = base;
}

gboolean elf_image_load(const struct elf_image *image, const struct boot_request *request,
                        const struct boot_memory *memory, GError **error)
{
    if (image->end > request->map->low_top)
        return boot_fail_ram(request, image->end, error);
    for (unsigned i = 0; i < image->count; i++) {
        const struct elf_segment *s = &image->segment[i];
        if (!boot_range_is_free(request, s->paddr, s->mem_size))
            return fail_with(error, FRONTEND_ERROR_IMAGE,
                             "'%s' wants to be loaded at 0x%x-0x%x, where a PC has no free memory",
                             request->kernel.name, s->paddr, s->paddr + (s->mem_size - 1));
        if (!boot_write(memory, s->paddr, s->data, s->file_size, error) ||
            !boot_zero(memory, (uint64_t)s->paddr + s->file_size, s->mem_size - s->file_size, error))
            return FALSE;
    }
    return TRUE;
}
