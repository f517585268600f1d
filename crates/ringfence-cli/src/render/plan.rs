//! A plan and what becomes of it on this host, for `ringfence plan`.
//! Not the policy: rules appear only with the place they come from.

use ringfence::Prepared;
use ringfence_plan::{AbsPath, Access, NetworkMode, NetworkRule, Plan, RuleId, Verdict, Verdicts};
use ringfence_policy::Composed;
use serde_json::json;

use super::escape::escape;
use super::policy;
use super::style::{Colours, Meaning, Style};
use super::table::{Cell, table};

mod gateway;

/// A plan with the fence that it gets.
pub(crate) struct Held<'a> {
    /// What to hold.
    pub(crate) plan: &'a Plan,
    /// What it was compiled from.
    pub(crate) composed: &'a Composed,
    /// What holds it.
    pub(crate) prepared: &'a Prepared,
    /// Granted paths that are not there, at which `run` would stop.
    pub(crate) absent: Vec<&'a AbsPath>,
    /// Why `run` would not start, if it would not.
    pub(crate) refusal: Option<&'a ringfence::Error>,
}

impl Held<'_> {
    /// For programs.
    pub(crate) fn as_json(&self) -> serde_json::Value {
        json!({
            "backend": self.prepared.backend(),
            "held": self.refusal.is_none(),
            "absent": self.absent,
            "refusal": self.refusal.map(ToString::to_string),
            "verdicts": self.prepared.verdicts(),
            "steps": self.prepared.steps(),
            "warnings": self.composed.warnings(),
            "presets": policy::presets_as_json(self.composed),
            "untrusted": self.composed.unsettled().map(|unsettled| &unsettled.name),
            "plan": self.plan,
        })
    }

    /// For people.
    pub(crate) fn as_text(&self, style: Style) -> String {
        let title = |text: &str| format!("\n{}\n", style.paint(Meaning::Title, text));
        let level = self.plan.rule(self.plan.containment.rule);
        let mut text =
            format!("{} by the {} backend", style.paint(Meaning::Title, "Held"), self.prepared.backend());
        text.push_str(&format!(" ({level})\n"));
        text.push_str(&policy::line(self.composed));
        text.push_str(&policy::untrusted(self.composed, style));
        text.push_str(&title("Fields"));
        text.push_str(&verdicts(self.prepared.verdicts(), style));
        text.push_str(&title("Files"));
        text.push_str(&files(self.plan, &self.absent, style));
        text.push_str(&title("Protected: readable, never created, changed, renamed or removed"));
        text.push_str(&protected(self.plan, style));
        if self.plan.network.mode != NetworkMode::None || self.plan.network.publish.iter().next().is_some() {
            text.push_str(&title("Network"));
            text.push_str(&hosts(self.plan, style));
        }
        text.push_str(&title("Environment"));
        text.push_str(&environment(self.plan, style));
        text.push_str(&title("Steps"));
        for (index, step) in self.prepared.steps().iter().enumerate() {
            text.push_str(&format!("  {:>3}  {}\n", index + 1, escape(step)));
        }
        let warnings = self.composed.warnings();
        if !warnings.0.is_empty() {
            text.push_str(&format!("\n{}", warnings.render(style.colours == Colours::On)));
        }
        text
    }
}

/// The verdicts as a table.
pub(crate) fn verdicts(verdicts: &Verdicts, style: Style) -> String {
    let rows = verdicts.0.iter().map(|entry| {
        let (word, meaning, why) = match &entry.verdict {
            Verdict::Enforced => ("held", Meaning::Good, None),
            Verdict::Narrowed { why } => ("stricter", Meaning::Warning, Some(why)),
            Verdict::Unenforced { why } => ("not held", Meaning::Bad, Some(why)),
        };
        let mechanism = match why {
            Some(why) if entry.mechanism.is_empty() => why.clone(),
            Some(why) => format!("{}; {why}", entry.mechanism),
            None => entry.mechanism.clone(),
        };
        vec![Cell::plain(entry.field.name()), Cell::of(meaning, word), Cell::plain(escape(&mechanism))]
    });
    table(&rows.collect::<Vec<_>>(), style)
}

/// Grants and protections, grouped by what may be done, each with its origin.
pub(crate) fn files(plan: &Plan, absent: &[&AbsPath], style: Style) -> String {
    let mut rows = Vec::new();
    for (access, word) in [
        (Access::Write, "writable"),
        (Access::Private, "private copy"),
        (Access::Read, "readable"),
        (Access::Deny, "denied"),
    ] {
        let grants = plan.files.grants.iter().filter(|grant| grant.access == access);
        rows.extend(grants.map(|grant| {
            let note = match grant {
                grant if absent.contains(&&grant.path) => " (absent)",
                grant if plan.files.workspace.as_ref() == Some(&grant.path) => " (workspace)",
                _ => "",
            };
            line(plan, word, &format!("{}{note}", grant.path), grant.rule)
        }));
    }
    rows.push(vec![
        Cell::plain("private"),
        Cell::plain(escape(&plan.files.home.to_string())),
        Cell::plain("HOME: empty but for the above"),
    ]);
    let globs = plan.files.deny_globs.iter();
    rows.extend(globs.map(|glob| line(plan, "denied", &glob.pattern.to_string(), glob.rule)));
    table(&rows, style)
}

