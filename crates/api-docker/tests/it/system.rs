//! What objects take, and what is told of what nothing uses.

use crate::containers::soon;
use crate::host::Host;
use docker_schema::system::Event;
use serde_json::{Value, json};

#[test]
fn the_size_of_layers_is_told_whatever_is_asked_for() {
    let host = Host::new();
    if host.busybox().is_none() {
        return;
    }
    let all = host.get("/v1.51/system/df").json();
    assert!(all["LayersSize"].as_i64().unwrap() > 0, "{all}");
    let volumes = host.get("/v1.51/system/df?type=volume").text();
    assert!(volumes.starts_with(r#"{"LayersSize":0,"#), "{volumes}");
    let newer = host.get("/v1.52/system/df?type=volume").json();
    assert_eq!(newer.get("LayersSize"), None);
}

#[test]
fn a_prune_of_what_was_built_is_an_event() {
    let host = Host::new();
    let pruned = host.post("/v1.51/build/prune?keep-storage=1", &Value::Null);
    let nothing = json!({"CachesDeleted": null, "SpaceReclaimed": 0});
    assert_eq!(pruned.json(), nothing);
    let filters = "filters=%7B%22type%22%3A%5B%22builder%22%5D%7D";
    let told = host.get(&format!("/events?since=1&until={}&{filters}", soon()));
    let told = told.text();
    let event: Event = docker_schema::decode(told.lines().next().unwrap().as_bytes()).unwrap();
    let what = (event.r#type.as_str(), event.action.as_str());
    assert_eq!(what, ("builder", "prune"));
    assert_eq!(event.actor.attributes["reclaimed"], "0");
}
