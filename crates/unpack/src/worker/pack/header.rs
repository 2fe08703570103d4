//! A member's header: ustar's, with PAX records before it for what does not fit, as Go's
//! archives have them.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// The largest number of seven and of eleven octal digits.
const SEVEN: u64 = 0o777_7777;
const ELEVEN: u64 = 0o777_7777_7777;
/// Bytes of a name in ustar.
const NAME: usize = 100;

/// Extended attributes: names and values.
pub(super) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// A member of an archive.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) seconds: i64,
    /// Written only if it is not 0.
    pub(super) nanos: u32,
    pub(super) xattrs: Xattrs,
}

/// What a member is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// With so many bytes of contents.
    File(u64),
    /// A further name of a member before it.
    Link(Vec<u8>),
    Symlink(Vec<u8>),
    Character(u32, u32),
    Block(u32, u32),
    Directory,
    Fifo,
}

impl Kind {
    fn flag(&self) -> u8 {
        match self {
            Self::File(_) => b'0',
            Self::Link(_) => b'1',
            Self::Symlink(_) => b'2',
            Self::Character(..) => b'3',
            Self::Block(..) => b'4',
            Self::Directory => b'5',
            Self::Fifo => b'6',
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::File(size) => *size,
            _ => 0,
        }
    }

    fn target(&self) -> &[u8] {
        match self {
            Self::Link(target) | Self::Symlink(target) => target,
            _ => b"",
        }
    }

    fn device(&self) -> (u32, u32) {
        match self {
            Self::Character(major, minor) | Self::Block(major, minor) => (*major, *minor),
            _ => (0, 0),
        }
    }
}

impl Entry {
    /// Writes the header, and PAX records before it if it needs some.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let records = self.records();
        if !records.is_empty() {
            let mut body = Vec::new();
            for (key, value) in &records {
                record(&mut body, key, value);
            }
            let size = body.len() as u64;
            body.resize(body.len().next_multiple_of(512), 0);
            out.write_all(&block(b"PaxHeaders.0/member", b'x', &Fields::of_size(size)))?;
            out.write_all(&body)?;
        }
        let seconds = u64::try_from(self.seconds).unwrap_or(0);
        let size = self.kind.size();
        let fields = Fields {
            mode: u64::from(self.mode),
            uid: u64::from(self.uid),
            gid: u64::from(self.gid),
            size: if size > ELEVEN { 0 } else { size },
            seconds: if seconds > ELEVEN { 0 } else { seconds },
            target: self.kind.target(),
            device: self.kind.device(),
        };
        out.write_all(&block(&self.name, self.kind.flag(), &fields))
    }

    fn records(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut records = BTreeMap::new();
        let mut put = |key: &str, value: Vec<u8>| drop(records.insert(key.into(), value));
        let fits = |text: &[u8]| text.len() <= NAME && text.is_ascii();
        if !fits(&self.name) {
            put("path", self.name.clone());
        }
        if !fits(self.kind.target()) {
            put("linkpath", self.kind.target().to_vec());
        }
        for (key, id) in [("uid", self.uid), ("gid", self.gid)] {
            if u64::from(id) > SEVEN {
                put(key, id.to_string().into_bytes());
            }
        }
        if self.kind.size() > ELEVEN {
            put("size", self.kind.size().to_string().into_bytes());
        }
        let fits = u64::try_from(self.seconds).is_ok_and(|seconds| seconds <= ELEVEN);
        if !fits || self.nanos > 0 {
            put("mtime", self.time().into_bytes());
        }
        for (key, value) in &self.xattrs {
            let key = [b"SCHILY.xattr.", &**key].concat();
            records.insert(key, value.clone());
        }
        records
    }

    /// Seconds with a fraction that counts away from zero.
    fn time(&self) -> String {
        let (seconds, nanos) = (self.seconds, self.nanos);
        let (sign, whole, nanos) = match (seconds < 0, nanos) {
            (false, _) => ("", seconds.unsigned_abs(), nanos),
            (true, 0) => ("-", seconds.unsigned_abs(), 0),
            (true, _) => ("-", seconds.unsigned_abs() - 1, 1_000_000_000 - nanos),
        };
        match nanos {
            0 => format!("{sign}{whole}"),
            _ => format!("{sign}{whole}.{nanos:09}")
                .trim_end_matches('0')
                .to_owned(),
        }
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself too.
fn record(body: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    body.extend_from_slice(format!("{length} ").as_bytes());
    body.extend_from_slice(key);
    body.push(b'=');
    body.extend_from_slice(value);
    body.push(b'\n');
}

#[derive(Default)]
struct Fields<'a> {
    mode: u64,
    uid: u64,
    gid: u64,
    size: u64,
    seconds: u64,
    target: &'a [u8],
    device: (u32, u32),
}

