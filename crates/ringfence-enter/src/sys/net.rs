//! A network namespace of its own (network_namespaces(7)), made beside the mounts: it takes the kernel as long as all the
//! rest of the set-up together, and a second processor is often idle.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::thread::{
    LinkNameSpaceType, UnshareFlags, move_into_link_name_space, sched_getaffinity, sched_getcpu,
    sched_setaffinity,
};

use crate::capture::{Capture, DNS_PORT, PORT, acknowledged};

/// A namespace that is being made by a process that shares this one's memory and descriptors.
pub(crate) struct Network {
    helper: Pid,
    shared: Box<Shared>,
}

/// What maker and user share.
struct Shared {
    work: Work,
    stack: Vec<u128>,
}

/// What is to be made, and what was.
struct Work {
    /// With listeners, and everything that leads to them.
    capture: Option<Capture>,
    /// The descriptor of the namespace, or a negated errno.
    outcome: AtomicI32,
    /// The descriptors of [`Listeners`], in its order; 0 where there is none.
    listeners: [AtomicI32; 4],
    /// Ports of the loopback that lead to the host's, each with its listeners of both versions, as above.
    host: Vec<(u16, [AtomicI32; 2])>,
}

/// Where what the workload sends arrives.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// Connections by TCP: of the fourth version, of the sixth; questions by UDP: the same.
    pub(crate) sockets: [Option<OwnedFd>; 4],
    /// On ports of the loopback that lead to the host's.
    pub(crate) host: Vec<OwnedFd>,
}

const STACK: usize = 32 * 1024;

impl Network {
    /// Starts making it. The caller must be alone in its process, with CAP_SYS_ADMIN in its user namespace.
    pub(crate) fn start(capture: Option<Capture>, host_ports: &[u16]) -> io::Result<Network> {
        let outcome = AtomicI32::new(-libc::EIO);
        let host = host_ports.iter().map(|port| (*port, Default::default())).collect();
        let work = Work { capture, outcome, listeners: Default::default(), host };
        let mut shared = Box::new(Shared { work, stack: Vec::with_capacity(STACK / size_of::<u128>()) });
        let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::SIGCHLD;
        // SAFETY: the stack is ours, aligned and large enough for `make`; stack and work stay in place (in the box) until
        // the helper is gone, which `join` and `drop` wait for. `make` allocates nothing and takes no lock, so it may run
        // beside this thread.
        let helper = unsafe {
            let top = shared.stack.as_mut_ptr().add(STACK / size_of::<u128>());
            libc::clone(run, top.cast(), flags, (&raw const shared.work).cast_mut().cast())
        };
        let helper = super::check(helper.into())?;
        let helper = Pid::from_raw(helper as i32).ok_or(io::ErrorKind::InvalidData)?;
        run_elsewhere(helper);
        Ok(Network { helper, shared })
    }

    /// Waits until it is made, and moves this process into it.
    pub(crate) fn join(self) -> io::Result<Listeners> {
        self.wait();
        let work = &self.shared.work;
        match work.outcome.load(Ordering::Acquire) {
            errno if errno < 0 => Err(io::Error::from_raw_os_error(-errno)),
            fd => {
                // SAFETY: the helper opened it in the shared table and left it to us.
                let namespace = unsafe { OwnedFd::from_raw_fd(fd) };
                move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&namespace),
                    Some(LinkNameSpaceType::Network),
                )?;
                let socket = |fd: &AtomicI32| match fd.load(Ordering::Acquire) {
                    0 => None,
                    // SAFETY: as above.
                    fd => Some(unsafe { OwnedFd::from_raw_fd(fd) }),
                };
                let host = work.host.iter().flat_map(|(_, places)| places).filter_map(socket).collect();
                Ok(Listeners { sockets: work.listeners.each_ref().map(socket), host })
            }
        }
    }

    fn wait(&self) {
        while let Err(rustix::io::Errno::INTR) = waitpid(Some(self.helper), WaitOptions::empty()) {}
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Before the stack goes. After `join` there is no such child any more, which is as well.
        self.wait();
    }
}

/// Keeps the helper off this processor, if it may use another: left to itself it often starts only when this one waits.
fn run_elsewhere(helper: Pid) {
    if let Ok(mut processors) = sched_getaffinity(None) {
        processors.unset(sched_getcpu());
        if processors.count() > 0 {
            let _ = sched_setaffinity(Some(helper), &processors);
        }
    }
}

extern "C" fn run(work: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the pointer is to the work in the box, which outlives this process.
    let work = unsafe { &*work.cast::<Work>() };
    work.outcome.store(make(work).unwrap_or_else(|errno| -errno.raw_os_error()), Ordering::Release);
    0
}

