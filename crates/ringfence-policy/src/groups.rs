//! Named groups of hosts: `@github` in a list of hosts stands for all that such a client talks to.
//!
//! A registry's hosts are not known here: they are what the tool itself is set up to use (see `registries`).

use ringfence_plan::Endpoint;

mod registries;

pub(crate) use registries::{Machine, Unknown};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// These hosts.
    Hosts(&'static [&'static str]),
    /// One service in every region of a cloud: each of the first with each of the second between, and this behind.
    Regional(&'static [&'static str], &'static [&'static str], &'static str),
    /// What a tool is set up to use.
    Registry(registries::Tool),
}

/// What every group's name begins with. No host's name can.
pub(crate) const MARK: char = '@';

/// Only hosts whose accounts are the reader's own: where anybody may leave files, a grant would be a grant to upload.
const GROUPS: &[(&str, Group)] = &[
    ("anthropic", Group::Hosts(&["api.anthropic.com", "platform.claude.com", "claude.ai"])),
    ("aws", Group::Regional(&["sts", "bedrock", "bedrock-runtime"], AWS_REGIONS, "amazonaws.com:443")),
    ("azure", Group::Hosts(&["login.microsoftonline.com", "management.azure.com", "*.openai.azure.com:443"])),
    ("crates", Group::Registry(registries::Tool::Cargo)),
    ("debian", Group::Registry(registries::Tool::Apt)),
    ("docker", Group::Registry(registries::Tool::Docker)),
    (
        "github",
        Group::Hosts(&[
            "github.com",
            "ssh://github.com",
            "api.github.com",
            "codeload.github.com",
            "raw.githubusercontent.com",
            "objects.githubusercontent.com",
            "release-assets.githubusercontent.com",
        ]),
    ),
    (
        "google",
        Group::Hosts(&[
            "accounts.google.com",
            "oauth2.googleapis.com",
            "cloudcode-pa.googleapis.com",
            "generativelanguage.googleapis.com",
            "aiplatform.googleapis.com",
        ]),
    ),
    ("npm", Group::Registry(registries::Tool::Npm)),
    ("openai", Group::Hosts(&["api.openai.com", "auth.openai.com", "chatgpt.com"])),
    ("pypi", Group::Registry(registries::Tool::Pip)),
];

const AWS_REGIONS: &[&str] = &[
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
];

/// The group that `words`, with its mark, name.
pub(crate) fn find(words: &str) -> Option<Group> {
    let name = words.strip_prefix(MARK)?;
    GROUPS.iter().find(|(known, _)| *known == name).map(|(_, group)| *group)
}

/// Every name, without the mark.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(name, _)| *name)
}

impl Group {
    /// What each of its hosts stands for; empty for a registry, which has to be looked for.
    pub(crate) fn endpoints(self) -> Vec<Vec<Endpoint>> {
        match self {
            Group::Hosts(hosts) => hosts.iter().filter_map(|host| Endpoint::parse(host).ok()).collect(),
            Group::Regional(services, regions, domain) => services
                .iter()
                .flat_map(|service| regions.iter().map(move |region| format!("{service}.{region}.{domain}")))
                .filter_map(|host| Endpoint::parse(&host).ok())
                .collect(),
            Group::Registry(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_of_a_group_is_one() {
        for (name, group) in GROUPS {
            let parsed = group.endpoints().len();
            match group {
                Group::Hosts(hosts) => assert_eq!(parsed, hosts.len(), "{name}"),
                Group::Regional(services, regions, _) => {
                    assert_eq!(parsed, services.len() * regions.len(), "{name}");
                }
                Group::Registry(_) => assert_eq!(parsed, 0, "{name}"),
            }
        }
    }

    #[test]
    fn a_group_has_a_mark_that_no_host_can_have() {
        assert!(find("github").is_none());
        assert!(find("@github").is_some());
        assert!(Endpoint::parse("@github").is_err());
        assert!(names().is_sorted());
    }
}
