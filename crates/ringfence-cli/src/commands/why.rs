//! `ringfence why`: whether the policy that counts here allows something, by which rule, and what would change that.
//! Not an attempt: it asks the policy, not the kernel.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};
use ringfence::{LastRun, Refusal, RefusedConnection};
use ringfence_plan::{AbsPath, Plan};
use ringfence_policy::explain::{Answer, Question, Verdict, why as ask};
use ringfence_policy::{Request, Stage, StageKind, Void};
use serde_json::json;

use crate::failure::Failure;
use crate::render::answer;
use crate::render::escape::escape;
use crate::render::style::{Meaning, Stream, Style};
use crate::render::words::operation_name;
use crate::{exit, flags, inside, render};

/// Flags and help.
pub(crate) fn command() -> Command {
    // Two, and not one that takes two words: between them a flag may stand.
    let word = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .value_name(name.to_uppercase())
            .required_unless_present("last")
            .conflicts_with("last")
            .help(help)
    };
    let command = Command::new("why")
        .about("Say whether something is allowed, by which rule, and what would change that")
        .override_usage(
            "ringfence why [OPTIONS] <read|write|connect|env> <WHICH>\n       ringfence why [OPTIONS] request <METHOD> <URL>\n       ringfence why --last [--json]",
        )
        .arg(word("what", "read, write, connect, request or env"))
        .arg(word("which", "A path, a host with its port, a variable, or the method of a request"))
        .arg(Arg::new("url").value_name("URL").conflicts_with("last").help("Of a request: its address"))
        .arg(
            Arg::new("last")
                .long("last")
                .action(ArgAction::SetTrue)
                .help("Explain what the last run was refused"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("The same as JSON"))
        .after_help(format!("{EXAMPLES}\n\n{}", super::exit_codes("why")));
    flags::add(command)
}

const EXAMPLES: &str = "\
Examples:
  ringfence why read ~/.ssh/id_ed25519
  ringfence why write .git/hooks/pre-commit
  ringfence why connect api.github.com:443
  ringfence why request GET https://api.github.com/repos/acme/x
  ringfence why env AWS_SECRET_ACCESS_KEY
  ringfence why --last
Inside a sandbox the answer is about that sandbox.";

/// Answers; the exit code is 0 for allowed and 1 for refused.
pub(crate) fn why(matches: &ArgMatches) -> Result<u8, Failure> {
    let policy = Policy::of(matches)?;
    if matches.get_flag("last") {
        return last(matches, &policy);
    }
    let words: Vec<&String> =
        ["what", "which", "url"].iter().filter_map(|word| matches.get_one(word)).collect();
    let question = Question::parse(&words, &policy.request.context()?, policy.workspace())
        .map_err(|why| Failure::Policy(why.into()))?;
    let asked = policy.ask(question);
    let text = match matches.get_flag("json") {
        true => format!("{:#}\n", asked.as_json()),
        false => asked.as_text(Style::of(Stream::Output)),
    };
    render::print(text.as_bytes())?;
    Ok(if asked.answer.verdict == Verdict::Refused { exit::NO } else { exit::DONE })
}

/// The policy that is asked.
struct Policy {
    request: Request,
    stages: Vec<Stage>,
    void: Vec<Void>,
}

impl Policy {
    /// Inside a sandbox its plan, as it was handed in; outside what a run with these flags would get.
    fn of(matches: &ArgMatches) -> Result<Policy, Failure> {
        if let Some(plan) = inside::plan()? {
            return Ok(Policy::inside(plan, flags::surroundings(flags::current_directory()?)));
        }
        let request = flags::request(matches)?;
        let composed = ringfence_policy::compose(ringfence_policy::load(&request)?)?;
        Ok(Policy { stages: composed.stages(), void: composed.void(), request })
    }

    fn workspace(&self) -> Option<&AbsPath> {
        self.stages.first().and_then(|stage| stage.plan.files.workspace.as_ref())
    }

