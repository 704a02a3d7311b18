//! Running the executable under test.
use std::{
    path::Path,
    process::{Command, Output, Stdio},
};
pub use testkit::{Folder, Process, processes_in, program};

/// The executable under test without any configuration, but with the wheels that all tests share.
pub fn omniops() -> Command {
    program(Path::new(env!("CARGO_BIN_EXE_omniops")))
}

/// Runs a command that ends by itself.
pub async fn run(command: Command) -> Output {
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(testkit::ENDING, command.output()).await;
    output.expect("the command should end").expect("the command")
}

/// What a command said to its user.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command printed.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
