//! `--format` with Go's templates, and docker's functions for them.

use crate::failure::{Failure, Result};
use gotmpl::{Template, TemplateError, Value};

/// A parsed template.
pub(crate) struct Format(Template);

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Format")
    }
}

type Evaluated = std::result::Result<Value, TemplateError>;

impl Format {
    /// Parses; `\t` and `\n` in it stand for what they are in C.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        // COMPAT: rows have a method `Label`; here it is a function of the row.
        let text = text.replace(".Label ", "label $ ");
        let template = Template::new("")
            .func("json", |args| Ok(string(json(first(args)).to_string())))
            .func("upper", |args| words(args, &|text, _| text.to_uppercase()))
            .func("lower", |args| words(args, &|text, _| text.to_lowercase()))
            .func("title", |args| words(args, &|text, _| title(text)))
            .func("truncate", |args| {
                let length = args.get(1).and_then(Value::as_int).unwrap_or(0);
                let length = usize::try_from(length).unwrap_or(0);
                words(args, &|text, _| text.chars().take(length).collect())
            })
            .func("pad", |args| {
                let width = |n: usize| args.get(n).and_then(Value::as_int).unwrap_or(0);
                let spaces = |n| " ".repeat(usize::try_from(width(n)).unwrap_or(0));
                words(args, &|text, _| match text {
                    "" => String::new(),
                    text => format!("{}{text}{}", spaces(1), spaces(2)),
                })
            })
            .func("split", |args| {
                let (text, separator) = (plain(args.first()), plain(args.get(1)));
                let parts = text
                    .split(separator.as_str())
                    .map(|part| string(part.into()));
                Ok(Value::List(parts.collect()))
            })
            .func("join", |args| Ok(string(join(args))))
            .func("label", |args| {
                let name = plain(args.get(1));
                let labels = args.first().and_then(|row| row.field("LabelMap"));
                let label = labels.and_then(|labels| labels.field(&name));
                Ok(string(plain(label)))
            })
            .parse(&text)
            .map_err(|error| Failure::text(1, format!("template parsing error: {error}")))?;
        Ok(Self(template))
    }

    /// What the template makes of `data`, without a line end.
    pub(crate) fn render(&self, data: &serde_json::Value) -> Result<String> {
        let failed =
            |error: TemplateError| Failure::text(1, format!("template parsing error: {error}"));
        let value = gotmpl::to_value(data).map_err(failed)?;
        self.0.execute_to_string(&value).map_err(failed)
    }
}

fn string(text: String) -> Value {
    Value::String(text.into())
}

fn first(args: &[Value]) -> &Value {
    args.first().unwrap_or(&Value::Nil)
}

fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Nil) => String::new(),
        Some(value) => value.to_string(),
    }
}

fn words(args: &[Value], change: &dyn Fn(&str, &[Value]) -> String) -> Evaluated {
    Ok(string(change(&plain(args.first()), args)))
}

fn title(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn join(args: &[Value]) -> String {
    let separator = plain(args.get(1));
    let Some(Value::List(parts)) = args.first() else {
        return plain(args.first());
    };
    let parts: Vec<_> = parts.iter().map(|part| plain(Some(part))).collect();
    parts.join(&separator)
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil | Value::Function(_) => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::String(value) => value.to_string().into(),
        Value::List(values) => values.iter().map(json).collect(),
        Value::Map(map) => map
            .iter()
            .filter(|(key, _)| &***key != "LabelMap")
            .map(|(key, value)| (key.to_string(), json(value)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_that_people_use_are_evaluated() {
        let data = serde_json::json!({
            "Name": "/web", "State": {"Running": true, "Pid": 7},
            "Mounts": [{"Source": "/a"}, {"Source": "/b"}],
            "Config": {"Labels": {"com.x": "y"}, "Cmd": ["a", "b"], "Env": null},
            "LabelMap": {"k": "v"},
        });
        for (template, expected) in [
            ("{{.Name}}", "/web"),
            ("{{.State.Running}} {{.State.Pid}}", "true 7"),
            ("{{json .State}}", r#"{"Pid":7,"Running":true}"#),
            ("{{range .Mounts}}{{.Source}};{{end}}", "/a;/b;"),
            (r#"{{index .Config.Labels "com.x"}}"#, "y"),
            (r#"{{join .Config.Cmd ","}}"#, "a,b"),
            ("{{upper .Name}}{{len .Mounts}}", "/WEB2"),
            ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
            ("{{slice .Name 1}}", "web"),
            ("{{json .Config.Env}}", "null"),
            (r#"{{.Label "k"}}{{.Label "none"}}"#, "v"),
            ("{{println .Name}}", "/web\n"),
            ("{{.Name}}\\t{{.Name}}", "/web\t/web"),
            (
                r#"{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}} {{end}}"#,
                "0=/a 1=/b ",
            ),
            (r#"{{printf "%s-%d" .Name .State.Pid}}"#, "/web-7"),
        ] {
            let format = Format::parse(template).unwrap();
            assert_eq!(format.render(&data).unwrap(), expected, "{template}");
        }
        assert!(Format::parse("{{.Name").is_err());
    }
}
