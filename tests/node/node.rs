//! Where is the node, whose turn is it, and who may disturb its operator now?

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, bail};
use pointsman_test_support::wait_for;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

/// Where the chart is installed.
pub(crate) const ROOT: &str = "pointsman-system";
/// Starting Python in a pod of a busy machine, or a container, takes seconds and not milliseconds.
pub(crate) const PATIENT: std::time::Duration = std::time::Duration::from_secs(180);

/// More than any command's own `--timeout`: a story may fail, and must not hang.
const TOO_LONG: std::time::Duration = std::time::Duration::from_secs(240);

/// How many stories run side by side: they mostly wait, and what they start takes the machine's cores.
const ROOM: u32 = 4;
/// First come, first served: whoever wants all of it waits for those who came before, and holds up those who come later.
static STORIES: Semaphore = Semaphore::const_new(ROOM as usize);
static ABSENCE: Mutex<Absence> = Mutex::const_new(Absence { stories: 0, room: None });

/// The operator is away, for several stories at once.
struct Absence {
    stories: usize,
    room: Option<SemaphorePermit<'static>>,
}

/// The node, once it is this story's turn; else the test is skipped.
macro_rules! node {
    () => {
        match $crate::node::Node::turn().await {
            Ok(node) => node,
            Err(why) => return pointsman_test_support::skip(&why),
        }
    };
}
pub(crate) use node;

/// A cluster whose operator runs the build under test.
pub(crate) struct Node {
    kubectl: PathBuf,
    helm: PathBuf,
    kubeconfig: PathBuf,
    enter: PathBuf,
    containerd: PathBuf,
    turn: Mutex<Turn>,
}

/// What a story may do to the operator now.
enum Turn {
    /// Between two others.
    None,
    /// Others run too: it is left alone. Or they do not, and it may go.
    Held { _room: SemaphorePermit<'static> },
    /// It is away, and this story is one of those for which it is.
    Away,
}

impl Node {
    /// Waits for a turn beside other stories.
    pub(crate) async fn turn() -> Result<Self, String> {
        let Programs { kubectl, helm, kubeconfig, enter, containerd } = Programs::find()?;
        let turn = Mutex::new(Turn::Held { _room: room(1).await });
        Ok(Self { kubectl, helm, kubeconfig, enter, containerd, turn })
    }

    /// Waits until no other story runs; from here on none does.
    pub(crate) async fn alone(&self) {
        let mut turn = self.turn.lock().await;
        *turn = Turn::None;
        *turn = Turn::Held { _room: room(ROOM).await };
    }

    /// What kubectl prints; the error is what a user reads.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.kubectl_with(arguments, "").await
    }

    /// `kubectl apply -f -`
    pub(crate) async fn apply(&self, yaml: &str) -> anyhow::Result<String> {
        self.kubectl_with(&["apply", "-f", "-"], yaml).await
    }

