//! What others could have written is never read, whichever way they try.
//!
//! Run as root and as an ordinary user: the one who runs them counts as the machine's owner.

use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, Mode};

use super::judgement::{About, Kind};
use super::*;
use crate::diagnostic::Report;

struct Scene {
    place: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        let place = Scene { place: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("etc")).unwrap();
        // Whatever the umask of who runs the tests.
        place.mode(".", 0o755);
        place.mode("etc", 0o755);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.mode(name, 0o644);
        self.path(name)
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn open(&self) -> Result<Option<Directory>, Diagnostic> {
        Directory::open(&machine(), &self.path("etc"))
    }

    fn read(&self) -> Result<Option<String>, String> {
        let told = |diagnostic: Diagnostic| Report::from(diagnostic).to_string();
        let Some(directory) = self.open().map_err(told)? else { return Ok(None) };
        directory.read("ceiling.toml").map(|file| file.map(|file| file.text)).map_err(told)
    }

    fn refusal(&self) -> String {
        self.read().expect_err("what others could have written was read")
    }
}

fn machine() -> Guard {
    Guard { side: Side::Machine, anchor: "/".into(), owners: [0, user()] }
}

fn user_guard() -> Guard {
    Guard { side: Side::User, ..machine() }
}

#[test]
fn a_file_of_its_owner_is_read() {
    let place = Scene::new();
    place.put("etc/ceiling.toml", "version = 1\n");
    assert_eq!(place.read(), Ok(Some("version = 1\n".into())));
}

#[test]
fn what_is_absent_says_nothing() {
    let place = Scene::new();
    assert_eq!(place.read(), Ok(None));
    fs::remove_dir(place.path("etc")).unwrap();
    assert_eq!(place.read(), Ok(None));
    // Whoever may write above a directory that is not there is nobody's business.
    place.mode(".", 0o777);
    assert_eq!(place.read(), Ok(None));
}

#[test]
fn each_owner_and_mode_has_its_answer() {
    let about = |kind, owner, mode| About { kind, owner, group: 7, mode: Mode::from_raw_mode(mode) };
    let guard = |side| Guard { side, anchor: "/".into(), owners: [0, 1000] };
    let (file, directory) = (Kind::File, Kind::Directory);
    let (machine, user) = (guard(Side::Machine), guard(Side::User));
    // Whose, what it should be, what it is, whether its group is the user's own, and whether it counts.
    let rows = [
        (&machine, Place::File, about(file, 0, 0o644), false, true),
        (&machine, Place::File, about(file, 1000, 0o600), false, true),
        (&machine, Place::File, about(file, 1001, 0o600), false, false),
        (&machine, Place::File, about(file, NOBODY, 0o644), false, false),
        (&machine, Place::File, about(file, 0, 0o664), false, false),
        (&machine, Place::File, about(file, 0, 0o646), false, false),
        (&machine, Place::File, about(file, 0, 0o1646), false, false),
        // No group is private to the machine, and none makes up for others.
        (&machine, Place::File, about(file, 0, 0o664), true, false),
        (&user, Place::File, about(file, 1000, 0o664), true, true),
        (&user, Place::File, about(file, 1000, 0o664), false, false),
        (&user, Place::File, about(file, 1000, 0o666), true, false),
        (&machine, Place::File, about(directory, 0, 0o755), false, false),
        (&machine, Place::File, about(Kind::Symlink, 0, 0o777), false, false),
        (&machine, Place::File, about(Kind::Other, 0, 0o600), false, false),
        (&machine, Place::Holder, about(file, 0, 0o644), false, false),
        (&machine, Place::Holder, about(Kind::Symlink, 0, 0o777), false, false),
        (&machine, Place::Holder, about(directory, 0, 0o755), false, true),
        (&machine, Place::Holder, about(directory, 0, 0o1777), false, false),
        (&machine, Place::Above, about(directory, 0, 0o1777), false, true),
        (&machine, Place::Above, about(directory, 1001, 0o1755), false, false),
        (&machine, Place::Above, about(directory, 0, 0o777), false, false),
        (&machine, Place::Above, about(directory, NOBODY, 0o755), false, false),
        (&machine, Place::Root, about(directory, NOBODY, 0o755), false, true),
        (&machine, Place::Root, about(directory, NOBODY, 0o757), false, false),
        (&machine, Place::Root, about(directory, 1001, 0o755), false, false),
    ];
    for (guard, place, about, private, counts) in rows {
        assert_eq!(guard.judge(place, &about, |_| private).is_ok(), counts, "{place:?} {about:?} {private}");
    }
}

