# SPDX-License-Identifier: GPL-2.0-or-later
# Flags for code that runs where there is no libc: translator/, the executor side of monitor/, and the chips it is lent.
#
# There FS and GS belong to the guest, so a stack protector (which reads its canary through FS)
# would fault; the vector registers hold the guest's values, so compiled C must not touch them; and
# guest code enters and leaves through stubs that have no ENDBR. Builtins stay on: the compiler may
# call memcpy, memmove, memset and memcmp, which is what the nm test allows. Unwind tables stay on
# for the debugger.
#
#   d86_freestanding(d86-translator)
function(d86_freestanding target)
    target_compile_options(${target} PRIVATE
        "$<$<COMPILE_LANGUAGE:C>:-ffreestanding;-fno-stack-protector;-mgeneral-regs-only>"
        -fcf-protection=none)
    # Nothing of this side is part of the public API, so the shared library need not export it.
    set_target_properties(${target} PROPERTIES C_VISIBILITY_PRESET hidden)
endfunction()
