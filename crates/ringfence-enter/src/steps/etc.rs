//! The files of /etc that would tell of the host, written anew. The rest of /etc is the policy's business.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ringfence_plan::AbsPath;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::During;
use super::identity::INSIDE_ID;
use super::root::{Root, bind, put};
use crate::capture::RESOLVER;
use crate::fence::{NetworkLayout, RootLayout, SetUpError, Step};
use crate::sys::mount;

/// Writes passwd, group, hosts, hostname, nsswitch.conf and resolv.conf.
pub(crate) fn write_etc(root: &Root, layout: &RootLayout, host: &OwnedFd) -> Result<(), SetUpError> {
    let home = &layout.home;
    let passwd = format!(
        "agent:x:{INSIDE_ID}:{INSIDE_ID}:agent:{home}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    );
    let group = format!("agent:x:{INSIDE_ID}:\nnogroup:x:65534:\n");
    // With the host's network, the host's resolver: without it no name would be found.
    let resolver = match layout.network {
        NetworkLayout::Host => host_resolver(host),
        NetworkLayout::Captured(_) => format!("nameserver {RESOLVER}\n").into_bytes(),
        NetworkLayout::Own => Vec::new(),
    };
    let files: [(&str, &[u8]); 6] = [
        ("passwd", passwd.as_bytes()),
        ("group", group.as_bytes()),
        ("hosts", b"127.0.0.1 localhost ringfence\n::1 localhost ip6-localhost\n"),
        ("hostname", b"ringfence\n"),
        (
            "nsswitch.conf",
            b"passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
        ),
        ("resolv.conf", &resolver),
    ];
    root.directory(Path::new("etc"), 0o755).during_on(Step::WriteEtc, "/etc")?;
    for (name, text) in files {
        write(root, name, text).during_on(Step::WriteEtc, format!("/etc/{name}"))?;
    }
    Ok(())
}

fn write(root: &Root, name: &str, text: &[u8]) -> rustix::io::Result<()> {
    let path = Path::new("etc").join(name);
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o444);
    match openat(&root.fd, &path, flags, mode) {
        Ok(file) => put(&file, text),
        // The host's /etc was granted: its own file is there, in a read-only tree, and is covered by ours.
        Err(Errno::EXIST | Errno::ROFS | Errno::ACCESS) => match root.find(&path) {
            Ok(target) => bind(memory_file(root, name, text)?.as_fd(), target.as_fd(), ATTRIBUTES).map(drop),
            Err(Errno::NOENT | Errno::LOOP) => Ok(()),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

const ATTRIBUTES: u64 = mount::RDONLY | mount::NOSUID | mount::NODEV | mount::NOEXEC;

/// A file of the sandbox's own tmpfs.
fn memory_file(root: &Root, name: &str, text: &[u8]) -> rustix::io::Result<OwnedFd> {
    let place = root.find(root.own())?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    put(&openat(&place, name, flags, Mode::from_raw_mode(0o444))?, text)?;
    openat(&place, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// The host's resolver configuration, at most 64 KiB; nothing if it cannot be read.
fn host_resolver(host: &OwnedFd) -> Vec<u8> {
    let mut links = Vec::new();
    let Ok(path) = AbsPath::new("/etc/resolv.conf") else { return Vec::new() };
    let Ok((real, _)) = super::resolve::open(host, path.as_path(), &mut links) else { return Vec::new() };
    let mut text = std::fs::read(real.as_path()).unwrap_or_default();
    text.truncate(65_536);
    text
}
