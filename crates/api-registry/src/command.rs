//! `corten registry serve`.

use crate::{Access, Anonymous, Depot, Guard, Scheme, Server, Tls};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use unpack::Unpack;

/// Run a registry of images
#[derive(Debug, Parser)]
#[command(name = "corten registry", version, disable_help_subcommand = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve images; without further options to whoever can connect, in the clear
    Serve(Serve),
}

#[derive(Debug, Args)]
struct Serve {
    /// Address to listen at
    #[arg(long, default_value = "127.0.0.1:5000", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Directory of blobs and names
    #[arg(long, default_value = "/var/lib/corten-registry", value_name = "DIR")]
    root: PathBuf,
    /// Speak TLS with this certificate (PEM, with its chain)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Take only clients with a certificate of one of these authorities (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
    /// Serve only the accounts of this file (htpasswd, bcrypt)
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// How accounts are shown: a token that is given out at /token, or basic
    #[arg(
        long,
        value_enum,
        default_value = "token",
        requires = "htpasswd",
        value_name = "SCHEME"
    )]
    auth: Auth,
    /// What each account may do where (lines of ACCOUNT PATTERN ACTIONS)
    #[arg(
        long,
        value_name = "FILE",
        requires = "htpasswd",
        conflicts_with = "anonymous_pull"
    )]
    rights: Option<PathBuf>,
    /// Let those without an account read
    #[arg(long, requires = "htpasswd")]
    anonymous_pull: bool,
    /// Take manifests whose blobs are not in the repository
    #[arg(long)]
    sparse: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Auth {
    Token,
    Basic,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Serve {
    fn guard(&self) -> Result<Guard, Failure> {
        let tls = self.tls_cert.clone().zip(self.tls_key.clone());
        let tls = tls.map(|(certificate, key)| Tls {
            certificate,
            key,
            client_authority: self.tls_client_ca.clone(),
        });
        let scheme = match self.auth {
            Auth::Token => Scheme::Token,
            Auth::Basic => Scheme::Basic,
        };
        let anonymous = match self.anonymous_pull {
            true => Anonymous::Pull,
            false => Anonymous::Nothing,
        };
        let open = |path: &PathBuf| match &self.rights {
            Some(rights) => Access::limited(path, scheme, rights),
            None => Access::open(path, scheme, anonymous),
        };
        let access = self.htpasswd.as_ref().map(open).transpose()?;
        let access = match (access, self.auth) {
            (Some(access), Auth::Token) => Some(access.with_identities(&self.root)?),
            (access, _) => access,
        };
        Ok(Guard { tls, access })
    }

    fn depot(&self) -> Result<Depot, Failure> {
        let depot = Depot::open(&self.root, Unpack::beside()?)?;
        Ok(match self.sparse {
            true => depot.sparse(),
            false => depot,
        })
    }
}

/// Runs the registry; `args` are those of the program, its name first. It returns when it was
/// told to stop.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Command::try_parse_from(args) {
        Ok(command) => command,
        Err(error) => {
            // Help and version are no failures; a standard stream that is closed is not either.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    let Verb::Serve(options) = command.verb;
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Serve) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // Who has the directory may write to it.
    let depot = options.depot()?;
    let guard = options.guard()?;
    runtime.block_on(async {
        let server = Server::bind(options.listen, depot, guard).await?;
        say(&format!("listening at {}", server.address()?));
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        let stop = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        Ok(server.serve(stop).await?)
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        words = format!("{words}: {cause}");
        at = cause.source();
    }
    words
}

fn say(line: &str) {
    // There is nobody to tell if standard error is closed.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
