//! Runs a private PostgreSQL and Valkey until standard input ends:
//! `cargo run -p local_services --example run -- CACHE STATE [fast]`.
//!
//! The tests kill it to see that nothing remains.
#![expect(clippy::print_stdout, reason = "the output is the example's purpose")]

use std::{env, error::Error, io, path::PathBuf};

use local_services::{Options, Runtime, Server, Services};
use wheels::Cache;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args_os().skip(1);
    let (Some(cache), Some(state)) = (args.next(), args.next().map(PathBuf::from)) else {
        return Err("usage: run CACHE STATE [fast]".into());
    };
    let options = if args.next().is_some() {
        Options::fast(state)
    } else {
        Options::durable(state)
    };

    let runtime = Runtime::fetch(&Cache::new(cache))?;
    let services = Services::start(&runtime, &options)?;
    for server in [Server::Postgres, Server::Valkey] {
        println!("{}", services.pid(server).unwrap_or_default());
    }
    println!(
        "{}\n{}\n{}",
        services.sockets().display(),
        services.superuser_url("postgres"),
        services.redis_url()
    );

    io::copy(&mut io::stdin(), &mut io::sink())?;
    services.stop()?;
    Ok(())
}
