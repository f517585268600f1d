//! A request's environment: exactly what it says, or the contract's default.
//!
//! Nothing of the caller's passes.

use std::collections::{BTreeMap, HashSet};

use ringfence_plan::{EnvPattern, Environment};

use super::NoteKind;
use super::ask::{Ask, Remark};
use super::problem::Problem;
use super::rules::Rules;
use crate::diagnostic::quoted;

/// What a request has that says nothing of its environment.
pub(super) const DEFAULT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("TERM", "xterm-256color")];

/// Names that programs take a proxy from.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY"];

/// The variables that a command gets.
pub(super) fn environment(
    ask: &Ask,
    rules: &mut Rules<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<Environment, Problem> {
    let mut set = BTreeMap::new();
    let mut seen = HashSet::new();
    if ask.env.is_none() || ask.inherits {
        let rule = rules.built_in("process.env", "the contract's default environment");
        set.extend(DEFAULT.map(|(name, value)| (name.to_owned(), (value.to_owned(), rule))));
    }
    for said in ask.env.iter().flatten() {
        let Some((name, value)) = said.value.split_once('=') else {
            let text = format!("{} sets nothing: it has no `=`", quoted(&said.value));
            remarks.push(said.remark(NoteKind::NoEffect, text));
            continue;
        };
        if name.is_empty() {
            return Err(said.policy("a variable needs a name before the `=`"));
        }
        // Not the value: plans are shown and logged, and values of variables may be secrets.
        let rule = rules.said(said, &format!("{name}=…"));
        set.insert(name.to_owned(), (value.to_owned(), rule));
        if !seen.insert(name) {
            let text = format!("{} stands twice; the later one counts", quoted(name));
            remarks.push(said.remark(NoteKind::Honoured, text));
        }
    }
    if let Some(proxy) = &ask.traffic.proxy {
        let url = format!("{}://127.0.0.1:{}/", proxy.value.scheme, proxy.value.port);
        let rule = rules.said(proxy, &url);
        for name in PROXIES.iter().flat_map(|name| [(*name).to_owned(), name.to_ascii_lowercase()]) {
            set.insert(name, (url.clone(), rule));
        }
        // Whoever goes by one of these goes past the proxy, and that is refused.
        set.retain(|name, _| !name.eq_ignore_ascii_case("NO_PROXY"));
    }
    // Exactly what was said: the gateway adds none of its own, which where addresses are allowed would know names by a
    // proxy's request that no rule speaks of.
    let rule = rules.built_in("environment.deny", "the environment is exactly what the request says");
    let added = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
    let added = added.iter().flat_map(|name| [(*name).to_owned(), name.to_ascii_lowercase()]);
    let deny = added.filter(|name| !set.contains_key(name)).map(|name| EnvPattern { name, rule }).collect();
    Ok(Environment { set, deny, ..Environment::default() })
}
