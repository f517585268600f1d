//! Variables that pass, that are set, and that never pass.
//!
//! What is in no list does not pass either.

/// Pass with the caller's value: terminal, language, time zone, and what programs ask for to choose colours.
pub(crate) const PASS: &[(&str, &str)] = &[
    ("PATH", "where programs are"),
    ("SHELL", "which shell tools start"),
    ("LANG", "language"),
    ("LANGUAGE", "language"),
    ("LC_*", "language"),
    ("TZ", "time zone"),
    ("TERM", "terminal"),
    ("COLORTERM", "terminal"),
    ("TERM_PROGRAM", "terminal"),
    ("NO_COLOR", "colours"),
    ("FORCE_COLOR", "colours"),
    ("CLICOLOR", "colours"),
    ("CLICOLOR_FORCE", "colours"),
    ("CARGO_TERM_COLOR", "colours"),
    ("CI", "tools behave differently under CI"),
    ("SOURCE_DATE_EPOCH", "reproducible builds"),
    ("RUST_BACKTRACE", "a developer asks for it by hand"),
    ("RUST_LOG", "a developer asks for it by hand"),
];

/// Set to a value of ours; HOME is added by `compose`.
pub(crate) const SET: &[(&str, &str, &str)] = &[
    ("USER", "agent", "the name inside, whoever the caller is"),
    ("LOGNAME", "agent", "the name inside, whoever the caller is"),
    ("TMPDIR", "/tmp", "the private one"),
    ("RINGFENCE", "1", "tells a program that it is fenced"),
];

/// Never pass, not even named in full: a loader, shell or interpreter takes from them what to run.
pub(crate) const DANGEROUS: &[&str] = &[
    "LD_*",
    "DYLD_*",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "MALLOC_TRACE",
    "BASH_ENV",
    "BASH_FUNC_*",
    "BASHOPTS",
    "SHELLOPTS",
    "ENV",
    "CDPATH",
    "GLOBIGNORE",
    "IFS",
    "PS4",
    "PROMPT_COMMAND",
    "ZDOTDIR",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONBREAKPOINT",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_REPL_EXTERNAL_MODULE",
    "PERL5OPT",
    "PERL5LIB",
    "PERL5DB",
    "PERLLIB",
    "RUBYOPT",
    "RUBYLIB",
    "GEM_PATH",
    "GEM_HOME",
    "BUNDLE_GEMFILE",
    "LUA_INIT*",
    "LUA_PATH*",
    "LUA_CPATH*",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "MAVEN_OPTS",
    "MAVEN_ARGS",
    "GRADLE_OPTS",
    "DOTNET_STARTUP_HOOKS",
    "DOTNET_ADDITIONAL_DEPS",
    "GOFLAGS",
    "GIT_*",
    "RUSTC",
    "RUSTC_*",
    "RUSTDOC",
    "RUSTFLAGS",
    "*_RUNNER",
    "*_LINKER",
    "CARGO_BUILD_RUSTC*",
    "MAKEFLAGS",
    "MFLAGS",
    "MAKEFILES",
    "npm_config_*",
    "NPM_CONFIG_*",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "MANPAGER",
    "BROWSER",
    "LESSOPEN",
    "LESSCLOSE",
    "RIPGREP_CONFIG_PATH",
];

/// Sockets and displays of the caller's session: of no use inside, and a way out where the fence leaks.
pub(crate) const SESSION: &[&str] = &[
    "SSH_*",
    "GPG_*",
    "DBUS_*",
    "XDG_RUNTIME_DIR",
    "WAYLAND_DISPLAY",
    "DISPLAY",
    "XAUTHORITY",
    "DOCKER_*",
    "CONTAINER_HOST",
    "KUBECONFIG",
    "KUBERNETES_*",
    "TMUX",
    "STY",
];

/// Credentials by their usual names. One that is named in full passes: its author meant that very variable.
pub(crate) const SECRET: &[&str] = &[
    "*TOKEN*",
    "*token*",
    "*SECRET*",
    "*secret*",
    "*PASSWORD*",
    "*password*",
    "*PASSWD*",
    "*PASSPHRASE*",
    "*CREDENTIAL*",
    "*credential*",
    "*_KEY",
    "*_KEY_*",
    "*APIKEY*",
    "*_api_key",
    "*_PAT",
    "*_DSN",
    "*DATABASE_URL*",
    "*COOKIE*",
    "AWS_*",
    "AZURE_*",
    "GOOGLE_*",
    "GCP_*",
    "OP_*",
    "VAULT_*",
    "PGPASS*",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_their_wildcard_at_an_end() {
        for name in DANGEROUS.iter().chain(SESSION).chain(SECRET) {
            assert!(!name.trim_matches('*').contains('*') && !name.is_empty(), "{name}");
        }
    }
}
