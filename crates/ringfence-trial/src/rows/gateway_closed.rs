//! Runs that begin with rules that allow nothing, and what may be added to them; runs without a network, to which nothing
//! may; and datagrams, of which only those can be added that come to the gateway.

use super::gateway::UNSET;
use super::gateway_listeners::without_netfilter;
use super::gateway_live::beside;
use crate::internet;
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::Session;

pub(super) fn rows() -> Vec<Row> {
    type Check = fn(&Session) -> Result<Outcome, String>;
    let rows: [(&str, &'static [u8], Check); 4] = [
        ("gateway: rules_that_allow_nothing_let_nothing_through_until_one_is_added", &[43, 44], closed),
        ("gateway: without netfilter: rules_that_allow_nothing_can_be_added_to", &[43, 44], listening),
        ("gateway: a run without a network cannot be changed and is told how one can", &[], none),
        ("gateway: udp: a_rule_is_added_where_the_port_comes_to_the_gateway", &[44], datagrams),
    ];
    let row = |(name, threats, check): (&str, &'static [u8], Check)| internet::row(name, threats, &[], check);
    rows.into_iter().map(row).collect()
}

fn closed(session: &Session) -> Result<Outcome, String> {
    let inside = "get() { curl -sS -m 5 http://good.example/$1; }\n\
        get before && exit 98; curl -s -m 5 http://203.0.113.11/before && exit 97; getent hosts evil.example && exit 96\n\
        touch ready; until [ -e allowed ]; do sleep 0.02; done; get between || exit 95; touch got\n\
        curl -s -m 5 http://evil.example/other && exit 94; until [ -e removed ]; do sleep 0.02; done\n\
        get after && exit 93; true";
    let outside = "wait_for ready; $rf network allow good.example:80 || echo not allowed; touch allowed\n\
        wait_for got; $rf network remove good.example:80 || echo not removed; touch removed";
    let told = beside(session, &session.place()?, &["--network", "rules"], (inside, outside))?;
    let (log, text) = (&told.log, told.ran.text());
    let good = text.contains("ended 0") && log.matches("GET /").count() == 1 && log.contains("GET /between");
    told.judge(good && !log.contains("evil") && !log.contains("203.0.113.11"))
}

/// One port has a listener from the start and one has not.
fn listening(session: &Session) -> Result<Outcome, String> {
    let inside = "get() { curl -sS -m 5 http://good.example$1; }\n\
        get /before && exit 98; touch ready; until [ -e allowed ]; do sleep 0.02; done; get /between || exit 97\n\
        get :8080/directly && exit 96; curl -sS -m 5 -x http://127.0.0.1:1023 http://good.example:8080/proxied || exit 95";
    let place = session.place()?;
    let mut command = session.fence(&place, &["--network".to_owned(), "rules".to_owned()]);
    command.args(["sh", "-c", &format!("{UNSET}{inside}")]);
    let line = format!(
        "{} & run=$!; for _ in $(seq 500); do [ -e ready ] && break; sleep 0.02; done\n\
         '{1}' network allow good.example:80; '{1}' network allow good.example:8080; touch allowed; wait $run; echo ended $?",
        program::words(&without_netfilter(session, &command)),
        session.ringfence.display()
    );
    let told = internet::bare(session, &place, &line)?;
    let (log, text) = (&told.log, told.ran.text());
    let says = text.contains("ended 0") && text.matches("is reached through the proxy alone").count() == 1;
    let came = ["/between", "/proxied"].iter().all(|path| log.contains(path));
    told.judge(says && came && !log.contains("/before") && !log.contains("/directly"))
}

/// With the run named and not: there is nobody to ask.
fn none(session: &Session) -> Result<Outcome, String> {
    let inside =
        "touch ready; until [ -e asked ]; do sleep 0.02; done; curl -sS -m 5 http://good.example/; true";
    let outside = "wait_for ready; $rf network allow good.example:80; echo first $?\n\
        $rf network allow --run $run good.example:80; echo second $?; touch asked";
    let told = beside(session, &session.place()?, &["--network", "none"], (inside, outside))?;
    let text = told.ran.text();
    let says = ["first 125", "second 125", "ended 0"].iter().all(|word| text.contains(word))
        && text.matches("start it with --network rules").count() == 2;
    told.judge(says && !told.log.contains("good.example") && !told.log.contains("tcp "))
}

/// The same datagram before, between and after; and one to a port that no rule named at the start.
fn datagrams(session: &Session) -> Result<Outcome, String> {
    let inside = "cat >send.py <<'E'\n\
        import socket, sys\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)\n\
        try:\n\
        \x20   s.connect((\"203.0.113.11\", int(sys.argv[1]))); s.send(b\"x\"); s.recv(99); print(\"answered\")\n\
        except OSError as error: print(type(error).__name__)\n\
        E\n\
        python3 send.py 7 >before; touch ready; until [ -e allowed ]; do sleep 0.02; done\n\
        python3 send.py 7 >between; python3 send.py 7001 >other; touch got; until [ -e removed ]; do sleep 0.02; done\n\
        python3 send.py 7 >after; echo $(cat before between other after)";
    let outside = "wait_for ready; $rf network allow udp://203.0.113.11:7 || echo not allowed\n\
        $rf network allow udp://203.0.113.11:7001; echo other $?; touch allowed\n\
        wait_for got; $rf network remove udp://203.0.113.11:7 || echo not removed; touch removed";
    let flags = ["--allow-net", "udp://good.example:7"];
    let told = beside(session, &session.place()?, &flags, (inside, outside))?;
    let (log, text) = (&told.log, told.ran.text());
    let heard = "ConnectionRefusedError answered PermissionError ConnectionRefusedError";
    let says = [heard, "other 1", "--allow-net udp://203.0.113.11:7001", "ended 0"];
    let good = says.iter().all(|word| text.contains(word));
    told.judge(good && log.matches("datagram 203.0.113.11 7 ").count() == 1 && !log.contains(" 7001"))
}
