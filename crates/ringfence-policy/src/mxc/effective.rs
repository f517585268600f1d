//! The hash of what a plan decides: the same for two texts that ask for the same.
//!
//! Without rules: where something was written decides nothing.

use ringfence_plan::Plan;
use serde_json::{Value, json};

use crate::layers::trust::digest;

/// SHA-256 of what `plan` decides, in hexadecimal digits. For who tells it: it takes a third of the time of reading a
/// request.
pub fn hash(plan: &Plan) -> String {
    let Plan { files, environment, network, limits, processes, containment, oversight, rules: _ } = plan;
    // Names of variables are members of an object, and may be called as a rule is.
    let set: Vec<(&String, &String)> =
        environment.set.iter().map(|(name, (value, _))| (name, value)).collect();
    let mut plan = json!({
        "files": files,
        "environment": [environment.pass, environment.refuse, environment.deny, environment.within],
        "network": network,
        "limits": limits,
        "processes": processes,
        "containment": containment,
        "oversight": oversight,
    });
    without_rules(&mut plan);
    plan["set"] = json!(set);
    digest(&plan.to_string())
}

fn without_rules(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|key, _| key != "rule" && key != "rules");
            members.values_mut().for_each(without_rules);
        }
        Value::Array(entries) => entries.iter_mut().for_each(without_rules),
        _ => {}
    }
}