/// The protected names by the rule's origin: the built-in ones are many, and alike.
pub(crate) fn protected(plan: &Plan, style: Style) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for protect in &plan.files.protect {
        let origin = plan.rule(protect.rule).origin.to_string();
        let name = within_workspace(plan, &protect.pattern.to_string());
        match groups.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, names)) => names.push(name),
            None => groups.push((origin, vec![name])),
        }
    }
    let rows = groups.into_iter().flat_map(|(origin, names)| {
        let names = vec![Cell::plain(""), Cell::plain(escape(&names.join(" ")))];
        [vec![Cell::of(Meaning::Faint, escape(&origin))], names]
    });
    table(&rows.collect::<Vec<_>>(), style)
}

/// What may be reached and what may not, each with its origin.
fn hosts(plan: &Plan, style: Style) -> String {
    let network = &plan.network;
    let of = |word: &'static str, rules: &[NetworkRule]| {
        let line = |rule: &NetworkRule| line(plan, word, &rule.endpoint.to_string(), rule.rule);
        rules.iter().map(line).collect::<Vec<_>>()
    };
    let mut rows = of("reachable", &network.allow);
    if network.mode == NetworkMode::Host {
        rows.push(line(plan, "reachable", "everything that this host reaches", network.rule));
    }
    rows.extend(of("denied", &network.deny));
    rows.extend(gateway::rows(plan));
    table(&rows, style)
}

/// What of the network is said beside hosts, each with its origin.
pub(crate) fn beside_hosts(plan: &Plan, style: Style) -> String {
    table(&gateway::rows(plan), style)
}

/// A pattern as it stands below the workspace.
fn within_workspace(plan: &Plan, pattern: &str) -> String {
    let base = plan.files.workspace.as_ref().map(ToString::to_string).unwrap_or_default();
    pattern.strip_prefix(&base).map_or(pattern, |rest| rest.trim_start_matches('/')).to_owned()
}

fn line(plan: &Plan, word: &'static str, path: &str, rule: RuleId) -> Vec<Cell> {
    let origin = plan.rule(rule).origin.to_string();
    vec![Cell::plain(word), Cell::plain(escape(path)), Cell::of(Meaning::Faint, escape(&origin))]
}

