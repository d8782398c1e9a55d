/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pages of two faces, by the ring-0 helper. Each private page begins with RET, which is executed to have the
 * processor take its table entry for fetches, and goes on with code that says which face it is; both faces
 * have a word that does.
 */
#include "tlb_device.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    LOW = 0x28000000, /* the first page of two faces */
    PAGES = 16,       /* in turn, so that no round meets what the one before left */
    PAGE = 4096,
    RETURN_AT = 0,
    WORD_AT = 8,
    CODE_AT = 16,
    PRIVATE_WORD = 0x22222222,
    ORIGINAL_WORD = 0x11111111,
};

static struct {
    int fd;
    uint8_t *arena, *ram;
    sigjmp_buf away;
} device = { .fd = -1 };

static void caught(int signal)
{
    (void)signal;
    siglongjmp(device.away, 1);
}

/* ---- Set-up ------------------------------------------------------------------------------------------ */

static uint8_t *memory(const char *name, int *fd)
{
    *fd = memfd_create(name, MFD_CLOEXEC);
    if (*fd < 0 || ftruncate(*fd, PAGES * PAGE) < 0)
        return NULL;
    void *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* MOV EAX, word; RET */
static void write_face(uint8_t *page, uint32_t word)
{
    page[RETURN_AT] = 0xc3;
    memcpy(page + WORD_AT, &word, sizeof(word));
    page[CODE_AT] = 0xb8;
    memcpy(page + CODE_AT + 1, &word, sizeof(word));
    page[CODE_AT + 5] = 0xc3;
}

static bool map_pages(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        void *at = (void *)(uintptr_t)(LOW + i * PAGE);
        write_face(device.arena + i * PAGE, PRIVATE_WORD);
        write_face(device.ram + i * PAGE, ORIGINAL_WORD);
        if (mmap(at, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, device.fd, 0) != at)
            return false;
    }
    return true;
}

static const char *reason(int error)
{
    return error == ENOENT || error == ENXIO || error == ENODEV
               ? "the kernel module duplex86_tlb is not loaded, or its device is not in /dev"
           : error == EACCES || error == EPERM ? "this user may not open " D86_TLB_DEVICE
                                               : "its device cannot be opened";
}

int tlb_device_open(const char **why)
{
    const struct sigaction action = { .sa_handler = caught, .sa_flags = SA_NODEFER };
    struct d86_tlb_register r = { .version = D86_TLB_VERSION };
    device.fd = open(D86_TLB_DEVICE, O_RDWR | O_CLOEXEC);
    if (device.fd < 0) {
        *why = reason(errno);
        return -errno;
    }
    device.arena = memory("duplex86-probe-arena", &r.arena);
    device.ram = memory("duplex86-probe-ram", &r.ram);
    *why = "this host gives no memory file";
    if (!device.arena || !device.ram)
        return -ENOMEM;
    *why = "the kernel module is of another version than this program";
    if (ioctl(device.fd, D86_TLB_REGISTER, &r) < 0)
        return -errno;
    *why = "its pages cannot be mapped";
    if (!map_pages())
        return -ENOMEM;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    return 0;
}

uint32_t tlb_device_features(void)
{
    struct d86_tlb_host host = { 0 };
    return ioctl(device.fd, D86_TLB_HOST, &host) == 0 ? host.features : 0;
}

/* ---- Priming and looking ----------------------------------------------------------------------------- */

static uintptr_t page_at(unsigned n)
{
    return LOW + n % PAGES * PAGE;
}

/* The faces are code that this program has written: not functions the compiler knows. */
static uint32_t call(uintptr_t at)
{
    return ((uint32_t(*)(void))at)();
}

bool tlb_device_prime(unsigned n, enum tlb_how how)
{
    uintptr_t at = page_at(n);
    const struct d86_tlb_prime prime = {
        .address = (uint32_t)at,
        .flags = how == TLB_RING0 ? D86_TLB_RING0 : 0,
        .private_at = (uintptr_t)device.arena + n % PAGES * PAGE,
        .original_at = (uintptr_t)device.ram + n % PAGES * PAGE,
    };
    const struct d86_tlb_page settle = { (uint32_t)at, how == TLB_RING3_SUPERVISOR ? D86_TLB_SUPERVISOR : 0 };
    if (ioctl(device.fd, D86_TLB_PRIME, &prime) < 0)
        return false;
    if (how != TLB_RING0)
        (void)call(at + RETURN_AT);
    return ioctl(device.fd, D86_TLB_SETTLE, &settle) == 0;
}

static enum tlb_answer answer(uint32_t word)
{
    return word == PRIVATE_WORD ? TLB_PRIVATE : word == ORIGINAL_WORD ? TLB_ORIGINAL : TLB_STRANGE;
}

/* Priming in ring 0 shows a page full of RET, which leaves EAX as it was. */
static uint32_t call_with(uintptr_t at, uint32_t eax)
{
    __asm__ volatile("call *%1" : "+a"(eax) : "r"(at) : "memory", "cc");
    return eax;
}

enum tlb_answer tlb_device_fetch(unsigned n)
{
    if (sigsetjmp(device.away, 0))
        return TLB_FAULT;
    return answer(call_with(page_at(n) + CODE_AT, PRIVATE_WORD));
}

enum tlb_answer tlb_device_read(unsigned n)
{
    if (sigsetjmp(device.away, 0))
        return TLB_FAULT;
    return answer(*(const volatile uint32_t *)(page_at(n) + WORD_AT));
}

void tlb_device_reload_cr3(unsigned what)
{
    const struct d86_tlb_disturb d = { .what = what, .times = 1 };
    (void)ioctl(device.fd, D86_TLB_DISTURB, &d);
}
