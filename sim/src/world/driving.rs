//! How a host's protocol is driven: its inputs, its outputs, its wakes, as its own driver would.

use std::net::SocketAddr;

use tidings::{Event, Instant};

use crate::app::App;
use crate::network::{Fate, Parcel as Sending};
use crate::trace::{Kind, MESSAGE, Skew, What as Happened, message_name};
use crate::watch::{Life, Moment, Passage, Watch};
use crate::world::World;
use crate::world::mail::{Content, Parcel};
use crate::world::queue::What;

impl<A: App, W: Watch> World<A, W> {
    /// A parcel has come to its place: it is handled, waits, or is lost.
    pub(super) fn arrive(&mut self, parcel: u32) {
        let now = self.now;
        let item = self.mail.at(parcel);
        item.arrived = now;
        let (source, to, bytes) = (item.source, item.to, item.bytes.len());
        let Some(host) = self.receiver(source, to).filter(|host| self.hosts[*host as usize].is_up()) else {
            return self.lose(parcel, "host down");
        };
        let one = &mut self.hosts[host as usize];
        let waits = one.is_stopped() || one.is_blocked() || one.busy_until > now || !one.inbox.is_empty();
        if !waits {
            self.handle(parcel, host);
        } else if !one.has_space(bytes) {
            self.lose(parcel, "buffer full");
        } else {
            one.inbox.push_back(parcel);
            one.inbox_bytes += bytes;
        }
    }

    fn lose(&mut self, parcel: u32, why: &'static str) {
        let (id, from, source, to, content) = {
            let lost = self.mail.at(parcel);
            (lost.id, lost.from, lost.source, lost.to, lost.content)
        };
        self.trace.take_in(self.now, from, Kind::Lost, why.as_bytes());
        let to = self.receiver(source, to);
        self.trace.line(self.now, from, || Happened::Lost { to, id, why });
        if content == Content::Datagram {
            self.watch.missed(self.now, from, to);
        }
        self.mail.discard(parcel);
    }

    /// Gives a parcel to its host.
    fn handle(&mut self, parcel: u32, host: u32) {
        let now = self.now;
        let item = self.mail.at(parcel);
        let (from, id, content) = (item.from, item.id, item.content);
        let passage =
            Passage { from, sent: item.sent, arrived: item.arrived, start: item.start, is_whole: item.is_whole };
        let sender = item.source;
        let mut bytes = std::mem::take(&mut item.bytes);
        self.trace.line(now, host, || Happened::Handled { from, id });

        if content == Content::Message {
            self.trace.happening(now, host, Kind::Message, &bytes);
            self.with_app(host, |app, context| app.on_message(context, from, &bytes));
        } else {
            self.trace.happening(now, host, Kind::Datagram, &bytes);
            self.watch.handled(now, host, passage, &bytes);
            if let Some((protocol, local)) = self.hosts[host as usize].running(now) {
                let _ = protocol.handle_datagram(local, sender, &mut bytes);
            }
        }

        self.mail.at(parcel).bytes = bytes;
        self.mail.discard(parcel);

        // While it is busy with this one the others wait in its inbox.
        let one = &mut self.hosts[host as usize];
        let service = one.service();
        if !service.is_zero() {
            one.busy_until = now + service;
            self.queue.push(one.busy_until, What::Ready(host));
        }
        self.drain(host);
    }

    /// The processor is free: what waits in the socket is handled, one datagram at a time if each costs something.
    pub(super) fn read_inbox(&mut self, host: u32) {
        loop {
            let one = &mut self.hosts[host as usize];
            if one.is_stopped() || one.is_blocked() || one.busy_until > self.now || !one.is_up() {
                return;
            }
            let Some(parcel) = one.inbox.pop_front() else { break };
            let bytes = self.mail.at(parcel).bytes.len();
            one.inbox_bytes = one.inbox_bytes.saturating_sub(bytes);
            self.handle(parcel, host);
        }
        self.fire(host);
    }

    /// A host's wake has come, unless it was moved since.
    pub(super) fn wake(&mut self, host: u32, at: Instant) {
        let one = &mut self.hosts[host as usize];
        if at != one.wakes_at {
            return;
        }
        one.wakes_at = Instant::NEVER;
        if one.is_stopped() || !one.is_up() {
            return;
        }
        if one.busy_until > self.now {
            one.wakes_at = one.busy_until;
            self.queue.push(one.busy_until, What::Wake(host));
            return;
        }
        self.fire(host);
    }

    /// Fires what is due.
    fn fire(&mut self, host: u32) {
        let now = self.now;
        let Some((protocol, local)) = self.hosts[host as usize].running(now) else { return };
        if protocol.poll_timeout().is_some_and(|at| at <= local) {
            self.trace.happening(now, host, Kind::Wake, &[]);
            protocol.handle_timeout(local);
        }
        self.drain(host);
    }

    /// Carries out what a host's protocol asks for.
    pub(super) fn drain(&mut self, host: u32) {
        let now = self.now;
        self.carry_out(host);
        while self.save(host) {
            self.carry_out(host);
        }
        let one = &mut self.hosts[host as usize];
        let Some(protocol) = &one.protocol else { return };
        self.watch.turned(Moment { now, clock: one.clock }, host, protocol);
        if protocol.is_stopped() {
            let life = if one.is_leaving { Life::Left } else { Life::Superseded };
            return self.end(host, life);
        }
        let wanted = protocol.poll_timeout().map_or(Instant::NEVER, |at| one.clock.when(at).max(now));
        if wanted < one.wakes_at {
            one.wakes_at = wanted;
            self.queue.push(wanted, What::Wake(host));
        }
    }

