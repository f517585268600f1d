//! A directory tree as a value, so that "nothing changed" is a comparison made from outside the fence. Times of
//! access are left out, as reading touches them; the time of change (inode(7)) tells of everything that leaves no other
//! trace, such as setting times or an owner that was the owner before.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What stands at each path below a root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<PathBuf, Object>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    links: u64,
    content: u64,
    attributes: Vec<u8>,
    changed: (i64, i64),
}

impl Tree {
    /// The tree below `root` as it is now; symlinks are not followed.
    pub(crate) fn of(root: &Path) -> Tree {
        let mut tree = Tree::default();
        tree.add(root, Path::new(""));
        tree
    }

    /// What is different in `after`, one line each; empty if nothing is.
    pub(crate) fn changes(&self, after: &Tree) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, object) in &self.0 {
            match after.0.get(path) {
                None => lines.push(format!("{} is gone", path.display())),
                Some(now) if now != object => {
                    lines.push(format!("{} changed: {object:?} → {now:?}", path.display()))
                }
                Some(_) => {}
            }
        }
        for path in after.0.keys().filter(|path| !self.0.contains_key(*path)) {
            lines.push(format!("{} is new", path.display()));
        }
        lines
    }

    /// The tree without what `drop` says.
    pub(crate) fn without(mut self, drop: impl Fn(&Path) -> bool) -> Tree {
        self.0.retain(|path, _| !drop(path));
        self
    }

    fn add(&mut self, root: &Path, relative: &Path) {
        let path = root.join(relative);
        let Ok(metadata) = path.symlink_metadata() else { return };
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => "directory",
            kind if kind.is_file() => "file",
            kind if kind.is_symlink() => "symlink",
            kind if kind.is_socket() => "socket",
            kind if kind.is_fifo() => "fifo",
            _ => "device",
        };
        let mut hasher = DefaultHasher::new();
        match kind {
            "file" => std::fs::read(&path).unwrap_or_default().hash(&mut hasher),
            "symlink" => std::fs::read_link(&path).unwrap_or_default().hash(&mut hasher),
            _ => {}
        }
        self.0.insert(
            relative.to_path_buf(),
            Object {
                kind,
                mode: metadata.mode(),
                owner: (metadata.uid(), metadata.gid()),
                // A directory's count is that of its children, which are compared themselves.
                links: if kind == "directory" { 0 } else { metadata.nlink() },
                content: hasher.finish(),
                attributes: attributes(&path),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            },
        );
        if kind == "directory" {
            for entry in path.read_dir().into_iter().flatten().flatten() {
                self.add(root, &relative.join(entry.file_name()));
            }
        }
    }
}

/// The names of the extended attributes. Names are enough: no row changes the value of one that is there.
fn attributes(path: &Path) -> Vec<u8> {
    let mut list = vec![0_u8; 4096];
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
    match rustix::fs::llistxattr(path.as_c_str(), &mut list[..]) {
        Ok(length) => list[..length].to_vec(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_content_mode_or_name_is_seen() {
        let root = std::env::temp_dir().join(format!("rftrial-tree-{}", std::process::id()));
        std::fs::create_dir_all(root.join("a")).unwrap();
        std::fs::write(root.join("a/b"), "1").unwrap();
        let before = Tree::of(&root);
        assert_eq!(before.changes(&Tree::of(&root)), Vec::<String>::new());
        std::fs::write(root.join("a/b"), "2").unwrap();
        std::fs::write(root.join("c"), "").unwrap();
        let changes = before.changes(&Tree::of(&root)).join("\n");
        std::fs::remove_dir_all(&root).unwrap();
        assert!(changes.contains("a/b changed") && changes.contains("c is new"), "{changes}");
    }
}
