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
