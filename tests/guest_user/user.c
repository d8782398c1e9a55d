/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Support of the test programs: start, memory, printing, checks, signals. See user.h.
 */
#include "user.h"

#include <stdarg.h>

bool on_host, short_run;
char **program_arguments;
unsigned checks_failed;

/* Of user_entry.S. */
void start_program(uint32_t *stack);
int try_enter(void (*work)(void *), void *argument);
extern uint32_t vdso_entry, try_esp;
extern const char try_recover[], signal_return[], linux_call_by_interrupt[];
uint32_t vdso_entry, try_esp;

static uint8_t signal_stack[65536] __attribute__((aligned(16)));
static struct fault *caught;

/* ---- Memory and text ---- */

void *memcpy(void *to, const void *from, size_t size)
{
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return start;
}

void *memset(void *to, int value, size_t size)
{
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return start;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < size; i++) {
        if (x[i] != y[i])
            return x[i] - y[i];
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t size = 0;
    while (text[size])
        size++;
    return size;
}

bool same_text(const char *a, const char *b)
{
    size_t size = strlen(a);
    return size == strlen(b) && !memcmp(a, b, size);
}

uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

uint32_t scaled(uint32_t count)
{
    return !short_run ? count : count < 16 ? 1 : count / 16;
}

uint64_t divide(uint64_t value, uint32_t by)
{
    uint32_t high = (uint32_t)(value >> 32), quotient, remainder = high % by;
    __asm__("divl %4" : "=a"(quotient), "=d"(remainder) : "0"((uint32_t)value), "1"(remainder), "r"(by));
    return (uint64_t)(high / by) << 32 | quotient;
}

/* ---- Printing: a line at a time goes out, so that lines of several processes stay whole ---- */

struct line {
    unsigned used;
    char text[256];
};

static void put(struct line *line, char c)
{
    if (line->used < sizeof(line->text))
        line->text[line->used++] = c;
}

static void flush(struct line *line)
{
    for (unsigned done = 0; done < line->used;) {
        long wrote = linux_call(NR_WRITE, 1, line->text + done, line->used - done);
        if (wrote <= 0)
            break;
        done += (unsigned)wrote;
    }
    line->used = 0;
}

static void put_number(struct line *line, uint64_t value, unsigned base, unsigned width, char fill)
{
    char digits[24];
    unsigned count = 0;
    do {
        uint64_t rest = divide(value, base);
        digits[count++] = "0123456789abcdef"[(uint32_t)(value - rest * base)];
        value = rest;
    } while (value);
    while (width > count) {
        put(line, fill);
        width--;
    }
    while (count)
        put(line, digits[--count]);
}

static void put_formatted(struct line *line, const char *format, va_list arguments)
{
    for (; *format; format++) {
        if (*format != '%') {
            put(line, *format);
            continue;
        }
        unsigned width = 0;
        int value;
        const char *text;
        while (*++format >= '0' && *format <= '9')
            width = width * 10 + (unsigned)(*format - '0');
        switch (*format) {
        case 's':
            for (text = va_arg(arguments, const char *); *text; text++)
                put(line, *text);
            break;
        case 'c':
            put(line, (char)va_arg(arguments, int));
            break;
        case 'd':
            value = va_arg(arguments, int);
            if (value < 0)
                put(line, '-');
            put_number(line, value < 0 ? 0u - (unsigned)value : (unsigned)value, 10, width, ' ');
            break;
        case 'u':
            put_number(line, va_arg(arguments, unsigned), 10, width, ' ');
            break;
        case 'U':
            put_number(line, va_arg(arguments, uint64_t), 10, width, ' ');
            break;
        case 'x':
            put_number(line, va_arg(arguments, unsigned), 16, width, '0');
            break;
        default:
            put(line, *format);
        }
    }
}

void print(const char *format, ...)
{
    struct line line = { 0 };
    va_list arguments;
    va_start(arguments, format);
    put_formatted(&line, format, arguments);
    va_end(arguments);
    flush(&line);
}

static bool guest_only_name(const char *format)
{
    return !memcmp(format, GUEST_ONLY, sizeof(GUEST_ONLY) - 1);
}

/* What holds for the guest alone is neither checked nor told on the host. */
static void report(bool good, struct line *line, const char *format, va_list arguments)
{
    const char *prefix = good ? "ok " : "FAIL ";
    bool special = guest_only_name(format);
    if (special && on_host)
        return;
    if (special) {
        put_formatted(line, GUEST_ONLY, arguments);
        format += sizeof(GUEST_ONLY) - 1;
    }
    while (*prefix)
        put(line, *prefix++);
    put_formatted(line, format, arguments);
    checks_failed += !good;
}

