//! One thing to be timed, again and again.
//! Knows nothing of what the thing is: a program with words, or a server that times it where it stands.

use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

pub(crate) struct Subject {
    pub(crate) name: String,
    kind: Kind,
}

enum Kind {
    /// Started by us; from spawn to the end of wait.
    Program(Command),
    /// Started by a server that lives where the work is to be done (inside a sandbox, among many mounts).
    Served { server: Child, ask: Option<ChildStdin>, answers: BufReader<ChildStdout> },
    /// A program that times itself and prints a table; the row's first figure is microseconds.
    Table { program: Command, row: String },
}

impl Subject {
    pub(crate) fn program(name: &str, words: &[impl AsRef<OsStr>], directory: &Path) -> Subject {
        let mut command = command(words, directory);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Subject { name: name.into(), kind: Kind::Program(command) }
    }

    /// The same program with a PATH that has root's programs too.
    pub(crate) fn with_roots_path(mut self) -> Subject {
        if let Kind::Program(command) = &mut self.kind {
            command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
        }
        self
    }

    /// `words` start a server that answers each byte with a line of nanoseconds.
    pub(crate) fn served(name: &str, words: &[impl AsRef<OsStr>], directory: &Path) -> Result<Subject> {
        let mut server = command(words, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start the server of {name}"))?;
        let ask = server.stdin.take();
        let answers = BufReader::new(server.stdout.take().context("the server has no stdout")?);
        Ok(Subject { name: name.into(), kind: Kind::Served { server, ask, answers } })
    }

    pub(crate) fn table(name: &str, words: &[impl AsRef<OsStr>], row: &str, directory: &Path) -> Subject {
        Subject {
            name: name.into(),
            kind: Kind::Table { program: command(words, directory), row: row.into() },
        }
    }

    /// Does it once; milliseconds.
    pub(crate) fn once(&mut self) -> Result<f64> {
        let name = &self.name;
        match &mut self.kind {
            Kind::Program(command) => time(command).with_context(|| format!("{name} failed")),
            Kind::Served { ask, answers, .. } => {
                ask.as_mut().context("the server was stopped")?.write_all(b"x")?;
                let mut line = String::new();
                answers.read_line(&mut line)?;
                let nanoseconds: f64 =
                    line.trim().parse().with_context(|| format!("the server of {name} ended"))?;
                Ok(nanoseconds / 1e6)
            }
            Kind::Table { program, row } => {
                let output = program.output().with_context(|| format!("failed to start {name}"))?;
                let text = String::from_utf8_lossy(&output.stdout);
                let line = text.lines().find(|line| line.split_whitespace().next() == Some(row));
                match line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()) {
                    Some(microseconds) => Ok(microseconds / 1e3),
                    None => bail!("{name} printed no row {row}: {}", String::from_utf8_lossy(&output.stderr)),
                }
            }
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Kind::Served { server, ask, .. } = &mut self.kind {
            // The end of its input is what ends a server.
            drop(ask.take());
            let _ = server.wait();
        }
    }
}

/// The server's side: for each byte on stdin runs `words` and answers the nanoseconds that it took.
pub(crate) fn serve(words: &[String]) -> Result<()> {
    let mut command = command(words, Path::new("."));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut byte = [0];
    while input.read(&mut byte)? == 1 {
        writeln!(output, "{}", time(&mut command)? * 1e6)?;
        output.flush()?;
    }
    Ok(())
}

pub(crate) fn command(words: &[impl AsRef<OsStr>], directory: &Path) -> Command {
    let (program, rest) = words.split_first().expect("a command has a first word");
    let mut command = Command::new(program);
    command.args(rest).current_dir(directory);
    command
}

fn time(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let status = command.status().context("failed to start")?;
    let took = start.elapsed();
    ensure!(status.success(), "{:?} ended with {status}", command.get_program());
    Ok(took.as_secs_f64() * 1e3)
}
