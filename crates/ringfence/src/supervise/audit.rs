//! Records of a run for whoever answers for the machine: its start, each refusal and limit, its end; a JSON object each.
//!
//! The command's arguments are recorded as they are, with whatever secrets somebody put there; values of variables are
//! not, neither the caller's nor those that a policy or `--env` sets. The destinations are opened with the caller's
//! rights: what its user must not alter afterwards belongs into a socket of the system's log, not into a file of his.

mod destination;

use std::ffi::CString;
use std::time::SystemTime;

use ringfence_plan::{Event, Plan, Verdict};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::destination::{Destination, Urgency};
use super::time;
use crate::error::Error;
use crate::outcome::Outcome;
use crate::run::Job;

/// Where records go, open. Without destinations it does nothing.
#[derive(Default)]
pub(super) struct Audit {
    /// Names the run in its records.
    run: String,
    destinations: Vec<Destination>,
    /// Records that some destination did not take, and why the first of them.
    lost: u64,
    first_loss: Option<String>,
}

impl Audit {
    /// Opens every destination of the plan and records the start: nothing is to run unrecorded.
    pub(super) fn begin(job: &Job<'_>) -> Result<Audit, Error> {
        let wanted = &job.plan.oversight.audit;
        if wanted.is_empty() {
            return Ok(Audit::default());
        }
        let mut audit = Audit { run: name(), ..Audit::default() };
        let start = audit.start(job).to_string();
        for audited in wanted {
            let refused = |why: String| Error::Audit {
                destination: destination::name(&audited.destination),
                why,
                rule: job.plan.rule(audited.rule).to_string(),
            };
            if let Some(rule) = destination::reachable(&audited.destination, job.plan) {
                let by = job.plan.rule(rule);
                return Err(refused(format!("the command could change it, since {by} lets it write there")));
            }
            let mut opened =
                Destination::open(&audited.destination).map_err(|error| refused(error.to_string()))?;
            opened.put(&start, Urgency::Required).map_err(|error| refused(error.to_string()))?;
            audit.destinations.push(opened);
        }
        Ok(audit)
    }

    /// Records a refusal or a limit.
    pub(super) fn event(&mut self, event: &Event, plan: &Plan) {
        if self.destinations.is_empty() {
            return;
        }
        let mut record = self.head("event");
        let Value::Object(told) = json!(event) else { return };
        record.extend(told);
        if let Some(rule) = event.rule() {
            record.insert("rule".into(), json!(plan.rule(rule)));
        }
        self.put(&Value::Object(record).to_string(), Urgency::Passing);
    }

    /// Records the end; says what could not be recorded.
    pub(super) fn end(&mut self, result: &Result<Outcome, Error>) -> Vec<String> {
        if self.destinations.is_empty() {
            return Vec::new();
        }
        let mut record = self.head("end");
        let Value::Object(told) = self.told(result) else { return Vec::new() };
        record.extend(told);
        // For whoever has the records alone; the user is told with the reason.
        record.insert("records_lost".into(), json!(self.lost));
        self.put(&Value::Object(record).to_string(), Urgency::Required);
        let records =
            if self.lost == 1 { "1 audit record".into() } else { format!("{} audit records", self.lost) };
        self.first_loss.iter().map(|loss| format!("{records}, the first {loss}")).collect()
    }

    fn put(&mut self, record: &str, urgency: Urgency) {
        for destination in &mut self.destinations {
            if let Err(error) = destination.put(record, urgency) {
                self.lost += 1;
                self.first_loss.get_or_insert_with(|| format!("to {}: {error}", destination.name()));
            }
        }
    }

    fn head(&self, record: &str) -> serde_json::Map<String, Value> {
        let fields = [("record", record), ("time", &time::now()), ("run", &self.run)];
        fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
    }

