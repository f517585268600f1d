//! One request, from the client's side to the server's: judged, credentials put in, sent on, and the answer on its way
//! back searched for what must not come.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use ringfence_egress::budget::Spent;
use ringfence_egress::http::{Authority, Host, authority};
use ringfence_plan::{Barrier, Event, Leave, Place, RuleId, Target};

use super::Inspector;
use super::body::{Answer, AnyError, Cut, WasCut, Watched};
use super::stream::Purse;
use super::strict::{Changed, MARK, Shared};
use super::upgrade;
use super::upstream::Server;
use crate::rules::{Asked, Refused, too_large};
use crate::secret::{as_basic, basic};
use ringfence_egress::scan::Needles;

/// What all requests of one connection have in common.
pub(crate) struct Exchange {
    pub(crate) inspector: Rc<Inspector>,
    /// Where the connection leads.
    pub(crate) peer: Peer,
    pub(crate) server: Server,
    /// For HTTP/1: what reads the client's stream before us.
    pub(crate) strict: Option<Arc<Shared>>,
    pub(crate) requests: Rc<super::Requests>,
    pub(crate) purse: Arc<Purse>,
    /// Forms of values that went out on this connection and are nobody's standing ones.
    pub(crate) put_in: RefCell<Vec<Vec<u8>>>,
    /// What follows a change of the protocol.
    pub(crate) upgraded: RefCell<Option<Upgraded>>,
}

/// Both ends of a connection whose protocol has changed, and what must not come back over it.
pub(crate) struct Upgraded {
    client: OnUpgrade,
    server: OnUpgrade,
    needles: Arc<Needles>,
    rules: Vec<RuleId>,
    asking: Asking,
}

/// Who may be asked for over a connection.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// Over TLS: this one.
    Secure { name: Target, address: Target, port: u16 },
    /// Without: any of these; anybody at all that is not denied where the address is allowed for its own sake.
    Plain { names: Vec<Target>, anybody: bool, address: Target, port: u16 },
}

/// Why a request goes no further.
enum Stop {
    /// A rule.
    Refused(Box<Refused>),
    /// A placeholder, or a value.
    Alarm(Place, RuleId),
    /// Not a matter of rules.
    Failed(StatusCode, String),
}

/// Where a request goes, as events and answers have it.
struct Asking {
    targets: Vec<Target>,
    port: u16,
    host: String,
    method: String,
    path: String,
}

impl Exchange {
    /// Answers one request.
    pub(crate) async fn handle(
        self: Rc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Answer>, AnyError> {
        let answer = self.clone().answer(request).await;
        // Whoever reads the client's stream must not wait any longer.
        if let Some(strict) = self.strict.as_ref().filter(|strict| strict.is_asked()) {
            let switched =
                answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::SWITCHING_PROTOCOLS);
            strict.change(if switched { Changed::Yes } else { Changed::No });
        }
        answer
    }

    async fn answer(self: Rc<Self>, mut request: Request<Incoming>) -> Result<Response<Answer>, AnyError> {
        let asking = Asking::of(&request, &self.peer);
        // The first is the connection's own.
        if self.requests.count() > 1
            && let Err(spent) = self.purse.ledger.request(&self.purse.charges)
        {
            return Ok(self.over(&asking, spent));
        }
        let prepared = self.prepare(&mut request, &asking);
        let (leave, put_in) = match prepared {
            Ok(prepared) => prepared,
            Err(stop) => return Ok(self.stop(&asking, stop)),
        };
        if let Some(rule) = leave.rule {
            self.requests.allowed(&asking.host, asking.port, rule);
        }
        self.send(request, asking, leave, put_in).await
    }

