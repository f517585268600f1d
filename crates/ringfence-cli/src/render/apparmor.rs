//! The AppArmor profile that lets this program, and no other, make user namespaces.
//! Not a confinement: the profile adds the one right that Ubuntu 24.04 and later take from unnamed programs.

use std::path::Path;

/// The profile for the program at `path`, with the commands that install it in its first lines.
pub(crate) fn profile(path: &Path) -> String {
    let name = quoted(path);
    format!(
        "\
# Install as root:
#   ringfence doctor --apparmor-profile > /etc/apparmor.d/ringfence
#   apparmor_parser --replace /etc/apparmor.d/ringfence
# Whoever can write the program below can use this right for another: install it where only root writes.
abi <abi/4.0>,
include <tunables/global>

profile ringfence {name} flags=(unconfined) {{
  userns,
  include if exists <local/ringfence>
}}
"
    )
}

/// A path in the words of apparmor.d(5): quoted, and what would be a wildcard taken literally.
fn quoted(path: &Path) -> String {
    let mut name = String::from("\"");
    for letter in path.to_string_lossy().chars() {
        if matches!(letter, '"' | '\\' | '*' | '?' | '[' | ']' | '{' | '}' | '^' | '@') {
            name.push('\\');
        }
        name.push(letter);
    }
    name.push('"');
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_names_the_program_and_grants_user_namespaces() {
        let text = profile(Path::new("/usr/local/bin/ringfence"));
        assert!(
            text.contains("profile ringfence \"/usr/local/bin/ringfence\" flags=(unconfined) {\n  userns,\n")
        );
    }

    #[test]
    fn a_path_is_no_pattern() {
        assert_eq!(quoted(Path::new("/opt/a b/{x}*")), "\"/opt/a b/\\{x\\}\\*\"");
    }
}
