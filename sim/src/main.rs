//! The simulator's command line.
use std::time::Duration;
use tidings_sim::scenario::{Scenario, Start};
use tidings_sim::world::World;
fn main() {
    let n: u32 = std::env::args().nth(1).unwrap().parse().unwrap();
    let secs: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let t = std::time::Instant::now();
    let mut s = Scenario::new("scale", n, Duration::from_secs(secs));
    s.start = Start::Preloaded;
    let mut w: World<(), ()> = World::new(&s, 1, |_| (), ()).unwrap();
    w.step(tidings::Instant::ORIGIN);
    w.run_until(tidings::Instant::ORIGIN);
    println!("setup {:?}", t.elapsed());
    let t = std::time::Instant::now();
    w.run(Duration::from_secs(secs));
    let e = t.elapsed();
    println!(
        "{:?} {} happenings {:.0}/s, {} datagrams, hash {:x} alive {}",
        e,
        w.trace().happenings(),
        w.trace().happenings() as f64 / e.as_secs_f64(),
        w.trace().datagrams(),
        w.trace().hash(),
        w.hosts()[0].protocol().unwrap().metrics().members_alive
    );
}
