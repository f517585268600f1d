//! Entries that are tables and nothing else: rules over requests, credentials, budgets, and where a secret comes from.
//!
//! Not lists of texts, which are in `entry`.

mod member;

use std::ops::Range;

use ringfence_plan::{Budget, HostPattern, HttpRule, Placeholder, RuleId, Source, UrlPattern};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::member::worded;
use super::entry::keys;
use super::{Reader, network};
use crate::diagnostic::quoted;
use crate::field::{self, FieldSpec, Kind};
use crate::statement::{Said, SaidCredential, Value};

/// What is wrong has been told.
struct Told;

/// One of several keys, with what stands behind it.
type Chosen<'a> = (&'a str, &'a Spanned<DeValue<'a>>);

/// The keys by which a secret is found.
pub(crate) const SOURCES: &[&str] = &["env", "file", "command", "secret"];
/// The keys of a stand-in's place.
pub(crate) const PLACEHOLDERS: &[&str] = &["env", "file"];

impl Reader<'_> {
    /// One entry of a list of tables.
    pub(super) fn record(&mut self, spec: &'static FieldSpec, table: &DeTable<'_>, at: &Range<usize>) {
        let known = keys(spec.kind, self.facts.preset);
        if self.known_keys(table, known).is_err() {
            return;
        }
        let counts = table.get("when").is_none_or(|when| self.holds(when));
        let Ok(why) = self.text(table, "why") else { return };
        let value = match spec.kind {
            Kind::Http => self.http(table, at),
            Kind::Credential => self.credential(table, at),
            _ => self.budget(table, at),
        };
        let Ok(value) = value else { return };
        let before = self.document.statements.len();
        // The place of the host rather than of the table, whose first line says nothing.
        let place = table.get("host").map_or(at.clone(), Spanned::span);
        let said: Vec<&str> = known.iter().copied().filter(|key| !matches!(*key, "why" | "when")).collect();
        self.say(spec, value, worded(table, &said), &place);
        if let (Some(statement), Some((why, _))) = (self.document.statements.last_mut(), why) {
            statement.why = Some(why.into());
        }
        if !counts {
            self.lay_aside(before);
        }
    }

    /// Where a secret comes from, as the whole value of a field.
    pub(super) fn secret(&mut self, spec: &'static FieldSpec, value: &Spanned<DeValue<'_>>) {
        if let Ok(source) = self.source(field::group_and_name(spec.key).1, value) {
            let words = value.get_ref().as_table().map(|table| worded(table, SOURCES)).unwrap_or_default();
            self.say(spec, Value::Secret(source), words, &value.span());
        }
    }

    fn http(&mut self, table: &DeTable<'_>, at: &Range<usize>) -> Result<Value, Told> {
        let endpoint = self.endpoint(table, at)?;
        let (methods, paths) = (self.methods(table)?, self.paths(table)?);
        let (max_body, max_header) = (self.size(table, "max_body")?, self.size(table, "max_header")?);
        let rule = RuleId(0);
        Ok(Value::Http(Box::new(HttpRule { endpoint, methods, paths, max_body, max_header, rule })))
    }

    fn credential(&mut self, table: &DeTable<'_>, at: &Range<usize>) -> Result<Value, Told> {
        let endpoint = self.endpoint(table, at)?;
        let header = self.header(table, at)?;
        let (methods, paths) = (self.methods(table)?, self.paths(table)?);
        let missing = |key: &str| format!("`{key}` is missing");
        let Some(source) = table.get("source") else {
            let help = "for example: source = { env = \"API_TOKEN\" }";
            return Err(self.told(
                "this credential comes from nowhere",
                at,
                missing("source"),
                Some(help.into()),
            ));
        };
        let source = self.source("source", source)?;
        let Some(placeholder) = table.get("placeholder") else {
            let help = "for example: placeholder = { env = \"API_TOKEN\" }";
            let title = "the command would not find the stand-in of this credential";
            return Err(self.told(title, at, missing("placeholder"), Some(help.into())));
        };
        let placeholder = match self.one_of("placeholder", placeholder, PLACEHOLDERS)? {
            ("env", value) => Said::Known(Placeholder::Env(self.variable_name(value)?)),
            (key, value) => Said::File(self.text_of(key, value)?),
        };
        let said = SaidCredential { endpoint, header, methods, paths, source, placeholder };
        Ok(Value::Credential(Box::new(said)))
    }

    fn budget(&mut self, table: &DeTable<'_>, at: &Range<usize>) -> Result<Value, Told> {
        let host = match self.text(table, "host")? {
            None => None,
            Some((text, span)) => match HostPattern::parse(&text) {
                Ok(host) => Some(host),
                Err(why) => {
                    let title = format!("`host` cannot be {}", quoted(&text));
                    return Err(self.told(&title, &span, format!("it {why}"), why.help()));
                }
            },
        };
        let sent = self.size(table, "sent")?;
        let connections = self.number(table, "connections")?.map(u64::from);
        let requests = self.number(table, "requests")?;
        if sent.is_none() && connections.is_none() && requests.is_none() {
            let help = "it knows sent = \"100MiB\", connections = 1000, and requests = 50 a second";
            return Err(self.told(
                "this budget bounds nothing",
                at,
                "no limit in it".into(),
                Some(help.into()),
            ));
        }
        Ok(Value::Budget(Box::new(Budget { host, sent, connections, requests, rule: RuleId(0) })))
    }

    fn endpoint(&mut self, table: &DeTable<'_>, at: &Range<usize>) -> Result<ringfence_plan::Endpoint, Told> {
        let Some((text, span)) = self.text(table, "host")? else {
            let help = "for example: host = \"api.example.org\"";
            return Err(self.told(
                "this entry names no host",
                at,
                "`host` is missing".into(),
                Some(help.into()),
            ));
        };
        network::web_endpoint(&text).map_err(|bad| {
            self.told(
                &format!("`host` cannot be {}", quoted(&text)),
                &span,
                format!("it {}", bad.why),
                bad.help,
            )
        })
    }

    fn header(&mut self, table: &DeTable<'_>, at: &Range<usize>) -> Result<String, Told> {
        let Some((text, span)) = self.text(table, "header")? else {
            let help = "for example: header = \"Authorization\"";
            let label = "`header` is missing".into();
            return Err(self.told("this credential names no header field", at, label, Some(help.into())));
        };
        let wrong = match text.as_str() {
            text if !is_token(text) => "it is no name of a header field",
            text if FRAMING.iter().any(|name| name.eq_ignore_ascii_case(text)) => {
                "it says how a request is framed or where it goes, and holds no secret"
            }
            _ => return Ok(text),
        };
        let help = text.trim_end().strip_suffix(':').filter(|name| is_token(name));
        let help = help.map(|name| format!("write {name:?}, without the colon"));
        Err(self.told(&format!("`header` cannot be {}", quoted(&text)), &span, wrong.into(), help))
    }

    fn methods(&mut self, table: &DeTable<'_>) -> Result<Vec<String>, Told> {
        let texts = self.list(table, "methods", "methods = [\"GET\", \"HEAD\"]")?;
        for (text, span) in &texts {
            let title = format!("`methods` cannot list {}", quoted(text));
            if !is_token(text) {
                return Err(self.told(&title, span, "it is no method of HTTP".into(), None));
            }
            let upper = text.to_ascii_uppercase();
            if *text != upper && METHODS.contains(&upper.as_str()) {
                let help = format!("methods go by case; write {upper:?}");
                return Err(self.told(&title, span, "no server knows it so written".into(), Some(help)));
            }
        }
        Ok(texts.into_iter().map(|(text, _)| text).collect())
    }

    fn paths(&mut self, table: &DeTable<'_>) -> Result<Vec<UrlPattern>, Told> {
        let texts = self.list(table, "paths", "paths = [\"/repos/acme/**\"]")?;
        let mut paths = Vec::with_capacity(texts.len());
        for (text, span) in texts {
            match UrlPattern::parse(&text) {
                Ok(pattern) => paths.push(pattern),
                Err(why) => {
                    let title = format!("`paths` cannot list {}", quoted(&text));
                    let help = (why == ringfence_plan::BadUrlPath::NoSlash && !text.contains("://"))
                        .then(|| format!("write {:?}", format!("/{text}")));
                    return Err(self.told(&title, &span, format!("it {why}"), help));
                }
            }
        }
        Ok(paths)
    }

    fn source(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Said<Source>, Told> {
        let at = value.span();
        Ok(match self.one_of(key, value, SOURCES)? {
            ("env", value) => Said::Known(Source::Env(self.variable_name(value)?)),
            ("file", value) => Said::File(self.text_of("file", value)?),
            ("command", value) => {
                let example = "command = [\"gh\", \"auth\", \"token\"]";
                let words = self.entries("command", value, example)?;
                match words.iter().find(|(word, _)| word.contains('\0')) {
                    Some((_, span)) => {
                        let span = span.clone();
                        let label = "it contains a NUL byte".into();
                        return Err(self.told("no program could receive this word", &span, label, None));
                    }
                    None => Said::Known(Source::Command(words.into_iter().map(|(word, _)| word).collect())),
                }
            }
            (_, value) => {
                let text = self.text_of("secret", value)?;
                match text.split_once('/') {
                    Some((service, account)) if !service.is_empty() && !account.is_empty() => {
                        Said::Known(Source::Secret { service: service.into(), account: account.into() })
                    }
                    _ => {
                        let title = format!("`secret` cannot be {}", quoted(&text));
                        let help =
                            Some("write the service and the account: secret = \"github.com/alice\"".into());
                        return Err(self.told(&title, &at, "it names no entry".into(), help));
                    }
                }
            }
        })
    }
}

/// Methods that are registered and written in upper case; others are let be, whatever their case.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Fields that are not a secret's to fill: by them a request is framed, or led to another host or connection.
const FRAMING: &[&str] = &[
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Connection",
    "Keep-Alive",
    "Upgrade",
    "Expect",
    "Proxy-Connection",
    "Proxy-Authorization",
];

/// A token (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(of_token)
}
