//! The same before anything else of the program runs.
//!
//! Setting up the C library asks the processor dozens of questions, each of which leaves a
//! virtual machine: 0.6 ms where these are slow, most of what a start takes. The program that
//! only executes its copy need not pay that. So the executable's entry is here (see
//! [`crate::seal::ENTRY`]): nothing is relocated yet and no function of the C library may be
//! called, not even `memcpy`, which is why bytes are moved one by one and volatile. Whatever
//! fails is left to [`crate::seal::ensure`].

use core::arch::{asm, global_asm};
use core::mem::MaybeUninit;

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

/// A path, its terminator and the second layer fit; longer ones are left to the other way.
const ROOM: usize = 1024;
const SECOND_LAYER: &[u8] = b":/sys\0";
const AT_EXECFN: usize = 31;
const AT_EMPTY_PATH: usize = 0x1000;
const O_PATH_NOFOLLOW_CLOEXEC: usize = 0o10_000_000 | 0o400_000 | 0o2_000_000;
const CLOEXEC: usize = 1;
const FSCONFIG_SET_STRING: usize = 1;
const FSCONFIG_CMD_CREATE: usize = 6;
/// Read-only, no set-user-id, no devices.
const MOUNT_ATTRIBUTES: usize = 1 | 2 | 4;

type Buffer = [MaybeUninit<u8>; ROOM];

/// Executes the program from a read-only overlay if its first word asks for a container to be
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
    let mut path: Buffer = [MaybeUninit::uninit(); ROOM];
    let mut name: Buffer = [MaybeUninit::uninit(); ROOM];
    if let Some(copy) = overlaid(&mut path, &mut name) {
        let empty = c"".as_ptr() as usize;
        let arguments = [copy, empty, argv as usize, envp as usize, AT_EMPTY_PATH];
        call(libc::SYS_execveat, arguments);
    }
}

/// Whether one of the words is a command that needs the copy. An option's value that happens to
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

/// Whether we were executed by a descriptor, as the copy is: the kernel then names the program
/// `/dev/fd/N`. Whether it really is the copy is for [`crate::seal::ensure`] to find out.
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

/// A descriptor of this program in a read-only overlay that is mounted nowhere.
fn overlaid(path: &mut Buffer, name: &mut Buffer) -> Option<usize> {
    let text = path.as_mut_ptr().cast::<u8>();
    let link = c"/proc/self/exe".as_ptr() as usize;
    let room = ROOM - SECOND_LAYER.len();
    let length = call(libc::SYS_readlink, [link, text as usize, room, 0, 0])?;
    if length == 0 || length >= room {
        return None;
    }
    let slash = last_slash(text, length)?;
    copy(name, text.wrapping_add(slash + 1), length - slash - 1);
    let mut at = 0;
    while at < SECOND_LAYER.len() {
        // SAFETY: the layer's name fits behind every path that was read.
        unsafe {
            text.wrapping_add(slash + at)
                .write_volatile(SECOND_LAYER[at])
        };
        at += 1;
    }
    let word = |text: &core::ffi::CStr| text.as_ptr() as usize;
    let context = call(libc::SYS_fsopen, [word(c"overlay"), CLOEXEC, 0, 0, 0])?;
    let layers = [
        context,
        FSCONFIG_SET_STRING,
        word(c"lowerdir"),
        text as usize,
        0,
    ];
    call(libc::SYS_fsconfig, layers)?;
    call(libc::SYS_fsconfig, [context, FSCONFIG_CMD_CREATE, 0, 0, 0])?;
    let mount = call(
        libc::SYS_fsmount,
        [context, CLOEXEC, MOUNT_ATTRIBUTES, 0, 0],
    )?;
    let name = name.as_ptr() as usize;
    call(
        libc::SYS_openat,
        [mount, name, O_PATH_NOFOLLOW_CLOEXEC, 0, 0],
    )
}

/// The last slash's place: not the first character's, and with nothing special before it.
fn last_slash(text: *const u8, length: usize) -> Option<usize> {
    let mut slash = 0;
    let mut at = 0;
    while at < length {
        // SAFETY: `length` bytes were read there.
        match unsafe { text.wrapping_add(at).read_volatile() } {
            b'/' => slash = at,
            b':' | b'\\' | b',' => return None,
            _ => {}
        }
        at += 1;
    }
    // SAFETY: a path that is not empty was read; a terminator makes it one word.
    let under_sys = slash >= 4 && unsafe { is(text, b"/sys/") };
    (slash > 0 && !under_sys).then_some(slash)
}

/// Copies bytes and ends them.
fn copy(to: &mut Buffer, from: *const u8, length: usize) {
    let to = to.as_mut_ptr().cast::<u8>();
    let mut at = 0;
    while at < length {
        // SAFETY: both are buffers of more bytes than that.
        let byte = unsafe { from.wrapping_add(at).read_volatile() };
        // SAFETY: as above.
        unsafe { to.wrapping_add(at).write_volatile(byte) };
        at += 1;
    }
    // SAFETY: as above.
    unsafe { to.wrapping_add(at).write_volatile(0) };
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
