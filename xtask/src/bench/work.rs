//! Work inside against outside, once the fence stands: the start of the sandbox is not in it.

use super::ledger::{Bound, Ledger};
use super::rounds::interleave;
use super::stage::Stage;
use super::subject::{Subject, command};
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Name, and the words; the last is bound to the processor and has a target of its own.
const JOBS: [(&str, &[&str]); 7] = [
    // An index for each place: it holds owners as numbers, and who is 1000 inside may be 1002 outside. On one index the
    // two would undo each other's refresh, which is a cost of changing sides and not of working inside.
    ("git status", &["env", "GIT_INDEX_FILE=.git/index-PLACE", "git", "status", "--porcelain"]),
    ("find", &["find", ".", "-type", "f", "-size", "+1000k"]),
    ("ripgrep", &["rg", "--count", "--no-messages", "needle_[0-9]+"]),
    ("a C compile", &["gcc", "-O1", "-c", "-o", "out/big.o", "big.c"]),
    ("a Python start", &["/usr/bin/python3", "-c", IMPORTS]),
    ("100 forks", &["/bin/sh", "-c", "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done"]),
    ("a processor loop", &["awk", "BEGIN { for (i = 0; i < 4000000; i++) s += i * i; print s }"]),
];
const IMPORTS: &str = "import asyncio, ctypes, decimal, email.mime.text, http.client, json, logging.config, \
    multiprocessing, sqlite3, ssl, unittest.mock, xml.dom.minidom";

pub(crate) fn measure(stage: &Stage, ledger: &mut Ledger) -> Result<()> {
    let rounds = (stage.rounds / 2).max(3);
    let mut bubblewrap = stage.bubblewrap()?;
    bubblewrap.push("--".into());
    let mut rows = Vec::new();
    let (mut product, mut measured) = (1.0_f64, 0);
    let mut bound = None;
    for (name, words) in JOBS {
        if let Err(error) = first_run(words, &stage.workspace) {
            ledger.unmeasured(&format!("work: {name}"), &format!("{error:#}"));
            continue;
        }
        let served = |place: &str| {
            let server = [stage.server.display().to_string(), "bench-serve".into()];
            server
                .into_iter()
                .chain(words.iter().map(|word| word.replace("PLACE", place)))
                .collect::<Vec<_>>()
        };
        let inside = served("inside");
        let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
        let theirs: Vec<String> = bubblewrap.iter().cloned().chain(served("bubblewrap")).collect();
        let mut subjects = [
            Subject::served("outside", &served("outside"), &stage.workspace)?,
            Subject::served("inside", &stage.ours(&["--quiet"], &inside), &stage.workspace)?,
            Subject::served("inside bubblewrap", &theirs, &stage.workspace)?,
        ];
        let series = interleave(&mut subjects, rounds).with_context(|| format!("work: {name}"))?;
        let ratio = series[1].ratio_to(&series[0]);
        rows.push(vec![
            name.to_string(),
            format!("{:.1}", series[0].median()),
            format!("{:.1}", series[1].median()),
            format!("{ratio:.2}"),
            format!("{:.2}", series[2].ratio_to(&series[0])),
        ]);
        if name == "a processor loop" {
            bound = Some(ratio);
        } else {
            product *= ratio;
            measured += 1;
        }
    }
    ledger.section(
        "Work",
        "A server inside the sandbox and one outside start the same program in the same directory.",
    );
    ledger.table(&["", "outside, median ms", "inside, median ms", "inside ×", "bubblewrap ×"], &rows);
    let mean = product.powf(1.0 / f64::from(measured));
    ledger.target(&format!("work inside, geometric mean of {measured}"), Bound::AtMost(1.10), mean, " ×");
    if let Some(ratio) = bound {
        ledger.target("processor-bound work inside", Bound::AtMost(1.05), ratio, " ×");
    }
    Ok(())
}

fn first_run(words: &[&str], directory: &Path) -> Result<()> {
    let output = command(words, directory).stdin(Stdio::null()).output().context("it is not installed")?;
    ensure!(output.status.success(), "it fails outside: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A git repository with many files, and a C file that takes a while.
pub(crate) fn lay_out(stage: &Stage) -> Result<()> {
    let (directories, files) = if stage.quick { (50, 20) } else { (500, 40) };
    for directory in 0..directories {
        let path = stage.workspace.join(format!("src/part{directory:03}"));
        fs::create_dir_all(&path)?;
        for file in 0..files {
            let text = format!(
                "// file {file} of part {directory}\nint needle_{file}(void) {{ return {directory}; }}\n"
            )
            .repeat(20);
            fs::write(path.join(format!("file{file:02}.c")), text)?;
        }
    }
    fs::create_dir_all(stage.workspace.join("out"))?;
    fs::write(stage.workspace.join("big.c"), big_source())?;
    fs::write(stage.workspace.join(".gitignore"), "/.bench-server\n/out\n/secrets\n")?;
    for words in [
        &["git", "init", "--quiet"][..],
        // A collection in the background would run into the measuring.
        &["git", "config", "gc.auto", "0"],
        &["git", "add", "."],
        &[
            "git",
            "-c",
            "user.name=bench",
            "-c",
            "user.email=bench@example.invalid",
            "commit",
            "--quiet",
            "-m",
            "tree",
        ],
    ] {
        first_run(words, &stage.workspace)?;
    }
    for place in ["outside", "inside", "bubblewrap"] {
        fs::copy(stage.workspace.join(".git/index"), stage.workspace.join(format!(".git/index-{place}")))?;
    }
    Ok(())
}

fn big_source() -> String {
    let mut text = String::from(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <sys/socket.h>\n",
    );
    for number in 0..120 {
        let _ = writeln!(
            text,
            "int f{number}(int a, int b) {{ int s = {number}; for (int i = 0; i < a; i++) s += (i ^ b) % (a + {number} + 1); \
             return s; }}"
        );
    }
    text
}
