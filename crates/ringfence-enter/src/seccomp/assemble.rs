//! Rules to BPF (linux/filter.h, Documentation/networking/filter.rst). Decides nothing.

use libc::sock_filter;

use super::table::{Action, Check, Rule};

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const IF_EQ: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_GE: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const IF_SET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGS: u32 = 16;

/// AUDIT_ARCH_* of linux/audit.h.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;

/// A run of call numbers with one answer: from `first` up to the next run.
struct Run<'a> {
    first: u32,
    rule: &'a Rule,
}

/// `rules` sorted by number; what no rule names gets ENOSYS, so that programs fall back as on an older kernel.
pub(super) fn assemble(rules: &[(i64, Rule)]) -> Vec<sock_filter> {
    let mut program = Vec::with_capacity(512);
    program.push(statement(LOAD, ARCH));
    program.push(jump(IF_EQ, NATIVE, 1, 0));
    program.push(statement(RETURN, code(Action::Kill)));
    program.push(statement(LOAD, NUMBER));
    // x32 calls carry bit 30 (asm/unistd.h) and would miss every rule below. -1 is a tracer's "skip".
    #[cfg(target_arch = "x86_64")]
    {
        program.push(jump(IF_SET, 0x4000_0000, 0, 1));
        program.push(statement(RETURN, code(Action::Kill)));
    }
    search(&runs(rules), &mut program);
    program
}

/// Merges neighbours with equal answers, gaps included.
fn runs(rules: &[(i64, Rule)]) -> Vec<Run<'_>> {
    const UNKNOWN: &Rule = &Rule::Always(Action::Errno(libc::ENOSYS));
    let mut runs: Vec<Run<'_>> = vec![Run { first: 0, rule: UNKNOWN }];
    let mut push = |first: u32, rule| match runs.last_mut() {
        Some(last) if last.rule == rule => {}
        Some(last) if last.first == first => last.rule = rule,
        _ => runs.push(Run { first, rule }),
    };
    let mut next = 0;
    for (number, rule) in rules {
        let number = *number as u32;
        if number > next {
            push(next, UNKNOWN);
        }
        push(number, rule);
        next = number + 1;
    }
    push(next, UNKNOWN);
    runs
}