const NOBODY: u32 = 65534;

#[test]
fn a_file_that_others_may_write_is_refused_with_what_mends_it() {
    let place = Scene::new();
    let file = place.put("etc/ceiling.toml", "");
    for mode in [0o666, 0o664, 0o646, 0o622] {
        place.mode("etc/ceiling.toml", mode);
        let told = place.refusal();
        assert!(told.contains(&format!("can be written by others (mode {mode:04o})")), "{told}");
        assert!(told.contains(&format!("sudo chmod go-w {}", file.display())), "{told}");
    }
}

#[test]
fn a_directory_that_others_may_write_spoils_what_is_in_it() {
    let place = Scene::new();
    place.put("etc/ceiling.toml", "");
    for (directory, mode) in [("etc", 0o777), ("etc", 0o775), ("etc", 0o1777), (".", 0o777), (".", 0o772)] {
        place.mode(directory, mode);
        assert!(place.refusal().contains("can be written by others"), "{directory} {mode:o}");
        place.mode(directory, 0o755);
    }
    // As /tmp is, and as such no way in.
    place.mode(".", 0o1777);
    assert_eq!(place.read(), Ok(Some(String::new())));
}

#[test]
fn a_file_of_another_user_is_refused_with_what_mends_it() {
    let place = Scene::new();
    let file = place.put("etc/ceiling.toml", "");
    if user() == 0 {
        std::os::unix::fs::chown(&file, Some(4242), None).unwrap();
        let told = place.refusal();
        assert!(told.contains("belongs to user 4242, not to root"), "{told}");
        assert!(told.contains(&format!("sudo chown root:root {}", file.display())), "{told}");
    }
    // For a guard that does not count this user, whoever he is, and his directories are his too.
    let stranger = Guard { owners: [4243, 4243], anchor: place.path("etc"), ..machine() };
    let told = Directory::open(&stranger, &place.path("etc")).unwrap_err().title;
    assert!(told.contains(&format!("belongs to user {}, not to root", user())), "{told}");
}

#[test]
fn a_symlink_is_refused_wherever_it_stands_and_wherever_it_leads() {
    let place = Scene::new();
    let evil = place.put("evil.toml", "evil");
    symlink(&evil, place.path("etc/ceiling.toml")).unwrap();
    assert!(place.refusal().contains("is a symbolic link"));
    fs::remove_file(place.path("etc/ceiling.toml")).unwrap();
    // One that leads nowhere is no absence.
    symlink("nowhere", place.path("etc/ceiling.toml")).unwrap();
    assert!(place.refusal().contains("is a symbolic link"));
    fs::remove_dir_all(place.path("etc")).unwrap();
    for target in [place.path(""), place.path("nowhere")] {
        symlink(target, place.path("etc")).unwrap();
        assert!(place.refusal().contains("is a symbolic link"));
        fs::remove_file(place.path("etc")).unwrap();
    }
}

