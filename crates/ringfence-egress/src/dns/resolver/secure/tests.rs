//! A resolver that is asked on a stream, without the TLS that the inspector would speak: the test is the inspector.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;

use super::*;
use crate::dns::message::{Code, Question, question};
use crate::gateway::poller::Happened;
use ringfence_plan::{RuleId, UpstreamScheme};

/// A resolver of the plan, and both of its ends.
struct World {
    poller: Poller,
    resolver: Resolver<u32>,
    /// The host's own name server.
    host: UdpSocket,
    listener: TcpListener,
    /// The inspector's end of the stream.
    stream: Option<UnixStream>,
    /// How often one was wrapped.
    wrapped: usize,
    answered: Vec<(u32, Answer)>,
    said: Agreement,
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

impl World {
    /// At this name or address; `hosts` is the host's own list.
    fn new(host: &str, hosts: &str) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let upstream = Upstream {
            scheme: UpstreamScheme::Tls,
            host: Target::parse(host).unwrap(),
            port: listener.local_addr().unwrap().port(),
            rule: RuleId(0),
        };
        World {
            poller: Poller::new().unwrap(),
            resolver: Resolver::new(vec![server.local_addr().unwrap()], Some(upstream), hosts),
            host: server,
            listener,
            stream: None,
            wrapped: 0,
            answered: Vec::new(),
            said: Agreement::Reached,
        }
    }

    fn ask(&mut self, text: &str, waiter: u32) {
        if let Err((waiter, answer)) = self.resolver.ask(&self.poller, &name(text), Kind::A, waiter) {
            self.answered.push((waiter, answer));
        }
        self.go_on();
    }

    /// Does what the gateway does, until nothing happens for a while.
    fn go_on(&mut self) {
        let mut happened: Vec<Happened> = Vec::new();
        // Once more after a pause, behind which it may be dialled again.
        let mut quiet = 0;
        while quiet < 2 {
            while let Some(wish) = self.resolver.wish(&self.poller) {
                let answered = match wish {
                    Wish::Find(name) => self.resolver.find(&self.poller, &name, &[Kind::A], || u32::MAX),
                    Wish::Wrap(..) => {
                        let (ours, theirs) = UnixStream::pair().unwrap();
                        ours.set_nonblocking(true).unwrap();
                        theirs.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                        (&theirs).write_all(&self.said.pack()).unwrap();
                        self.stream = Some(theirs);
                        self.wrapped += 1;
                        self.resolver.agree(&self.poller, Some(ours.into()))
                    }
                    Wish::Tell(answered) => answered,
                };
                self.note(answered);
            }
            self.poller.wait(Some(Instant::now() + PAUSE), &mut happened).unwrap();
            quiet = if happened.is_empty() { quiet + 1 } else { 0 };
            for event in std::mem::take(&mut happened) {
                let answered = match event.token {
                    Token::Resolver => self.resolver.link_ready(&self.poller),
                    Token::Query(index) => self.resolver.ready(&self.poller, index).into_iter().collect(),
                    other => panic!("{other:?}"),
                };
                self.note(answered);
            }
        }
    }

    fn note(&mut self, answered: Vec<Answered<u32>>) {
        for Answered { waiters, answer, .. } in answered {
            for waiter in waiters {
                if waiter == u32::MAX {
                    let more = self.resolver.found(&self.poller, answer.clone());
                    self.note(more);
                } else {
                    self.answered.push((waiter, answer.clone()));
                }
            }
        }
    }

    /// Time goes by.
    fn later(&mut self, by: Duration) {
        let answered = self.resolver.give_up(&self.poller, Instant::now() + by);
        self.note(answered);
        self.go_on();
    }

