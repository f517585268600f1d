//! Messages of netlink(7): a header, a fixed part, attributes that may hold attributes. And those of rtnetlink(7) that
//! make every address local.

/// Some messages in one buffer, and how many answers they get: each asks for one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    answers: u32,
}

/// linux/netlink.h.
pub(super) const CREATE: u16 = 0x400;
pub(super) const APPEND: u16 = 0x800;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const NESTED: u16 = 0x8000;
/// sizeof(struct nlmsghdr).
const HEADER: usize = 16;

impl Batch {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn answers(&self) -> u32 {
        self.answers
    }

    /// A message that is answered by an acknowledgement or an error.
    pub(super) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        fixed: &[u8],
        fill: impl FnOnce(&mut Attributes<'_>),
    ) {
        self.answers += 1;
        self.put(kind, flags | ACK, fixed, fill);
    }

    /// A message that is not.
    pub(super) fn mark(&mut self, kind: u16, fixed: &[u8]) {
        self.put(kind, 0, fixed, |_| {});
    }

    fn put(&mut self, kind: u16, flags: u16, fixed: &[u8], fill: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        // Sequence and port: the one sender on its own socket needs neither.
        self.bytes.extend_from_slice(&[0; 8]);
        self.bytes.extend_from_slice(fixed);
        pad(&mut self.bytes);
        fill(&mut Attributes(&mut self.bytes));
        let length = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }
}

/// Attributes at the end of a message.
pub(super) struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    pub(super) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        pad(self.0);
        self
    }

    /// With its terminator.
    pub(super) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        self.bytes(kind, &[value.as_bytes(), b"\0"].concat())
    }

    /// In network order, as nf_tables has its numbers.
    pub(super) fn number(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    pub(super) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Attributes<'_>)) -> &mut Self {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        fill(&mut Attributes(self.0));
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// The loopback gets `own`, of 4 or 16 bytes, and a route by which every address is this host's, from `own`.
pub(super) fn local_everywhere(own: &[u8]) -> Batch {
    // linux/rtnetlink.h, linux/if_addr.h.
    const NEW_ADDRESS: u16 = 20;
    const NEW_ROUTE: u16 = 24;
    const NO_DUPLICATE_DETECTION: u8 = 2;
    const LOOPBACK: u32 = 1;
    const TABLE_LOCAL: u8 = 255;
    const PROTOCOL_BOOT: u8 = 3;
    const SCOPE_HOST: u8 = 254;
    const TYPE_LOCAL: u8 = 2;
    let family = if own.len() == 4 { libc::AF_INET } else { libc::AF_INET6 } as u8;
    let prefix = (own.len() * 8) as u8;
    let mut batch = Batch::default();
    let mut address = vec![family, prefix, NO_DUPLICATE_DETECTION, 0];
    address.extend_from_slice(&LOOPBACK.to_ne_bytes());
    batch.message(NEW_ADDRESS, CREATE, &address, |attributes| {
        attributes.bytes(1, own).bytes(2, own);
    });
    let route = [family, 0, 0, 0, TABLE_LOCAL, PROTOCOL_BOOT, SCOPE_HOST, TYPE_LOCAL, 0, 0, 0, 0];
    batch.message(NEW_ROUTE, CREATE, &route, |attributes| {
        attributes.bytes(4, &LOOPBACK.to_ne_bytes()).bytes(7, own);
    });
    batch
}

/// What the kernel answers in `buffer`: acknowledgements, or the first error.
pub(crate) fn acknowledged(mut buffer: &[u8]) -> Result<u32, i32> {
    const ERROR: u16 = 2;
    let mut count = 0;
    while let Some(header) = buffer.get(..HEADER + 4) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if u16::from_ne_bytes([header[4], header[5]]) != ERROR || length < HEADER + 4 {
            return Err(libc::EPROTO);
        }
        match i32::from_ne_bytes([header[16], header[17], header[18], header[19]]) {
            0 => count += 1,
            error => return Err(-error),
        }
        buffer = buffer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_cover_what_they_should() {
        let batch = local_everywhere(&[192, 0, 0, 2]);
        let mut left = batch.bytes();
        let mut messages = 0;
        while !left.is_empty() {
            let length = u32::from_ne_bytes(left[..4].try_into().unwrap()) as usize;
            left = &left[length..];
            messages += 1;
        }
        assert_eq!((messages, batch.answers()), (2, 2));
    }

    #[test]
    fn an_error_among_acknowledgements_is_the_answer() {
        let answer = |error: i32| {
            let mut bytes = 36_u32.to_ne_bytes().to_vec();
            bytes.extend_from_slice(&2_u16.to_ne_bytes());
            bytes.resize(16, 0);
            bytes.extend_from_slice(&error.to_ne_bytes());
            bytes.resize(36, 0);
            bytes
        };
        assert_eq!(acknowledged(&[answer(0), answer(0)].concat()), Ok(2));
        assert_eq!(acknowledged(&[answer(0), answer(-libc::ENOENT)].concat()), Err(libc::ENOENT));
        assert_eq!(acknowledged(&[]), Ok(0));
    }
}
