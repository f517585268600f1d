//! The new root directory: one tmpfs for the skeleton and everything private, with the host's trees mounted in it.
//!
//! All work is on descriptors. The new root is mounted over `/`, where path look-ups do not see it until
//! pivot_root(2), so that the host's paths stay as they are while they are opened.

mod skeleton;

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use ringfence_plan::{AbsPath, RuleId};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, mkdirat, openat, symlinkat};
use rustix::io::Errno;

pub(crate) use self::skeleton::put;
use super::During;
use super::layers::{self, Ground};
use super::resolve::{self, Opened, Resolution, below_root};
use crate::fence::{Command, Mount, RootLayout, SetUpError, Step};
use crate::sys::mount;

/// Where the root keeps what its mounts are made of. Nothing in it is secret; it is not writable in the end.
const OWN: &str = ".ringfence";

/// The same where the host's tree is the root (`read = ["/"]`): in the tmpfs that covers the host's /dev.
const OWN_OVER_HOST: &str = "dev/.ringfence";

/// How many protected objects get a mount as their second lock. The broker keeps them all; beyond this many, the mounts
/// would cost more than the rest of the start.
const MOST_HOLDS: usize = 64;

/// Attributes of every mount: no set-user-id programs, no devices.
const SAFE: u64 = mount::NOSUID | mount::NODEV;

/// A root under construction.
pub(crate) struct Root {
    /// The root directory, mounted.
    pub(crate) fd: OwnedFd,
    /// Whether it is the host's own tree (`read = ["/"]`) and not a skeleton.
    pub(crate) is_host: bool,
    /// The objects that may be written, for Landlock.
    pub(crate) writable: Vec<OwnedFd>,
    /// The only objects that may be read, and whether each is a directory, for Landlock, where mounts alone show too
    /// much; else all that is mounted.
    pub(crate) readable: Option<Vec<(OwnedFd, bool)>>,
    overlays: usize,
}

/// Builds the root that `layout` describes, up to but without /proc, /dev and /etc.
pub(crate) fn build(
    layout: &RootLayout,
    host: &OwnedFd,
    holds: &[(AbsPath, RuleId)],
    landlocked: bool,
) -> Result<Root, SetUpError> {
    let mut resolution = resolve::resolve(host, &layout.layers)?;
    super::denied::find_denied(host, layout, &mut resolution.opened)?;
    let mut root = new_root(layout, host, resolution.opened.first())?;
    root.lay_private(layout, &resolution.opened)?;
    root.make_links(&resolution)?;
    let tmp =
        AbsPath::new("/tmp").ok().filter(|tmp| root.is_host && !layers::is_taken(&resolution.opened, tmp));
    let mut grounds = layers::needed(&resolution.opened, tmp.as_ref());
    if landlocked && !root.is_host {
        root.lay_crowds(layout, host, &resolution.opened, &mut grounds)?;
    }
    for (entry, ground) in resolution.opened.iter().zip(&grounds) {
        if let Some(ground) = ground
            && entry.path != AbsPath::root()
        {
            root.lay(entry, *ground)?;
        }
    }
    root.collect_readable(resolution.opened)?;
    for (path, rule) in holds.iter().take(MOST_HOLDS) {
        root.hold(path).map_err(|error| error.by(*rule))?;
    }
    Ok(root)
}

fn new_root(layout: &RootLayout, host: &OwnedFd, first: Option<&Opened>) -> Result<Root, SetUpError> {
    let is_host = first.is_some_and(|entry| entry.path == AbsPath::root());
    let fd = if is_host {
        let tree = mount::clone_tree(host.as_fd()).during(Step::NewRoot)?;
        mount::set_attributes(tree.as_fd(), SAFE | mount::RDONLY, true).during(Step::NewRoot)?;
        tree
    } else {
        private_tmpfs(layout).during(Step::NewRoot)?
    };
    mount::attach(fd.as_fd(), host.as_fd()).during(Step::NewRoot)?;
    let root = Root { fd, is_host, writable: Vec::new(), readable: None, overlays: 0 };
    if is_host {
        root.cover_dev(layout)?;
    }
    let own = root.directory(root.own(), 0o755).during(Step::NewRoot)?;
    // What covers denied objects: mode 0, and mounted read-only so that its owner, the workload, cannot change that.
    mkdirat(&own, "directory", Mode::empty()).during(Step::NewRoot)?;
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(&own, "file", flags, Mode::empty()).during(Step::NewRoot)?;
    Ok(root)
}

