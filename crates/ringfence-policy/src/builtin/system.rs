//! What of the system every command may read: programs, libraries, and the entries of /etc that make them work.
//!
//! Not a mirror of /etc: an entry is here because a tool fails or misbehaves without it, and holds no secret.

/// Directories of programs and libraries. On most distributions all but /usr are symlinks into it.
pub(crate) const DIRECTORIES: &[(&str, &str)] = &[
    ("/usr", "programs and libraries"),
    ("/bin", "programs"),
    ("/sbin", "programs"),
    ("/lib", "libraries"),
    ("/lib32", "libraries"),
    ("/lib64", "libraries, and the dynamic loader"),
    ("/libx32", "libraries"),
    ("/nix/store", "programs and libraries of NixOS, readable by everybody by design"),
    ("/run/current-system/sw", "the programs that NixOS has chosen"),
];

/// An entry of /etc.
pub(crate) struct Etc {
    /// Its name.
    pub(crate) name: &'static str,
    /// What of it: empty for all, else these names below it.
    pub(crate) below: &'static [&'static str],
    /// Why.
    pub(crate) why: &'static str,
}

const fn etc(name: &'static str, why: &'static str) -> Etc {
    Etc { name, below: &[], why }
}

/// Why each of the files that name the distribution.
const RELEASE: &str = "build scripts and pip ask for the distribution";

/// Entries of /etc. Absent on purpose: environment, npmrc, pip.conf and gemrc (registry tokens), ssh (network),
/// machine-id (tells the host), sudoers, shadow and ssl/private (secrets). passwd, group, hosts, resolv.conf,
/// nsswitch.conf and hostname are made anew by the fence. What programs look for and would find closed belongs here: without
/// a mount namespace it is there and answers EACCES, at which pip and perl stop.
pub(crate) const ETC: &[Etc] = &[
    etc("ld.so.cache", "without it every start searches all library directories"),
    etc("ld.so.conf", "ld(1) searches these directories for libraries of libraries"),
    etc("ld.so.conf.d", "ld(1) searches these directories for libraries of libraries"),
    etc("alternatives", "cc, java, editor … are symlinks through it"),
    Etc {
        name: "ssl",
        below: &["certs", "openssl.cnf", "cert.pem"],
        why: "certificates; the keys beside them are not granted",
    },
    Etc { name: "ca-certificates", below: &["extracted"], why: "certificates (Arch, openSUSE)" },
    Etc {
        name: "pki",
        below: &["ca-trust", "tls/certs", "tls/cert.pem", "tls/openssl.cnf", "java"],
        why: "certificates (Fedora); the keys beside them are not granted",
    },
    etc("crypto-policies", "OpenSSL and GnuTLS do not start without it (Fedora)"),
    etc("localtime", "time zone"),
    etc("timezone", "time zone, for Java and Python"),
    etc("mime.types", "types of files, for servers and Python"),
    etc("protocols", "names of protocols"),
    etc("bash.bashrc", "interactive bash"),
    etc("profile", "login shells"),
    etc("profile.d", "login shells"),
    etc("zsh", "zsh reads it at every start"),
    etc("zshenv", "zsh reads it at every start"),
    etc("zshrc", "zsh reads it at every start"),
    etc("zprofile", "zsh reads it at every start"),
    etc("inputrc", "line editing"),
    etc("locale.alias", "locales"),
    etc("perl", "on perl's module path"),
    etc("services", "names of ports"),
    etc("gitconfig", "git's system configuration"),
    etc("os-release", RELEASE),
    etc("debian_version", RELEASE),
    etc("lsb-release", RELEASE),
    etc("redhat-release", RELEASE),
    etc("fedora-release", RELEASE),
    etc("alpine-release", RELEASE),
    etc("fonts", "fontconfig: plots, documents, browsers"),
    etc("texmf", "TeX keeps its configuration here (Debian)"),
    etc("R", "R keeps its configuration here (Debian)"),
    Etc {
        name: "maven",
        below: &["m2.conf", "logging"],
        why: "mvn does not start without it; settings.xml may hold passwords",
    },
    etc("static", "NixOS: every entry of /etc is a symlink through it"),
];

/// Java: Debian's packages keep the configuration of `/usr/lib/jvm/NAME-ARCHITECTURE` in `/etc/NAME`.
pub(crate) const JVMS: &str = "/usr/lib/jvm";
/// Why.
pub(crate) const JVM_WHY: &str = "the JDK keeps its configuration here (Debian)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_with_secrets_is_granted() {
        for secret in [
            "shadow",
            "gshadow",
            "sudoers",
            "ssh",
            "environment",
            "npmrc",
            "pip.conf",
            "krb5.keytab",
            "machine-id",
        ] {
            assert!(ETC.iter().all(|entry| entry.name != secret), "{secret}");
        }
        let ssl = ETC.iter().find(|entry| entry.name == "ssl").expect("certificates are granted");
        assert!(!ssl.below.is_empty() && !ssl.below.contains(&"private"));
    }
}