pub(crate) fn environment(plan: &Plan, style: Style) -> String {
    let names = |patterns: &[ringfence_plan::EnvPattern]| {
        escape(&patterns.iter().map(|pattern| pattern.name.as_str()).collect::<Vec<_>>().join(" "))
            .into_owned()
    };
    let set = plan.environment.set.iter().map(|(name, (value, _))| format!("{name}={value}"));
    let rows = [
        vec![Cell::plain("passed"), Cell::plain(names(&plan.environment.pass))],
        vec![Cell::plain("set"), Cell::plain(escape(&set.collect::<Vec<_>>().join(" ")))],
        vec![Cell::plain("never"), Cell::plain(names(&plan.environment.refuse))],
    ];
    table(&rows, style)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ringfence::Run;
    use ringfence_plan::*;
    use ringfence_policy::{Context, Sources, Surroundings, compose};

    use super::*;

    fn plan() -> Plan {
        let path = |text: &str| AbsPath::new(text).unwrap();
        let grant =
            |text, access, rule| Grant { path: path(text), access, optional: false, rule: RuleId(rule) };
        let file = |line| Origin::File { path: "ringfence.toml".into(), line, column: 9, why: None };
        let rule = |text: &str, origin| Rule { text: text.into(), origin };
        let workspace = path("/home/u/project");
        let hooks = PathPattern::new(workspace.clone(), "**/.git/hooks", Match::Folded).unwrap();
        Plan {
            files: Files {
                home: path("/home/u"),
                grants: vec![
                    grant("/home/u/.cargo", Access::Private, 0),
                    grant("/home/u/project", Access::Write, 1),
                    grant("/home/u/project/secret", Access::Deny, 2),
                    grant("/usr", Access::Read, 0),
                ],
                deny_globs: vec![],
                protect: vec![Protect { pattern: hooks, rule: RuleId(0) }],
                protect_except: vec![],
                workspace: Some(workspace),
            },
            environment: Environment {
                pass: vec![EnvPattern { name: "LC_*".into(), rule: RuleId(0) }],
                refuse: vec![EnvPattern { name: "LD_*".into(), rule: RuleId(0) }],
                set: BTreeMap::from([("CI".into(), ("1".into(), RuleId(1)))]),
                ..Environment::default()
            },
            network: Network::none(RuleId(0)),
            limits: Limits {
                memory: Some(Bytes(2 << 30)),
                swap: None,
                processes: Some(512),
                cpu: None,
                time: Some(Millis(600_000)),
                open_files: None,
                file_size: None,
                tmp: Bytes(1 << 30),
                output: None,
                rules: BTreeMap::new(),
            },
            processes: Processes { nested_namespaces: false, rule: RuleId(0) },
            containment: Containment { level: Level::Auto, rule: RuleId(3) },
            oversight: Oversight { audit: vec![], bypass: true, rule: RuleId(0) },
            rules: vec![
                rule("the base", Origin::BuiltIn("tool-chains".into())),
                rule("filesystem.workspace = \".\"", file(3)),
                rule("filesystem.deny = \"secret\"", file(5)),
                rule("containment.level = \"auto\"", Origin::Flag("--containment auto".into())),
            ],
        }
    }

    /// Of a policy that says nothing.
    fn composed() -> Composed {
        let path = |text: &str| AbsPath::new(text).unwrap();
        let (cwd, home) = (path("/home/u/project"), path("/home/u"));
        let context = Context { cwd, home, user: "u".into(), agent: None, task: None };
        let sources = Sources::of_text("policy", "", context, Surroundings::default()).unwrap();
        compose(sources).unwrap()
    }

    fn host(user_namespaces: Support) -> Host {
        Host {
            kernel: (6, 8),
            landlock: 4,
            user_namespaces,
            notification: Support::Yes,
            cgroup: CgroupHost::V2 {
                parent: "/sys/fs/cgroup/user.slice".into(),
                controllers: vec!["memory".into(), "pids".into(), "cpu".into()],
            },
            overlay: Support::Yes,
            capture: ringfence_plan::Capture::Tables,
            root: false,
            enclosure: None,
        }
    }

    fn run(host: Host) -> Run {
        Run {
            plan: plan(),
            host,
            argv: vec!["true".into()],
            cwd: "/home/u/project".into(),
            caller_env: vec![],
            terminal: false,
            allow_unenforced: vec![],
            record: ringfence::Record::default(),
            around: None,
        }
    }

    #[test]
    fn a_plan_is_shown_with_its_fence_and_the_place_of_each_rule() {
        let prepared = run(host(Support::Yes)).prepare().unwrap();
        let held =
            Held { plan: &plan(), composed: &composed(), prepared: &prepared, absent: vec![], refusal: None };
        let text = held.as_text(Style::PLAIN);
        let (shown, steps) = text.split_once("\nSteps\n").unwrap();
        assert_eq!(steps.lines().count(), prepared.steps().len());
        insta::assert_snapshot!(shown, @r#"
        Held by the namespaces backend (containment.level = "auto" (--containment auto))

        Fields
          filesystem.read              held  read-only bind mounts in a root of its own and Landlock
          filesystem.write             held  bind mounts in a root of its own and Landlock
          filesystem.deny              held  empty objects mounted over it, or absent
          filesystem.protect           held  seccomp user notification on write-class calls; read-only mounts at the top of the tree
          filesystem.private           held  overlayfs with its upper layer in the private tmpfs
          environment                  held  execve with the named variables only
          network.mode                 held  a network namespace with nothing but its own loopback; unix sockets connect to what was bound inside
          limits.memory                held  cgroup v2 memory.max
          limits.processes             held  cgroup v2 pids.max
          limits.time                  held  supervisor's timer: SIGTERM, 2 s later SIGKILL
          limits.tmp                   held  size of the one tmpfs behind /tmp, /dev/shm and HOME
          processes.nested_namespaces  held  seccomp allow list; clone3 answers ENOSYS, namespace flags EPERM
          containment.level            held  namespaces, Landlock and seccomp

        Files
          writable      /home/u/project (workspace)  ringfence.toml:3:9
          private copy  /home/u/.cargo               built in (tool-chains)
          readable      /usr                         built in (tool-chains)
          denied        /home/u/project/secret       ringfence.toml:5:9
          private       /home/u                      HOME: empty but for the above

        Protected: readable, never created, changed, renamed or removed
          built in (tool-chains)
            **/.git/hooks

        Environment
          passed  LC_*
          set     CI=1
          never   LD_*
        "#);
        assert_eq!(held.as_json()["held"], true);
    }

    #[test]
    fn a_plan_that_cannot_be_held_says_what_is_missing_and_the_ways_on() {
        let why = "AppArmor keeps them from programs without a profile".into();
        let mend = "install the profile that `ringfence doctor --apparmor-profile` prints".into();
        let refusal = run(host(Support::No { why, mend })).prepare().err().unwrap();
        insta::assert_snapshot!(crate::failure::Failure::NotHeld(refusal).as_text(Style::PLAIN), @r#"
        ringfence: this host cannot hold the policy, so nothing was started
          namespaces: the namespaces backend cannot be used here: AppArmor keeps them from programs without a profile
          process: filesystem.deny is not held: /home/u/project/secret lies inside a granted tree, and Landlock cannot take a part back
          process: containment.level is not held: signals reach the user's other processes: Landlock scopes need ABI 6 (kernel 6.12), here 4; asked for by containment.level = "auto" (--containment auto)
          help: change the host, where AppArmor keeps them from programs without a profile: install the profile that `ringfence doctor --apparmor-profile` prints
          help: do without this one: --allow-unenforced filesystem.deny
          help: do without this one: --allow-unenforced containment.level
        "#);
    }
}
