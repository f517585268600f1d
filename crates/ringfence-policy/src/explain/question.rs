//! Questions as one types them: `read ~/.ssh/id_ed25519`, `connect api.example.org:443`.
//!
//! Not the command line: the program hands over the words after its verb.

use std::path::Path;

use ringfence_plan::{AbsPath, Endpoint, HostPattern, Ports, RequestPath, Target};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Question;
use super::network;
use crate::context::Context;
use crate::diagnostic::{Diagnostic, quoted};
use crate::nearest::nearest;
use crate::path_text::{self, Names};
use crate::read::entry::bad_name;
use crate::read::record::is_token;

const KINDS: [&str; 5] = ["read", "write", "connect", "request", "env"];

impl Question {
    /// Reads `words`, a kind and what it is about; a path is relative to the current directory, and `workspace` is what
    /// `$WORKSPACE` stands for.
    ///
    /// # Errors
    /// What is no question, with what would be one.
    pub fn parse(
        words: &[impl AsRef<str>],
        context: &Context,
        workspace: Option<&AbsPath>,
    ) -> Result<Question, Diagnostic> {
        let (kind, subject) = match words {
            [kind, method, url] if kind.as_ref() == "request" => {
                return request(method.as_ref(), url.as_ref());
            }
            [kind, subject] => (kind.as_ref(), subject.as_ref()),
            [only] => return Err(incomplete(only.as_ref())),
            _ => return Err(incomplete("")),
        };
        match kind {
            "read" => Ok(Question::Read(path(subject, &Names { context, workspace })?)),
            "write" => Ok(Question::Write(path(subject, &Names { context, workspace })?)),
            "connect" => connect(subject),
            "request" => match subject.split_once(char::is_whitespace) {
                Some((method, url)) => request(method, url.trim_start()),
                None => Err(incomplete("request")),
            },
            "env" => match bad_name(subject) {
                Some(why) => {
                    Err(Diagnostic::error(format!("{} is no name of a variable: {why}", quoted(subject))))
                }
                None if subject.contains('*') => {
                    let title = format!("{} is a pattern", quoted(subject));
                    Err(Diagnostic::error(title).help("ask about one variable by its full name"))
                }
                None => Ok(Question::Env(subject.to_owned())),
            },
            other => Err(unknown(other)),
        }
    }
}

fn path(text: &str, names: &Names<'_>) -> Result<AbsPath, Diagnostic> {
    let bad = |label: String, help: Option<String>| {
        let mut diagnostic = Diagnostic::error(format!("{} names no place: {label}", quoted(text)));
        diagnostic.help.extend(help);
        diagnostic
    };
    let directory: &Path = names.context.cwd.as_path();
    // Not `absolute`: a file may have a `*` in its name.
    let rooted = path_text::root(text, directory, names).map_err(|why| bad(why.label, why.help))?;
    rooted.base.join(&*rooted.rest).map_err(|why| bad(format!("it {why}"), None))
}

fn connect(text: &str) -> Result<Question, Diagnostic> {
    let bad = |why: &str| {
        Diagnostic::error(format!("{} is no place to connect to: {why}", quoted(text)))
            .help("name a host and a port: api.example.org:443, [2001:db8::1]:443, udp://192.0.2.1:53")
    };
    let (rest, default) = match text.split_once("://") {
        Some(("https", rest)) => (rest, Some(443)),
        Some(("http", rest)) => (rest, Some(80)),
        _ => (text, None),
    };
    // Of an address of the web only the host counts.
    let rest = if default.is_some() { rest.split(['/', '?', '#']).next().unwrap_or(rest) } else { rest };
    let endpoints = Endpoint::parse(rest).map_err(|why| bad(&why.to_string()))?;
    // Without a port a rule means 80 and 443; a question means the one that its scheme says, or else the safe one.
    let wanted = default.unwrap_or(443);
    let one = |endpoint: &&Endpoint| endpoints.len() == 1 || endpoint.ports == Ports::one(wanted);
    let Some(Endpoint { host, ports, protocol }) = endpoints.iter().find(one) else {
        return Err(bad("it is several"));
    };
    let host = match host {
        HostPattern::Name(name) => Target::Name(name.clone()),
        HostPattern::Block { address, prefix } if *prefix == if address.is_ipv4() { 32 } else { 128 } => {
            Target::address(*address)
        }
        HostPattern::Block { .. } | HostPattern::Below(_) => {
            return Err(bad("it is a pattern, not one host"));
        }
    };
    match ports {
        Ports { first, last } if first == last => {
            Ok(Question::Connect { host, port: *first, protocol: *protocol })
        }
        Ports { .. } => Err(bad("these are several ports")),
    }
}

/// A method and an address of the web.
fn request(method: &str, url: &str) -> Result<Question, Diagnostic> {
    let bad = |what: &str, why: &str| {
        Diagnostic::error(format!(
            "{} is no {what}: {why}",
            quoted(if what == "method" { method } else { url })
        ))
        .help("name a method and an address: request GET https://api.example.org/repos/acme")
    };
    if !is_token(method) {
        return Err(bad("method", "it has characters that no method has"));
    }
    let Some(("https" | "http", rest)) = url.split_once("://") else {
        return Err(bad("address to ask", "it begins with neither https:// nor http://"));
    };
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let target = rest[at..].split('#').next().unwrap_or_default();
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    let path = RequestPath::parse(&target).map_err(|why| {
        bad("address to ask", &format!("its path {why}, so that every such request is refused"))
    })?;
    // A password before the host is nothing to connect to.
    match connect(&url[..url.len() - rest.len() + at])? {
        Question::Connect { host, port, .. } => {
            Ok(Question::Request { host, port, method: method.into(), path })
        }
        other => Ok(other),
    }
}

fn incomplete(kind: &str) -> Diagnostic {
    let subject = match kind {
        "read" | "write" => "a path",
        "connect" => "a host and a port",
        "request" => "a method and an address",
        "env" => "the name of a variable",
        "" => return Diagnostic::error("nothing is asked").help(EXAMPLES),
        other => return unknown(other),
    };
    Diagnostic::error(format!("{} needs {subject}", quoted(kind))).help(EXAMPLES)
}

fn unknown(kind: &str) -> Diagnostic {
    let help = match nearest(kind, KINDS.into_iter()) {
        Some(near) => format!("did you mean {}?", quoted(near)),
        None => EXAMPLES.into(),
    };
    Diagnostic::error(format!("{} is nothing that can be asked", quoted(kind))).help(help)
}

const EXAMPLES: &str = "for example: read ~/.ssh/id_ed25519, write .git/hooks/pre-commit, connect api.example.org:443, \
     request GET https://api.example.org/x, env HOME";

impl Serialize for Question {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (ask, name, value) = match self {
            Question::Read(path) => ("read", "path", path.to_string()),
            Question::Write(path) => ("write", "path", path.to_string()),
            Question::Connect { host, port, protocol } => {
                ("connect", "endpoint", network::words(host, *port, *protocol))
            }
            Question::Request { host, port, method, path } => {
                ("request", "request", network::request_words(host, *port, (method, path)))
            }
            Question::Env(variable) => ("env", "name", variable.clone()),
        };
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("ask", ask)?;
        map.serialize_entry(name, &value)?;
        map.end()
    }
}
