//! Builds what is measured, lays out a scratch directory, and measures as the chosen user.
//! The measuring itself is in the sections.

use super::ledger::Ledger;
use super::{
    Options, SECTIONS, host_mounts, machine, many, memory, mounts_seen, mxc, network, path_rules, policy,
    startup, work,
};
use crate::mxc::tun;
use crate::person::Person;
use crate::{root, target_dir};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const METHOD: &str = "Method: each round does every program once, in an order shuffled anew; the first round is thrown \
    away. `min` and `median` are over the rounds, `×` is the median of the ratios taken within each round. Absolute \
    times drift with the machine: read the ratios. `the floor` makes the same kernel calls and nothing else \
    (`xtask/bench/floor.c`), timed without its own start.";

/// Where the measured things lie, and who the measuring process is.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) scratch: PathBuf,
    pub(crate) workspace: PathBuf,
    pub(crate) ringfence: PathBuf,
    pub(crate) floor: PathBuf,
    pub(crate) other_floor: Option<PathBuf>,
    /// This program, optimised, if the policy is to be timed.
    pub(crate) decide: PathBuf,
    /// This program, where a sandbox can see it.
    pub(crate) server: PathBuf,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
}

impl Stage {
    fn at(scratch: &Path, options: &Options) -> Stage {
        let other = scratch.join("bin/other-floor");
        Stage {
            scratch: scratch.to_path_buf(),
            workspace: scratch.join("work"),
            ringfence: scratch.join("bin/ringfence"),
            floor: scratch.join("bin/floor"),
            other_floor: other.exists().then_some(other),
            decide: scratch.join("bin/decide"),
            server: scratch.join("work/.bench-server"),
            quick: options.quick,
            rounds: options.rounds,
        }
    }

    /// `ringfence run [flags] -- words`, as words.
    pub(crate) fn ours(&self, flags: &[&str], words: &[&str]) -> Vec<String> {
        let program = self.ringfence.display().to_string();
        let flags = flags.iter().map(|flag| flag.to_string());
        let words = words.iter().map(|word| word.to_string());
        [program, "run".into()].into_iter().chain(flags).chain(["--".into()]).chain(words).collect()
    }

    /// The words of bubblewrap for the view that our default run has, without the command.
    pub(crate) fn bubblewrap(&self) -> Result<Vec<String>> {
        let seen = mounts_seen::of_a_default_run(&self.ringfence, &self.workspace)?;
        let mut words: Vec<String> =
            "bwrap --unshare-all --die-with-parent --new-session --cap-drop ALL --proc /proc --dev /dev --tmpfs /tmp"
                .split(' ')
                .map(String::from)
                .collect();
        for (target, link) in
            [("usr/bin", "/bin"), ("usr/sbin", "/sbin"), ("usr/lib", "/lib"), ("usr/lib64", "/lib64")]
        {
            if !seen.iter().any(|seen| seen.path == link) {
                words.extend(["--symlink", target, link].map(String::from));
            }
        }
        words.extend(mounts_seen::as_bubblewrap(&seen));
        words.extend(["--chdir".into(), self.workspace.display().to_string()]);
        Ok(words)
    }
}

/// The whole bench: stage, measure in a process of the chosen user, take the report, clean up.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let options = Options::parse(words)?;
    let person = Person::named(options.user.as_deref())?;
    let scratch = options.scratch.clone().unwrap_or_else(|| person.home.join("ringfence-bench"));
    ensure!(!scratch.exists(), "{} exists: remove it, or name another with --scratch", scratch.display());
    fs::create_dir_all(&scratch).with_context(|| format!("failed to create {}", scratch.display()))?;
    let measured = build(&options, &scratch).and_then(|()| measure(words, &person, &scratch));
    let report = fs::read_to_string(scratch.join("report.md"));
    fs::remove_dir_all(&scratch).with_context(|| format!("failed to remove {}", scratch.display()))?;
    measured?;
    if options.write {
        let file = root().join("docs/benchmarks.md");
        fs::create_dir_all(root().join("docs"))?;
        fs::write(&file, report?).with_context(|| format!("failed to write {}", file.display()))?;
        println!("\nwritten: docs/benchmarks.md");
    }
    Ok(())
}

