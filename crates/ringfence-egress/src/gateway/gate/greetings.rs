//! What passes a gate behind the first words of a client, and behind its greeting of TLS.
//!
//! Not requests of HTTP, which are in `tests`.

use ringfence_plan::{Barrier, HostName, Network, RuleId};

use super::*;
use crate::budget::{Charges, Ledger};
use crate::hello::tests::greeting;
use crate::retry::tests::{retry_request, server_hello};
use crate::rules::Rules;

/// Who says something.
enum Says<'a> {
    Client(&'a [u8]),
    Server(&'a [u8]),
}
use Says::{Client, Server};

fn through(said: &[Says<'_>]) -> Result<Vec<u8>, Barrier> {
    let rules = Rules::new(Network::none(RuleId(0)), Vec::new());
    let names = ["a.org", "b.org"].iter().map(|name| HostName::parse(name).unwrap()).collect();
    let expected = Expected::OneOf(names);
    let (ledger, charges) = (Ledger::new(Vec::new()).unwrap(), Charges::default());
    let spending = Spending { ledger: &ledger, charges: &charges };
    let judge = Judge {
        rules: &rules,
        expected: &expected,
        address: None,
        port: 443,
        spending,
        named: Default::default(),
    };
    let (mut gate, mut out) = (Gate::new(&expected), Vec::new());
    for said in said {
        match said {
            Client(bytes) => gate.feed(&judge, bytes, &mut out),
            Server(bytes) => gate.hear(&judge, bytes, &mut out),
        }
        .map_err(|stop| stop.refusal.barrier)?;
    }
    Ok(out)
}

const EARLY: &[u8] = &[0x17, 3, 3, 0, 3, 1, 2, 3];
const CHANGE: &[u8] = &[0x14, 3, 3, 0, 1, 1];

#[test]
fn a_second_greeting_names_whom_the_first_named() {
    let (good, other, none) =
        (greeting(&["a.org"], &[], 900), greeting(&["b.org"], &[], 900), greeting(&[], &[], 900));
    let retry = retry_request();
    let all = [&good[..], EARLY, CHANGE, &good, EARLY].concat();
    assert_eq!(
        through(&[Client(&good), Client(EARLY), Server(&retry), Client(&all[good.len() + EARLY.len()..])]),
        Ok(all.clone())
    );
    for bad in [&other, &none, &greeting(&["a.org"], &[0xfe, 0x0d, 0, 1, 0], 900)] {
        assert_eq!(through(&[Client(&good), Server(&retry), Client(bad)]), Err(Barrier::OtherName));
        assert_eq!(
            through(&[Client(&good), Client(EARLY), Client(bad), Server(&retry)]),
            Err(Barrier::OtherName)
        );
        let at_once = [&good[..], EARLY, CHANGE, bad].concat();
        assert_eq!(through(&[Client(&at_once), Server(&retry)]), Err(Barrier::OtherName));
        // Before the server has asked, nobody has it.
        assert_eq!(through(&[Client(&at_once)]), Ok([&good[..], EARLY, CHANGE].concat()));
    }
    let bytewise: Vec<Says<'_>> = good
        .chunks(1)
        .map(Client)
        .chain(retry.chunks(1).map(Server))
        .chain(other.chunks(1).map(Client))
        .collect();
    assert_eq!(through(&bytewise), Err(Barrier::OtherName));
}

#[test]
fn once_the_server_has_greeted_back_everything_passes() {
    let (good, back) = (greeting(&["a.org"], &[], 900), server_hello(&[7; 32], 100));
    let key = [0x16, 3, 3, 0, 4, 16, 0, 0, 0];
    assert_eq!(
        through(&[Client(&good), Server(&back), Client(&key), Client(b"any")]),
        Ok([&good[..], &key, b"any"].concat())
    );
    assert_eq!(through(&[Client(&good), Client(&key), Server(&back)]), Ok([&good[..], &key].concat()));
    assert_eq!(through(&[Client(&good), Client(b"GET / HTTP/1.1\r\n")]), Err(Barrier::Malformed));
}

#[test]
fn a_crooked_line_of_http_does_not_end() {
    for line in ["G(T / HTTP/1.1\r\n", "\"GET\" / http/1.1\r\n", "\r\n{GET} / HTTP/1.1\n", "<x> HTTP/1.0\n"] {
        let pieces: Vec<Says<'_>> = line.as_bytes().chunks(1).map(Client).collect();
        assert_eq!(through(&pieces), Err(Barrier::Malformed), "{line}");
        assert_eq!(through(&[Client(line.as_bytes())]), Err(Barrier::Malformed), "{line}");
    }
    for line in
        ["<stream:stream to='a.org'>", "8=FIX.4.2\u{1}", "{\"a\":1}\n HTTP/", "0032git-upload-pack /x\0HTTP/"]
    {
        assert_eq!(through(&[Client(line.as_bytes())]), Ok(line.as_bytes().to_vec()));
    }
}
