//! Real agents under their presets, where `RINGFENCE_CLIENTS` names a directory that npm has installed them in: each does
//! what its model asks for, one shell command after the other, with the model on the sandbox's own loopback.
//!
//! With a shell in the agent's place, which needs no client, the same is tried in `agents`.

use std::fs;
use std::path::{Path, PathBuf};

use super::agents::{AGENTS, Agent, NEEDS_COPIES, PLANTED};
use crate::attack::prepare;
use crate::place::{CANARY, Place};
use crate::program::Ran;
use crate::row::{Outcome, Row};
use crate::session::Session;

/// A client.
struct Client {
    preset: &'static str,
    /// Its name below `node_modules/.bin`.
    program: &'static str,
    /// How it is started without a person, in shell: `$CLIENT` is the program, `$MODEL_PORT` where the model listens.
    line: &'static str,
    /// Where its transcripts are, below HOME.
    transcripts: &'static str,
}

const CLIENTS: &[Client] = &[
    Client {
        preset: "claude-code",
        program: "claude",
        line: r#"ANTHROPIC_BASE_URL=http://127.0.0.1:$MODEL_PORT ANTHROPIC_API_KEY=none DISABLE_AUTOUPDATER=1 \
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 "$CLIENT" -p go --allowedTools Bash --model some-model"#,
        transcripts: ".claude/projects",
    },
    Client {
        preset: "codex",
        program: "codex",
        line: r#""$CLIENT" -c model=some-model -c model_provider=trial -c model_providers.trial.name=trial \
            -c "model_providers.trial.base_url=\"http://127.0.0.1:$MODEL_PORT/v1\"" \
            -c model_providers.trial.wire_api=responses exec --skip-git-repo-check -s danger-full-access go"#,
        transcripts: ".codex/sessions",
    },
    Client {
        preset: "gemini-cli",
        program: "gemini",
        line: r#"GEMINI_API_KEY=none GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:$MODEL_PORT GEMINI_CLI_TRUST_WORKSPACE=true \
            "$CLIENT" --yolo -m gemini-2.5-flash -p go"#,
        transcripts: ".gemini/tmp",
    },
];

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for client in CLIENTS {
        let mut row = |what: &str, threats, check: fn(&Client, &Session) -> Result<Outcome, String>| {
            let name = format!("client {}: {what}", client.program);
            let check = move |session: &Session| check(client, session).unwrap_or_else(Outcome::Failed);
            rows.push(Row::new(name, threats, check).only(NEEDS_COPIES));
        };
        row("works, and its transcript lasts", &[], Client::works);
        row("gives no orders to one outside", &[1, 2, 7, 59], Client::takes_no_orders_from_inside);
        row("sees no keys, and no logins of others", &[55, 59], Client::sees_no_other_secrets);
    }
    rows
}

/// What one run of a client left.
struct Left {
    place: Place,
    ran: Ran,
}

impl Client {
    fn works(&self, session: &Session) -> Result<Outcome, String> {
        let Some(program) = self.program() else { return Ok(self.missing()) };
        let step = "echo made-by-agent > made.txt";
        let (bare, fenced) = self.both(session, &program, step)?;
        let made = |left: &Left| fs::read_to_string(left.place.work.join("made.txt")).unwrap_or_default();
        if made(&bare) != "made-by-agent\n" {
            return Ok(Outcome::NotProved(format!(
                "it does not work without a fence: {}",
                bare.ran.describe()
            )));
        }
        if fenced.ran.code != 0 || made(&fenced) != "made-by-agent\n" {
            return Err(format!("it does not work inside: {}", fenced.ran.describe()));
        }
        let transcripts = |left: &Left| files_below(&left.place.home.join(self.transcripts));
        match transcripts(&fenced) == transcripts(&bare) {
            true => Ok(Outcome::Passed),
            false => Err(format!(
                "without a fence it keeps {} files in {}, with it {}: {}",
                transcripts(&bare),
                self.transcripts,
                transcripts(&fenced),
                fenced.ran.describe()
            )),
        }
    }

