//! The table, one file a part of the fence.

mod behaviours;
mod environment;
mod files;
mod input;
mod kernel;
mod network;
mod processes;
mod protect;
mod races;
mod repositories;
mod streams;
mod supervision;

use crate::row::Row;

/// Every row.
pub fn all() -> Vec<Row> {
    let parts = [
        files::rows(),
        protect::rows(),
        repositories::rows(),
        kernel::rows(),
        network::rows(),
        processes::rows(),
        environment::rows(),
        races::rows(),
        behaviours::rows(),
        streams::rows(),
        supervision::rows(),
        input::rows(),
    ];
    parts.into_iter().flatten().collect()
}
