//! The image that `scripts/images.sh` assembles: the same bytes each time, and what others read in it.
//!
//! On the build that the tests are made with; `make images` does the same with the released one. The node suite imports
//! the archive with `ctr` and runs it.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Context;
use pointsman_test_support::skip;
use serde_json::Value;

/// One line of `scripts/images.sh`.
#[derive(Clone, Debug, PartialEq)]
struct Made {
    reference: String,
    archive: PathBuf,
    digest: String,
}

/// Makes the image with nothing of ours about it but where things are built; `umask` is what people differ in.
fn make(cache: &Path, umask: u32) -> anyhow::Result<Made> {
    let target = std::env::current_exe()?;
    let target = target.ancestors().nth(3).context("a test lies in a target folder")?;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask:03o} && exec scripts/images.sh test")]);
    command.env("XDG_CACHE_HOME", cache).env("CARGO_TARGET_DIR", target);
    let output = command.current_dir(checkout()).output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{told}");
    let said = String::from_utf8(output.stdout)?;
    let [reference, archive, _, digest] = said.split_whitespace().collect::<Vec<_>>()[..] else {
        anyhow::bail!("four words: {said}")
    };
    Ok(Made { reference: reference.to_owned(), archive: archive.into(), digest: digest.to_owned() })
}

fn made() -> anyhow::Result<Made> {
    static ONE: OnceLock<(tempfile::TempDir, Made)> = OnceLock::new();
    if ONE.get().is_none() {
        let folder = tempfile::tempdir()?;
        let made = make(folder.path(), 0o022)?;
        let _ = ONE.set((folder, made));
    }
    Ok(ONE.get().unwrap().1.clone())
}

fn checkout() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn one_build_makes_one_digest_whoever_assembles_it() -> anyhow::Result<()> {
    let (first, folder) = (made()?, tempfile::tempdir()?);
    let second = make(folder.path(), 0o077)?;
    assert_eq!((&first.reference, &first.digest), (&second.reference, &second.digest));
    assert_eq!(std::fs::read(&first.archive)?, std::fs::read(&second.archive)?);
    Ok(())
}

#[test]
fn what_is_in_it_is_the_program_its_libraries_certificates_and_a_user() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().display().to_string();
    run("tar", &["-xf", &made()?.archive.display().to_string(), "-C", &place])?;
    let index: Value = serde_json::from_slice(&std::fs::read(folder.path().join("index.json"))?)?;
    let blob = |digest: &Value| {
        let name = digest.as_str().unwrap_or_default().replace(':', "/");
        std::fs::read(folder.path().join("blobs").join(name))
    };
    let manifest: Value = serde_json::from_slice(&blob(&index["manifests"][0]["digest"])?)?;
    let mut layer = tempfile::NamedTempFile::new()?;
    std::io::copy(&mut blob(&manifest["layers"][0]["digest"])?.as_slice(), &mut layer)?;
    let listed = run("tar", &["-tvzf", &layer.path().display().to_string()])?;
    for line in listed.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[1], "0/0", "nobody's: {line}");
        let (mode, path) = (words[0], words[5]);
        // Nothing in it gives rights, and nothing but /tmp is everybody's to write.
        assert!(!mode.contains('s') && (mode.chars().nth(8) != Some('w') || path == "tmp/"), "{line}");
        let known = ["usr/local/bin/pointsman", "etc/passwd", "etc/group", "etc/nsswitch.conf"];
        let known = known.contains(&path)
            || path.ends_with('/')
            || path.contains(".so")
            || path == "etc/ssl/certs/ca-certificates.crt";
        assert!(known, "{line}");
    }
    let users = run("tar", &["-xzOf", &layer.path().display().to_string(), "etc/passwd"])?;
    assert!(users.contains("pointsman:x:65532:65532:"), "{users}");
    Ok(())
}

#[test]
fn skopeo_reads_it() -> anyhow::Result<()> {
    if Command::new("skopeo").arg("--version").output().is_err() {
        return skip("skopeo is not installed");
    }
    let made = made()?;
    let archive = format!("oci-archive:{}", made.archive.display());
    let told: Value = serde_json::from_str(&run("skopeo", &["inspect", &archive])?)?;
    assert_eq!(told["Digest"], made.digest);
    assert_eq!(told["Labels"]["org.opencontainers.image.title"], "Pointsman");
    let config: Value = serde_json::from_str(&run("skopeo", &["inspect", "--config", &archive])?)?;
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"][0], "/usr/local/bin/pointsman");
    Ok(())
}
