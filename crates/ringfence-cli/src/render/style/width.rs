//! The width of a terminal (ioctl_tty(2), TIOCGWINSZ).
//! Not COLUMNS: shells do not export it.

use super::Stream;

/// Columns; `None` if the terminal does not say.
pub(super) fn columns(stream: Stream) -> Option<usize> {
    let size = match stream {
        Stream::Output => rustix::termios::tcgetwinsize(std::io::stdout()),
        Stream::Error => rustix::termios::tcgetwinsize(std::io::stderr()),
    };
    size.ok().map(|size| usize::from(size.ws_col))
}
