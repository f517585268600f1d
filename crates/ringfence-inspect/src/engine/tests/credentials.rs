//! Where the placeholder of a credential may stand, and what becomes of an answer.

use ringfence_plan::{Credential, Placeholder, Source};
use zeroize::Zeroizing;

use super::*;

const VALUE: &str = "value-of-the-token";
const STAND_IN: &str = "ringfence-placeholder-0000";

fn with_credential() -> Rc<Inspector> {
    let credential = Credential {
        endpoint: "a.org:443".parse().unwrap(),
        header: "Authorization".into(),
        methods: Vec::new(),
        paths: Vec::new(),
        source: Source::Env("TOKEN".into()),
        placeholder: Placeholder::Env("TOKEN".into()),
        rule: RuleId(0),
    };
    let network =
        Network { mode: NetworkMode::Rules, credentials: vec![credential], ..Network::none(RuleId(0)) };
    let rules = Rules::over(network.clone(), Reach::new(network, Vec::new()));
    let mut inspector = Rc::into_inner(inspector()).unwrap();
    inspector.rules = RefCell::new(Rc::new(rules));
    inspector.secrets = vec![Secret::new(Zeroizing::new(VALUE.into())).unwrap()];
    inspector.texts = vec![STAND_IN.into()];
    inspector.placeholders = Arc::new(Needles::unknown([STAND_IN.into()]));
    Rc::new(inspector)
}

/// What a server reads of a request whose lines are these, and what the client hears.
async fn read_of(lines: &[&str]) -> (String, String) {
    answered(lines, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await
}

/// The same, where this is the answer.
async fn answered(lines: &[&str], answer: &'static str) -> (String, String) {
    let read = Rc::new(RefCell::new(String::new()));
    let (near, mut far) = duplex(1 << 20);
    let reads = read.clone();
    tokio::task::spawn_local(async move {
        let mut chunk = [0; 4096];
        let length = far.read(&mut chunk).await.unwrap();
        *reads.borrow_mut() = String::from_utf8_lossy(&chunk[..length]).into_owned();
        far.write_all(answer.as_bytes()).await.unwrap();
    });
    let server = Server::Up(Upstream::one(near).await.unwrap());
    let name = Target::parse("a.org").unwrap();
    let peer = Peer::Secure { address: Target::parse("192.0.2.1").unwrap(), name, port: 443 };
    let (mut client, ours) = duplex(1 << 20);
    tokio::task::spawn_local(serve(with_credential(), (peer, server), ours, 1));
    let text = [lines, &["Host: a.org", "", ""]].concat().join("\r\n");
    client.write_all(text.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let hears = client.read_to_end(&mut heard);
    let _ = tokio::time::timeout(std::time::Duration::from_millis(200), hears).await;
    let read = read.borrow().clone();
    (read, String::from_utf8_lossy(&heard).into_owned())
}

#[test]
fn the_placeholder_in_a_method_is_misplaced_as_everywhere_else() {
    within(async {
        let field = format!("Authorization: Bearer {STAND_IN}");
        let (read, heard) = read_of(&["GET / HTTP/1.1", &field]).await;
        assert!(read.contains(&format!("Bearer {VALUE}")) && heard.contains("200 OK"), "{read} {heard}");
        let (read, heard) = read_of(&[&format!("{STAND_IN} / HTTP/1.1")]).await;
        assert!(read.is_empty() && heard.contains("403"), "{read} {heard}");
    });
}

#[test]
fn no_client_has_the_wish_for_an_answer_without_compression_taken_out() {
    within(async {
        let lines = ["Connection: accept-encoding", "Accept-Encoding: gzip", "grpc-accept-encoding: gzip"];
        for line in lines {
            let (read, _) = read_of(&["GET / HTTP/1.1", line]).await;
            assert!(read.contains("\naccept-encoding: identity") && !read.contains("gzip"), "{line}: {read}");
        }
    });
}

#[test]
fn an_answer_that_cannot_be_searched_does_not_come_inside() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 4\r\n\r\nbody", true),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=\"iso-8859-1\"\r\nContent-Length: 4\r\n\r\nbody",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar; charset=binary\r\nContent-Length: 4\r\n\r\nbody",
            true,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=\r\nContent-Length: 4\r\n\r\nbody", true),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain;charset=IBM037\r\nContent-Length: 4\r\n\r\nbody",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; Charset = utf-16\r\nContent-Length: 4\r\n\r\nbody",
            false,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody", false),
        ("HTTP/1.1 200 OK\r\ngrpc-encoding: gzip\r\nContent-Length: 4\r\n\r\nbody", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\nsaid value-of-the-token", false),
    ];
    within(async {
        let field = format!("Authorization: Bearer {STAND_IN}");
        for (answer, comes) in cases {
            let (read, heard) = answered(&["GET / HTTP/1.1", &field], answer).await;
            assert!(read.contains(VALUE));
            assert_eq!(heard.ends_with("body"), comes, "{answer}: {heard}");
            assert!(!heard.contains(VALUE) && !heard.is_empty(), "{answer}: {heard}");
        }
        // Where nothing was put in, it is the client's own.
        let gzip = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody";
        assert!(answered(&["GET / HTTP/1.1"], gzip).await.1.ends_with("body"));
    });
}
