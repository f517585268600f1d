//! A refusal in words. Decides nothing.

use ringfence_plan::Barrier;

use super::{Refusal, Rules};

impl Rules {
    /// A refusal for whoever made the request: what happened, why, and what would allow it.
    pub fn explain(&self, refusal: Refusal, target: &str) -> String {
        let what = refusal.detail;
        let rule = self.texts.get(refusal.rule.0 as usize).map(ToString::to_string).unwrap_or_default();
        let (why, mend) = match refusal.barrier {
            Barrier::NothingAllows => (
                "no rule allows it".to_owned(),
                format!("network.allow = [\"{target}\"] in the policy allows it, if its owner agrees"),
            ),
            Barrier::Denied => {
                ("a rule denies it".into(), "only who wrote that rule can take it back: deny wins".into())
            }
            Barrier::SpecialAddress => (
                format!("it is {what}, to which a rule for a name or for all addresses does not lead"),
                "a rule for that very address or its block allows it, unless it is this machine's loopback"
                    .into(),
            ),
            Barrier::OtherName => (
                "the name in the request is not the one whose address was asked for".into(),
                "make the request to the name that it is meant for".into(),
            ),
            Barrier::HiddenName => (
                "its greeting says that it hides the server's name".into(),
                "switch the encrypted client hello off in the client".into(),
            ),
            Barrier::Malformed => (
                format!("it is not read without doubt ({what})"),
                "send the request in its standard form".into(),
            ),
            Barrier::OverBudget => (
                format!("a budget of this run has no more {what}"),
                "the budget's owner can raise it; requests are granted anew each second".into(),
            ),
            // The inspector explains what it refuses; these are what it has no words for.
            Barrier::HttpRules | Barrier::TooLarge => (
                "the HTTP rules of that host let other requests through".into(),
                "a rule of network.http that names this request allows it".into(),
            ),
            Barrier::Unnamed => (
                "HTTP rules speak of a host at that address, and the client names no host".into(),
                "use a client that says which host it means (the server name of TLS)".into(),
            ),
            Barrier::Placeholder => (
                "the placeholder of a credential stands where that credential does not belong, and its owner was told"
                    .into(),
                "send it in that rule's header, over https to its host and paths, and nowhere else".into(),
            ),
            Barrier::OnlyTcp => (
                "it is UDP, and what goes there goes through a proxy or an inspector that carries TCP alone".into(),
                "use TCP".into(),
            ),
            Barrier::NoInspector => (
                "HTTP rules speak of that host, and the inspector that holds them is gone".into(),
                "start the run again".into(),
            ),
        };
        format!("ringfence refused {target}: {why}.\nRule: {rule}\nTo go on: {mend}.\n")
    }
}
