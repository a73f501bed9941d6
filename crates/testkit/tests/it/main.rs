//! The clusters themselves: they start, stop, start again, and leave nothing behind.

mod schema;

use std::net::TcpStream;
use std::path::Path;

use saga_testkit::postgres::Cluster;

fn accepts(cluster: &Cluster) -> bool {
    TcpStream::connect(("127.0.0.1", cluster.port())).is_ok()
}

#[test]
fn a_cluster_stops_starts_again_and_leaves_nothing_behind() {
    let cluster = Cluster::start();
    assert!(accepts(&cluster));
    assert_ne!(cluster.create_database(), cluster.create_database());
    cluster.stop_fast();
    assert!(!accepts(&cluster));
    cluster.start_again();
    cluster.stop_immediate();
    cluster.start_again();
    cluster.kill9();
    cluster.start_again();
    assert!(accepts(&cluster));

    let (data, port) = (cluster.data(), cluster.port());
    assert!(Path::new(&data).exists());
    drop(cluster);
    assert!(!Path::new(&data).exists());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
