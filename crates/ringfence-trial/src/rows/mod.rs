//! The table, one file a part of the fence.

mod agents;
mod behaviours;
mod clients;
mod credentials;
mod crowd;
mod environment;
mod files;
mod gateway;
mod gateway_bad;
mod gateway_budget;
mod gateway_clients;
mod gateway_closed;
mod gateway_datagrams;
mod gateway_listeners;
mod gateway_live;
mod gateway_names;
mod gateway_parent;
mod gateway_ports;
mod gateway_resolver;
mod guardrails;
mod inherited;
mod input;
mod inspect;
mod kernel;
mod nested;
mod network;
mod oversight;
mod presets_node;
mod presets_tools;
mod processes;
mod protect;
mod races;
mod repositories;
mod streams;
mod supervision;

use crate::row::Row;

/// Every row, those that may run beside each other first.
pub fn all() -> Vec<Row> {
    let beside = [
        files::rows(),
        protect::rows(),
        repositories::rows(),
        kernel::rows(),
        behaviours::rows(),
        input::rows(),
        inherited::rows(),
        crowd::rows(),
        nested::rows(),
        oversight::rows(),
        agents::rows(),
        clients::rows(),
        guardrails::rows(),
        presets_tools::rows(),
        presets_node::rows(),
        gateway::rows(),
        gateway_bad::rows(),
        gateway_clients::rows(),
        gateway_datagrams::rows(),
        gateway_listeners::rows(),
        gateway_live::rows(),
        gateway_closed::rows(),
        gateway_ports::rows(),
        gateway_names::rows(),
        gateway_parent::rows(),
        gateway_resolver::rows(),
        gateway_budget::rows(),
        inspect::rows(),
        credentials::rows(),
    ];
    let alone = [
        network::rows(),
        processes::rows(),
        environment::rows(),
        races::rows(),
        streams::rows(),
        supervision::rows(),
    ];
    let alone = alone.into_iter().flatten().map(Row::alone);
    beside.into_iter().flatten().chain(alone).collect()
}
