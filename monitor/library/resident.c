/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The executor's image in the caller's own process, at the address it has in the executor process: so that
 * the decoded blocks in the arena, which point to its code, can be run by either. It needs nothing of its
 * surroundings: no libc, no thread-local storage, no relocation. Library side. ELF: System V ABI, "Program
 * Header".
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "arena.h"

#ifndef D86_SANITIZED
extern const uint8_t executor_image[], executor_image_end[];

static const struct executor_calls *calls;

static int protection_of(uint32_t flags)
{
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

/* One segment: a private copy of its bytes, and zeros after them. */
static bool map_segment(const Elf64_Phdr *p)
{
    uint64_t start = p->p_vaddr & ~4095ull, end = (p->p_vaddr + p->p_memsz + 4095) & ~4095ull;
    void *at = (void *)(uintptr_t)start;
    if (mmap(at, end - start, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
             0) != at)
        return false;
    memcpy((void *)(uintptr_t)p->p_vaddr, executor_image + p->p_offset, p->p_filesz);
    return mprotect(at, end - start, protection_of(p->p_flags)) == 0;
}

static void map_image(void)
{
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)(const void *)executor_image;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(const void *)(executor_image + e->e_phoff);
    for (unsigned i = 0; i < e->e_phnum; i++) {
        if (p[i].p_type == PT_LOAD && !map_segment(&p[i]))
            return;
    }
    calls = (const struct executor_calls *)(uintptr_t)(e->e_entry - sizeof(*calls));
}

const struct executor_calls *resident_calls(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, map_image);
    return calls;
}

#else

const struct executor_calls *resident_calls(void)
{
    return NULL;
}

#endif
