//! Names and groups of this machine's users, from /etc/passwd and /etc/group as text (passwd(5), group(5)).
//!
//! Not from getpwuid(3): a static program has no name services, and a directory service that hangs would hang every
//! run. A user whom only such a service knows goes by his number.

use std::fs;
use std::path::Path;

/// Who has which number, name and HOME.
pub(super) const PASSWD: &str = "/etc/passwd";

/// The user who runs this process, by his real uid. `$USER` is what the caller says of himself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The real uid.
    pub uid: u32,
    /// His names in /etc/passwd: several when several lines have his number.
    pub names: Vec<String>,
}

impl Caller {
    /// The one who runs this process.
    pub fn current() -> Caller {
        let uid = super::guarded::user();
        Caller { uid, names: names_of(uid, &text(Path::new(PASSWD))) }
    }
}

/// Where the user who runs this process has his HOME, and what he is called, whatever his variables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// The real uid.
    pub(crate) uid: u32,
    known: Option<(String, String)>,
}

impl Account {
    /// That of the one who runs this process, by the file `passwd`.
    pub(crate) fn current(passwd: &Path) -> Account {
        let uid = super::guarded::user();
        Account { uid, known: account_of(uid, &text(passwd)) }
    }

    /// HOME and name.
    pub(crate) fn known(&self) -> Option<(&str, &str)> {
        self.known.as_ref().map(|(home, name)| (home.as_str(), name.as_str()))
    }
}

/// HOME and name in the first line with the number, as getpwuid(3) has it. A HOME that is `/` is none: what is said of
/// one person's files would be said of all.
fn account_of(uid: u32, passwd: &str) -> Option<(String, String)> {
    let uid = uid.to_string();
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields.len() >= 6 && fields[2] == uid && !fields[0].is_empty())?;
    let home = ringfence_plan::AbsPath::new(fields[5]).ok()?;
    home.parent().is_some().then(|| (home.to_string(), fields[0].to_owned()))
}

/// Whether nobody but `uid` can be in the group `gid`: distributions give each user such a group, and a umask with
/// which what he makes is writable by it.
#[cfg(unix)]
pub(super) fn is_private_group(gid: u32, uid: u32) -> bool {
    has_only(gid, uid, &text(Path::new(PASSWD)), &text(Path::new("/etc/group")))
}

fn text(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn names_of(uid: u32, passwd: &str) -> Vec<String> {
    let uid = uid.to_string();
    let lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines
        .filter(|fields| fields.len() >= 4 && fields[2] == uid && !fields[0].is_empty())
        .map(|fields| fields[0].to_owned())
        .collect()
}

/// Whether the group is the first one of a user with `uid`, of no other user, and has no other member.
#[cfg(unix)]
fn has_only(gid: u32, uid: u32, passwd: &str, group: &str) -> bool {
    let own = names_of(uid, passwd);
    let (uid, gid) = (uid.to_string(), gid.to_string());
    let users = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut first = users.filter(|fields| fields.len() >= 4 && fields[3] == gid).peekable();
    if first.peek().is_none() || first.any(|fields| fields[2] != uid) {
        return false;
    }
    let mut groups = group.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let Some(listed) = groups.find(|fields| fields.len() >= 4 && fields[2] == gid) else { return false };
    // Its name is the user's: one that was made for something else may get members from elsewhere.
    own.iter().any(|name| name == listed[0])
        && listed[3].split(',').all(|member| member.is_empty() || own.iter().any(|name| name == member))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n\
                          bob:x:1001:1001::/home/bob:/bin/sh\ncarl:x:1002:1001::/home/carl:/bin/sh\nbroken:x:1000\n";

    #[test]
    fn names_are_those_of_the_number() {
        assert_eq!(names_of(1000, PASSWD), ["ann"]);
        assert_eq!(names_of(0, PASSWD), ["root", "toor"]);
        assert_eq!(names_of(4242, PASSWD), Vec::<String>::new());
    }

    #[test]
    fn the_home_of_a_number_is_that_of_its_first_line() {
        let known = |uid, passwd: &str| account_of(uid, passwd).map(|(home, name)| format!("{name} {home}"));
        assert_eq!(known(1000, PASSWD).as_deref(), Some("ann /home/ann"));
        assert_eq!(known(0, PASSWD).as_deref(), Some("root /root"));
        for none in
            ["", "x:x:7:7::/:/bin/sh", "x:x:7:7::here:/bin/sh", "x:x:7:7:::", "x:x:7:7", ":x:7:7::/home/x:"]
        {
            assert_eq!(known(7, none), None, "{none}");
        }
        // Whoever writes a second line does not move what the first one says.
        assert_eq!(known(7, "x:x:7:7::/:/bin/sh\ny:x:7:7::/home/y:/bin/sh\n"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_private_group_has_nobody_else() {
        let alone = "root:x:0:\nann:x:1000:\nbob:x:1001:\nstaff:x:50:ann\n";
        assert!(has_only(1000, 1000, PASSWD, alone));
        assert!(has_only(1000, 1000, PASSWD, "ann:x:1000:ann"));
        for (why, gid, uid, groups) in [
            ("another member", 1000, 1000, "ann:x:1000:bob"),
            ("another's first group", 1001, 1001, alone),
            ("not his first group", 50, 1000, alone),
            ("another user's group", 1001, 1000, alone),
            ("no such group", 1000, 1000, "root:x:0:"),
            ("another name", 1000, 1000, "staff:x:1000:"),
            ("unknown user", 4242, 4242, "nobody:x:4242:"),
        ] {
            assert!(!has_only(gid, uid, PASSWD, groups), "{why}");
        }
    }
}
