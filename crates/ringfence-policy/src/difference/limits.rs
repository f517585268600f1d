//! Limits: higher, or gone.
//!
//! No sums: each limit is its own.

use std::fmt::Display;

use ringfence_plan::{Field, Limits};

use super::{Area, Sides, rule};

pub(super) fn compare(sides: &mut Sides<'_>) {
    let Limits { memory, swap, processes, cpu, time, open_files, file_size, tmp, output, rules: _ } =
        &sides.after.limits;
    let before = &sides.before.limits;
    limit(sides, Field::Memory, before.memory, *memory);
    limit(sides, Field::Swap, before.swap, *swap);
    limit(sides, Field::Processes, before.processes, *processes);
    limit(sides, Field::Cpu, before.cpu, *cpu);
    limit(sides, Field::Time, before.time, *time);
    limit(sides, Field::OpenFiles, before.open_files, *open_files);
    limit(sides, Field::FileSize, before.file_size, *file_size);
    limit(sides, Field::Tmp, Some(before.tmp), Some(*tmp));
    limit(sides, Field::Output, before.output, *output);
}

fn limit<T: Display + PartialOrd>(sides: &mut Sides<'_>, field: Field, before: Option<T>, after: Option<T>) {
    let higher = match (&before, &after) {
        (Some(before), Some(after)) => after > before,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if higher {
        let word = |value: Option<T>| value.map_or_else(|| "no limit".to_owned(), |value| value.to_string());
        let rules = sides.both(|plan| plan.limits.rules.get(&field).and_then(|at| rule(plan, *at)));
        sides.say(Area::Limits, field.name(), [word(before), word(after)], rules);
    }
}