    fn inside(plan: Plan, request: Request) -> Policy {
        let stage = Stage { name: "this sandbox".into(), kind: StageKind::Parent, plan };
        Policy { request, stages: vec![stage], void: Vec::new() }
    }

    /// Asks about the name and about what it leads to: a command gets there only if it gets through both.
    fn ask(&self, question: Question) -> Asked {
        let answer = |question: &Question| ask(&self.stages, &self.void, question);
        let led = led(&question);
        let named = answer(&question);
        match led.map(|led| answer(&led)) {
            Some(led) if led.verdict <= named.verdict => {
                Asked { leads: true, name: named.question, answer: led }
            }
            Some(led) => Asked { leads: true, name: led.question, answer: named },
            None => Asked { leads: false, name: question, answer: named },
        }
    }
}

/// An answer about a path under one of its names.
struct Asked {
    /// Whether the path has two names, since symlinks lead from one to the other.
    leads: bool,
    /// The name that the answer is not about.
    name: Question,
    answer: Answer,
}

impl Asked {
    fn as_text(&self, style: Style) -> String {
        let mut text = answer::as_text(&self.answer, style);
        if let (true, Some(other)) = (self.leads, path_of(&self.name)) {
            let line = format!("  symlinks   the same place is also called {}", escape(&other.to_string()));
            text.push_str(&format!("{}\n", style.paint(Meaning::Faint, line)));
        }
        text
    }

    fn as_json(&self) -> serde_json::Value {
        let mut object = json!(self.answer);
        if self.leads {
            object["also_called"] = json!(path_of(&self.name));
        }
        object
    }
}

fn path_of(question: &Question) -> Option<&AbsPath> {
    match question {
        Question::Read(path) | Question::Write(path) => Some(path),
        Question::Connect { .. } | Question::Request { .. } | Question::Env(_) => None,
    }
}

/// The question about where the path's symlinks lead, if that is elsewhere.
fn led(question: &Question) -> Option<Question> {
    let path = path_of(question)?;
    let real = AbsPath::new(real(path.as_path())).ok().filter(|real| real != path)?;
    Some(match question {
        Question::Write(_) => Question::Write(real),
        _ => Question::Read(real),
    })
}

/// `path` without symlinks, as far as it exists.
fn real(path: &Path) -> PathBuf {
    for above in path.ancestors() {
        if let Ok(real) = above.canonicalize() {
            // A trailing slash would make a directory of what need not be one.
            return match path.strip_prefix(above) {
                Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
                _ => real,
            };
        }
    }
    path.to_owned()
}

/// `--last`.
fn last(matches: &ArgMatches, policy: &Policy) -> Result<u8, Failure> {
    let places = policy.request.places.clone().with_home(&policy.request.home);
    let record = match places.state() {
        Some(state) => LastRun::read(&state).map_err(|source| Failure::Io {
            what: format!("read {}", LastRun::place(&state).display()),
            source,
            hint: Some("the next run writes it anew".into()),
        })?,
        None => None,
    };
    let json = matches.get_flag("json");
    let Some(record) = record else {
        render::print(if json { b"null\n" } else { b"the last run was refused nothing\n" })?;
        return Ok(exit::DONE);
    };
    let text = match json {
        true => format!("{:#}\n", last_as_json(&record, policy)),
        false => last_as_text(&record, policy, Style::of(Stream::Output)),
    };
    render::print(text.as_bytes())?;
    Ok(if record.denied == 0 { exit::DONE } else { exit::NO })
}

/// What the policy says now, unless it says something else by now.
fn now(refusal: &Refusal, policy: &Policy) -> Option<Answer> {
    let path = AbsPath::new(&refusal.path).ok()?;
    let answer = ask(&policy.stages, &policy.void, &Question::Write(path));
    Some(answer).filter(|answer| answer.verdict == Verdict::Refused)
}

