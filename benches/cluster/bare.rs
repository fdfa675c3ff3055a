//! The same sockets without a protocol: what sending and receiving alone costs.
//!
//! Each sends a ping to the next one every second and answers each ping with an ack, of the sizes that idle nodes send.
//! There is no state, no timer but the one, and nothing is looked at but the length.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::nodes::{Home, Outcome};

const PING_BYTES: usize = 46;
const ACK_BYTES: usize = 38;
const INTERVAL: Duration = Duration::from_secs(1);

/// Sockets that exchange datagrams until this is dropped.
pub struct Bare {
    _stop: watch::Sender<()>,
}

impl Bare {
    pub fn start(count: usize, home: Home) -> Outcome<Self> {
        let bind = |_| {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let sockets = (0..count).map(bind).collect::<Outcome<Vec<_>>>()?;
        let mut next: Vec<SocketAddr> = sockets.iter().map(|socket| socket.local_addr()).collect::<Result<_, _>>()?;
        next.rotate_left(1);

        let (stop, stopped) = watch::channel(());
        for (place, (socket, next)) in sockets.into_iter().zip(next).enumerate() {
            let phase = INTERVAL * place as u32 / count as u32;
            let exchange = exchange(socket, next, phase, stopped.clone());
            match home {
                Home::OneRuntime => drop(tokio::spawn(exchange)),
                Home::OwnThreads => drop(thread::Builder::new().spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
                    runtime.block_on(exchange)
                })?),
            }
        }

        Ok(Bare { _stop: stop })
    }
}

async fn exchange(
    socket: std::net::UdpSocket,
    next: SocketAddr,
    phase: Duration,
    mut stopped: watch::Receiver<()>,
) -> Outcome<()> {
    let socket = UdpSocket::from_std(socket)?;
    let mut ticks = interval_at(Instant::now() + phase, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut buffer = [0; 2_048];

    loop {
        tokio::select! {
            _ = ticks.tick() => {
                socket.send_to(&[0; PING_BYTES], next).await?;
            }
            received = socket.recv_from(&mut buffer) => {
                let (length, from) = received?;
                if length == PING_BYTES {
                    socket.send_to(&[0; ACK_BYTES], from).await?;
                }
            }
            _ = stopped.changed() => return Ok(()),
        }
    }
}