    /// Sends and tells what a host's protocol has to send and to tell.
    fn carry_out(&mut self, host: u32) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(protocol) = self.hosts[host as usize].protocol.as_mut() {
            self.urgent.clear();
            self.urgent.extend(protocol.urgent_news());
            let Some(transmit) = protocol.poll_transmit(&mut buffer) else { break };
            self.watch.made(self.now, host, transmit.to, &buffer, &self.urgent, protocol);
            self.post(host, transmit.to, &buffer, Content::Datagram);
        }
        self.buffer = buffer;
        while let Some(event) = self.hosts[host as usize].protocol.as_mut().and_then(tidings::Protocol::poll_event) {
            self.tell(host, event);
        }
    }

    /// Puts bytes on their way, at once or when the sender is not blocked any more.
    pub(super) fn post(&mut self, from: u32, to: SocketAddr, bytes: &[u8], content: Content) {
        let one = &mut self.hosts[from as usize];
        if one.is_blocked() {
            one.outbox.push((to, bytes.to_vec(), content));
        } else {
            self.send(from, to, bytes, content);
        }
    }

    /// Puts bytes on their way.
    pub(super) fn send(&mut self, from: u32, to: SocketAddr, bytes: &[u8], content: Content) {
        let rewrite = self.rewrite.as_mut().filter(|_| content == Content::Datagram);
        let rewritten = rewrite.and_then(|rewrite| rewrite.apply(from, bytes));
        let bytes = rewritten.as_deref().unwrap_or(bytes);

        let (now, id) = (self.now, self.mail.next_id());
        let source = self.source(from, to);
        let receiver = self.receiver(source, to);
        let message = || if content == Content::Datagram { message_name(bytes) } else { MESSAGE };
        self.trace.line(now, from, || Happened::Sent { to: receiver, id, message: message(), bytes: bytes.len() });

        let is_stopped =
            |filter: &mut Option<super::Filter>, to| filter.as_mut().is_some_and(|f| f.stops(from, to, bytes));
        let fate = match receiver {
            Some(to) if to == from && content == Content::Message => Fate::HOME,
            Some(_) if !self.has_route(from, to) => Fate::Lost(crate::network::Loss::Family),
            Some(to) if is_stopped(&mut self.filter, to) => Fate::Lost(crate::network::Loss::Cut),
            Some(to) => self.network.carry(now, Sending { from, to, bytes: bytes.len() }),
            None => Fate::Lost(crate::network::Loss::Nobody),
        };

        if content == Content::Datagram {
            self.trace.count(bytes.len());
            self.watch.sent(now, from, receiver, bytes, &fate);
        }

        let (delay, again, damage) = match fate {
            Fate::Arrives { delay, again, damage } => (delay, again, damage),
            Fate::Lost(loss) => {
                self.trace.sent(from, u32::MAX, std::time::Duration::ZERO, bytes.len());
                self.trace.take_in(now, from, Kind::Lost, bytes);
                self.trace.line(now, from, || Happened::Lost { to: receiver, id, why: loss.word() });
                return;
            }
        };

        self.trace.sent(from, receiver.unwrap_or(u32::MAX), delay, bytes.len());
        let one = &self.hosts[from as usize];
        let parcel = Parcel {
            from,
            start: one.starts,
            source,
            to,
            sent: now,
            arrived: now,
            id,
            content,
            is_whole: true,
            bytes: Vec::new(),
        };

        // Of a datagram that arrives twice one copy may be damaged, and the other comes as it was sent.
        if let Some(again) = again {
            let copy = self.mail.post(parcel.clone(), bytes);
            self.queue.push(now + again, What::Arrive(copy));
        }

        let post = self.mail.post(parcel, bytes);
        if let Some(damage) = damage.filter(|_| content == Content::Datagram) {
            let item = self.mail.at(post);
            damage.apply(&mut item.bytes);
            item.is_whole = false;
        }
        self.queue.push(now + delay, What::Arrive(post));
    }

    /// Tells a host's application, and the watcher.
    fn tell(&mut self, host: u32, event: Event) {
        let now = self.now;
        let one = &mut self.hosts[host as usize];
        match event {
            Event::Isolated { .. } => one.is_isolated = true,
            Event::Reconnected => one.is_isolated = false,
            _ => {}
        }

        let Some(protocol) = &one.protocol else { return };
        self.watch.told(Moment { now, clock: one.clock }, host, protocol, &event);
        self.trace.told(now, host, &event);

        if self.trace.keeps_lines() {
            let skew = Skew { read: one.clock.read(now), at: now };
            let is_verdict = matches!(event, Event::Dead { .. } | Event::Suspect { .. });
            let why = event.member().filter(|_| is_verdict).and_then(|member| protocol.why(member.id()));
            self.trace.line(now, host, || Happened::Told(skew.event(event.clone())));
            if let Some(why) = why {
                self.trace.line(now, host, || Happened::Why(skew.why(why)));
            }
        }

        self.with_app(host, |app, context| app.on_event(context, &event));
        if let Some(told) = &mut self.told {
            told.push((now, host, event));
        }
    }
}
