//! Generates the client of the link from the contract's protocol, on the contract's own messages.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=config/proto/link.proto");
    let descriptors = protox::compile(["config/proto/link.proto"], ["config/proto"])?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .server_mod_attribute("pointsman.link.v1", "#[cfg(test)]")
        .extern_path(".pointsman.link.v1", "::pointsman_config::link")
        .compile_fds(descriptors)?;
    Ok(())
}
