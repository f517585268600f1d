//! One run in a process of its own, which the rows start, signal and stop. Not the ringfence program: it prints only
//! what rows ask for.

use std::collections::BTreeMap;
use std::process::ExitCode;

use ringfence::{AbsPath, Audit, AuditDestination, CgroupHost, Ending, Field, Record, RuleId, Run};
use ringfence_policy::{Flag, Request, compile, compose, load};

/// `[KEY=VALUE | SWITCH]… -- COMMAND…`: a key with a dot is a field of the policy, the rest are below.
pub(crate) fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut request = request();
    let mut host = ringfence::probe();
    let (mut terminal, mut verbose, mut allow_unenforced) = (false, false, Vec::new());
    let (mut audit, mut bypass, mut record) = (Vec::new(), true, Record::default());
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next_if(|argument| argument != "--") {
        match argument.as_str() {
            "no-cgroup" => host.cgroup = CgroupHost::None { why: "the row says so".into() },
            "terminal" => terminal = true,
            "own-session" => own_session(),
            "verbose" => verbose = true,
            "lenient" => allow_unenforced = Field::ALL.to_vec(),
            "no-bypass" => bypass = false,
            other => match other.split_once(':') {
                Some(("audit", path)) => audit.push(AuditDestination::File(AbsPath::new(path).unwrap())),
                Some(("log", path)) => audit.push(AuditDestination::Socket(AbsPath::new(path).unwrap())),
                Some(("state", path)) => record.state = Some(path.into()),
                Some(("reason", why)) => record.break_glass = Some(why.into()),
                _ => request.flags.push(flag(other)),
            },
        }
    }
    let argv: Vec<_> = arguments.skip(1).map(Into::into).collect();
    let plan = load(&request).and_then(compose).and_then(|composed| compile(&composed));
    let mut plan = plan.unwrap_or_else(|report| panic!("{}", report.render(false)));
    let rule = RuleId(0);
    plan.oversight.audit = audit.into_iter().map(|destination| Audit { destination, rule }).collect();
    plan.oversight.bypass = bypass;
    let run = Run {
        plan,
        host,
        argv,
        cwd: request.cwd,
        caller_env: std::env::vars_os().collect(),
        terminal,
        allow_unenforced,
        record,
        around: None,
    };
    match run.prepare().and_then(|prepared| {
        prepared.run(&mut |event| {
            if verbose {
                eprintln!("event: {event:?}");
            }
        })
    }) {
        Ok(outcome) => {
            if verbose {
                eprintln!("outcome: {outcome:?}");
            }
            ExitCode::from(match outcome.ending {
                Ending::Exited(code) => code,
                Ending::Signaled(signal) => 128 + signal as u8,
                Ending::Stopped(_) => 124,
            })
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn request() -> Request {
    let caller_env: BTreeMap<String, String> = std::env::vars().collect();
    Request {
        cwd: std::env::current_dir().unwrap(),
        home: caller_env.get("HOME").map(Into::into).unwrap_or_default(),
        user: "tester".into(),
        caller_env,
        ..Request::default()
    }
}

fn flag(text: &str) -> Flag {
    let (key, value) = text.split_once('=').unwrap_or_else(|| panic!("no such switch: {text}"));
    let known = ringfence_policy::FIELDS.iter().find(|field| field.key == key);
    let key = known.unwrap_or_else(|| panic!("no such field: {key}")).key;
    Flag { key, value: value.into(), typed: text.into() }
}

/// Makes standard output (a terminal) the controlling one of a new session, as a terminal emulator would.
fn own_session() {
    rustix::process::setsid().unwrap();
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdout()).unwrap();
}
