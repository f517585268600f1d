//! Single ports between the loopbacks: the one that a rule names leads through, and nothing beside it.

use super::gateway::UNSET;
use super::gateway_live::beside;
use crate::internet;
use crate::internet::line::Judge;
use crate::program;
use crate::row::{Outcome, Row, Scope};
use crate::session::Session;

pub(super) fn rows() -> Vec<Row> {
    let rows: [(&str, &'static [u8], Judge); 5] = [
        ("gateway: port_of_the_host_that_a_rule_names_and_no_other", &[45], of_the_host),
        ("gateway: published_port_is_the_hosts_loopback_alone", &[], |session| published(session, "rules")),
        ("gateway: published_port_without_a_network", &[], |session| published(session, "none")),
        ("gateway: published_port_that_is_in_use_refuses_the_run", &[], in_use),
        ("gateway: ceiling_without_a_network_publishes_nothing", &[], under_a_ceiling),
    ];
    let only = Scope::Namespaces("only a network namespace of its own has a loopback of its own");
    let row = |(name, threats, check): (&str, &'static [u8], Judge)| internet::row(name, threats, &[], check);
    rows.into_iter().map(row).map(|row| row.only(only)).collect()
}

fn of_the_host(session: &Session) -> Result<Outcome, String> {
    let others = "for url in http://localhost:80/o http://127.0.0.1:80/o http://127.0.0.2:8080/o http://203.0.113.1:8080/o; do \
        curl -sS -m 3 $url; curl -sS -m 3 --noproxy '' -x http://127.0.0.1:1023 $url; \
        curl -sS -m 3 --noproxy '' -x socks5h://127.0.0.1:1023 $url; done; true";
    let named = "for host in localhost 127.0.0.1 '[::1]'; do curl -gsS -m 3 http://$host:8080/named || exit 9; done\n\
        curl -sS -m 3 --noproxy '' -x http://127.0.0.1:1023 http://localhost:8080/named || exit 8";
    let flags = ["--host-port", "8080"].map(str::to_owned);
    let place = session.place()?;
    let fenced = internet::fenced(session, &place, &flags, &format!("{UNSET}{named}\n{others}"))?;
    let reached = |told: &internet::Told, what: &str| told.log.matches(what).count();
    if fenced.ran.code != 0 || reached(&fenced, "GET /named") != 4 {
        return Err(format!(
            "the port that is named is not reached: {}\n{}",
            fenced.ran.describe(),
            fenced.log
        ));
    }
    if reached(&fenced, "GET /o") + reached(&fenced, "tcp 127.0.0.1 80\n") + reached(&fenced, "tcp 203.") > 0
    {
        return Err(format!("another is reached: {}", fenced.describe()));
    }
    let bare = internet::bare(session, &session.place()?, others)?;
    Ok(bare.proves(
        ["tcp 127.0.0.1 80\n", "tcp 127.0.0.2 8080", "tcp 203.0.113.1 8080"]
            .iter()
            .all(|one| bare.log.contains(one)),
    ))
}

/// Serves on the inner loopback until told to end.
const SERVE: &str = "mkdir -p served; echo content > served/page\n\
    python3 -m http.server 3000 --bind 127.0.0.1 --directory served >/dev/null 2>&1 & four=$!\n\
    python3 -m http.server 3001 --bind ::1 --directory served >/dev/null 2>&1 & six=$!\n\
    touch ready; until [ -e end ]; do sleep 0.02; done; kill $four $six";

fn published(session: &Session, mode: &str) -> Result<Outcome, String> {
    // A server on every address of the host, to show that those are there.
    let outside = "wait_for ready\n\
        get() { for _ in $(seq 50); do curl -gs -m 3 $1 && return; sleep 0.2; done; echo missing $1; }\n\
        get http://127.0.0.1:28080/page; get 'http://[::1]:28080/page'; get http://127.0.0.1:28081/page\n\
        echo others; for host in 203.0.113.1 198.51.100.7 127.0.0.2 '[2001:db8:1::1]'; do \
        curl -gsS -m 3 http://$host:28080/page && echo reached; done\n\
        echo control; curl -sS -m 3 http://203.0.113.1:8080/page; touch end";
    let flags = ["--network", mode, "--publish", "28080:3000", "--publish", "28081:3001"];
    let told = beside(session, &session.place()?, &flags, (SERVE, outside))?;
    let text = told.ran.text();
    let parts = text.split_once("others").and_then(|(own, rest)| Some((own, rest.split_once("control")?)));
    let Some((own, (others, control))) = parts else { return told.judge(false) };
    if !control.contains("served by 203.0.113.1") {
        return Ok(told.proves(false));
    }
    let good =
        own.matches("content").count() == 3 && !others.contains("reached") && control.contains("ended 0");
    told.judge(good)
}

fn in_use(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let flags = ["--publish", "28080:3000"].map(str::to_owned);
    let mut second = session.fence(&place, &flags);
    second.args(["touch", "second"]);
    let inside = "touch ready; until [ -e end ]; do sleep 0.02; done";
    let again = program::words(&second);
    let outside = format!(
        "wait_for ready; sleep 0.2; {again}; echo code $?; [ -e second ] && echo it ran; touch end; wait $run; {again}; echo then $?"
    );
    let told = beside(session, &place, &["--publish", "28080:3000"], (inside, &outside))?;
    let text = told.ran.text();
    let words = ["code 125", "port 28080", "network.publish = \"28080:3000\"", "28081:3000", "then 0"];
    told.judge(words.iter().all(|word| text.contains(word)) && !text.contains("it ran"))
}

fn under_a_ceiling(session: &Session) -> Result<Outcome, String> {
    let place = session.place()?;
    let ceiling = place.outside.join("ceiling.toml");
    std::fs::write(&ceiling, "kind = \"ceiling\"\n[network]\nmode = \"none\"\n")
        .map_err(|error| format!("writing the ceiling: {error}"))?;
    let outside = "wait_for ready; curl -sS -m 3 http://127.0.0.1:28080/page; echo code $?; touch end";
    let flags = ["--publish", "28080:3000", "--layer", ceiling.to_str().unwrap_or_default()];
    let told = beside(session, &place, &flags, (SERVE, outside))?;
    // Nobody listens: an open port that leads nowhere would break off (56).
    told.judge(["ended 0", "code 7"].iter().all(|word| told.ran.text().contains(word)))
}
