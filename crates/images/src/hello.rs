//! The built-in image: the sibling executable `corten-hello` as an image's only file.

use crate::import::package;
use crate::intake::unpack_stored;
use crate::operation::{Operation, Outcome};
use crate::records::key;
use crate::{Config, Error, Image, Images, Platform, Reference};
use oci::image::{Descriptor, ExecConfig, History, RootFs, media_type};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;
use types::{Algorithm, Timestamp};

/// Its name in full, as [`key`] writes it.
const NAME: &str = "docker.io/corten/hello:latest";
/// The executable in the image.
const PROGRAM: &str = "hello";
/// The largest executable that is taken.
const MAX: u64 = 64 << 20;

impl Images {
    /// Whether `name` means the built-in image, and there is an executable to make it of.
    pub(crate) fn is_builtin(&self, name: &str) -> bool {
        let named = |reference: Reference| key(&reference) == NAME;
        self.0.options.hello.is_some() && name.parse().is_ok_and(named)
    }

    /// Makes the built-in image, if it is not here. The same executable gives the same image.
    pub(crate) fn make_builtin(&self) -> Result<(), Error> {
        let Some(executable) = &self.0.options.hello else {
            return Ok(());
        };
        let turn = self.0.builtin.lock();
        let _turn = turn.unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.find(NAME).is_ok() {
            return Ok(());
        }
        let operation = Operation::begin(self, "make", NAME, Vec::new())?;
        let made = make(&operation, executable);
        let outcome = if made.is_ok() {
            Outcome::Done
        } else {
            Outcome::Failed
        };
        let ended = operation.end(outcome);
        made.map(drop).and(ended)
    }
}

fn make(operation: &Operation, executable: &Path) -> Result<Image, Error> {
    let (archive, created) = archive(executable)?;
    let digest = content::Hasher::digest(Algorithm::Sha256, &archive);
    operation.owns(std::slice::from_ref(&digest), &[])?;
    let stored = operation
        .images
        .0
        .content
        .write(Algorithm::Sha256, &archive);
    stored.map_err(Error::content("store the built-in layer"))?;
    operation.reached("blob stored");
    let blob = Descriptor::new(media_type::LAYER, digest, archive.len() as u64);
    let layer = unpack_stored(operation, &blob, None)?;
    let host = Platform::host();
    let config = Config {
        created: Some(created.clone()),
        architecture: host.architecture,
        os: host.os,
        variant: host.variant,
        config: ExecConfig {
            cmd: Some(vec![format!("/{PROGRAM}")]),
            working_dir: "/".to_owned(),
            ..ExecConfig::default()
        },
        rootfs: RootFs {
            diff_ids: vec![layer.diff_id.clone()],
            ..RootFs::default()
        },
        history: vec![History {
            created: Some(created),
            created_by: Some("corten: built in".to_owned()),
            ..History::default()
        }],
        ..Config::default()
    };
    let name: Reference = NAME.parse()?;
    operation.commit(package(config, vec![layer], vec![name])?)
}

/// The layer's archive, and when the executable was built.
fn archive(executable: &Path) -> Result<(Vec<u8>, String), Error> {
    let shown = executable.display();
    let reading = || Error::io(format!("read {shown}"));
    let file = File::open(executable).map_err(reading())?;
    let metadata = file.metadata().map_err(reading())?;
    let mut program = Vec::new();
    file.take(MAX)
        .read_to_end(&mut program)
        .map_err(reading())?;
    let modified = metadata
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let seconds = modified.unwrap_or_default().as_secs();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    header.set_mtime(seconds);
    header.set_uid(0);
    header.set_gid(0);
    let added = archive.append_data(&mut header, PROGRAM, program.as_slice());
    let packed = added.and_then(|()| archive.into_inner());
    let packed = packed.map_err(Error::io(format!("pack {shown}")))?;
    let created = Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000));
    Ok((packed, created.to_string()))
}
