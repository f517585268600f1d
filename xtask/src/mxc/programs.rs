//! MXC's published programs, pinned, installed below target/ by npm.
//! Nothing of theirs is in this repository.

use super::subject::{Generation, Subject};
use crate::root;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "@microsoft/mxc-sdk";
/// The last of the old contract and the first of the new.
const VERSIONS: [&str; 2] = ["0.8.0", "1.0.1"];

/// Where npm left them.
pub(crate) struct Programs {
    folders: [PathBuf; 2],
}

/// What of the needed tools this host lacks.
pub(crate) fn missing() -> Option<&'static str> {
    ["node", "npm", "bwrap"].into_iter().find(|program| !has(program))
}

/// Whether PATH or root's part of it has the program.
pub(super) fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/sbin"]).any(|folder| Path::new(folder).join(program).exists())
}

impl Programs {
    /// Installs what is not there yet.
    pub(crate) fn installed() -> Result<Programs> {
        let folders = VERSIONS.map(|version| root().join("target/ci-mxc").join(version));
        for (folder, version) in folders.iter().zip(VERSIONS) {
            if !lxc_exec(folder).exists() {
                install(folder, version)?;
            }
        }
        Ok(Programs { folders })
    }

    /// The folder with the package's own `node_modules`, for its SDK.
    pub(super) fn sdk(&self) -> &Path {
        &self.folders[0]
    }

    /// Copies that every user can reach, for 0.8.0 and 1.0.1.
    pub(crate) fn copied(&self, bin: &Path) -> Result<[PathBuf; 2]> {
        let mut copies = Vec::new();
        for (folder, version) in self.folders.iter().zip(VERSIONS) {
            let place = bin.join(format!("mxc-{version}"));
            fs::create_dir_all(&place)?;
            copies.push(copy(&lxc_exec(folder), &place.join("lxc-exec"))?);
        }
        let [old, new] = &copies[..] else { unreachable!("one a version") };
        Ok([old.clone(), new.clone()])
    }

    /// All that is tried, ours under MXC's name.
    pub(super) fn laid_out(&self, ringfence: &Path, bin: &Path) -> Result<Vec<Subject>> {
        let [old, new] = self.copied(bin)?;
        let ours = bin.join("ours");
        fs::create_dir_all(&ours)?;
        copy(ringfence, &ours.join("ringfence"))?;
        let named = ours.join("lxc-exec");
        symlink("ringfence", &named)?;
        Ok(vec![
            Subject { name: "MXC 0.8.0", program: old, version: "0.8.0-alpha", generation: Generation::V08 },
            Subject { name: "MXC 1.0.1", program: new, version: "1.0.0", generation: Generation::V10 },
            Subject { name: "ringfence", program: named, version: "1.0.0", generation: Generation::Ours },
        ])
    }
}

fn lxc_exec(folder: &Path) -> PathBuf {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    folder.join("node_modules").join(PACKAGE).join("bin").join(arch).join("lxc-exec")
}

fn install(folder: &Path, version: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    let status = Command::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(folder)
        .arg(format!("{PACKAGE}@{version}"))
        .status()
        .context("failed to start npm")?;
    ensure!(status.success(), "npm could not install {PACKAGE}@{version}");
    ensure!(lxc_exec(folder).exists(), "{PACKAGE}@{version} has no lxc-exec for this machine");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<PathBuf> {
    fs::copy(from, to).with_context(|| format!("failed to copy {}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(to.to_path_buf())
}
