//! What the command is handed by its caller and by the fence's own processes: a standard stream, the environment that was
//! withheld, a copy of a repository under another name. None of it may be a way round.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::place::{CANARY, Place};
use crate::program;
use crate::row::{Outcome, Row};
use crate::session::{PATIENCE, Session};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("attributes_through_standard_input", &[36], |session| {
            attributes(session).unwrap_or_else(Outcome::Failed)
        }),
        Row::new("directory_as_standard_input", &[18, 19], |session| {
            directory(session).unwrap_or_else(Outcome::Failed)
        }),
        Row::new("environment_of_init_through_the_broker", &[29, 54], |session| {
            environment(session).unwrap_or_else(Outcome::Failed)
        })
        .held_by("environment"),
    ]
}

/// fchmod(2) needs no writable descriptor, and the caller may have redirected a file from anywhere.
fn attributes(session: &Session) -> Result<Outcome, String> {
    const LINE: &str = "import os; os.fchmod(3, 0o666)";
    let attempt = |fence: bool| -> Result<u32, String> {
        let place = session.place()?;
        let file = place.outside.join("redirected");
        fs::write(&file, "")
            .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(0o600)))
            .map_err(text)?;
        python(session, &place, fence, LINE, File::open(&file).map_err(text)?)?;
        Ok(fs::metadata(&file).map_err(text)?.permissions().mode() & 0o777)
    };
    Ok(match (attempt(true)?, attempt(false)?) {
        (0o600, 0o666) => Outcome::Passed,
        (0o600, bare) => Outcome::NotProved(format!("mode {bare:o} without a fence")),
        (fenced, _) => Outcome::Failed(format!("the file outside has mode {fenced:o}")),
    })
}

/// A descriptor of a directory leads through the mount that it was opened in, where nothing is denied.
fn directory(session: &Session) -> Result<Outcome, String> {
    const LINE: &str = "import os; print(os.read(os.open('secret', os.O_RDONLY, dir_fd=3), 99).decode())";
    let attempt = |fence: bool| -> Result<String, String> {
        let place = session.place()?;
        fs::write(place.outside.join("secret"), CANARY).map_err(text)?;
        Ok(python(session, &place, fence, LINE, File::open(&place.outside).map_err(text)?)?.text())
    };
    let (fenced, bare) = (attempt(true)?, attempt(false)?);
    Ok(match (fenced.contains(CANARY), bare.contains(CANARY)) {
        (true, _) => Outcome::Failed("the file behind the directory was read".into()),
        (false, true) => Outcome::Passed,
        (false, false) => Outcome::NotProved(bare),
    })
}

/// The broker opens files for the workload; the one of init's environment, which is a copy of the caller's, it must not.
fn environment(session: &Session) -> Result<Outcome, String> {
    const LINE: &str = "import os\n\
        for pid in ('1', str(os.getppid())):\n\
        \x20   try:\n\
        \x20       directory = os.open('/proc/' + pid, os.O_RDONLY | os.O_DIRECTORY)\n\
        \x20       print(os.read(os.open('environ', os.O_RDONLY | os.O_CREAT, dir_fd=directory), 65536))\n\
        \x20   except OSError as error: print(error)";
    let attempt = |fence: bool| -> Result<String, String> {
        let place = session.place()?;
        let line = "exec 0</dev/null; python3 -c \"$0\"; true";
        let argv = ["sh", "-c", line, LINE];
        let mut command =
            if fence { session.fence(&place, &[]) } else { session.bare_command(&place, &argv) };
        if fence {
            command.args(argv);
        }
        command.env("WITHHELD", CANARY);
        Ok(program::run(command, &[], PATIENCE)?.text())
    };
    let (fenced, bare) = (attempt(true)?, attempt(false)?);
    Ok(match (fenced.contains(CANARY), bare.contains(CANARY)) {
        (true, _) => Outcome::Failed("what was withheld was read".into()),
        (false, true) => Outcome::Passed,
        (false, false) => Outcome::NotProved(bare),
    })
}

/// Runs Python with this standard input, moved to descriptor 3: Python does not start with a directory there.
fn python(
    session: &Session,
    place: &Place,
    fence: bool,
    line: &str,
    input: File,
) -> Result<program::Ran, String> {
    let argv = ["sh", "-c", "exec 3<&0 0</dev/null; exec python3 -c \"$0\"", line];
    let mut command: Command =
        if fence { session.fence(place, &[]) } else { session.bare_command(place, &argv) };
    if fence {
        command.args(argv);
    }
    program::run_with_input(command, input, PATIENCE)
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
