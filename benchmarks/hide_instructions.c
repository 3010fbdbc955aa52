/* Hides instruction sets of the processor from a program, so that the slower paths of its libraries are really run.

Linux on x86-64, on a processor that can fault on CPUID (`cpuid_fault` in /proc/cpuinfo). See `without.py`. Each CPUID
raises SIGSEGV; the handler executes it, clears the bits of what is hidden, and goes on behind it. */

#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012
#define BIT(n) (1u << (n))

static int no_amx, no_vnni, no_avx512;

static void clear(unsigned leaf, unsigned sub, unsigned r[4]) {
    unsigned *a = &r[0], *b = &r[1], *c = &r[2], *d = &r[3];
    if (leaf == 7 && sub == 0) {
        if (no_amx) *d &= ~(BIT(22) | BIT(24) | BIT(25));
        if (no_vnni) *c &= ~BIT(11);
        if (no_avx512) {
            *b &= ~(BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31));
            *c &= ~(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14));
            *d &= ~(BIT(2) | BIT(3) | BIT(8) | BIT(23));
        }
    } else if (leaf == 7 && sub == 1) {
        if (no_amx) { *a &= ~BIT(21); *d &= ~BIT(8); }
        if (no_vnni) { *a &= ~BIT(4); *d &= ~(BIT(4) | BIT(10)); }  /* AVX-VNNI, and its later kinds */
        if (no_avx512) { *a &= ~BIT(5); *d &= ~BIT(19); }
    } else if (leaf == 0xd && sub == 0) {
        if (no_amx) *a &= ~(BIT(17) | BIT(18));
        if (no_avx512) *a &= ~(BIT(5) | BIT(6) | BIT(7));
    } else if (leaf == 0x1d || leaf == 0x1e) {
        if (no_amx) memset(r, 0, 16);
    }
}

static void on_fault(int signal_number, siginfo_t *info, void *context) {
    greg_t *at = ((ucontext_t *)context)->uc_mcontext.gregs;
    const unsigned char *code = (const unsigned char *)at[REG_RIP];
    (void)info;
    if (info->si_code != SI_KERNEL || code[0] != 0x0f || code[1] != 0xa2) {
        signal(signal_number, SIG_DFL);  /* a fault of the program's own: it happens again, without this handler */
        return;
    }
    unsigned leaf = at[REG_RAX], sub = at[REG_RCX], r[4];
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    __cpuid_count(leaf, sub, r[0], r[1], r[2], r[3]);
    syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
    clear(leaf, sub, r);
    at[REG_RAX] = r[0], at[REG_RBX] = r[1], at[REG_RCX] = r[2], at[REG_RDX] = r[3];
    at[REG_RIP] += 2;
}

__attribute__((constructor)) static void hide(void) {
    const char *hidden = getenv("HIDE");
    if (!hidden) return;
    no_amx = strstr(hidden, "amx") != NULL;
    no_vnni = strstr(hidden, "vnni") != NULL;
    no_avx512 = strstr(hidden, "avx512") != NULL;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) != 0) {
        perror("this processor does not fault on CPUID");
        exit(3);
    }
}
