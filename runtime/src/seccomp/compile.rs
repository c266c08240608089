//! From rules to a classic BPF program, as seccomp(2) wants it.
//!
//! The numbers of an architecture are cut into intervals of equal answer, which a binary search finds; so a call costs
//! about eight instructions, and the kernel's own cache of calls that always pass sees constant answers.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter,
};

use crate::capabilities::CapabilitySet;
use crate::seccomp::Seccomp;
use crate::seccomp::profile::{Action, ENOSYS, EPERM};
use crate::seccomp::table::TABLE;

/// Offsets in `struct seccomp_data`; arguments are 64 bits wide, low half first on little-endian machines.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT_LOW: u32 = 16;
const FIRST_ARGUMENT_HIGH: u32 = 20;

/// Marks the numbers of x32 calls on x86_64.
const X32_BIT: u32 = 0x4000_0000;

/// The last number that the table knows on every architecture; what is newer is said to be missing.
const NEWEST: u32 = 466;

const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_I386: u32 = 0x4000_0003;
const AUDIT_AARCH64: u32 = 0xc000_00b7;

/// Columns of the table.
const X86_64: usize = 0;
const X32: usize = 1;
const I386: usize = 2;
const AARCH64: usize = 3;

/// Numbers from `start` up to the next interval's start have this answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interval {
    start: u32,
    action: Action,
}

/// The program for a container with `capabilities`; `None` for no filter.
pub(crate) fn compile(filter: Seccomp, capabilities: CapabilitySet) -> Option<Vec<sock_filter>> {
    if filter == Seccomp::Unconfined {
        return None;
    }
    let native = if cfg!(target_arch = "aarch64") {
        vec![(AUDIT_AARCH64, intervals(AARCH64, capabilities, 0))]
    } else {
        let mut wide = intervals(X86_64, capabilities, 0);
        wide.extend(intervals(X32, capabilities, X32_BIT));
        vec![(AUDIT_X86_64, wide), (AUDIT_I386, intervals(I386, capabilities, 0))]
    };
    let mut program = vec![load(ARCHITECTURE)];
    for (architecture, intervals) in native {
        let mut body = vec![load(NUMBER)];
        body.extend(search(&intervals));
        program.push(jump(BPF_JEQ, architecture, 1, 0));
        program.push(skip(body.len()));
        program.append(&mut body);
    }
    program.push(answer(libc::SECCOMP_RET_KILL_PROCESS));
    Some(program)
}

/// The answers for one column of the table, with `base` added to its numbers.
fn intervals(column: usize, capabilities: CapabilitySet, base: u32) -> Vec<Interval> {
    let mut actions = vec![Action::Errno(EPERM); 600];
    actions.truncate(if column == X32 { 600 } else { NEWEST as usize + 1 });
    for (_, numbers, rule) in TABLE {
        if let Some(action) = usize::try_from(numbers[column]).ok().and_then(|number| actions.get_mut(number)) {
            *action = rule.action(capabilities);
        }
    }
    actions.push(Action::Errno(ENOSYS));
    let mut found: Vec<Interval> = Vec::new();
    for (number, action) in actions.into_iter().enumerate() {
        if found.last().is_none_or(|last| last.action != action) {
            found.push(Interval { start: base + number as u32, action });
        }
    }
    found
}

/// Code that finds the interval of the number in the accumulator, and answers.
fn search(intervals: &[Interval]) -> Vec<sock_filter> {
    if let [only] = intervals {
        return leaf(only.action);
    }
    let (low, high) = intervals.split_at(intervals.len() / 2);
    let left = search(low);
    let right = search(high);
    let start = high[0].start;
    let mut code = match u8::try_from(left.len()) {
        Ok(distance) => vec![jump(BPF_JGE, start, distance, 0)],
        Err(_) => vec![jump(BPF_JGE, start, 0, 1), skip(left.len())],
    };
    code.extend(left);
    code.extend(right);
    code
}

