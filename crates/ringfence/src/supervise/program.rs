//! What secrets are read from, outside of every sandbox: no program and no file that the sandbox may change, or it would run
//! there what it likes at the next start, or choose which of the user's secrets goes out.
//!
//! Not what is read; and of what programs load by themselves nothing is known here, but that they do not find it where they
//! start, or by the caller's variables.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use ringfence_plan::{AbsPath, Access, Files, Plan, RuleId};

/// Most links that are followed, as the kernel has it.
const MOST_LINKS: usize = 40;
/// Where execvp(3) looks without a PATH.
const USUAL: &str = "/bin:/usr/bin";

/// The program that these words start, as it is to be started.
///
/// # Errors
/// When it, or a file among its words, is the sandbox's to change; reads after the source's name.
pub(super) fn command(plan: &Plan, words: &[String]) -> Result<Command, String> {
    let here = std::env::current_dir().map_err(|error| format!("is asked for nowhere: {error}"))?;
    let path = std::env::var_os("PATH").unwrap_or_else(|| USUAL.into());
    let mut command = prepared(&plan.files, words, (&here, &path)).map_err(|change| {
        let Change(place, rule) = change;
        refusal(plan, "is asked for outside of the sandbox", &place, rule)
    })?;
    let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let variables = variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()));
    for name in astray(&plan.files, start(&plan.files, &here), variables) {
        command.env_remove(name);
    }
    Ok(command)
}

/// Whether a file, by every link on the way to it, is out of the sandbox's reach.
///
/// # Errors
/// When it is not; reads after the source's name.
pub(super) fn is_out_of_reach(plan: &Plan, file: &Path) -> Result<(), String> {
    match changeable(&plan.files, file) {
        None => Ok(()),
        Some(Change(place, rule)) => Err(refusal(plan, "is read outside of the sandbox", &place, rule)),
    }
}

fn refusal(plan: &Plan, what: &str, place: &Path, rule: RuleId) -> String {
    let (place, rule) = (place.display(), plan.rule(rule));
    format!("{what}, and {place} is the sandbox's to change ({rule}); keep it where nothing inside may write")
}

/// That a place may be changed inside, and by which rule.
#[derive(Debug, PartialEq, Eq)]
struct Change(PathBuf, RuleId);

fn prepared(files: &Files, words: &[String], (here, path): (&Path, &OsStr)) -> Result<Command, Change> {
    let (program, arguments) = words.split_first().map_or(("", words), |(first, rest)| (first, rest));
    let program = found(program, here, path).unwrap_or_else(|| program.into());
    let start = start(files, here);
    // Other words are names of commands: `auth` is none of a file that happens to lie here.
    let named = arguments.iter().flat_map(|word| pieces(word)).filter(|word| word.contains(['/', '.']));
    // Interpreters take a directory for a program too, and others read their settings there.
    let read = named.flat_map(|word| {
        [Some(here.join(word)).filter(|file| file.is_file()), Some(start.join(word)).filter(|at| at.is_dir())]
    });
    let program_file = Some(here.join(&program)).filter(|file| file.is_file());
    let read = std::iter::once(program_file).chain(read).flatten();
    if let Some(change) = read.into_iter().find_map(|file| changeable(files, &file)) {
        return Err(change);
    }
    // What was looked at is what is started, whatever PATH says by then.
    let mut command = Command::new(program);
    command.args(arguments);
    let is_fixed = |directory: &PathBuf| changeable(files, directory).is_none();
    let directories = std::env::split_paths(path).map(|directory| here.join(directory)).filter(is_fixed);
    command.env("PATH", std::env::join_paths(directories).unwrap_or_else(|_| OsString::from(USUAL)));
    // Programs take modules and settings from where they start.
    if start != here {
        command.current_dir(start);
    }
    Ok(command)
}

/// Where a program starts that is called from `here`.
fn start<'a>(files: &Files, here: &'a Path) -> &'a Path {
    if changeable(files, here).is_some() { Path::new("/") } else { here }
}

/// A word, and what in it could be a path by itself: `--file=PATH`, or those of a line for a shell.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let splits = |letter: char| letter.is_whitespace() || "=:,;|&()<>{}'\"`".contains(letter);
    std::iter::once(word).chain(word.split(splits)).filter(|piece| !piece.is_empty())
}

