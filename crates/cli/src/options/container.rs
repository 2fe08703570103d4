//! All flags of `run` and `create`.

use super::flags::{
    Addresses, BlockIo, Exposure, FurtherLimits, Health, Image, Labels, Limits, Log, Names,
    Network, Process, Processors, Security, Storage, Windows,
};
use super::group::Words;
use clap::{ArgMatches, Args, Command, FromArgMatches as _};

/// All that `run` and `create` have in common: what most commands give, and groups of which they
/// give a few.
#[derive(Debug, Default, Args)]
pub(crate) struct ContainerOptions {
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Assign a name to the container
    #[arg(long, value_name = "string")]
    pub(crate) name: Option<String>,
    /// Automatically remove the container and its associated anonymous volumes when it exits
    #[arg(long)]
    pub(crate) rm: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub(crate) tty: bool,

    #[arg(skip)]
    pub(crate) image: Image,
    #[arg(skip)]
    pub(super) process: Process,
    #[arg(skip)]
    pub(crate) labels: Labels,
    #[arg(skip)]
    pub(super) log: Log,
    #[arg(skip)]
    pub(super) limits: Limits,
    #[arg(skip)]
    pub(super) further_limits: FurtherLimits,
    #[arg(skip)]
    pub(super) processors: Processors,
    #[arg(skip)]
    pub(super) block_io: BlockIo,
    #[arg(skip)]
    pub(super) network: Network,
    #[arg(skip)]
    pub(super) exposure: Exposure,
    #[arg(skip)]
    pub(super) names: Names,
    #[arg(skip)]
    pub(super) addresses: Addresses,
    #[arg(skip)]
    pub(super) security: Security,
    #[arg(skip)]
    pub(super) storage: Storage,
    #[arg(skip)]
    pub(super) health: Health,
    #[arg(skip)]
    pub(super) windows: Windows,
}

impl ContainerOptions {
    /// Tells clap of the flags, as far as they may be among the words.
    pub(crate) fn add(mut command: Command, words: Words<'_>) -> Command {
        command = Self::augment_args(command);
        command = words.add::<Image>(command);
        command = words.add::<Process>(command);
        command = words.add::<Labels>(command);
        command = words.add::<Log>(command);
        command = words.add::<Limits>(command);
        command = words.add::<FurtherLimits>(command);
        command = words.add::<Processors>(command);
        command = words.add::<BlockIo>(command);
        command = words.add::<Network>(command);
        command = words.add::<Exposure>(command);
        command = words.add::<Names>(command);
        command = words.add::<Addresses>(command);
        command = words.add::<Security>(command);
        command = words.add::<Storage>(command);
        command = words.add::<Health>(command);
        command = words.add::<Windows>(command);
        command.next_help_heading(None)
    }

    /// Reads what clap was told of by [`Self::add`].
    pub(crate) fn read(matches: &mut ArgMatches, words: Words<'_>) -> Result<Self, clap::Error> {
        Ok(Self {
            image: words.read(matches)?,
            process: words.read(matches)?,
            labels: words.read(matches)?,
            log: words.read(matches)?,
            limits: words.read(matches)?,
            further_limits: words.read(matches)?,
            processors: words.read(matches)?,
            block_io: words.read(matches)?,
            network: words.read(matches)?,
            exposure: words.read(matches)?,
            names: words.read(matches)?,
            addresses: words.read(matches)?,
            security: words.read(matches)?,
            storage: words.read(matches)?,
            health: words.read(matches)?,
            windows: words.read(matches)?,
            ..Self::from_arg_matches_mut(matches)?
        })
    }
}
