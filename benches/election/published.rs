//! What others publish of their fail-over, each in its own setting, to read our figures beside.
//!
//! None of it was measured here, nor on this machine: the settings differ by far more than the systems do.

use crate::report::{Cell, Table};

const ROWS: [[&str; 4]; 9] = [
    ["Raft paper", "5 servers, timeout 12-24 ms", "mean 35 ms, worst 152 ms", "Ongaro and Ousterhout 2014, 9.3"],
    ["Raft paper", "5 servers, timeout 150-155 ms", "median 287 ms", "the same; 1,000 trials, broadcast about 15 ms"],
    ["Raft paper", "5 servers, timeout 150-200 ms", "worst 513 ms", "the same; it recommends 150-300 ms"],
    ["etcd", "heartbeat 100 ms, election timeout 1 s", "about 1 to 2 s", "its tuning guide's defaults"],
    ["Kafka KRaft", "fetch timeout 2 s, election timeout 1 s", "about 2 to 4 s", "QuorumConfig.java's defaults"],
    [
        "Kubernetes leases",
        "lease 15 s, renew 10 s, retry 2 s",
        "15 to 17 s",
        "component-base defaults.go; says it does not fence",
    ],
    [
        "Redis Sentinel",
        "down-after 30 s, failover timeout 180 s",
        "over 30 s",
        "notes on its configuration; often tuned to 5-10 s",
    ],
    ["Chubby", "master lease a few s, session lease 12 s", "4 and 6 s, up to 30 s", "Burrows 2006"],
    ["hashicorp/raft", "1 s, 1 s, lease 500 ms; Consul times 5", "5 to 10 s with Consul", "remembered, not looked up"],
];

pub fn table() -> Table {
    let title = "What others publish of the time from a leader's death to the next leader";
    let mut table = Table::new(title, &["system", "setting", "fail-over", "source"]);
    for row in ROWS {
        table.row(row.map(Cell::from));
    }
    table
}
