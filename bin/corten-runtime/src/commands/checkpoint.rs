//! `checkpoint` and `restore`: not done yet, and refused by name.

use super::Context;
use crate::arguments::{Arguments, Flag, switch, value};
use anyhow::{Result, bail};
use std::process::ExitCode;

pub(super) const CHECKPOINT_FLAGS: &[Flag] = &[
    value("image-path"),
    value("work-path"),
    value("parent-path"),
    switch("leave-running"),
    switch("tcp-established"),
    switch("tcp-skip-in-flight"),
    switch("link-remap"),
    switch("ext-unix-sk"),
    switch("shell-job"),
    switch("lazy-pages"),
    value("status-fd"),
    value("page-server"),
    switch("file-locks"),
    switch("pre-dump"),
    value("manage-cgroups-mode"),
    value("empty-ns"),
    switch("auto-dedup"),
];
pub(super) const RESTORE_FLAGS: &[Flag] = &[
    value("console-socket"),
    value("image-path"),
    value("work-path"),
    switch("tcp-established"),
    switch("ext-unix-sk"),
    switch("shell-job"),
    switch("file-locks"),
    value("manage-cgroups-mode"),
    value("bundle").or("b"),
    switch("detach").or("d"),
    value("pid-file"),
    switch("no-subreaper"),
    switch("no-pivot"),
    value("empty-ns"),
    switch("auto-dedup"),
    switch("lazy-pages"),
    value("lsm-profile"),
    value("lsm-mount-context"),
];

pub(super) fn checkpoint(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    context.container(arguments)?;
    bail!("checkpoint is not supported: CRIU is not driven yet")
}

pub(super) fn restore(_: &Context, _: &Arguments) -> Result<ExitCode> {
    bail!("restore is not supported: CRIU is not driven yet")
}
