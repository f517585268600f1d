//! Reads policy files and looks around: the only part of this crate that touches the disk, with `discover`.
//!
//! No judgement: what the statements amount to is composed from what is returned here.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ringfence_plan::AbsPath;

use crate::context::{Context, Request, Surroundings};
use crate::diagnostic::{Diagnostic, Report, quoted};
use crate::discover;
use crate::flag;
use crate::nearest::nearest;
use crate::read;
use crate::source::{Author, Source, SourceId, Span};
use crate::statement::{Statement, access_of};

/// The name of a project's policy file.
pub(crate) const FILE_NAME: &str = "ringfence.toml";
/// The largest file that is read, in bytes: ten thousand rules are a twentieth of it.
pub(crate) const LARGEST: u64 = 16 << 20;
/// The built-in presets: today the tool-chains that are found.
const PRESETS: &[&str] = &["default"];
/// Where a caller without a HOME of use has his.
const NO_HOME: &str = "/home/agent";

/// All that was read and found; [`crate::compose()`] makes fields of it.
#[derive(Clone, Debug)]
pub struct Sources {
    pub(crate) context: Context,
    pub(crate) surroundings: Surroundings,
    pub(crate) texts: Vec<Source>,
    /// In the order of authority: what is extended, what extends it, flags.
    pub(crate) statements: Vec<Statement>,
}

/// Reads what `request` names.
///
/// # Errors
/// A file that cannot be read or is wrong, an `extends` that is missing or goes in a circle, a wrong flag: all that is
/// wrong with the first wrong file, or with the flags.
pub fn load(request: &Request) -> Result<Sources, Report> {
    let context = context(request)?;
    let project = discover::project(&context);
    let mut loader = Loader::default();
    if request.policy_files.is_empty()
        && let Some(found) = project_policy(&context, project.root.as_ref())
    {
        loader.file(&found, Author::Project, &context)?;
    }
    for file in &request.policy_files {
        loader.file(file, Author::User, &context)?;
    }
    loader.flags(request, &context)?;
    let mut surroundings =
        Surroundings { project: project.root, worktree: project.worktree, ..Surroundings::default() };
    discover::system(&mut surroundings);
    if loader.wants_tool_chains() {
        discover::tool_chains(&mut surroundings, &context, &request.caller_env);
    }
    if loader.statements.iter().any(|statement| access_of(statement.field.key).is_some()) {
        discover::hidden(&mut surroundings, &context);
    }
    Ok(Sources { context, surroundings, texts: loader.texts, statements: loader.statements })
}

impl Sources {
    /// One policy that is no file: its text, called `name`, in these surroundings.
    ///
    /// # Errors
    /// As [`load()`]; and an `extends` that names a file, since nothing is read here.
    pub fn of_text(
        name: &str,
        text: &str,
        context: Context,
        surroundings: Surroundings,
    ) -> Result<Sources, Report> {
        let mut loader = Loader::default();
        if text.len() as u64 > LARGEST {
            return Err(
                Diagnostic::error(format!("the policy {} is larger than 16 MiB", quoted(name))).into()
            );
        }
        loader.texts.push(Source {
            name: name.into(),
            text: text.into(),
            directory: context.cwd.as_path().to_owned(),
            files: Vec::new(),
            author: Author::User,
        });
        let document = read::read(SourceId(0), &loader.texts)?;
        for (extended, span) in document.extends.iter().flatten() {
            if !PRESETS.contains(&extended.as_str()) {
                let title = format!("{} cannot be extended from here", quoted(extended));
                let label = "this policy is no file, so it extends presets only";
                return Err(Diagnostic::error(title).at(&loader.texts, span, label).into());
            }
        }
        Ok(Sources { context, surroundings, texts: loader.texts, statements: document.statements })
    }
}

fn context(request: &Request) -> Result<Context, Report> {
    let cwd = AbsPath::new(&request.cwd).map_err(|why| {
        Diagnostic::error(format!("the current directory {} {why}", quoted(request.cwd.display())))
    })?;
    // Service accounts have `/`, or nothing: a private HOME needs a place of its own.
    let home = AbsPath::new(&request.home).ok().filter(|home| *home != AbsPath::root());
    let home = home.or_else(|| AbsPath::new(NO_HOME).ok()).unwrap_or_else(AbsPath::root);
    Ok(Context { cwd, home, user: request.user.clone() })
}

/// The `ringfence.toml` nearest to `cwd`, not above the project's root.
fn project_policy(context: &Context, root: Option<&AbsPath>) -> Option<PathBuf> {
    let cwd = context.cwd.as_path();
    let top = root.map_or(cwd, AbsPath::as_path);
    cwd.ancestors().take_while(|dir| dir.starts_with(top)).map(|dir| dir.join(FILE_NAME)).find(|file| {
        // symlink_metadata: a link that leads nowhere is a policy that cannot be read, not the absence of one.
        fs::symlink_metadata(file).is_ok()
    })
}