impl Fields<'_> {
    fn of_size(size: u64) -> Self {
        Self {
            size,
            ..Self::default()
        }
    }
}

fn block(name: &[u8], flag: u8, fields: &Fields<'_>) -> [u8; 512] {
    let mut block = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(field) = block.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    };
    let ascii = |text: &[u8]| -> Vec<u8> {
        let plain = text.iter().copied().filter(u8::is_ascii);
        plain.take(NAME).collect()
    };
    let seven = |number: u64| format!("{:07o}", if number > SEVEN { 0 } else { number });
    put(0, &ascii(name));
    put(100, seven(fields.mode).as_bytes());
    put(108, seven(fields.uid).as_bytes());
    put(116, seven(fields.gid).as_bytes());
    put(124, format!("{:011o}", fields.size).as_bytes());
    put(136, format!("{:011o}", fields.seconds).as_bytes());
    put(148, b"        ");
    put(156, &[flag]);
    put(157, &ascii(fields.target));
    put(257, b"ustar\x0000");
    put(329, seven(u64::from(fields.device.0)).as_bytes());
    put(337, seven(u64::from(fields.device.1)).as_bytes());
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    if let Some(field) = block.get_mut(148..156) {
        field.copy_from_slice(sum.as_bytes());
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8], kind: Kind) -> Entry {
        Entry {
            name: name.to_vec(),
            kind,
            mode: 0o4755,
            uid: 1,
            gid: 3_000_000_000,
            seconds: -2,
            nanos: 750_000_000,
            xattrs: vec![(b"user.a".to_vec(), b"x\n=\0".to_vec())],
        }
    }

    #[test]
    fn what_does_not_fit_is_said_in_records_that_others_read() {
        let long = vec![b'n'; 150];
        let mut bytes = Vec::new();
        let kind = Kind::Symlink(b"\xc3\xa4".to_vec());
        entry(&long, kind).write(&mut bytes).unwrap();
        bytes.extend_from_slice(&[0; 1024]);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut read = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(&*read.path_bytes(), long);
        assert_eq!(read.link_name_bytes().unwrap().as_ref(), b"\xc3\xa4");
        assert_eq!(read.header().mode().unwrap(), 0o4755);
        let records = read.pax_extensions().unwrap().unwrap();
        let found: Vec<_> = records
            .filter_map(Result::ok)
            .filter(|record| matches!(record.key_bytes(), b"gid" | b"mtime"))
            .map(|record| record.value_bytes().to_vec())
            .collect();
        assert_eq!(found, [b"3000000000".to_vec(), b"-1.25".to_vec()]);
    }

    #[test]
    fn a_records_length_counts_its_own_digits() {
        for length in [1, 5, 89, 90, 91, 92, 93, 990, 991, 992, 993, 994] {
            let mut body = Vec::new();
            record(&mut body, b"k", &vec![b'v'; length]);
            let said: usize = String::from_utf8_lossy(&body)
                .split(' ')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(said, body.len(), "{length}");
        }
    }
}
