//! A value of another type than its field's, told as Go tells it.

use serde_json::Value;
use std::fmt;

/// Why a document's values could not be taken.
#[derive(Debug)]
pub(super) enum Failure {
    Mismatch(Box<Mismatch>),
    /// A reader's own words.
    Said(String),
}

/// A value that stands where another type is wanted.
#[derive(Debug)]
pub(super) struct Mismatch {
    value: String,
    /// Where it stands, the innermost step first.
    path: Vec<Step>,
    /// The type of the whole document, once that is known.
    root: &'static str,
    /// The type that is wanted there.
    wanted: String,
}

#[derive(Debug)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Failure {
    /// `value` stands where `wanted` is.
    pub(super) fn mismatch(value: &Value, wanted: String) -> Self {
        Self::Mismatch(Box::new(Mismatch {
            value: kind(value).to_owned(),
            path: Vec::new(),
            root: "",
            wanted,
        }))
    }

    /// The same of a figure that the type cannot hold, which is told.
    pub(super) fn figure(value: &Value, wanted: &str) -> Self {
        let mut failure = Self::mismatch(value, wanted.to_owned());
        if let (Self::Mismatch(mismatch), Value::Number(number)) = (&mut failure, value) {
            mismatch.value = format!("number {}", number.to_string().replace("e+", "e"));
        }
        failure
    }

    /// One step further out.
    pub(super) fn at(mut self, step: Step) -> Self {
        if let Self::Mismatch(mismatch) = &mut self {
            mismatch.path.push(step);
        }
        self
    }

    /// In a document of a type.
    pub(super) fn within(mut self, root: &'static str) -> Self {
        if let Self::Mismatch(mismatch) = &mut self {
            mismatch.root = root;
        }
        self
    }
}

/// What JSON has, in Go's words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Types that do not say whose field it is. COMPAT: as dockerd's.
const UNNAMED: [&str; 2] = ["container.CreateRequest", "registry.AuthConfig"];

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "json: cannot unmarshal {} into ", self.value)?;
        match self.path.first() {
            None => return write!(f, "Go value of type {}", self.wanted),
            Some(Step::Key(_)) => f.write_str("Go struct field ")?,
            Some(Step::Index(_)) => {}
        }
        if !UNNAMED.contains(&self.root) {
            f.write_str(self.root.rsplit('.').next().unwrap_or_default())?;
        }
        for step in self.path.iter().rev() {
            match step {
                Step::Key(key) => write!(f, ".{}", key.replace('~', "~0").replace('/', "~1")),
                Step::Index(index) => write!(f, ".{index}"),
            }?;
        }
        write!(f, " of type {}", named(&self.path, &self.wanted))
    }
}

/// Fields whose type has a name of its own in Go.
const NAMED: [(&str, &str); 25] = [
    ("ExposedPorts", "nat.PortSet"),
    ("PortBindings", "nat.PortMap"),
    ("NetworkMode", "container.NetworkMode"),
    ("IpcMode", "container.IpcMode"),
    ("PidMode", "container.PidMode"),
    ("UTSMode", "container.UTSMode"),
    ("UsernsMode", "container.UsernsMode"),
    ("CgroupnsMode", "container.CgroupnsMode"),
    ("Cgroup", "container.CgroupSpec"),
    ("Isolation", "container.Isolation"),
    ("RestartPolicy.Name", "container.RestartPolicyMode"),
    ("RestartPolicy.MaximumRetryCount", "int"),
    ("Healthcheck.Interval", "time.Duration"),
    ("Healthcheck.Timeout", "time.Duration"),
    ("Healthcheck.StartPeriod", "time.Duration"),
    ("Healthcheck.StartInterval", "time.Duration"),
    ("Healthcheck.Retries", "int"),
    ("StopTimeout", "int"),
    ("OomScoreAdj", "int"),
    ("DeviceRequests.Count", "int"),
    ("GwPriority", "int"),
    ("TmpfsOptions.Mode", "fs.FileMode"),
    ("Mounts.Type", "mount.Type"),
    ("BindOptions.Propagation", "mount.Propagation"),
    ("Mounts.Consistency", "mount.Consistency"),
];

/// The name of a field's type, where it has one.
fn named<'a>(path: &[Step], wanted: &'a str) -> &'a str {
    let keys = || {
        path.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    };
    let is = |field: &str| {
        let mut names = field.rsplit('.');
        let same = |(key, name): (&str, &str)| key.eq_ignore_ascii_case(name);
        let count = field.split('.').count();
        keys().count() >= count && keys().zip(names.by_ref()).all(same)
    };
    let known = NAMED.iter().find(|(field, _)| is(field));
    match (path.first(), known) {
        (Some(Step::Key(_)), Some((_, name))) => name,
        _ => wanted,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Said(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for Failure {}

impl serde::de::Error for Failure {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::Said(words.to_string())
    }
}
