//! A plan that no backend holds: what each of them lacks here, and the ways on.
//! Not who asks them, which is in `run`.

use std::fmt;

use ringfence_plan::{EncryptedHello, Field, Host, Plan, RuleId, Support};

/// A plan that no backend holds here.
#[derive(Clone, Debug)]
pub struct Refused {
    /// One entry a backend that was asked, strongest first; empty where this system has none.
    pub backends: Vec<BackendRefusal>,
    /// The way on for each field, in the order of the policy file.
    pub(crate) hints: Vec<String>,
}

/// What one backend cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendRefusal {
    /// The backend's name, as `containment.level` has it.
    pub backend: &'static str,
    /// The missing pieces.
    pub unheld: Vec<Unheld>,
}

/// One thing that is not held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheld {
    /// The field; `None` where the backend cannot work here at all.
    pub field: Option<Field>,
    /// Which feature is missing.
    pub why: String,
}

impl Refused {
    /// `holding` names a backend that was not asked, because of `containment.level`, and that would hold the plan.
    pub(crate) fn new(backends: Vec<BackendRefusal>, holding: Option<&'static str>, host: &Host) -> Refused {
        let mut hints = Vec::new();
        if let Some(backend) = holding {
            hints.push(format!("use the {backend} backend, which holds it here: --containment {backend}"));
        }
        let unheld = || backends.iter().flat_map(|entry| &entry.unheld);
        if let Support::No { why, mend } = &host.user_namespaces {
            hints.push(format!("change the host, where {why}: {mend}"));
        }
        if unheld().any(|entry| entry.field.is_some_and(is_control_group_limit)) {
            hints.push(
                "give this session control groups of its own: systemd-run --user --scope -p Delegate=yes ringfence run …"
                    .into(),
            );
        }
        let mut fields = left_open(&backends);
        fields.sort_unstable();
        fields.dedup();
        hints.extend(fields.iter().map(|field| format!("do without this one: --allow-unenforced {field}")));
        Refused { backends, hints }
    }

