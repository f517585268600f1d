//! Any bytes as a packet of the gateway, which a gateway that was taken over may send: the supervisor reads events of it
//! that it would read alike had it written them itself, and no more than fit.
//!
//! Not what is shown of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_egress::report::{LONGEST, append, events};

fuzz_target!(|bytes: &[u8]| {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let read = events(bytes);
    assert!(read.len() <= bytes.len() / 50);
    let mut packet = Vec::new();
    for event in &read {
        // A name that is no text grows as it is read.
        if !append(&mut packet, event) {
            return;
        }
    }
    let again = events(&packet);
    assert_eq!(again.len(), read.len());
    let mut once_more = Vec::new();
    assert!(again.iter().all(|event| append(&mut once_more, event)));
    assert_eq!(events(&once_more), again);
});
