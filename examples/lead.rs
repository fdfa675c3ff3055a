//! One of three voters, each on a host of its own: `lead db-1`, `lead db-2`, `lead db-3`.
use tidings::Node;
use tidings::config::ElectionConfig;
use tidings::election::FileStore;
use tidings::leader::Token;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let name = std::env::args().nth(1).filter(|name| !name.starts_with('-')).ok_or("usage: lead db-1")?;
    let node = Node::builder(name)
        .cluster("orders")
        .contacts(["db-1.internal:7340", "db-2.internal:7340", "db-3.internal:7340"]) // its own may be among them
        .election(ElectionConfig::lan("default", ["db-1", "db-2", "db-3"])) // the same on all three
        .term_store(FileStore::open("/var/lib/orders/votes")?)
        .start()
        .await?;
    // This node stands for as long as this future exists, and hands over when the work ends.
    node.lead("default", |lease| async move {
        // Runs only while this node leads; dropped when its lease ends, begun anew in the next term.
        serve_writes(lease.token()).await
    })
    .await?;
    Ok(())
}

async fn serve_writes(token: Token) {
    println!("serves writes in term {}", token.term);
    std::future::pending().await
}
