//! Prints the contract: `cargo run -p api --example openapi > openapi.yaml`.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

fn main() {
    print!("{}", api::openapi_yaml());
}
