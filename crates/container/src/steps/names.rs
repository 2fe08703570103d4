//! Host and domain name.

use super::Setup;
use crate::fault::{During, Fault};

pub(super) fn run<'a>(setup: &mut Setup<'a>) -> Result<(), Fault<'a>> {
    let Some(container) = setup.container() else {
        return Ok(());
    };
    if !container.hostname.is_empty() {
        rustix::system::sethostname(&container.hostname).during("set the host name")?;
    }
    if !container.domainname.is_empty() {
        rustix::system::setdomainname(&container.domainname).during("set the domain name")?;
    }
    Ok(())
}
