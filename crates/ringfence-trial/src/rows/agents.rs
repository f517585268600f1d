//! The presets of agents, with a shell in the agent's place: what lasts of its state, what does not, and whose logins it
//! does not see.
//!
//! The agents themselves, where they are at hand, are in `clients`.

use std::fs;

use crate::attack::{Attack, prepare};
use crate::place::CANARY;
use crate::row::{Row, Scope, outcome};
use crate::session::Session;

/// Why the rows have no meaning without mounts.
pub(super) const NEEDS_COPIES: Scope =
    Scope::Namespaces("an agent's state is a copy, and copies need mounts");

/// An agent's state below HOME.
pub(super) struct Agent {
    /// Its preset.
    pub(super) preset: &'static str,
    /// Its login, where it stands in a file of its own.
    pub(super) login: &'static str,
    /// What is there before.
    state: &'static [(&'static str, &'static str)],
    /// What outlives a run: a file that the agent makes.
    pub(super) lasts: &'static [&'static str],
    /// What an agent outside of the fence takes orders or permissions from: files that are there or not.
    pub(super) orders: &'static [&'static str],
}

/// Every agent with a state of its own.
pub(super) const AGENTS: &[Agent] = &[
    Agent {
        preset: "claude-code",
        login: ".claude/.credentials.json",
        state: &[
            (".claude.json", r#"{"hasCompletedOnboarding":true}"#),
            (".claude/settings.json", "{}"),
            (".claude/projects/other/x.jsonl", "{}"),
            (".claude/history.jsonl", ""),
        ],
        lasts: &[".claude/projects/new/session.jsonl"],
        orders: &[
            ".claude.json",
            ".claude/settings.json",
            ".claude/settings.local.json",
            ".claude/hooks/start",
            ".claude/skills/x/SKILL.md",
            ".claude/commands/x.md",
            ".claude/agents/x.md",
            ".claude/plugins/config.json",
            ".claude/shell-snapshots/snapshot-bash-1.sh",
        ],
    },
    Agent {
        preset: "codex",
        login: ".codex/auth.json",
        state: &[(".codex/config.toml", "# as it was\n"), (".codex/sessions/x.jsonl", "")],
        lasts: &[".codex/sessions/2026/session.jsonl"],
        orders: &[
            ".codex/config.toml",
            ".codex/hooks.json",
            ".codex/rules/default.rules",
            ".codex/skills/x/SKILL.md",
            ".codex/prompts/x.md",
            ".codex/AGENTS.md",
        ],
    },
    Agent {
        preset: "copilot-cli",
        login: ".copilot/config.json",
        state: &[(".copilot/settings.json", "{}"), (".copilot/session-state/x/events.jsonl", "")],
        lasts: &[".copilot/session-state/new/events.jsonl"],
        orders: &[
            ".copilot/config.json",
            ".copilot/settings.json",
            ".copilot/mcp-config.json",
            ".copilot/installed-plugins/x",
            ".copilot/agents/x.md",
            ".copilot/skills/x/SKILL.md",
        ],
    },
    Agent {
        preset: "gemini-cli",
        login: ".gemini/oauth_creds.json",
        state: &[
            (".gemini/settings.json", r#"{"security":{"auth":{"selectedType":"gemini-api-key"}}}"#),
            (".gemini/tmp/x/logs.json", "[]"),
        ],
        lasts: &[".gemini/tmp/new/chats/session.jsonl"],
        orders: &[
            ".gemini/settings.json",
            ".gemini/trustedFolders.json",
            ".gemini/extensions/x/gemini-extension.json",
            ".gemini/commands/x.toml",
            ".gemini/policies/x.toml",
            ".gemini/tmp/bin/rg",
            ".gemini/GEMINI.md",
        ],
    },
    Agent {
        preset: "opencode",
        login: ".local/share/opencode/auth.json",
        state: &[(".config/opencode/opencode.json", "{}"), (".local/share/opencode/log/x", "")],
        lasts: &[],
        orders: &[
            ".config/opencode/opencode.json",
            ".config/opencode/plugin/x.js",
            ".local/share/opencode/opencode.db",
            ".local/share/opencode/bin/server",
        ],
    },
    Agent {
        preset: "openclaw",
        login: ".openclaw/credentials/channel/creds.json",
        state: &[(".openclaw/openclaw.json", "{}"), (".openclaw/state/x", ""), (".openclaw/workspace/x", "")],
        lasts: &[".openclaw/state/new", ".openclaw/workspace/new.md"],
        orders: &[
            ".openclaw/openclaw.json",
            ".openclaw/extensions/x/index.js",
            ".openclaw/hooks/x/handler.js",
            ".openclaw/skills/x/SKILL.md",
        ],
    },
    Agent {
        preset: "aider",
        login: ".aider/oauth-keys.env",
        state: &[(".aider.conf.yml", "# as it was\n"), (".aider/caches/x", "")],
        lasts: &[],
        orders: &[".aider.conf.yml", ".aider.model.settings.yml", ".aider/oauth-keys.env"],
    },
    Agent {
        preset: "goose",
        login: ".config/goose/secrets.yaml",
        state: &[(".config/goose/config.yaml", "# as it was\n"), (".local/share/goose/sessions/x", "")],
        lasts: &[".local/share/goose/sessions/new.jsonl"],
        orders: &[
            ".config/goose/config.yaml",
            ".config/goose/permission.yaml",
            ".config/goose/secrets.yaml",
            ".local/share/goose/schedule.json",
        ],
    },
    Agent {
        preset: "cursor-agent",
        login: ".config/cursor/auth.json",
        state: &[(".cursor/cli-config.json", "{}"), (".cursor/chats/x", "")],
        lasts: &[".cursor/chats/new/store.db"],
        orders: &[".cursor/cli-config.json", ".cursor/mcp.json", ".cursor/projects/x/mcp-approvals.json"],
    },
];

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for agent in AGENTS {
        rows.push(agent.takes_no_orders_from_inside().row());
        rows.push(agent.sees_no_other_secrets().row());
        rows.push(
            Row::new(
                format!("preset {}: its login is read, and its sessions last", agent.preset),
                &[],
                |s| outcome(agent.works(s)),
            )
            .only(NEEDS_COPIES),
        );
    }
    rows
}

impl Agent {
    /// The flags that a run of this agent has. Names are not resolved yet, so that there is no network at all.
    pub(super) fn flags(&self) -> [&'static str; 4] {
        ["--agent", self.preset, "--network", "none"]
    }

    /// The shell line that makes this agent's state, and every agent's login.
    pub(super) fn prepare(&self) -> String {
        let mut line = String::new();
        for agent in AGENTS {
            let login = format!(r#"{{"OPENAI_API_KEY":"{CANARY}"}}"#);
            line += &write(agent.login, &login, ">");
        }
        for (path, text) in self.state {
            line += &write(path, text, ">");
        }
        line
    }

    /// The shell line that plants orders.
    pub(super) fn plant(&self) -> String {
        self.orders.iter().map(|path| write(path, PLANTED, ">>")).collect::<String>() + "true"
    }

    /// The shell line that prints every secret but this agent's own.
    pub(super) fn spy(&self) -> String {
        let others = AGENTS.iter().filter(|agent| agent.preset != self.preset).map(|agent| agent.login);
        let secrets = [".ssh/id_ed25519", ".aws/credentials", ".config/gh/hosts.yml", "other-project/.env"];
        secrets.into_iter().chain(others).map(|path| format!("cat ~/{path}; ")).collect::<String>() + "true"
    }

    fn takes_no_orders_from_inside(&self) -> Attack {
        Attack::change_host(
            format!("preset {}: orders to an agent outside", self.preset),
            &[1, 2, 7],
            self.plant(),
        )
        .after(self.prepare())
        .flags(&self.flags())
        .only(NEEDS_COPIES)
    }

    fn sees_no_other_secrets(&self) -> Attack {
        let name = format!("preset {}: keys, and logins of other agents", self.preset);
        Attack::read(name, &[55], self.spy()).after(self.prepare()).flags(&self.flags()).only(NEEDS_COPIES)
    }

    fn works(&self, session: &Session) -> Result<(), String> {
        let place = session.place()?;
        prepare(session, &place, &self.prepare())?;
        let flags = self.flags().map(str::to_owned);
        let last: String = self.lasts.iter().map(|path| write(path, "lasting", ">")).collect();
        let line = format!("set -e\ncat ~/{}\n{last}", self.login);
        let ran = session.fenced(&place, &flags, &line)?;
        if ran.code != 0 || !ran.out().contains(CANARY) {
            return Err(format!("it does not read its own login, or keep its sessions: {}", ran.describe()));
        }
        let lost = self.lasts.iter().find(|path| fs::read_to_string(place.home.join(path)).is_err());
        lost.map_or(Ok(()), |path| Err(format!("{path} did not outlive the run: {}", ran.describe())))
    }
}

/// What is planted.
pub(super) const PLANTED: &str = "rftrial-planted";

/// A shell line that writes `text` to `path` below HOME, and goes on where it cannot.
fn write(path: &str, text: &str, how: &str) -> String {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    format!("mkdir -p ~/{directory}; printf %s '{text}' {how} ~/{path}\n")
}
