//! The fields of the language, one row each: parser, flags, help, completions and documents come from here.
//!
//! Not the meaning of a field: that is `compose`.

use crate::nearest::nearest;

/// One field.
#[derive(Debug, PartialEq)]
pub struct FieldSpec {
    /// Its name in a policy file, `group.name`.
    pub key: &'static str,
    /// The flag that says the same, if there is one.
    pub flag: Option<&'static str>,
    /// What its value is.
    pub kind: Kind,
    /// Whether it may be said several times (a list in a file, a repeated flag).
    pub repeatable: bool,
    /// One line of help; completes "…".
    pub help: &'static str,
    /// A value as one would write it in a policy file.
    pub example: &'static str,
    /// Whether only a ceiling may say it.
    pub ceiling_only: bool,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory, or `false` for none.
    Workspace,
    /// A path; in a file also `{ path = "…", optional = true }`.
    Path,
    /// A path that may hold `*`, `?`, `[…]` and `**`; in a file also a table.
    PathPattern,
    /// The name of an environment variable, perhaps with `*` at an end. On the command line `NAME=VALUE` sets it.
    Variable,
    /// A table of names and values.
    Variables,
    /// `none`, `rules` or `host`.
    Network,
    /// A host with ports: `example.org`, `*.example.org:443`, `10.0.0.0/8:5432`; in a file also a table.
    Endpoint,
    /// Hosts without ports.
    Host,
    /// A rule over requests: a table.
    Http,
    /// A credential that the gateway puts in: a table.
    Credential,
    /// A budget: a table.
    Budget,
    /// A port of the host's loopback and one inside: `8080:3000`, or `3000` for both.
    Publish,
    /// One port, on both sides.
    Listen,
    /// A port of the host's loopback: `localhost:5432`.
    HostPort,
    /// The address of a proxy, or `environment`.
    Proxy,
    /// Where a secret comes from: a table.
    Secret,
    /// The address of a resolver.
    Resolver,
    /// `allow` or `refuse`.
    EncryptedHello,
    /// Where records go: `/var/log/file`, or `unix:/path/of/a/socket`.
    Audit,
    /// A minisign public key.
    Key,
    /// A user of this machine, by name or as `uid:1000`.
    User,
    /// A field or group of this table, by name.
    FieldName,
    /// Bytes: `2GiB`, `512MB`, or a whole number.
    Size,
    /// A whole number.
    Count,
    /// Processors: `1.5`.
    Processors,
    /// `10m`, `1h30m`, `500ms`; a plain number is seconds.
    Duration,
    /// `true` or `false`.
    Switch,
    /// `auto`, `process` or `namespaces`.
    Level,
}

const fn field(
    key: &'static str,
    flag: Option<&'static str>,
    kind: Kind,
    help: &'static str,
    example: &'static str,
) -> FieldSpec {
    FieldSpec { key, flag, kind, repeatable: kind.repeats(), help, example, ceiling_only: false }
}

/// A field that only a ceiling may say, and no flag.
const fn of_ceilings(key: &'static str, kind: Kind, help: &'static str, example: &'static str) -> FieldSpec {
    FieldSpec { ceiling_only: true, ..field(key, None, kind, help, example) }
}

impl Kind {
    /// Whether a field of this kind is a list, or a table of several.
    const fn repeats(self) -> bool {
        match self {
            Kind::Path | Kind::PathPattern | Kind::Variable | Kind::Variables => true,
            Kind::Host | Kind::Http | Kind::Credential | Kind::Budget => true,
            Kind::Publish | Kind::Listen | Kind::HostPort => true,
            Kind::Proxy | Kind::Secret | Kind::Resolver | Kind::EncryptedHello => false,
            Kind::Endpoint | Kind::Audit | Kind::Key | Kind::User | Kind::FieldName => true,
            Kind::Workspace | Kind::Network | Kind::Size | Kind::Count | Kind::Processors => false,
            Kind::Duration | Kind::Switch | Kind::Level => false,
        }
    }
}

