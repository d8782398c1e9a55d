/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the library says to each way of keeping the two faces of a page apart. It tries each with real code
 * before it uses it, and says why where it refuses; so does this.
 */
#include "probe.h"

#include "duplex86/duplex86.h"

static const struct {
    enum d86_split split;
    const char *name, *what;
} splits[] = {
    { D86_SPLIT_SEGMENT, "segment", "segment: data segments with a base" },
    { D86_SPLIT_PKU, "pku", "pku: a protection key for private pages" },
    { D86_SPLIT_TLB, "tlb", "tlb: the TLB for fetches, by the ring-0 helper" },
    { D86_SPLIT_NONE, "none", "none: no split, for comparisons" },
};

static const char *name_of(enum d86_split split)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(splits); i++) {
        if (splits[i].split == split)
            return splits[i].name;
    }
    return "unknown";
}

/* A virtual processor of the engine sbe, with this split. NULL: why is the library's reason. */
static struct d86_vm *start(enum d86_split split, struct d86_vcpu **vcpu, char **why)
{
    const struct d86_vcpu_config config = { .engine = D86_ENGINE_SBE, .split = split };
    struct d86_vm *vm = NULL;
    if (d86_vm_create(&vm) == 0 && d86_vcpu_create(vm, &config, vcpu) == 0)
        return vm;
    *why = g_strdup(d86_last_error());
    if (vm)
        d86_vm_destroy(vm);
    return NULL;
}

void probe_splits(struct facts *f)
{
    struct d86_vcpu *vcpu;
    struct d86_vm *vm;
    char *why = NULL;
    facts_section(f, "splits", "Ways to run guest code natively (--split), tried");
    for (unsigned i = 0; i < G_N_ELEMENTS(splits); i++) {
        vm = start(splits[i].split, &vcpu, &why);
        facts_offer(f, splits[i].name, splits[i].what, vm != NULL, why);
        if (vm)
            d86_vm_destroy(vm);
        g_clear_pointer(&why, g_free);
    }
    vm = start(D86_SPLIT_AUTO, &vcpu, &why);
    facts_text(f, "auto", "what duplex86 takes if nothing is said",
               vm ? name_of(d86_vcpu_split(vcpu)) : "the interpreter");
    if (vm)
        d86_vm_destroy(vm);
    g_free(why);
}
