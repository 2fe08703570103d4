//! The same before anything else of the program runs.
//!
//! Setting up the C library asks the processor dozens of questions, each of which leaves a
//! virtual machine: 0.6 ms where these are slow, most of what a start takes. The program that
//! only executes itself again need not pay that. So the executable's entry is here (see
//! [`crate::seal::ENTRY`]): nothing is relocated yet and no function of the C library may be
//! called, not even `memcpy`, which is why bytes are read one by one and volatile. Whatever
//! fails is left to [`crate::seal::ensure`].

use core::arch::{asm, global_asm};

global_asm!(
    ".globl corten_sealed_start",
    ".hidden corten_sealed_start",
    ".type corten_sealed_start, @function",
    "corten_sealed_start:",
    // The stack holds argc, argv, environment and the auxiliary vector; rdx is for atexit.
    "mov rbx, rsp",
    "mov r12, rdx",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {seal}",
    "mov rsp, rbx",
    "mov rdx, r12",
    "xor ebp, ebp",
    "jmp _start",
    seal = sym seal,
);

const AT_EXECFN: usize = 31;
const AT_FDCWD: usize = -100_isize as usize;
const AT_EMPTY_PATH: usize = 0x1000;
/// `OPEN_TREE_CLONE`, `OPEN_TREE_CLOEXEC`
const CLONE_CLOEXEC: usize = 1 | 0o2_000_000;
/// `struct mount_attr`: read-only, no set-user-id, no devices; nothing to clear.
static MOUNT_ATTRIBUTES: [u64; 4] = [1 | 2 | 4, 0, 0, 0];

/// Executes the program through a read-only mount if one of its words asks for a container to be
/// made or joined; returns if not, or if that cannot be.
unsafe extern "C" fn seal(stack: *const usize) {
    // SAFETY: the kernel has put argc here, as many pointers and a null after it.
    let argc = unsafe { stack.read_volatile() };
    let argv = stack.wrapping_add(1);
    let envp = argv.wrapping_add(argc + 1);
    // SAFETY: the arguments are as the kernel has made them.
    if !unsafe { touches_container(argv, argc) } {
        return;
    }
    // SAFETY: the environment ends with a null, behind which the auxiliary vector begins.
    if unsafe { executed_by_descriptor(envp) } {
        return;
    }
    let empty = c"".as_ptr() as usize;
    let exe = c"/proc/self/exe".as_ptr() as usize;
    let Some(tree) = call(libc::SYS_open_tree, [AT_FDCWD, exe, CLONE_CLOEXEC, 0, 0]) else {
        return;
    };
    let attributes = (&raw const MOUNT_ATTRIBUTES) as usize;
    let size = size_of_val(&MOUNT_ATTRIBUTES);
    let change = [tree, empty, AT_EMPTY_PATH, attributes, size];
    if call(libc::SYS_mount_setattr, change).is_some() {
        // As the tree is closed, the mount leaves its namespace: see `crate::seal::hold`.
        let arguments = [tree, empty, argv as usize, envp as usize, AT_EMPTY_PATH];
        call(libc::SYS_execveat, arguments);
    }
    // Nobody needs it any more, and nothing can be done if it stays.
    call(libc::SYS_close, [tree, 0, 0, 0, 0]);
}

/// Whether one of the words is a command that needs it. An option's value that happens to
/// be such a word costs a little time, nothing else.
///
/// # Safety
/// `argv` has `argc` pointers to terminated strings.
unsafe fn touches_container(argv: *const usize, argc: usize) -> bool {
    let mut at = 1;
    while at < argc {
        // SAFETY: there are `argc` of them.
        let word = unsafe { argv.wrapping_add(at).read_volatile() } as *const u8;
        // SAFETY: each is terminated.
        if unsafe { is(word, b"run\0") } {
            return true;
        }
        // SAFETY: as above.
        if unsafe { is(word, b"create\0") } {
            return true;
        }
        // SAFETY: as above.
        if unsafe { is(word, b"exec\0") } {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether we were executed by a descriptor, as the second time: the kernel then names the program
/// `/dev/fd/N`. Whether it really is that is for [`crate::seal::ensure`] to find out.
///
/// # Safety
/// `envp` ends with a null, behind which there is the auxiliary vector.
unsafe fn executed_by_descriptor(envp: *const usize) -> bool {
    let mut at = envp;
    // SAFETY: the list ends with a null.
    while unsafe { at.read_volatile() } != 0 {
        at = at.wrapping_add(1);
    }
    at = at.wrapping_add(1);
    loop {
        // SAFETY: the vector is made of pairs and ends with one of type zero.
        let kind = unsafe { at.read_volatile() };
        if kind == 0 {
            return false;
        }
        if kind == AT_EXECFN {
            // SAFETY: a pair has two words.
            let name = unsafe { at.wrapping_add(1).read_volatile() } as *const u8;
            // SAFETY: the name is terminated.
            return unsafe { is(name, b"/dev/fd/") };
        }
        at = at.wrapping_add(2);
    }
}

/// Whether a string begins with these bytes; a terminator among them makes it the whole.
///
/// # Safety
/// `string` is terminated.
unsafe fn is(string: *const u8, bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        // SAFETY: no byte before differed, so that none was the terminator.
        if unsafe { string.wrapping_add(at).read_volatile() } != bytes[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// A system call without the C library; nothing if it fails.
#[expect(
    clippy::cast_possible_truncation,
    reason = "both have 64 bits on the only architecture this is compiled for"
)]
fn call(number: libc::c_long, arguments: [usize; 5]) -> Option<usize> {
    let [a, b, c, d, e] = arguments;
    let answer: isize;
    // SAFETY: the callers pass descriptors, lengths and pointers that outlive the call; the
    // kernel changes no register but these.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    usize::try_from(answer).ok()
}
