//! The places by which a container sends what has no other route, and by which it is reached.

use crate::EndpointState;
use std::net::IpAddr;

/// Of a container's places, those that have its default routes. Published ports lead to them
/// too: that is the way that answers take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gateways<'a> {
    /// That of IPv4.
    pub(super) four: Option<&'a EndpointState>,
    /// That of IPv6.
    pub(super) six: Option<&'a EndpointState>,
}

impl<'a> Gateways<'a> {
    /// Those of places in their order.
    ///
    /// COMPAT: the first that has both families has them, whatever is before it.
    pub(super) fn of(places: &'a [EndpointState]) -> Self {
        let first = |has: &dyn Fn(&EndpointState) -> bool| places.iter().find(|place| has(place));
        let four = |place: &EndpointState| place.gateway4.is_some();
        let six = |place: &EndpointState| place.gateway6.is_some();
        let both = first(&|place| four(place) && six(place));
        Self {
            four: both.or_else(|| first(&four)),
            six: both.or_else(|| first(&six)),
        }
    }

    /// The place that what comes to this address of the host's is led to.
    pub(super) fn leading(self, host: IpAddr) -> Option<&'a EndpointState> {
        match host {
            IpAddr::V4(_) => self.four,
            IpAddr::V6(_) => self.six.or(self.four),
        }
    }

    /// Through which gateways this place sends what has no other route.
    pub(super) fn through(self, place: &EndpointState) -> Vec<IpAddr> {
        let here = |gateway: Option<&EndpointState>| gateway.is_some_and(|own| own.id == place.id);
        let four = place.gateway4.filter(|_| here(self.four)).map(IpAddr::V4);
        let six = place.gateway6.filter(|_| here(self.six)).map(IpAddr::V6);
        four.into_iter().chain(six).collect()
    }

    /// The links by which it sends so, and through which gateways.
    pub(super) fn routes(self) -> Vec<(&'a str, IpAddr)> {
        let four = self.four.and_then(|own| Some((own, own.gateway4?.into())));
        let six = self.six.and_then(|own| Some((own, own.gateway6?.into())));
        let routes = four.into_iter().chain(six);
        routes
            .map(|(own, gateway)| (own.link.as_str(), gateway))
            .collect()
    }
}