#[derive(Default)]
struct Loader {
    texts: Vec<Source>,
    statements: Vec<Statement>,
    /// Files that are being read, outermost first: a second meeting is a circle.
    open: Vec<PathBuf>,
    /// Files that were read: a second meeting adds nothing.
    done: Vec<PathBuf>,
    says_extends: bool,
    names_default: bool,
}

impl Loader {
    fn file(&mut self, file: &Path, author: Author, context: &Context) -> Result<(), Report> {
        let file = context.cwd.as_path().join(file);
        let name = file.strip_prefix(context.cwd.as_path()).unwrap_or(&file).display().to_string();
        self.policy(&file, name, author, None)
    }

    fn policy(
        &mut self,
        file: &Path,
        name: String,
        author: Author,
        asked: Option<&Span>,
    ) -> Result<(), Report> {
        let text = text_of(file, author).map_err(|problem| self.unreadable(&name, &problem, asked))?;
        // Its own directory without symlinks, so that a leading `..` may be taken by name.
        let real = fs::canonicalize(file).map_err(|error| self.unreadable(&name, &error, asked))?;
        if self.open.contains(&real) {
            return Err(self.circle(&real, asked));
        }
        if self.done.contains(&real) {
            return Ok(());
        }
        let directory = match fs::canonicalize(file.parent().unwrap_or(file)) {
            Ok(directory) => directory,
            Err(error) => return Err(self.unreadable(&name, &error, asked)),
        };
        let named = file.file_name().map_or_else(|| real.clone(), |name| directory.join(name));
        let mut files = vec![real.clone(), named];
        files.dedup();
        let id = SourceId(self.texts.len() as u32);
        self.texts.push(Source {
            name: name.into(),
            text: text.into(),
            directory: directory.clone(),
            files,
            author,
        });
        let document = read::read(id, &self.texts)?;
        self.says_extends |= document.extends.is_some();
        self.open.push(real.clone());
        for (extended, span) in document.extends.iter().flatten() {
            self.extend(extended, span, &directory, author)?;
        }
        self.open.pop();
        self.done.push(real);
        self.statements.extend(document.statements);
        Ok(())
    }

    fn extend(
        &mut self,
        extended: &str,
        span: &Span,
        directory: &Path,
        author: Author,
    ) -> Result<(), Report> {
        if extended.contains('/') || extended.ends_with(".toml") {
            let file = directory.join(extended);
            return self.policy(&file, extended.to_owned(), author, Some(span));
        }
        if PRESETS.contains(&extended) {
            self.names_default = true;
            return Ok(());
        }
        let help = match nearest(extended, PRESETS.iter().copied()) {
            Some(near) => format!("did you mean {}?", quoted(near)),
            None => format!(
                "the one preset of this version is {}; a file is written with a slash: ./{extended}",
                quoted("default")
            ),
        };
        let title = format!("there is no preset {}", quoted(extended));
        Err(Diagnostic::error(title).at(&self.texts, span, "not a preset").help(help).into())
    }

    fn flags(&mut self, request: &Request, context: &Context) -> Result<(), Report> {
        let mut problems = Vec::new();
        for flag in &request.flags {
            let id = SourceId(self.texts.len() as u32);
            self.texts.push(flag::source(flag, context));
            match flag::read(id, &self.texts, flag) {
                Ok(statement) => self.statements.push(statement),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Report(problems)) }
    }

    fn wants_tool_chains(&self) -> bool {
        !self.says_extends || self.names_default
    }

    fn unreadable(&self, name: &str, error: &io::Error, asked: Option<&Span>) -> Report {
        let diagnostic =
            Diagnostic::error(format!("failed to read the policy file {}: {error}", quoted(name)));
        match asked {
            Some(span) => diagnostic.at(&self.texts, span, "named here").into(),
            None => diagnostic.help("--policy FILE names another one").into(),
        }
    }

    fn circle(&self, file: &Path, asked: Option<&Span>) -> Report {
        let mut chain: Vec<_> =
            self.open.iter().skip_while(|open| *open != file).map(|open| open.display()).collect();
        let again = file.display();
        chain.push(again);
        let chain: Vec<_> = chain.iter().map(ToString::to_string).collect();
        let diagnostic = Diagnostic::error("these policy files extend each other in a circle");
        let diagnostic = match asked {
            Some(span) => diagnostic.at(&self.texts, span, "this one is being read already"),
            None => diagnostic,
        };
        diagnostic.help(format!("the circle is {}; take one of them out", chain.join(" → "))).into()
    }
}

/// The text of a policy file.
fn text_of(file: &Path, author: Author) -> io::Result<String> {
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