void check(bool good, const char *format, ...)
{
    struct line line = { 0 };
    va_list arguments;
    va_start(arguments, format);
    report(good, &line, format, arguments);
    va_end(arguments);
    if (line.used)
        put(&line, '\n');
    flush(&line);
}

void check_equal(uint32_t got, uint32_t expected, const char *format, ...)
{
    struct line line = { 0 };
    va_list arguments;
    va_start(arguments, format);
    report(got == expected, &line, format, arguments);
    va_end(arguments);
    if (line.used && got != expected) {
        for (const char *text = ": got "; *text; text++)
            put(&line, *text);
        put_number(&line, got, 16, 1, '0');
        for (const char *text = ", not "; *text; text++)
            put(&line, *text);
        put_number(&line, expected, 16, 1, '0');
    }
    if (line.used)
        put(&line, '\n');
    flush(&line);
}

/* ---- Processes and memory maps ---- */

void end_program(int status)
{
    for (;;)
        linux_call(NR_EXIT_GROUP, status);
}

int start_child(int (*work)(void *), void *argument)
{
    int child = (int)linux_call(NR_FORK);
    if (child < 0) {
        print("FAIL fork: error %d\n", child);
        end_program(2);
    }
    if (!child)
        end_program(work(argument));
    return child;
}

int wait_child(int child)
{
    int status = 0;
    if (linux_call(NR_WAITPID, child, &status, 0) != child)
        return -1;
    return status & 0x7f ? 256 + (status & 0x7f) : status >> 8 & 0xff;
}

static void *map(void *where, size_t size, int protection, int flags, int object)
{
    long at = linux_call(NR_MMAP2, where, size, protection, flags | (where ? MAP_FIXED : 0), object, 0);
    if ((unsigned long)at > -PAGE) {
        print("FAIL mmap: error %d\n", (int)at);
        end_program(2);
    }
    return (void *)at;
}

void *map_memory(void *where, size_t size, int protection)
{
    return map(where, size, protection, MAP_PRIVATE | MAP_ANON, -1);
}

int shared_object(size_t size)
{
    static const uint8_t zeros[PAGE];
    int object = (int)linux_call(NR_MEMFD_CREATE, "test", 0);
    if (object < 0) {
        print("FAIL memfd_create: error %d\n", object);
        end_program(2);
    }
    for (size_t done = 0; done < size; done += PAGE)
        linux_call(NR_WRITE, object, zeros, PAGE);
    return object;
}

void *map_object(int object, void *where, size_t size, int protection)
{
    return map(where, size, protection, MAP_SHARED, object);
}

uint64_t now(void)
{
    struct linux_time t;
    linux_call_vdso(NR_CLOCK_GETTIME, 1, &t);
    return (uint64_t)(uint32_t)t.seconds * 1000000000u + (uint32_t)t.nanoseconds;
}

/* ---- Signals ---- */

void set_handler(int sig, signal_handler handler, uint32_t flags)
{
    enum { SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_ONSTACK = 0x08000000, SA_NODEFER = 0x40000000 };
    uint32_t stack = flags & SA_THIS_STACK ? 0 : SA_ONSTACK;
    struct {
        signal_handler handler;
        uint32_t flags;
        const void *restorer;
        uint32_t mask[2];
    } action = { handler,
                 SA_SIGINFO | SA_RESTORER | SA_NODEFER | stack | (flags & ~SA_THIS_STACK),
                 signal_return,
                 { 0, 0 } };
    linux_call(NR_SIGACTION, sig, &action, 0, 8);
}

static void catch_fault(int sig, struct signal_info *info, struct signal_context *c)
{
    struct fault *f = caught;
    if (!f) {
        print("FAIL signal %d (code %d, trap %u, error %x) at eip %x\n", sig, info->code, c->trapno, c->err,
              c->eip);
        end_program(3);
    }
    *f = (struct fault){ .sig = sig,
                         .code = info->code,
                         .trapno = (int)c->trapno,
                         .err = c->err,
                         .eip = c->eip,
                         .addr = info->addr,
                         .cr2 = c->cr2,
                         .eflags = c->eflags,
                         .esp = c->esp,
                         .eax = c->eax,
                         .ecx = c->ecx,
                         .esi = c->esi,
                         .edi = c->edi };
    /* "Instruction fetch" is only told by processors with NX switched on, which a kernel without PAE has not.
     */
    if (c->trapno == 14)
        f->err &= ~0x10u;
    caught = NULL;
    /* Go on in try_recover with everything that code could have spoiled as it was. */
    uint16_t cs, ds;
    __asm__("mov %%cs, %0; mov %%ds, %1" : "=r"(cs), "=r"(ds));
    c->eip = (uint32_t)try_recover;
    c->esp = c->esp_at_signal = try_esp;
    c->cs = cs;
    c->ds = c->es = c->ss = ds;
    c->eflags = 0x202;
}