impl Root {
    /// The directory for what the mounts are made of.
    pub(crate) fn own(&self) -> &'static Path {
        Path::new(if self.is_host { OWN_OVER_HOST } else { OWN })
    }

    /// With the host's tree as root, the one tmpfs of this sandbox lies over the host's /dev.
    fn cover_dev(&self, layout: &RootLayout) -> Result<(), SetUpError> {
        let tree = private_tmpfs(layout).during_on(Step::MountDev, "/dev")?;
        let target = self.find(Path::new("dev")).during_on(Step::MountDev, "/dev")?;
        mount::attach(tree.as_fd(), target.as_fd()).during_on(Step::MountDev, "/dev")
    }

    /// /tmp, /dev/shm and HOME: directories of the one tmpfs, mounted on themselves so that they stay writable when
    /// the skeleton becomes read-only, and bounded together by its size.
    fn lay_private(&mut self, layout: &RootLayout, opened: &[Opened]) -> Result<(), SetUpError> {
        self.lay_own(Path::new("dev/shm"), 0o1777)?;
        if self.is_host {
            let tmp = AbsPath::new("/tmp").unwrap_or_else(|_| AbsPath::root());
            return if layers::is_taken(opened, &tmp) { Ok(()) } else { self.lay_tmp_over_host() };
        }
        self.lay_own(Path::new("tmp"), 0o1777)?;
        self.lay_var_tmp(layout, opened)?;
        if !layers::is_covered(opened, &layout.home) && layout.home != AbsPath::root() {
            self.lay_own(&below_root(&layout.home), 0o755)?;
        }
        Ok(())
    }

    /// /var/tmp leads to /tmp. Where something of the sandbox lies in it, it is one more private directory: a mount that is
    /// reached through a symlink would not be at the place that was judged.
    fn lay_var_tmp(&mut self, layout: &RootLayout, opened: &[Opened]) -> Result<(), SetUpError> {
        let place = Path::new("/var/tmp");
        let granted = opened.iter().filter(|entry| entry.mount != Mount::Mask).map(|entry| &entry.path);
        let mut shown = granted.chain([&layout.home]).filter(|path| path.as_path().starts_with(place));
        match shown.next() {
            // The grant is mounted there.
            Some(path) if path.as_path() == place => Ok(()),
            Some(_) => self.lay_own(Path::new("var/tmp"), 0o1777),
            None => {
                let var = self.directory(Path::new("var"), 0o755).during(Step::NewRoot)?;
                symlinkat("../tmp", &var, "tmp").during(Step::NewRoot)
            }
        }
    }

    fn lay_own(&mut self, path: &Path, mode: u32) -> Result<(), SetUpError> {
        let name = || format!("/{}", path.display());
        let directory = self.private_directory(path, mode).during_on(Step::NewRoot, name())?;
        let tree = mount::clone_tree(directory.as_fd()).during_on(Step::MountPath, name())?;
        mount::attach(tree.as_fd(), directory.as_fd()).during_on(Step::MountPath, name())?;
        self.writable.push(tree);
        Ok(())
    }

    fn lay_tmp_over_host(&mut self) -> Result<(), SetUpError> {
        let during = |result: rustix::io::Result<OwnedFd>| result.during_on(Step::MountPath, "/tmp");
        let directory = during(self.private_directory(&self.own().join("tmp"), 0o1777))?;
        let target = during(self.find(Path::new("tmp")))?;
        let tree = during(bind(directory.as_fd(), target.as_fd(), SAFE))?;
        self.writable.push(tree);
        Ok(())
    }

    fn private_directory(&self, path: &Path, mode: u32) -> rustix::io::Result<OwnedFd> {
        let directory = self.directory(path, 0o755)?;
        // By name: mkdir's mode is cut by the umask, and an O_PATH descriptor takes no fchmod.
        rustix::fs::chmodat(&self.fd, path, Mode::from_raw_mode(mode), AtFlags::empty())?;
        Ok(directory)
    }

    /// Makes the symlinks again through which the policy's paths go (`/bin`, a symlinked project), where the host's
    /// tree does not show them anyway.
    fn make_links(&self, resolution: &Resolution) -> Result<(), SetUpError> {
        for (path, target) in &resolution.links {
            if layers::is_covered(&resolution.opened, path) {
                continue;
            }
            let relative = below_root(path);
            let make = || symlinkat(target, &self.fd, &relative);
            let made = match make() {
                Err(Errno::NOENT) => {
                    self.directory(relative.parent().unwrap_or(Path::new("")), 0o755).and_then(|_| make())
                }
                other => other,
            };
            match made {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error).during_on(Step::NewRoot, path),
            }
        }
        Ok(())
    }

    /// Mounts each directory with a crowd of grants once, without rights of its own; the grants get theirs by Landlock.
    fn lay_crowds(
        &mut self,
        layout: &RootLayout,
        host: &OwnedFd,
        opened: &[Opened],
        grounds: &mut [Option<Ground>],
    ) -> Result<(), SetUpError> {
        let own = ["/tmp", "/dev", "/proc", "/etc", "/var/tmp"]
            .into_iter()
            .filter_map(|path| AbsPath::new(path).ok());
        let own: Vec<AbsPath> = own.chain([layout.home.clone()]).collect();
        for crowd in layers::crowds(opened, grounds, &own) {
            let (_, fd) =
                resolve::open(host, crowd.as_path(), &mut Vec::new()).during_on(Step::OpenPath, &crowd)?;
            let place = self.directory(&below_root(&crowd), 0o755).during_on(Step::MountPath, &crowd)?;
            bind(fd.as_fd(), place.as_fd(), SAFE | mount::RDONLY).during_on(Step::MountPath, &crowd)?;
            for (entry, ground) in opened.iter().zip(&mut *grounds) {
                match ground {
                    Some(Ground::Skeleton) if entry.path.as_path().parent() == Some(crowd.as_path()) => {
                        *ground = if entry.mount == Mount::ReadOnly { None } else { Some(Ground::Tree) };
                    }
                    Some(Ground::Skeleton) if entry.path.is_within(&crowd) => *ground = Some(Ground::Tree),
                    _ => {}
                }
            }
            self.readable.get_or_insert_default();
        }
        Ok(())
    }

    /// With a crowd, reading is granted object by object, and the skeleton's own directories are part of them.
    fn collect_readable(&mut self, opened: Vec<Opened>) -> Result<(), SetUpError> {
        let Some(mut readable) = self.readable.take() else { return Ok(()) };
        let granted = opened.into_iter().filter(|entry| entry.mount == Mount::ReadOnly);
        readable.extend(granted.map(|entry| (entry.fd, entry.directory)));
        for name in ["etc", "dev", "proc"] {
            let directory =
                self.directory(Path::new(name), 0o755).during_on(Step::NewRoot, format!("/{name}"))?;
            readable.push((directory, true));
        }
        self.readable = Some(readable);
        Ok(())
    }

    /// Mounts one layer.
    fn lay(&mut self, entry: &Opened, ground: Ground) -> Result<(), SetUpError> {
        if ground == Ground::Skeleton && self.copy(entry).during_on(Step::MountPath, &entry.path)? {
            return Ok(());
        }
        let target = self.target(entry, ground).map_err(|error| error.by(entry.rule))?;
        let result = match entry.mount {
            Mount::Mask => self.deny(entry, target).during_on(Step::MaskPath, &entry.path),
            Mount::ReadOnly => bind(entry.fd.as_fd(), target.as_fd(), SAFE | mount::RDONLY)
                .during_on(Step::MountPath, &entry.path)
                .map(drop),
            Mount::ReadWrite => bind(entry.fd.as_fd(), target.as_fd(), SAFE)
                .during_on(Step::MountPath, &entry.path)
                .map(|tree| self.writable.push(tree)),
            Mount::Overlay => self.overlay(entry, target.as_fd()).during_on(Step::OverlayPath, &entry.path),
        };
        result.map_err(|error| error.by(entry.rule))
    }

    /// Copies a small configuration file instead of mounting it: a mount costs three times as much, and there are many.
    /// Only below /etc, where nobody waits for a file to change under a running command.
    fn copy(&self, entry: &Opened) -> rustix::io::Result<bool> {
        const SMALL: u64 = 128 * 1024;
        let Some(size) = entry.size.filter(|size| *size <= SMALL) else { return Ok(false) };
        if entry.mount != Mount::ReadOnly || !entry.path.as_path().starts_with("/etc") {
            return Ok(false);
        }
        // By way of the descriptor that was opened: the name is not looked up again.
        let opened = format!("/proc/self/fd/{}", entry.fd.as_raw_fd());
        let source = rustix::fs::open(opened, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let copy = self.new_file(&below_root(&entry.path), OFlags::EXCL | OFlags::WRONLY)?;
        let mut buffer = vec![0; size as usize];
        let mut left = size as usize;
        while left > 0 {
            let read = rustix::io::read(&source, &mut buffer[..left])?;
            if read == 0 {
                break;
            }
            put(&copy, &buffer[..read])?;
            left -= read;
        }
        Ok(true)
    }

    /// The object that `entry` is mounted on.
    fn target(&self, entry: &Opened, ground: Ground) -> Result<OwnedFd, SetUpError> {
        let path = below_root(&entry.path);
        match ground {
            Ground::Skeleton if entry.directory => self.directory(&path, 0o755),
            Ground::Skeleton => self.file(&path),
            Ground::Layered => self.find(&path),
            Ground::Tree => self.find(&path).and_then(|fd| {
                // Somebody may have exchanged a directory on the way since the path was opened. What is mounted on
                // must be the object itself, or a mask would cover something else.
                let stat = fstat(&fd)?;
                let same = (stat.st_dev as u64, stat.st_ino as u64) == entry.id;
                if same { Ok(fd) } else { Err(Errno::STALE) }
            }),
        }
        .during_on(Step::MountPath, &entry.path)
    }

    /// Covers a denied object. A file with a second name could be read under that one, wherever it is: such a run does
    /// not start.
    fn deny(&self, entry: &Opened, target: OwnedFd) -> rustix::io::Result<()> {
        if !entry.directory && fstat(&entry.fd)?.st_nlink > 1 {
            return Err(Errno::MLINK);
        }
        self.cover(target)
    }

    /// Covers `target` by an empty object of its kind that nobody may open.
    pub(crate) fn cover(&self, target: OwnedFd) -> rustix::io::Result<()> {
        let directory = FileType::from_raw_mode(fstat(&target)?.st_mode) == FileType::Directory;
        let cover = self.find(&self.own().join(if directory { "directory" } else { "file" }))?;
        bind(cover.as_fd(), target.as_fd(), SAFE | mount::RDONLY | mount::NOEXEC).map(drop)
    }

    /// A private layer over a tree of the host's (overlayfs, with its marks in user.* attributes as a user namespace
    /// demands).
    fn overlay(&mut self, entry: &Opened, target: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let base = self.own().join(format!("layer{}", self.overlays));
        self.overlays += 1;
        let upper = self.directory(&base.join("upper"), 0o755)?;
        let work = self.directory(&base.join("work"), 0o755)?;
        let name =
            |fd: &OwnedFd| CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default();
        let (lower, upper, work) = (name(&entry.fd), name(&upper), name(&work));
        let options = [
            (c"lowerdir", Some(lower.as_c_str())),
            (c"upperdir", Some(upper.as_c_str())),
            (c"workdir", Some(work.as_c_str())),
            (c"userxattr", None),
        ];
        let tree = mount::new_filesystem(c"overlay", &options, SAFE).map_err(to_errno)?;
        mount::attach(tree.as_fd(), target).map_err(to_errno)?;
        self.writable.push(tree);
        Ok(())
    }

    /// Makes a protected object read-only where it exists now. The broker keeps it, and what is absent, too; the mount
    /// is the second lock.
    fn hold(&self, path: &AbsPath) -> Result<(), SetUpError> {
        match self.find(&below_root(path)) {
            Ok(target) => bind(target.as_fd(), target.as_fd(), SAFE | mount::RDONLY)
                .during_on(Step::MountPath, path)
                .map(drop),
            // Not granted, so not there.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => Ok(()),
            Err(error) => Err(error).during_on(Step::MountPath, path),
        }
    }

    /// Writes the plan where programs inside find it, and names the place to them.
    pub(crate) fn write_plan(&mut self, command: &mut Command) -> Result<(), SetUpError> {
        let path = self.own().join("plan.json");
        let write = || {
            let file = self.new_file(&path, OFlags::EXCL | OFlags::WRONLY)?;
            put(&file, &command.plan)?;
            self.find(&path)
        };
        let file = write().during_on(Step::WritePlan, format!("/{}", path.display()))?;
        if let Some(readable) = &mut self.readable {
            readable.push((file, false));
        }
        command.name_plan(&Path::new("/").join(path));
        Ok(())
    }

    /// Makes the skeleton read-only; what was mounted in it keeps its own attributes.
    pub(crate) fn seal(&self) -> Result<(), SetUpError> {
        let skeleton = self.find(Path::new(if self.is_host { "dev" } else { "" })).during(Step::NewRoot)?;
        mount::set_attributes(skeleton.as_fd(), SAFE | mount::RDONLY, false).during(Step::NewRoot)
    }
}

/// Mounts the tree at `source` on `target`.
pub(crate) fn bind(
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    attributes: u64,
) -> rustix::io::Result<OwnedFd> {
    let tree = mount::clone_tree(source).map_err(to_errno)?;
    mount::set_attributes(tree.as_fd(), attributes, true).map_err(to_errno)?;
    mount::attach(tree.as_fd(), target).map_err(to_errno)?;
    Ok(tree)
}

fn private_tmpfs(layout: &RootLayout) -> std::io::Result<OwnedFd> {
    // To tmpfs(5) zero is no bound.
    let size = CString::new(layout.tmp.0.max(1).to_string()).unwrap_or_default();
    mount::new_filesystem(c"tmpfs", &[(c"mode", Some(c"0755")), (c"size", Some(size.as_c_str()))], SAFE)
}

fn to_errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
