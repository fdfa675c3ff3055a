//! The one UDP socket of a node: opened so that errors are clear, used so that they never end anything.
//!
//! No reuse option is set: on Linux it would let two nodes share a port and each miss half of its datagrams.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::member::canonical;
use crate::runtime::error::StartError;

/// Kernel buffers asked for: a join storm or a stalled node fits, and less is given without an error.
const BUFFER_BYTES: usize = 1 << 20;

/// Opens and binds a socket; needs no runtime.
///
/// # Errors
/// When the port is taken or the address cannot be used.
pub(crate) fn open(bind: SocketAddr) -> Result<std::net::UdpSocket, StartError> {
    let bound = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(bind), Type::DGRAM, Some(Protocol::UDP))?;
        if bind.is_ipv6() && bind.ip().is_unspecified() {
            socket.set_only_v6(false)?;
        }
        // Best effort: a smaller buffer only loses more in a storm.
        let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(BUFFER_BYTES);
        socket.set_nonblocking(true)?;
        socket.bind(&bind.into())?;
        Ok(socket)
    };
    match bound() {
        Ok(socket) => Ok(socket.into()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(StartError::PortInUse(bind)),
        Err(error) => Err(StartError::Bind(bind, error)),
    }
}

/// The socket under a runtime.
///
/// tokio tells when to look; `direct` is the same socket without tokio's memory of whether it was readable, which a
/// signal that interrupts the poll (as SIGCONT does) leaves stale: a node must not judge others while their answers lie
/// unread.
#[derive(Debug)]
pub(crate) struct NodeSocket {
    polled: UdpSocket,
    direct: std::net::UdpSocket,
    /// Whether IPv4 addresses have to be written as IPv6 ones.
    dual_stack: bool,
    receives_failed: u64,
    sends_failed: u64,
    failed_in_a_row: u32,
}

impl NodeSocket {
    /// Puts a socket of [`open`] under the present runtime.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let dual_stack = socket.local_addr()?.is_ipv6();
        let direct = socket.try_clone()?;
        let polled = UdpSocket::from_std(socket)?;
        Ok(NodeSocket { polled, direct, dual_stack, receives_failed: 0, sends_failed: 0, failed_in_a_row: 0 })
    }

    /// The next datagram: how much of `buffer` it fills, and from where; none when the socket is dry.
    ///
    /// With `surely` the kernel is asked even if tokio remembers that nothing was there.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], surely: bool) -> Option<(usize, SocketAddr)> {
        while self.failed_in_a_row < FAILURES_MAX {
            let mut received = self.polled.try_recv_from(buffer);
            if surely && would_block(&received) {
                received = self.direct.recv_from(buffer);
            }

            match received {
                Ok((length, from)) => {
                    self.failed_in_a_row = 0;
                    return Some((length, canonical(from)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.failed_in_a_row = 0;
                    return None;
                }
                Err(_) => {
                    self.receives_failed += 1;
                    self.failed_in_a_row += 1;
                }
            }
        }
        None
    }

    /// Whether reading only gave errors lately; forgets it, so that the caller tries again after a short rest.
    pub(crate) fn take_exhausted(&mut self) -> bool {
        let exhausted = self.failed_in_a_row >= FAILURES_MAX;
        if exhausted {
            self.failed_in_a_row = 0;
        }
        exhausted
    }

    /// Sends a datagram, or loses it: a full buffer, an unreachable network or a filter is loss like any other.
    pub(crate) fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        let to = if self.dual_stack { mapped(to) } else { to };
        if self.direct.send_to(datagram, to).is_err() {
            self.sends_failed += 1;
        }
    }

    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Ready or broken: in both cases reading tells.
        self.polled.poll_recv_ready(cx).map(|_| ())
    }

    pub(crate) fn receives_failed(&self) -> u64 {
        self.receives_failed
    }

    pub(crate) fn sends_failed(&self) -> u64 {
        self.sends_failed
    }
}

/// Errors in a row after which the socket is left alone until the next turn.
const FAILURES_MAX: u32 = 16;

fn would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound() -> NodeSocket {
        NodeSocket::new(open("127.0.0.1:0".parse().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn reads_what_the_runtime_has_not_noticed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let (mut receiver, mut sender) = (bound(), bound());
            let to = receiver.direct.local_addr().unwrap();
            sender.send(to, b"answer");
            // The runtime has not polled the socket since, as after a signal.
            let mut buffer = [0; 64];
            assert_eq!(receiver.receive(&mut buffer, false), None);
            let from = sender.direct.local_addr().unwrap();
            assert_eq!(receiver.receive(&mut buffer, true), Some((6, from)));
            assert_eq!(receiver.receive(&mut buffer, true), None);
            sender.send(to, b"news");
            std::future::poll_fn(|cx| receiver.poll_readable(cx)).await;
            assert_eq!(receiver.receive(&mut buffer, false), Some((4, from)), "later datagrams still wake the node");
            assert_eq!((receiver.receives_failed(), sender.sends_failed()), (0, 0));
        });
    }

    #[test]
    fn a_v4_address_is_written_as_v6_on_a_dual_stack() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(mapped(at("10.0.0.1:1")), at("[::ffff:10.0.0.1]:1"));
    }
}