bool try_call(void (*work)(void *), void *argument, struct fault *fault)
{
    *fault = (struct fault){ 0 };
    caught = fault;
    int ended = try_enter(work, argument);
    caught = NULL;
    return ended;
}

struct code_call {
    const void *entry;
    struct registers *registers;
};

static void call_code_of(void *argument)
{
    struct code_call *call = argument;
    call_code(call->entry, call->registers);
}

bool run_code(const void *entry, struct registers *r, struct fault *fault)
{
    struct code_call call = { entry, r };
    return try_call(call_code_of, &call, fault);
}

static uint32_t expected_addr(const struct code_row *row, const uint8_t *where)
{
    return row->addr_is_eip ? (uint32_t)where + row->eip : row->addr;
}

/* Run the row whose bytes are at `where`; what happened is left in `f` and `eax`. */
static bool try_row(const struct code_row *row, const uint8_t *where, struct fault *f, uint32_t *eax)
{
    static const uint32_t mxcsr = 0x1f80;
    struct registers r = row->in;
    r.eflags |= 0x202;
    run_code(where + row->entry, &r, f);
    *eax = r.eax;
    /* The row may have left exceptions unmasked, or one pending. */
    __asm__ volatile("fninit\n ldmxcsr %0" : : "m"(mxcsr));
    if (!f->sig)
        return !row->sig && r.eax == row->eax;
    return f->sig == row->sig && f->code == row->code && f->trapno == row->trapno && f->err == row->err &&
           f->eip == (uint32_t)where + row->eip && f->addr == expected_addr(row, where);
}

bool row_holds_in_place(const struct code_row *row, const uint8_t *where)
{
    struct fault fault;
    uint32_t eax;
    return (row->guest_only && on_host) || try_row(row, where, &fault, &eax);
}

bool row_holds(const struct code_row *row, uint8_t *where)
{
    memcpy(where, row->bytes, row->size);
    return row_holds_in_place(row, where);
}

void run_row(const struct code_row *row, uint8_t *where)
{
    struct fault f;
    uint32_t eax;
    if (row->guest_only && on_host)
        return;
    memcpy(where, row->bytes, row->size);
    if (try_row(row, where, &f, &eax)) {
        print(f.sig ? "%s%s: signal %d code %d trap %d error %x eip +%x\n" : "%s%s\n",
              row->guest_only ? GUEST_ONLY "ok " : "ok ", row->name, f.sig, f.code, f.trapno, f.err,
              row->eip);
        return;
    }
    checks_failed++;
    print("FAIL %s: signal %d code %d trap %d error %x eip +%x addr %x eax %x,\n", row->name, f.sig, f.code,
          f.trapno, f.err, f.sig ? f.eip - (uint32_t)where : 0, f.addr, eax);
    print("    not signal %d code %d trap %d error %x eip +%x addr %x eax %x\n", row->sig, row->code,
          row->trapno, row->err, row->eip, row->sig ? expected_addr(row, where) : 0, row->eax);
}

void check_any_order(const struct code_row *rows, unsigned count, uint8_t *where)
{
    uint32_t wrong = 0, random = count;
    for (unsigned i = 0; i < 4 * count; i++) {
        const struct code_row *row = &rows[next_random(&random) % count];
        if (!row_holds(row, where)) {
            wrong++;
            print("in another order: %s\n", row->name);
        }
    }
    check_equal(wrong, 0, "all in any order");
}

/* ---- Start ---- */

void catch_faults(void)
{
    static const int fatal[] = { SIG_ILL, SIG_TRAP, SIG_BUS, SIG_FPE, SIG_SEGV, SIG_SYS };
    for (unsigned i = 0; i < ARRAY_SIZE(fatal); i++)
        set_handler(fatal[i], catch_fault, 0);
}

static void set_up_signals(void)
{
    struct {
        void *start;
        uint32_t flags, size;
    } stack = { signal_stack, 0, sizeof(signal_stack) };
    linux_call(NR_SIGALTSTACK, &stack, 0);
    catch_faults();
}

void start_program(uint32_t *stack)
{
    enum { AT_NULL = 0, AT_SYSINFO = 32 };
    uint32_t count = stack[0], *next;
    program_arguments = (char **)(stack + 1);
    on_host = count > 1 && same_text(program_arguments[1], "native");
    short_run = count > 1u + on_host && same_text(program_arguments[1 + on_host], "short");
    for (next = stack + 1 + count + 1; *next;)
        next++;
    vdso_entry = (uint32_t)linux_call_by_interrupt;
    for (next++; *next != AT_NULL; next += 2) {
        if (*next == AT_SYSINFO)
            vdso_entry = next[1];
    }
    set_up_signals();
    int status = program();
    if (checks_failed)
        print("FAILED: %u checks\n", checks_failed);
    end_program(status ? status : checks_failed ? 1 : 0);
}
