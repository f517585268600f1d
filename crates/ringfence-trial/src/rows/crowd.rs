//! Many grants side by side, which a backend may hold by other means than one mount each: what lies between them stays
//! closed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::place::CANARY;
use crate::row::{Outcome, Row, Scope};
use crate::session::Session;

/// More than any backend mounts one by one.
const MANY: usize = 100;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let row = Row::new("between_many_grants_nothing_is_read", &[55], |session| {
        between(session).unwrap_or_else(Outcome::Failed)
    });
    vec![row.only(Scope::Root("only root may make a directory outside of HOME and /tmp, where this matters"))]
}

/// A directory of /srv, removed when dropped.
struct Crowd(PathBuf);

impl Crowd {
    fn make(session: &Session) -> Result<Crowd, String> {
        let name = session.scratch().file_name().ok_or("the scratch directory has no name")?;
        let crowd = Crowd(Path::new("/srv").join(name));
        for number in 0..MANY {
            let directory = crowd.0.join(format!("granted{number:03}"));
            fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
            fs::write(directory.join("file"), "open").map_err(|error| error.to_string())?;
        }
        let between = crowd.0.join("granted050-not");
        fs::create_dir_all(&between).map_err(|error| error.to_string())?;
        fs::write(between.join("file"), CANARY).map_err(|error| error.to_string())?;
        Ok(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn between(session: &Session) -> Result<Outcome, String> {
    let crowd = Crowd::make(session)?;
    let place = session.place()?;
    let flags: Vec<String> = (0..MANY)
        .flat_map(|number| {
            ["--read".to_owned(), crowd.0.join(format!("granted{number:03}")).display().to_string()]
        })
        .collect();
    let line = format!(
        "cd {} && cat granted099/file && cat granted050-not/file; ls granted050-not; ls .",
        crowd.0.display()
    );
    let (fenced, bare) = (session.fenced(&place, &flags, &line)?, session.bare(&place, &line)?);
    let open = fenced.text().contains("open");
    let shown = fenced.text().contains(CANARY)
        || fenced.text().lines().any(|line| line == "file" || line == "granted001");
    Ok(match (open, shown, bare.text().contains(CANARY)) {
        (_, true, _) => {
            Outcome::Failed(format!("what lies between the grants was read or listed: {}", fenced.describe()))
        }
        (false, ..) => Outcome::Failed(format!("what was granted cannot be read: {}", fenced.describe())),
        (true, false, true) => Outcome::Passed,
        (true, false, false) => Outcome::NotProved(bare.describe()),
    })
}
