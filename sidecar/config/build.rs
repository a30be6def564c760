//! Generates the messages of the link from `proto/link.proto`, without a protoc on the machine.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/link.proto");
    let descriptors = protox::compile(["proto/link.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        // A key must not be printed by accident.
        .skip_debug(["pointsman.link.v1.Credential"])
        .compile_fds(descriptors)?;
    Ok(())
}
