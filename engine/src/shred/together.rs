//! Which mirrors take part, and how those that have been away come to the state of the others.

use std::path::PathBuf;

use super::error::{MirrorError, ShredError};
use super::merge::{MergeError, Merged, Part, merge};
use super::mirror::Mirror;
use super::table::{MirrorStatus, ShredTable};

impl ShredTable {
    /// Brings all mirrors that can be opened to one state; those are good then.
    pub(super) fn bring_together(&self, writer: &mut Merged) -> Result<(), ShredError> {
        let (mut mirrors, mut parts) = (Vec::new(), Vec::new());
        for mirror in &self.mirrors {
            let opened = match mirror.good() {
                Some(file) => Ok(Part { file, is_tainted: false }),
                None => mirror.reopen(&*self.disk, &self.installation),
            };
            match opened {
                Ok(part) => {
                    mirrors.push(mirror);
                    parts.push(part);
                }
                Err(fault) => mirror.fail(mirror.state().file, fault),
            }
        }
        // If none is good, what stands nowhere any more and is still open may be all that there is.
        if self.mirrors.iter().all(|mirror| mirror.good().is_none()) {
            parts.extend(self.mirrors.iter().filter_map(Mirror::astray));
        }
        while !mirrors.is_empty() {
            match merge(&parts, &self.installation) {
                Ok(merged) => {
                    mirrors.iter().zip(parts).for_each(|(mirror, part)| mirror.mend(part.file));
                    if !merged.damaged.is_empty() && merged.damaged != writer.damaged {
                        let slots: Vec<_> = merged.damaged.iter().take(DAMAGED_NAMED).map(|slot| slot.get()).collect();
                        tracing::error!(count = merged.damaged.len(), first = ?slots, "slots of the shred table are damaged on every mirror");
                    }
                    *writer = merged.after(writer);
                    return Ok(());
                }
                Err(MergeError::Part(number, fault)) if number >= mirrors.len() => {
                    // Without it something may be missing, and would look as if it had never been.
                    tracing::error!("what is left open of a mirror of the shred table {fault}");
                    return Err(self.no_mirror());
                }
                Err(MergeError::Part(number, fault)) => {
                    mirrors.remove(number).fail(Some(parts.remove(number).file), fault);
                }
                Err(MergeError::Disagree(slot, one, other)) => {
                    let removed = || PathBuf::from("(removed while in use)");
                    let path = |number: usize| mirrors.get(number).map_or_else(removed, |mirror| mirror.path.clone());
                    return Err(ShredError::Disagree { slot, one: path(one), other: path(other) });
                }
            }
        }
        Err(self.no_mirror())
    }

    fn no_mirror(&self) -> ShredError {
        let reason = |MirrorStatus { path, fault }| {
            fault.map(|fault| format!("\n  {} {fault}", path.display())).unwrap_or_default()
        };
        ShredError::NoMirror { reasons: self.status().into_iter().map(reason).collect() }
    }

    /// Notes which mirrors are not there any more.
    pub(super) fn look(&self) {
        for mirror in &self.mirrors {
            if let Some(file) = mirror.good().filter(|file| !file.is_there()) {
                // Still read: it may be the last that there is.
                mirror.fail(Some(file), MirrorError::Removed);
            }
        }
    }

    /// Whether every mirror takes part.
    pub(super) fn check(&self) -> Result<(), ShredError> {
        let fault = |mirror: &Mirror| {
            let error = mirror.state().fault?;
            Some(ShredError::Mirror { path: mirror.path.clone(), error })
        };
        self.mirrors.iter().find_map(fault).map_or(Ok(()), Err)
    }
}

/// Most damaged slots that the log names.
const DAMAGED_NAMED: usize = 16;
