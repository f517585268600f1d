//! A policy file with all that it extends: one author's chain.
//!
//! Whose it is, and whether it counts, is decided by whoever asks for it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::preset::Into;
use super::{LARGEST, Layer, LayerKind, Loader, Part};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::layers::signature::{self, Demand, SUFFIX};
use crate::presets;
use crate::read::{self, Hears};
use crate::source::{Author, Source, SourceId, Span};
use crate::statement::{Place, Statement};

/// As many files extend each other at most; each is a call within a call.
const DEEPEST: usize = 32;

/// Where a chain begins.
pub(super) struct Start {
    pub(super) author: Author,
    pub(super) part: Part,
    /// What people call the layer.
    pub(super) layer: String,
    /// Whether its `extends` decides if presets are looked for.
    pub(super) decides: bool,
    /// What the caller has a say in.
    pub(super) hears: Hears,
    /// Whether it is a file that counts without being named, so that what it extends must be the user's own as well.
    pub(super) standing: bool,
}

/// A chain being read.
pub(super) struct Chain {
    start: Start,
    /// Statements that grant, outermost file last.
    grants: Vec<Statement>,
    /// Files that are being read, outermost first: a second meeting is a circle.
    open: Vec<PathBuf>,
    /// Files that were read: a second meeting adds nothing.
    done: Vec<PathBuf>,
    /// The files of the chain, by their place in [`Loader::texts`].
    pub(super) files: Vec<SourceId>,
}

/// A text that is one file of a chain.
pub(super) struct File {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Where the file above asks for it.
    pub(super) asked: Option<Span>,
}

impl Chain {
    pub(super) fn new(start: Start) -> Chain {
        Chain { start, grants: Vec::new(), open: Vec::new(), done: Vec::new(), files: Vec::new() }
    }
}

