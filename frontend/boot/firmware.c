/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ROM images, and the low memory of a direct boot. Offsets in segment 40h: IBM PS/2 and PC BIOS Interface
 * Technical Reference, "BIOS Data Area".
 */
#include "firmware.h"

#include "bytes.h"
#include "error.h"
#include "image.h"

/* bios/direct_boot.S */
enum { ROM_VECTORS = 0x78 };
extern const uint8_t direct_boot_rom[], direct_boot_rom_end[];
extern const uint16_t direct_boot_vectors[ROM_VECTORS];
extern const uint16_t direct_boot_screen;

enum { ROM_SEGMENT = 0xf000 };

gboolean firmware_read(struct firmware *rom, const char *path, GError **error)
{
    struct image image;
    if (!image_read(&image, "BIOS ROM", path, error))
        return FALSE;
    gboolean ok = image.size <= FIRMWARE_SIZE_MAX && image.size >= 16;
    if (ok) {
        rom->size = (uint32_t)align_up(image.size, BOOT_PAGE);
        rom->data = g_malloc(rom->size);
        memset(rom->data, 0xff, rom->size);
        memcpy(rom->data + (rom->size - image.size), image.data, image.size);
    } else {
        fail_with(error, FRONTEND_ERROR_IMAGE,
                  "the BIOS ROM '%s' has %zu bytes: a raw ROM image of 16 bytes to 2 MiB is needed", path,
                  image.size);
    }
    image_clear(&image);
    return ok;
}

static const char *first_file(const char *const *places)
{
    while (*places && !g_file_test(*places, G_FILE_TEST_IS_REGULAR))
        places++;
    return *places;
}

const char *firmware_find_seabios(void)
{
    static const char *const places[] = { "/usr/share/seabios/bios-256k.bin", "/usr/share/qemu/bios-256k.bin",
                                          "/usr/local/share/qemu/bios-256k.bin", NULL };
    return first_file(places);
}

const char *firmware_find_vgabios(void)
{
    static const char *const places[] = { "/usr/share/seabios/vgabios-stdvga.bin",
                                          "/usr/share/qemu/vgabios-stdvga.bin",
                                          "/usr/local/share/qemu/vgabios-stdvga.bin", NULL };
    return first_file(places);
}

char *firmware_find_pxe(const char *adapter)
{
    static const char *const places[] = { "/usr/lib/ipxe/qemu", "/usr/share/qemu", "/usr/local/share/qemu" };
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        char *path = g_strdup_printf("%s/pxe-%s.rom", places[i], adapter);
        if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            return path;
        g_free(path);
    }
    return NULL;
}

gboolean firmware_read_option_rom(struct firmware *rom, const char *path, uint32_t size_max, GError **error)
{
    struct image image;
    if (!image_read(&image, "option ROM", path, error))
        return FALSE;
    gboolean ok = image.size <= size_max && image.size >= 4 && image.data[0] == 0x55 && image.data[1] == 0xaa;
    if (ok) {
        rom->size = (uint32_t)image.size;
        rom->data = g_memdup2(image.data, image.size);
    } else {
        fail_with(error, FRONTEND_ERROR_IMAGE,
                  "'%s' is no option ROM: it has to begin with the bytes 55 AA and have %u KiB at most", path,
                  size_max / 1024);
    }
    image_clear(&image);
    return ok;
}

void firmware_set_pci_id(struct firmware *rom, uint16_t vendor, uint16_t device)
{
    enum { DATA_POINTER = 0x18, VENDOR = 4, DEVICE = 6, SPARE = 6, SIGNATURE_SIZE = 4 };
    if (rom->size < DATA_POINTER + 2)
        return;
    uint32_t at = get16(rom->data + DATA_POINTER);
    if (at + DEVICE + 2 > rom->size || memcmp(rom->data + at, "PCIR", SIGNATURE_SIZE) != 0)
        return;
    uint8_t *id = rom->data + at + VENDOR, before = (uint8_t)(id[0] + id[1] + id[2] + id[3]);
    put16(id, vendor);
    put16(id + 2, device);
    rom->data[SPARE] = (uint8_t)(rom->data[SPARE] + before - (uint8_t)(id[0] + id[1] + id[2] + id[3]));
}

void firmware_direct_boot(struct firmware *rom)
{
    rom->size = (uint32_t)(direct_boot_rom_end - direct_boot_rom);
    rom->data = g_memdup2(direct_boot_rom, rom->size);
}

void firmware_clear(struct firmware *rom)
{
    g_free(rom->data);
    *rom = (struct firmware){ 0 };
}

