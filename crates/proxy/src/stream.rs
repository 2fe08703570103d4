//! Passing on a connection's bytes: copied while they are few, moved within the kernel once
//! they are many.

use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use std::io;
use std::os::fd::AsFd;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// What is passed on at a time. A read of so much makes it worth a pipe.
const CHUNK: usize = 16 * 1024;
/// The largest message of SCTP that is passed on as one.
const MESSAGE: usize = 64 * 1024;
/// What is moved at a time, and what a pipe holds.
const MOST: usize = 1024 * 1024;

/// Passes on both ways until both ended, or one failed.
pub(crate) async fn pass(one: &TcpStream, other: &TcpStream) -> io::Result<()> {
    tokio::try_join!(pass_on(one, other), pass_on(other, one)).map(drop)
}

/// The same of two connections of SCTP, one message at a time. COMPAT: to which of a connection's
/// streams one belongs is lost, as in docker-proxy.
pub(crate) async fn pass_messages(one: &TcpStream, other: &TcpStream) -> io::Result<()> {
    let pass = async |from, to| {
        while copy(from, to, MESSAGE).await? == Flow::Many {}
        end(to)
    };
    tokio::try_join!(pass(one, other), pass(other, one)).map(drop)
}

/// Passes on one way; the end of `from` is told to `to`.
async fn pass_on(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    if copy(from, to, CHUNK).await? == Flow::Many {
        move_many(from, to).await?;
    }
    end(to)
}

/// Tells that nothing follows.
fn end(to: &TcpStream) -> io::Result<()> {
    match rustix::net::shutdown(to, rustix::net::Shutdown::Write) {
        // The other end has gone already.
        Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Ended,
    Many,
}

/// Copies until the end, or until there is as much as `most` to read at once.
async fn copy(from: &TcpStream, to: &TcpStream, most: usize) -> io::Result<Flow> {
    let mut bytes = Vec::new();
    loop {
        from.readable().await?;
        bytes.resize(most, 0);
        let length = match from.try_read(&mut bytes) {
            Ok(0) => return Ok(Flow::Ended),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Nothing is kept for a connection that is silent.
                bytes = Vec::new();
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut rest = bytes.get(..length).unwrap_or_default();
        while !rest.is_empty() {
            to.writable().await?;
            match to.try_write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if length == most {
            return Ok(Flow::Many);
        }
    }
}

/// Moves until the end, through a pipe.
async fn move_many(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    // In a smaller one it takes more turns.
    let _ = rustix::pipe::fcntl_setpipe_size(&write, MOST);
    loop {
        let mut held = through(from, Interest::READABLE, from, &write, MOST).await?;
        if held == 0 {
            return Ok(());
        }
        while held > 0 {
            let moved = through(to, Interest::WRITABLE, &read, to, held).await?;
            held = held.saturating_sub(moved);
        }
    }
}

/// Moves what there is, once `stream` is ready for it.
async fn through(
    stream: &TcpStream,
    interest: Interest,
    from: impl AsFd,
    to: impl AsFd,
    most: usize,
) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    let moved = stream.async_io(interest, || {
        Ok(splice(&from, None, &to, None, most, flags)?)
    });
    moved.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream as Blocking};

    fn pair() -> (Blocking, Blocking) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let one = Blocking::connect(listener.local_addr().unwrap()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    fn ours(stream: Blocking) -> TcpStream {
        stream.set_nonblocking(true).unwrap();
        TcpStream::from_std(stream).unwrap()
    }

    /// Two connections with what passes on between them; gives their far ends.
    fn passed() -> (Blocking, Blocking, std::thread::JoinHandle<io::Result<()>>) {
        let ((client, near), (far, server)) = (pair(), pair());
        let passing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()?;
            runtime.block_on(async { pass(&ours(near), &ours(far)).await })
        });
        (client, server, passing)
    }

    fn bytes(length: usize, seed: usize) -> Vec<u8> {
        let byte = |n: usize| n.wrapping_mul(seed).to_le_bytes()[1];
        (0..length).map(byte).collect()
    }

    fn echo(mut server: Blocking) {
        std::thread::spawn(move || {
            let mut piece = vec![0; 100_000];
            while let Ok(length) = server.read(&mut piece)
                && length > 0
            {
                server.write_all(&piece[..length]).unwrap();
            }
            server.shutdown(Shutdown::Write).unwrap();
        });
    }

    #[test]
    fn few_bytes_and_many_come_back_as_they_went_and_each_end_is_told() {
        for length in [0, 1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 20_000_000] {
            let (mut client, server, passing) = passed();
            echo(server);
            let sent = bytes(length, 2_654_435_761);
            let mut writer = client.try_clone().unwrap();
            let expected = sent.clone();
            std::thread::spawn(move || {
                writer.write_all(&sent).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let mut got = Vec::new();
            client.read_to_end(&mut got).unwrap();
            assert!(got == expected, "{length}: {} came back", got.len());
            passing.join().unwrap().unwrap();
        }
    }

    #[test]
    fn little_is_passed_on_at_once_after_much() {
        let (mut client, mut server, _passing) = passed();
        let much = bytes(1_000_000, 31);
        let mut writer = client.try_clone().unwrap();
        let sent = much.clone();
        let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
        let mut got = vec![0; much.len()];
        server.read_exact(&mut got).unwrap();
        writing.join().unwrap();
        assert!(got == much);
        for byte in 0..100 {
            client.write_all(&[byte]).unwrap();
            server.read_exact(&mut got[..1]).unwrap();
            assert_eq!(got[0], byte);
        }
    }

    #[test]
    fn a_connection_that_fails_ends_the_other() {
        let (mut client, server, passing) = passed();
        client.write_all(b"hello").unwrap();
        // Unread bytes make its end a reset.
        std::thread::sleep(std::time::Duration::from_millis(50));
        drop(server);
        let mut got = Vec::new();
        drop(client.read_to_end(&mut got));
        drop(client);
        drop(passing.join().unwrap());
        assert!(got.is_empty());
    }
}
