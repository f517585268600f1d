//! What comes from inside the sandbox's network: the listeners, once, and sockets that were asked for. All are made by its
//! init (`ringfence_enter::capture` and `ringfence_enter::inbound`), never by the command.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::listeners::{Kind, Listener};
use super::poller::Token;
use super::{Gateway, host};

/// Beside the places of listeners, what a packet may bring. The other end has the same numbers.
pub const HOST_PORT: u8 = 128;
/// A socket that was asked for.
pub const SOCKET: u8 = 129;

impl Gateway {
    pub(super) fn take_what_is_handed_over(&mut self) {
        while let Some(channel) = &self.hand_over {
            let mut packet = [0_u8; 8];
            match receive(channel, &mut packet) {
                Err(Errno::AGAIN | Errno::INTR) => return,
                // Whoever holds the other end asks for nothing more to be connected.
                Ok((0, _)) | Err(_) => self.hand_over = None,
                Ok((length, socket)) => match (packet[0], socket) {
                    (SOCKET, socket) if length == 5 => {
                        self.take_socket([packet[1], packet[2], packet[3], packet[4]], socket);
                    }
                    (HOST_PORT, Some(socket)) => {
                        let place = host::PLACES + self.host_ports.len();
                        if self.poller.add(&socket, Token::Listener(place)).is_ok() {
                            self.host_ports.push(socket);
                        }
                    }
                    (place, Some(socket)) => {
                        if let Some(kind) = Kind::of(place) {
                            self.take_listener(Listener { kind, socket });
                        }
                    }
                    _ => {}
                },
            }
        }
    }
}

/// The next packet, with its descriptor; no byte is the end.
pub(super) fn receive(channel: &OwnedFd, packet: &mut [u8]) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut data = [io::IoSliceMut::new(packet)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let message = recvmsg(channel, &mut data, &mut control, flags)?;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((message.bytes, descriptor))
}
