//! Network namespaces that stand for hosts, and what is asked from one of another.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long what is not reached is waited for.
const LOST: Duration = Duration::from_millis(700);
/// A port that containers publish, one of datagrams that they do, and one that they do not.
pub(crate) const PORTS: [u16; 3] = [80, 81, 82];

/// A network namespace, by the process that is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space(pub(crate) u32);

impl Space {
    /// Does something there.
    pub(crate) fn within<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let there = move || {
            let path = format!("/proc/{}/ns/net", self.0);
            let kind = rustix::thread::LinkNameSpaceType::Network;
            let namespace = File::open(path).expect("it lives");
            rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(kind))
                .expect("it may be joined");
            work()
        };
        std::thread::spawn(there).join().expect("it does not panic")
    }

    pub(crate) fn run(self, script: &str) -> String {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.0.to_string(), "-n", "sh", "-ec", script]);
        testing::run(command).success().text()
    }

    /// Answers on all ports with the address that asks, until the test executable ends.
    pub(crate) fn serve(self) {
        Box::leak(Box::new(self.serving()));
    }

    /// The same until what it gives is dropped.
    pub(crate) fn serving(self) -> Serving {
        self.within(|| {
            let streams = [PORTS[0], PORTS[2]]
                .map(|port| TcpListener::bind(("::", port)).expect("a free port"));
            let datagrams = UdpSocket::bind(("::", PORTS[1])).expect("a free port");
            Serving::start(streams.into(), datagrams)
        })
    }

    /// Answers so by SCTP, at the first port.
    pub(crate) fn serve_sctp(self) {
        self.within(|| {
            let socket = sctp(false).expect("the kernel has SCTP");
            rustix::net::sockopt::set_ipv6_v6only(&socket, false).expect("an option");
            let any = SocketAddr::from(([0_u16; 8], PORTS[0]));
            rustix::net::bind(&socket, &any).expect("a free port");
            rustix::net::listen(&socket, 16).expect("it listens");
            std::thread::spawn(move || answer(&socket.into()));
        });
    }

    /// Whom a server at `to` saw; `None` if it is not reached.
    pub(crate) fn seen(self, to: &str, transport: Transport) -> Option<String> {
        let to: SocketAddr = to.parse().expect("an address with a port");
        self.within(move || match transport {
            Tcp => told(TcpStream::connect_timeout(&to, LOST).ok()?),
            Sctp => {
                let socket = sctp(to.is_ipv4()).ok()?;
                // A connection waits as long as what is sent.
                let sending = rustix::net::sockopt::Timeout::Send;
                rustix::net::sockopt::set_socket_timeout(&socket, sending, Some(LOST)).ok()?;
                rustix::net::connect(&socket, &to).ok()?;
                told(TcpStream::from(socket))
            }
            Udp => {
                let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any).ok()?;
                socket.set_read_timeout(Some(LOST)).ok()?;
                socket.send_to(b"x", to).ok()?;
                let mut text = [0; 64];
                let length = socket.recv(&mut text).ok()?;
                Some(String::from_utf8_lossy(&text[..length]).into_owned())
            }
        })
    }
}

/// Threads that answer. Their namespace lives as long as they do.
pub(crate) struct Serving {
    listeners: Vec<TcpListener>,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Serving {
    fn start(listeners: Vec<TcpListener>, datagrams: UdpSocket) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let mut threads = vec![{
            let ended = Arc::clone(&ended);
            std::thread::spawn(move || answer_datagrams(&datagrams, &ended))
        }];
        for listener in &listeners {
            let listener = listener.try_clone().expect("a descriptor");
            threads.push(std::thread::spawn(move || answer(&listener)));
        }
        Self {
            listeners,
            ended,
            threads,
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for listener in &self.listeners {
            rustix::net::shutdown(listener, rustix::net::Shutdown::Both).expect("it listens");
        }
        for thread in self.threads.drain(..) {
            thread.join().expect("it does not panic");
        }
    }
}

/// A stream of SCTP, which is read and written like one of TCP.
fn sctp(ipv4: bool) -> rustix::io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketType, ipproto, socket};
    let family = if ipv4 {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    socket(family, SocketType::STREAM, Some(ipproto::SCTP))
}

/// What a server tells.
fn told(mut stream: TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(LOST)).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    // A relay takes the connection although nobody is behind it.
    (!text.is_empty()).then_some(text)
}

/// Tells who asks.
fn answer(listener: &TcpListener) {
    while let Ok((mut stream, peer)) = listener.accept() {
        drop(write!(stream, "{}", plain(peer.ip())));
    }
}

fn answer_datagrams(socket: &UdpSocket, ended: &AtomicBool) {
    let pause = Duration::from_millis(50);
    socket.set_read_timeout(Some(pause)).expect("an option");
    while !ended.load(Ordering::Relaxed) {
        if let Ok((_, peer)) = socket.recv_from(&mut [0; 16]) {
            drop(socket.send_to(plain(peer.ip()).to_string().as_bytes(), peer));
        }
    }
}

fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    Sctp,
}
pub(crate) use Transport::{Sctp, Tcp, Udp};

/// A host on the link `out0` of the daemon's host, which sends everything through that.
#[derive(Debug)]
pub(crate) struct Neighbour(Child);

impl Neighbour {
    pub(crate) fn of(host: Space) -> Self {
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-c", "echo; exec sleep 600"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a namespace");
        let mut ready = [0];
        let out = child.stdout.as_mut().expect("a pipe");
        out.read_exact(&mut ready).expect("it runs");
        let neighbour = Self(child);
        let pid = neighbour.0.id();
        host.run(&format!(
            "ip link add out0 type veth peer name in0; ip link set in0 netns {pid}
             echo 0 > /proc/sys/net/ipv6/conf/out0/disable_ipv6
             ip addr add 192.0.2.1/24 dev out0; ip addr add 2001:db8::1/64 dev out0 nodad
             ip link set out0 up"
        ));
        neighbour.space().run(
            "echo 0 > /proc/sys/net/ipv6/conf/in0/disable_ipv6
             ip link set lo up; ip link set in0 up
             ip addr add 192.0.2.2/24 dev in0; ip addr add 2001:db8::2/64 dev in0 nodad
             ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1",
        );
        neighbour
    }

    pub(crate) fn space(&self) -> Space {
        Space(self.0.id())
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}
