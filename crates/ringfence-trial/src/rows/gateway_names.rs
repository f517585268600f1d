//! Name servers that do not answer as they should: what failed is told as what it is, and never as a name that is none.

use super::gateway::{UNSET, flags};
use crate::internet;
use crate::internet::line::allowing;
use crate::row::{Outcome, Row};
use crate::session::Session;

/// What the name servers make of a name, and how that is told.
struct Case {
    name: &'static str,
    host: &'static str,
    /// What stands in the answer over HTTP and in the summary.
    says: &'static str,
    /// The status of the answer over HTTP.
    status: &'static str,
}

const CASES: &[Case] = &[
    Case { name: "fail", host: "failing.example", says: "failed to answer (SERVFAIL)", status: "502" },
    Case { name: "refuse", host: "refusing.example", says: "refused to answer (REFUSED)", status: "502" },
    Case { name: "keep silent", host: "silent.example", says: "did not answer in time", status: "504" },
];

/// Asks for a name as a resolver does, and prints the outcome (RFC 1035, 4.1.1).
pub(super) const ASK: &str = "python3 -c 'import socket,sys\n\
                   s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(20)\n\
                   q=b\"\".join(bytes([len(l)])+l.encode() for l in sys.argv[1].split(\".\"))\n\
                   s.sendto(b\"\\x00\\x01\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\"+q+b\"\\x00\\x00\\x01\\x00\\x01\",(\"203.0.113.53\",53))\n\
                   print(\"rcode\",s.recvfrom(500)[0][3]&15)' ";

pub(super) fn rows() -> Vec<Row> {
    let row = |case: &'static Case| {
        internet::row(
            format!("gateway: name servers that {} are told as that", case.name),
            &[],
            &[],
            move |session| judge(session, case),
        )
    };
    CASES.iter().map(row).collect()
}

fn judge(session: &Session, case: &Case) -> Result<Outcome, String> {
    let mut flags = flags();
    flags.extend(allowing(&[case.host, "absent.example"]));
    let line = |host: &str| {
        format!(
            "{UNSET}{ASK}{host}; curl -s -m 20 -w ' status %{{http_code}}' -x http://127.0.0.1:1023 http://{host}/"
        )
    };
    let told = internet::fenced(session, &session.place()?, &flags, &line(case.host))?;
    let (out, summary) = (told.ran.out(), told.ran.err());
    let good = out.contains("rcode 2")
        && out.contains(case.says)
        && out.contains(&format!("status {}", case.status))
        && summary.contains(&format!("did not reach {}", case.host))
        && summary.contains(case.says);
    if !good {
        return Err(told.describe());
    }
    // A name that is none is told as one.
    let absent = internet::fenced(session, &session.place()?, &flags, &line("absent.example"))?;
    let known = absent.ran.out().contains("rcode 3") && absent.ran.out().contains("there is no such name");
    Ok(absent.proves(known && !absent.ran.err().contains("did not reach")))
}
