//! `state`: what is known of a container.

use super::{Context, print};
use crate::arguments::Arguments;
use crate::status;
use crate::store::{Place, Record};
use anyhow::Result;
use oci::runtime::{State, Status};
use serde::Serialize;
use std::collections::BTreeMap;

/// The document, which is a little more than the specification's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    oci_version: String,
    pub(super) id: String,
    pub(super) pid: i32,
    pub(super) status: Status,
    pub(super) bundle: String,
    rootfs: String,
    pub(super) created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    pub(super) owner: String,
}

impl Document {
    pub(super) fn of(place: &Place, record: &Record) -> Result<Self> {
        let status = status::of(place, record)?;
        Ok(Self {
            oci_version: record.oci_version.clone(),
            id: record.id.to_string(),
            pid: if status == Status::Stopped {
                0
            } else {
                record.pid
            },
            status,
            bundle: record.bundle.display().to_string(),
            rootfs: record.rootfs.display().to_string(),
            created: record.created.to_string(),
            annotations: record.annotations.clone(),
            owner: String::new(),
        })
    }
}

pub(super) fn state(context: &Context, arguments: &Arguments) -> Result<u8> {
    let (place, record) = context.container(arguments)?;
    let document = Document::of(&place, &record)?;
    print(&serde_json::to_string_pretty(&document)?)?;
    Ok(0)
}

/// The specification's own document, for hooks.
pub(super) fn document(record: &Record, status: Status) -> State {
    State {
        oci_version: record.oci_version.clone(),
        id: record.id.to_string(),
        status,
        bundle: record.bundle.display().to_string(),
        pid: if status == Status::Stopped {
            0
        } else {
            record.pid
        },
        annotations: record.annotations.clone(),
    }
}