#[test]
fn the_way_to_the_anchor_may_be_a_symlink() {
    let place = Scene::new();
    place.put("etc/ceiling.toml", "text");
    symlink(place.path(""), place.path("home")).unwrap();
    let guard = Guard { anchor: place.path("home"), ..user_guard() };
    let directory = Directory::open(&guard, &place.path("home/etc")).unwrap().unwrap();
    assert_eq!(directory.read("ceiling.toml").unwrap().unwrap().text, "text");
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let place = Scene::new();
    let file = place.path("etc/ceiling.toml");
    // Nobody writes into it: a blocking open would never come back.
    rustix::fs::mkfifoat(CWD, &file, Mode::from_raw_mode(0o600)).unwrap();
    assert!(place.refusal().contains("is no ordinary file"));
    fs::remove_file(&file).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&file).unwrap();
    place.mode("etc/ceiling.toml", 0o600);
    assert!(place.refusal().contains("is no ordinary file"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    place.mode("etc/ceiling.toml", 0o755);
    assert!(place.refusal().contains("is a directory, not a file"));
    fs::remove_dir_all(place.path("etc")).unwrap();
    place.put("etc", "");
    assert!(place.refusal().contains("is no directory"));
}

#[test]
fn what_is_no_text_or_too_long_is_refused() {
    let place = Scene::new();
    let file = place.path("etc/ceiling.toml");
    fs::write(&file, b"abc\xff").unwrap();
    place.mode("etc/ceiling.toml", 0o644);
    assert!(place.refusal().contains("is not UTF-8 at byte 3"));
    fs::File::create(&file).unwrap().set_len(LARGEST + 1).unwrap();
    assert!(place.refusal().contains("is larger than 16 MiB"));
    fs::File::create(&file).unwrap().set_len(LARGEST).unwrap();
    assert!(place.read().is_ok());
}

/// Root reads everything; without these two capabilities it reads what its modes let it.
#[cfg(target_os = "linux")]
fn as_one_without_privileges<T>(act: impl FnOnce() -> T) -> T {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let before = capabilities(None).unwrap();
    let mut less = before;
    less.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
    set_capabilities(None, less).unwrap();
    let result = act();
    set_capabilities(None, before).unwrap();
    result
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_read_is_not_absent() {
    let place = Scene::new();
    place.put("etc/ceiling.toml", "");
    for (name, mode, part) in [
        ("etc/ceiling.toml", 0o000, "sudo chmod a+r "),
        ("etc", 0o000, "failed to read the machine ceiling"),
        ("etc", 0o600, "failed to read the machine ceiling"),
    ] {
        place.mode(name, mode);
        let told = as_one_without_privileges(|| place.refusal());
        assert!(told.contains("Permission denied") && told.contains(part), "{told}");
        place.mode(name, 0o755);
    }
    fs::remove_file(place.path("etc/ceiling.toml")).unwrap();
    place.mode("etc", 0o000);
    // There is none, but who could tell?
    let told = as_one_without_privileges(|| place.refusal());
    assert!(told.contains("Permission denied"), "{told}");
    place.mode("etc", 0o311);
    let directory = place.open().unwrap().unwrap();
    let told = as_one_without_privileges(|| directory.names(".toml")).unwrap_err();
    assert!(told.help.iter().any(|help| help.contains("chmod a+rx")), "{told:?}");
    place.mode("etc", 0o755);
}

#[test]
fn a_file_that_is_swapped_while_it_is_read_is_the_owners_or_refused() {
    let place = Scene::new();
    let good = place.put("good", "good");
    let evil = place.put("evil", "evil");
    place.mode("evil", 0o666);
    let file = place.path("etc/ceiling.toml");
    fs::write(&file, "good").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let next = place.path("next");
            while !done.load(Ordering::Relaxed) {
                for target in [&good, &evil] {
                    // By symlink, by another name of a file that everybody may write, and by an own one.
                    symlink(target, &next).unwrap();
                    fs::rename(&next, &file).unwrap();
                    fs::hard_link(&evil, &next).unwrap();
                    fs::rename(&next, &file).unwrap();
                    fs::copy(&good, &next).unwrap();
                    fs::rename(&next, &file).unwrap();
                }
            }
        });
        let (mut read, mut refused) = (0, 0);
        for _ in 0..200_000 {
            match place.read() {
                Ok(Some(text)) => {
                    assert_eq!(text, "good");
                    read += 1;
                }
                Ok(None) => panic!("a name that is always there was taken for absent"),
                Err(_) => refused += 1,
            }
            if read > 200 && refused > 200 {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(read > 0 && refused > 0, "the swap was never met: {read} {refused}");
    });
}

