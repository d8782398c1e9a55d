/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands that look inside the guest. It stands still only while registers and memory are copied.
 */
#include "server_private.h"

#include "disassembler.h"

#include <inttypes.h>
#include <string.h>

enum {
    INSTRUCTION_MAX = 15,
    DISASSEMBLE_COUNT = 10,
    ATTR_D = 1 << 14, /* struct d86_segment */
};

/* ---- Registers ---- */

static void add_number(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *segment(const struct d86_segment *s)
{
    return json_pack("{s:i, s:I, s:I, s:i, s:b}", "selector", s->selector, "base", (json_int_t)s->base,
                     "limit", (json_int_t)s->limit, "attributes", s->attr, "unusable", s->unusable);
}

static json_t *table(const struct d86_table *t)
{
    return json_pack("{s:I, s:i}", "base", (json_int_t)t->base, "limit", t->limit);
}

static void add_general(json_t *object, const struct d86_regs *r)
{
    const struct {
        const char *name;
        uint32_t value;
    } rows[] = { { "eax", r->eax }, { "ebx", r->ebx },      { "ecx", r->ecx }, { "edx", r->edx },
                 { "esi", r->esi }, { "edi", r->edi },      { "ebp", r->ebp }, { "esp", r->esp },
                 { "eip", r->eip }, { "eflags", r->eflags } };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        add_number(object, rows[i].name, rows[i].value);
}

static void add_system(json_t *object, const struct d86_sregs *s)
{
    static const char *const names[] = { "es", "cs", "ss", "ds", "fs", "gs" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        json_object_set_new(object, names[i], segment(&s->seg[i]));
    json_object_set_new(object, "ldt", segment(&s->ldt));
    json_object_set_new(object, "tr", segment(&s->tr));
    json_object_set_new(object, "gdt", table(&s->gdt));
    json_object_set_new(object, "idt", table(&s->idt));
    add_number(object, "cr0", s->cr0);
    add_number(object, "cr2", s->cr2);
    add_number(object, "cr3", s->cr3);
    add_number(object, "cr4", s->cr4);
    add_number(object, "efer", s->efer);
    add_number(object, "dr6", s->dr[6]);
    add_number(object, "dr7", s->dr[7]);
}

void control_registers(struct control_call *call)
{
    struct machine_registers registers;
    machine_registers(call->machine, &registers);
    call->result = json_object();
    add_general(call->result, &registers.regs);
    add_system(call->result, &registers.sregs);
}

/* ---- Memory ---- */

static enum machine_space space_of(const struct control_request *request)
{
    return strcmp(control_text(request, "space", "physical"), "linear") ? MACHINE_PHYSICAL : MACHINE_LINEAR;
}

/* The address and, of `size` bytes, the last one's are linear or physical as asked for. */
static bool take_address(struct control_call *call, size_t size, uint64_t *address)
{
    *address = (uint64_t)control_number(call->request, "address", 0);
    if (space_of(call->request) == MACHINE_PHYSICAL || *address + size <= UINT64_C(1) << 32)
        return true;
    control_fail(call, CONTROL_BAD_REQUEST, "linear addresses end at 4 GiB");
    return false;
}

void control_memory_read(struct control_call *call)
{
    size_t size = (size_t)control_number(call->request, "size", 0);
    uint64_t address;
    if (!take_address(call, size, &address))
        return;
    uint8_t *bytes = g_malloc(size);
    if (machine_read(call->machine, space_of(call->request), address, bytes, size) == size) {
        char *text = control_hex(bytes, size);
        call->result = json_pack("{s:I, s:s}", "address", (json_int_t)address, "data", text);
        g_free(text);
    } else {
        control_fail(call, CONTROL_FAILED, "there is no memory at all of %#" PRIx64 " to %#" PRIx64, address,
                     address + size - 1);
    }
    g_free(bytes);
}

void control_memory_write(struct control_call *call)
{
    size_t size;
    uint64_t address;
    uint8_t *bytes = control_unhex(control_text(call->request, "data", ""), CONTROL_TRANSFER_MAX, &size);
    if (!bytes) {
        control_fail(call, CONTROL_BAD_REQUEST, "'data' must be bytes of two hexadecimal digits, %d at most",
                     CONTROL_TRANSFER_MAX);
        return;
    }
    if (take_address(call, size, &address)) {
        if (machine_write(call->machine, space_of(call->request), address, bytes, size) == size)
            control_done(call);
        else
            control_fail(call, CONTROL_FAILED, "there is no RAM at all of %#" PRIx64 " to %#" PRIx64, address,
                         address + size - 1);
    }
    g_free(bytes);
}

/* ---- Disassembly ---- */

/* Instructions out of `count` bytes at linear address `la`, at most `limit`. Addresses are linear. */
static json_t *instructions(struct disassembler *disassembler, const uint8_t *bytes, size_t count,
                            uint32_t la, size_t limit)
{
    json_t *list = json_array();
    char text[192];
    size_t done = 0;
    for (size_t i = 0; i < limit && done < count; i++) {
        unsigned length = disassembler_print(disassembler, bytes + done, count - done, la + (uint32_t)done,
                                             text, sizeof text);
        size_t shown = MAX(length, 1);
        char *hex = control_hex(bytes + done, shown);
        json_array_append_new(list, json_pack("{s:I, s:s, s:s}", "address", (json_int_t)(la + (uint32_t)done),
                                              "bytes", hex, "text", text));
        g_free(hex);
        done += shown;
    }
    return list;
}

void control_disassemble(struct control_call *call)
{
    const struct control_request *request = call->request;
    struct machine_registers registers;
    machine_registers(call->machine, &registers);
    const struct d86_segment *cs = &registers.sregs.seg[D86_CS];
    uint32_t la = (uint32_t)control_number(request, "address", cs->base + registers.regs.eip);
    size_t limit = (size_t)control_number(request, "count", DISASSEMBLE_COUNT);
    int64_t bits = control_number(request, "bits", cs->attr & ATTR_D ? 32 : 16);
    if (bits != 16 && bits != 32) {
        control_fail(call, CONTROL_BAD_REQUEST, "'bits' must be 16 or 32");
        return;
    }
    size_t size = limit * INSTRUCTION_MAX;
    uint8_t *bytes = g_malloc(size);
    size = machine_read(call->machine, MACHINE_LINEAR, la, bytes, size);
    struct disassembler *disassembler = disassembler_new(bits == 32, false);
    if (!size)
        control_fail(call, CONTROL_FAILED, "there is no memory at linear address %#" PRIx32, la);
    else if (!disassembler)
        control_fail(call, CONTROL_FAILED, "capstone does not work here");
    else
        call->result = json_pack("{s:o}", "instructions", instructions(disassembler, bytes, size, la, limit));
    disassembler_free(disassembler);
    g_free(bytes);
}
