//! Joins a cluster and prints who is up, suspect and dead: `hello NAME BIND [CONTACT..]`.
use tidings::Node;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Changes of state are lines at INFO, mistakes of operation at WARN.
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let mut args = std::env::args().skip(1);
    let (name, bind) = (args.next().unwrap_or("n1".into()), args.next().unwrap_or("127.0.0.1:7340".into()));
    if name.starts_with('-') {
        return Err("usage: hello NAME BIND [CONTACT..]".into());
    }
    let node = Node::builder(name).cluster("hello").bind(bind).contacts(args).start().await?;
    let mut events = node.events(); // the present members first, then every change
    while let Some(notice) = events.next().await {
        let member = notice.event.member().map_or("", |member| member.name());
        println!("{:<8} {member}", notice.event.kind());
    }
    Ok(())
}
