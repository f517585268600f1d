//! Landlock (landlock(7)): the second lock behind the mounts, and the only one of the `process` confinement.

use std::os::fd::{AsFd, BorrowedFd};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use crate::fence::{SetUpError, Step};

/// A rule: what may be done below an opened object.
pub(crate) struct Rule<'a> {
    pub(crate) object: BorrowedFd<'a>,
    pub(crate) directory: bool,
    pub(crate) rights: Rights,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Read, list, execute.
    Read,
    /// Everything.
    Write,
}

fn abi(version: u32) -> ABI {
    match version {
        0 => ABI::Unsupported,
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        _ => ABI::V6,
    }
}

/// Restricts this thread, and all that it starts, to `rules`.
pub(crate) fn restrict_files<'a>(
    version: u32,
    rules: impl Iterator<Item = Rule<'a>>,
) -> Result<(), SetUpError> {
    let abi = abi(version);
    let all = AccessFs::from_all(abi);
    let mut ruleset = ruleset(|ruleset| ruleset.handle_access(all))?;
    for rule in rules {
        let mut rights = match rule.rights {
            Rights::Read => AccessFs::from_read(abi),
            Rights::Write => all,
        };
        if !rule.directory {
            rights &= AccessFs::from_file(abi);
        }
        ruleset = ruleset.add_rule(PathBeneath::new(rule.object.as_fd(), rights)).map_err(|_| failed())?;
    }
    apply(ruleset)
}

/// Keeps this thread, and all that it starts, from signalling processes outside and from abstract sockets outside
/// (ABI 6), and from TCP where `network` says so (ABI 4).
pub(crate) fn restrict_scope(version: u32, without_tcp: bool) -> Result<(), SetUpError> {
    let abi = abi(version);
    let scopes = Scope::from_all(abi);
    let tcp: BitFlags<AccessNet> = if without_tcp { AccessNet::from_all(abi) } else { BitFlags::EMPTY };
    if scopes.is_empty() && tcp.is_empty() {
        return Ok(());
    }
    apply(ruleset(|mut ruleset| {
        if !scopes.is_empty() {
            ruleset = ruleset.scope(scopes)?;
        }
        if !tcp.is_empty() {
            ruleset = ruleset.handle_access(tcp)?;
        }
        Ok(ruleset)
    })?)
}

/// What the host was found to have must really be there: no best effort.
fn ruleset(
    configure: impl FnOnce(Ruleset) -> Result<Ruleset, landlock::RulesetError>,
) -> Result<RulesetCreated, SetUpError> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    configure(ruleset).and_then(Ruleset::create).map_err(|_| failed())
}

fn apply(ruleset: RulesetCreated) -> Result<(), SetUpError> {
    match ruleset.restrict_self() {
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced => Ok(()),
        _ => Err(failed()),
    }
}

fn failed() -> SetUpError {
    let errno = std::io::Error::last_os_error().raw_os_error().filter(|errno| *errno != 0);
    SetUpError::new(Step::Landlock, errno.unwrap_or(libc::EOPNOTSUPP))
}