    /// Judges a request, and makes of it what the server gets.
    fn prepare(&self, request: &mut Request<Incoming>, asking: &Asking) -> Result<(Leave, bool), Stop> {
        let malformed = |what: &str| {
            Stop::Refused(Box::new(Refused {
                barrier: Barrier::Malformed,
                rule: self.inspector.rules().fallback(),
                why: format!("it is not read without doubt ({what})"),
                mend: "send the request in its standard form".into(),
            }))
        };
        if let Some(strict) = &self.strict
            && request.headers().get(MARK).is_some_and(|mark| mark.as_bytes() == strict.mark.as_bytes())
        {
            return Err(malformed(strict.reason().unwrap_or("HTTP")));
        }
        if request.method() == Method::CONNECT {
            return Err(malformed("a CONNECT to a server"));
        }
        let named = self.named(request).map_err(malformed)?;
        self.expects(&named)?;
        let body = request.body().size_hint().exact();
        let asked = Asked {
            targets: &asking.targets,
            port: asking.port,
            method: request.method().as_str(),
            path: request.uri().path(),
            head: size(request),
            body,
        };
        let mut headers = request.headers().clone();
        let put_in = self.put_in(request.uri(), &mut headers, &asked)?;
        let leave = self.inspector.rules().judge(&asked).map_err(Stop::Refused)?;
        if !asking.credentials(&self.inspector).is_empty() {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        *request.headers_mut() = headers;
        Ok((leave, put_in))
    }

    /// Whom the request names; in both its places the same.
    fn named(&self, request: &Request<Incoming>) -> Result<Authority, &'static str> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host =
            hosts.next().map(|host| host.to_str().ok().and_then(authority).ok_or("a Host that is no host"));
        let host = host.transpose()?;
        if hosts.next().is_some() {
            return Err("more than one Host");
        }
        let target = match request.uri().authority() {
            None => None,
            Some(named) => Some(authority(named.as_str()).ok_or("a target with an odd host")?),
        };
        let scheme = if matches!(self.peer, Peer::Secure { .. }) { "https" } else { "http" };
        if request.uri().scheme_str().is_some_and(|named| named != scheme) {
            return Err("a target of another scheme");
        }
        match (host, target) {
            (Some(host), Some(target)) if host != target => Err("a target with another host than its Host"),
            (Some(host), _) => Ok(host),
            (None, Some(target)) => Ok(target),
            (None, None) => Err("no Host"),
        }
    }

    /// Whether the one who is named is the one that the connection leads to.
    fn expects(&self, named: &Authority) -> Result<(), Stop> {
        let target = match &named.host {
            Host::Name(name) => Target::Name(name.clone()),
            Host::Address(address) => Target::address(*address),
        };
        let (fits, port) = match &self.peer {
            Peer::Secure { name, port, .. } => (*name == target, *port),
            Peer::Plain { names, anybody, address, port } => {
                let allowed = match &target {
                    Target::Name(name) => *anybody && self.inspector.rules().may_be_named(name, *port),
                    Target::Address(_) => target == *address,
                };
                (allowed || names.contains(&target), *port)
            }
        };
        if fits && named.port.is_none_or(|named| named == port) {
            return Ok(());
        }
        Err(Stop::Refused(Box::new(Refused {
            barrier: Barrier::OtherName,
            rule: self.inspector.rules().fallback(),
            why: "the host that it names is not the one that the connection is to".into(),
            mend: "make the request on a connection to the host that it is meant for".into(),
        })))
    }

    /// Puts values in for placeholders, where they belong; a placeholder anywhere else stops the request. True if a value
    /// was put in.
    fn put_in(&self, uri: &Uri, headers: &mut HeaderMap, asked: &Asked<'_>) -> Result<bool, Stop> {
        let inspector = &self.inspector;
        let rules = inspector.rules();
        let misplaced = |place: Place, at: usize| Stop::Alarm(place, rules.rule_of_placeholder(at));
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        let decoded = decoded(target);
        if let Some(found) =
            inspector.placeholders.find(target.as_bytes()).or(inspector.placeholders.find(&decoded))
        {
            return Err(misplaced(Place::Target, found.0));
        }
        let mut put_in = false;
        for (name, value) in headers.iter_mut() {
            if let Some(found) = inspector.placeholders.find(name.as_str().as_bytes()) {
                return Err(misplaced(Place::Field, found.0));
            }
            let inner = basic(value.as_bytes());
            let text: &[u8] = inner.as_ref().map_or(value.as_bytes(), |inner| inner);
            let whole = inspector.placeholders.find(value.as_bytes());
            let Some(found) = whole.or(inspector.placeholders.find(text)) else { continue };
            // Over a connection that anybody can read, no value goes out.
            let fits = rules.credential(found.0, name.as_str(), asked);
            let Some(credential) = fits.filter(|_| matches!(self.peer, Peer::Secure { .. })) else {
                return Err(misplaced(Place::Field, found.0));
            };
            let secret = &inspector.secrets[credential];
            let placeholder = inspector.placeholder(found.0);
            let text = replaced(text, placeholder, secret.bytes());
            // A second one, of another credential, has no place in the same field.
            if let Some(other) = inspector.placeholders.find(&text) {
                return Err(misplaced(Place::Field, other.0));
            }
            let new = if inner.is_some() { as_basic(&text) } else { text.to_vec() };
            if inner.is_some() {
                self.remember(&new["Basic ".len()..]);
            }
            let new = HeaderValue::from_bytes(&new);
            *value = new.map_err(|_| Stop::Failed(StatusCode::BAD_REQUEST, "a field that is none".into()))?;
            value.set_sensitive(true);
            put_in = true;
        }
        Ok(put_in)
    }

