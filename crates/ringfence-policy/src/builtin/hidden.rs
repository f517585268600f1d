//! Places that stay hidden when a directory above them is granted: credentials, and what tells about a person.
//!
//! Nothing of this is reachable under the default policy anyway, but for what lies in a tool-chain's directory.

/// A hidden place.
pub(crate) struct Hidden {
    /// Below HOME, or absolute.
    pub(crate) path: &'static str,
    /// Why.
    pub(crate) why: &'static str,
}

const fn hide(path: &'static str, why: &'static str) -> Hidden {
    Hidden { path, why }
}

const KEYS: &str = "private keys";
const CLOUD: &str = "cloud credentials";
const TOKENS: &str = "tokens of a registry or forge";
const ADDRESS: &str = "an index address may hold a password";
const PASSWORDS: &str = "passwords";
const BROWSER: &str = "a browser's cookies and passwords";
const MAIL: &str = "mail and messages";
const HISTORY: &str = "history: people type passwords";
const SHELL: &str = "start-up files often export tokens";
const AGENT: &str = "an agent's own login";
const SOCKETS: &str = "sockets of the desktop, the key agents and the container engine";

/// The places.
pub(crate) const HIDDEN: &[Hidden] = &[
    hide(".ssh", KEYS),
    hide(".gnupg", KEYS),
    hide(".pki", KEYS),
    hide(".keys", KEYS),
    hide(".aws", CLOUD),
    hide(".azure", CLOUD),
    hide(".gcloud", CLOUD),
    hide(".config/gcloud", CLOUD),
    hide(".config/doctl", CLOUD),
    hide(".config/hcloud", CLOUD),
    hide(".oci", CLOUD),
    hide(".boto", CLOUD),
    hide(".s3cfg", CLOUD),
    hide(".config/rclone", CLOUD),
    hide(".kube", CLOUD),
    hide(".terraform.d/credentials.tfrc.json", CLOUD),
    hide(".terraformrc", CLOUD),
    hide(".tofurc", CLOUD),
    hide(".vault-token", CLOUD),
    hide(".docker", TOKENS),
    hide(".config/containers/auth.json", TOKENS),
    hide(".local/share/containers", "images and volumes of containers"),
    hide(".git-credentials", TOKENS),
    hide(".config/git/credentials", TOKENS),
    hide(".config/gh", TOKENS),
    hide(".config/glab-cli", TOKENS),
    hide(".config/hub", TOKENS),
    hide(".netrc", TOKENS),
    hide(".npmrc", TOKENS),
    hide(".yarnrc.yml", TOKENS),
    hide(".yarnrc", TOKENS),
    hide(".config/pnpm", TOKENS),
    hide(".bunfig.toml", TOKENS),
    hide(".pypirc", TOKENS),
    hide(".config/pip", ADDRESS),
    hide(".pip", ADDRESS),
    hide(".condarc", ADDRESS),
    hide(".config/uv", ADDRESS),
    hide(".local/share/uv/credentials", TOKENS),
    hide(".config/pypoetry", TOKENS),
    hide(".rattler", TOKENS),
    hide(".config/go", ADDRESS),
    hide(".cargo/credentials", TOKENS),
    hide(".cargo/credentials.toml", TOKENS),
    hide(".m2/settings.xml", TOKENS),
    hide(".m2/settings-security.xml", TOKENS),
    hide(".gradle/gradle.properties", TOKENS),
    hide(".gradle/init.d", ADDRESS),
    hide(".ivy2/.credentials", TOKENS),
    hide(".sbt/.credentials", TOKENS),
    hide(".gem/credentials", TOKENS),
    hide(".local/share/gem/credentials", TOKENS),
    hide(".gemrc", ADDRESS),
    hide(".bundle/config", TOKENS),
    hide(".composer/auth.json", TOKENS),
    hide(".config/composer/auth.json", TOKENS),
    hide(".nuget/NuGet/NuGet.Config", TOKENS),
    hide(".config/NuGet", TOKENS),
    hide(".microsoft/usersecrets", PASSWORDS),
    hide(".dotnet/corefx", KEYS),
    hide(".config/op", PASSWORDS),
    hide(".op", PASSWORDS),
    hide(".1password", PASSWORDS),
    hide(".config/Bitwarden CLI", PASSWORDS),
    hide(".config/keepassxc", PASSWORDS),
    hide(".password-store", PASSWORDS),
    hide(".local/share/keyrings", PASSWORDS),
    hide(".local/share/kwalletd", PASSWORDS),
    hide(".credentials", PASSWORDS),
    hide(".secrets", PASSWORDS),
    hide(".pgpass", PASSWORDS),
    hide(".my.cnf", PASSWORDS),
    hide(".env", "variables with tokens"),
    hide(".envrc", "variables with tokens"),
    hide(".mozilla", BROWSER),
    hide(".config/google-chrome", BROWSER),
    hide(".config/chromium", BROWSER),
    hide(".config/microsoft-edge", BROWSER),
    hide(".config/BraveSoftware", BROWSER),
    hide(".config/vivaldi", BROWSER),
    hide(".config/opera", BROWSER),
    hide("snap", "browsers and mail programs of snap"),
    hide(".var/app", "browsers and mail programs of flatpak"),
    hide(".thunderbird", MAIL),
    hide(".config/Slack", MAIL),
    hide(".config/Signal", MAIL),
    hide(".bash_history", HISTORY),
    hide(".zsh_history", HISTORY),
    hide(".python_history", HISTORY),
    hide(".node_repl_history", HISTORY),
    hide(".psql_history", HISTORY),
    hide(".history", HISTORY),
    hide(".local/share/fish/fish_history", HISTORY),
    hide(".bashrc", SHELL),
    hide(".bash_profile", SHELL),
    hide(".bash_login", SHELL),
    hide(".profile", SHELL),
    hide(".zshrc", SHELL),
    hide(".zprofile", SHELL),
    hide(".zshenv", SHELL),
    hide(".config/fish", SHELL),
    hide(".config/environment.d", SHELL),
    hide(".claude.json", AGENT),
    hide(".claude/.credentials.json", AGENT),
    hide(".codex/auth.json", AGENT),
    hide(".gemini/oauth_creds.json", AGENT),
    hide(".local/share/opencode/auth.json", AGENT),
    hide(".config/github-copilot", AGENT),
    hide(".codex/.credentials.json", AGENT),
    hide(".copilot/config.json", AGENT),
    hide(".config/cursor", AGENT),
    hide(".config/goose/secrets.yaml", AGENT),
    hide(".openclaw/credentials", AGENT),
    hide(".openclaw/agents", AGENT),
    hide(".openclaw/state", AGENT),
    hide(".local/share/opencode/opencode.db", AGENT),
    hide(".aider/oauth-keys.env", AGENT),
    hide("/run/user", SOCKETS),
    hide("/run/secrets", "secrets of the container this runs in"),
    hide("/var/run/secrets", "secrets of the container this runs in"),
    hide("/run/docker.sock", SOCKETS),
    hide("/run/containerd", SOCKETS),
    hide("/run/podman", SOCKETS),
    hide("/run/dbus", SOCKETS),
    hide("/run/systemd/private", SOCKETS),
    hide("/var/run/docker.sock", SOCKETS),
    hide("/etc/shadow", PASSWORDS),
    hide("/etc/gshadow", PASSWORDS),
    hide("/etc/ssl/private", KEYS),
    hide("/etc/pki/tls/private", KEYS),
    hide("/etc/kubernetes", CLOUD),
];

/// Places of this program's own, which no policy can grant: who reads them learns what is watched, who writes them
/// writes the rules.
pub(crate) const OWN: &[Hidden] = &[
    hide(".config/ringfence", "ringfence's own rules"),
    hide(".local/state/ringfence", "ringfence's own records"),
    hide(".local/share/ringfence", "ringfence's own records"),
];
