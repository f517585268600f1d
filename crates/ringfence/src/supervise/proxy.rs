//! The variables by which programs find a proxy. Only a courtesy: connections are captured without them, but over a proxy
//! a client reads why it was refused.

use std::ffi::CString;

use ringfence_enter::capture::PORT;

/// Sets them where the policy or the caller has not.
pub(super) fn set_variables(env: &mut Vec<CString>) {
    let proxy = format!("http://127.0.0.1:{PORT}");
    let none = "localhost,127.0.0.1,::1";
    // No ALL_PROXY: clients that lack SOCKS or read it for what is no HTTP fail by it, and the capture needs none.
    for (upper, value) in [("HTTP_PROXY", proxy.as_str()), ("HTTPS_PROXY", &proxy), ("NO_PROXY", none)] {
        for name in [upper.to_owned(), upper.to_ascii_lowercase()] {
            let prefix = format!("{name}=");
            let is_set = env.iter().any(|variable| variable.as_bytes().starts_with(prefix.as_bytes()));
            if let (false, Ok(variable)) = (is_set, CString::new(prefix + value)) {
                env.push(variable);
            }
        }
    }
}