/// In the helper: by rustix, whose calls write no `errno`, which is shared.
fn make(work: &Work) -> rustix::io::Result<i32> {
    // SAFETY: only the network namespace of this process changes; no descriptor or memory of anybody does.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    loopback_up(&socket)?;
    if let Some(capture) = &work.capture {
        let listeners = listen_everywhere(capture)?;
        for (place, socket) in work.listeners.iter().zip(listeners) {
            place.store(socket.map_or(0, IntoRawFd::into_raw_fd), Ordering::Release);
        }
    }
    for (port, [fourth, sixth]) in &work.host {
        fourth.store(loopback_listener(AddressFamily::INET, *port)?.into_raw_fd(), Ordering::Release);
        // A host may do without the sixth version.
        if let Ok(socket) = loopback_listener(AddressFamily::INET6, *port) {
            sixth.store(socket.into_raw_fd(), Ordering::Release);
        }
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(openat(CWD, c"/proc/thread-self/ns/net", flags, Mode::empty())?.into_raw_fd())
}

/// Makes every address local, with rules that lead to the listeners.
fn listen_everywhere(capture: &Capture) -> rustix::io::Result<[Option<OwnedFd>; 4]> {
    // NETLINK_ROUTE is protocol 0, which rustix writes as none.
    const ROUTE: Option<Protocol> = None;
    carry_out(ROUTE, capture.routes.bytes(), capture.routes.answers())?;
    // A host may do without the sixth version, as a whole or for new interfaces; then so does the sandbox.
    let sixth = carry_out(ROUTE, capture.routes6.bytes(), capture.routes6.answers()).is_ok();
    carry_out(Some(rustix::net::netlink::NETFILTER), capture.tables.bytes(), capture.tables.answers())?;
    let listen = |family, kind| listener(family, kind).map(Some);
    let (stream, datagram) = (SocketType::STREAM, SocketType::DGRAM);
    Ok([
        listen(AddressFamily::INET, stream)?,
        if sixth { listen(AddressFamily::INET6, stream)? } else { None },
        listen(AddressFamily::INET, datagram)?,
        if sixth { listen(AddressFamily::INET6, datagram)? } else { None },
    ])
}

/// Sends a batch of netlink(7) messages and hears that each was carried out.
fn carry_out(protocol: Option<Protocol>, batch: &[u8], answers: u32) -> rustix::io::Result<()> {
    let socket =
        rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    rustix::net::send(&socket, batch, SendFlags::empty())?;
    let mut heard = 0;
    while heard < answers {
        // The kernel has answered before the call above came back: a silence is an answer that is missing.
        let mut buffer = [0_u8; 8192];
        let (length, _) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT)?;
        heard += acknowledged(&buffer[..length]).map_err(rustix::io::Errno::from_raw_os_error)?;
    }
    Ok(())
}

/// A socket on every address: for connections the one that the rules lead to, for questions the name service's.
fn listener(family: AddressFamily, kind: SocketType) -> rustix::io::Result<OwnedFd> {
    use rustix::net::sockopt::set_ipv6_v6only;
    use rustix::net::{SocketAddrV4, SocketAddrV6, bind, listen};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, kind, flags, None)?;
    let port = if kind == SocketType::STREAM { PORT } else { DNS_PORT };
    // IPV6_TRANSPARENT, IPV6_RECVPKTINFO and their elders: ip(7), linux/in6.h.
    let (level, transparent, told) =
        if family == AddressFamily::INET { (libc::SOL_IP, 19, 8) } else { (libc::SOL_IPV6, 75, 49) };
    switch_on(&socket, level, transparent)?;
    if kind == SocketType::DGRAM {
        switch_on(&socket, level, told)?;
    }
    if family == AddressFamily::INET {
        bind(&socket, &SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, port))?;
    } else {
        set_ipv6_v6only(&socket, true)?;
        bind(&socket, &SocketAddrV6::new(std::net::Ipv6Addr::UNSPECIFIED, port, 0, 0))?;
    }
    if kind == SocketType::STREAM {
        // What is accepted inherits it.
        rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        listen(&socket, 4096)?;
    }
    Ok(socket)
}

/// A socket for connections to one port of the loopback, and to no other address.
fn loopback_listener(family: AddressFamily, port: u16) -> rustix::io::Result<OwnedFd> {
    use rustix::net::{SocketAddrV4, SocketAddrV6, bind, listen};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    if family == AddressFamily::INET {
        bind(&socket, &SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port))?;
    } else {
        bind(&socket, &SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, port, 0, 0))?;
    }
    rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
    listen(&socket, 4096)?;
    Ok(socket)
}

fn switch_on(socket: &OwnedFd, level: i32, option: i32) -> rustix::io::Result<()> {
    // SAFETY: the value outlives the call.
    let result = unsafe {
        let on: libc::c_int = 1;
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), size)
    };
    if result < 0 { Err(rustix::io::Errno::PERM) } else { Ok(()) }
}

/// Brings `lo` up (netdevice(7)).
fn loopback_up(socket: &OwnedFd) -> rustix::io::Result<()> {
    // SAFETY: the request is zeroed, holds a terminated name, and outlives the call.
    let result = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request)
    };
    if result < 0 { Err(rustix::io::Errno::PERM) } else { Ok(()) }
}

/// bind(2) with an address that was copied from elsewhere, so of any family.
pub(crate) fn bind(socket: &OwnedFd, address: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length of one buffer; the kernel copies and checks it.
    let result =
        unsafe { libc::bind(socket.as_raw_fd(), address.as_ptr().cast(), address.len() as libc::socklen_t) };
    super::check(result.into()).map(drop)
}

/// connect(2) with an address that was copied from elsewhere, so of any family.
pub(crate) fn connect(socket: &OwnedFd, address: &[u8]) -> io::Result<()> {
    // SAFETY: pointer and length of one buffer; the kernel copies and checks it.
    let result = unsafe {
        libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), address.len() as libc::socklen_t)
    };
    super::check(result.into()).map(drop)
}
