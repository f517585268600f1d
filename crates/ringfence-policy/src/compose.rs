//! From the layers of several authors to stages, of which each can only narrow the one before. Pure.
//!
//! Not the plan: `compile` words the stages as one.

use ringfence_plan::{AbsPath, Origin, Plan};

use crate::compile;
use crate::diagnostic::Report;
use crate::layers::break_glass::Lifted;
use crate::layers::trust;
use crate::load::{Layer, LayerKind, Part, Sources, Unsettled};
use crate::presets::Chosen;
use crate::source::{Author, Source};
use crate::statement::Statement;

mod base;
mod ceiling;
mod claims;
mod composer;
mod environment;
mod fields;
mod gateway;
mod linked;
mod network;
mod patterns;
mod without_policy;
mod workspace;

pub(crate) use claims::impossible;
pub(crate) use fields::{Fields, StatementId};
pub(crate) use network::denied;
pub(crate) use patterns::literal_start;
pub(crate) use without_policy::{Kept, ceilings, kept, linked};

/// Stages with every field's value, and the statement that says so.
#[derive(Debug)]
pub struct Composed {
    pub(crate) texts: Vec<Source>,
    /// The grants first.
    pub(crate) readings: Vec<Reading>,
    pub(crate) parent: Option<Box<Plan>>,
    chosen: Vec<Chosen>,
    unsettled: Option<Unsettled>,
    lifted: Option<Lifted>,
    /// Where directories of PATH are granted: with what people wrote, the names that may lead through links.
    pub(crate) programs: Vec<AbsPath>,
    warnings: Report,
}

/// One stage, not yet worded.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) name: String,
    pub(crate) kind: StageKind,
    pub(crate) fields: Fields,
}

/// One author's whole word, as a plan. The plan of a run is what all stages let.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// For people.
    pub name: String,
    /// What it does.
    pub kind: StageKind,
    /// What it lets.
    pub plan: Plan,
}

/// What a stage does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// Grants: the base, presets, policies and flags.
    Grants,
    /// The same with a project's policy that is not trusted, which therefore only narrows.
    Untrusted,
    /// Narrows.
    Ceiling,
    /// The plan of the sandbox around this run.
    Parent,
}

/// Something that was granted and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Void {
    /// The path it speaks of.
    pub path: AbsPath,
    /// What was said.
    pub text: String,
    /// Where.
    pub origin: Origin,
    /// What counts instead.
    pub by: String,
    /// Where that stands.
    pub by_origin: Origin,
}

impl Composed {
    /// What was asked for and has no effect; worth telling, no reason to stop.
    pub fn warnings(&self) -> &Report {
        &self.warnings
    }

    /// The policy files that took part, as the user would name them.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().filter(|source| !source.files.is_empty()).map(|source| &*source.name)
    }

    /// The presets that took part, each with who asked for it.
    pub fn presets(&self) -> &[Chosen] {
        &self.chosen
    }

    /// The project's policy, if it is not trusted.
    pub fn unsettled(&self) -> Option<&Unsettled> {
        self.unsettled.as_ref()
    }

    /// The exception from the machine's ceiling, if this run has one.
    pub fn exception(&self) -> Option<&Lifted> {
        self.lifted.as_ref()
    }

    /// The texts that took part, flags apart, each with the SHA-256 of its bytes: for records.
    pub fn digests(&self) -> Vec<(String, String)> {
        let texts = self.texts.iter().filter(|source| source.author != Author::Flag);
        texts.map(|source| (source.name.to_string(), trust::digest(&source.text))).collect()
    }

    /// Whether a ceiling, or the sandbox around this one, narrows what is granted.
    pub(crate) fn is_bounded(&self) -> bool {
        self.parent.is_some() || self.readings.iter().any(|reading| reading.kind == StageKind::Ceiling)
    }

    /// Every stage by itself: the grants first, then what narrows them.
    pub fn stages(&self) -> Vec<Stage> {
        let worded = self.readings.iter().map(|reading| Stage {
            name: reading.name.clone(),
            kind: reading.kind,
            plan: compile::plan(&self.texts, &reading.fields),
        });
        let parent = self.parent.iter().map(|plan| Stage {
            name: "the sandbox around this one".into(),
            kind: StageKind::Parent,
            plan: (**plan).clone(),
        });
        worded.chain(parent).collect()
    }

    /// What was granted and lost within the grants.
    pub fn void(&self) -> Vec<Void> {
        let Some(Reading { fields, .. }) = self.readings.first() else { return Vec::new() };
        let of = |at: StatementId| {
            let statement = &fields.statements[at as usize];
            (statement.text(), compile::origin(&self.texts, statement))
        };
        let void = |(lost, by): &(crate::settle::Claim, crate::settle::Claim)| {
            let ((text, origin), (by, by_origin)) = (of(lost.statement), of(by.statement));
            Void { path: lost.path.clone(), text, origin, by, by_origin }
        };
        fields.void.iter().map(void).collect()
    }
}

/// Composes what was loaded.
///
/// # Errors
/// Every path, pattern or variable that cannot be meant, and a workspace that would hand over too much.
pub fn compose(sources: Sources) -> Result<Composed, Report> {
    let Sources { context, surroundings, texts, layers, chosen, unsettled, lifted, parent } = sources;
    let (mut ceilings, mut granting) = (Vec::new(), Vec::new());
    for layer in layers {
        match layer.kind {
            LayerKind::Ceiling => ceilings.push(layer),
            LayerKind::Grants => granting.push(layer),
        }
    }
    let with: Option<Vec<Statement>> = unsettled.as_ref().map(|_| statements(&granting, Part::With));
    let (fields, warnings) = composer::grants(&texts, &context, &surroundings, into_statements(granting))?;
    let anchors = fields.anchors();
    let mut readings = vec![Reading { name: "your policy".into(), kind: StageKind::Grants, fields }];
    if let (Some(statements), Some(project)) = (with, &unsettled) {
        let (fields, _) = composer::grants(&texts, &context, &surroundings, statements)?;
        let name = format!("the project's policy {}, which is not trusted", project.name);
        readings.push(Reading { name, kind: StageKind::Untrusted, fields });
    }
    for Layer { name, statements, .. } in ceilings.into_iter().filter(|layer| !layer.statements.is_empty()) {
        let said = (statements, anchors.clone());
        let fields = composer::ceiling(&texts, &context, &surroundings, said)?;
        readings.push(Reading { name, kind: StageKind::Ceiling, fields });
    }
    gateway::one_way_out(&texts, &readings)?;
    let warnings = Report(warnings);
    let programs = surroundings.programs.into_iter().map(|found| found.path).collect();
    let mut composed = Composed { texts, readings, parent, chosen, unsettled, lifted, programs, warnings };
    let void = crate::check::void_flags(&composed);
    composed.warnings.0.extend(void.0);
    Ok(composed)
}

/// The statements of one reading.
fn statements(layers: &[Layer], part: Part) -> Vec<Statement> {
    let counts = |layer: &&Layer| layer.part == Part::Always || layer.part == part;
    layers.iter().filter(counts).flat_map(|layer| layer.statements.iter().cloned()).collect()
}

/// The statements of the reading in which the project has no say it was not given.
fn into_statements(layers: Vec<Layer>) -> Vec<Statement> {
    layers.into_iter().filter(|layer| layer.part != Part::With).flat_map(|layer| layer.statements).collect()
}
