//! A network namespace of its own (network_namespaces(7)), made beside the mounts: it takes the kernel as long as all the
//! rest of the set-up together, and a second processor is often idle.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::thread::{
    LinkNameSpaceType, UnshareFlags, move_into_link_name_space, sched_getaffinity, sched_getcpu,
    sched_setaffinity,
};

use crate::capture::sockets::{self, Kind, Wanted};
use crate::capture::{Capture, MARK, Means, acknowledged};
use crate::fence::Step;

/// A namespace that is being made by a process that shares this one's memory and descriptors.
pub(crate) struct Network {
    helper: Pid,
    shared: Box<Shared>,
}

impl Work {
    fn new(means: Option<&Means>, host_ports: &[u16]) -> Work {
        let wanted = sockets::wanted(means, host_ports);
        let sockets = wanted.iter().map(|_| AtomicI32::default()).collect();
        let outcome = AtomicI32::new(-libc::EIO);
        let uncaptured = AtomicBool::new(false);
        Work { capture: means.map(Capture::new), outcome, uncaptured, wanted, sockets }
    }
}

/// What could not be made.
enum Unmade {
    /// The rules of nf_tables; all before them is there.
    Capture(rustix::io::Errno),
    Other(rustix::io::Errno),
}

impl Unmade {
    fn errno(&self) -> rustix::io::Errno {
        let (Unmade::Capture(errno) | Unmade::Other(errno)) = self;
        *errno
    }
}

impl From<rustix::io::Errno> for Unmade {
    fn from(errno: rustix::io::Errno) -> Unmade {
        Unmade::Other(errno)
    }
}

/// The same network, made to see whether it can be: everything that takes memory is done before.
pub struct Rehearsal(Work);

impl Rehearsal {
    /// Of a network whose connections are captured by `means`.
    pub fn new(means: &Means) -> Rehearsal {
        Rehearsal(Work::new(Some(means), &[]))
    }

    /// Makes it for this process, which has to end then. It allocates nothing.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn perform(&self) -> io::Result<()> {
        make(&self.0).map(drop).map_err(|unmade| unmade.errno().into())
    }
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
    /// Whether it is nf_tables that failed.
    uncaptured: AtomicBool,
    wanted: Vec<Wanted>,
    /// The descriptors of what is wanted, in its order; 0 where there is none.
    sockets: Vec<AtomicI32>,
}

const STACK: usize = 32 * 1024;

