// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Priming in ring 0, for the comparison with ring 3, and disturbing what was primed.
 *
 * Ring 0 executes at an address of the program's, where a page of the helper's own is shown: full
 * of RET, and nobody can write to it. Not with SMEP (ring 0 may execute no page that ring 3 may),
 * nor with page-table isolation (ring 0's tables forbid all of them), and only if whoever loaded
 * the module asks for it.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/preempt.h>
#include <asm/cpufeature.h>
#include <asm/nospec-branch.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

#include "ring0.h"

static bool ring0;
module_param(ring0, bool, 0444);
MODULE_PARM_DESC(
	ring0, "Let programs have ring 0 execute a RET at a page of theirs, for measurements (no)");

static struct page *page_of_returns;

int d86_tlb_ring0_init(void)
{
	if (!ring0)
		return 0;
	page_of_returns = alloc_page(GFP_KERNEL);
	if (!page_of_returns)
		return -ENOMEM;
	memset(page_address(page_of_returns), 0xc3, PAGE_SIZE);
	return 0;
}

void d86_tlb_ring0_exit(void)
{
	if (page_of_returns)
		__free_page(page_of_returns);
}

bool d86_tlb_ring0_possible(void)
{
	return page_of_returns && !boot_cpu_has(X86_FEATURE_SMEP) && !boot_cpu_has(X86_FEATURE_PTI);
}

struct page *d86_tlb_ring0_page(void)
{
	return page_of_returns;
}

void d86_tlb_ring0_execute(unsigned long address)
{
	/* The page was empty, and flushed; this processor may have come here since. */
	asm volatile("invlpg (%[at])" : : [at] "r"(address) : "memory");
	/* By name: the constraint is an operand, too. */
	asm volatile(ANNOTATE_RETPOLINE_SAFE "call *%[at]"
		     : ASM_CALL_CONSTRAINT
		     : [at] "r"(address)
		     : "memory");
}

u32 d86_tlb_features(void)
{
	return (boot_cpu_has(X86_FEATURE_PTI) ? D86_TLB_HOST_PTI : 0) |
	       (boot_cpu_has(X86_FEATURE_PCID) ? D86_TLB_HOST_PCID : 0) |
	       (boot_cpu_has(X86_FEATURE_SMEP) ? D86_TLB_HOST_SMEP : 0) |
	       (d86_tlb_ring0_possible() ? D86_TLB_HOST_RING0 : 0);
}

int d86_tlb_disturb(const struct d86_tlb_disturb *r)
{
	unsigned long flags;
	u32 i;

	if (r->what > D86_TLB_CR3_FLUSH || r->times > 1000)
		return -EINVAL;
	for (i = 0; i < r->times; i++) {
		local_irq_save(flags);
		if (r->what == D86_TLB_CR3_KEEP && boot_cpu_has(X86_FEATURE_PCID))
			write_cr3(__read_cr3() | X86_CR3_PCID_NOFLUSH);
		else if (r->what == D86_TLB_CR3_FLUSH)
			write_cr3(__read_cr3());
		local_irq_restore(flags);
	}
	return 0;
}
