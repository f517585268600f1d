//! Programs that print a secret run outside of every sandbox: none that the sandbox may change, or it would run there what it
//! likes at the next start.
//!
//! Not what they print; and of what they load by themselves nothing is known here.

use std::path::{Path, PathBuf};

use ringfence_plan::{AbsPath, Access, Files, Plan, RuleId, Source};

/// Most links that are followed, as the kernel has it.
const MOST_LINKS: usize = 40;

/// Whether the source's program, and the files among its words, are out of the sandbox's reach.
///
/// # Errors
/// When one is not; reads after the source's name.
pub(super) fn is_out_of_reach(plan: &Plan, source: &Source) -> Result<(), String> {
    let asks = "secret-tool".to_owned();
    let words = match source {
        Source::Command(words) => words.as_slice(),
        Source::Secret { .. } => std::slice::from_ref(&asks),
        Source::Env(_) | Source::File(_) | Source::Outside => return Ok(()),
    };
    let here = std::env::current_dir().map_err(|error| format!("is asked for nowhere: {error}"))?;
    let Some((place, rule)) = changeable(&plan.files, words, &here) else { return Ok(()) };
    let (place, rule) = (place.display(), plan.rule(rule));
    Err(format!(
        "is asked for outside of the sandbox, and {place} is the sandbox's to change ({rule}); keep it where \
         nothing inside may write"
    ))
}

/// A file of the command's that may be changed inside, and by which rule.
fn changeable(files: &Files, words: &[String], here: &Path) -> Option<(PathBuf, RuleId)> {
    let (program, arguments) = words.split_first()?;
    // Other words are names of commands: `auth` is none of a file that happens to lie here.
    let scripts = arguments.iter().filter(|word| word.contains(['/', '.'])).map(|word| here.join(word));
    let places = found(program, here).into_iter().chain(scripts).filter(|file| file.is_file());
    places.flat_map(|file| places_of(&file)).find_map(|place| {
        let path = AbsPath::new(&place).ok()?;
        let (access, rule) = files.access(&path)?;
        (access == Access::Write && files.protection(&path).is_none()).then_some((place, rule))
    })
}

/// Where execvp(3) finds it.
fn found(program: &str, here: &Path) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(here.join(program));
    }
    let directories = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&directories)
        .map(|directory| here.join(directory).join(program))
        .find(|file| file.is_file())
}

/// The file by its name, and by every link on the way to what it is.
fn places_of(file: &Path) -> Vec<PathBuf> {
    let mut places = vec![file.to_owned()];
    let mut next = file.to_owned();
    for _ in 0..MOST_LINKS {
        let (Some(parent), Some(name)) = (next.parent(), next.file_name()) else { break };
        let Ok(parent) = parent.canonicalize() else { break };
        let place = parent.join(name);
        places.push(place.clone());
        let Ok(leads) = std::fs::read_link(&place) else { break };
        next = parent.join(leads);
    }
    places.extend(file.canonicalize());
    places
}

#[cfg(test)]
mod tests {
    use ringfence_plan::Grant;

    use super::*;

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
        let grant = Grant {
            path: AbsPath::new(&project).unwrap(),
            access: Access::Write,
            optional: false,
            rule: RuleId(7),
        };
        let files = Files {
            workspace: None,
            home: AbsPath::new("/home/x").unwrap(),
            grants: vec![grant],
            deny_globs: Vec::new(),
            protect: Vec::new(),
            protect_except: Vec::new(),
        };
        let rule = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            changeable(&files, &words, &project).map(|(_, rule)| rule)
        };
        let away = |name: &str| away.join(name).display().to_string();
        for bad in
            [&["./token.sh"][..], &["sh", "token.sh"], &["../project/token.sh"], &[&away("by-project")]]
        {
            assert_eq!(rule(bad), Some(RuleId(7)), "{bad:?}");
        }
        for good in [&["sh", "auth"][..], &[&away("token.sh")], &["../away/token.sh"], &["./none"]] {
            assert_eq!(rule(good), None, "{good:?}");
        }
    }
}