/// Binary search over `runs`. A conditional jump reaches 255 instructions; over a longer half an unconditional one goes.
fn search(runs: &[Run<'_>], program: &mut Vec<sock_filter>) {
    if let [run] = runs {
        return leaf(run.rule, program);
    }
    let (low, high) = runs.split_at(runs.len() / 2);
    let node = program.len();
    program.push(jump(IF_GE, high[0].first, 0, 0));
    search(low, program);
    let reach = program.len() - node - 1;
    match u8::try_from(reach) {
        Ok(reach) => program[node].jt = reach,
        Err(_) => {
            program[node].jf = 1;
            program.insert(node + 1, jump(JUMP, reach as u32, 0, 0));
        }
    }
    search(high, program);
}

fn leaf(rule: &Rule, program: &mut Vec<sock_filter>) {
    let (checks, otherwise) = match rule {
        Rule::Always(action) => (&[][..], *action),
        Rule::When(checks, otherwise) => (&checks[..], *otherwise),
    };
    for check in checks {
        // Arguments are 64 bits wide; what the kernel takes as an int is compared in its low half alone, or setting
        // the high half would miss the rule. Little-endian, as both architectures are.
        match check {
            Check::Equal { arg, value, action } => {
                program.push(statement(LOAD, ARGS + 8 * u32::from(*arg)));
                program.push(jump(IF_EQ, *value, 0, 1));
                program.push(statement(RETURN, code(*action)));
            }
            Check::AnyBit { arg, mask, action } => {
                program.push(statement(LOAD, ARGS + 8 * u32::from(*arg)));
                program.push(jump(IF_SET, *mask, 0, 1));
                program.push(statement(RETURN, code(*action)));
            }
        }
    }
    program.push(statement(RETURN, code(otherwise)));
}

fn code(action: Action) -> u32 {
    match action {
        Action::Allow => libc::SECCOMP_RET_ALLOW,
        Action::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
        Action::Notify => libc::SECCOMP_RET_USER_NOTIF,
        Action::Kill => libc::SECCOMP_RET_KILL_PROCESS,
    }
}

fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// What the kernel would return for one call: an interpreter of the few instructions above.
#[cfg(test)]
pub(crate) fn simulate(program: &[sock_filter], arch: u32, number: u32, args: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_le_bytes());
    data.extend(arch.to_le_bytes());
    data.extend([0; 8]);
    args.iter().for_each(|arg| data.extend(arg.to_le_bytes()));
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let instruction = program[at];
        at += 1;
        let k = instruction.k;
        let mut branch = |taken: bool| at += usize::from(if taken { instruction.jt } else { instruction.jf });
        match instruction.code {
            LOAD => accumulator = u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().unwrap()),
            JUMP => at += k as usize,
            IF_EQ => branch(accumulator == k),
            IF_GE => branch(accumulator >= k),
            IF_SET => branch(accumulator & k != 0),
            RETURN => return k,
            other => panic!("instruction {other:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Sockets, program, rules};
    use super::*;

    fn verdict(options: &Options, number: i64, args: [u64; 6]) -> u32 {
        simulate(&program(options), NATIVE, number as u32, args)
    }

    fn strict() -> Options {
        Options { sockets: Sockets::Usual, nested_namespaces: false, broker: true, host_in_reach: false }
    }

    #[test]
    fn the_tree_agrees_with_the_table_for_every_number() {
        let options = strict();
        let (program, rules) = (program(&options), rules(&options));
        for number in 0..1200_u32 {
            let expected = match rules.iter().find(|(known, _)| *known == i64::from(number)) {
                Some((_, Rule::Always(action))) => code(*action),
                Some((_, Rule::When(..))) => continue,
                None => code(Action::Errno(libc::ENOSYS)),
            };
            assert_eq!(simulate(&program, NATIVE, number, [0; 6]), expected, "call {number}");
        }
    }

    #[test]
    fn foreign_architectures_are_killed() {
        let program = program(&strict());
        for arch in [0x4000_0003, 0xc000_00b7 ^ 0xc000_003e ^ NATIVE, 0, u32::MAX] {
            assert_eq!(simulate(&program, arch, 0, [0; 6]), code(Action::Kill));
        }
        #[cfg(target_arch = "x86_64")]
        assert_eq!(simulate(&program, NATIVE, 0x4000_0000 | 41, [0; 6]), code(Action::Kill));
    }

    #[test]
    fn the_high_half_of_an_int_argument_hides_nothing() {
        let tiocsti = u64::from(0x5412_u32) | 0xdead_beef << 32;
        assert_eq!(
            verdict(&strict(), libc::SYS_ioctl, [0, tiocsti, 0, 0, 0, 0]),
            code(Action::Errno(libc::EPERM))
        );
        let family = 40 | 1 << 40; // AF_VSOCK
        assert_eq!(
            verdict(&strict(), libc::SYS_socket, [family, 1, 0, 0, 0, 0]),
            code(Action::Errno(libc::EPERM))
        );
    }

    #[test]
    fn a_pair_of_sockets_stays_a_pair_where_other_sockets_are_the_hosts() {
        let refused = code(Action::Errno(libc::EPERM));
        let datagram = [libc::AF_UNIX as u64, (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as u64, 0, 0, 0, 0];
        assert_eq!(verdict(&strict(), libc::SYS_socketpair, datagram), code(Action::Allow));
        for sockets in [Sockets::NoUnix, Sockets::PairsOnly] {
            let options = Options { sockets, ..strict() };
            assert_eq!(verdict(&options, libc::SYS_socketpair, datagram), refused);
            for kind in [libc::SOCK_STREAM | libc::SOCK_CLOEXEC, libc::SOCK_SEQPACKET | libc::SOCK_NONBLOCK] {
                let arguments = [libc::AF_UNIX as u64, kind as u64, 0, 0, 0, 0];
                assert_eq!(verdict(&options, libc::SYS_socketpair, arguments), code(Action::Allow));
            }
        }
    }

    #[test]
    fn own_priorities_are_not_those_of_the_whole_user() {
        let options = Options { host_in_reach: true, ..strict() };
        let set = |number, kind| verdict(&options, number, [kind, 0, 0, 0, 0, 0]);
        assert_eq!(set(libc::SYS_setpriority, libc::PRIO_PROCESS as u64), code(Action::Allow));
        assert_eq!(set(libc::SYS_setpriority, libc::PRIO_USER as u64), code(Action::Errno(libc::EPERM)));
        assert_eq!(set(libc::SYS_ioprio_set, 1), code(Action::Allow));
        assert_eq!(set(libc::SYS_ioprio_set, 3), code(Action::Errno(libc::EPERM)));
    }

    #[test]
    fn no_tree_gets_a_name_by_ioctl_and_files_can_still_share_blocks() {
        let ioctl = |request: u64| verdict(&strict(), libc::SYS_ioctl, [3, request, 0, 0, 0, 0]);
        let (snapshot, clone_file) = (0x5000_9417, 0x4004_9409);
        assert_eq!(ioctl(snapshot), code(Action::Errno(libc::EPERM)));
        assert_eq!(ioctl(clone_file), code(Action::Allow));
    }

    #[test]
    fn reading_is_never_supervised_and_writing_is() {
        let open = |flags: i32| verdict(&strict(), libc::SYS_openat, [0, 0, flags as u64, 0, 0, 0]);
        assert_eq!(open(libc::O_RDONLY | libc::O_CLOEXEC | libc::O_DIRECTORY), code(Action::Allow));
        for flags in [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC] {
            assert_eq!(open(flags), code(Action::Notify), "{flags:#x}");
        }
        for number in [libc::SYS_read, libc::SYS_statx, libc::SYS_getdents64, libc::SYS_execve] {
            assert_eq!(verdict(&strict(), number, [0; 6]), code(Action::Allow), "{number}");
        }
    }

    #[test]
    fn namespaces_only_where_the_policy_lets_them() {
        let flags = [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0, 0];
        assert_eq!(verdict(&strict(), libc::SYS_clone, flags), code(Action::Errno(libc::EPERM)));
        assert_eq!(verdict(&strict(), libc::SYS_unshare, flags), code(Action::Errno(libc::EPERM)));
        assert_eq!(verdict(&strict(), libc::SYS_clone3, flags), code(Action::Errno(libc::ENOSYS)));
        let nested = Options { nested_namespaces: true, ..strict() };
        assert_eq!(verdict(&nested, libc::SYS_clone, flags), code(Action::Allow));
        assert_eq!(verdict(&nested, libc::SYS_unshare, flags), code(Action::Allow));
    }
}
