//! `omniops config`: what the processes are configured with, secrets masked.
use anyhow::Result;
use domain::config::{Config, environment, variables};

/// Prints every variable; those that are not set as comments. An error tells what is wrong with any of them.
pub fn run() -> Result<()> {
    let set = environment();
    for (name, is_secret) in variables() {
        match set.get(&name).filter(|value| !value.is_empty()) {
            None => println!("#{name}="),
            Some(_) if is_secret => println!("{name}=********"),
            Some(value) => println!("{name}={value}"),
        }
    }
    Config::from_env()?;
    Ok(())
}
