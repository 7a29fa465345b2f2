//! A run that was closed in good order.

use crate::live_world::{config, play};
use engine::Run;
use model::VenueModel;
use model::config::EngineConfig;
use std::path::Path;

/// Plays sixty turns and gives the configuration; `folder/state` then holds several segments and two snapshots.
pub fn closed_run(folder: &Path) -> EngineConfig {
    let config = config(folder, VenueModel::Book, 60);
    let (mut run, _) = Run::open(&config).unwrap();
    for n in 0..60 {
        play(&mut run, 3, n, 0).unwrap();
    }
    config
}
