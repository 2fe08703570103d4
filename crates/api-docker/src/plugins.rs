//! Managed plugins: there are none.

use crate::body::{self, Response};
use crate::call::Call;
use crate::error::Result;

pub(crate) async fn list(_: Call) -> Result<Response> {
    Ok(body::ok::<[(); 0]>(&[]))
}
