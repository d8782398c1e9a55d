/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tlb.h by the device's ioctls. Executor process.
 */
#include "tlb.h"

#include <asm/errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "helper/duplex86_tlb.h"
#include "host_call.h"

int tlb_open(int as, int ram, int arena)
{
    const struct d86_tlb_register r = { .version = D86_TLB_VERSION, .ram = ram, .arena = arena };
    int device = host_call_int(__NR_openat, AT_FDCWD, (long)D86_TLB_DEVICE, O_RDWR | O_CLOEXEC, 0, 0, 0);
    int result = device;
    if (device < 0)
        return device;
    if (device != as) {
        result = host_call_int(__NR_dup3, device, as, O_CLOEXEC, 0, 0, 0);
        host_call_int(__NR_close, device, 0, 0, 0, 0, 0);
    }
    return result < 0 ? result : host_call_int(__NR_ioctl, as, D86_TLB_REGISTER, (long)&r, 0, 0, 0);
}

int tlb_map(int device, uint32_t at)
{
    long result = host_call(__NR_mmap, (long)at, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, device, 0);
    return result == (long)at ? 0 : (int)result;
}

/*
 * The processor takes the entry for fetches when it executes something there; nothing is shorter than a RET.
 * That no data access comes near the page meanwhile is what the other half of the trick rests on.
 */
static void execute_ret(uint32_t at, uint8_t *private_page)
{
    enum { RET = 0xc3 };
    uint8_t first = *private_page;
    *(volatile uint8_t *)private_page = RET;
    ((void (*)(void))(uintptr_t)at)();
    *(volatile uint8_t *)private_page = first;
}

int tlb_prime(int device, uint32_t at, uint8_t *private_page, const uint8_t *original)
{
    const struct d86_tlb_prime prime = { .address = at,
                                         .private_at = (uintptr_t)private_page,
                                         .original_at = (uintptr_t)original };
    const struct d86_tlb_page settle = { .address = at };
    int result = host_call_int(__NR_ioctl, device, (long)D86_TLB_PRIME, (long)&prime, 0, 0, 0);
    if (result < 0)
        return result;
    execute_ret(at, private_page);
    return host_call_int(__NR_ioctl, device, (long)D86_TLB_SETTLE, (long)&settle, 0, 0, 0);
}
