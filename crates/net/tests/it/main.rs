//! The kernel's own links, addresses and rules, in namespaces made for each test.

mod bridge;
mod firewall;
mod hosts;
mod links;
mod nameserver;
