//! Whole jobs.
use super::Publish;
use crate::protocol::Order;
use anyhow::{Result, bail};
#[derive(Clone)]
pub struct Outlet;
impl Outlet {
    pub async fn new(_: &Order) -> Result<Self> {
        bail!("not yet")
    }
}
impl Publish for Outlet {
    async fn publish(&mut self, _: usize) -> Result<Vec<String>> {
        bail!("not yet")
    }
}
pub async fn work(_: &Order) -> Result<()> {
    bail!("not yet")
}
