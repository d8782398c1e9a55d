/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine as bytes, and back: a section for each chip, which is its plain state with what the board and
 * the PCI bus know of it, and two for the board itself. What follows from others is not kept but made again:
 * where functions answer, the memory map, the earliest deadline.
 */
#include "pc_private.h"

#include <string.h>

/* Another one whenever struct board_state changes, and near_state. */
enum { BOARD_VERSION = 1, NEAR_VERSION = 1 };

struct board_state {
    uint64_t guest_ns; /* device_guest_ns() */
    uint64_t sound_frame;
    uint32_t pci_drivers[PCI_LINES];
    uint8_t serial_outputs[PC_SERIAL_MAX];
    uint8_t leds, nmi_enabled, ignne, a20;
};

/* What a chip's section begins with; configuration space, if it has one, and its state follow. */
struct chip_state {
    uint64_t deadline;
    uint32_t irqs; /* bit n: it asserts IRQ n */
    uint32_t config_size;
};

static uint32_t config_size(const struct device *dev)
{
    return dev->config ? DEVICE_CONFIG_SIZE : 0;
}

/* ---- Names ---- */

/* "uart16550.1": the second of that type, in the order of slots. */
static void name_of(const struct pc *pc, unsigned slot, char name[PC_SECTION_NAME])
{
    const struct device_type *type = pc->devices[slot].type;
    size_t length = strlen(type->name);
    unsigned number = 0;

    for (unsigned i = 0; i < slot; i++)
        number += pc->devices[i].type && !strcmp(pc->devices[i].type->name, type->name);
    if (length > PC_SECTION_NAME - sizeof("chip..0"))
        length = PC_SECTION_NAME - sizeof("chip..0");
    memset(name, 0, PC_SECTION_NAME);
    memcpy(name, "chip.", 5);
    memcpy(name + 5, type->name, length);
    name[5 + length] = '.';
    name[6 + length] = (char)('0' + number % 10);
}

/* ---- Out ---- */

static void save_board(struct pc *pc, const struct pc_writer *to)
{
    struct board_state s = {
        .guest_ns = near_guest_ns(&pc->near),
        .sound_frame = pc->sound_frame,
        .leds = pc->leds,
        .nmi_enabled = pc->nmi_enabled,
        .ignne = pc->ignne,
        .a20 = pc->a20,
    };

    memcpy(s.pci_drivers, pc->pci.drivers, sizeof(s.pci_drivers));
    memcpy(s.serial_outputs, pc->serial_outputs, sizeof(s.serial_outputs));
    to->begin(to->ctx, "board", BOARD_VERSION);
    to->bytes(to->ctx, &s, sizeof(s));
    to->begin(to->ctx, "near", NEAR_VERSION);
    to->bytes(to->ctx, &pc->near_state, sizeof(pc->near_state));
}

static void save_chip(struct pc *pc, unsigned slot, const struct pc_writer *to)
{
    const struct device *dev = &pc->devices[slot];
    struct chip_state s = { .deadline = pc->deadlines[slot], .config_size = config_size(dev) };
    char name[PC_SECTION_NAME];

    for (unsigned irq = 0; irq < 16; irq++)
        s.irqs |= (pc->irq_sources[irq] >> slot & 1) << irq;
    name_of(pc, slot, name);
    to->begin(to->ctx, name, dev->type->state_version);
    to->bytes(to->ctx, &s, sizeof(s));
    if (dev->config)
        to->bytes(to->ctx, dev->config, DEVICE_CONFIG_SIZE);
    to->bytes(to->ctx, dev->state, dev->type->state_size);
}

void pc_save(struct pc *pc, const struct pc_writer *to)
{
    pc_count_halt(pc);
    save_board(pc, to);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        if (pc->devices[slot].type)
            save_chip(pc, slot, to);
    }
}

/* ---- In: does it fit? ---- */

static const struct pc_section *find(const struct pc_section *sections, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        if (!strncmp(sections[i].name, name, PC_SECTION_NAME))
            return &sections[i];
    }
    return NULL;
}

static enum pc_restored check(const struct pc_section *s, uint32_t version, size_t size)
{
    if (!s)
        return PC_RESTORED_MISSING;
    return s->version == version && s->size == size ? PC_RESTORED : PC_RESTORED_VERSION;
}

static size_t chip_section_size(const struct device *dev)
{
    return sizeof(struct chip_state) + config_size(dev) + dev->type->state_size;
}

static enum pc_restored check_board(const struct pc_section *sections, unsigned count, const char **name)
{
    struct near_state near;
    const struct pc_section *s = find(sections, count, *name = "board");
    enum pc_restored result = check(s, BOARD_VERSION, sizeof(struct board_state));

    if (result != PC_RESTORED)
        return result;
    s = find(sections, count, *name = "near");
    result = check(s, NEAR_VERSION, sizeof(near));
    if (result != PC_RESTORED)
        return result;
    memcpy(&near, s->data, sizeof(near));
    return near_is_valid(&near) ? PC_RESTORED : PC_RESTORED_VERSION;
}

