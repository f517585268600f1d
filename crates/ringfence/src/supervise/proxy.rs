//! The variables by which programs find a proxy. Only a courtesy: connections are captured without them, but over a proxy
//! a client reads why it was refused.

use std::ffi::{CString, OsStr};

use ringfence_enter::capture::PORT;
use ringfence_plan::Environment;

/// Sets them where the policy or the caller has not, and the policy does not keep them out.
pub(super) fn set_variables(env: &mut Vec<CString>, policy: &Environment) {
    let proxy = format!("http://127.0.0.1:{PORT}");
    let none = "localhost,127.0.0.1,::1";
    // No ALL_PROXY: clients that lack SOCKS or read it for what is no HTTP fail by it, and the capture needs none.
    for (upper, value) in [("HTTP_PROXY", proxy.as_str()), ("HTTPS_PROXY", &proxy), ("NO_PROXY", none)] {
        for name in [upper.to_owned(), upper.to_ascii_lowercase()] {
            let prefix = format!("{name}=");
            if policy.deny.iter().any(|pattern| pattern.matches(OsStr::new(&name))) {
                continue;
            }
            let is_set = env.iter().any(|variable| variable.as_bytes().starts_with(prefix.as_bytes()));
            if let (false, Ok(variable)) = (is_set, CString::new(prefix + value)) {
                env.push(variable);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ringfence_plan::{EnvPattern, RuleId};

    use super::*;

    #[test]
    fn what_is_set_or_denied_is_left_alone() {
        let deny = vec![EnvPattern { name: "NO_PROXY".into(), rule: RuleId(0) }];
        let policy = Environment { deny, ..Environment::default() };
        let mut env = vec![CString::new("http_proxy=mine").unwrap()];
        set_variables(&mut env, &policy);
        let names: Vec<_> =
            env.iter().map(|variable| variable.to_str().unwrap().split('=').next().unwrap()).collect();
        assert_eq!(names, ["http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "no_proxy"]);
        assert_eq!(env[0].to_str().unwrap(), "http_proxy=mine");
    }
}
