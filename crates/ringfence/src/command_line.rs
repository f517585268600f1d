//! A command in the words of execve(2): its arguments, the variables that the plan lets pass, and where it starts.
//! Not whether it may start.

use std::ffi::{CString, OsString};
use std::path::{Path, PathBuf};

use ringfence_plan::{AbsPath, Access, Files, Source};

use crate::error::Error;
use crate::run::Run;

/// What to run, in the words of execve(2).
pub(crate) struct CommandLine {
    pub(crate) argv: Vec<CString>,
    pub(crate) env: Vec<CString>,
    pub(crate) cwd: AbsPath,
    /// The caller's TMPDIR.
    pub(crate) temporary: Option<PathBuf>,
}

impl CommandLine {
    pub(crate) fn new(run: &Run) -> Result<CommandLine, Error> {
        if run.argv.is_empty() {
            return Err(Error::BadCommand { what: "is empty".into() });
        }
        let mut argv = Vec::with_capacity(run.argv.len());
        for argument in &run.argv {
            let argument = CString::new(argument.as_encoded_bytes());
            argv.push(argument.map_err(|_| Error::BadCommand { what: "contains a NUL byte".into() })?);
        }
        // What a credential comes from stays outside, whatever lets it pass.
        let is_source = |name: &OsString| {
            let mut credentials = run.plan.network.credentials.iter();
            credentials.any(
                |credential| matches!(&credential.source, Source::Env(source) if name == source.as_str()),
            )
        };
        let callers = run.caller_env.iter().filter(|(name, _)| !is_source(name)).cloned();
        let passed = run.plan.environment.apply(callers);
        let mut env = Vec::with_capacity(passed.len());
        for (name, value) in passed {
            let pair = [name.as_encoded_bytes(), b"=", value.as_encoded_bytes()].concat();
            env.push(CString::new(pair).map_err(|_| Error::BadCommand {
                what: format!("cannot have the variable {}: it contains a NUL byte", name.display()),
            })?);
        }
        let temporary = run.caller_env.iter().find(|(name, _)| name == "TMPDIR");
        let temporary = temporary.map(|(_, path)| PathBuf::from(path)).filter(|path| path.is_absolute());
        Ok(CommandLine { argv, env, cwd: inside(&run.cwd, &run.plan.files)?, temporary })
    }
}

/// `cwd`, if there will be such a directory inside: one that is granted or on the way to what is, HOME, /tmp or the root.
fn inside(cwd: &Path, files: &Files) -> Result<AbsPath, Error> {
    let bad = |why: String| Error::WorkingDirectory { path: cwd.into(), why };
    let path = AbsPath::new(cwd).map_err(|error| bad(error.to_string()))?;
    match files.access(&path) {
        Some((Access::Deny, _)) => Err(bad("is denied by the policy".into())),
        Some(_) => Ok(path),
        None if path == files.home || path.as_path() == Path::new("/tmp") || path == AbsPath::root() => {
            Ok(path)
        }
        None if on_the_way(&path, files) => Ok(path),
        None => Err(bad("would not exist inside: nothing grants it".into())),
    }
}

/// Mount points stand in directories that are made for them, and hold nothing else.
fn on_the_way(path: &AbsPath, files: &Files) -> bool {
    let shown = files.grants.iter().filter(|grant| grant.access != Access::Deny);
    shown.map(|grant| &grant.path).chain([&files.home]).any(|place| place.is_within(path))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use ringfence_plan::Level;

    use super::*;
    use crate::run::tests::some_run;

    #[test]
    fn the_working_directory_must_exist_inside() {
        let files = some_run(Level::Auto, &[]).plan.files;
        for good in ["/w", "/w/a/b", "/home/u", "/home", "/tmp", "/"] {
            assert!(inside(Path::new(good), &files).is_ok(), "{good}");
        }
        for bad in ["/w/secret", "/w/secret/x", "/hom", "/home/u/x", "/tmp/x", "w", "/w/../etc"] {
            assert!(matches!(inside(Path::new(bad), &files), Err(Error::WorkingDirectory { .. })), "{bad}");
        }
    }
}