/// The variables that name a place where the sandbox may write: by PYTHONPATH, NODE_OPTIONS, LD_LIBRARY_PATH and more than
/// could be listed, interpreters and loaders take from there what they run.
fn astray<'a>(
    files: &Files,
    start: &Path,
    variables: impl Iterator<Item = (&'a OsStr, &'a OsStr)>,
) -> Vec<&'a OsStr> {
    let leads = |value: &OsStr| {
        let value = value.to_string_lossy();
        let mut places = pieces(&value).map(|piece| start.join(piece));
        places.any(|place| place.exists() && changeable(files, &place).is_some())
    };
    // By PATH and HOME programs find what they need; PATH is looked at by itself.
    let is_kept = |name: &OsStr| name == "PATH" || name == "HOME";
    variables.filter(|(name, value)| !is_kept(name) && leads(value)).map(|(name, _)| name).collect()
}

/// Where execvp(3) finds it.
fn found(program: &str, here: &Path, path: &OsStr) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(here.join(program));
    }
    std::env::split_paths(path)
        .map(|directory| here.join(directory).join(program))
        .find(|file| file.is_file())
}

/// A place of the file's that may be changed inside.
fn changeable(files: &Files, file: &Path) -> Option<Change> {
    places_of(file).into_iter().find_map(|place| {
        let mut path = AbsPath::new(&place).ok()?;
        if place.is_symlink() {
            path = around_denied(files, path);
        }
        let (access, rule) = files.access(&path)?;
        (access == Access::Write && files.protection(&path).is_none()).then_some(Change(place, rule))
    })
}

/// What shows a denied place, by which a link there is judged: that this run is denied it says nothing of who made it a
/// link before.
fn around_denied(files: &Files, mut path: AbsPath) -> AbsPath {
    while let Some((Access::Deny, _)) = files.access(&path)
        && let Some(above) = path.parent()
    {
        path = above;
    }
    path
}

/// The file by its name, by every link that is followed on the way, and as what it is.
fn places_of(file: &Path) -> Vec<PathBuf> {
    let mut places = vec![file.to_owned()];
    let mut ahead: Vec<OsString> = Vec::new();
    let put_ahead = |ahead: &mut Vec<OsString>, path: &Path| {
        let parts =
            path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
        ahead.extend(parts.rev().map(|part| part.as_os_str().to_owned()));
    };
    put_ahead(&mut ahead, file);
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    while let Some(name) = ahead.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        let place = at.join(name);
        match std::fs::read_link(&place) {
            Ok(leads) if links < MOST_LINKS => {
                links += 1;
                places.push(place);
                if leads.is_absolute() {
                    at = "/".into();
                }
                put_ahead(&mut ahead, &leads);
            }
            _ => at = place,
        }
    }
    places.push(at);
    places
}

#[cfg(test)]
mod tests {
    use ringfence_plan::Grant;

    use super::*;

    /// Of a sandbox that may write here alone.
    fn files(project: &Path) -> Files {
        let grant = Grant {
            path: AbsPath::new(project).unwrap(),
            access: Access::Write,
            optional: false,
            rule: RuleId(7),
        };
        Files {
            workspace: None,
            home: AbsPath::new("/home/x").unwrap(),
            grants: vec![grant],
            deny_globs: Vec::new(),
            protect: Vec::new(),
            protect_except: Vec::new(),
        }
    }

