//! The system calls that a program may use.
//!
//! This is a list of allowed calls, not of forbidden ones, because every kernel version adds new calls. All
//! others answer that they do not exist (`ENOSYS`). Programs and libraries know this answer from older
//! kernels and have an alternative. If a forbidden call killed the process, every new version of a library
//! could crash it.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// Allowed with any arguments: they affect only the process itself, its memory, and files, which Landlock
/// guards.
const ALLOWED: &[c_long] = &[
    // Files and pipes.
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pipe2,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_write,
    libc::SYS_writev,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mlock,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munlock,
    libc::SYS_munmap,
    // Threads.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_getpgid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    // Its own signals.
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    // Clocks and random numbers.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_times,
    // Identity and current directory.
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getresgid,
    libc::SYS_getresuid,
    libc::SYS_getrusage,
    libc::SYS_getuid,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    // Used once, by the launcher. Landlock decides what may be executed, and a new program stays confined.
    libc::SYS_execve,
];

/// Older calls that newer architectures no longer have.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_getdents,
    libc::SYS_getpgrp,
    libc::SYS_getrlimit,
    libc::SYS_lstat,
    libc::SYS_open,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[c_long] = &[];

/// Flags of a new thread in this process, without new namespaces. `clone3` is not allowed, because its flags
/// are in memory, which a filter cannot read. The C library falls back to `clone`.
const THREAD: c_int = libc::CLONE_THREAD;
const THREAD_MASK: c_int = libc::CLONE_THREAD
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;

/// Thread names, and queries.
const PRCTLS: [c_int; 5] = [
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_CAPBSET_READ,
    libc::PR_GET_PDEATHSIG,
    libc::PR_GET_NO_NEW_PRIVS,
];

/// Copies of a descriptor, its flags, and a pipe's size. Not allowed: the commands that set which process
/// gets signals (`F_SETOWN`, `F_SETOWN_EX`) and which signal (`F_SETSIG`), because Landlock does not check
/// that process before Linux 6.12.
const FCNTLS: [c_int; 8] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETPIPE_SZ,
    libc::F_SETPIPE_SZ,
];

/// Queries: whether a descriptor is a terminal, and its width.
const IOCTLS: [libc::Ioctl; 2] = [libc::TCGETS, libc::TIOCGWINSZ];

/// Filters the system calls of this process from now on.
pub(super) fn filter() -> Result<(), Error> {
    let errno = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let filter =
        SeccompFilter::new(rules()?, errno, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?;
    apply_filter(&BpfProgram::try_from(filter)?)
}

fn rules() -> Result<BTreeMap<c_long, Vec<SeccompRule>>, Error> {
    let mut rules: BTreeMap<_, _> =
        ALLOWED.iter().chain(ALLOWED_HERE).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, vec![flags(0, THREAD_MASK, THREAD)?]);
    let is = |argument, value| rule(argument, SeccompCmpOp::Eq, value);
    rules.insert(
        libc::SYS_prctl,
        PRCTLS.into_iter().map(|option| is(0, number(option))).collect::<Result<_, _>>()?,
    );
    rules.insert(
        libc::SYS_fcntl,
        FCNTLS.into_iter().map(|command| is(1, number(command))).collect::<Result<_, _>>()?,
    );
    rules
        .insert(libc::SYS_ioctl, IOCTLS.into_iter().map(|request| is(1, request)).collect::<Result<_, _>>()?);
    // Only for itself, not for another process of the same user.
    rules.insert(libc::SYS_prlimit64, vec![is(0, 0)?]);
    // `abort` uses this. The process id stays the same when the launcher becomes FFmpeg.
    rules.insert(libc::SYS_tgkill, vec![is(0, std::process::id().into())?]);
    Ok(rules)
}

fn flags(argument: u8, mask: c_int, value: c_int) -> Result<SeccompRule, Error> {
    rule(argument, SeccompCmpOp::MaskedEq(number(mask)), number(value))
}

/// Compares only the lower half of an argument, because the kernel reads only this half.
fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, Error> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value);
    Ok(SeccompRule::new(vec![condition?])?)
}

fn number(flags: c_int) -> u64 {
    u64::from(flags.cast_unsigned())
}
