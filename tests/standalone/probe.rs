//! What a container that asks itself hears, and what its log looks like.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use pointsman_test_support::LONG;
use pointsman_test_support::process::{Process, binary};

use crate::program::run;

fn ready(port: u16) -> anyhow::Result<(Option<i32>, String)> {
    let proxy = [("http_proxy", "http://127.0.0.1:9"), ("HTTP_PROXY", "http://127.0.0.1:9")];
    let said = run(&["sidecar", "ready", &format!("--admin-port={port}")], &proxy)?;
    Ok((said.code, said.stderr))
}

#[test]
fn a_sidecar_is_ready_when_its_admin_listener_says_so() -> anyhow::Result<()> {
    for (answer, code, word) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 0, ""),
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nnot", 1, "not ready: not"),
        ("SSH-2.0-OpenSSH_9.2\r\n", 1, "not ready"),
        ("", 1, "not ready"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let server = std::thread::spawn(move || -> std::io::Result<String> {
            let (mut stream, _) = listener.accept()?;
            let mut asked = [0; 512];
            let length = stream.read(&mut asked)?;
            stream.write_all(answer.as_bytes())?;
            Ok(String::from_utf8_lossy(&asked[..length]).into_owned())
        });
        let (ended, said) = ready(port)?;
        assert!(ended == Some(code) && said.contains(word), "{answer:?}: {ended:?} {said}");
        let asked = server.join().expect("it serves")?;
        assert!(asked.starts_with("GET /readyz HTTP/1.1\r\n"), "{asked}");
    }
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let (ended, said) = ready(free)?;
    assert!(ended == Some(1) && said.contains("no sidecar listens on 127.0.0.1:"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_sidecar_without_a_configuration_is_not_ready_and_its_log_has_no_colours() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name);
    let mut command = Command::new(binary("pointsman")?);
    command.args(["sidecar", "run", "--listen-port=0", "--admin-port=0", "--operator=127.0.0.1:9"]);
    command.arg("--state-dir").arg(place("state")).arg("--token-file").arg(place("token"));
    command.arg("--ca-file").arg(place("ca.crt")).arg("--ready-file").arg(place("ready"));
    let mut sidecar = Process::start(&mut command)?;
    sidecar.wait_for_line("listening", LONG).await?;
    sidecar.wait_for_line("it will be opened again", LONG).await?;
    let addresses: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(place("ready"))?)?;
    let admin = addresses["admin"].as_str().unwrap_or_default();
    let port = admin.rsplit_once(':').map(|(_, port)| port.parse()).expect("an address")?;
    let (ended, said) = ready(port)?;
    assert!(ended == Some(1) && said.contains("not ready"), "{said}");
    sidecar.stop(LONG).await?;
    let log = sidecar.output();
    assert!(log.contains("INFO listening") && !log.contains('\u{1b}'), "{log:?}");
    Ok(())
}
