//! The scratch world that attempts are made against: a workspace, a home with a secret, listeners, a victim process.
//! Not the user's own files or processes: whatever an unfenced attempt breaks was made here, a moment before.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::{FdFlags, fcntl_setfd};
use serde::{Deserialize, Serialize};

use crate::commands::attempt::VERB;

/// What an attempt is told. It goes to the attempt as one argument, in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stage {
    /// The directory of the scene.
    pub(super) root: PathBuf,
    /// The text in every secret.
    pub(super) canary: String,
    /// A TCP listener on the host's loopback.
    pub(super) tcp_port: u16,
    /// A UDP socket on the host's loopback.
    pub(super) udp_port: u16,
    /// A listener in the host's abstract socket namespace.
    pub(super) abstract_name: String,
    /// A process of this user outside the sandbox.
    pub(super) victim: i32,
    /// A descriptor of a secret, left open across exec.
    pub(super) descriptor: i32,
    /// The host's name.
    pub(super) host_name: String,
}

impl Stage {
    /// The project that the sandbox may write.
    pub(super) fn workspace(&self) -> PathBuf {
        self.root.join("workspace")
    }

    /// A directory of the same user that no grant names.
    pub(super) fn outside(&self) -> PathBuf {
        self.root.join("outside")
    }

    /// The home directory.
    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// A secret in the home directory.
    pub(super) fn key(&self) -> PathBuf {
        self.home().join(".ssh/id_ed25519")
    }

    /// A secret in the outside directory.
    pub(super) fn secret(&self) -> PathBuf {
        self.outside().join("secret")
    }

    /// The file that a survivor keeps making.
    pub(super) fn heartbeat(&self) -> PathBuf {
        self.workspace().join("heartbeat")
    }
}

/// A new directory that only this user can enter, removed when dropped.
struct Scratch {
    path: PathBuf,
    name: String,
}

impl Scratch {
    /// Makes it in the directory for temporary files.
    fn new() -> io::Result<Scratch> {
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let name = format!("ringfence-doctor-{}-{moment}", std::process::id());
        let path = std::env::temp_dir().canonicalize()?.join(&name);
        // `create` and not `create_all`: it fails if the name is taken, be it by a planted symlink.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Scratch { path, name })
    }

    /// Where it is.
    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A scene with everything in it alive; taken down when dropped.
pub(crate) struct Scene {
    pub(super) stage: Stage,
    tcp: TcpListener,
    udp: UdpSocket,
    victim: std::cell::RefCell<Child>,
    // Held only: attempts look for them.
    _scratch: Scratch,
    _unix: UnixListener,
    _abstract: UnixListener,
    _descriptor: OwnedFd,
}

impl Scene {
    /// Makes a scene in a scratch directory.
    pub(super) fn set(program: &Path) -> io::Result<Scene> {
        let scratch = Scratch::new()?;
        let (root, name) = (scratch.path(), scratch.name.clone());
        let canary = format!("canary-{name}");
        lay_files(root, &canary)?;
        let tcp = TcpListener::bind(("127.0.0.1", 0))?;
        tcp.set_nonblocking(true)?;
        let udp = UdpSocket::bind(("127.0.0.1", 0))?;
        udp.set_nonblocking(true)?;
        let unix = UnixListener::bind(root.join("outside/socket"))?;
        let abstract_listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        let descriptor = OwnedFd::from(fs::File::open(root.join("outside/secret"))?);
        fcntl_setfd(&descriptor, FdFlags::empty())?;
        let victim = Command::new(program)
            .args([VERB, "idle"])
            .env("RINGFENCE_CANARY", &canary)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let stage = Stage {
            root: root.to_path_buf(),
            canary,
            tcp_port: tcp.local_addr()?.port(),
            udp_port: udp.local_addr()?.port(),
            abstract_name: name,
            victim: i32::try_from(victim.id()).map_err(io::Error::other)?,
            descriptor: descriptor.as_raw_fd(),
            host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        };
        Ok(Scene {
            stage,
            _scratch: scratch,
            tcp,
            udp,
            victim: std::cell::RefCell::new(victim),
            _unix: unix,
            _abstract: abstract_listener,
            _descriptor: descriptor,
        })
    }

    /// Whether someone connected to the TCP listener.
    pub(super) fn was_called(&self) -> bool {
        self.tcp.accept().is_ok()
    }

    /// Whether a datagram came.
    pub(super) fn got_datagram(&self) -> bool {
        self.udp.recv(&mut [0; 16]).is_ok()
    }

    /// Whether the victim has ended.
    pub(super) fn lost_victim(&self) -> bool {
        // A signal is delivered asynchronously: give it a moment to end the victim.
        (0..20).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            self.victim.borrow_mut().try_wait().is_ok_and(|status| status.is_some())
        })
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let victim = self.victim.get_mut();
        let _ = victim.kill();
        let _ = victim.wait();
    }
}

/// A project with a repository that has no hooks yet, a nested one, a home with a key, and an outside directory.
fn lay_files(root: &Path, canary: &str) -> io::Result<()> {
    for directory in
        ["workspace/.git/refs/heads", "workspace/.git/objects", "workspace/vendor/lib/.git", "workspace/src"]
    {
        fs::create_dir_all(root.join(directory))?;
    }
    fs::create_dir_all(root.join("home/.ssh"))?;
    fs::create_dir_all(root.join("outside"))?;
    for (file, text) in [
        ("workspace/.git/HEAD", "ref: refs/heads/main\n"),
        ("workspace/.git/config", "[core]\n\tbare = false\n"),
        ("workspace/vendor/lib/.git/HEAD", "ref: refs/heads/main\n"),
        ("workspace/.env", canary),
        ("home/.ssh/id_ed25519", canary),
        ("outside/secret", canary),
        ("outside/library", "readable by a rule\n"),
    ] {
        fs::write(root.join(file), text)?;
    }
    Ok(())
}