/// Every field, in the order of the documentation.
pub const FIELDS: &[FieldSpec] = &[
    field(
        "filesystem.workspace",
        Some("--workspace"),
        Kind::Workspace,
        "the project: writable, with the protected names held",
        "\".\"",
    ),
    field(
        "filesystem.read",
        Some("--read"),
        Kind::Path,
        "readable and executable, with all below it",
        "[\"/usr\", \"~/.gitconfig\"]",
    ),
    field("filesystem.write", Some("--write"), Kind::Path, "writable, with all below it", "[\"./out\"]"),
    field(
        "filesystem.private",
        Some("--private"),
        Kind::Path,
        "writable in a copy that goes when the run ends; the original stays as it is",
        "[\"~/.cargo\"]",
    ),
    field(
        "filesystem.deny",
        Some("--deny"),
        Kind::PathPattern,
        "neither readable nor writable, whatever else grants it",
        "[\"~/.ssh\", \"**/.env\"]",
    ),
    field(
        "filesystem.protect",
        Some("--protect"),
        Kind::PathPattern,
        "readable, but never created, changed, renamed or removed",
        "[\"deploy/keys\", \"**/*.lock\"]",
    ),
    field(
        "environment.pass",
        Some("--env"),
        Kind::Variable,
        "variables that pass with the caller's value; as a flag also NAME=VALUE",
        "[\"PATH\", \"LC_*\"]",
    ),
    field(
        "environment.deny",
        Some("--deny-env"),
        Kind::Variable,
        "variables that neither pass nor are set, whatever else says so",
        "[\"AWS_*\"]",
    ),
    field(
        "environment.set",
        None,
        Kind::Variables,
        "variables with a value of the policy's own",
        "{ CI = \"1\" }",
    ),
    field(
        "network.mode",
        Some("--network"),
        Kind::Network,
        "none: a loopback of its own; rules: what `allow` names; host: the host's network, unrestricted",
        "\"none\"",
    ),
    field(
        "network.allow",
        Some("--allow-net"),
        Kind::Endpoint,
        "hosts that may be reached, or groups such as @github; without a port the web's, 80 and 443",
        "[\"api.example.org\", \"*.example.org:443\", \"10.0.0.0/8:5432\", \"@github\"]",
    ),
    field(
        "network.deny",
        Some("--deny-net"),
        Kind::Endpoint,
        "hosts that may not be reached, whatever else allows it; without a port on none",
        "[\"telemetry.example.org\"]",
    ),
    field(
        "network.http",
        None,
        Kind::Http,
        "requests that a host may be asked; it may be reached for them, and what no rule lets through is refused. TLS to it is opened by the gateway",
        "[{ host = \"api.example.org\", methods = [\"GET\"], paths = [\"/repos/acme/**\"], max_body = \"1MiB\" }]",
    ),
    field(
        "network.credential",
        None,
        Kind::Credential,
        "secrets that the gateway puts into requests to a host, so that the command has a stand-in only",
        "[{ host = \"api.example.org\", header = \"Authorization\", source = { env = \"API_TOKEN\" }, placeholder = { env = \"API_TOKEN\" } }]",
    ),
    field(
        "network.budget",
        None,
        Kind::Budget,
        "how much may be sent, connected and asked a second, to a host or in the whole run",
        "[{ host = \"*.example.org\", sent = \"100MiB\", connections = 1000, requests = 50 }]",
    ),
    field(
        "network.publish",
        Some("--publish"),
        Kind::Publish,
        "ports of the host's 127.0.0.1 that lead to ports inside, as OUTSIDE:INSIDE",
        "[\"8080:3000\"]",
    ),
    field(
        "network.listen",
        Some("--listen"),
        Kind::Listen,
        "the same with one number for both sides",
        "[3000]",
    ),
    field(
        "network.host",
        Some("--host-port"),
        Kind::HostPort,
        "single ports of the host's loopback that are reached inside as localhost with the same number",
        "[\"localhost:5432\"]",
    ),
    field(
        "network.proxy",
        Some("--network-proxy"),
        Kind::Proxy,
        "the proxy that connections go through; environment: the one that the caller's variables name",
        "\"http://proxy.example.org:3128\"",
    ),
    field(
        "network.no_proxy",
        None,
        Kind::Host,
        "hosts that are dialled without the proxy",
        "[\"*.corp.example\", \"10.0.0.0/8\"]",
    ),
    field(
        "network.proxy_credential",
        None,
        Kind::Secret,
        "where user:password for the proxy comes from",
        "{ env = \"PROXY_LOGIN\" }",
    ),
    field(
        "network.resolver",
        None,
        Kind::Resolver,
        "the resolver that is asked in place of the host's, over HTTPS or TLS",
        "\"https://dns.example.org/dns-query\"",
    ),
    field(
        "network.encrypted_hello",
        None,
        Kind::EncryptedHello,
        "allow: a TLS greeting that hides its server name is judged by its outer name; refuse: it is refused",
        "\"refuse\"",
    ),
    field("limits.memory", Some("--memory"), Kind::Size, "memory of all processes together", "\"2GiB\""),
    field("limits.swap", Some("--swap"), Kind::Size, "swap on top of the memory", "\"0\""),
    field("limits.processes", Some("--processes"), Kind::Count, "processes and threads at once", "512"),
    field("limits.cpu", Some("--cpu"), Kind::Processors, "processors' worth of time", "2.0"),
    field("limits.time", Some("--timeout"), Kind::Duration, "wall-clock time from start to end", "\"10m\""),
    field("limits.open_files", Some("--open-files"), Kind::Count, "open files of one process", "1024"),
    field("limits.file_size", Some("--file-size"), Kind::Size, "size of one written file", "\"1GiB\""),
    field(
        "limits.tmp",
        Some("--tmp"),
        Kind::Size,
        "size of the private /tmp and HOME together",
        "\"512MiB\"",
    ),
    field(
        "limits.output",
        Some("--output"),
        Kind::Size,
        "bytes to standard output and error together",
        "\"64MiB\"",
    ),
    field(
        "processes.nested_namespaces",
        Some("--nested-namespaces"),
        Kind::Switch,
        "whether the command may make user namespaces of its own, as browsers do",
        "false",
    ),
    field(
        "containment.level",
        Some("--containment"),
        Kind::Level,
        "the least the fence is made of; auto: the strongest that this host has",
        "\"auto\"",
    ),
    field(
        "oversight.audit",
        Some("--audit"),
        Kind::Audit,
        "where records of the run go; one that cannot be written stops the run",
        "[\"/var/log/ringfence.jsonl\", \"unix:/dev/log\"]",
    ),
    field(
        "oversight.bypass",
        None,
        Kind::Switch,
        "whether --allow-unenforced may do without what this host cannot hold; beneath a machine's or user's ceiling only if that says so",
        "true",
    ),
    of_ceilings(
        "signing.keys",
        Kind::Key,
        "public keys of minisign; with them, every file of ceiling.d must be signed by one",
        "[\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"]",
    ),
    of_ceilings(
        "break_glass.users",
        Kind::User,
        "who may set this ceiling aside for one run, with a reason that is recorded",
        "[\"alice\", \"uid:1000\"]",
    ),
    of_ceilings(
        "break_glass.fields",
        Kind::FieldName,
        "what of this ceiling is then set aside",
        "[\"network\", \"limits.time\"]",
    ),
    of_ceilings("break_glass.time", Kind::Duration, "how long such a run may take", "\"30m\""),
];