fn leaf(action: Action) -> Vec<sock_filter> {
    match action {
        Action::Allow => vec![answer(libc::SECCOMP_RET_ALLOW)],
        Action::Errno(errno) => vec![refuse(errno)],
        Action::AllowWithoutBits(bits) => vec![
            load(FIRST_ARGUMENT_LOW),
            statement(BPF_ALU | BPF_AND | BPF_K, bits),
            jump(BPF_JEQ, 0, 0, 1),
            answer(libc::SECCOMP_RET_ALLOW),
            refuse(EPERM),
        ],
        Action::AllowFirstArgument(ranges) => {
            let mut code =
                vec![load(FIRST_ARGUMENT_HIGH), jump(BPF_JEQ, 0, 1, 0), refuse(EPERM), load(FIRST_ARGUMENT_LOW)];
            for (first, last) in ranges {
                code.push(jump(BPF_JGE, *first, 0, 2));
                code.push(jump(BPF_JGT, *last, 1, 0));
                code.push(answer(libc::SECCOMP_RET_ALLOW));
            }
            code.push(refuse(EPERM));
            code
        }
    }
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn answer(value: u32) -> sock_filter {
    statement(BPF_RET | BPF_K, value)
}

fn refuse(errno: u16) -> sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | u32::from(errno))
}

fn skip(instructions: usize) -> sock_filter {
    statement(BPF_JMP | BPF_JA, instructions as u32)
}

fn jump(comparison: u32, k: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | comparison | BPF_K) as u16, jt: if_true, jf: if_false, k }
}

#[cfg(test)]
mod tests {
    use super::{AUDIT_AARCH64, AUDIT_I386, AUDIT_X86_64, NEWEST, X32_BIT, compile};
    use crate::capabilities::{Capability, CapabilitySet};
    use crate::seccomp::Seccomp;
    use crate::seccomp::profile::{Action, ENOSYS, EPERM, Rule};
    use crate::seccomp::table::TABLE;

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | EPERM as u32;
    const MISSING: u32 = libc::SECCOMP_RET_ERRNO | ENOSYS as u32;

