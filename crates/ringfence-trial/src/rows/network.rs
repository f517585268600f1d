//! The network: none is none, for every family and protocol; a listener on the host hears nothing.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::time::{Duration, Instant};

use crate::attack::Attack;
use crate::place::Place;
use crate::row::{Outcome, Row};
use crate::session::Session;

/// Refused by seccomp, by Landlock, or because the kernel of the fence has no such thing to give.
const REFUSED: &[&str] =
    &["EPERM", "EACCES", "ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EOPNOTSUPP"];

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut attacks = vec![Attack::native("socket_families", &[27, 51], REFUSED)];
    for (family, name) in FAMILIES {
        let attack = Attack::native("socket_family", &[27], REFUSED).aimed(&family.to_string());
        attacks.push(
            attack
                .called(format!("socket_family: {name}"))
                .host_may_refuse("this kernel or user has no such socket"),
        );
    }
    for (protocol, name) in [(5, "xfrm"), (9, "audit"), (12, "netfilter"), (15, "uevent"), (16, "generic")] {
        let attack = Attack::native("socket_netlink", &[35], REFUSED).aimed(&protocol.to_string());
        attacks.push(
            attack
                .called(format!("socket_netlink: {name}"))
                .host_may_refuse("this kernel has no such netlink"),
        );
    }
    attacks.push(Attack::native("socket_mptcp", &[22], REFUSED).host_may_refuse("this kernel has no MPTCP"));
    attacks.push(Attack::native("socket_sctp", &[22], REFUSED).host_may_refuse("this kernel has no SCTP"));
    attacks.push(Attack::native("socket_raw", &[22], REFUSED).host_may_refuse("raw sockets are root's"));
    let mut rows: Vec<Row> = attacks.into_iter().map(Attack::row).collect();
    for attempt in ["connect_tcp", "send_udp", "send_fast_open", "sendmsg_fast_open", "connect_mptcp"] {
        rows.push(
            Row::new(format!("host_listener_hears_nothing: {attempt}"), &[22, 53], move |session| {
                host_listener(session, attempt).unwrap_or_else(Outcome::Failed)
            })
            .held_by("network.mode"),
        );
    }
    rows.push(Row::new("host_abstract_socket", &[24], |s| {
        abstract_socket(s).unwrap_or_else(Outcome::Failed)
    }));
    for at in ["outside", "readable", "tmp"] {
        rows.push(Row::new(format!("host_unix_socket: {at}"), &[23], move |session| {
            unix_socket(session, at).unwrap_or_else(Outcome::Failed)
        }));
    }
    rows
}

/// Address families (socket.h) that namespaces do not hold or that open kernel code nobody here needs.
const FAMILIES: &[(u8, &str)] = &[
    (3, "ax25"),
    (15, "key"),
    (17, "packet"),
    (21, "rds"),
    (29, "can"),
    (30, "tipc"),
    (31, "bluetooth"),
    (38, "alg"),
    (39, "nfc"),
    (40, "vsock"),
    (41, "kcm"),
    (42, "qipcrtr"),
    (43, "smc"),
    (44, "xdp"),
];

fn host_listener(session: &Session, attempt: &str) -> Result<Outcome, String> {
    let fail = |error: std::io::Error| format!("the listener: {error}");
    let tcp = TcpListener::bind("127.0.0.1:0").map_err(fail)?;
    let port = tcp.local_addr().map_err(fail)?.port();
    let udp = UdpSocket::bind(("127.0.0.1", port)).map_err(fail)?;
    tcp.set_nonblocking(true).map_err(fail)?;
    udp.set_nonblocking(true).map_err(fail)?;
    let heard = || {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(100) {
            if tcp.accept().is_ok() || udp.recv(&mut [0; 16]).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    };
    let line = format!("\"$TRIAL\" attempt {attempt} {port}");
    let fenced = session.fenced(&session.place()?, &[], &line)?;
    if heard() {
        return Err(format!("the host's listener heard from inside: {}", fenced.describe()));
    }
    // Its exit code says nothing: a datagram may be sent into a network where nobody is.
    let bare = session.bare(&session.place()?, &line)?;
    Ok(match heard() {
        true => Outcome::Passed,
        false if attempt == "connect_mptcp" || attempt.ends_with("fast_open") => {
            Outcome::Skipped(format!("this host does not send that way either: {}", bare.describe()))
        }
        false => Outcome::NotProved(format!(
            "the listener hears nothing without a fence either: {}",
            bare.describe()
        )),
    })
}

fn abstract_socket(session: &Session) -> Result<Outcome, String> {
    let fail = |error: std::io::Error| format!("the listener: {error}");
    let name = format!("rftrial-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).map_err(fail)?;
    let _stream = UnixListener::bind_addr(&address).map_err(fail)?;
    let _datagram = UnixDatagram::bind_addr(&address).ok();
    refused_inside_only(
        session,
        &session.place()?,
        &[],
        &format!("\"$TRIAL\" attempt connect_abstract {name}"),
    )
}

fn unix_socket(session: &Session, at: &str) -> Result<Outcome, String> {
    if at == "readable"
        && let Some(text) = session.admits("network.mode", "can be connected to")
    {
        return Ok(Outcome::Skipped(format!("the backend says so itself: {text}")));
    }
    let place = session.place()?;
    // A unix address has room for 107 bytes only: short names.
    let directory = match at {
        "tmp" => std::path::PathBuf::from(format!("/tmp/rft{}s", std::process::id())),
        "readable" => place.outside.join("tree"),
        _ => place.outside.clone(),
    };
    std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let path = directory.join("s");
    let listener = UnixListener::bind(&path).map_err(|error| format!("the listener: {error}"))?;
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    let flags =
        if at == "readable" { vec!["--read".to_owned(), "$OUTSIDE/tree".to_owned()] } else { Vec::new() };
    let outcome = refused_inside_only(
        session,
        &place,
        &flags,
        &format!("\"$TRIAL\" attempt connect_unix {}", path.display()),
    );
    if at == "tmp" {
        let _ = std::fs::remove_dir_all(&directory);
    }
    let left = listener.accept().map(|(mut stream, _)| stream.read(&mut [0; 1]));
    match left {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(format!("the listener: {error}")),
        _ => outcome,
    }
}

/// Makes the attempt inside and outside at the same place, which must hold the other party.
fn refused_inside_only(
    session: &Session,
    place: &Place,
    flags: &[String],
    line: &str,
) -> Result<Outcome, String> {
    let fenced = session.fenced(place, flags, line)?;
    if fenced.code == 0 {
        return Err(format!("reached from inside: {}", fenced.describe()));
    }
    if !fenced.text().contains("refused: ") {
        return Err(format!("it failed, but not by being refused: {}", fenced.describe()));
    }
    let bare = session.bare(place, line)?;
    Ok(match bare.code {
        0 => Outcome::Passed,
        _ => Outcome::NotProved(format!("the attempt fails without a fence: {}", bare.describe())),
    })
}