/* All of them, or none is touched. */
static enum pc_restored check_all(struct pc *pc, const struct pc_section *sections, unsigned count,
                                  const char **name)
{
    enum pc_restored result = check_board(sections, count, name);
    char expected[PC_SECTION_NAME];
    unsigned chips = 0;

    for (unsigned slot = 0; slot < SLOT_COUNT && result == PC_RESTORED; slot++) {
        const struct device *dev = &pc->devices[slot];

        if (!dev->type)
            continue;
        chips++;
        name_of(pc, slot, expected);
        *name = dev->type->name;
        result = check(find(sections, count, expected), dev->type->state_version, chip_section_size(dev));
    }
    for (unsigned i = 0; i < count && result == PC_RESTORED; i++)
        chips -= !strncmp(sections[i].name, "chip.", 5);
    if (result == PC_RESTORED && chips) {
        *name = "chip";
        return PC_RESTORED_EXTRA;
    }
    return result;
}

/* ---- In ---- */

static void restore_chip(struct pc *pc, unsigned slot, const struct pc_section *section)
{
    struct device *dev = &pc->devices[slot];
    const uint8_t *from = section->data;
    struct chip_state s;

    memcpy(&s, from, sizeof(s));
    from += sizeof(s);
    pc->deadlines[slot] = s.deadline;
    for (unsigned irq = 0; irq < 16; irq++)
        pc->irq_sources[irq] |= (uint64_t)(s.irqs >> irq & 1) << slot;
    if (dev->config)
        memcpy(dev->config, from, DEVICE_CONFIG_SIZE);
    if (dev->type->state_size)
        memcpy(dev->state, from + config_size(dev), dev->type->state_size);
}

/* The guest's own time goes on from where it was, whatever this process has run before. */
static void restore_near(struct pc *pc, const struct pc_section *section, uint64_t guest_ns)
{
    uint64_t run_ns = pc->callbacks.run_ns ? pc->callbacks.run_ns(pc->ctx) : 0;
    uint8_t apic = pc->near_state.apic;

    memcpy(&pc->near_state, section->data, sizeof(pc->near_state));
    pc->near_state.apic = apic;
    pc->near_state.halted_ns = guest_ns - run_ns;
}

static void restore_board(struct pc *pc, const struct board_state *s)
{
    pc->lent = pc->halted = pc->sounding = false;
    pc->risen = 0;
    pc->sound_frame = s->sound_frame;
    memcpy(pc->pci.drivers, s->pci_drivers, sizeof(s->pci_drivers));
    memcpy(pc->serial_outputs, s->serial_outputs, sizeof(s->serial_outputs));
    pc->leds = s->leds;
    pc->nmi_enabled = s->nmi_enabled;
    pc->ignne = s->ignne;
    pc->a20 = s->a20;
}

/* Whoever watches sees the machine as it is now, whether that changed or not. */
static void tell_all(struct pc *pc)
{
    const struct pc_callbacks *c = &pc->callbacks;

    if (c->a20_changed)
        c->a20_changed(pc->ctx, pc->a20);
    if (c->ignne_changed)
        c->ignne_changed(pc->ctx, pc->ignne);
    if (c->intr_changed)
        c->intr_changed(pc->ctx, pc->near_state.intr);
    if (c->keyboard_leds)
        c->keyboard_leds(pc->ctx, pc->leds);
    for (unsigned com = 0; com < PC_SERIAL_MAX && c->serial_modem; com++) {
        if (pc->devices[COM1 + com].type)
            c->serial_modem(pc->ctx, com, pc->serial_outputs[com]);
    }
    if (c->known_changed)
        c->known_changed(pc->ctx);
}

static void follow(struct pc *pc)
{
    pc_place_functions(pc);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        struct device *dev = &pc->devices[slot];

        if (dev->type && dev->type->restored)
            dev->type->restored(dev);
    }
    pc->next_deadline = DEVICE_NEVER;
    pc_publish_deadline(pc);
    if (pc->next_deadline == DEVICE_NEVER && pc->callbacks.deadline_changed)
        pc->callbacks.deadline_changed(pc->ctx, DEVICE_NEVER);
    tell_all(pc);
}

enum pc_restored pc_restore(struct pc *pc, const struct pc_section *sections, unsigned count,
                            const char **name)
{
    struct board_state board;
    char expected[PC_SECTION_NAME];
    enum pc_restored result = check_all(pc, sections, count, name);

    if (result != PC_RESTORED)
        return result;
    memcpy(&board, find(sections, count, "board")->data, sizeof(board));
    restore_board(pc, &board);
    restore_near(pc, find(sections, count, "near"), board.guest_ns);
    memset(pc->irq_sources, 0, sizeof(pc->irq_sources));
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++) {
        if (!pc->devices[slot].type)
            continue;
        name_of(pc, slot, expected);
        restore_chip(pc, slot, find(sections, count, expected));
    }
    follow(pc);
    return PC_RESTORED;
}
