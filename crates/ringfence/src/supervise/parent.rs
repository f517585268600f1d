//! The parent proxy of a run, from what its plan says and what its caller has: variables and a credential. Read once,
//! outside, before the command starts.
//!
//! Not what goes through it: that is `ringfence-egress`'s.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use ringfence_egress::parent::{Credentials, Parent};
use ringfence_plan::{ParentProxy, Plan, ProxyScheme, ProxyServer, Source};

use zeroize::Zeroizing;

use super::secrets::{self, Taken};
use crate::error::Error;

/// The caller's variables.
type Variables = [(OsString, OsString)];

/// The proxy that connections of this run go through.
///
/// # Errors
/// When the plan asks for one that cannot be had: then nothing is run, since without it connections would go elsewhere.
pub(super) fn of(plan: &Plan, variables: &Variables) -> Result<Option<Parent>, Error> {
    let Some(asked) = &plan.network.parent else { return Ok(None) };
    let failed = |why: String| Error::Parent { why, rule: plan.rule(asked.rule).to_string() };
    let found = match &asked.server {
        ProxyServer::Environment => Parent::of_environment(|name| text(variables, name))
            .map_err(|why| failed(format!("the variable {why}")))?,
        ProxyServer::Named { scheme, host, port } => Some(Parent {
            scheme: *scheme,
            host: host.clone(),
            port: *port,
            addresses: Vec::new(),
            no_proxy: Vec::new(),
            credentials: None,
        }),
    };
    let Some(mut parent) = found else { return Ok(None) };
    parent.no_proxy.extend(asked.no_proxy.iter().cloned());
    if let Some(resolver) = &plan.network.resolver
        && parent.serves(&resolver.host)
    {
        // Directly would go round it, and nobody has said that it may.
        let rule = plan.rule(resolver.rule).to_string();
        return Err(Error::Resolver { resolver: resolver.to_string(), rule });
    }
    if let Some(source) = &asked.credential {
        let credentials = credentials(plan, source, variables);
        parent.credentials = Some(credentials.map_err(|why| failed(format!("{source} {why}")))?);
    }
    parent.find(&std::fs::read_to_string("/etc/hosts").unwrap_or_default());
    Ok(Some(parent))
}

/// Whether it is spoken to by TLS. Asked before the sandbox is there, so no credential is looked at.
pub(super) fn is_by_tls(plan: &Plan, variables: &Variables) -> bool {
    match plan.network.parent.as_ref().map(|asked| &asked.server) {
        Some(ProxyServer::Named { scheme, .. }) => *scheme == ProxyScheme::Https,
        Some(ProxyServer::Environment) => {
            let set = |name: &&str| text(variables, name).filter(|value| !value.is_empty());
            let url = ringfence_egress::parent::VARIABLES.iter().find_map(set);
            let scheme = url.as_deref().and_then(|url| url.split_once("://")).map(|(scheme, _)| scheme);
            scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
        }
        None => false,
    }
}

/// Takes from the command's environment what the proxy's credentials came from, should the plan have let it pass.
pub(super) fn keep_out(asked: &ParentProxy, variables: &Variables, env: &mut Vec<CString>) {
    let mut names = Vec::new();
    if let Some(Source::Env(name)) = &asked.credential {
        names.push(name.as_str());
    }
    if asked.server == ProxyServer::Environment {
        names.extend(ringfence_egress::parent::VARIABLES);
    }
    // What the policy sets to something else is its own word.
    let callers = |variable: &CString| {
        names.iter().any(|name| {
            let value = variables.iter().find(|(known, _)| known == OsStr::new(name)).map(|(_, value)| value);
            let pair = value.map(|value| [name.as_bytes(), b"=", value.as_bytes()].concat());
            pair.is_some_and(|pair| pair == variable.as_bytes())
        })
    };
    env.retain(|variable| !callers(variable));
}

/// `user:password` from its source; the error reads after the source's name, and never has the value.
fn credentials(plan: &Plan, source: &Source, variables: &Variables) -> Result<Credentials, String> {
    let text = match source {
        Source::Env(name) => {
            let found = variables.iter().find(|(known, _)| known == OsStr::new(name));
            Zeroizing::new(found.map(|(_, value)| value.as_bytes().to_vec()).ok_or("is not set")?)
        }
        Source::File(_) | Source::Command(_) | Source::Secret { .. } | Source::Outside => {
            secrets::value(plan, source, &Taken::default())?
        }
    };
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    Credentials::of_text(line.strip_suffix(b"\r").unwrap_or(line)).map_err(str::to_owned)
}

fn text(variables: &Variables, name: &str) -> Option<String> {
    let value = variables.iter().find(|(known, _)| known == OsStr::new(name)).map(|(_, value)| value)?;
    value.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn a_credential_is_user_and_password_and_its_failure_does_not_show_it() {
        let known = variables(&[("CORP", "user:pass word\n"), ("BAD", "secret")]);
        let mut plan = Plan::top(ringfence_plan::AbsPath::root());
        plan.files.grants.clear();
        let of = |name: &str| credentials(&plan, &Source::Env(name.into()), &known);
        assert!(of("CORP").is_ok());
        assert_eq!(of("NONE").unwrap_err(), "is not set");
        assert!(!of("BAD").unwrap_err().contains("secret"));
        let command =
            |text: &str| credentials(&plan, &Source::Command(vec!["echo".into(), text.into()]), &known);
        assert!(command("u:p").is_ok());
        assert!(!command("secret").unwrap_err().contains("secret"));
    }

    #[test]
    fn what_the_credentials_came_from_does_not_pass_inside() {
        let known = variables(&[("CORP", "u:p"), ("HTTPS_PROXY", "http://u:p@proxy:1"), ("OTHER", "x")]);
        let mut env: Vec<CString> =
            ["CORP=u:p", "HTTPS_PROXY=http://u:p@proxy:1", "HTTP_PROXY=set", "OTHER=x"]
                .map(|pair| CString::new(pair).unwrap())
                .into();
        let asked = ParentProxy {
            server: ProxyServer::Environment,
            no_proxy: Vec::new(),
            credential: Some(Source::Env("CORP".into())),
            rule: ringfence_plan::RuleId(0),
        };
        keep_out(&asked, &known, &mut env);
        assert_eq!(env, ["HTTP_PROXY=set", "OTHER=x"].map(|pair| CString::new(pair).unwrap()));
    }
}
