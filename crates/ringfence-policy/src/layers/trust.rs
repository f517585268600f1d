//! What projects' policies the user has trusted: a record for each project, with the texts he was shown.
//!
//! Not whether he should: until he has, a project's policy only narrows, and that is decided where plans are made.
//!
//! A record holds the texts, so that a change can be shown as what it lets. They are compared whole: the hash is for
//! people and programs to speak of, and nothing rests on it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::guarded::Directory;
use super::places::Places;
use crate::diagnostic::{Diagnostic, quoted};

/// A policy file and every file that it extends, each by its name in a directory without symlinks, where its relative
/// paths start: the project's own first.
pub type Chain = [(PathBuf, String)];

/// What the user has said of a chain.
#[derive(Clone, Debug, PartialEq)]
pub enum Trust {
    /// It is what he trusted.
    Trusted,
    /// He trusted other texts at this place.
    Changed {
        /// What he trusted.
        before: Vec<(PathBuf, String)>,
    },
    /// Nothing.
    Unknown,
    /// There is a record that does not count: somebody else could have written it, or it cannot be read.
    Doubtful {
        /// Why.
        why: Diagnostic,
    },
}

/// A project that the user has trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was trusted: the project's own file first.
    pub files: Vec<(PathBuf, String)>,
    /// The [`fingerprint`] of that.
    pub fingerprint: String,
}

/// What `chain` is called: the SHA-256 of its paths and texts, in hexadecimal digits.
pub fn fingerprint(chain: &Chain) -> String {
    let mut hash = Sha256::new();
    for (path, text) in chain {
        // Lengths first, so that no text can pass for the next path.
        for part in [path.as_os_str().as_encoded_bytes(), text.as_bytes()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hex(hash)
}

/// The SHA-256 of `text`, in hexadecimal digits.
pub(crate) fn digest(text: &str) -> String {
    hex(Sha256::new_with_prefix(text))
}

/// What the user has said of `chain`.
pub fn is_trusted(places: &Places, chain: &Chain) -> Trust {
    let Some((project, _)) = chain.first() else { return Trust::Unknown };
    let record = match open(places) {
        Ok(Some(directory)) => read(&directory, &file_name(project)),
        Ok(None) => return Trust::Unknown,
        Err(why) => Err(why),
    };
    match record {
        Err(why) => Trust::Doubtful { why },
        Ok(None) => Trust::Unknown,
        // A record that was put under another project's name.
        Ok(Some(record)) if record.files[0].0 != *project => Trust::Unknown,
        Ok(Some(record)) if record.files == chain => Trust::Trusted,
        Ok(Some(record)) => Trust::Changed { before: record.files },
    }
}

/// Records that the user trusts `chain`, as he was shown it. What he said of this project before is replaced.
///
/// # Errors
/// The record cannot be written, or a path is not UTF-8.
pub fn trust(places: &Places, chain: &Chain) -> Result<(), Diagnostic> {
    let Some((project, _)) = chain.first() else {
        return Err(Diagnostic::error("there is no policy to trust"));
    };
    let files = chain.iter().map(|(path, text)| {
        let utf8 = path.to_str().ok_or_else(|| {
            Diagnostic::error(format!("{} cannot be trusted: its path is not UTF-8", quoted(path.display())))
        })?;
        let sha256 = hex(Sha256::new_with_prefix(text));
        Ok(FileOnDisk { path: utf8.to_owned(), sha256, text: text.clone() })
    });
    let record = RecordOnDisk { version: VERSION, file: files.collect::<Result<_, Diagnostic>>()? };
    let text = toml::to_string(&record)
        .map_err(|error| Diagnostic::error(format!("failed to word the record of trust: {error}")))?;
    let (Some(guard), Some(state)) = (places.records_guard(), places.state()) else {
        return Err(Diagnostic::error("nothing can be trusted: there is no HOME to keep the record in")
            .help("set HOME to your own directory"));
    };
    let directory = Directory::create(&guard, &state.join(DIRECTORY))?;
    directory.write(&file_name(project), &text).map(|_| ())
}

/// Forgets what the user said of the project whose policy file is `project`; whether there was anything.
///
/// # Errors
/// The record is there and cannot be removed.
pub fn distrust(places: &Places, project: &Path) -> Result<bool, Diagnostic> {
    open(places)?.map_or(Ok(false), |directory| directory.remove(&file_name(project)))
}

/// All that the user has trusted, by path; and why a record does not count, for each that does not.
///
/// # Errors
/// The records cannot be looked at.
pub fn list(places: &Places) -> Result<(Vec<Record>, Vec<Diagnostic>), Diagnostic> {
    let (mut records, mut doubtful) = (Vec::new(), Vec::new());
    if let Some(directory) = open(places)? {
        for name in directory.names(SUFFIX)? {
            match read(&directory, &name) {
                Ok(record) => records.extend(record.filter(|record| file_name(&record.files[0].0) == name)),
                Err(why) => doubtful.push(why),
            }
        }
    }
    records.sort_by(|left, right| left.files[0].0.cmp(&right.files[0].0));
    Ok((records, doubtful))
}

const DIRECTORY: &str = "trust";
const SUFFIX: &str = ".toml";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordOnDisk {
    version: u32,
    file: Vec<FileOnDisk>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOnDisk {
    path: String,
    /// For people and programs that look into the record.
    sha256: String,
    text: String,
}

fn open(places: &Places) -> Result<Option<Directory>, Diagnostic> {
    match (places.records_guard(), places.state()) {
        (Some(guard), Some(state)) => Directory::open(&guard, &state.join(DIRECTORY)),
        _ => Ok(None),
    }
}

fn read(directory: &Directory, name: &str) -> Result<Option<Record>, Diagnostic> {
    let Some(file) = directory.read(name)? else { return Ok(None) };
    let wrong = |why: &str| {
        Err(Diagnostic::error(format!("the record {} {why}", quoted(file.path.display())))
            .help("it does not count; `ringfence policy trust` in the project writes it anew"))
    };
    let Ok(record) = toml::from_str::<RecordOnDisk>(&file.text) else {
        return wrong("is no record of trust");
    };
    if record.version != VERSION {
        return wrong("is of another version of ringfence");
    }
    if record.file.is_empty() {
        return wrong("names no file");
    }
    if record.file.iter().any(|file| file.sha256 != hex(Sha256::new_with_prefix(&file.text))) {
        return wrong("was changed: a hash is not that of its text");
    }
    let files: Vec<_> = record.file.into_iter().map(|file| (PathBuf::from(file.path), file.text)).collect();
    let fingerprint = fingerprint(&files);
    Ok(Some(Record { files, fingerprint }))
}

/// A name of fixed length for any path.
fn file_name(project: &Path) -> String {
    let hash = hex(Sha256::new_with_prefix(project.as_os_str().as_encoded_bytes()));
    format!("{hash}{SUFFIX}")
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(all(unix, test))]
mod tests;
