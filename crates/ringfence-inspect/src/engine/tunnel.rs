//! A connection that is not looked into: bytes go to and fro as they are. Only what could name another host openly is read:
//! the client's first words, which the server may have spoken before, a second greeting of TLS, the end of a first line.
//!
//! Not whether a host is looked into.

use ringfence_egress::greeted::{Crooked, FirstLine, Greeted, Left};
use ringfence_egress::hello::{ClientHello, Hello, hello, may_name};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};

/// What is still read of the client.
enum Watch {
    /// What it is, which these bytes do not tell.
    First(Vec<u8>),
    /// What follows a greeting of TLS.
    Greeted(Greeted),
    /// The rest of a line.
    Line(FirstLine),
    /// Nothing.
    Nothing,
}

/// Carries both ways until both have ended.
///
/// # Errors
/// When the client says what may not pass; `may_pass` judges its greeting.
pub(super) async fn carry<S>(
    may_pass: impl Fn(&ClientHello) -> bool,
    client: &mut S,
    server: &mut S,
) -> Result<(), Crooked>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut watch, mut server_ended) = (Watch::First(Vec::new()), false);
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    while !matches!(watch, Watch::Nothing) {
        let mut out = Vec::new();
        let moved = tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(length @ 1..) => {
                    watch.feed(&may_pass, &up[..length], &mut out)?;
                    server.write_all(&out).await
                }
                Ok(_) => {
                    let _ = server.write_all(watch.end()).await;
                    break;
                }
                Err(error) => Err(error),
            },
            read = server.read(&mut down), if !server_ended => match read {
                Ok(length @ 1..) => {
                    watch.hear(&down[..length], &mut out)?;
                    match server.write_all(&out).await {
                        Ok(()) => client.write_all(&down[..length]).await,
                        error => error,
                    }
                }
                // It may still read what the client says.
                Ok(_) => {
                    server_ended = true;
                    client.shutdown().await
                }
                Err(error) => Err(error),
            },
        };
        if moved.is_err() {
            return Ok(());
        }
    }
    drop((up, down));
    drop(copy_bidirectional(client, server).await);
    Ok(())
}

impl Watch {
    fn feed(
        &mut self,
        may_pass: &impl Fn(&ClientHello) -> bool,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Crooked> {
        let left = match self {
            Watch::Nothing => {
                out.extend_from_slice(bytes);
                Left::Nothing
            }
            Watch::Greeted(greeted) => greeted.feed(bytes, out)?,
            Watch::Line(line) => line.feed(bytes, out)?,
            Watch::First(held) => {
                held.extend_from_slice(bytes);
                match hello(held) {
                    Hello::Unfinished => return Ok(()),
                    Hello::Tls(greeting) if !may_pass(&greeting) => return Err(Crooked::OtherName),
                    Hello::Tls(greeting) => {
                        let behind = held.split_off(greeting.length);
                        out.append(held);
                        *self = Watch::Greeted(Greeted::new(greeting));
                        return self.feed(may_pass, &behind, out);
                    }
                    Hello::Other => {
                        let held = std::mem::take(held);
                        *self = Watch::Line(FirstLine::default());
                        return self.feed(may_pass, &held, out);
                    }
                    Hello::Http | Hello::PlainHttp2 | Hello::Malformed => {
                        return Err(Crooked::Malformed("a first message that is crooked or late"));
                    }
                }
            }
        };
        if left == Left::Nothing {
            *self = Watch::Nothing;
        }
        Ok(())
    }

    /// What was held of a client that has ended, if it can name nobody.
    fn end(&self) -> &[u8] {
        match self {
            Watch::First(held) if !may_name(held) => held,
            _ => &[],
        }
    }

    fn hear(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Crooked> {
        if let Watch::Greeted(greeted) = self
            && greeted.hear(bytes, out)? == Left::Nothing
        {
            *self = Watch::Nothing;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What reaches the server of what a client says to it, which says `banner` first.
    async fn reaches(banner: &[u8], said: &[u8]) -> (Vec<u8>, Result<(), Crooked>) {
        let (mut outside, mut client) = tokio::io::duplex(1 << 16);
        let (mut server, mut world) = tokio::io::duplex(1 << 16);
        world.write_all(banner).await.unwrap();
        let mut heard = vec![0; banner.len()];
        let talk = async {
            outside.read_exact(&mut heard).await.unwrap();
            outside.write_all(said).await.unwrap();
            outside.shutdown().await.unwrap();
            world.shutdown().await.unwrap();
        };
        let named =
            |greeting: &ClientHello| greeting.name.as_ref().is_none_or(|name| name.as_str() == "a.org");
        let (carried, ()) = tokio::join!(carry(named, &mut client, &mut server), talk);
        drop(server);
        let mut got = Vec::new();
        world.read_to_end(&mut got).await.unwrap();
        (got, carried)
    }

    fn greeting(name: &[u8]) -> Vec<u8> {
        let long = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
        let entry = long(&[&[0][..], &long(name)].concat());
        let extensions = [&[0, 0][..], &long(&entry)].concat();
        let body = [&[3, 3][..], &[7; 32], &[0], &long(&[0x13, 1]), &[1, 0], &long(&extensions)].concat();
        let message = [&[1, 0][..], &long(&body)].concat();
        [&[0x16, 3, 1][..], &long(&message)].concat()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_server_that_speaks_first_gets_no_greeting_for_another() {
        for banner in [&b""[..], b"220 ready\r\n"] {
            let (good, evil) = (greeting(b"a.org"), greeting(b"evil.org"));
            assert_eq!(reaches(banner, &good).await, (good, Ok(())));
            assert_eq!(reaches(banner, &evil).await, (Vec::new(), Err(Crooked::OtherName)));
            assert_eq!(reaches(banner, b"EHLO me\r\n").await, (b"EHLO me\r\n".to_vec(), Ok(())));
            assert_eq!(reaches(banner, b"hello").await, (b"hello".to_vec(), Ok(())));
            let late = reaches(banner, b"GET / HTTP/1.1\r\nHost: evil.org\r\n\r\n").await;
            assert!(late.0.is_empty() && late.1.is_err());
        }
    }
}
