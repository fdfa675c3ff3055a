//! The simulator's command line.
use std::time::Duration;
use tidings_sim::scenario::{Scenario, Start};
use tidings_sim::world::World;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "file" {
        let s = Scenario::from_toml(&std::fs::read_to_string(&args[2]).unwrap()).unwrap();
        let e = tidings_sim::Experiment::new(s);
        for seed in 0..args[3].parse().unwrap() {
            let o = e.run(seed).unwrap();
            println!(
                "{seed} {:x} {} {:?} {:?} {:?}",
                o.trace_hash, o.happenings, o.settled_after, o.violations, o.sometimes
            );
        }
        return;
    }
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