    fn takes_no_orders_from_inside(&self, session: &Session) -> Result<Outcome, String> {
        let Some(program) = self.program() else { return Ok(self.missing()) };
        let agent = self.agent()?;
        let (bare, fenced) = self.both(session, &program, &agent.plant())?;
        let planted = |left: &Left| -> Vec<&str> {
            let holds = |path: &&str| {
                fs::read_to_string(left.place.home.join(path)).is_ok_and(|text| text.contains(PLANTED))
            };
            agent.orders.iter().copied().filter(holds).collect()
        };
        match (planted(&fenced).as_slice(), planted(&bare).len() == agent.orders.len()) {
            ([], true) => Ok(Outcome::Passed),
            ([], false) => {
                let (few, all) = (planted(&bare), agent.orders);
                let why = format!("without a fence it plants {few:?} of {all:?}: {}", bare.ran.describe());
                Ok(Outcome::NotProved(why))
            }
            (paths, _) => Err(format!("it planted {}: {}", paths.join(", "), fenced.ran.describe())),
        }
    }

    fn sees_no_other_secrets(&self, session: &Session) -> Result<Outcome, String> {
        let Some(program) = self.program() else { return Ok(self.missing()) };
        let step = format!("({}) > seen.txt 2>&1", self.agent()?.spy());
        let (bare, fenced) = self.both(session, &program, &step)?;
        let seen = |left: &Left| fs::read_to_string(left.place.work.join("seen.txt")).unwrap_or_default();
        match (seen(&fenced), seen(&bare)) {
            (text, _) if text.contains(CANARY) => Err(format!("it saw a secret: {text}")),
            (text, _) if !text.contains("No such file") && !text.contains("Permission denied") => {
                Err(format!("it did not look: {text}{}", fenced.ran.describe()))
            }
            (_, text) if !text.contains(CANARY) => {
                Ok(Outcome::NotProved(format!("it sees none without a fence: {}", bare.ran.describe())))
            }
            _ => Ok(Outcome::Passed),
        }
    }

    /// One run without a fence and one inside, each in a place of its own, with a model that asks for `step`.
    fn both(&self, session: &Session, program: &Path, step: &str) -> Result<(Left, Left), String> {
        let agent = self.agent()?;
        let run = |fence: bool| -> Result<Left, String> {
            let place = session.place()?;
            prepare(session, &place, &agent.prepare())?;
            let write = |name: &str, text: &str| {
                fs::write(place.work.join(name), text).map_err(|error| format!("{name}: {error}"))
            };
            // In a file: what an agent thinks of a command's text, and refuses itself, is not on trial.
            write(".step", step)?;
            write(".script", "sh .step\n")?;
            write(".client", &format!("CLIENT='{}'\n{}\n", program.display(), self.line))?;
            let line = "\"$TRIAL\" play .script sh .client";
            let read = clients().unwrap_or_default().to_string_lossy().into_owned();
            let flags: Vec<String> =
                agent.flags().into_iter().map(str::to_owned).chain(["--read".into(), read]).collect();
            let ran =
                if fence { session.fenced(&place, &flags, line)? } else { session.bare(&place, line)? };
            Ok(Left { place, ran })
        };
        Ok((run(false)?, run(true)?))
    }

    fn agent(&self) -> Result<&'static Agent, String> {
        AGENTS.iter().find(|agent| agent.preset == self.preset).ok_or(format!("no agent {}", self.preset))
    }

    fn program(&self) -> Option<PathBuf> {
        Some(clients()?.join("node_modules/.bin").join(self.program)).filter(|program| program.exists())
    }

    fn missing(&self) -> Outcome {
        Outcome::Skipped(format!("RINGFENCE_CLIENTS names no directory with {}", self.program))
    }
}

/// The directory that clients were installed in.
fn clients() -> Option<PathBuf> {
    std::env::var_os("RINGFENCE_CLIENTS").map(PathBuf::from)
}

/// How many files lie below `directory`, but for what is there before.
fn files_below(directory: &Path) -> usize {
    let entries = directory.read_dir().into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}
