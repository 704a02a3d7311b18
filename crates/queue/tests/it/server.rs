//! The stream under test, published to and looked at from outside.

use queue::{Address, Errand, Limits, Link, Publisher, Stats};
pub use valkey_lab::{Server, ends, signal, until};

pub const STREAM: &str = "crawl";

/// A publisher for the stream of the server at `url`.
pub fn publisher(url: &str) -> Publisher {
    let link = Link::new(Address::parse(url).unwrap(), Limits::default());
    Publisher::new(link, STREAM)
}

pub trait Stream {
    fn publisher(&self) -> Publisher;
    async fn publish(&self, errands: &[Errand]);
    async fn stats(&self) -> Stats;
}

impl Stream for Server {
    fn publisher(&self) -> Publisher {
        publisher(&self.url())
    }

    async fn publish(&self, errands: &[Errand]) {
        self.publisher().publish(errands).await.unwrap();
    }

    async fn stats(&self) -> Stats {
        self.publisher().stats("workers").await.unwrap()
    }
}