    fn start(&self, job: &Job<'_>) -> Value {
        let verdicts = &job.lowered.verdicts().0;
        let weaker: Vec<_> = verdicts.iter().filter(|entry| entry.verdict != Verdict::Enforced).collect();
        let uid = rustix::process::getuid().as_raw();
        let (argv, left_out) = bounded(&job.command.argv);
        let record = job.record;
        let mut start = self.head("start");
        let Value::Object(fields) = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uid": uid,
            "user": user_name(uid),
            "pid": std::process::id(),
            "host": rustix::system::uname().nodename().to_string_lossy(),
            "cwd": job.command.cwd.to_string(),
            "argv": argv,
            "argv_bytes_left_out": left_out,
            "backend": job.backend,
            "not_enforced": weaker,
            "allow_unenforced": job.allow_unenforced,
            "plan_sha256": fingerprint(job.plan),
            "layers": record.layers,
            "agent": record.agent,
            "task": record.task,
            "stage": record.stage,
            "break_glass": record.break_glass,
        }) else {
            return Value::Null;
        };
        start.extend(fields);
        Value::Object(start)
    }

    fn told(&self, result: &Result<Outcome, Error>) -> Value {
        match result {
            Ok(outcome) => json!({
                "ending": outcome.ending,
                "denied": outcome.denied,
                "events_left_out": outcome.left_out,
                "traffic": outcome.traffic,
                "limits": outcome.limits,
                "wall_ms": u64::try_from(outcome.wall_time.as_millis()).unwrap_or(u64::MAX),
                "peak_memory": outcome.peak_memory,
            }),
            Err(error) => json!({ "error": error.to_string() }),
        }
    }
}

/// Another one for every run of this host: the number of its process and the moment.
fn name() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", std::process::id(), since.as_nanos())
}

/// The arguments up to 32 KiB, which every log takes in one piece, and how many bytes are missing.
fn bounded(argv: &[CString]) -> (Vec<String>, usize) {
    const MOST: usize = 32 * 1024;
    let (mut room, mut left_out) = (MOST, 0);
    let mut kept = Vec::new();
    for argument in argv {
        let bytes = argument.as_bytes();
        let len = bytes.len().min(room);
        room -= len;
        left_out += bytes.len() - len;
        if len == bytes.len() || len > 0 {
            kept.push(String::from_utf8_lossy(&bytes[..len]).into_owned());
        }
    }
    (kept, left_out)
}

/// Of the plan as JSON; `None` where a path in it is no UTF-8, and the plan cannot be JSON.
fn fingerprint(plan: &Plan) -> Option<String> {
    let text = serde_json::to_vec(plan).ok()?;
    Some(Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The login name of a user of this machine's own; of a directory service's users only the number is known.
fn user_name(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string()))?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_arguments_are_cut_and_the_rest_is_counted() {
        let argv: Vec<CString> =
            ["sh", &"x".repeat(40_000), "", "y"].iter().map(|text| CString::new(*text).unwrap()).collect();
        let (kept, left_out) = bounded(&argv);
        assert_eq!(kept.iter().map(String::len).sum::<usize>() + left_out, 2 + 40_000 + 1);
        assert_eq!((kept[0].as_str(), kept[1].len(), left_out), ("sh", 32 * 1024 - 2, 7235));
    }

    #[test]
    fn the_last_record_counts_those_that_were_lost() {
        use ringfence_plan::{AbsPath, AuditDestination, Ending};
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| AbsPath::new(place.path().join(name)).unwrap();
        let log = std::os::unix::net::UnixDatagram::bind(at("log").as_path()).unwrap();
        let destinations = [AuditDestination::Socket(at("log")), AuditDestination::File(at("file"))];
        let destinations = destinations.iter().map(|one| Destination::open(one).unwrap()).collect();
        let mut audit = Audit { destinations, ..Audit::default() };
        drop(log);
        audit.put("{}", Urgency::Passing);
        let wall_time = std::time::Duration::ZERO;
        let outcome =
            crate::outcome::EventLog::new(&mut |_| {}).into_outcome(Ending::Exited(0), wall_time, None);
        let unrecorded = audit.end(&Ok(outcome));
        assert!(unrecorded[0].starts_with("2 audit records, the first to unix:"), "{unrecorded:?}");
        let text = std::fs::read_to_string(at("file").as_path()).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((&last["record"], &last["records_lost"]), (&json!("end"), &json!(1)));
    }

    #[test]
    fn root_has_its_name_and_nobody_knows_an_unused_number() {
        assert_eq!((user_name(0).as_deref(), user_name(u32::MAX - 7)), (Some("root"), None));
    }
}
