//! What a host offers and what would mend the rest, for `ringfence doctor`.
//! Not the finding out: that is the probe.

use ringfence_plan::{Capture, CgroupHost, Host, Support, Verdicts};
use serde_json::json;

use super::escape::escape;
use super::plan::verdicts;
use super::style::{Meaning, Style};
use super::table::{Cell, table};

/// What one backend would make of the default policy.
pub(crate) struct Candidate {
    /// Its name.
    pub(crate) backend: &'static str,
    /// Its answer to each field, or why it cannot be used at all.
    pub(crate) answer: Result<Verdicts, String>,
}

impl Candidate {
    /// Whether it holds every field.
    pub(crate) fn holds(&self) -> bool {
        self.answer.as_ref().is_ok_and(|verdicts| verdicts.unenforced().next().is_none())
    }
}

/// For programs.
pub(crate) fn as_json(host: &Host, candidates: &[Candidate]) -> serde_json::Value {
    let backends = candidates.iter().map(|candidate| {
        let (verdicts, refusal) = match &candidate.answer {
            Ok(verdicts) => (Some(verdicts), None),
            Err(why) => (None, Some(why)),
        };
        json!({ "backend": candidate.backend, "holds": candidate.holds(), "verdicts": verdicts, "refusal": refusal })
    });
    json!({
        "host": host,
        "holds_default_policy": candidates.iter().any(Candidate::holds),
        "backends": backends.collect::<Vec<_>>(),
    })
}

/// For people; `profile` is the AppArmor profile, where that is what would mend it.
pub(crate) fn as_text(host: &Host, candidates: &[Candidate], profile: Option<&str>, style: Style) -> String {
    let mut text = format!("{}\n{}", style.paint(Meaning::Title, "This host"), facts(host, style));
    for candidate in candidates {
        let (word, meaning) = match candidate.holds() {
            true => ("holds the default policy", Meaning::Good),
            false => ("does not hold the default policy", Meaning::Bad),
        };
        let title = format!("The {} backend", candidate.backend);
        text.push_str(&format!("\n{} {}\n", style.paint(Meaning::Title, title), style.paint(meaning, word)));
        match &candidate.answer {
            Ok(answer) => text.push_str(&verdicts(answer, style)),
            Err(why) => text.push_str(&format!("  {}\n", escape(why))),
        }
    }
    let mends = mends(host);
    if !mends.is_empty() {
        text.push_str(&format!("\n{}\n", style.paint(Meaning::Title, "What would mend it")));
        let rows: Vec<_> =
            mends.into_iter().map(|(what, mend)| vec![Cell::plain(what), Cell::plain(mend)]).collect();
        text.push_str(&table(&rows, style));
    }
    if let Some(profile) = profile {
        let title = "The AppArmor profile (ringfence doctor --apparmor-profile)";
        text.push_str(&format!("\n{}\n{profile}", style.paint(Meaning::Title, title)));
    }
    text
}

fn facts(host: &Host, style: Style) -> String {
    let (major, minor) = host.kernel;
    let mut rows = vec![
        fact("kernel", Meaning::Good, format!("Linux {major}.{minor}")),
        match host.landlock {
            0 => fact("landlock", Meaning::Bad, "missing or off".into()),
            abi => fact("landlock", Meaning::Good, format!("ABI {abi}")),
        },
        support("user namespaces", &host.user_namespaces),
        support("seccomp notification", &host.notification),
        support("overlayfs", &host.overlay),
        capture(&host.capture),
        cgroup(&host.cgroup),
    ];
    if host.root {
        rows.push(fact("user", Meaning::Good, "root, who gets no more inside than anyone".into()));
    }
    table(&rows, style)
}

fn fact(name: &str, meaning: Meaning, text: String) -> Vec<Cell> {
    let word = match meaning {
        Meaning::Good => "yes",
        Meaning::Warning => "partly",
        _ => "no",
    };
    vec![Cell::plain(name), Cell::of(meaning, word), Cell::plain(escape(&text))]
}

fn support(name: &str, support: &Support) -> Vec<Cell> {
    match support {
        Support::Yes => fact(name, Meaning::Good, String::new()),
        Support::No { why, .. } => fact(name, Meaning::Bad, why.clone()),
    }
}

/// What rules of the network stand on.
fn capture(capture: &Capture) -> Vec<Cell> {
    const NAME: &str = "network rules";
    match capture {
        Capture::Tables => fact(NAME, Meaning::Good, "nf_tables with TPROXY: every port is captured".into()),
        Capture::Listeners { why, .. } => {
            fact(NAME, Meaning::Warning, format!("a listener on each port that a rule names; {why}"))
        }
        Capture::None { why } => fact(NAME, Meaning::Bad, why.clone()),
    }
}

fn cgroup(cgroup: &CgroupHost) -> Vec<Cell> {
    match cgroup {
        CgroupHost::V2 { parent, controllers } => fact(
            "control groups",
            Meaning::Good,
            format!("version 2 below {parent}: {}", controllers.join(" ")),
        ),
        CgroupHost::V1 { controllers } => {
            let names: Vec<_> = controllers.iter().map(|(name, _)| name.as_str()).collect();
            fact("control groups", Meaning::Good, format!("version 1: {}", names.join(" ")))
        }
        CgroupHost::None { why } => fact("control groups", Meaning::Warning, why.clone()),
    }
}

fn mends(host: &Host) -> Vec<(&'static str, String)> {
    let mut mends = Vec::new();
    for (name, support) in [
        ("user namespaces", &host.user_namespaces),
        ("seccomp notification", &host.notification),
        ("overlayfs", &host.overlay),
    ] {
        if let Support::No { mend, .. } = support {
            mends.push((name, mend.clone()));
        }
    }
    if let Capture::Listeners { mend, .. } = &host.capture {
        mends.push(("network rules", mend.clone()));
    }
    if let CgroupHost::None { .. } = host.cgroup {
        let scope = "systemd-run --user --scope -p Delegate=yes ringfence … (version 2 with systemd), for exact limits";
        mends.push(("control groups", scope.into()));
    }
    if host.landlock == 0 {
        mends.push(("landlock", "a kernel of 5.13 or later with `landlock` in its lsm= list".into()));
    }
    mends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_stands_with_what_mends_it() {
        let host = Host {
            kernel: (6, 8),
            landlock: 4,
            user_namespaces: Support::No {
                why: "AppArmor keeps them from programs without a profile".into(),
                mend: "ringfence doctor --apparmor-profile".into(),
            },
            notification: Support::Yes,
            cgroup: CgroupHost::V2 {
                parent: "/sys/fs/cgroup/user.slice".into(),
                controllers: vec!["pids".into()],
            },
            overlay: Support::Yes,
            capture: ringfence_plan::Capture::Tables,
            root: false,
            enclosure: None,
        };
        let refused = Candidate { backend: "namespaces", answer: Err("user namespaces are missing".into()) };
        assert!(!refused.holds());
        insta::assert_snapshot!(as_text(&host, &[refused], Some("profile ringfence …\n"), Style::PLAIN), @"
        This host
          kernel                yes  Linux 6.8
          landlock              yes  ABI 4
          user namespaces       no   AppArmor keeps them from programs without a profile
          seccomp notification  yes
          overlayfs             yes
          network rules         yes  nf_tables with TPROXY: every port is captured
          control groups        yes  version 2 below /sys/fs/cgroup/user.slice: pids

        The namespaces backend does not hold the default policy
          user namespaces are missing

        What would mend it
          user namespaces  ringfence doctor --apparmor-profile

        The AppArmor profile (ringfence doctor --apparmor-profile)
        profile ringfence …
        ");
    }
}
