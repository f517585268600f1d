//! The words behind `ringfence-trial run`. Not a general parser: four options, for developers and CI.

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// On which backends.
    pub backends: Backends,
    /// As whom.
    pub users: Users,
    /// The unprivileged user to be, instead of one made for the occasion.
    pub as_user: Option<String>,
    /// Only rows whose name contains one of these; all if empty.
    pub filters: Vec<String>,
    /// Whether to print the output of rows that failed in full, and the time of each.
    pub verbose: bool,
}

/// Which backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backends {
    /// Each in turn.
    All,
    /// Only the one of this name.
    One(&'static str),
}

/// Which users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Users {
    /// The current one and, if that is root, an unprivileged one too.
    All,
    /// Whoever runs the trial.
    Current,
    /// Only the unprivileged one.
    Unprivileged,
}

/// Reads the arguments behind `run`.
pub fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options {
        backends: Backends::All,
        users: Users::All,
        as_user: None,
        filters: Vec::new(),
        verbose: false,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        if name == "--verbose" {
            options.verbose = true;
            continue;
        }
        let value = inline.or_else(|| rest.next().cloned()).ok_or(format!("{name} wants a value"))?;
        match name {
            "--backend" => options.backends = backends(&value)?,
            "--user" => match value.as_str() {
                "all" => options.users = Users::All,
                "current" => options.users = Users::Current,
                "unprivileged" => options.users = Users::Unprivileged,
                name => {
                    options.users = Users::Unprivileged;
                    options.as_user = Some(name.to_owned());
                }
            },
            "--as" => options.as_user = Some(value),
            "--filter" => options.filters.push(value),
            other => return Err(format!("there is no option {other}")),
        }
    }
    Ok(options)
}

fn backends(value: &str) -> Result<Backends, String> {
    match value {
        "all" => Ok(Backends::All),
        "namespaces" => Ok(Backends::One("namespaces")),
        "process" => Ok(Backends::One("process")),
        other => Err(format!("there is no backend {other}")),
    }
}

impl Options {
    /// Whether a row of this name was asked for.
    pub fn wants(&self, row: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| row.contains(filter.as_str()))
    }
}