/// The part that runs as the chosen user; `words` are those of the whole bench after the scratch directory.
pub(crate) fn run_staged(words: &[String]) -> Result<()> {
    let (scratch, words) = words.split_first().context("bench-staged needs its directory")?;
    let options = Options::parse(words)?;
    let stage = Stage::at(Path::new(scratch), &options);
    let machine = machine::describe();
    println!("{machine}");
    work::lay_out(&stage)?;
    let mut ledger = Ledger::default();
    for section in SECTIONS.iter().filter(|section| options.wants(section)) {
        let measured = match *section {
            "startup" => startup::measure(&stage, &mut ledger),
            "memory" => memory::measure(&stage, &mut ledger),
            "many" => many::measure(&stage, &mut ledger),
            "policy" => policy::measure(&stage, &mut ledger),
            "path-rules" => path_rules::measure(&stage, &mut ledger),
            "host-mounts" => host_mounts::measure(&stage, &mut ledger),
            "network" => network::measure(&stage, &mut ledger),
            "work" => work::measure(&stage, &mut ledger),
            "mxc" => mxc::measure(&stage, &mut ledger),
            other => bail!("section {other} has no code"),
        };
        if let Err(error) = measured {
            // The other sections still say something; the report must not read as if this one had passed.
            ledger.unmeasured(section, &format!("{error:#}"));
        }
    }
    fs::write(stage.scratch.join("report.md"), ledger.into_markdown(&machine, METHOD))?;
    Ok(())
}

fn build(options: &Options, scratch: &Path) -> Result<()> {
    let bin = scratch.join("bin");
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(scratch.join("work"))?;
    let ringfence = match &options.ringfence {
        Some(program) => program.clone(),
        None => release_build(&["--package", "ringfence-cli"], "ringfence")?,
    };
    fs::copy(&ringfence, bin.join("ringfence"))
        .with_context(|| format!("failed to copy {}", ringfence.display()))?;
    fs::copy(std::env::current_exe()?, scratch.join("work/.bench-server"))?;
    if options.wants("policy") {
        fs::copy(release_build(&["--package", "xtask"], "xtask")?, bin.join("decide"))?;
    }
    if options.wants("mxc") {
        lay_out_mxc(&bin)?;
    }
    compile(&root().join("xtask/bench/floor.c"), &bin.join("floor"))?;
    if let Some(source) = &options.floor_source {
        compile(source, &bin.join("other-floor"))?;
    }
    Ok(())
}

/// MXC's programs and the name under which ours takes requests. Without them the section says that it was not measured.
fn lay_out_mxc(bin: &Path) -> Result<()> {
    fs::create_dir(bin.join("ours"))?;
    symlink("../ringfence", bin.join("ours/lxc-exec"))?;
    if let Err(error) = crate::mxc::Programs::installed().and_then(|programs| programs.copied(bin)) {
        println!("mxc: {error:#}");
    }
    Ok(())
}

/// Builds what `words` name; `program` is where the build leaves it.
fn release_build(words: &[&str], program: &str) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args(["build", "--release"])
        .args(words)
        .current_dir(root())
        .status()
        .context("failed to start cargo build")?;
    ensure!(status.success(), "the release build failed");
    // The build names its target in .cargo/config.toml, so cargo puts a folder of that name between.
    let program =
        target_dir().join(format!("{}-unknown-linux-gnu/release/{program}", std::env::consts::ARCH));
    ensure!(program.exists(), "the release build left no {}", program.display());
    Ok(program)
}

fn compile(source: &Path, program: &Path) -> Result<()> {
    let status = Command::new("gcc")
        .args(["-O2", "-static", "-o"])
        .args([program, source])
        .status()
        .context("failed to start gcc, which builds the floor")?;
    ensure!(status.success(), "gcc failed on {}", source.display());
    Ok(())
}

fn measure(words: &[String], person: &Person, scratch: &Path) -> Result<()> {
    person.give(scratch)?;
    let server = scratch.join("work/.bench-server").display().to_string();
    // MXC's rules want /dev/net/tun, which is root's on many hosts.
    let wants_tunnel = Options::parse(words)?.wants("mxc") && person.other && !tun::is_open_to_all();
    let after = tun::After { uid: person.uid, gid: person.gid };
    let before = if wants_tunnel { tun::wrapper(&after) } else { Vec::new() };
    let all: Vec<String> = before.into_iter().chain([server]).collect();
    let mut command = Command::new(&all[0]);
    command.args(&all[1..]).arg("bench-staged").arg(scratch).args(words).current_dir(scratch.join("work"));
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", &person.home)
        .env("LANG", "C.UTF-8");
    command.env("USER", &person.name);
    if !wants_tunnel {
        person.start(&mut command);
    }
    let status = command.status().context("failed to start the measuring process")?;
    ensure!(status.success(), "the measuring process ended with {status}");
    Ok(())
}