    /// The next question that comes on the stream.
    fn asked(&mut self) -> Question {
        let mut length = [0; 2];
        let stream = self.stream.as_mut().unwrap();
        stream.read_exact(&mut length).unwrap();
        let mut message = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut message).unwrap();
        question(&message).unwrap()
    }

    fn tell(&mut self, question: &Question, address: &str) {
        let record = Record { address: address.parse().unwrap(), ttl: 60 };
        let answer = question.answer(Code::NoError, &[record]);
        let framed = [&(answer.len() as u16).to_be_bytes(), answer.as_slice()].concat();
        self.stream.as_mut().unwrap().write_all(&framed).unwrap();
    }

    /// What each waiter was told.
    fn came(&mut self) -> Vec<(u32, Result<String, Failure>)> {
        let mut came: Vec<_> = std::mem::take(&mut self.answered)
            .into_iter()
            .map(|(waiter, answer)| match answer {
                Ok(records) => (waiter, Ok(records[0].address.to_string())),
                Err(Unanswered::Failed(failure)) => (waiter, Err(failure)),
                Err(other) => panic!("{other:?}"),
            })
            .collect();
        came.sort_by_key(|(waiter, _)| *waiter);
        came
    }

    /// Nobody was asked in clear.
    fn nothing_in_clear(&self) -> bool {
        self.host.recv(&mut [0; 512]).is_err()
    }
}

fn address(text: &str) -> Result<String, Failure> {
    Ok(text.to_owned())
}

#[test]
fn many_questions_go_on_one_stream_and_none_in_clear() {
    let mut world = World::new("127.0.0.1", "");
    for waiter in 0..40 {
        world.ask(&format!("n{waiter}.org"), waiter);
    }
    let first: Vec<Question> = (0..conversation::MOST).map(|_| world.asked()).collect();
    for (at, question) in first.iter().enumerate().rev() {
        world.tell(question, &format!("192.0.2.{at}"));
    }
    world.go_on();
    for at in conversation::MOST..40 {
        let question = world.asked();
        world.tell(&question, &format!("192.0.2.{at}"));
    }
    world.go_on();
    let came = world.came();
    assert_eq!(came.len(), 40);
    for (waiter, answer) in came {
        assert_eq!(answer, address(&format!("192.0.2.{waiter}")));
    }
    assert_eq!(world.wrapped, 1);
    assert!(world.nothing_in_clear());
}

#[test]
fn only_where_the_resolver_is_is_asked_of_the_host_and_not_believed_of_anything_else() {
    let mut world = World::new("dns.test", "127.0.0.9 other.test\n");
    world.ask("dns.test", 1);
    let mut buffer = [0; 512];
    let (length, peer) = world.host.recv_from(&mut buffer).unwrap();
    let question = question(&buffer[..length]).unwrap();
    assert_eq!(question.name, Some(name("dns.test")));
    let record = Record { address: "127.0.0.1".parse().unwrap(), ttl: 60 };
    world.host.send_to(&question.answer(Code::NoError, &[record]), peer).unwrap();
    world.go_on();
    // The workload's own question for that name is the resolver's to answer.
    let question = world.asked();
    world.tell(&question, "192.0.2.1");
    world.go_on();
    assert_eq!(world.came(), [(1, address("192.0.2.1"))]);
    assert!(world.nothing_in_clear());
}

#[test]
fn a_stream_that_is_closed_costs_one_try_and_two_are_all() {
    let mut world = World::new("127.0.0.1", "");
    world.ask("a.org", 1);
    let _ = world.asked();
    // In the middle of an answer.
    world.stream.as_mut().unwrap().write_all(&[0, 100, 1, 2, 3]).unwrap();
    world.stream = None;
    world.go_on();
    let question = world.asked();
    world.tell(&question, "192.0.2.1");
    world.go_on();
    assert_eq!((world.came(), world.wrapped), (vec![(1, address("192.0.2.1"))], 2));
    world.ask("b.org", 2);
    for _ in 0..2 {
        let _ = world.asked();
        world.stream = None;
        world.go_on();
    }
    assert_eq!(world.came(), [(2, Err(Failure::ResolverFailed))]);
    // What is idle may be closed by either side.
    world.ask("c.org", 3);
    let question = world.asked();
    world.tell(&question, "192.0.2.3");
    world.go_on();
    world.later(IDLE);
    assert_eq!(world.stream.as_mut().unwrap().read(&mut [0; 9]).unwrap(), 0);
    assert_eq!(world.came(), [(3, address("192.0.2.3"))]);
    assert!(world.nothing_in_clear());
}