impl Loader<'_> {
    /// Reads the file at `path` and all it extends as one layer, with a layer more for each ceiling among them.
    pub(super) fn chain_of(&mut self, path: &Path, start: Start) -> Result<Vec<SourceId>, Report> {
        let path = self.context.cwd.as_path().join(path);
        let name = self.name_of(&path);
        let text = match start.author {
            Author::Project => self.project_text(&path, &name, None)?,
            author => self.text(&path, author).map_err(|error| self.unreadable(&name, &error, None))?,
        };
        self.chain(File { name, path, text, asked: None }, start)
    }

    /// The same of a text that was read already.
    pub(super) fn chain(&mut self, file: File, start: Start) -> Result<Vec<SourceId>, Report> {
        let mut chain = Chain::new(start);
        self.file(&mut chain, file)?;
        let Chain { start, grants, files, .. } = chain;
        self.layers.push(Layer {
            kind: if start.author.is_ceiling() { LayerKind::Ceiling } else { LayerKind::Grants },
            part: start.part,
            name: start.layer,
            statements: grants,
        });
        Ok(files)
    }

    /// `path` as the user would name it.
    pub(super) fn name_of(&self, path: &Path) -> String {
        let (cwd, home) = (self.context.cwd.as_path(), self.context.home.as_path());
        match (path.strip_prefix(cwd), path.strip_prefix(home)) {
            (Ok(below), _) => below.display().to_string(),
            (_, Ok(below)) => format!("~/{}", below.display()),
            _ => path.display().to_string(),
        }
    }

    /// The text at `path`, or the one that stands for it.
    fn text(&self, path: &Path, author: Author) -> io::Result<String> {
        self.instead(path).map_or_else(|| text_of(path, author), Ok)
    }

    /// The text that stands for the file at `path`.
    pub(super) fn instead(&self, path: &Path) -> Option<String> {
        if self.request.texts.is_empty() {
            return None;
        }
        let directory = directory_of(path).ok()?;
        self.request.texts.get(&named(path, &directory)).cloned()
    }

    fn file(&mut self, chain: &mut Chain, file: File) -> Result<(), Report> {
        let File { name, path, text, asked } = file;
        let asked = asked.as_ref();
        // Its own directory without symlinks, so that a leading `..` may be taken by name.
        let real = fs::canonicalize(&path).map_err(|error| self.unreadable(&name, &error, asked))?;
        if chain.open.contains(&real) {
            return Err(self.circle(chain, &real, asked));
        }
        if chain.done.contains(&real) {
            return Ok(());
        }
        if chain.open.len() == DEEPEST {
            let diagnostic = Diagnostic::error("these policy files extend each other too deep");
            let diagnostic = match asked {
                Some(span) => diagnostic.at(&self.texts, span, "the files above are 32 already"),
                None => diagnostic,
            };
            return Err(diagnostic.help("let one file extend several, beside each other").into());
        }
        let directory = directory_of(&path).map_err(|error| self.unreadable(&name, &error, asked))?;
        let named = named(&path, &directory);
        let mut files = vec![real.clone(), named];
        files.dedup();
        let id = SourceId(self.texts.len() as u32);
        self.texts.push(Source {
            name: name.as_str().into(),
            text: text.into(),
            directory: directory.clone(),
            files,
            author: chain.start.author,
        });
        chain.files.push(id);
        let document =
            self.with_facts(false, chain.start.hears, |facts| read::read(id, &self.texts, facts))?;
        if chain.start.standing {
            self.check_names(&document.statements)?;
        }
        if chain.start.decides && document.extends.is_some() {
            self.says_extends(chain.start.part);
        }
        chain.open.push(real.clone());
        for (extended, span) in document.extends.iter().flatten() {
            self.extend(chain, extended, span, &directory)?;
        }
        chain.open.pop();
        chain.done.push(real);
        if chain.start.author == Author::Project {
            self.dormant.extend(document.dormant);
        }
        match document.ceiling {
            Some(_) if !chain.start.author.is_ceiling() => {
                self.check_signature(id)?;
                let kind = LayerKind::Ceiling;
                let layer = format!("the ceiling {name}");
                self.layers.push(Layer {
                    kind,
                    part: chain.start.part,
                    name: layer,
                    statements: document.statements,
                });
            }
            _ => chain.grants.extend(document.statements),
        }
        Ok(())
    }

    /// Refuses a bare name in `deny` of a file that stands in a directory of settings: it would be one beside that file, where
    /// nothing is granted, and whoever wrote it means one of every project.
    fn check_names(&self, statements: &[Statement]) -> Result<(), Report> {
        let is_bare = |words: &str| {
            let first = words.split('/').next().unwrap_or_default();
            !words.starts_with(['/', '~', '$']) && !matches!(first, "" | "." | ".." | "**")
        };
        let bare = statements.iter().filter(|one| one.field.key == "filesystem.deny" && is_bare(&one.words));
        let problems = bare.filter_map(|one| {
            let Place::Written(span) = &one.place else { return None };
            let title = format!("`filesystem.deny` {} names nothing of a project", quoted(&one.words));
            let diagnostic = Diagnostic::error(title).at(&self.texts, span, "it would lie beside this file");
            let [anywhere, of_project, beside] =
                ["**/", "$WORKSPACE/", "./"].map(|start| quoted(format!("{start}{}", one.words)));
            Some(diagnostic.help(format!(
                "write {anywhere} for that name wherever something is granted, {of_project} for that of the workspace, or \
                 {beside} if it is this directory that is meant"
            )))
        });
        let problems: Vec<Diagnostic> = problems.collect();
        if problems.is_empty() { Ok(()) } else { Err(Report(problems)) }
    }

    /// Refuses a ceiling that the user named if a signature stands beside it and is wrong.
    fn check_signature(&self, id: SourceId) -> Result<(), Report> {
        let source = &self.texts[id.0 as usize];
        let Some(file) = source.files.first() else { return Ok(()) };
        let beside = PathBuf::from(format!("{}{SUFFIX}", file.display()));
        // A command may have put it there: no pipe is waited at, and no endless one read.
        let signature = match text_of(&beside, Author::Project) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.unreadable(&beside.display().to_string(), &error, None)),
        };
        let demand = (self.keys.as_slice(), Demand::RightIfThere);
        signature::check(&source.name, &source.text, signature.as_deref(), demand)?;
        Ok(())
    }

    fn extend(
        &mut self,
        chain: &mut Chain,
        extended: &str,
        span: &Span,
        directory: &Path,
    ) -> Result<(), Report> {
        if extended.contains('/') || extended.ends_with(".toml") {
            if chain.start.author.is_ceiling() {
                // Who may have written such a file would have to be judged as well, wherever it lies.
                let title = "a ceiling extends presets only";
                let help = "further ceilings are files of ceiling.d";
                return Err(Diagnostic::error(title).at(&self.texts, span, "a file").help(help).into());
            }
            let path = directory.join(extended);
            let (path, text) = match chain.start.author {
                Author::Project => (path.clone(), self.project_text(&path, extended, Some(span))?),
                _ if chain.start.standing => self.standing_text(&path, extended, span)?,
                author => {
                    let text = self.text(&path, author);
                    (path, text.map_err(|error| self.unreadable(extended, &error, Some(span)))?)
                }
            };
            let file = File { name: extended.to_owned(), path, text, asked: Some(span.clone()) };
            return self.file(chain, file);
        }
        if extended == presets::DEFAULT {
            self.names_default = true;
            return Ok(());
        }
        match presets::find(extended) {
            // What a ceiling extends is part of that ceiling, and grants nothing.
            Some(preset) if chain.start.author.is_ceiling() => {
                let (statements, _) = self.preset_statements(preset, Into::Ceiling(chain.start.hears))?;
                chain.grants.extend(statements);
                Ok(())
            }
            Some(preset) => {
                let why = format!("{} extends it", self.texts[span.source.0 as usize].name);
                self.preset(preset, why, chain.start.part)
            }
            None => Err(self.no_preset(extended, Some(span))),
        }
    }

    /// Notes that the files which decide about presets do.
    fn says_extends(&mut self, part: Part) {
        match part {
            Part::Always => self.says_extends = [true; 2],
            Part::Without => self.says_extends[0] = true,
            Part::With => self.says_extends[1] = true,
        }
    }

    pub(super) fn unreadable(&self, name: &str, error: &io::Error, asked: Option<&Span>) -> Report {
        let diagnostic =
            Diagnostic::error(format!("failed to read the policy file {}: {error}", quoted(name)));
        match asked {
            Some(span) => diagnostic.at(&self.texts, span, "named here").into(),
            None => diagnostic.help("--policy FILE names another one").into(),
        }
    }

    fn circle(&self, chain: &Chain, file: &Path, asked: Option<&Span>) -> Report {
        let open = chain.open.iter().skip_while(|open| *open != file);
        let files: Vec<_> =
            open.map(PathBuf::as_path).chain([file]).map(|file| file.display().to_string()).collect();
        let diagnostic = Diagnostic::error("these policy files extend each other in a circle");
        let diagnostic = match asked {
            Some(span) => diagnostic.at(&self.texts, span, "this one is being read already"),
            None => diagnostic,
        };
        diagnostic.help(format!("the circle is {}; take one of them out", files.join(" → "))).into()
    }
}

/// The directory that a policy file is named in, without symlinks: its relative paths start there.
fn directory_of(file: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(file.parent().unwrap_or(file))
}

/// The file's own name in `directory`, whatever that leads to.
fn named(file: &Path, directory: &Path) -> PathBuf {
    file.file_name().map_or_else(|| directory.to_owned(), |name| directory.join(name))
}

/// The text of a policy file.
pub(super) fn text_of(file: &Path, author: Author) -> io::Result<String> {
    let about = fs::metadata(file)?;
    if about.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    // A pipe that the user names is read (`--policy <(…)`); one that lies in a project would stop every run in it.
    if author == Author::Project && !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not an ordinary file"));
    }
    let mut bytes = Vec::with_capacity(about.len().min(LARGEST) as usize + 1);
    fs::File::open(file)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(io::ErrorKind::InvalidData, format!("it is not UTF-8 at byte {at}"))
    })
}
