//! Weaknesses of the network: what is reached that should not be, and how a refusal looks.
//! Nothing leaves the machine: the listeners are the row's own, and refused addresses are those of documentation.

use super::row::{BOTH, OLD, Row, Seen};
use super::subject::Place;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("unix_socket_in_a_readable_directory", BOTH, unix_socket_in_a_readable_directory),
        Row::new("hosts_named_by_an_old_contract", OLD, hosts_named_by_an_old_contract),
        Row::new("refused_connection_hangs", BOTH, refused_connection_hangs).with_rules(),
        Row::new("root_takes_the_rules_away", BOTH, root_takes_the_rules_away).with_rules().by_root(),
    ]
}

fn unix_socket_in_a_readable_directory(place: &Place) -> Result<Seen> {
    let path = place.path("ro/s");
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777))?;
    let (sender, heard) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        if let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read_to_string(&mut text);
            let _ = sender.send(text);
        }
    });
    let command = format!(
        "perl -e 'socket(S,1,1,0) or die; connect(S, pack(\"Sa*\",1,\"{path}\")) or die \"$!\"; syswrite(S,\"from inside\")'"
    );
    place.tried(&place.request(&command, &json!({})))?;
    let heard = heard.recv_timeout(Duration::from_secs(1)).is_ok_and(|text| text == "from inside");
    Ok(Seen::of(heard, "a listener of the host heard it, with egress denied", "nothing was heard"))
}

/// The version decided how much was held: 0.7 and `block` with `allowedHosts` is the host's whole network.
fn hosts_named_by_an_old_contract(place: &Place) -> Result<Seen> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (sender, heard) = mpsc::channel();
    thread::spawn(move || sender.send(listener.accept().is_ok()));
    let more = json!({
        "version": "0.7.0-alpha",
        "network": {"defaultPolicy": "block", "allowedHosts": ["192.0.2.1"]},
    });
    place.run(&place.request(&connect("127.0.0.1", port, 2), &more))?;
    let reached = heard.recv_timeout(Duration::from_millis(500)).is_ok();
    Ok(Seen::of(reached, "the host's loopback was reached", "refused, or not reached"))
}

fn refused_connection_hangs(place: &Place) -> Result<Seen> {
    // Addresses of documentation (RFC 5737).
    let ran = place.tried(&place.request(&connect("198.51.100.1", 443, 3), &one_address("192.0.2.0/24")))?;
    ensure!(ran.stdout.contains("answered"), "it was not tried: {} {}", ran.stdout, ran.stderr);
    let hangs = ran.stdout.contains("answered 124");
    let took = ran.took.as_millis();
    Ok(Seen::of(hangs, "the client waits for its own time-out", format!("reset at once; {took} ms in all")))
}

fn root_takes_the_rules_away(place: &Place) -> Result<Seen> {
    let command =
        "PATH=/usr/sbin:/sbin:/usr/bin:/bin; iptables -P OUTPUT ACCEPT && iptables -F && echo flushed";
    let ran = place.run(&place.request(command, &one_address("192.0.2.0/24")))?;
    Ok(Seen::of(
        ran.stdout.contains("flushed"),
        "the chain of rules was emptied",
        "there is no chain to empty",
    ))
}

fn one_address(cidr: &str) -> Value {
    json!({"network": {"egress": {"default": "deny", "allow": [{"to": [{"cidr": cidr}]}]}}})
}

/// Tries a connection for so many seconds, and says how the try ended.
fn connect(host: &str, port: u16, seconds: u32) -> String {
    format!("timeout {seconds} bash -c 'exec 3<>/dev/tcp/{host}/{port}'; echo answered $?")
}