    /// A form of a value that an answer of this connection must not have.
    fn remember(&self, form: &[u8]) {
        const MOST: usize = 16;
        let mut forms = self.put_in.borrow_mut();
        if !forms.iter().any(|known| known == form) {
            if forms.len() == MOST {
                forms.remove(0);
            }
            forms.push(form.to_vec());
        }
    }

    async fn send(
        self: Rc<Self>,
        mut request: Request<Incoming>,
        asking: Asking,
        leave: Leave,
        put_in: bool,
    ) -> Result<Response<Answer>, AnyError> {
        let upgrades = self.strict.as_ref().is_some_and(|strict| strict.is_asked());
        let asked_for = upgrades.then(|| hyper::upgrade::on(&mut request));
        let cut = Rc::new(Cell::new(None));
        let mut outgoing = outgoing(request, upgrades, {
            let cut = cut.clone();
            let needles = self.inspector.placeholders.clone();
            move |body| Watched::new(body, leave.max_body, needles, move |why| cut.set(Some(why)))
        });
        let may_go = outgoing.body_mut().look_ahead().await;
        let answer = match &self.server {
            Server::Up(_) if !may_go => Err(Box::new(WasCut) as AnyError),
            Server::Up(upstream) => upstream.send(outgoing).await,
            Server::Down(why) => {
                let text = format!("ringfence allows {}, but {why}.\n", asking.host);
                return Ok(text_answer(StatusCode::BAD_GATEWAY, text));
            }
        };
        match (answer, cut.take()) {
            (_, Some(Cut::TooLong)) => {
                let most = leave.max_body.unwrap_or_default();
                let rule = leave.rule.unwrap_or(self.inspector.rules().fallback());
                let refused = too_large("its body", most.saturating_add(1), most, rule);
                Ok(self.stop(&asking, Stop::Refused(refused)))
            }
            (_, Some(Cut::Found(at))) => {
                let rule = self.inspector.rules().rule_of_placeholder(at);
                Ok(self.stop(&asking, Stop::Alarm(Place::Body, rule)))
            }
            // The client hears what it would have heard of the server: that the connection has ended.
            (Err(error), None) => Err(error),
            (Ok(answer), None) => self.back(answer, asking, put_in, asked_for),
        }
    }

    /// The server's answer, as the client gets it.
    fn back(
        self: Rc<Self>,
        mut answer: Response<Incoming>,
        asking: Asking,
        put_in: bool,
        asked_for: Option<OnUpgrade>,
    ) -> Result<Response<Answer>, AnyError> {
        let (needles, rules) = self.needles(&asking);
        let fields = answer.headers().iter().find_map(|(name, value)| {
            needles.find(value.as_bytes()).or(needles.find(name.as_str().as_bytes()))
        });
        if let Some(found) = fields {
            return Ok(self.stop(&asking, Stop::Alarm(Place::Answer, rules[found.0])));
        }
        let coding = answer.headers().get(header::CONTENT_ENCODING);
        if put_in && coding.is_some_and(|coding| coding.as_bytes() != b"identity") {
            let why = "its answer is compressed although that was not asked for, so that it cannot be searched for the \
                       credential";
            let text = format!("ringfence asked {}, but {why}.\n", asking.host);
            return Ok(text_answer(StatusCode::BAD_GATEWAY, text));
        }
        let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let needles = Arc::new(needles);
        if switched {
            let Some(client) = asked_for else {
                return Ok(text_answer(
                    StatusCode::BAD_GATEWAY,
                    "The server changed the protocol unasked.\n".into(),
                ));
            };
            let server = hyper::upgrade::on(&mut answer);
            *self.upgraded.borrow_mut() = Some(Upgraded { client, server, needles, rules, asking });
            let (mut parts, _) = answer.into_parts();
            strip(&mut parts.headers, true);
            return Ok(Response::from_parts(parts, Answer::Text(None)));
        }
        let (mut parts, body) = answer.into_parts();
        strip(&mut parts.headers, false);
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        let body = Watched::new(body, None, needles, move |cut| {
            if let Cut::Found(at) = cut {
                self.alarm(&asking, Place::Answer, rules[at]);
            }
        });
        Ok(Response::from_parts(parts, Answer::Relayed(Box::new(body))))
    }

