//! The tag that a log's records carry: a template of Go's over what is known of a container.

use crate::ContainerRecord;
use gotmpl::Template;
use serde_json::json;

/// The tag that the template makes.
pub(super) fn read(record: &ContainerRecord, template: &str) -> Result<String, String> {
    if !template.contains("{{") {
        return Ok(template.to_owned());
    }
    let image_id = record.image_id.as_str();
    // COMPAT: twelve letters with the algorithm's name.
    let short = image_id.get(..12).unwrap_or(image_id);
    let host = rustix::system::uname();
    let data = json!({
        "ID": record.id.short(),
        "FullID": record.id.as_str(),
        "Name": record.name,
        "ImageID": short,
        "ImageFullID": image_id,
        "ImageName": record.spec.image,
        "DaemonName": "docker",
        "Hostname": host.nodename().to_string_lossy(),
        "Command": record.program().join(" "),
        "ContainerID": record.id.as_str(),
        "ContainerName": format!("/{}", record.name),
        "ContainerImageID": image_id,
        "ContainerImageName": record.spec.image,
        "ContainerLabels": record.spec.labels,
        "ContainerEnv": record.spec.process.env,
    });
    if let Some((at, name)) = unknown(template, &data) {
        return Err(format!(
            "template: log-tag:1:{at}: executing \"log-tag\" at <.{name}>: can't evaluate field \
             {name} in type *logger.Info"
        ));
    }
    let parsed = Template::new("log-tag").parse(template).map_err(|error| {
        let words = error.to_string();
        match template.matches("{{").count() > template.matches("}}").count() {
            true => "template: log-tag:1: unclosed action".to_owned(),
            false => format!("template: log-tag:1: {words}"),
        }
    })?;
    let value = gotmpl::to_value(&data).map_err(|error| error.to_string())?;
    let made = parsed.execute_to_string(&value);
    made.map_err(|error| error.to_string())
}

/// A tag or, without one, the beginning of the container's id.
pub(super) fn or_id(tag: String, record: &ContainerRecord) -> String {
    match tag.is_empty() {
        true => record.id.short().to_owned(),
        false => tag,
    }
}

/// A field that a container does not have, and where it stands.
fn unknown<'t>(template: &'t str, data: &serde_json::Value) -> Option<(usize, &'t str)> {
    let mut inside = template.match_indices("{{");
    inside.find_map(|(begin, _)| {
        let rest = template.get(begin + 2..)?;
        let action = rest.split("}}").next()?;
        let dot = action.find('.')?;
        let field = action.get(dot + 1..)?;
        let end = field
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(field.len());
        let name = field.get(..end)?;
        let known = name.is_empty() || data.get(name).is_some();
        (!known && rest.contains("}}")).then_some((begin + 2 + dot, name))
    })
}