static gboolean write_vectors(const struct boot_memory *memory, GError **error)
{
    uint8_t vectors[256 * 4];
    const uint32_t base = 0x10000 - (uint32_t)(direct_boot_rom_end - direct_boot_rom);
    for (unsigned i = 0; i < 256; i++) {
        uint16_t handler = direct_boot_vectors[i < ROM_VECTORS ? i : 0]; /* that returns */
        put16(vectors + i * 4, (uint16_t)(base + handler));
        put16(vectors + i * 4 + 2, ROM_SEGMENT);
    }
    return boot_write(memory, 0, vectors, sizeof vectors, error);
}

static gboolean write_data_area(const struct boot_memory *memory, const struct firmware_facts *facts,
                                GError **error)
{
    static const uint16_t com_port[4] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    uint8_t bda[0x100] = { 0 };
    unsigned serial_count = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (facts->serial_ports & (1u << i))
            put16(bda + 2 * serial_count++, com_port[i]);
    }
    put16(bda + 0x0e, MEMORY_MAP_EBDA >> 4);
    /* Equipment: x87, PS/2 mouse, 80x25 colour, serial ports. */
    put16(bda + 0x10, (uint16_t)(1 << 1 | 1 << 2 | 2 << 4 | serial_count << 9));
    put16(bda + 0x13, MEMORY_MAP_EBDA >> 10);
    put16(bda + 0x1a, 0x1e); /* keyboard buffer: head, tail, and below its bounds */
    put16(bda + 0x1c, 0x1e);
    bda[0x49] = 3;             /* video mode */
    put16(bda + 0x4a, 80);     /* columns */
    put16(bda + 0x4c, 0x1000); /* bytes of a video page */
    put16(bda + 0x60, 0x0607); /* cursor shape */
    put16(bda + 0x63, 0x3d4);  /* CRT controller */
    put32(bda + 0x6c, facts->ticks);
    put16(bda + 0x80, 0x1e);
    put16(bda + 0x82, 0x3e);
    bda[0x84] = 24;        /* rows less one */
    put16(bda + 0x85, 16); /* lines of a character */
    bda[0x96] = 0x10;      /* a keyboard with 101 keys */
    return boot_write(memory, 0x400, bda, sizeof bda, error);
}

/* The extended BIOS data area: its size, and the memory map for the ROM's INT 15h. */
static gboolean write_extended_data_area(const struct boot_memory *memory, const struct memory_map *map,
                                         GError **error)
{
    enum { MAP_COUNT = 0x10, MAP = 0x14, MAP_ENTRY = 20 };         /* bios/direct_boot.S has the same */
    uint8_t ebda[MAP + MEMORY_MAP_RANGES_MAX * MAP_ENTRY] = { 1 }; /* KiB */
    ebda[MAP_COUNT] = (uint8_t)map->count;
    for (unsigned i = 0; i < map->count; i++) {
        uint8_t *entry = ebda + MAP + i * MAP_ENTRY;
        put64(entry, map->range[i].base);
        put64(entry + 8, map->range[i].size);
        put32(entry + 16, map->range[i].type);
    }
    return boot_write(memory, MEMORY_MAP_EBDA, ebda, sizeof ebda, error);
}

gboolean firmware_write_tables(const struct boot_memory *memory, const struct firmware_facts *facts,
                               GError **error)
{
    return write_vectors(memory, error) && write_data_area(memory, facts, error) &&
           write_extended_data_area(memory, facts->map, error);
}

/* What the kernel begins with: bios/direct_boot.S has the same. */
gboolean firmware_start_screen(const struct boot_memory *memory, struct boot_state *state, GError **error)
{
    enum {
        EIP = 0,
        EAX = 4,
        EBX = 8,
        ESI = 12,
        ESP = 16,
        GDTR = 20,
        IDTR = 26,
        IP_CS = 32,
        SEGMENT = 36,
        REAL = 38
    };
    uint8_t start[40] = { 0 };
    put32(start + EIP, state->eip);
    put32(start + EAX, state->eax);
    put32(start + EBX, state->ebx);
    put32(start + ESI, state->esi);
    put32(start + ESP, state->esp);
    put16(start + GDTR, BOOT_GDT_SIZE - 1);
    put32(start + GDTR + 2, BOOT_GDT);
    put16(start + IP_CS, (uint16_t)state->eip);
    put16(start + IP_CS + 2, state->cs);
    put16(start + SEGMENT, state->segment);
    start[REAL] = state->real_mode;
    const uint32_t base = 0x10000 - (uint32_t)(direct_boot_rom_end - direct_boot_rom);
    *state = (struct boot_state){
        .format = state->format, .real_mode = true, .cs = ROM_SEGMENT, .eip = base + direct_boot_screen
    };
    return boot_write(memory, MEMORY_MAP_HANDOFF, start, sizeof start, error);
}
