//! What the gateway costs: the same client on a server of this machine, directly and through it.
//! The server is on an address of the machine's own, which a rule for that one address allows.

use super::ledger::{Bound, Ledger};
use super::rounds::{Series, interleave};
use super::stage::Stage;
use super::subject::{Subject, command};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

const NOTE: &str = "One stream of 128 MiB; 16 connections that are kept, 200 requests of 256 bytes on each; 100 connections \
    one after the other, a byte to and fro on each. Directly, and captured by the gateway; the server runs on the same \
    processors.";

const STREAM: usize = 128 << 20;
const KEPT: usize = 16;
const REQUESTS: usize = 200;
const NEW: usize = 100;
const HELD: usize = 5000;

pub(crate) fn measure(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    let address = start_server()?;
    let rule = address.to_string();
    let flags = ["--network", "rules", "--allow-net", &rule];
    let pair = |kind: &str| -> Result<Vec<Subject>> {
        let server = stage.server.display().to_string();
        let words = [server.as_str(), "bench-network", kind, &rule];
        Ok(vec![
            Subject::served(&format!("{kind}, directly"), &words, &stage.workspace)?,
            Subject::served(
                &format!("{kind}, through the gateway"),
                &stage.ours(&flags, &words),
                &stage.workspace,
            )?,
        ])
    };
    ledger.section("Network by rules", NOTE);
    let mut measured = Vec::new();
    for kind in ["stream", "kept", "new"] {
        let series = interleave(&mut pair(kind)?, stage.rounds)?;
        ledger.series(kind, &series);
        measured.push(series);
    }
    let speed = |series: &[Series]| 1.0 / series[1].ratio_to(&series[0]);
    ledger.target("one stream, against direct", Bound::AtLeast(0.5), speed(&measured[0]), " ×");
    ledger.target(
        "requests on 16 kept connections, against direct",
        Bound::AtLeast(0.33),
        speed(&measured[1]),
        " ×",
    );
    ledger.target("new connections, against direct", Bound::AtLeast(0.5), speed(&measured[2]), " ×");
    let added = measured[2][1].above(&measured[2][0]) * 1e3 / NEW as f64;
    ledger.target("a new connection, above direct", Bound::AtMost(150.0), added, " µs");
    hold(stage, ledger, &flags, &rule)?;
    start(stage, ledger, &flags)
}

/// What the gateway holds while many connections are open.
fn hold(stage: &Stage, ledger: &mut Ledger, flags: &[&str], rule: &str) -> Result<()> {
    let server = stage.server.display().to_string();
    let mut run = command(&stage.ours(flags, &[&server, "bench-network", "held", rule]), &stage.workspace)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start ringfence")?;
    let mut asked = run.stdin.take().context("no stdin")?;
    asked.write_all(b"x")?;
    let mut answer = [0; 1];
    let opened = run.stdout.take().context("no stdout")?.read(&mut answer)?;
    let peak = children(run.id()).into_iter().filter_map(resident).fold(0.0, f64::max);
    drop(asked);
    run.wait()?;
    ensure!(opened == 1, "{HELD} connections could not be opened: is the limit of open files too low?");
    ledger.target("the gateway with 5,000 open connections", Bound::AtMost(64.0), peak, " MiB");
    Ok(())
}

/// What rules add to the start of a run.
fn start(stage: &Stage, ledger: &mut Ledger, flags: &[&str]) -> Result<()> {
    let mut subjects = [
        Subject::program("no network", &stage.ours(&[], &["/usr/bin/true"]), &stage.workspace),
        Subject::program("rules", &stage.ours(flags, &["/usr/bin/true"]), &stage.workspace),
    ];
    let series = interleave(&mut subjects, stage.rounds * 2)?;
    ledger.series("spawn to exit of `true`", &series);
    ledger.target("start-up with rules, above none", Bound::AtMost(2.0), series[1].above(&series[0]), " ms");
    Ok(())
}

/// On an address that is not the loopback's, which nothing outside a machine is ever reached by.
fn start_server() -> Result<SocketAddr> {
    let probe = UdpSocket::bind("0.0.0.0:0")?;
    probe
        .connect("192.0.2.1:9")
        .context("this machine has no network, on whose address a server could be")?;
    let listener = TcpListener::bind((probe.local_addr()?.ip(), 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Small, since there are thousands of them.
            let _ = thread::Builder::new().stack_size(64 * 1024).spawn(move || answer(stream));
        }
    });
    Ok(address)
}

/// The first byte says what is wanted: a stream, or every byte back.
fn answer(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; 4096];
    while let Ok(length) = stream.read(&mut buffer) {
        match buffer[..length].first() {
            None => return,
            Some(b's') => return send(stream),
            Some(_) if stream.write_all(&buffer[..length]).is_err() => return,
            Some(_) => {}
        }
    }
}

fn send(mut stream: TcpStream) {
    let piece = vec![0; 256 * 1024];
    for _ in 0..STREAM / piece.len() {
        if stream.write_all(&piece).is_err() {
            return;
        }
    }
}

/// The client: for each byte on stdin does its work once, and answers the nanoseconds that it took.
pub(crate) fn client(words: &[String]) -> Result<()> {
    let [kind, address] = words else { bail!("bench-network needs a kind and an address") };
    let address: SocketAddr = address.parse()?;
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut kept = Vec::new();
    let mut byte = [0];
    while input.read(&mut byte)? == 1 {
        let start = Instant::now();
        match kind.as_str() {
            "stream" => stream(address)?,
            "kept" => requests(address, &mut kept)?,
            "new" => (0..NEW).try_for_each(|_| touch(address).map(drop))?,
            "held" => {
                for _ in 0..HELD {
                    kept.push(touch(address)?);
                }
            }
            other => bail!("no kind {other}"),
        }
        writeln!(output, "{}", start.elapsed().as_nanos())?;
        output.flush()?;
    }
    Ok(())
}

fn stream(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"s")?;
    let mut buffer = vec![0; 256 * 1024];
    let mut left = STREAM;
    while left > 0 {
        let length = stream.read(&mut buffer)?;
        ensure!(length > 0, "the stream ended early");
        left = left.saturating_sub(length);
    }
    Ok(())
}

/// A connection on which a byte went to and fro.
fn touch(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.write_all(b"e")?;
    stream.read_exact(&mut [0])?;
    Ok(stream)
}

fn requests(address: SocketAddr, kept: &mut Vec<TcpStream>) -> Result<()> {
    while kept.len() < KEPT {
        kept.push(touch(address)?);
    }
    thread::scope(|scope| {
        let running: Vec<_> = kept.iter_mut().map(|stream| scope.spawn(move || row(stream))).collect();
        running
            .into_iter()
            .try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("a client panicked"))?)
    })
}

fn row(stream: &mut TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let (request, mut answer) = ([b'e'; 256], [0; 256]);
    for _ in 0..REQUESTS {
        stream.write_all(&request)?;
        stream.read_exact(&mut answer)?;
    }
    Ok(())
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// VmRSS of proc_pid_status(5).
fn resident(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}
