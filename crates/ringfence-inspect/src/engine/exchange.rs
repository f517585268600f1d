//! One request, from the client's side to the server's: judged, credentials put in, sent on, and the answer on its way
//! back searched for what must not come.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use ringfence_egress::http::{Authority, Host, authority};
use ringfence_plan::{Barrier, Leave, Place, RuleId, Target};

use super::Inspector;
use super::body::{Answer, AnyError, Cut, WasCut, Watched};
use super::fields::{decoded, is_coded, outgoing, readings, replaced, size, strip, uncompressed};
use super::refusal::{Asking, Stop, text_answer};
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
    asking: Rc<Asking>,
    leave: Leave,
}

/// Who tells of what is found late.
type Late = (Rc<Exchange>, Rc<Asking>);

/// Who may be asked for over a connection.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// Over TLS: this one.
    Secure { name: Target, address: Target, port: u16 },
    /// Without: any of these; anybody at all that is not denied where the address is allowed for its own sake.
    Plain { names: Vec<Target>, anybody: bool, address: Target, port: u16 },
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
        let readings = readings(asked, request.headers());
        let mut headers = request.headers().clone();
        let put_in = self.put_in(request.uri(), &mut headers, &readings)?;
        let leave = self.inspector.rules().judge_all(&readings).map_err(Stop::Refused)?;
        if !asking.credentials(&self.inspector).is_empty() {
            uncompressed(&mut headers);
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
                    Target::Name(name) => {
                        (*anybody || names.contains(&target))
                            && self.inspector.rules().may_be_named(name, *port, *anybody)
                    }
                    Target::Address(_) => target == *address,
                };
                (allowed, *port)
            }
        };
        if fits && named.port.is_none_or(|named| named == port) {
            self.requests.named(target);
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
    fn put_in(&self, uri: &Uri, headers: &mut HeaderMap, readings: &[Asked<'_>]) -> Result<bool, Stop> {
        let inspector = &self.inspector;
        let rules = inspector.rules();
        let misplaced = |place: Place, at: usize| Stop::Alarm(place, rules.rule_of_placeholder(at));
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        let decoded = decoded(target);
        let methods = readings.iter().map(|asked| asked.method.as_bytes());
        let mut line = [target.as_bytes(), &decoded].into_iter().chain(methods);
        if let Some(found) = line.find_map(|text| inspector.placeholders.find(text)) {
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
            let fits = rules.credential(found.0, name.as_str(), readings);
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
        let asking = Rc::new(asking);
        // The answer may begin before the body has ended: then nobody waits for the reason any more, and it is told here.
        let answered: Rc<RefCell<Option<Late>>> = Rc::default();
        let mut outgoing = outgoing(request, upgrades, {
            let (cut, answered) = (cut.clone(), answered.clone());
            let needles = self.inspector.placeholders.clone();
            let on_cut = move |why| match answered.take() {
                Some((exchange, asking)) => drop(exchange.stop(&asking, exchange.reason(why, leave))),
                None => cut.set(Some(why)),
            };
            move |body| Watched::new(body, leave.max_body, needles, on_cut)
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
            (_, Some(why)) => Ok(self.stop(&asking, self.reason(why, leave))),
            // The client hears what it would have heard of the server: that the connection has ended.
            (Err(error), None) => Err(error),
            (Ok(answer), None) => {
                *answered.borrow_mut() = Some((self.clone(), asking.clone()));
                self.back(answer, asking, put_in, asked_for.map(|asked_for| (asked_for, leave)))
            }
        }
    }

    /// Why a body that was cut off goes no further.
    fn reason(&self, cut: Cut, leave: Leave) -> Stop {
        match cut {
            Cut::TooLong => {
                let most = leave.max_body.unwrap_or_default();
                let rule = leave.rule.unwrap_or(self.inspector.rules().fallback());
                Stop::Refused(too_large("its body", most.saturating_add(1), most, rule))
            }
            Cut::Found(at) => Stop::Alarm(Place::Body, self.inspector.rules().rule_of_placeholder(at)),
        }
    }

    /// The server's answer, as the client gets it.
    fn back(
        self: Rc<Self>,
        mut answer: Response<Incoming>,
        asking: Rc<Asking>,
        put_in: bool,
        asked_for: Option<(OnUpgrade, Leave)>,
    ) -> Result<Response<Answer>, AnyError> {
        let (needles, rules) = self.needles(&asking);
        let fields = answer.headers().iter().find_map(|(name, value)| {
            needles.find(value.as_bytes()).or(needles.find(name.as_str().as_bytes()))
        });
        if let Some(found) = fields {
            return Ok(self.stop(&asking, Stop::Alarm(Place::Answer, rules[found.0])));
        }
        if put_in && is_coded(answer.headers()) {
            let why = "its answer is compressed although that was not asked for, or has a charset in which it cannot be \
                       searched for the credential";
            let text = format!("ringfence asked {}, but {why}.\n", asking.host);
            return Ok(text_answer(StatusCode::BAD_GATEWAY, text));
        }
        let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let needles = Arc::new(needles);
        if switched {
            let Some((client, leave)) = asked_for else {
                return Ok(text_answer(
                    StatusCode::BAD_GATEWAY,
                    "The server changed the protocol unasked.\n".into(),
                ));
            };
            let server = hyper::upgrade::on(&mut answer);
            *self.upgraded.borrow_mut() = Some(Upgraded { client, server, needles, rules, asking, leave });
            let (mut parts, _) = answer.into_parts();
            strip(&mut parts.headers, true);
            // The server's words behind the status are among them, and nobody has searched those.
            parts.extensions.clear();
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
        let Upgraded { client, server, needles, rules, asking, leave } = upgraded;
        match upgrade::carry(client, server, &needles, leave.max_body).await {
            Some(Cut::Found(at)) => self.alarm(&asking, Place::Answer, rules[at]),
            Some(cut @ Cut::TooLong) => drop(self.stop(&asking, self.reason(cut, leave))),
            None => {}
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
        (Needles::unknown(texts), rules)
    }
}
