//! Runs the program to its end.

use std::process::Command;

use pointsman_test_support::process::binary;

/// What the program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program with nothing of the developer's environment: no key, no address, no setting.
pub(crate) fn command(variables: &[(&str, &str)]) -> anyhow::Result<Command> {
    let mut command = Command::new(binary("pointsman")?);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("RUST_BACKTRACE", "1")
        .envs(variables.iter().copied());
    Ok(command)
}

/// Runs it with `arguments` and waits for its end.
pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Said> {
    let output = command(variables)?.args(arguments).output()?;
    Ok(Said {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}
