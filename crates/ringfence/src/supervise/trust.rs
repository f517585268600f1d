//! What clients inside are to trust where the inspector looks into what they say: the host's roots with the run's own, for
//! those who read files in PEM, and for Java.
//!
//! Not by whom servers are checked: the inspector does that by the host's roots alone.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ringfence_enter::Roots;
use ringfence_inspect::{java, keystore, roots};
use ringfence_plan::{AbsPath, Access, Files, Plan};

/// Variables by which clients find roots of trust.
const VARIABLES: [&str; 9] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "DENO_CERT",
    "PIP_CERT",
];

/// The host's roots in PEM with the run's own, and who is told of them: what the policy says of a variable is its own word.
/// A store of Java's gains them only where the command is granted what it holds.
pub(super) fn roots(plan: &Plan, env: &[CString], (mut text, certificate): (Vec<u8>, &str)) -> Roots {
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(certificate.as_bytes());
    let environment = &plan.environment;
    let is_free = |name: &&str| {
        !environment.set.contains_key(*name)
            && !environment.deny.iter().any(|pattern| pattern.matches(name.as_ref()))
    };
    let variables = VARIABLES.into_iter().filter(is_free).collect();
    let places = roots::PLACES.iter().filter_map(|place| AbsPath::new(place).ok()).collect();
    let found = java::stores(|name| variable(env, name)).into_iter();
    let named = found.filter_map(|(path, own)| Some((AbsPath::new(path).ok()?, own)));
    let granted = named.filter(|(path, _)| is_granted(&plan.files, path));
    let stores = granted.map(|(path, own)| (path, keystore::joined(&own, &text))).collect();
    Roots { text, variables, places, stores }
}

fn variable(env: &[CString], name: &str) -> Option<PathBuf> {
    let mut values = env.iter().filter_map(|variable| variable.to_bytes().strip_prefix(name.as_bytes()));
    let value = values.find_map(|value| value.strip_prefix(b"="))?;
    Some(PathBuf::from(OsStr::from_bytes(value)))
}

/// Whether a file may be read inside, by its real name: a grant may have another, which leads there. What is denied under
/// another name the set-up sees, which covers it.
fn is_granted(files: &Files, real: &AbsPath) -> bool {
    if let Some((access, _)) = files.access(real) {
        return access != Access::Deny;
    }
    let leads_there =
        |grant: &Path| std::fs::canonicalize(grant).is_ok_and(|grant| real.as_path().starts_with(grant));
    files.grants.iter().any(|grant| grant.access != Access::Deny && leads_there(grant.path.as_path()))
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{Grant, RuleId};

    use super::*;

    #[test]
    fn a_store_is_shown_where_it_is_granted_by_whatever_name_and_nowhere_else() {
        let scratch = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(scratch.path()).unwrap();
        std::fs::create_dir_all(root.join("jdk-17/security")).unwrap();
        std::os::unix::fs::symlink("jdk-17", root.join("current")).unwrap();
        let path = |name: &str| AbsPath::new(root.join(name)).unwrap();
        let shown = |name: &str, access| {
            let mut files = Plan::top(AbsPath::root()).files;
            files.grants = vec![Grant { path: path(name), access, optional: true, rule: RuleId(0) }];
            is_granted(&files, &path("jdk-17/security"))
        };
        assert!(shown("jdk-17", Access::Read) && shown("current", Access::Write));
        assert!(!shown("jdk-17", Access::Deny) && !shown("current", Access::Deny));
        assert!(!shown("jdk-1", Access::Read) && !shown("absent", Access::Read));
    }
}
