//! Docker's default profile.

use crate::bpf::{ALLOW, Call, ENOSYS, EPERM, I386, X86_64, of, run};
use seccomp::{Host, Profile, compile, docker_default};
use std::time::Instant;

/// Docker's default capabilities.
const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

#[test]
fn a_filter_without_a_list_of_flags_costs_no_mitigation() {
    let profile = docker_default(&DEFAULT, host());
    assert_eq!(profile.flags, None);
    let flags = |flags| {
        let profile = oci::runtime::Seccomp {
            flags,
            ..profile.clone()
        };
        compile(&profile).unwrap().flags()
    };
    const SPEC_ALLOW: u32 = 4;
    assert_eq!(flags(None), SPEC_ALLOW);
    assert_eq!(flags(Some(Vec::new())), 0);
    assert_eq!(flags(Some(vec![oci::runtime::SeccompFlag::Log])), 2);
}

fn x86_64(number: u32, args: &[u64]) -> Call {
    let mut call = Call {
        number,
        arch: X86_64,
        args: [0; 6],
    };
    call.args[..args.len()].copy_from_slice(args);
    call
}

fn host() -> Host {
    Host {
        arch: oci::runtime::Arch::X86_64,
        kernel: (6, 1),
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_default_profile_decides_as_documented() {
    let program = compile(&docker_default(&DEFAULT, host())).unwrap();
    let bpf = of(&program);
    let check = |number, args: &[u64], expected| {
        assert_eq!(
            run(&bpf, &x86_64(number, args)),
            expected,
            "{number} {args:?}"
        );
    };
    check(0, &[], ALLOW); // read
    check(165, &[], EPERM); // mount
    check(161, &[], ALLOW); // chroot, by CAP_SYS_CHROOT
    check(435, &[], ENOSYS); // clone3
    check(56, &[0x11], ALLOW); // clone, a plain fork
    check(56, &[0x1000_0000], EPERM); // clone, CLONE_NEWUSER
    check(425, &[], EPERM); // io_uring_setup
    check(9999, &[], ENOSYS); // a call of the future
    check(135, &[0xffff_ffff], ALLOW); // personality, a query
    check(135, &[0x0040_0000], EPERM); // personality, ADDR_NO_RANDOMIZE
    for family in 0..60_u64 {
        let allowed = family < 46 && ![12, 19, 20, 23, 25, 34, 37, 38, 40].contains(&family);
        check(41, &[family], if allowed { ALLOW } else { EPERM });
        // The kernel looks at the lower half alone; what has an upper half is refused.
        check(41, &[family | 1 << 32], EPERM);
    }
    let i386 = Call {
        number: 3,
        arch: I386,
        args: [0; 6],
    };
    assert_eq!(run(&bpf, &i386), ALLOW);
    let alien = Call {
        number: 3,
        arch: 0xc000_00b7,
        args: [0; 6],
    };
    assert_eq!(run(&bpf, &alien), 0);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn capabilities_open_their_calls() {
    let all = [&DEFAULT[..], &["CAP_SYS_ADMIN"]].concat();
    let bpf = of(&compile(&docker_default(&all, host())).unwrap());
    for number in [165, 56, 435, 272] {
        assert_eq!(run(&bpf, &x86_64(number, &[u64::MAX])), ALLOW, "{number}");
    }
    assert_eq!(run(&bpf, &x86_64(169, &[])), EPERM); // reboot
}

#[test]
fn the_default_profile_is_small_and_fast_to_compile() {
    let filter = docker_default(&DEFAULT, host());
    let program = compile(&filter).unwrap();
    assert!(program.len() < 300, "{} instructions", program.len());
    assert_eq!(program.to_bytes().len(), program.len() * 8);
    let best = (0..50)
        .map(|_| {
            let start = Instant::now();
            let again = compile(&filter).unwrap();
            assert_eq!(again, program);
            start.elapsed()
        })
        .min()
        .unwrap();
    eprintln!("{} instructions in {best:?}", program.len());
}

#[test]
fn a_profile_of_ones_own_is_read_and_contradictions_are_refused() {
    let read = |text: &str| Profile::from_slice(text.as_bytes()).map_err(|error| error.to_string());
    let profile = read(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":null,
        "syscalls":[{"name":"mkdir","action":"SCMP_ACT_ERRNO","args":null,"includes":{},"excludes":null}]}"#,
    )
    .unwrap();
    let filter = profile.evaluate(&DEFAULT, host());
    assert_eq!(filter.syscalls[0].names, ["mkdir"]);
    let both = r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],
        "archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}"#;
    assert!(
        read(both)
            .unwrap_err()
            .contains("either 'architectures' or 'archMap'")
    );
    let twice = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_ERRNO"}]}"#;
    assert!(
        read(twice)
            .unwrap_err()
            .contains("either 'name' or 'names'")
    );
    assert!(
        read(r#"{"defaultAction":"SCMP_ACT_NOPE"}"#)
            .unwrap_err()
            .contains("SCMP_ACT_NOPE")
    );
}
