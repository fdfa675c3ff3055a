//! Random faults from a seed, then quiet: whatever happened, the living end with equal views and nothing pending.

mod virtual_net;

use std::collections::BTreeSet;

use rand::Rng;
use tidings::config::Config;
use tidings::event::Event;
use tidings::member::{Generation, State};
use virtual_net::{Net, ms, secs};

fn below(net: &mut Net, bound: u64) -> u64 {
    net.random.next_u64() % bound
}

fn pick(net: &mut Net) -> usize {
    let up = net.up();
    up[below(net, up.len() as u64) as usize]
}

/// What earlier faults have left behind.
struct Past {
    generation: u64,
    /// Crashed hosts that were started again, as others.
    reborn: BTreeSet<usize>,
}

/// One random fault, or its end.
fn disturb(net: &mut Net, past: &mut Past, hosts_max: usize) {
    match below(net, 9) {
        0 if net.up().len() > 3 => {
            let n = pick(net);
            net.crash(n);
        }
        1 => {
            let down = (0..net.hosts.len()).find(|n| !net.hosts[*n].is_up && past.reborn.insert(*n));
            if let Some(n) = down {
                past.generation += 1 + below(net, 5_000);
                let (name, port) = (net.hosts[n].name.clone(), if below(net, 2) == 0 { n } else { 500 + n });
                net.add_as(&name, Generation(past.generation), port as u16);
            }
        }
        2 => {
            let (n, span) = (pick(net), ms(100 + below(net, 6_000)));
            net.pause(n, span);
        }
        3 => {
            let left = below(net, net.hosts.len() as u64 + 1) as usize;
            net.rule = Box::new(move |from, to, _| (from < left) != (to < left));
        }
        4 => {
            let percent = below(net, 50);
            net.rule = Box::new(move |_, _, random| random.next_u64() % 100 < percent);
        }
        5 => {
            let (a, b) = (pick(net), pick(net));
            net.rule = Box::new(move |from, to, _| from == a && to != b);
        }
        6 => net.rule = Box::new(|_, _, _| false),
        7 if net.hosts.len() < hosts_max => drop(net.add()),
        8 => {
            let (n, word) = (pick(net), below(net, 256) as u8);
            net.call(n, |protocol, now| protocol.set_metadata(now, &[word])).unwrap();
        }
        _ => {}
    }
}

fn run(seed: u64) {
    let n = 3 + (seed % 8) as usize;
    let config = if seed % 3 == 0 { Config::local("c") } else { Config::lan("c") };
    let mut net = Net::cluster(config, seed, n);
    let mut past = Past { generation: 5_000, reborn: BTreeSet::new() };
    for _ in 0..20 {
        disturb(&mut net, &mut past, n + 6);
        let span = ms(200 + below(&mut net, 5_000));
        net.run(span);
    }
    net.rule = Box::new(|_, _, _| false);
    let quiet_since = net.now;
    let settled = net.run_until(secs(120), Net::all_agree);
    assert!(settled, "seed {seed} did not settle: {}", describe(&net));
    net.run(secs(15));
    assert!(net.all_agree(), "seed {seed} came apart again: {}", describe(&net));
    let late = quiet_since + secs(60);
    assert_eq!(net.false_dead(late), 0, "seed {seed}");
    for host in net.up() {
        let left_then_dead = net.hosts[host].events.windows(2).find(|pair| {
            matches!((&pair[0].1, &pair[1].1), (Event::Left(a), Event::Dead { member: b, .. })
                if a.id() == b.id() && a.generation() == b.generation())
        });
        assert!(left_then_dead.is_none(), "seed {seed}: {left_then_dead:?}");
    }
}

fn describe(net: &Net) -> String {
    let mut text = String::new();
    for n in net.up() {
        text += &format!("\n{} at {}: ", net.hosts[n].name, net.hosts[n].address);
        for member in net.hosts[n].protocol.members().filter(|m| m.state() != State::Alive || net.up().len() < 12) {
            text += &format!("{member:?}; ");
        }
    }
    text
}

#[test]
fn whatever_happened_the_living_agree_in_the_end() {
    let seeds = std::env::var("CHAOS_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let first = std::env::var("CHAOS_FIRST").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    for seed in first..first + seeds {
        run(seed);
    }
}