    #[test]
    fn what_the_sandbox_may_change_is_not_run_outside_of_it() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let (project, away) = (root.join("project"), root.join("away"));
        for directory in [&project, &away] {
            std::fs::create_dir(directory).unwrap();
            std::fs::write(directory.join("token.sh"), "").unwrap();
        }
        std::fs::write(project.join("auth"), "").unwrap();
        std::os::unix::fs::symlink(project.join("link"), away.join("by-project")).unwrap();
        std::os::unix::fs::symlink(away.join("token.sh"), project.join("link")).unwrap();
        let files = files(&project);
        let path = std::env::var_os("PATH").unwrap();
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            prepared(&files, &words, (&project, &path))
        };
        let away_name = |name: &str| away.join(name).display().to_string();
        let by_project = away_name("by-project");
        for bad in [&["./token.sh"][..], &["sh", "token.sh"], &["../project/token.sh"], &[&by_project]] {
            assert_eq!(of(bad).unwrap_err().1, RuleId(7), "{bad:?}");
        }
        for good in [&["sh", "auth"][..], &[&away_name("token.sh")], &["../away/token.sh"], &["./none"]] {
            assert!(of(good).is_ok(), "{good:?}");
        }
        // A directory can be a program, and a path can stand in a word.
        std::fs::create_dir(project.join("tools")).unwrap();
        let tools = project.join("tools").display().to_string();
        let (option, line) = (format!("--config={tools}"), format!("cd / && cat '{tools}/../token.sh'"));
        for bad in [&["sh", &tools][..], &["sh", &option], &["sh", "-c", &line]] {
            assert_eq!(of(bad).unwrap_err().1, RuleId(7), "{bad:?}");
        }
        for good in [&["sh", "."][..], &["sh", "tools"], &["sh", "-c", "cd / && echo auth"]] {
            assert!(of(good).is_ok(), "{good:?}");
        }
        // Links of directories are followed as well.
        let away_file = away.join("token.sh");
        std::os::unix::fs::symlink("../away", project.join("through")).unwrap();
        std::os::unix::fs::symlink("../project/through/token.sh", away.join("by-a-directory")).unwrap();
        assert_eq!(of(&[&away_name("by-a-directory")]).unwrap_err().0, project.join("through"));
        assert_eq!(changeable(&files, &away.join("by-a-directory")).unwrap().1, RuleId(7));
        assert_eq!(changeable(&files, &project.join("auth")).unwrap().1, RuleId(7));
        assert_eq!(changeable(&files, &away_file), None);
    }

    #[test]
    fn a_link_that_is_denied_now_may_have_been_made_by_a_run_before() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let (project, away) = (root.join("project"), root.join("away"));
        for directory in [project.join("kept"), away.clone()] {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("token"), "").unwrap();
            std::os::unix::fs::symlink(away.join("token"), directory.join("link")).unwrap();
        }
        let mut files = files(&project);
        for (denied, rule) in [(project.join("kept"), 8), (away.join("link"), 9)] {
            let path = AbsPath::new(denied).unwrap();
            files.grants.push(Grant { path, access: Access::Deny, optional: true, rule: RuleId(rule) });
        }
        let link = project.join("kept/link");
        assert_eq!(changeable(&files, &link), Some(Change(link.clone(), RuleId(7))));
        assert_eq!(changeable(&files, &project.join("kept/token")), None);
        assert_eq!(changeable(&files, &away.join("link")), None);
    }

    #[test]
    fn a_program_takes_nothing_from_where_the_sandbox_may_write() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let (project, away) = (root.join("project"), root.join("away"));
        for directory in [&project, &away] {
            std::fs::create_dir(directory).unwrap();
        }
        std::os::unix::fs::symlink(&project, away.join("link")).unwrap();
        let files = files(&project);
        let usual = std::env::var_os("PATH").unwrap();
        let own = [project.join("bin"), "".into(), away.join("link"), away.clone()];
        let path = std::env::join_paths(own.into_iter().chain(std::env::split_paths(&usual))).unwrap();
        let words: Vec<String> = ["sh", "-c", "pwd; echo $PATH"].map(str::to_owned).into();
        let said = |here: &Path| {
            let output = prepared(&files, &words, (here, &path)).unwrap().output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let kept = format!("{}:{}", away.display(), usual.display());
        assert_eq!(said(&project), format!("/\n{kept}\n"));
        let (project_name, away_name) = (project.display().to_string(), away.display().to_string());
        let values = [
            ("ONE", project_name.clone()),
            ("LIST", format!("{away_name}:{project_name}/bin")),
            ("OPTIONS", format!("--quiet --require={project_name}")),
            ("LINK", format!("{away_name}/link")),
            ("AWAY", away_name),
            ("WORD", "project".into()),
            ("PATH", project_name.clone()),
            ("HOME", project_name),
        ];
        std::fs::create_dir(project.join("bin")).unwrap();
        let variables = values.iter().map(|(name, value)| (OsStr::new(*name), OsStr::new(value)));
        assert_eq!(astray(&files, Path::new("/"), variables), ["ONE", "LIST", "OPTIONS", "LINK"]);
        // Where the sandbox may not write, it starts where its caller is.
        let command = prepared(&files, &words, (&away, &path)).unwrap();
        assert!(command.get_current_dir().is_none() && Path::new(command.get_program()).is_absolute());
    }
}
