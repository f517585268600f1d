//! A line typed on the controlling terminal, which does not show it (termios(3)).
//! Not standard input: that may be a pipe with something else in it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// The line typed after `question`.
pub(super) fn without_echo(question: &str) -> io::Result<String> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    // Keys arrive one by one, the interrupt's too: so that whichever ends the line, the terminal is put back.
    silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    silent.special_codes[SpecialCodeIndex::VMIN] = 1;
    silent.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
    let typed = ask(&mut terminal, question);
    put_back(&mut terminal, &before);
    typed
}

fn ask(terminal: &mut File, question: &str) -> io::Result<String> {
    terminal.write_all(question.as_bytes())?;
    line(terminal)
}

fn put_back(terminal: &mut File, before: &Termios) {
    // If that fails the terminal is gone, and nobody is left to tell.
    let _ = tcsetattr(&*terminal, OptionalActions::Flush, before);
    let _ = terminal.write_all(b"\n");
}

/// What is typed up to the end of the line; interrupt and end of file give up.
fn line(keys: &mut impl Read) -> io::Result<String> {
    let mut typed: Vec<u8> = Vec::new();
    let mut key = [0];
    loop {
        let ended = keys.read(&mut key)? == 0;
        match key[0] {
            _ if ended => return Err(io::ErrorKind::Interrupted.into()),
            b'\r' | b'\n' => break,
            // Interrupt, end of file, quit.
            3 | 4 | 28 => return Err(io::Error::new(io::ErrorKind::Interrupted, "given up")),
            // Backspace takes a whole character back, whose later bytes are 10xxxxxx (RFC 3629).
            8 | 127 => while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Kill the line.
            21 => typed.clear(),
            byte => typed.push(byte),
        }
    }
    String::from_utf8(typed).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_make_a_line_and_can_be_taken_back() {
        let typed = |mut keys: &[u8]| line(&mut keys).ok();
        assert_eq!(typed("wrong\u{15}ab\u{e9}\u{7f}c\rrest".as_bytes()).as_deref(), Some("abc"));
        assert_eq!(typed(b"\x08x\n").as_deref(), Some("x"));
        assert_eq!(typed(b"abc\x03"), None);
        assert_eq!(typed(b"abc"), None);
    }
}
