//! Whether a registry believes credentials.

use crate::exchange::{Ask, Exchange, Learnt};
use crate::repository::Registries;
use crate::target::server;
use crate::{Credentials, Error};
use http::StatusCode;

impl Registries {
    /// Shows `credentials` to the registry at `host`. Gives a token to keep in the place of
    /// the password, if the registry has such.
    pub async fn login(
        &self,
        host: &str,
        credentials: &Credentials,
    ) -> Result<Option<String>, Error> {
        let target = server(host, self.http())?;
        let learnt = Learnt::default();
        let exchange = Exchange {
            http: self.http(),
            target: &target,
            credentials: Some(credentials),
            scopes: &[],
            learnt: &learnt,
        };
        let answered = exchange.get(&Ask::get(String::new())).await?;
        match answered.answer.status() {
            StatusCode::OK => Ok(learnt.refresh_token(&target.host)),
            status => Err(Error::Login {
                url: answered.url,
                status: status.to_string(),
            }),
        }
    }
}
