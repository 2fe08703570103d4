//! Networks of pods in namespaces made for each test, with the reference plugins and with others.

mod chain;
mod directory;
#[path = "../../../net/tests/it/hosts.rs"]
mod hosts;
mod in_process;
mod kernel_modules;
mod plugins;
mod pods;
