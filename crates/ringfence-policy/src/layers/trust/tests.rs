//! A project's policy is trusted when it is, to the letter, what the user trusted, and the record is his.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

struct Scene {
    home: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        Scene { home: tempfile::tempdir().unwrap() }
    }

    fn places(&self) -> Places {
        Places::of_home(self.home.path())
    }

    fn record(&self) -> PathBuf {
        let mut entries = fs::read_dir(self.directory()).unwrap().map(|entry| entry.unwrap().path());
        let record = entries.next().unwrap();
        assert_eq!(entries.next(), None);
        record
    }

    fn directory(&self) -> PathBuf {
        self.places().state().unwrap().join(DIRECTORY)
    }

    fn ask(&self, chain: &Chain) -> Trust {
        is_trusted(&self.places(), chain)
    }

    fn is_doubtful(&self, chain: &Chain) -> bool {
        matches!(self.ask(chain), Trust::Doubtful { .. })
    }
}

fn chain() -> Vec<(PathBuf, String)> {
    vec![
        ("/srv/p/ringfence.toml".into(), "version = 1\nextends = [\"./team.toml\"]\n".into()),
        // What TOML has to escape.
        ("/srv/p/team \"'\u{e9}.toml".into(), "\u{1}\r\n\ta = '''x'''\r\n\"\"\"\\\u{7f}\u{2028}\n\n".into()),
    ]
}

#[test]
fn what_was_trusted_is_trusted_until_a_letter_changes() {
    let scene = Scene::new();
    assert_eq!(scene.ask(&chain()), Trust::Unknown);
    trust(&scene.places(), &chain()).unwrap();
    assert_eq!(scene.ask(&chain()), Trust::Trusted);
    let changed = Trust::Changed { before: chain() };
    for nth in 0..2 {
        let mut other = chain();
        other[nth].1.push(' ');
        assert_eq!(scene.ask(&other), changed);
    }
    let mut renamed = chain();
    renamed[1].0 = "/srv/p/other.toml".into();
    let mut more = chain();
    more.push(("/srv/p/more.toml".into(), String::new()));
    let mut swapped = chain();
    swapped.push(swapped[1].clone());
    for other in [&renamed[..], &more, &swapped, &chain()[..1]] {
        assert_eq!(scene.ask(other), changed);
    }
    trust(&scene.places(), &more).unwrap();
    assert_eq!(
        (scene.ask(&more), scene.ask(&chain())),
        (Trust::Trusted, Trust::Changed { before: more.clone() })
    );
}

#[test]
fn trust_is_for_one_place() {
    let scene = Scene::new();
    trust(&scene.places(), &chain()).unwrap();
    let mut elsewhere = chain();
    elsewhere[0].0 = "/srv/q/ringfence.toml".into();
    assert_eq!(scene.ask(&elsewhere), Trust::Unknown);
    assert_eq!(scene.ask(&[]), Trust::Unknown);
    assert!(trust(&scene.places(), &[]).is_err());
    // The record of one project under the name of another.
    fs::rename(scene.record(), scene.directory().join(file_name(&elsewhere[0].0))).unwrap();
    assert_eq!(scene.ask(&elsewhere), Trust::Unknown);
    assert_eq!(list(&scene.places()).unwrap().0, []);
}

#[test]
fn what_is_forgotten_is_not_trusted() {
    let scene = Scene::new();
    let project = chain()[0].0.clone();
    assert!(!distrust(&scene.places(), &project).unwrap());
    trust(&scene.places(), &chain()).unwrap();
    assert!(distrust(&scene.places(), &project).unwrap());
    assert_eq!(scene.ask(&chain()), Trust::Unknown);
    assert!(!distrust(&scene.places(), &project).unwrap());
}

