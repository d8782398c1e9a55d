/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reads and writes of a block device around the kernel's cache, by several processes at once, each on a part
 * of its own:
 *
 *     blockio model DEVICE MIB SEED PROCESSES ROUNDS   random ones, compared with what must be there
 *     blockio random DEVICE MIB SEED PROCESSES COUNT   COUNT reads of 4 KiB by each: prints how many µs all
 * took blockio randwrite ...                            the same, but writes blockio sequential DEVICE MIB
 * SEED PROCESSES 0   reads of 1 MiB, all of it
 *
 * Linux: open(2), "O_DIRECT"; linux/fs.h for BLKDISCARD and BLKZEROOUT.
 */
#include "user.h"

enum {
    NR_IOCTL = 54,
    NR_FSYNC = 118,
    O_RDWR = 2,
    O_DIRECT = 0x4000,
    BLKDISCARD = 0x1277,
    BLKZEROOUT = 0x127f,

    BLOCK = 4096,
    PIECE = 16, /* blocks at once at most */
    SEQUENTIAL = 1 << 20,
    PROCESSES_MAX = 16,
};

struct job {
    const char *mode, *device;
    uint32_t blocks; /* of each process's part */
    uint32_t seed, number, rounds;
};

static uint32_t number_of(const char *text)
{
    uint32_t value = 0;

    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint32_t)(*text - '0');
    return value;
}

static bool move(int number, int file, void *data, uint32_t block, uint32_t count)
{
    uint64_t offset = (uint64_t)block * BLOCK;
    long size = (long)(count * BLOCK);

    return linux_call(number, file, data, size, (uint32_t)offset, (uint32_t)(offset >> 32)) == size;
}

/* What a block holds that was written as `version`; nothing but zeros as 0. */
static void fill(uint32_t *data, uint32_t block, uint32_t version)
{
    uint32_t state = (block * 2654435761u) ^ (version * 40503u) ^ 1;

    for (unsigned i = 0; i < BLOCK / 4; i++)
        data[i] = version ? next_random(&state) : 0;
}

static bool holds(const uint32_t *data, uint32_t block, uint32_t version)
{
    static uint32_t expected[BLOCK / 4];

    fill(expected, block, version);
    return !memcmp(data, expected, BLOCK);
}

static bool zero(const struct job *job, int file, uint32_t block, uint32_t count)
{
    uint64_t range[2] = { (uint64_t)(job->number * job->blocks + block) * BLOCK, (uint64_t)count * BLOCK };

    return linux_call(NR_IOCTL, file, BLKZEROOUT, range) == 0;
}

/* One of them: what it does is by chance. */
static bool step(const struct job *job, int file, uint32_t *state, uint32_t *versions, uint32_t *data)
{
    uint32_t count = 1 + next_random(state) % PIECE, block = next_random(state) % (job->blocks - count);
    uint32_t base = job->number * job->blocks, dice = next_random(state) % 16;

    if (dice == 0)
        return linux_call(NR_FSYNC, file) == 0;
    if (dice == 1 || dice == 2) {
        for (uint32_t i = 0; i < count; i++)
            versions[block + i] = 0;
        return zero(job, file, block, count);
    }
    if (dice < 9) {
        for (uint32_t i = 0; i < count; i++)
            fill(data + i * (BLOCK / 4), base + block + i, versions[block + i] = next_random(state) | 1);
        return move(NR_PWRITE64, file, data, base + block, count);
    }
    if (!move(NR_PREAD64, file, data, base + block, count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!holds(data + i * (BLOCK / 4), base + block + i, versions[block + i]))
            return false;
    }
    return true;
}

static bool model(const struct job *job, int file, uint32_t *data)
{
    uint32_t state = job->seed + job->number * 7919 + 1;
    uint32_t *versions = map_memory(NULL, (job->blocks * 4 + PAGE - 1) & ~(PAGE - 1), PROT_RW);

    if (!zero(job, file, 0, job->blocks))
        return false;
    for (uint32_t i = 0; i < job->rounds; i++) {
        if (!step(job, file, &state, versions, data))
            return false;
    }
    for (uint32_t i = 0; i < job->blocks; i++) {
        if (!move(NR_PREAD64, file, data, job->number * job->blocks + i, 1) ||
            !holds(data, job->number * job->blocks + i, versions[i]))
            return false;
    }
    return true;
}

static bool random_blocks(const struct job *job, int file, uint32_t *data, int call)
{
    uint32_t state = job->seed + job->number * 7919 + 1;

    for (uint32_t i = 0; i < job->rounds; i++) {
        uint32_t block = job->number * job->blocks + next_random(&state) % job->blocks;

        if (!move(call, file, data, block, 1))
            return false;
    }
    return true;
}

static bool sequential(const struct job *job, int file, uint32_t *data)
{
    enum { AT_ONCE = SEQUENTIAL / BLOCK };

    for (uint32_t round = 0; round < job->rounds; round++) {
        for (uint32_t i = 0; i + AT_ONCE <= job->blocks; i += AT_ONCE) {
            if (!move(NR_PREAD64, file, data, job->number * job->blocks + i, AT_ONCE))
                return false;
        }
    }
    return true;
}

static int work(void *argument)
{
    const struct job *job = argument;
    uint32_t *data = map_memory(NULL, SEQUENTIAL, PROT_RW);
    int file = (int)linux_call(NR_OPEN, job->device, O_RDWR | O_DIRECT, 0);
    bool good = file >= 0;

    if (good && same_text(job->mode, "model"))
        good = model(job, file, data);
    else if (good && same_text(job->mode, "sequential"))
        good = sequential(job, file, data);
    else if (good)
        good = random_blocks(job, file, data, same_text(job->mode, "randwrite") ? NR_PWRITE64 : NR_PREAD64);
    return good ? 0 : 1;
}

int program(void)
{
    static struct job jobs[PROCESSES_MAX];
    char **argument = program_arguments + 1;
    int children[PROCESSES_MAX];
    uint32_t count;
    bool good = true;
    uint64_t began;

    for (unsigned i = 0; i < 6; i++) {
        if (!argument[i])
            return 2;
    }
    count = number_of(argument[4]);
    if (!count || count > PROCESSES_MAX)
        return 2;
    began = now();
    for (uint32_t i = 0; i < count; i++) {
        jobs[i] = (struct job){ argument[0],
                                argument[1],
                                number_of(argument[2]) * (256 / count),
                                number_of(argument[3]),
                                i,
                                number_of(argument[5]) };
        children[i] = start_child(work, &jobs[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        good = wait_child(children[i]) == 0 && good;
    print("%s %s: %U us\n", argument[0], good ? "ok" : "FAILED", divide(now() - began, 1000));
    return !good;
}