#[test]
fn a_resolver_that_is_not_the_one_is_asked_nothing() {
    for (said, failure) in
        [(Agreement::Untrusted, Failure::ResolverUntrusted), (Agreement::Failed, Failure::ResolverTls)]
    {
        let mut world = World::new("127.0.0.1", "");
        world.said = said;
        world.ask("a.org", 1);
        assert_eq!(world.came(), [(1, Err(failure))]);
        assert_eq!(world.wrapped, 2);
        assert_eq!(world.stream.as_mut().unwrap().read(&mut [0; 9]).unwrap(), 0);
        assert!(world.nothing_in_clear());
    }
}

#[test]
fn who_says_what_was_not_asked_is_not_heard_any_further() {
    let mut world = World::new("127.0.0.1", "");
    world.ask("a.org", 1);
    world.ask("b.org", 2);
    let (first, second) = (world.asked(), world.asked());
    world.tell(&first, "192.0.2.1");
    // Once more, with another address, and then for the second.
    world.tell(&first, "192.0.2.9");
    world.tell(&second, "192.0.2.9");
    world.go_on();
    assert_eq!(world.came(), [(1, address("192.0.2.1"))]);
    let again = world.asked();
    assert_eq!(again.name, Some(name("b.org")));
    world.tell(&again, "192.0.2.2");
    world.go_on();
    assert_eq!(world.came(), [(2, address("192.0.2.2"))]);
}

#[test]
fn another_address_has_its_turn_when_one_does_not_answer() {
    let mut world = World::new("dns.test", "127.0.0.99 dns.test\n127.0.0.1 dns.test\n");
    world.ask("a.org", 1);
    let question = world.asked();
    world.tell(&question, "192.0.2.1");
    world.go_on();
    assert_eq!(world.came(), [(1, address("192.0.2.1"))]);
    // Nobody listens at either.
    drop(std::mem::replace(&mut world.listener, TcpListener::bind("127.0.0.1:0").unwrap()));
    world.stream = None;
    world.go_on();
    world.ask("b.org", 2);
    assert_eq!(world.came(), [(2, Err(Failure::ResolverUnreachable))]);
    assert!(world.nothing_in_clear());
}

#[test]
fn silence_is_waited_for_twice_and_told() {
    let mut world = World::new("127.0.0.1", "");
    for waiter in 0..2 {
        world.ask(&format!("n{waiter}.org"), waiter);
    }
    world.later(super::super::PATIENCE_SECURE);
    assert_eq!((world.came(), world.wrapped), (Vec::new(), 2));
    world.later(super::super::PATIENCE_SECURE);
    let silent = Err(Failure::ResolverSilent);
    assert_eq!(world.came(), [(0, silent.clone()), (1, silent)]);
    // A stream on which others are answered is kept, and who answers late is not believed to be broken.
    world.ask("late.org", 3);
    let late = world.asked();
    world.ask("soon.org", 4);
    let soon = world.asked();
    world.tell(&soon, "192.0.2.4");
    world.go_on();
    let wrapped = world.wrapped;
    world.later(super::super::PATIENCE_SECURE);
    world.tell(&late, "192.0.2.9");
    let again = world.asked();
    world.tell(&again, "192.0.2.3");
    world.go_on();
    assert_eq!(world.came(), [(3, address("192.0.2.3")), (4, address("192.0.2.4"))]);
    assert_eq!(world.wrapped, wrapped);
}

#[test]
fn a_flood_of_questions_is_bounded_and_leaves_room_for_where_the_resolver_is() {
    let mut world = World::new("dns.test", "");
    for waiter in 0..300 {
        let asked = world.resolver.ask(&world.poller, &name(&format!("n{waiter}.org")), Kind::A, waiter);
        assert_eq!(asked.is_ok(), waiter < super::super::MOST as u32);
    }
    world.go_on();
    let mut buffer = [0; 512];
    let (length, _) = world.host.recv_from(&mut buffer).unwrap();
    assert_eq!(question(&buffer[..length]).unwrap().name, Some(name("dns.test")));
}