    pub(crate) async fn helm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.helm);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).current_dir(checkout());
        run(command, "").await.with_context(|| format!("helm {}", arguments.join(" ")))
    }

    /// A running `kubectl`, for what lasts.
    pub(crate) fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).current_dir(checkout());
        command.kill_on_drop(true);
        command
    }

    /// Kills one container with SIGKILL, as running out of memory would: nobody asks the API server.
    pub(crate) async fn kill_container(&self, id: &str) -> anyhow::Result<()> {
        let mut command = Command::new(&self.enter);
        command.arg(self.containerd.join("ctr"));
        command.args([
            "-a",
            "/run/containerd/containerd.sock",
            "-n",
            "k8s.io",
            "tasks",
            "kill",
            "-s",
            "SIGKILL",
        ]);
        command.arg(id.trim_start_matches("containerd://"));
        run(command, "").await.map(drop)
    }

    /// One value of one object.
    pub(crate) async fn value(&self, namespace: &str, object: &str, path: &str) -> anyhow::Result<String> {
        self.kubectl(&["get", object, "-n", namespace, "-o", &format!("jsonpath={path}")]).await
    }

    /// Waits until the operator is away; stories that want that share one absence.
    pub(crate) async fn operator_away(&self) -> anyhow::Result<()> {
        let mut turn = self.turn.lock().await;
        *turn = Turn::None;
        let mut absence = ABSENCE.lock().await;
        absence.stories += 1;
        *turn = Turn::Away;
        if absence.stories > 1 {
            return Ok(());
        }
        absence.room = Some(room(ROOM).await);
        self.kubectl(&["scale", "deployment/pointsman", "-n", ROOT, "--replicas=0"]).await?;
        wait_for("the operator's pod is gone", PATIENT, || async {
            let pods = self.kubectl(&["get", "pods", "-n", ROOT, "-o", "name"]).await?;
            Ok(pods.trim().is_empty().then_some(()))
        })
        .await
    }

    /// Waits until the operator is back: once no story wants it away any more.
    pub(crate) async fn operator_back(&self) -> anyhow::Result<()> {
        let mut turn = self.turn.lock().await;
        *turn = Turn::None;
        let mut absence = ABSENCE.lock().await;
        absence.stories -= 1;
        if absence.stories == 0 {
            let brought = self.bring_back().await;
            absence.room = None;
            brought?;
        }
        drop(absence);
        *turn = Turn::Held { _room: room(1).await };
        Ok(())
    }

    async fn bring_back(&self) -> anyhow::Result<()> {
        self.kubectl(&["scale", "deployment/pointsman", "-n", ROOT, "--replicas=1"]).await?;
        self.operator_ready().await
    }

    pub(crate) async fn operator_ready(&self) -> anyhow::Result<()> {
        self.kubectl(&["rollout", "status", "deployment/pointsman", "-n", ROOT, "--timeout=180s"])
            .await
            .map(drop)
    }

    /// kubectl with `input` on its standard input.
    pub(crate) async fn kubectl_with(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let done = run(self.kubectl_command(arguments), input).await;
        done.with_context(|| format!("kubectl {}", arguments.join(" ")))
    }
}

/// A story that failed while the operator was away must not keep it from the others.
impl Drop for Node {
    fn drop(&mut self) {
        if !matches!(self.turn.get_mut(), Turn::Away) {
            return;
        }
        let mut absence = tokio::task::block_in_place(|| ABSENCE.blocking_lock());
        absence.stories -= 1;
        if absence.stories == 0 {
            let back = ["scale", "deployment/pointsman", "-n", ROOT, "--replicas=1"];
            let _ = self.kubectl_command(&back).into_std().output();
            absence.room = None;
        }
    }
}

async fn room(many: u32) -> SemaphorePermit<'static> {
    STORIES.acquire_many(many).await.expect("it is never closed")
}

/// What `scripts/e2e.sh` says about the node.
struct Programs {
    kubectl: PathBuf,
    helm: PathBuf,
    kubeconfig: PathBuf,
    enter: PathBuf,
    containerd: PathBuf,
}

impl Programs {
    /// A machine without a node is a reason to skip; one whose node did not come up is a failure.
    fn find() -> Result<Self, String> {
        if let Ok(why) = std::env::var("POINTSMAN_NODE_BROKEN") {
            panic!("{why}");
        }
        let at = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let found = || {
            Some(Self {
                kubectl: at("POINTSMAN_NODE_KUBERNETES")?.join("kubectl"),
                helm: at("POINTSMAN_NODE_HELM")?.join("helm"),
                kubeconfig: at("POINTSMAN_NODE_KUBECONFIG")?,
                enter: checkout().join("scripts/cluster/enter.sh"),
                containerd: at("POINTSMAN_NODE_CONTAINERD")?,
            })
        };
        found().ok_or_else(|| {
            let absent = std::env::var("POINTSMAN_NODE_ABSENT");
            absent.unwrap_or_else(|_| "there is no node; `make e2e` makes one".to_owned())
        })
    }
}

pub(crate) fn checkout() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

async fn run(mut command: Command, input: &str) -> anyhow::Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("a child has an input")?;
    // A program that ends before it has read everything says why by itself.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = tokio::time::timeout(TOO_LONG, child.wait_with_output());
    let output = output.await.with_context(|| format!("it had not ended after {TOO_LONG:?}"))??;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}{}", String::from_utf8_lossy(&output.stdout), said.trim_end());
    }
    Ok(String::from_utf8(output.stdout)?)
}
