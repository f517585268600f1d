//! Type-checks the shipped crates for systems that this machine is not.
//! Nothing is linked or run: it proves that the code compiles there, never that anything is contained there.

use crate::dependencies::SHIPPED;
use crate::{root, target_dir};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const TARGETS: [&str; 4] =
    ["x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc", "x86_64-apple-darwin", "aarch64-apple-darwin"];

/// Checks the named targets, or all, and fails after the last when one of them failed.
pub(crate) fn run(targets: &[String]) -> Result<()> {
    let tools = toolchain(&target_dir().join("cross-toolchain"))?;
    let targets = if targets.is_empty() { TARGETS.map(String::from).to_vec() } else { targets.to_vec() };
    let mut failed = Vec::new();
    for target in targets {
        let start = Instant::now();
        let passed = check(&tools, &target)?;
        println!(
            "cross: {target}: {} ({:.0} s)",
            if passed { "type-checks" } else { "FAILED" },
            start.elapsed().as_secs_f32()
        );
        if !passed {
            failed.push(target);
        }
    }
    ensure!(failed.is_empty(), "the workspace does not type-check for {}", failed.join(", "));
    Ok(())
}

fn check(tools: &Path, target: &str) -> Result<bool> {
    let mut cargo = Command::new("cargo");
    cargo.args(["check", "--quiet", "-Zbuild-std", "--target", target]);
    for name in SHIPPED {
        cargo.args(["--package", name]);
    }
    let status = cargo
        .current_dir(root())
        .env("RUSTC", tools.join("rustc"))
        // `-Zbuild-std` is not stable; Debian's compiler is a stable one that takes it when told so.
        .env("RUSTC_BOOTSTRAP", "1")
        // A folder of its own: another compiler's files would make the next plain build start over.
        .env("CARGO_TARGET_DIR", target_dir().join("cross"))
        .status()
        .context("failed to start cargo check")?;
    Ok(status.success())
}

/// Debian's compiler for its web browsers, unpacked into `directory`: the one package that carries the whole standard
/// library's source beside a compiler of the same version, so no target has to be downloaded.
fn toolchain(directory: &Path) -> Result<PathBuf> {
    if starts(&directory.join("rustc")) {
        return Ok(directory.to_path_buf());
    }
    let packages = packages()?;
    let downloads = directory.join("packages");
    fs::create_dir_all(&downloads).with_context(|| format!("failed to create {}", downloads.display()))?;
    download(&packages, &downloads)?;
    unpack(&downloads, directory)?;
    write_starter(directory, "rustc")?;
    ensure!(
        starts(&directory.join("rustc")),
        "the unpacked compiler in {} does not start",
        directory.display()
    );
    Ok(directory.to_path_buf())
}

fn starts(program: &Path) -> bool {
    Command::new(program).arg("-vV").output().is_ok_and(|output| output.status.success())
}

/// The package names of today: they carry the compiler's version, which moves with security updates.
fn packages() -> Result<Vec<String>> {
    let version = field_after(&output("apt-cache", &["policy", "rustc-web"])?, "Candidate:")
        .context("apt knows no package rustc-web: run `apt-get update`, or use Debian 12 or later")?;
    let mut numbers = version.split('.');
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        bail!("the version of rustc-web has an unknown shape: {version}");
    };
    let library = format!("libstd-rust-web-{major}.{minor}");
    let llvm = output("apt-cache", &["depends", &library])?
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("libllvm"))
        .map(String::from)
        .with_context(|| format!("{library} depends on no libllvm"))?;
    Ok(vec!["rustc-web".into(), "rust-web-src".into(), "libstd-rust-web-dev".into(), library, llvm])
}

/// The word after `label`, wherever it stands.
fn field_after(text: &str, label: &str) -> Option<String> {
    let (_, rest) = text.split_once(label)?;
    rest.split_whitespace().next().filter(|word| *word != "(none)").map(String::from)
}

fn download(packages: &[String], into: &Path) -> Result<()> {
    println!("cross: downloading {}", packages.join(" "));
    let status = Command::new("apt-get")
        .args(["-qq", "-o", "DPkg::Lock::Timeout=500", "-o", "APT::Sandbox::User=root", "download"])
        .args(packages)
        .current_dir(into)
        .status()
        .context("failed to start apt-get")?;
    ensure!(status.success(), "apt-get download failed: {status}");
    Ok(())
}

fn unpack(downloads: &Path, into: &Path) -> Result<()> {
    for entry in fs::read_dir(downloads)? {
        let package = entry?.path();
        let status = Command::new("dpkg")
            .arg("-x")
            .arg(&package)
            .arg(into)
            .status()
            .context("failed to start dpkg")?;
        ensure!(status.success(), "failed to unpack {}: {status}", package.display());
    }
    fs::remove_dir_all(downloads).with_context(|| format!("failed to remove {}", downloads.display()))
}

/// A starter script: the compiler's own libraries lie beside it, not where the loader looks.
fn write_starter(directory: &Path, program: &str) -> Result<()> {
    let base = fs::canonicalize(directory)?;
    let libraries = base.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let text = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}'\nexport LD_LIBRARY_PATH\nexec '{}' \"$@\"\n",
        libraries.display(),
        base.join("usr/bin").join(program).display()
    );
    let path = directory.join(program);
    fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn output(program: &str, words: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(words).output().with_context(|| format!("failed to start {program}"))?;
    ensure!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::field_after;

    #[test]
    fn a_candidate_is_read_from_apt_policy() {
        let text = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1\n";
        assert_eq!(field_after(text, "Candidate:").as_deref(), Some("1.96.0+dfsg1-1"));
        assert_eq!(field_after("x:\n  Candidate: (none)\n", "Candidate:"), None);
    }
}