impl Network {
    /// Starts making it. The caller must be alone in its process, with CAP_SYS_ADMIN in its user namespace.
    pub(crate) fn start(means: Option<&Means>, host_ports: &[u16]) -> io::Result<Network> {
        let work = Work::new(means, host_ports);
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

    /// Waits until it is made, and moves this process into it. What it gives is the gateway's.
    ///
    /// # Errors
    /// With the step that failed.
    pub(crate) fn join(self) -> Result<Vec<(Wanted, OwnedFd)>, (Step, io::Error)> {
        self.wait();
        let work = &self.shared.work;
        match work.outcome.load(Ordering::Acquire) {
            errno if errno < 0 => {
                let uncaptured = work.uncaptured.load(Ordering::Acquire);
                let step = if uncaptured { Step::Capture } else { Step::Network };
                Err((step, io::Error::from_raw_os_error(-errno)))
            }
            fd => {
                // SAFETY: the helper opened it in the shared table and left it to us.
                let namespace = unsafe { OwnedFd::from_raw_fd(fd) };
                move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&namespace),
                    Some(LinkNameSpaceType::Network),
                )
                .map_err(|errno| (Step::Network, errno.into()))?;
                let made = |(wanted, fd): (&Wanted, &AtomicI32)| match fd.load(Ordering::Acquire) {
                    0 => None,
                    // SAFETY: as above.
                    fd => Some((*wanted, unsafe { OwnedFd::from_raw_fd(fd) })),
                };
                Ok(work.wanted.iter().zip(&work.sockets).filter_map(made).collect())
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
    let outcome = make(work).unwrap_or_else(|unmade| {
        work.uncaptured.store(matches!(unmade, Unmade::Capture(_)), Ordering::Release);
        -unmade.errno().raw_os_error()
    });
    work.outcome.store(outcome, Ordering::Release);
    0
}

/// In the helper: by rustix, whose calls write no `errno`, which is shared.
fn make(work: &Work) -> Result<i32, Unmade> {
    // SAFETY: only the network namespace of this process changes; no descriptor or memory of anybody does.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET)? };
    let socket =
        rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    loopback_up(&socket)?;
    // A host may do without the sixth version, as a whole or for new interfaces; then so does the sandbox.
    let sixth = match &work.capture {
        Some(capture) => lead_everything_to_them(capture)?,
        None => true,
    };
    for (place, wanted) in work.sockets.iter().zip(&work.wanted) {
        match open(*wanted) {
            Ok(socket) => place.store(socket.into_raw_fd(), Ordering::Release),
            Err(_) if wanted.sixth && (!sixth || wanted.kind == Kind::HostPort) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(openat(CWD, c"/proc/thread-self/ns/net", flags, Mode::empty())?.into_raw_fd())
}

/// Makes every address local, with rules that lead to the sockets; whether the sixth version is there.
fn lead_everything_to_them(capture: &Capture) -> Result<bool, Unmade> {
    // NETLINK_ROUTE is protocol 0, which rustix writes as none.
    const ROUTE: Option<Protocol> = None;
    carry_out(ROUTE, capture.routes.bytes(), capture.routes.answers())?;
    let sixth = carry_out(ROUTE, capture.routes6.bytes(), capture.routes6.answers()).is_ok();
    if let Some(tables) = &capture.tables {
        let carried = carry_out(Some(rustix::net::netlink::NETFILTER), tables.bytes(), tables.answers());
        carried.map_err(Unmade::Capture)?;
    }
    Ok(sixth)
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

/// Opens one of the gateway's sockets: on every address, unless it leads to the host's loopback or only sends.
fn open(Wanted { kind, sixth, port }: Wanted) -> rustix::io::Result<OwnedFd> {
    use rustix::net::sockopt::set_ipv6_v6only;
    use rustix::net::{SocketAddrV4, SocketAddrV6, bind, ipproto, listen};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let family = if sixth { AddressFamily::INET6 } else { AddressFamily::INET };
    let (socket_type, protocol) = match kind {
        Kind::Streams | Kind::HostPort => (SocketType::STREAM, None),
        Kind::Questions | Kind::Datagrams => (SocketType::DGRAM, None),
        // Of this protocol, what is written is a header and all (raw(7)), and nothing is read.
        Kind::Raw => (SocketType::RAW, Some(ipproto::RAW)),
    };
    let socket = rustix::net::socket_with(family, socket_type, flags, protocol)?;
    if kind == Kind::Raw {
        return set(&socket, (libc::SOL_SOCKET, libc::SO_MARK), MARK as libc::c_int).map(|()| socket);
    }
    // IP_TRANSPARENT, IP_PKTINFO, IP_RECVORIGDSTADDR and their youngers: ip(7), linux/in6.h.
    let (level, transparent, told, meant) =
        if sixth { (libc::SOL_IPV6, 75, 49, 74) } else { (libc::SOL_IP, 19, 8, 20) };
    let own = kind == Kind::HostPort;
    if !own {
        set(&socket, (level, transparent), 1)?;
    }
    match kind {
        Kind::Questions => set(&socket, (level, told), 1)?,
        Kind::Datagrams => set(&socket, (level, meant), 1)?,
        Kind::Streams | Kind::HostPort | Kind::Raw => {}
    }
    if sixth {
        set_ipv6_v6only(&socket, true)?;
        let address = if own { std::net::Ipv6Addr::LOCALHOST } else { std::net::Ipv6Addr::UNSPECIFIED };
        bind(&socket, &SocketAddrV6::new(address, port, 0, 0))?;
    } else {
        let address = if own { std::net::Ipv4Addr::LOCALHOST } else { std::net::Ipv4Addr::UNSPECIFIED };
        bind(&socket, &SocketAddrV4::new(address, port))?;
    }
    if socket_type == SocketType::STREAM {
        // What is accepted inherits it.
        rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
        listen(&socket, 4096)?;
    }
    Ok(socket)
}

/// setsockopt(2), with level and option as linux/in.h numbers them.
fn set(socket: &OwnedFd, (level, option): (i32, i32), value: libc::c_int) -> rustix::io::Result<()> {
    // SAFETY: the value outlives the call.
    let result = unsafe {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), size)
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
