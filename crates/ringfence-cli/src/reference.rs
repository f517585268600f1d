//! docs/cli.md and docs/policy-reference.md, made from the tree of verbs and the rows of fields.
//! Tests and not a build step: a reference that has drifted fails here; RINGFENCE_BLESS=1 writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use ringfence_policy::{FIELDS, Kind};

use crate::commands::{alone, joined, paths, tree};
use crate::exit;

#[test]
fn the_command_line_reference_is_what_help_says() {
    is_written("cli.md", &command_line());
}

#[test]
fn the_policy_reference_is_what_the_parser_reads() {
    is_written("policy-reference.md", &policy());
}

fn command_line() -> String {
    let mut text = String::from(
        "# The command line\n\nThis file is made from the program by `RINGFENCE_BLESS=1 cargo test -p ringfence-cli`.\n\n",
    );
    write!(text, "```text\n{}```\n", trimmed(&tree().term_width(WIDTH).render_long_help().to_string()))
        .unwrap();
    for path in paths() {
        let help = alone(&path).term_width(WIDTH).render_long_help().to_string();
        let words = joined(&path, " ");
        write!(text, "\n## ringfence {words}\n\n```text\n{}```\n", trimmed(&help)).unwrap();
    }
    text.push_str("\n## Exit codes\n\n| code | verb | meaning |\n|---|---|---|\n");
    for (code, verb, meaning) in exit::TABLE {
        writeln!(text, "| {code} | {verb} | {meaning} |").unwrap();
    }
    text.push_str(OUTPUTS);
    text
}

/// Columns of the help in the reference, whatever terminal the test has.
const WIDTH: usize = 100;

const OUTPUTS: &str = "
## What goes where

Standard input, output and error belong to the command. `run` adds to standard error, after the command has ended:

- nothing, when nothing was refused and no limit reached;
- one line otherwise, and before it one of alarms where a credential's placeholder went astray or its value came back;
  `--quiet` leaves both out. Refused changes to protected and denied names are counted, with their rule. What is simply
  not there or not writable (mounts, Landlock, seccomp) the command sees as an error of its own call, and ringfence does
  not;
