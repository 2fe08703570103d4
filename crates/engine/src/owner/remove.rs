//! Removing a container.

use super::network::Left;
use super::{Owner, Remains, Removing, Reply, answer};
use crate::events::Durable;
use crate::{Container, ContainerRecord, ContainerState, Error, Event, Problem, Removal, Status};
use metadata::Batch;
use types::Signal;

/// Why one that has not ended is not removed.
fn live(status: Status) -> Problem {
    match status {
        Status::Paused => Problem::Paused,
        Status::Restarting => Problem::Restarting,
        _ => Problem::Running,
    }
}

impl Owner {
    pub(super) async fn remove(&mut self, removal: Removal, reply: Reply<()>) -> Remains {
        let container = self.now();
        match container.state.status {
            status if status.is_live() && !removal.force => {
                answer(reply, self.refuse("remove", live(status)));
                Remains::Here
            }
            Status::Running | Status::Paused => self.end_and_remove(removal, reply).await,
            Status::Removing => {
                match &mut self.removing {
                    Some(removing) => removing.replies.push(reply),
                    None => answer(reply, self.refuse("remove", Problem::Removing)),
                }
                Remains::Here
            }
            _ => {
                self.removing = Some(Removing {
                    removal,
                    replies: vec![reply],
                });
                let mut container = (*container).clone();
                container.state.status = Status::Removing;
                self.vanish(container, Vec::new(), Left::default())
                    .await
                    .unwrap_or(Remains::Here)
            }
        }
    }

    /// Ends the program; its exit removes the container.
    async fn end_and_remove(&mut self, removal: Removal, reply: Reply<()>) -> Remains {
        let mut container = (*self.now()).clone();
        if let Err(error) = self.context.tasks.kill(self.id(), None, Signal::KILL).await {
            // It may have ended by itself: then its exit is on the way.
            let error = Error::task("remove", self.id())(error);
            if !matches!(
                error,
                Error::State {
                    problem: Problem::NotRunning,
                    ..
                }
            ) {
                answer(reply, Err(error));
                return Remains::Here;
            }
        }
        container.state.stopped_by_caller = true;
        container.state.removes_volumes = removal.volumes;
        container.state.status = Status::Removing;
        self.removing = Some(Removing {
            removal,
            replies: vec![reply],
        });
        let event = container.record.event("kill", [("signal", "9")]);
        let recorded = self
            .commit_state("record a removal", container, vec![event])
            .await;
        if let Err(error) = recorded {
            tracing::error!(container.id = %self.id(), %error, "cannot record a removal");
        }
        Remains::Here
    }

    /// Takes the container out of the records in one commit, tells everybody, and leaves its
    /// files to be removed behind.
    pub(super) async fn vanish(
        &mut self,
        mut container: Container,
        mut events: Vec<Event>,
        left: Left,
    ) -> Result<Remains, Error> {
        let removing = self.removing.take();
        let removal = removing.as_ref().map_or(
            Removal {
                force: true,
                volumes: true,
            },
            |removing| removing.removal,
        );
        let replies = removing
            .map(|removing| removing.replies)
            .unwrap_or_default();
        events.push(container.record.event("destroy", []));
        let mut batch = Batch::new();
        batch.remove::<ContainerRecord>(self.id().as_str());
        batch.remove::<ContainerState>(self.id().as_str());
        let record = std::sync::Arc::clone(&container.record);
        let released = match removal.volumes {
            true => Ok(Vec::new()),
            false => self.context.release_anonymous(&record, &mut batch),
        };
        let kept = released.and_then(|released| {
            let kept = self
                .context
                .keep("record a removal", batch, events, Durable::Soon);
            kept.map(|()| released)
        });
        left.settle().await;
        let released = match kept {
            Ok(released) => released,
            Err(error) => return self.half_removed(container, error, replies),
        };
        for volume in released {
            self.context.shelf.put(volume);
        }
        self.context.index.remove(self.id());
        self.context.execs.forget_container(self.id());
        container.removed = true;
        self.handle.publish(container);
        for reply in replies {
            answer(reply, Ok(()));
        }
        let releasing = self.releasing.take();
        self.context.sweep_behind(record, removal, releasing);
        Ok(Remains::Gone)
    }

    /// It is dead: its removal cannot be recorded.
    fn half_removed(
        &self,
        mut container: Container,
        error: Error,
        replies: Vec<Reply<()>>,
    ) -> Result<Remains, Error> {
        container.state.status = Status::Dead;
        container.state.error = error.to_string();
        self.handle.publish(container);
        let mut replies = replies.into_iter();
        let first = replies.next();
        for reply in replies {
            answer(reply, self.refuse("remove", Problem::Dead));
        }
        tracing::error!(container.id = %self.id(), %error, "cannot record a removal");
        match first {
            Some(reply) => {
                answer(reply, Err(error));
                Ok(Remains::Here)
            }
            None => Err(error),
        }
    }
}