/// The same of a connection or a request; nothing where that is no question to a policy, since a credential or a budget was
/// in the way.
fn connection_now(refusal: &RefusedConnection, policy: &Policy) -> Option<Answer> {
    if stopped(refusal).is_some() {
        return None;
    }
    let context = policy.request.context().ok()?;
    let question = match refusal.target.split_once(' ') {
        None => Question::parse(&["connect", &refusal.target], &context, None),
        Some((host, request)) => {
            let (method, path) = request.split_once(' ')?;
            let scheme = if host.ends_with(":80") { "http" } else { "https" };
            Question::parse(&["request", method, &format!("{scheme}://{host}{path}")], &context, None)
        }
    };
    Some(ask(&policy.stages, &policy.void, &question.ok()?))
}

/// How to go on where no rule for a host is in the way.
fn stopped(refusal: &RefusedConnection) -> Option<&'static str> {
    let by = |field: &str| refusal.rule.starts_with(field);
    match () {
        () if by("network.credential") => Some(
            "what was sent held a credential where it does not belong: it goes in its own header, to its own host",
        ),
        () if by("network.budget") => Some("it was spent; who wrote it can raise it"),
        () => None,
    }
}

fn last_as_text(record: &LastRun, policy: &Policy, style: Style) -> String {
    let argv = record.argv.join(" ");
    let title = format!("{} in {}, {}", escape(&argv), escape(&record.cwd), escape(&record.time));
    let mut text = format!("{}\n", style.paint(Meaning::Title, title));
    for refusal in &record.refusals {
        let times = if refusal.count == 1 { String::new() } else { format!(", {} times", refusal.count) };
        let rule = format!("{} ({})", refusal.rule, refusal.origin);
        text.push_str(&format!("{} {}{times}\n", operation_name(refusal.operation), escape(&refusal.path)));
        text.push_str(&format!("  was refused by {}\n", escape(&rule)));
        match now(refusal, policy) {
            Some(answer) => text.push_str(&answer::indented(&answer, style)),
            None => text.push_str("  here and now, without the flags of that run, it is allowed\n"),
        }
    }
    for refusal in &record.connections {
        let times = if refusal.count == 1 { String::new() } else { format!(", {} times", refusal.count) };
        let rule = format!("{} ({})", refusal.rule, refusal.origin);
        let what = if refusal.target.contains(' ') { "request to" } else { "connect to" };
        text.push_str(&format!("{what} {}{times}\n", escape(&refusal.target)));
        text.push_str(&format!("  was refused by {}\n", escape(&rule)));
        if let Some(how) = stopped(refusal) {
            text.push_str(&format!("  {how}\n"));
        }
        match connection_now(refusal, policy) {
            Some(answer) if answer.verdict == Verdict::Refused => {
                text.push_str(&answer::indented(&answer, style));
            }
            Some(_) => text.push_str("  here and now, without the flags of that run, it is allowed\n"),
            None => {}
        }
    }
    let told: u64 = record.refusals.iter().map(|refusal| refusal.count).sum::<u64>()
        + record.connections.iter().map(|refusal| refusal.count).sum::<u64>();
    if record.denied > told {
        text.push_str(&format!("and {} more\n", record.denied - told));
    }
    text
}

fn last_as_json(record: &LastRun, policy: &Policy) -> serde_json::Value {
    let mut object = json!(record);
    let refusals = record.refusals.iter().map(|refusal| {
        let mut object = json!(refusal);
        object["now"] = json!(now(refusal, policy));
        object
    });
    object["refusals"] = refusals.collect();
    let connections = record.connections.iter().map(|refusal| {
        let mut object = json!(refusal);
        let answer = connection_now(refusal, policy).filter(|answer| answer.verdict == Verdict::Refused);
        object["now"] = json!(answer);
        object
    });
    object["connections"] = connections.collect();
    object
}
