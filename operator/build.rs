//! Generates the server side of the link's services; the messages are those of `pointsman-config`.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../sidecar/config/proto/link.proto");
    let descriptors = protox::compile(["link.proto"], ["../sidecar/config/proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(true)
        .extern_path(".pointsman.link.v1", "::pointsman_config::link")
        .compile_fds(descriptors)?;
    Ok(())
}