    /// The same with the rule that asks for each field, where it is one.
    pub(crate) fn of(mut self, plan: &Plan) -> Refused {
        for Unheld { field, why } in self.backends.iter_mut().flat_map(|backend| &mut backend.unheld) {
            if let Some(rule) = field.and_then(|field| asking(plan, field)) {
                why.push_str(&format!("; asked for by {}", plan.rule(rule)));
            }
        }
        self
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this host cannot hold the policy, so nothing was started")?;
        if self.backends.is_empty() {
            f.write_str("\n  there is no backend for this system")?;
        }
        for BackendRefusal { backend, unheld } in &self.backends {
            for Unheld { field, why } in unheld {
                match field {
                    Some(field) => write!(f, "\n  {backend}: {field} is not held: {why}")?,
                    None => write!(f, "\n  {backend}: {why}")?,
                }
            }
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// The rule that asks for a field, the first of several; of paths and variables there are as many as the plan has.
fn asking(plan: &Plan, field: Field) -> Option<RuleId> {
    let network = &plan.network;
    match field {
        Field::FilesRead
        | Field::FilesWrite
        | Field::FilesDeny
        | Field::FilesProtect
        | Field::FilesPrivate
        | Field::Environment => None,
        Field::Network => Some(network.rule),
        Field::NetworkHttp => network.http.iter().flatten().next().map(|one| one.rule),
        Field::NetworkCredential => network.credentials.first().map(|one| one.rule),
        Field::NetworkBudget => network.budgets.first().map(|one| one.rule),
        Field::NetworkPublish => network.publish.iter().next().map(|one| one.rule),
        Field::NetworkHost => network.host.iter().next().map(|one| one.rule),
        Field::NetworkProxy => network.parent.as_ref().map(|one| one.rule),
        Field::NetworkResolver => network.resolver.as_ref().map(|one| one.rule),
        Field::NetworkEncryptedHello => match network.encrypted_hello {
            EncryptedHello::Allow => None,
            EncryptedHello::Refuse { rule } => Some(rule),
        },
        Field::Memory
        | Field::Swap
        | Field::Processes
        | Field::Cpu
        | Field::Time
        | Field::OpenFiles
        | Field::FileSize
        | Field::Tmp
        | Field::Output => plan.limits.rules.get(&field).copied(),
        Field::NestedNamespaces => Some(plan.processes.rule),
        Field::Containment => Some(plan.containment.rule),
    }
}

/// The fields that have to be named for a run to start, on the strongest backend that is to be had at all; on a weaker one
/// more would be given up. Where none is, those of all, since it is the host that has to change.
fn left_open(backends: &[BackendRefusal]) -> Vec<Field> {
    let of =
        |backend: &BackendRefusal| backend.unheld.iter().map(|entry| entry.field).collect::<Option<Vec<_>>>();
    backends.iter().find_map(of).unwrap_or_else(|| {
        backends.iter().flat_map(|backend| &backend.unheld).filter_map(|entry| entry.field).collect()
    })
}

fn is_control_group_limit(field: Field) -> bool {
    matches!(field, Field::Memory | Field::Swap | Field::Processes | Field::Cpu)
}

#[cfg(test)]
mod tests {
    use ringfence_plan::CgroupHost;

    use super::*;
    use crate::error::Error;

    fn host() -> Host {
        Host {
            kernel: (6, 1),
            landlock: 2,
            user_namespaces: Support::No { why: "they are off".into(), mend: "sudo sysctl x=1".into() },
            notification: Support::Yes,
            cgroup: CgroupHost::None { why: "no delegation".into() },
            overlay: Support::Yes,
            capture: ringfence_plan::Capture::Tables,
            root: false,
            enclosure: None,
        }
    }

    #[test]
    fn a_refusal_names_every_reason_and_the_three_ways_on() {
        let unheld = |field, why: &str| Unheld { field, why: why.into() };
        let backends = vec![BackendRefusal {
            backend: "process",
            unheld: vec![
                unheld(Some(Field::Cpu), "no cpu group"),
                unheld(Some(Field::FilesDeny), "Landlock allows only"),
            ],
        }];
        let error = Error::from(Refused::new(backends, Some("namespaces"), &host()));
        assert_eq!(
            error.to_string(),
            "this host cannot hold the policy, so nothing was started\n  \
             process: limits.cpu is not held: no cpu group\n  \
             process: filesystem.deny is not held: Landlock allows only"
        );
        assert_eq!(
            error.hints(),
            [
                "use the namespaces backend, which holds it here: --containment namespaces",
                "change the host, where they are off: sudo sysctl x=1",
                "give this session control groups of its own: systemd-run --user --scope -p Delegate=yes ringfence run …",
                "do without this one: --allow-unenforced filesystem.deny",
                "do without this one: --allow-unenforced limits.cpu",
            ]
        );
        assert_eq!(error.exit_code(), 125);
    }

    #[test]
    fn what_to_do_without_is_said_for_the_strongest_backend_that_is_to_be_had() {
        let refusal = |backend, field: Option<Field>| BackendRefusal {
            backend,
            unheld: vec![Unheld { field, why: "no".into() }],
        };
        let process = || refusal("process", Some(Field::Network));
        let held =
            Refused::new(vec![refusal("namespaces", Some(Field::NetworkResolver)), process()], None, &host());
        let without = |refused: Refused| {
            refused.hints.into_iter().filter(|hint| hint.contains("--allow")).collect::<Vec<_>>()
        };
        assert_eq!(without(held), ["do without this one: --allow-unenforced network.resolver"]);
        let absent = Refused::new(vec![refusal("namespaces", None), process()], None, &host());
        assert_eq!(without(absent), ["do without this one: --allow-unenforced network.mode"]);
    }
}
