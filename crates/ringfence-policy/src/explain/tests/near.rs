//! Questions about what is near this machine.

use super::*;

const POLICY: &str =
    "[network]\nallow = [\"0.0.0.0/0:80\", \"10.1.0.0/16:443\"]\nhost = [\"localhost:5432\"]\n";

fn refused(text: &str, words: &str) -> Answer {
    let answer = ask(text, words);
    assert_eq!(answer.verdict, Verdict::Refused, "{answer}");
    answer
}

#[test]
fn a_rule_for_every_address_leads_to_none_near_this_machine() {
    for near in ["10.0.0.1:80", "169.254.169.254:80", "100.100.100.200:80"] {
        let answer = refused(POLICY, &format!("connect {near}"));
        assert_eq!((answer.because, answer.shadowed[0].lost), (Because::NotInRules, Lost::Far), "{answer}");
    }
    assert_eq!(refused(POLICY, "connect 127.0.0.2:80").because, Because::Floor);
    refused(POLICY, "request GET http://10.0.0.1/");
    for reached in ["10.1.2.3:443", "9.9.9.9:80", "localhost:5432", "127.0.0.1:5432", "[::1]:5432"] {
        let answer = ask(POLICY, &format!("connect {reached}"));
        assert_eq!(answer.verdict, Verdict::Allowed, "{answer}");
    }
}

#[test]
fn a_port_of_the_hosts_loopback_is_suggested_as_one() {
    let answer = refused(POLICY, "connect localhost:6432");
    let text = answer.to_string();
    assert!(text.contains("host = [\"localhost:6432\"]") && text.contains("--host-port 6432"), "{text}");
    let denied = format!("{POLICY}deny = [\"127.0.0.1\"]\n");
    assert_eq!(refused(&denied, "connect localhost:5432").because, Because::Denied);
}

#[test]
fn what_one_author_says_of_all_and_another_of_one_block_is_that_block() {
    let every = "[network]\nallow = [\"0.0.0.0/0:80\"]\nhost = [\"localhost:1\"]\n";
    let block = "[network]\nallow = [\"10.0.0.0/8:80\"]\nhost = [\"localhost:2\"]\n";
    for (grants, bound) in [(every, block), (block, every)] {
        let mut stages = composed(grants).stages();
        let bounds = composed(bound).stages().into_iter();
        stages.extend(bounds.map(|stage| Stage { kind: StageKind::Parent, ..stage }));
        assert_eq!(why(&stages, &[], &question("connect 10.0.0.1:80")).verdict, Verdict::Allowed);
        for port in 1..=2 {
            let answer = why(&stages, &[], &question(&format!("connect localhost:{port}")));
            assert_eq!(answer.verdict, Verdict::Refused, "{answer}");
        }
    }
}
