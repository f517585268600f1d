//! The `ringfence-trial` program. Not shipped: it attacks the fence it was built with.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        // Before all else: the attempts are made by this same program inside the fence, where nothing may be assumed.
        Some((verb, rest)) if verb == "attempt" => ringfence_trial::attempts::main(rest),
        Some((verb, rest)) if verb == "without-netfilter" => {
            ringfence_trial::attempts::without_netfilter(rest)
        }
        Some((verb, rest)) if verb == "play" => ringfence_trial::model::main(rest),
        Some((verb, rest)) if verb.starts_with("internet") => ringfence_trial::serve_internet(verb, rest),
        Some((verb, rest)) if verb == "run" => match ringfence_trial::parse(rest) {
            Ok(options) => ringfence_trial::run(&options),
            Err(why) => usage(&why),
        },
        Some((verb, _)) if verb == "list" => {
            for row in ringfence_trial::rows() {
                println!("{}\t{}", row.name, row.threat_list());
            }
            ExitCode::SUCCESS
        }
        _ => usage("no verb given"),
    }
}

#[cfg(target_os = "linux")]
fn usage(why: &str) -> std::process::ExitCode {
    eprintln!(
        "ringfence-trial: {why}\n\
         usage: ringfence-trial run [--backend all|namespaces|process] [--user all|current|NAME] [--as NAME]\n\
        \x20                          [--filter TEXT] [--verbose]\n\
        \x20      ringfence-trial list\n\
         RINGFENCE_BIN names the program on trial; else the one beside this one, else one built by cargo."
    );
    std::process::ExitCode::from(2)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("ringfence-trial: no backend of this system is on trial yet");
    std::process::exit(2);
}
