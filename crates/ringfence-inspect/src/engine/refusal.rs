//! What becomes of a request that goes no further: who is told, and what its client reads.
//!
//! Not whether it does.

use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use ringfence_egress::budget::Spent;
use ringfence_egress::http::{Host, authority};
use ringfence_plan::{Barrier, Event, Place, RuleId, Target};

use super::Inspector;
use super::body::Answer;
use super::exchange::{Exchange, Peer};
use crate::rules::Refused;

/// Why a request goes no further.
pub(super) enum Stop {
    /// A rule.
    Refused(Box<Refused>),
    /// A placeholder, or a value.
    Alarm(Place, RuleId),
    /// Not a matter of rules.
    Failed(StatusCode, String),
}

/// Where a request goes, as events and answers have it.
pub(super) struct Asking {
    pub(super) targets: Vec<Target>,
    pub(super) port: u16,
    pub(super) host: String,
    pub(super) method: String,
    pub(super) path: String,
}

impl Exchange {
    /// The answer to a request that a budget has no more for.
    pub(super) fn over(&self, asking: &Asking, spent: Spent) -> Response<Answer> {
        let Asking { host, port, method, path, .. } = asking;
        let rule = spent.rule;
        if self.purse.ledger.may_tell(rule, spent.kind.name()) {
            self.inspector.reporter.tell(&Event::RequestRefused {
                host: host.clone(),
                port: *port,
                method: method.clone(),
                path: path.clone(),
                barrier: Barrier::OverBudget,
                rule,
            });
        }
        let text = self.inspector.rules().text(rule);
        let text = format!(
            "ringfence refused {method} {host}:{port}{path}: a budget of this run has no more {}.\nRule: {text}\nTo go on: \
             wait a second; the budget's owner can raise it.\n",
            spent.kind.name()
        );
        text_answer(StatusCode::TOO_MANY_REQUESTS, text)
    }

    pub(super) fn alarm(&self, asking: &Asking, place: Place, rule: RuleId) {
        let (host, port) = (Some(asking.host.clone()), asking.port);
        self.inspector.reporter.tell(&Event::CredentialAlarm { host, port, place, rule });
    }

    /// Tells of a request that goes no further, and answers it.
    pub(super) fn stop(&self, asking: &Asking, stop: Stop) -> Response<Answer> {
        let Asking { host, port, method, path, .. } = asking;
        match stop {
            Stop::Failed(status, why) => {
                text_answer(status, format!("ringfence could not carry the request: {why}.\n"))
            }
            Stop::Refused(refused) => {
                let Refused { barrier, rule, why, mend } = *refused;
                self.inspector.reporter.tell(&Event::RequestRefused {
                    host: host.clone(),
                    port: *port,
                    method: method.clone(),
                    path: path.clone(),
                    barrier,
                    rule,
                });
                let text = self.inspector.rules().text(rule);
                let what = format!("{method} {host}:{port}{path}");
                text_answer(
                    StatusCode::FORBIDDEN,
                    format!("ringfence refused {what}: {why}.\nRule: {text}\nTo go on: {mend}.\n"),
                )
            }
            Stop::Alarm(place, rule) => {
                self.alarm(asking, place, rule);
                let text = self.inspector.rules().text(rule);
                let why = match place {
                    Place::Answer => {
                        "the server's answer has the credential's value in it, which must not come inside"
                    }
                    _ => "the placeholder of a credential stands where that credential does not belong",
                };
                let status =
                    if place == Place::Answer { StatusCode::BAD_GATEWAY } else { StatusCode::FORBIDDEN };
                text_answer(
                    status,
                    format!(
                        "ringfence blocked {method} {host}:{port}{path}, and told its owner: {why}.\nRule: {text}\nTo go \
                         on: send the placeholder in that rule's header, to its host and paths, and nowhere else.\n"
                    ),
                )
            }
        }
    }
}

impl Asking {
    pub(super) fn of(request: &Request<Incoming>, peer: &Peer) -> Asking {
        let (targets, port) = match peer {
            Peer::Secure { name, address, port } => (vec![name.clone(), address.clone()], *port),
            Peer::Plain { address, port, .. } => {
                let named = request.uri().authority().map(|named| named.as_str().to_owned());
                let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
                let named = named.as_deref().or(host).and_then(authority);
                let named = named.map(|named| match named.host {
                    Host::Name(name) => Target::Name(name),
                    Host::Address(address) => Target::address(address),
                });
                (named.into_iter().chain([address.clone()]).collect(), *port)
            }
        };
        let host = match &targets[0] {
            Target::Name(name) => name.as_str().to_owned(),
            Target::Address(address) => address.to_string(),
        };
        let short = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        let method = short(request.method().as_str(), 32);
        Asking { targets, port, host, method, path: short(request.uri().path(), 256) }
    }

    pub(super) fn credentials(&self, inspector: &Inspector) -> Vec<usize> {
        inspector.rules().credentials_of(&self.targets, self.port)
    }
}

pub(super) fn text_answer(status: StatusCode, text: String) -> Response<Answer> {
    let mut answer = Response::new(Answer::text(text));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
