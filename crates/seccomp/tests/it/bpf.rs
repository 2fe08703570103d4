//! An interpreter for classic BPF as seccomp uses it.

/// What a filter sees of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) number: u32,
    pub(crate) arch: u32,
    pub(crate) args: [u64; 6],
}

pub(crate) const X86_64: u32 = 0xc000_003e;
pub(crate) const I386: u32 = 0x4000_0003;

pub(crate) const ALLOW: u32 = 0x7fff_0000;
pub(crate) const EPERM: u32 = 0x0005_0001;
pub(crate) const ENOSYS: u32 = 0x0005_0026;

impl Call {
    fn word(&self, offset: u32) -> u32 {
        let half = |value: u64, upper: bool| {
            if upper {
                value >> 32
            } else {
                value & 0xffff_ffff
            }
        };
        let word = match offset {
            0 => u64::from(self.number),
            4 => u64::from(self.arch),
            offset => {
                let at = (offset - 16) as usize;
                half(self.args[at / 8], at % 8 == 4)
            }
        };
        u32::try_from(word).unwrap()
    }
}

/// Runs a program of `(code, jt, jf, k)`.
pub(crate) fn run(program: &[(u16, u8, u8, u32)], call: &Call) -> u32 {
    let (mut at, mut a) = (0_usize, 0_u32);
    let mut memory = [0_u32; 16];
    loop {
        let (code, jt, jf, k) = program[at];
        at += 1;
        let branch = |yes: bool| usize::from(if yes { jt } else { jf });
        match code {
            0x20 => a = call.word(k),
            0x54 => a &= k,
            0x05 => at += k as usize,
            0x15 => at += branch(a == k),
            0x25 => at += branch(a > k),
            0x35 => at += branch(a >= k),
            0x45 => at += branch(a & k != 0),
            0x02 => memory[k as usize] = a,
            0x60 => a = memory[k as usize],
            0x06 => return k,
            code => panic!("unknown instruction {code:#x}"),
        }
    }
}

pub(crate) fn of(program: &seccomp::Program) -> Vec<(u16, u8, u8, u32)> {
    let filter = program.filter();
    filter
        .iter()
        .map(|one| (one.code, one.jt, one.jf, one.k))
        .collect()
}
