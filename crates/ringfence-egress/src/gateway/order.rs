//! Obeying the supervisor, who alone has the other end of the channel.

use rustix::io::Errno;

use super::Gateway;
use super::hand_over::receive;
use super::inbound::Published;
use crate::order::{DONE, LONGEST, Order};
use crate::rules::Rules;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    GoesOn,
    IsOver,
}

impl Gateway {
    /// Does what the supervisor says.
    pub(super) fn obey(&mut self) -> Run {
        loop {
            let mut packet = [0; LONGEST + 1];
            let (order, descriptor) = match receive(&self.supervisor, &mut packet) {
                Ok((length, descriptor)) => (Order::decode(&packet[..length]), descriptor),
                Err(Errno::AGAIN | Errno::INTR) => return Run::GoesOn,
                Err(_) => return Run::IsOver,
            };
            match (order, descriptor) {
                (Order::Publish { outside, inside, rule }, Some(listener)) => {
                    self.publish(Published { listener, outside, inside, rule });
                }
                (Order::Rules, Some(file)) => {
                    // Rules that cannot be read are no rules: with those before, what was taken back would still pass.
                    let Ok(rules) = Rules::read(file) else { return Run::IsOver };
                    self.take_rules(rules);
                    // What it broke off is told before it is done; without a byte it would be a farewell.
                    if !self.report.is_empty() {
                        self.send_report();
                    }
                    let flags = rustix::net::SendFlags::NOSIGNAL;
                    let _ = rustix::net::send(&self.supervisor, DONE, flags);
                }
                _ => return Run::IsOver,
            }
        }
    }
}
