//! All operations that are served.

use crate::route::Route;
use crate::{builds, containers, events, execs, images, networks, plugins, swarm, system, volumes};
use http::Method;

macro_rules! routes {
    ($($method:ident $pattern:literal => $handler:path;)*) => {
        /// All operations that are served, in the order in which they are tried.
        pub static ROUTES: &[Route] = &[
            $(Route {
                method: Method::$method,
                pattern: $pattern,
                handler: |call| Box::pin($handler(call)),
            },)*
        ];
    };
}

routes! {
    GET "/_ping" => system::ping;
    HEAD "/_ping" => system::ping;
    GET "/version" => system::version;
    GET "/info" => system::info;
    GET "/events" => events::stream;
    GET "/system/df" => system::df;

    GET "/containers/json" => containers::list;
    POST "/containers/create" => containers::create;
    GET "/containers/{id}/checkpoints" => containers::checkpoint::refuse;
    POST "/containers/{id}/checkpoints" => containers::checkpoint::refuse;
    DELETE "/containers/{id}/checkpoints/{checkpoint}" => containers::checkpoint::refuse;
    POST "/containers/prune" => containers::prune;
    GET "/containers/{id...}/json" => containers::inspect;
    GET "/containers/{id...}/top" => containers::top;
    GET "/containers/{id...}/logs" => containers::logs;
    GET "/containers/{id...}/stats" => containers::stats;
    POST "/containers/{id...}/start" => containers::start;
    POST "/containers/{id...}/stop" => containers::stop;
    POST "/containers/{id...}/restart" => containers::restart;
    POST "/containers/{id...}/kill" => containers::kill;
    POST "/containers/{id...}/pause" => containers::pause;
    POST "/containers/{id...}/unpause" => containers::unpause;
    POST "/containers/{id...}/rename" => containers::rename;
    POST "/containers/{id...}/resize" => containers::resize;
    POST "/containers/{id...}/update" => containers::update;
    POST "/containers/{id...}/wait" => containers::wait;
    POST "/containers/{id...}/attach" => containers::attach;
    GET "/containers/{id...}/attach/ws" => containers::websocket::attach;
    DELETE "/containers/{id...}" => containers::remove;
    HEAD "/containers/{id...}/archive" => containers::archive::stat;
    GET "/containers/{id...}/archive" => containers::archive::fetch;
    PUT "/containers/{id...}/archive" => containers::archive::place;
    GET "/containers/{id...}/export" => containers::archive::export;
    GET "/containers/{id...}/changes" => containers::changes::list;
    POST "/commit" => containers::commit;

    POST "/containers/{id...}/exec" => execs::create;
    POST "/exec/{id}/start" => execs::start;
    POST "/exec/{id}/resize" => execs::resize;
    GET "/exec/{id}/json" => execs::inspect;

    GET "/images/json" => images::list;
    POST "/images/create" => images::create;
    POST "/images/load" => images::load;
    POST "/images/prune" => images::prune;
    GET "/images/search" => images::search;
    GET "/images/get" => images::save_all;
    GET "/images/{name...}/get" => images::save;
    POST "/images/{name...}/push" => images::push;
    GET "/images/{name...}/json" => images::inspect;
    GET "/images/{name...}/history" => images::history;
    POST "/images/{name...}/tag" => images::tag;
    DELETE "/images/{name...}" => images::remove;

    POST "/build" => builds::refuse;
    POST "/session" => builds::refuse;
    POST "/grpc" => builds::refuse;
    POST "/build/cancel" => builds::cancel;
    POST "/build/prune" => builds::prune;
    POST "/auth" => images::login;
    GET "/images/{name...}/attestations" => images::attestations;
    GET "/distribution/{name...}/json" => images::offered;

    GET "/networks" => networks::list;
    GET "/networks/" => networks::list;
    POST "/networks/create" => networks::create;
    POST "/networks/prune" => networks::prune;
    GET "/networks/{id}" => networks::inspect;
    DELETE "/networks/{id}" => networks::remove;
    POST "/networks/{id}/connect" => networks::connect;
    POST "/networks/{id}/disconnect" => networks::disconnect;
    GET "/volumes" => volumes::list;
    POST "/volumes/create" => volumes::create;
    POST "/volumes/prune" => volumes::prune;
    GET "/volumes/{name}" => volumes::inspect;
    PUT "/volumes/{name}" => volumes::update;
    DELETE "/volumes/{name}" => volumes::remove;
    GET "/plugins" => plugins::list;
    GET "/plugins/privileges" => plugins::refuse;
    POST "/plugins/pull" => plugins::refuse;
    POST "/plugins/create" => plugins::refuse;
    GET "/plugins/{name...}/json" => plugins::missing;
    DELETE "/plugins/{name...}" => plugins::missing;
    POST "/plugins/{name...}/enable" => plugins::missing;
    POST "/plugins/{name...}/disable" => plugins::missing;
    POST "/plugins/{name...}/push" => plugins::missing;
    POST "/plugins/{name...}/set" => plugins::missing;
    POST "/plugins/{name...}/upgrade" => plugins::missing;

    GET "/swarm" => swarm::inactive;
    POST "/swarm/init" => swarm::refuse;
    POST "/swarm/join" => swarm::refuse;
    POST "/swarm/leave" => swarm::leave;
    POST "/swarm/update" => swarm::inactive;
    GET "/swarm/unlockkey" => swarm::inactive;
    POST "/swarm/unlock" => swarm::inactive;
    GET "/services" => swarm::inactive;
    POST "/services/create" => swarm::inactive;
    GET "/services/{id}" => swarm::inactive;
    DELETE "/services/{id}" => swarm::inactive;
    POST "/services/{id}/update" => swarm::inactive;
    GET "/services/{id}/logs" => swarm::inactive;
    GET "/nodes" => swarm::inactive;
    GET "/nodes/{id}" => swarm::inactive;
    DELETE "/nodes/{id}" => swarm::inactive;
    POST "/nodes/{id}/update" => swarm::inactive;
    GET "/tasks" => swarm::inactive;
    GET "/tasks/{id}" => swarm::inactive;
    GET "/tasks/{id}/logs" => swarm::inactive;
    GET "/secrets" => swarm::inactive;
    POST "/secrets/create" => swarm::inactive;
    GET "/secrets/{id}" => swarm::inactive;
    DELETE "/secrets/{id}" => swarm::inactive;
    POST "/secrets/{id}/update" => swarm::inactive;
    GET "/configs" => swarm::inactive;
    POST "/configs/create" => swarm::inactive;
    GET "/configs/{id}" => swarm::inactive;
    DELETE "/configs/{id}" => swarm::inactive;
    POST "/configs/{id}/update" => swarm::inactive;
}