    /// Carries what follows a change of the protocol, if there was one.
    pub(crate) async fn carry_on(&self) {
        let Some(upgraded) = self.upgraded.take() else { return };
        let Upgraded { client, server, needles, rules, asking } = upgraded;
        if let Some(found) = upgrade::carry(client, server, &needles).await {
            self.alarm(&asking, Place::Answer, rules[found.0]);
        }
    }

    /// What must not come back from a host, and of which credential's rule each is.
    fn needles(&self, asking: &Asking) -> (Needles, Vec<RuleId>) {
        let (mut texts, mut rules) = (Vec::new(), Vec::new());
        for credential in asking.credentials(&self.inspector) {
            let rule = self.inspector.rules().rule_of(credential);
            let forms = self.inspector.secrets[credential].forms();
            rules.extend(forms.iter().map(|_| rule));
            texts.extend(forms);
        }
        if let Some(rule) = rules.first().copied() {
            let own = self.put_in.borrow();
            rules.extend(own.iter().map(|_| rule));
            texts.extend(own.iter().cloned());
        }
        (Needles::new(texts), rules)
    }

    /// The answer to a request that a budget has no more for.
    fn over(&self, asking: &Asking, spent: Spent) -> Response<Answer> {
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

    fn alarm(&self, asking: &Asking, place: Place, rule: RuleId) {
        let (host, port) = (Some(asking.host.clone()), asking.port);
        self.inspector.reporter.tell(&Event::CredentialAlarm { host, port, place, rule });
    }

    /// Tells of a request that goes no further, and answers it.
    fn stop(&self, asking: &Asking, stop: Stop) -> Response<Answer> {
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
    fn of(request: &Request<Incoming>, peer: &Peer) -> Asking {
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

    fn credentials(&self, inspector: &Inspector) -> Vec<usize> {
        inspector.rules().credentials_of(&self.targets, self.port)
    }
}

/// Bytes of the request line and the fields, as HTTP/1 writes them.
fn size(request: &Request<Incoming>) -> u64 {
    let line = request.method().as_str().len()
        + request.uri().path_and_query().map_or(1, |path| path.as_str().len());
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    (line + 12 + fields.sum::<usize>()) as u64
}

/// The request as the server gets it.
fn outgoing(
    request: Request<Incoming>,
    upgrades: bool,
    watch: impl FnOnce(Incoming) -> Watched,
) -> Request<Watched> {
    let (mut parts, body) = request.into_parts();
    strip(&mut parts.headers, upgrades);
    // What waits for an interim answer gets it from here, when the server takes the body.
    parts.headers.remove(header::EXPECT);
    if parts.version != Version::HTTP_2 {
        parts.version = Version::HTTP_11;
        parts.uri = parts.uri.path_and_query().map_or(Uri::from_static("/"), |target| target.clone().into());
    } else {
        let host = parts.headers.remove(header::HOST);
        if parts.uri.authority().is_none()
            && let Some(host) = host.and_then(|host| host.to_str().ok()?.parse().ok())
        {
            let mut uri = parts.uri.into_parts();
            (uri.scheme, uri.authority) = (Some(http::uri::Scheme::HTTPS), Some(host));
            parts.uri = Uri::from_parts(uri).unwrap_or_default();
        }
    }
    parts.extensions.clear();
    Request::from_parts(parts, watch(body))
}

/// Takes out the fields that are for one connection alone (RFC 9110, section 7.6.1).
fn strip(headers: &mut HeaderMap, keeps_upgrade: bool) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !keeps_upgrade || *name != header::UPGRADE)
        // A wish to have these dropped is nobody's.
        .filter(|name| {
            *name != header::HOST && *name != header::CONTENT_LENGTH && *name != header::AUTHORIZATION
        })
        .collect();
    let takes_trailers =
        headers.get_all(header::TE).iter().any(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    listed.iter().for_each(|name| drop(headers.remove(name)));
    for name in
        ["connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "transfer-encoding"]
    {
        headers.remove(name);
    }
    if keeps_upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        headers.remove(header::UPGRADE);
    }
    if takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

fn text_answer(status: StatusCode, text: String) -> Response<Answer> {
    let mut answer = Response::new(Answer::text(text));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

fn replaced(text: &[u8], placeholder: &[u8], value: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    let mut out = zeroize::Zeroizing::new(Vec::with_capacity(text.len() + value.len()));
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, placeholder) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value);
        rest = &rest[at + placeholder.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// The target with its percent-encodings undone, as far as they are some.
fn decoded(target: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(target.len());
    let mut rest = target.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}