#[test]
fn what_was_judged_is_what_is_read() {
    let place = Scene::new();
    place.put("etc/ceiling.toml", "good");
    let directory = place.open().unwrap().unwrap();
    fs::rename(place.path("etc"), place.path("old")).unwrap();
    fs::create_dir(place.path("etc")).unwrap();
    place.put("etc/ceiling.toml", "evil");
    assert_eq!(directory.read("ceiling.toml").unwrap().unwrap().text, "good");
}

#[test]
fn names_are_in_order_and_an_editors_are_left_out() {
    let place = Scene::new();
    let names = ["20.toml", "10.toml", "B.toml", "a.toml", ".#a.toml", "a.toml~", "a.toml.minisig", "README"];
    for name in names {
        place.put(&format!("etc/{name}"), "");
    }
    let directory = place.open().unwrap().unwrap();
    assert_eq!(directory.names(".toml").unwrap(), ["10.toml", "20.toml", "B.toml", "a.toml"]);
    place.put("etc/30.Toml", "");
    let told = directory.names(".toml").unwrap_err();
    assert!(told.title.contains("30.Toml` does not count by its name"), "{told:?}");
    fs::remove_file(place.path("etc/30.Toml")).unwrap();
    fs::write(place.path("etc").join(std::ffi::OsStr::from_bytes(b"\xff.toml")), "").unwrap();
    assert!(directory.names(".toml").unwrap_err().title.contains("not UTF-8"));
}

#[test]
fn a_directory_below_is_judged_like_the_one_above() {
    let place = Scene::new();
    let directory = place.open().unwrap().unwrap();
    assert!(directory.below("ceiling.d").unwrap().is_none());
    fs::create_dir(place.path("etc/ceiling.d")).unwrap();
    place.put("etc/ceiling.d/1.toml", "one");
    place.mode("etc/ceiling.d", 0o755);
    let below = directory.below("ceiling.d").unwrap().unwrap();
    assert_eq!(below.read("1.toml").unwrap().unwrap().path, place.path("etc/ceiling.d/1.toml"));
    place.mode("etc/ceiling.d", 0o775);
    assert!(directory.below("ceiling.d").is_err());
    fs::rename(place.path("etc/ceiling.d"), place.path("elsewhere")).unwrap();
    symlink(place.path("elsewhere"), place.path("etc/ceiling.d")).unwrap();
    assert!(directory.below("ceiling.d").unwrap_err().title.contains("is a symbolic link"));
}

#[test]
fn what_is_written_is_the_users_alone_and_follows_no_symlink() {
    let place = Scene::new();
    let guard = Guard { side: Side::Records, anchor: place.path(""), ..machine() };
    let directory = Directory::create(&guard, &place.path("a/b/trust")).unwrap();
    let outside = place.put("outside", "untouched");
    symlink(&outside, place.path("a/b/trust/x.toml")).unwrap();
    symlink(&outside, place.path(&format!("a/b/trust/.x.toml.{}", std::process::id()))).unwrap();
    for text in ["first", "second"] {
        directory.write("x.toml", text).unwrap();
        assert_eq!(directory.read("x.toml").unwrap().unwrap().text, text);
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    let mode = |name: &str| fs::symlink_metadata(place.path(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("a/b/trust/x.toml"), mode("a/b/trust"), mode("a")), (0o600, 0o700, 0o700));
    let left: Vec<_> = fs::read_dir(place.path("a/b/trust")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((directory.remove("x.toml").unwrap(), directory.remove("x.toml").unwrap()), (true, false));
}

#[test]
fn a_way_that_leads_out_of_the_anchor_is_none() {
    let place = Scene::new();
    let guard = Guard { anchor: place.path("etc"), ..machine() };
    assert!(Directory::open(&guard, &place.path("other")).is_err());
    assert!(Directory::open(&guard, &place.path("etc/../etc")).is_err());
}

#[test]
fn a_command_names_a_path_as_one_word() {
    assert_eq!(shell(Path::new("/etc/ringfence/a.toml")), "/etc/ringfence/a.toml");
    assert_eq!(shell(Path::new("/a b/$(x)'y")), r"'/a b/$(x)'\''y'");
}