/// The field called `key`.
pub(crate) fn find(key: &str) -> Option<&'static FieldSpec> {
    FIELDS.iter().find(|spec| spec.key == key)
}

/// The field called `key`, which is in the table: for this program's own use.
pub(crate) fn known(key: &str) -> &'static FieldSpec {
    find(key).unwrap_or(&FIELDS[0])
}

/// Where `spec` stands in [`FIELDS`].
pub(crate) fn position(spec: &FieldSpec) -> usize {
    FIELDS.iter().position(|known| known.key == spec.key).unwrap_or(0)
}

/// The groups, in order.
pub(crate) fn groups() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    FIELDS.iter().map(|spec| group_and_name(spec.key).0).filter(move |group| {
        let new = *group != last;
        last = group;
        new
    })
}

/// The fields of one group.
pub(crate) fn of_group(group: &str) -> impl Iterator<Item = &'static FieldSpec> {
    FIELDS.iter().filter(move |spec| group_and_name(spec.key).0 == group)
}

/// `group.name` in its two parts.
pub(crate) fn group_and_name(key: &'static str) -> (&'static str, &'static str) {
    key.split_once('.').unwrap_or(("", key))
}

/// What the author of the unknown `key` may have meant: the nearest name of the same group, else the field of that
/// name in another group.
pub(crate) fn meant(key: &str) -> Option<&'static str> {
    let (group, name) = key.split_once('.').unwrap_or(("", key));
    let same_name = FIELDS.iter().map(|spec| spec.key).find(|known| group_and_name(known).1 == name);
    nearest(name, of_group(group).map(|spec| group_and_name(spec.key).1))
        .and_then(|name| of_group(group).map(|spec| spec.key).find(|known| group_and_name(known).1 == name))
        .or(same_name)
        .or_else(|| nearest(key, FIELDS.iter().map(|spec| spec.key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_flags_are_unique_and_grouped() {
        let mut keys: Vec<_> = FIELDS.iter().map(|spec| spec.key).collect();
        let mut flags: Vec<_> = FIELDS.iter().filter_map(|spec| spec.flag).collect();
        let (all_keys, all_flags) = (keys.len(), flags.len());
        keys.sort_unstable();
        keys.dedup();
        flags.sort_unstable();
        flags.dedup();
        assert_eq!((keys.len(), flags.len()), (all_keys, all_flags));
        assert_eq!(
            groups().collect::<Vec<_>>(),
            [
                "filesystem",
                "environment",
                "network",
                "limits",
                "processes",
                "containment",
                "oversight",
                "signing",
                "break_glass"
            ]
        );
    }

    #[test]
    fn the_nearest_right_name_is_found() {
        assert_eq!(meant("filesystem.reed"), Some("filesystem.read"));
        assert_eq!(meant("filesystem.memory"), Some("limits.memory"));
        assert_eq!(meant("memory"), Some("limits.memory"));
        assert_eq!(meant("limit.memory"), Some("limits.memory"));
        assert_eq!(meant("filesystem.zzzzzzz"), None);
    }
}