#[test]
fn the_list_is_in_order_and_tells_what_does_not_count() {
    let scene = Scene::new();
    assert_eq!(list(&scene.places()).unwrap(), (vec![], vec![]));
    for name in ["/b", "/a", "/c"] {
        trust(&scene.places(), &[(name.into(), name.into())]).unwrap();
    }
    fs::write(scene.directory().join("0.toml"), "nonsense").unwrap();
    let (records, doubtful) = list(&scene.places()).unwrap();
    let names: Vec<_> = records.iter().map(|record| record.files[0].0.to_str().unwrap()).collect();
    assert_eq!((names, doubtful.len()), (vec!["/a", "/b", "/c"], 1));
    assert_eq!(records[0].fingerprint, fingerprint(&[("/a".into(), "/a".into())]));
}

#[test]
fn a_record_that_others_could_have_written_does_not_count() {
    let scene = Scene::new();
    trust(&scene.places(), &chain()).unwrap();
    let record = scene.record();
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(&record, 0o666);
    assert!(scene.is_doubtful(&chain()));
    mode(&record, 0o600);
    for directory in [scene.directory(), scene.home.path().join(".local")] {
        mode(&directory, 0o777);
        assert!(scene.is_doubtful(&chain()));
        mode(&directory, 0o700);
    }
    assert_eq!(scene.ask(&chain()), Trust::Trusted);
    // Only root can give a file away; as another user this part is what the tests of `guarded` say of owners.
    if super::super::guarded::user() == 0 {
        std::os::unix::fs::chown(&record, Some(4242), None).unwrap();
        assert!(scene.is_doubtful(&chain()));
        std::os::unix::fs::chown(&record, Some(0), None).unwrap();
    }
    let aside = scene.home.path().join("aside");
    fs::rename(&record, &aside).unwrap();
    symlink(&aside, &record).unwrap();
    assert!(scene.is_doubtful(&chain()));
}

#[test]
fn a_record_that_is_damaged_or_of_another_version_does_not_count() {
    let scene = Scene::new();
    trust(&scene.places(), &chain()).unwrap();
    let record = scene.record();
    let right = fs::read_to_string(&record).unwrap();
    for wrong in [
        String::new(),
        "version = 1".into(),
        "version = 1\nfile = []\n".into(),
        right.replace("version = 1\n\n", "version = 2\n\n"),
        right.replace("extends", "expands"),
        right[..right.len() / 2].to_owned(),
        format!("more = 1\n{right}"),
    ] {
        assert_ne!(wrong, right);
        fs::write(&record, &wrong).unwrap();
        assert!(scene.is_doubtful(&chain()), "{wrong}");
    }
    fs::write(&record, &right).unwrap();
    assert_eq!(scene.ask(&chain()), Trust::Trusted);
}

#[test]
fn records_are_the_users_alone() {
    let scene = Scene::new();
    trust(&scene.places(), &chain()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(&scene.record()), mode(&scene.directory())), (0o600, 0o700));
}

#[test]
fn without_a_home_nothing_is_trusted() {
    let none = Places::default();
    assert!(trust(&none, &chain()).unwrap_err().title.contains("no HOME"));
    assert_eq!(is_trusted(&none, &chain()), Trust::Unknown);
    assert!(!distrust(&none, &chain()[0].0).unwrap());
}

#[test]
fn a_fingerprint_tells_paths_and_texts_apart() {
    let of = |parts: &[(&str, &str)]| {
        fingerprint(&parts.iter().map(|(path, text)| (path.into(), (*text).to_owned())).collect::<Vec<_>>())
    };
    let all = [
        of(&[("/a", "b")]),
        of(&[("/ab", "")]),
        of(&[("/a", ""), ("b", "")]),
        of(&[("/a", "b"), ("/c", "d")]),
        of(&[("/c", "d"), ("/a", "b")]),
        of(&[]),
    ];
    for (nth, one) in all.iter().enumerate() {
        assert_eq!(one.len(), 64);
        assert!(!all[..nth].contains(one));
    }
}
