//! Supervision on systems that have no backend yet: there is nothing to supervise.

use std::io;

use ringfence_plan::Event;

use crate::error::Error;
use crate::outcome::Outcome;
use crate::run::Job;

/// Refuses. A plan does not come this far without a backend, so this is a second lock on the same door.
pub(crate) fn run(job: Job<'_>, _on_event: &mut dyn FnMut(&Event)) -> Result<Outcome, Error> {
    let source = io::Error::from(io::ErrorKind::Unsupported);
    Err(Error::Launch { backend: job.backend, source: source.into() })
}
