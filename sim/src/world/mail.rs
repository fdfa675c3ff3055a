//! What is under way between hosts, in a pool whose buffers are used again.

use std::net::SocketAddr;

use tidings::Instant;

/// A datagram or an application's message under way.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) from: u32,
    /// Which start of the sender's process sent it.
    pub(super) start: u32,
    /// The address that it seems to come from, and the one it was sent to.
    pub(super) source: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sent: Instant,
    pub(super) arrived: Instant,
    pub(super) id: u64,
    pub(super) content: Content,
    pub(super) is_whole: bool,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Datagram,
    Message,
}

#[derive(Debug)]
pub(super) struct Mail {
    parcels: Vec<Parcel>,
    free: Vec<u32>,
    ids: u64,
    space: usize,
}

impl Mail {
    /// A pool whose buffers each have space for so many bytes, so that none of them grows later.
    pub(super) fn new(space: usize) -> Self {
        Mail { parcels: Vec::new(), free: Vec::new(), ids: 0, space }
    }

    /// Numbers the next parcel.
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Takes in a parcel, whose bytes are copied.
    pub(super) fn post(&mut self, parcel: Parcel, bytes: &[u8]) -> u32 {
        let place = match self.free.pop() {
            Some(place) => {
                let buffer = std::mem::take(&mut self.parcels[place as usize].bytes);
                self.parcels[place as usize] = Parcel { bytes: buffer, ..parcel };
                place
            }
            None => {
                self.parcels.push(Parcel { bytes: Vec::with_capacity(self.space), ..parcel });
                self.parcels.len() as u32 - 1
            }
        };
        let buffer = &mut self.parcels[place as usize].bytes;
        buffer.clear();
        buffer.extend_from_slice(bytes);
        place
    }

    pub(super) fn at(&mut self, place: u32) -> &mut Parcel {
        &mut self.parcels[place as usize]
    }

    /// The parcel is not under way any more; its buffer is used again.
    pub(super) fn discard(&mut self, place: u32) {
        self.free.push(place);
    }
}