    /// The kernel's part: what the program answers to a call.
    fn interpret(program: &[libc::sock_filter], [number, architecture]: [u32; 2], argument: u64) -> u32 {
        let words = [number, architecture, 0, 0, argument as u32, (argument >> 32) as u32];
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let step = program[at];
            let code = u32::from(step.code);
            at += 1;
            match code & 7 {
                libc::BPF_LD => accumulator = words[step.k as usize / 4],
                libc::BPF_ALU => accumulator &= step.k,
                libc::BPF_RET => return step.k,
                libc::BPF_JMP if code & 0xf0 == libc::BPF_JA => at += step.k as usize,
                libc::BPF_JMP => {
                    let holds = match code & 0xf0 {
                        libc::BPF_JEQ => accumulator == step.k,
                        libc::BPF_JGE => accumulator >= step.k,
                        libc::BPF_JGT => accumulator > step.k,
                        other => panic!("jump {other:#x}"),
                    };
                    at += usize::from(if holds { step.jt } else { step.jf });
                }
                other => panic!("class {other}"),
            }
        }
    }

    /// Architectures of this build: audit number, column of the table, first number.
    fn columns() -> Vec<(u32, usize, u32)> {
        if cfg!(target_arch = "aarch64") {
            return vec![(AUDIT_AARCH64, 3, 0)];
        }
        vec![(AUDIT_X86_64, 0, 0), (AUDIT_X86_64, 1, X32_BIT), (AUDIT_I386, 2, 0)]
    }

    #[test]
    fn every_call_gets_the_answer_of_its_rule() {
        let sets = [
            CapabilitySet::docker_default(),
            CapabilitySet::empty(),
            CapabilitySet::all(),
            CapabilitySet::docker_default().with(Capability::SYS_ADMIN),
        ];
        for set in sets {
            let program = compile(Seccomp::Default, set).unwrap();
            assert!(program.len() < 4096, "the kernel takes no more");
            for (architecture, column, base) in columns() {
                for (name, numbers, rule) in TABLE {
                    let Ok(number) = u32::try_from(numbers[column]) else { continue };
                    let expected = match rule.action(set) {
                        Action::Allow => ALLOW,
                        Action::Errno(errno) => libc::SECCOMP_RET_ERRNO | u32::from(errno),
                        // Argument 0 is allowed by all rules on arguments.
                        Action::AllowFirstArgument(_) | Action::AllowWithoutBits(_) => ALLOW,
                    };
                    assert_eq!(interpret(&program, [base + number, architecture], 0), expected, "{name}");
                }
            }
        }
    }

    #[test]
    fn what_the_table_does_not_know_is_refused_or_missing() {
        let program = compile(Seccomp::Default, CapabilitySet::all()).unwrap();
        for (architecture, column, base) in columns() {
            let known: Vec<i16> = TABLE.iter().map(|(_, numbers, _)| numbers[column]).collect();
            for number in 0..1000_u32 {
                if known.contains(&(number as i16)) {
                    continue;
                }
                let last = if column == 1 { 599 } else { NEWEST };
                let expected = if number > last { MISSING } else { REFUSE };
                assert_eq!(interpret(&program, [base + number, architecture], 0), expected, "{base} + {number}");
            }
            assert_eq!(interpret(&program, [0x3fff_ffff, architecture], 0), MISSING);
        }
        assert_eq!(interpret(&program, [0, 0x1234], 0), libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn arguments_decide_where_the_rule_says_so() {
        let program = compile(Seccomp::Default, CapabilitySet::docker_default()).unwrap();
        let (architecture, column, _) = columns()[0];
        let number = |wanted: &str| {
            let row = TABLE.iter().find(|(name, _, _)| *name == wanted).unwrap();
            row.1[column] as u32
        };
        for (name, argument, expected) in [
            ("socket", 2, ALLOW),
            ("socket", 16, ALLOW),
            ("socket", 12, REFUSE),
            ("socket", 38, REFUSE),
            ("socket", 40, REFUSE),
            ("socket", 46, REFUSE),
            ("socket", 1 << 32 | 2, REFUSE),
            ("personality", 0, ALLOW),
            ("personality", 0xffff_ffff, ALLOW),
            ("personality", 0x20008, ALLOW),
            ("personality", 0x0004_0000, REFUSE),
            ("clone", 0x0011_2000, ALLOW),
            ("clone", libc::CLONE_NEWUSER as u64, REFUSE),
            ("clone", libc::CLONE_NEWNS as u64 | 17, REFUSE),
            ("clone3", 0, MISSING),
            ("unshare", 0, REFUSE),
            ("chroot", 0, ALLOW),
            ("ptrace", 0, ALLOW),
            ("bpf", 0, REFUSE),
            ("io_destroy", 0, ALLOW),
        ] {
            assert_eq!(interpret(&program, [number(name), architecture], argument), expected, "{name} {argument:#x}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_names_each_call_once() {
        let key = |name: &str| name.trim_start_matches('_').to_owned();
        assert!(TABLE.windows(2).all(|pair| key(pair[0].0) < key(pair[1].0)));
        for column in 0..4 {
            let mut numbers: Vec<i16> = TABLE.iter().map(|row| row.1[column]).filter(|number| *number >= 0).collect();
            numbers.sort_unstable();
            assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "column {column}");
        }
        assert!(matches!(TABLE.iter().find(|row| row.0 == "clone3").unwrap().2, Rule::Clone3));
    }

    /// The numbers of this machine's own architecture are those that libc knows.
    #[test]
    fn numbers_agree_with_libc() {
        let column = columns()[0].1;
        for (name, number) in [
            ("read", libc::SYS_read),
            ("openat2", libc::SYS_openat2),
            ("clone3", libc::SYS_clone3),
            ("mseal", libc::SYS_mseal),
            ("futex_wait", 455),
            ("ptrace", libc::SYS_ptrace),
            ("mount", libc::SYS_mount),
            ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
            ("statx", libc::SYS_statx),
            ("sync_file_range", libc::SYS_sync_file_range),
            ("umount2", libc::SYS_umount2),
            ("set_mempolicy_home_node", libc::SYS_set_mempolicy_home_node),
            ("rseq", libc::SYS_rseq),
        ] {
            let row = TABLE.iter().find(|row| row.0 == name).unwrap();
            assert_eq!(i64::from(row.1[column]), number, "{name}");
        }
    }
}
