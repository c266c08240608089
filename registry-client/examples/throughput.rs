//! Measures push and pull of one large layer over loopback against the built-in registry, or the one named on the
//! command line: `throughput MEGABYTES DIRECTORY [REGISTRY]`. Client and server share the process unless one is named.
#![allow(clippy::print_stdout)]

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use dhow_layer_store::oci::{Descriptor, DiffId, ImageConfig, Manifest, MediaType, Platform, Raw, Reference};
use dhow_layer_store::{Store, StoreOptions};
use dhow_registry_client::{
    Client, ClientOptions, PullOptions, PushOptions, Server, ServerOptions, Transfer, no_events,
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let megabytes: u64 = arguments.next().ok_or("how many megabytes?")?.parse()?;
    let directory = std::path::PathBuf::from(arguments.next().ok_or("in which directory?")?);
    let registry = arguments.next();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(megabytes, &directory, registry))
}

async fn measure(megabytes: u64, directory: &Path, registry: Option<String>) -> Result<(), Failure> {
    let (registry, server) = match registry {
        Some(registry) => (registry, None),
        None => {
            let root = directory.join("registry");
            let options = ServerOptions { address: ([127, 0, 0, 1], 0).into(), root, on_request: None };
            let server = Server::bind(options).await?.start();
            (server.address().to_string(), Some(server))
        }
    };
    let name: Reference = format!("{registry}/bench/large:{}", std::process::id()).parse()?;
    let client = Client::new(ClientOptions::default())?;
    let from = Store::open(&directory.join("from"), StoreOptions::default())?;
    let manifest = large_image(&from, megabytes)?;
    let began = Instant::now();
    Transfer::new(client.clone(), from, no_events()).push_manifest(&name, &manifest, &PushOptions::default()).await?;
    report("push", megabytes, began);
    let into = Store::open(&directory.join("into"), StoreOptions::default())?;
    let began = Instant::now();
    Transfer::new(client, into, no_events()).pull(&name, &PullOptions::default()).await?;
    report("pull", megabytes, began);
    if let Some(server) = server {
        server.shutdown().await?;
    }
    Ok(())
}

fn large_image(store: &Store, megabytes: u64) -> Result<Raw<Manifest>, Failure> {
    let mut writer = store.blob_writer()?;
    let mut block: Vec<u8> = (0..1_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for count in 0..megabytes {
        block[..8].copy_from_slice(&(count ^ u64::from(std::process::id()) << 32).to_le_bytes());
        writer.write_all(&block)?;
    }
    let layer = writer.commit(MediaType::OciLayer)?;
    let mut config = ImageConfig::new(&Platform::host());
    config.rootfs.diff_ids = vec![DiffId(layer.digest)];
    let config = Raw::create(config)?;
    let config_blob: Descriptor = store.put_blob(MediaType::OciConfig, config.bytes())?;
    Ok(Raw::create(Manifest::oci(config_blob, vec![layer]))?)
}

fn report(what: &str, megabytes: u64, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown").to_owned();
    println!("{what}: {megabytes} MB in {seconds:.2} s = {:.0} MB/s, {peak}", megabytes as f64 / seconds);
}
