//! A platform as the API wants it.

use crate::failure::{Failure, Result};
use serde_json::json;

/// `os[/arch[/variant]]` as the document that saving, loading and pushing take.
pub(crate) fn document(text: Option<&str>) -> Result<Option<String>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let parts: Vec<&str> = text.split('/').collect();
    let [os, architecture, variant] = match parts.as_slice() {
        [os, architecture] => [os, architecture, ""],
        [os, architecture, variant] => [os, architecture, *variant],
        _ => {
            return Err(Failure::text(
                1,
                format!("invalid platform: {text:?} is not os/arch[/variant]"),
            ));
        }
    };
    let mut document = json!({"architecture": architecture, "os": os});
    if !variant.is_empty() {
        document["variant"] = json!(variant);
    }
    Ok(Some(document.to_string()))
}