- with `--json` instead one object, always, as the last line: `exit_code`, `ending`, `backend`, `passed_over`,
  `denied`, `events` (each refusal with operation, path, rule and where the rule stands, and each connection),
  `events_left_out` (those past the first thousand of their kind, and those that came faster than they were heard),
  `warnings`, `presets`, `untrusted` (the project's policy, where it only narrows), `wall_ms`, `peak_memory`, `traffic`
  (connections, bytes and what failed, where the network is held by rules), `unrecorded` (records that did not reach their
  destination, and how many events were not heard). When the command did not start: `error` and `exit_code`.

The other verbs write what they have to say to standard output, with `--json` as one value. When they refuse, with 125,
standard output stays empty and the error goes to standard error, with `--json` as an object with `error` and `exit_code`.

Before the command starts, one line says so when the strongest backend is not to be had and a weaker one holds the
run, and one when the project's policy asks for something and is not trusted. Text that the command chose (paths, names) is shown with control characters and direction marks spelled out.
NO_COLOR, CLICOLOR_FORCE and TERM=dumb are followed.

## Which files are read and written

| file | what it is |
|---|---|
| `/etc/ringfence/ceiling.toml`, `/etc/ringfence/ceiling.d/*.toml` | the machine's ceilings; root's, or nothing runs |
| `~/.config/ringfence/ceiling.toml` | the user's ceiling |
| `~/.config/ringfence/policy.toml` | the user's policy |
| `~/.config/ringfence/agents/NAME.toml`, `tasks/ID.toml`, `stages/NAME.toml` beside it | what `--agent`, `--task` and `--stage` name |
| `ringfence.toml` in the project | the project's policy: only narrows until `ringfence policy trust`. The nearest one, here or above, counts alone; the project itself is still the whole repository |
| `~/.local/state/ringfence/trust` | what was trusted, with its text |
| `~/.local/state/ringfence/last-run.json` | what the last run was refused, for `ringfence why --last` |
| `~/.local/state/ringfence/log` | what was decided in the last runs, for `ringfence log` |
| `~/.local/state/ringfence/run` | sockets of runs that are under way, for `ringfence network` |

Inside a sandbox the variable RINGFENCE_PLAN names a file with its plan, which `ringfence why` and `ringfence run` read
there. `init`, `trust` and `trust --remove` refuse to work inside.
";

fn policy() -> String {
    let mut text = String::from(
        "# The fields of ringfence.toml\n\n\
         This file is made from the parser's own rows by `RINGFENCE_BLESS=1 cargo test -p ringfence-cli`.\n\n\
         Editors complete from schemas/ringfence.schema.json.\n\n",
    );
    text.push_str(TOP);
    let mut group = "";
    for spec in FIELDS {
        let (its_group, name) = spec.key.split_once('.').expect("fields have groups");
        if its_group != group {
            group = its_group;
            write!(
                text,
                "\n## [{group}]\n\n| field | value | flag | meaning | example |\n|---|---|---|---|---|\n"
            )
            .unwrap();
        }
        let flag = match spec.flag {
            _ if spec.ceiling_only => "– (ceilings only)".into(),
            flag => flag.map_or("–".into(), |flag| format!("`{flag}`")),
        };
        let value = value(spec.kind).replace('|', "\\|");
        writeln!(text, "| `{name}` | {value} | {flag} | {} | `{name} = {}` |", spec.help, spec.example)
            .unwrap();
    }
    text
}

/// What is no row of the table.
const TOP: &str = "\
## At the top

| key | value | meaning |
|---|---|---|
| `version` | `1` | the version of this language |
| `kind` | `\"policy\"` or `\"ceiling\"` | a policy grants; a ceiling only narrows what others grant |
| `extends` | presets and files | what this file adds to; `\"default\"` stands for the presets that the project's files call for |
| `[[conditional]]` | `when = { … }` and groups | groups that count where the condition holds |
| `about`, `detect` | a text; names of files | in presets: what it is for, and what in a project calls for it |

## Entries of lists

An entry is a text, or a table:

| key | meaning |
|---|---|
| `path`, `name`, `host` or `value` | the entry itself, as the text would be |
| `optional` | of paths: whether it may be absent |
| `why` | the reason, which `ringfence why` and records show |
| `when` | counts only where this holds: `{ os = \"linux\", stage = \"production\", host_has = \"git\" }`; every key must hold, of a list one value |
| `variable`, `below` | in presets: a variable of the caller's that moves the path, and what below it is meant |

Paths may begin with `~` or `/`, or are relative to the file that they stand in, and may use `$WORKSPACE`, `$HOME`,
`$TMPDIR`, `$USER`, `$AGENT` and `$TASK`. A `deny` in the user's and the machine's standing files says where a name is meant:
`**/NAME`, `$WORKSPACE/NAME` or `./NAME`.
";

fn value(kind: Kind) -> &'static str {
    match kind {
        Kind::Workspace => "a directory, or `false` for none",
        Kind::Path => "paths",
        Kind::PathPattern => "paths with `*`, `?`, `[…]` and `**`",
        Kind::Variable => "names, with `*` at either end",
        Kind::Variables => "a table of names and values",
        Kind::Network => "`\"none\"`, `\"rules\"` or `\"host\"`",
        Kind::Endpoint => {
            "hosts as `NAME`, `*.NAME`, an address or a block, each with `:PORT` or `:FIRST-LAST`; `udp://` before it for UDP"
        }
        Kind::Host => "hosts as `NAME`, `*.NAME`, an address or a block, without ports",
        Kind::Http => {
            "tables, or `[[network.http]]`: `host` as in `allow` (without a port 443), and what a request may be: `methods`, \
             `paths` (`*` for one segment or a part of one, `**` for any rest), `max_body`, `max_header`; what is left out \
             bounds nothing"
        }
        Kind::Credential => {
            "tables, or `[[network.credential]]`: `host`, `methods` and `paths` as in `http`, the `header` field, the \
             `source` of the secret, and the `placeholder`, `{ env = … }` or `{ file = … }`, where the command finds the \
             stand-in"
        }
        Kind::Budget => {
            "tables, or `[[network.budget]]`: `host` (without it the whole run), and `sent` bytes, `connections`, \
             `requests` a second"
        }
        Kind::Publish => "texts `OUTSIDE:INSIDE`, or one port for both",
        Kind::Listen => "ports",
        Kind::HostPort => "`localhost:PORT`, or the port alone",
        Kind::Proxy => {
            "`http://HOST:PORT`, `https://…`, `socks5://…`, or `\"environment\"`; a user and password stand in `proxy_credential`"
        }
        Kind::Secret => {
            "one of `{ env = NAME }`, `{ file = PATH }`, `{ command = [WORD, …] }`, `{ secret = \"SERVICE/ACCOUNT\" }`"
        }
        Kind::Resolver => "`https://HOST/PATH` or `tls://HOST`",
        Kind::EncryptedHello => "`\"allow\"` or `\"refuse\"`",
        Kind::Audit => "absolute paths of files; `unix:` before the path of a socket",
        Kind::Key => "public keys as minisign writes them",
        Kind::User => "names, or `uid:1000`",
        Kind::FieldName => "names of groups and fields",
        Kind::Size => "bytes: `\"2GiB\"`, `\"512MB\"`, a whole number, or `\"unlimited\"`",
        Kind::Count => "a whole number, or `\"unlimited\"`",
        Kind::Processors => "a number, or `\"unlimited\"`",
        Kind::Duration => "`\"10m\"`, `\"1h30m\"`, `\"500ms\"`, a number of seconds, or `\"unlimited\"`",
        Kind::Switch => "`true` or `false`",
        Kind::Level => "`\"auto\"`, `\"process\"` or `\"namespaces\"`",
    }
}

/// Without spaces at the ends of lines, which editors would take away.
fn trimmed(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn is_written(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("RINGFENCE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/{name} has drifted: RINGFENCE_BLESS=1 cargo test -p ringfence-cli");
}
