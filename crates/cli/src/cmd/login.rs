//! `login`: try credentials on a registry, and keep them.

use crate::command::{Action, Takes};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::{output, terminal};
use client::Call;
use client::credentials::{self, Config, INDEX, Place};
use docker_schema::auth::{AuthConfig, AuthResponse};
use std::io::{BufRead, IsTerminal, Read, Write};

#[derive(clap::Args)]
pub(crate) struct Login {
    /// Password or Personal Access Token (PAT)
    #[arg(short, long, value_name = "string")]
    password: Option<String>,
    /// Take the Password or Personal Access Token (PAT) from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Username
    #[arg(short, long, value_name = "string")]
    username: Option<String>,
    #[arg(hide = true)]
    server: Option<String>,
}

impl std::fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Action for Login {
    const ABOUT: &'static str = "Authenticate to a registry";
    const USAGE: &'static str = "[OPTIONS] [SERVER]";
    const TAKES: Takes = Takes::Between(0, 1);

    async fn run(self, cx: &Context) -> Result {
        let server = credentials::server(self.server.as_deref().unwrap_or(INDEX)).to_owned();
        let (username, password) = self.secret(&server)?;
        let mut auth = AuthConfig {
            username,
            password,
            server_address: server,
            ..AuthConfig::default()
        };
        let call = Call::post("/auth").json(&auth)?;
        let answer: AuthResponse = cx.client().await?.json(call).await?;
        if !answer.identity_token.is_empty() {
            auth.identity_token = answer.identity_token;
        }
        if Config::read()?.store(&auth)? == Place::File {
            output::error(&format!(
                "\nWARNING! Your credentials are stored unencrypted in '{}'.\n\
                 Configure a credential helper to remove this warning. See\n\
                 https://docs.docker.com/go/credential-store/\n",
                credentials::path()?.display()
            ));
        }
        output::line(&answer.status)?;
        Ok(0)
    }
}

impl Login {
    /// The name and the password, asked for if they are not given.
    fn secret(&self, server: &str) -> Result<(String, String)> {
        let wrong = |text: &str| Err(Failure::text(1, text));
        if self.password.is_some() {
            output::error(
                "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
            );
            if self.password_stdin {
                return wrong("--password and --password-stdin are mutually exclusive");
            }
        }
        if self.password_stdin {
            let Some(username) = &self.username else {
                return wrong("Must provide --username with --password-stdin");
            };
            let mut text = String::new();
            std::io::stdin().lock().read_to_string(&mut text)?;
            let password = text.strip_suffix('\n').unwrap_or(&text);
            let password = password.strip_suffix('\r').unwrap_or(password);
            return Ok((username.clone(), password.to_owned()));
        }
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            return Ok((username.clone(), password.clone()));
        }
        let kept = Config::read()?.find(server)?;
        if let Some(kept) = kept
            && !kept.username.is_empty()
            // With an identity token there is no password, and docker asks for it again.
            && !kept.password.is_empty()
            && self.username.is_none()
            && self.password.is_none()
        {
            output::error("Authenticating with existing credentials...");
            return Ok((kept.username, kept.password));
        }
        if !std::io::stdin().is_terminal() {
            return wrong("Error: Cannot perform an interactive login from a non TTY device");
        }
        let username = match &self.username {
            Some(username) => username.clone(),
            None => ask("Username: ")?,
        };
        let password = match &self.password {
            Some(password) => password.clone(),
            None => {
                let _unseen = terminal::Silent::input()?;
                let password = ask("Password: ")?;
                output::line("")?;
                password
            }
        };
        match username.is_empty() || password.is_empty() {
            true => wrong("Error: Non-null Username and Password Required"),
            false => Ok((username, password)),
        }
    }
}

fn ask(prompt: &str) -> Result<String> {
    let mut out = std::io::stdout().lock();
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
