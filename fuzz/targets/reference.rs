//! Names of images, digests and platforms: what is read is written so that it is read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oci::{Reference, image::Platform};
use std::fmt::{Debug, Display};
use std::str::FromStr;
use types::{ContainerId, Digest};

fn alike<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Debug,
{
    if let Ok(read) = text.parse::<T>() {
        assert_eq!(read.to_string().parse::<T>().unwrap(), read);
    }
}

fuzz_target!(|text: &str| {
    alike::<Reference>(text);
    alike::<Digest>(text);
    alike::<Platform>(text);
    alike::<ContainerId>(text);
});
