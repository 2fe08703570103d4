//! Blobs: read, looked for, removed.

use crate::answer::{self, Answer, DIGEST, with};
use crate::depot::Depot;
use crate::error::{Error, Result};
use crate::records::{BlobRecord, key};
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE};
use http::{HeaderMap, Method, StatusCode};
use types::Digest;

/// The stretch of a blob that a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part { from: u64, len: u64 },
}

pub(crate) fn read(
    depot: &Depot,
    repository: &str,
    digest: &Digest,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Answer> {
    if !depot.has(repository, digest)? {
        return Err(unknown(digest));
    }
    let file = depot.0.content.file(digest)?;
    let size = file.metadata().map_err(Error::unknown)?.len();
    let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let wanted = match range {
        Some(range) => wanted(range, size)?,
        None => Wanted::All,
    };
    let (status, from, len) = match wanted {
        Wanted::All => (StatusCode::OK, 0, size),
        Wanted::Part { from, len } => (StatusCode::PARTIAL_CONTENT, from, len),
    };
    let answer = match *method == Method::HEAD {
        true => answer::empty(status),
        false => answer::file(status, file, from, len),
    };
    let answer = with(answer, CONTENT_TYPE, "application/octet-stream");
    let answer = with(answer, CONTENT_LENGTH, len);
    let answer = with(answer, ACCEPT_RANGES, "bytes");
    let answer = with(answer, ETAG, format!("\"{digest}\""));
    let answer = with(answer, DIGEST, digest);
    Ok(match wanted {
        Wanted::All => answer,
        Wanted::Part { .. } => {
            let last = from + len - 1;
            with(answer, CONTENT_RANGE, format!("bytes {from}-{last}/{size}"))
        }
    })
}

/// One range of bytes; of several, or of another unit, it is all.
fn wanted(range: &str, size: u64) -> Result<Wanted> {
    let Some(text) = range.trim().strip_prefix("bytes=") else {
        return Ok(Wanted::All);
    };
    let Some((first, last)) = text.split_once('-') else {
        return Ok(Wanted::All);
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (from, end) = match (number(first), number(last)) {
        (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(size)),
        (Some(from), None) if last.trim().is_empty() => (from, size),
        (None, Some(count)) if first.trim().is_empty() => (size.saturating_sub(count), size),
        _ => return Ok(Wanted::All),
    };
    match from < end {
        true => Ok(Wanted::Part {
            from,
            len: end - from,
        }),
        false => Err(Error::range_unsatisfiable(format!(
            "{range:?} of {size} bytes"
        ))),
    }
}

/// A range that is answered is inside the blob.
#[cfg(fuzzing)]
pub(crate) fn check_range(range: &str, size: u64) {
    if let Ok(Wanted::Part { from, len }) = wanted(range, size) {
        let end = from.checked_add(len);
        assert!(len > 0 && end.is_some_and(|end| end <= size), "{range}");
    }
}

pub(crate) fn delete(depot: &Depot, repository: &str, digest: &Digest) -> Result<Answer> {
    let blob = key(repository, &digest.to_string());
    depot.unlink(std::slice::from_ref(digest), |write| {
        match write.remove::<BlobRecord>(&blob)? {
            true => Ok(()),
            false => Err(unknown(digest)),
        }
    })?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

pub(crate) fn unknown(digest: &Digest) -> Error {
    Error::blob_unknown(format!("blob {digest} is not in the repository"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        for (range, expected) in [
            ("bytes=0-4", Ok(Wanted::Part { from: 0, len: 5 })),
            ("bytes=5-", Ok(Wanted::Part { from: 5, len: 5 })),
            ("bytes=-3", Ok(Wanted::Part { from: 7, len: 3 })),
            ("bytes=-99", Ok(Wanted::Part { from: 0, len: 10 })),
            (
                "bytes=8-18446744073709551615",
                Ok(Wanted::Part { from: 8, len: 2 }),
            ),
            ("bytes=10-", Err(())),
            ("bytes=5-4", Ok(Wanted::All)),
            ("bytes=a-b", Ok(Wanted::All)),
            ("bytes=0-1,3-4", Ok(Wanted::All)),
            ("items=0-1", Ok(Wanted::All)),
        ] {
            assert_eq!(wanted(range, 10).map_err(drop), expected, "{range}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            failure_persistence: None,
            ..Default::default()
        })]

        #[test]
        fn a_range_is_never_beyond_the_blob(
            range in "bytes=[0-9 -]{0,24}|bytes=-?18446744073709551615-?|\\PC{0,20}",
            size in proptest::prelude::any::<u64>(),
        ) {
            if let Ok(Wanted::Part { from, len }) = wanted(&range, size) {
                let end = from.checked_add(len);
                proptest::prop_assert!(len > 0 && end.is_some_and(|end| end <= size));
            }
        }
    }
}
