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

/// pip does not start where one of these is there and closed, as it is without a mount namespace.
const RELEASE: &str = "build scripts and pip ask for the distribution";

/// Entries of /etc. Absent on purpose: environment, npmrc, pip.conf and gemrc (registry tokens), ssh (network),
/// machine-id (tells the host), sudoers, shadow and ssl/private (secrets). passwd, group, hosts, resolv.conf,
/// nsswitch.conf and hostname are made anew by the fence. Start-up files of shells are absent too: Debian's profile sets
/// PATH back to the system's directories, away from the tool-chains. The list is short since each entry costs 10 µs of
/// every start.
pub(crate) const ETC: &[Etc] = &[
    etc("ld.so.cache", "without it every start searches all library directories"),
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
