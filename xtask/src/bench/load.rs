//! Load for the network: a server that discards, sends or echoes, and clients that measure.
//!
//! This executable is the container's program too, so that nothing else has to be installed.

use anyhow::{Context, Result};
use rustix::net::sockopt::set_tcp_congestion;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// What to do
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to measure, or `serve`
    #[arg(value_enum)]
    what: What,
    /// The server's address
    address: SocketAddr,
    /// How long to measure
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// Answers all of the others.
    Serve,
    /// Bytes a second to the server.
    Throughput,
    /// Connections a second, made, answered and closed one after another.
    Connections,
    /// Microseconds for one byte there and back: median and 99th of 100.
    Latency,
}

impl What {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Throughput => "throughput",
            Self::Connections => "connections",
            Self::Latency => "latency",
        }
    }
}

/// The first byte of a connection: what the server is to do.
const DISCARD: u8 = b'd';
const ECHO: u8 = b'e';
const CLOSE: u8 = b'c';

const PIECE: usize = 128 << 10;

/// Serves, or measures and prints figures on one line.
pub(crate) fn run(options: &Options) -> Result<()> {
    let length = Duration::from_secs(options.seconds);
    let figures = match options.what {
        What::Serve => return serve(options.address),
        What::Throughput => vec![throughput(options.address, length)?],
        What::Connections => vec![connections(options.address, length)?],
        What::Latency => latency(options.address, length)?,
    };
    let words: Vec<_> = figures
        .iter()
        .map(|figure| format!("{figure:.1}"))
        .collect();
    println!("{}", words.join(" "));
    Ok(())
}

fn serve(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address)?;
    loop {
        let (stream, _) = listener.accept()?;
        // A client that goes is no failure of the server.
        std::thread::spawn(move || drop(answer(stream)));
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    unpaced(&stream)?;
    let mut wish = [0];
    stream.read_exact(&mut wish)?;
    let mut piece = vec![0; PIECE];
    loop {
        match wish {
            [CLOSE] => return stream.write_all(&wish),
            [ECHO] => {
                let mut byte = [0];
                stream.read_exact(&mut byte)?;
                stream.write_all(&byte)?;
            }
            _ => {
                if stream.read(&mut piece)? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

fn connect(address: SocketAddr, wish: u8) -> Result<TcpStream> {
    let mut stream =
        TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    unpaced(&stream)?;
    stream.write_all(&[wish])?;
    Ok(stream)
}

/// Has a connection send as fast as its way takes it: where the host's usual control of
/// congestion paces what it sends (BBR), that would be measured.
fn unpaced(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    // The one that every kernel has.
    Ok(set_tcp_congestion(stream, "reno")?)
}

fn throughput(address: SocketAddr, length: Duration) -> Result<f64> {
    let mut stream = connect(address, DISCARD)?;
    let piece = vec![0; PIECE];
    let (start, mut sent) = (Instant::now(), 0_usize);
    while start.elapsed() < length {
        stream.write_all(&piece)?;
        sent += piece.len();
    }
    Ok(sent as f64 / start.elapsed().as_secs_f64())
}

fn connections(address: SocketAddr, length: Duration) -> Result<f64> {
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < length {
        let mut stream = connect(address, CLOSE)?;
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => return Err(error.into()),
            _ => count += 1,
        }
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

fn latency(address: SocketAddr, length: Duration) -> Result<Vec<f64>> {
    let mut stream = connect(address, ECHO)?;
    let (start, mut trips) = (Instant::now(), Vec::new());
    while start.elapsed() < length {
        let sent = Instant::now();
        stream.write_all(&[1])?;
        stream.read_exact(&mut [0])?;
        trips.push(sent.elapsed().as_secs_f64() * 1e6);
    }
    trips.sort_by(f64::total_cmp);
    let quantile = |of_100: usize| trips.get(trips.len() * of_100 / 100).copied();
    Ok([quantile(50), quantile(99)].into_iter().flatten().collect())
}
