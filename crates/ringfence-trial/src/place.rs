//! A scratch place for one attempt: a home with planted secrets, a workspace in it, and a directory outside of both.
//! Made new for every attempt, so that the fenced one and its control start equal.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::tree::Tree;

/// The text that no fenced attempt may ever print.
pub(crate) const CANARY: &str = "rftrial-canary-5d1f";

/// Files that people keep secrets in, below HOME (with what reading each would give away).
pub(crate) const SECRETS: &[&str] = &[
    ".ssh/id_ed25519",
    ".aws/credentials",
    ".azure/accessTokens.json",
    ".config/gcloud/credentials.db",
    ".config/gh/hosts.yml",
    ".config/rclone/rclone.conf",
    ".config/containers/auth.json",
    ".config/google-chrome/Default/Login Data",
    ".mozilla/firefox/p.default/logins.json",
    ".docker/config.json",
    ".kube/config",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".gnupg/private-keys-v1.d/key",
    ".password-store/mail.gpg",
    ".vault-token",
    ".cargo/credentials.toml",
    ".m2/settings.xml",
    ".gradle/gradle.properties",
    ".bash_history",
    ".claude/.credentials.json",
    ".codex/auth.json",
    ".local/share/keyrings/login.keyring",
    "other-project/.env",
];

/// Files that the shell or other programs run later, below HOME.
pub(crate) const RUN_LATER: &[&str] =
    &[".bashrc", ".profile", ".zshrc", ".gitconfig", ".config/git/config", ".config/autostart/x.desktop"];

/// Where the program on trial itself writes down what a run was refused.
const STATE: &str = "home/.local/state/ringfence";

/// One scratch place; removed when dropped.
pub(crate) struct Place {
    root: PathBuf,
    /// The caller's HOME.
    pub(crate) home: PathBuf,
    /// The directory the command is run in.
    pub(crate) work: PathBuf,
    /// A directory of the same user that nothing grants.
    pub(crate) outside: PathBuf,
}

impl Place {
    /// Makes the place at `root`, which must not exist.
    pub(crate) fn make(root: &Path) -> Result<Place, String> {
        let place = Place {
            root: root.to_path_buf(),
            home: root.join("home"),
            work: root.join("home/project"),
            outside: root.join("outside"),
        };
        place.fill().map_err(|error| format!("making {}: {error}", root.display()))?;
        Ok(place)
    }

    /// All of the host that an attempt must not change: the place without the workspace.
    pub(crate) fn host_side(&self) -> Tree {
        Tree::of(&self.root).without(|path| {
            let own = ["home", STATE, &format!("{STATE}/last-run.json"), &format!("{STATE}/run")]
                .iter()
                .any(|own| path == Path::new(own));
            own || path.starts_with(format!("{STATE}/log")) || path.starts_with("home/project")
        })
    }

    /// The workspace.
    pub(crate) fn workspace(&self) -> Tree {
        Tree::of(&self.work)
    }

    /// `text` with `$WORK`, `$HOME` and `$OUTSIDE` written out, for what no shell reads.
    pub(crate) fn expand(&self, text: &str) -> String {
        text.replace("$WORK", &self.work.to_string_lossy())
            .replace("$HOME", &self.home.to_string_lossy())
            .replace("$OUTSIDE", &self.outside.to_string_lossy())
    }

    fn fill(&self) -> std::io::Result<()> {
        for directory in [&self.work, &self.outside, &self.root.join(STATE)] {
            fs::create_dir_all(directory)?;
        }
        fs::write(self.outside.join("secret"), format!("{CANARY}\n"))?;
        fs::create_dir(self.outside.join("tree"))?;
        fs::write(self.outside.join("tree/file"), "readable\n")?;
        for name in SECRETS {
            let path = self.home.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&self.home))?;
            fs::write(&path, format!("{CANARY}\n"))?;
        }
        for name in RUN_LATER {
            let path = self.home.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&self.home))?;
            fs::write(&path, "# as it was\n")?;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if fs::remove_dir_all(&self.root).is_err() {
            unlock(&self.root);
            // What is left then is seen by the session's own check of its scratch directory.
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

/// Makes every directory below `path` writable again, for rows that take the right away.
fn unlock(path: &Path) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    if !metadata.is_dir() {
        return;
    }
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o755));
    for entry in path.read_dir().into_iter().flatten().flatten() {
        unlock(&entry.path());
    }
}
